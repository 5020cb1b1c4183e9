"""An exception for each code of include/raftcore.h. A call that raises one has changed nothing, but for PanicError."""

from __future__ import annotations

from . import _abi


class RaftError(Exception):
    """A call that did nothing.

    code is the number in include/raftcore.h, detail what the library says beyond it: what was seen, what is allowed, which setting.
    An unknown code, from a newer library, comes as this class itself.
    """

    code = 0

    def __init__(self, detail: str = "", code: int = 0) -> None:
        self.code = code or self.code
        self.detail = detail
        text: bytes = _abi.strerror(self.code)
        super().__init__(f"{text.decode()}: {detail}" if detail else text.decode())


class NullError(RaftError):
    """A required pointer is NULL. It does not come from this package, but as ClosedError."""

    code = -1


class ClosedError(NullError):
    """The node was closed."""

    def __str__(self) -> str:
        return "the node was closed"


class HandleError(RaftError):
    """Not a live node."""

    code = -2


class BusyError(RaftError):
    """Another thread is in the node."""

    code = -3


class PanicError(RaftError):
    """A bug of raftcore was caught. The node does nothing any more: close it, and boot from what is stored."""

    code = -4


class PoisonedError(RaftError):
    """A bug was caught earlier: see PanicError."""

    code = -5


class AbiError(RaftError):
    """A struct that the library does not know."""

    code = -6


class ArgError(RaftError, ValueError):
    """Out of range, or a number or index never handed out."""

    code = -7


class StateError(RaftError):
    """A call out of order, or of another storage mode."""

    code = -8


class StaleError(RaftError):
    """Acknowledged before. Harmless."""

    code = -9


class NoMemoryError(RaftError, MemoryError):
    """An allocation failed."""

    code = -10


class FullError(RaftError):
    """A configured capacity is reached: retry after advance."""

    code = -11


class TooSmallError(RaftError):
    """The buffer is too small; needed has the bytes it takes. The batch comes with the next call."""

    code = -12
    needed = 0


class DecodeError(RaftError, ValueError):
    """Malformed bytes: drop the connection."""

    code = -13


class NoLeaderError(RaftError):
    """No leader is known, or a transfer is under way: retry when the ready's leader changes."""

    code = -14


class NoPeerError(RaftError):
    """A response from somebody unknown, or no such peer."""

    code = -15


class ConfBusyError(RaftError):
    """A configuration change is in flight: retry after it is applied."""

    code = -16


class ConfError(RaftError):
    """A change or configuration that is invalid here."""

    code = -17


class CorruptError(RaftError):
    """What is booted from contradicts itself."""

    code = -18


class UnsupportedError(RaftError):
    """Not in this library."""

    code = -19


class NotForMeError(RaftError):
    """A message to another id or group, from somebody else than its peer, or of a local kind."""

    code = -20


class ImplausibleError(RaftError):
    """A message that contradicts what is committed here; an event tells."""

    code = -21


def _classes(of: type[RaftError]) -> dict[int, type[RaftError]]:
    found = {}
    for cls in of.__subclasses__():
        found.update(_classes(cls))
        found[cls.code] = cls
    return found


BY_CODE = _classes(RaftError)


def error(code: int, detail: str = "") -> RaftError:
    return BY_CODE.get(code, RaftError)(detail, code)
