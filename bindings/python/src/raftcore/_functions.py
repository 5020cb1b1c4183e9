"""The functions that need no node."""

from __future__ import annotations

from ctypes import byref, c_uint64, sizeof

from . import _abi
from ._errors import error
from ._ready import Buffer
from ._records import HelloInfo, read_hello
from ._values import Frame, Snapshot, address, copied, u64

_NONE = 1


def version() -> str:
    """Returns the version of the library that runs."""
    text: bytes = _abi.version_string()
    return text.decode()


def abi_version() -> int:
    """Returns the ABI version of the library that runs.

    The package refuses to load with a library of another ABI version.
    """
    number: int = _abi.abi_version()
    return number


def features() -> int:
    """Returns bits of `Feature`: the abilities of the library that runs."""
    bits: int = _abi.features()
    return bits


def hello_read(frame: Buffer) -> HelloInfo:
    """Reads the frame that opened a connection. Check version, group and id yourself.

    Raises DecodeError if the bytes are no such frame.
    """
    raw = _abi.HelloInfo(struct_size=sizeof(_abi.HelloInfo))
    held = bytes(memoryview(frame))
    code = _abi.hello_read(held, len(held), byref(raw))
    if code < 0:
        raise error(code)
    return read_hello(raw)


def frame_next(data: Buffer, limit: int) -> Frame | None:
    """Returns the first frame of a receive buffer, without a step; None: the frame is incomplete.

    `limit` is the size of the largest frame to expect: see Config.frame_limit. Pass the message to
    Node.step if `group` is that of the node. Raises DecodeError above the limit: close the
    connection.
    """
    raw = _abi.Frame(struct_size=sizeof(_abi.Frame))
    held, size = address(data)
    code = _abi.frame_next(held, size, u64(limit), byref(raw))
    if code < 0:
        raise error(code)
    return None if code == _NONE else Frame(raw.group, copied(raw.msg), raw.bytes)


def snapshot_split(message: Buffer) -> Snapshot | None:
    """Returns the snapshot in an incoming message; None: the message is of another kind.

    The message comes without the header of a frame. Raises DecodeError if the bytes are no message.
    """
    held = bytes(memoryview(message))
    data, index, term = _abi.Slice(), c_uint64(), c_uint64()
    code = _abi.snapshot_split(held, len(held), byref(data), byref(index), byref(term))
    if code < 0:
        raise error(code)
    return None if code == _NONE else Snapshot(index.value, term.value, copied(data))
