"""An exception for each error code of include/raftcore.h."""

from __future__ import annotations

from typing import Any

from . import _abi


class RaftError(Exception):
    """A call that failed. The call has changed nothing, except with PanicError.

    `code` is the number in include/raftcore.h. `detail` is the library's text for this call, with
    values, limits and settings; empty if there is no more to say. The message is the detail, or
    else the text of the code. An unknown code, of a newer library, raises RaftError itself. `taken`
    is for Node.turn alone.
    """

    code: int = 0
    detail: str
    taken: int = 0

    def __init__(self, detail: str = "", code: int = 0) -> None:
        self.code = code or self.code
        self.detail = detail
        text: bytes = _abi.strerror(self.code)
        super().__init__(detail or text.decode())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.detail, self.code), self.__dict__


class NullError(RaftError):
    """A required pointer is NULL. The package raises ClosedError instead."""

    code = -1


class ClosedError(NullError):
    """The node was closed. Make another Node, and boot from disk."""

    def __str__(self) -> str:
        return "the node was closed"


class HandleError(RaftError):
    """The library does not know the node."""

    code = -2


class BusyError(RaftError):
    """A call on the node is in progress. Call again later.

    The first call is in a second thread, or the current call interrupted the first call from a
    signal handler or a finalizer. Threads that share a node need a lock. A signal handler should
    only set a flag.
    """

    code = -3


class PanicError(RaftError):
    """The library caught a bug of its own, and the node does nothing any more.

    Close the node, and boot from disk.
    """

    code = -4


class PoisonedError(RaftError):
    """The library caught a bug of its own in an earlier call: see PanicError."""

    code = -5


class AbiError(RaftError):
    """The library does not know a struct of the package: install both in one version."""

    code = -6


class ArgError(RaftError, ValueError):
    """An argument is out of range, or the node never returned such a number or index."""

    code = -7


class StateError(RaftError):
    """The call is out of order, or for another storage mode. Correct the caller."""

    code = -8


class StaleError(RaftError):
    """The number or index was acknowledged before. Harmless."""

    code = -9


class NoMemoryError(RaftError, MemoryError):
    """An allocation failed. Retry later."""

    code = -10


class FullError(RaftError):
    """A configured capacity is reached. Retry after the next advance."""

    code = -11


class TooSmallError(RaftError):
    """Your buffer is too small. `needed` is the size in bytes; the ready comes with the next call."""

    code = -12
    needed: int = 0


class DecodeError(RaftError, ValueError):
    """The bytes are malformed. Close their connection."""

    code = -13


class NoLeaderError(RaftError):
    """No leader is known, or a transfer is in progress. Retry when the leader of a ready changes."""

    code = -14


class NoPeerError(RaftError):
    """The member is unknown."""

    code = -15


class ConfBusyError(RaftError):
    """A membership change is in flight. Retry when the change is applied."""

    code = -16


class ConfError(RaftError):
    """The membership or the change is invalid here. The detail gives the reason."""

    code = -17


class CorruptError(RaftError):
    """The stored state contradicts itself. Close the node.

    Restore the disk from a backup, or join again under a new id.
    """

    code = -18


class UnsupportedError(RaftError):
    """The library lacks this feature."""

    code = -19


class NotForMeError(RaftError):
    """The message is for another id or group, or not from the authenticated peer. Discard it."""

    code = -20


class ImplausibleError(RaftError):
    """The message contradicts committed entries. Discard the message, and log the node's events."""

    code = -21


class TooLargeError(RaftError, ValueError):
    """An entry is above max_entry_bytes, or snapshot data are above max_snapshot_bytes.

    Split the entry. Supply the snapshot without data, and send the data over a channel of your own.
    """

    code = -22


class NotLeaderError(RaftError):
    """This node is not the leader. Propose at `leader`."""

    code = -23
    leader: int = 0


def _classes(of: type[RaftError]) -> dict[int, type[RaftError]]:
    found = {}
    for cls in of.__subclasses__():
        found.update(_classes(cls))
        found[cls.code] = cls
    return found


BY_CODE = _classes(RaftError)


def error(code: int, detail: str = "") -> RaftError:
    """Returns the exception of a code."""
    return BY_CODE.get(code, RaftError)(detail, code)
