"""An exception for each code of include/raftcore.h."""

from __future__ import annotations

from typing import Any

from . import _abi


class RaftError(Exception):
    """A call that failed. Such a call has changed nothing, except with PanicError.

    `code` is the number in include/raftcore.h. `detail` is the library's text for this call: what was seen, what is allowed, and
    which setting decides; empty if the code says enough. The message of the exception is the detail, or else the text of the code.
    A code from a newer library comes as RaftError itself. `taken` is only for Node.turn, which may fail after it took frames.
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
    """A required pointer is NULL. This package raises ClosedError instead."""

    code = -1


class ClosedError(NullError):
    """The node was closed. Make another Node, and boot from disk."""

    def __str__(self) -> str:
        return "the node was closed"


class HandleError(RaftError):
    """The library knows no such node."""

    code = -2


class BusyError(RaftError):
    """Another call on this node is in progress: in a second thread, or under a signal handler or a finalizer. Call again later.

    If threads share a node, guard it with a lock. A signal handler should set a flag that the host's loop reads.
    """

    code = -3


class PanicError(RaftError):
    """The library caught a bug of its own, and the node does nothing any more. Close the node, and boot from disk."""

    code = -4


class PoisonedError(RaftError):
    """The library caught a bug of its own in an earlier call: see PanicError."""

    code = -5


class AbiError(RaftError):
    """The library does not know a struct of this package. Install a package and a library of equal version."""

    code = -6


class ArgError(RaftError, ValueError):
    """An argument is out of range, or a number or index was never returned by this node. Correct the caller."""

    code = -7


class StateError(RaftError):
    """The call is out of order, or belongs to another storage mode. Correct the caller."""

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
    """The caller's buffer is too small. `needed` is the size in bytes; the ready comes with the next call."""

    code = -12
    needed: int = 0


class DecodeError(RaftError, ValueError):
    """The bytes are malformed. Close the connection that brought them."""

    code = -13


class NoLeaderError(RaftError):
    """No leader is known, or a transfer is in progress. Retry when the leader of a ready changes."""

    code = -14


class NoPeerError(RaftError):
    """There is no such member."""

    code = -15


class ConfBusyError(RaftError):
    """Another membership change is in flight. Retry when that change is applied."""

    code = -16


class ConfError(RaftError):
    """The membership or the change is invalid here. The detail gives the reason."""

    code = -17


class CorruptError(RaftError):
    """The stored state contradicts itself. Close the node; restore this disk from a backup, or rejoin under a new id."""

    code = -18


class UnsupportedError(RaftError):
    """The library lacks this feature."""

    code = -19


class NotForMeError(RaftError):
    """The message is for another id or group, or from another sender than the authenticated peer. Discard the message."""

    code = -20


class ImplausibleError(RaftError):
    """The message contradicts what is committed here. Discard the message, and look at the node's events."""

    code = -21


class TooLargeError(RaftError, ValueError):
    """An entry is above max_entry_bytes, or snapshot data are above max_snapshot_bytes.

    Split the entry. For a snapshot, send the data over a channel of your own and supply the snapshot again without data.
    """

    code = -22


class NotLeaderError(RaftError):
    """This node is not the leader. `leader` is the id of the leader: propose there."""

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
