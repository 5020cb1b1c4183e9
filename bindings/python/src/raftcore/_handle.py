"""What every call on a node stands on: the handle, the gate, errors, memory for readies.

Three rules keep plain Python from crashing the process:

- No object of this package points into the memory of a node. Readies are written into memory of
  the package (see _ready.py); everything else is copied before the call returns.
- A call of the library is atomic, since the library keeps the GIL. Some methods need several steps,
  with scratch objects of the node or with memory of the node. Another thread, a signal handler or
  a finalizer may call between the steps. So such a method enters the gate: it puts a dict of its
  own into the dict Handle._gate, and removes its dict at the end; both steps are atomic. If another
  dict is there, the method raises BusyError.
- A signal handler may raise at any line. An interrupted method leaves its dict in the gate, and the
  next method finds that no frame runs with that dict: see Handle._alone. A single assignment replaces
  state of several parts. With Storage.ASYNC the library returns a ready once, and an interrupted
  method must not lose the ready: see Rounds._is_lost.
"""
from __future__ import annotations

import ctypes
import sys
import threading
import weakref
from array import array
from collections.abc import Iterable
from ctypes import byref, c_int32, c_size_t, c_uint32, c_uint64, sizeof
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple, NoReturn, TypeVar

from . import _abi
from ._config import Config
from ._constants import Flag, Storage
from ._errors import BusyError, ClosedError, NotLeaderError, RaftError, error

POINTER = "Q" if sizeof(ctypes.c_void_p) == 8 else "I"  # an array's code for pointers and lengths
STATUS_BYTES = sizeof(_abi.Status)
FLAT_BYTES = 64 * 1024  # of a node's buffer for readies; the buffer grows when a ready is larger
_DECODED_MSGS = int(Flag.DECODED_MSGS)
_Self = TypeVar("_Self", bound="Handle")


class Handle:
    """A node of the library, and who is in a call of it."""

    # Of a node that was never made. The library refuses NULL.
    _handle = ctypes.c_void_p()
    _finalize: weakref.finalize[Any, Any] | None = None

    def __init__(self, config: Config) -> None:
        """Makes a node. The next call is boot. Raises ArgError if a setting is out of its range."""
        if self._finalize is not None:
            raise TypeError("this node is made already: make another")
        raw = config._raw()
        handle = ctypes.c_void_p()
        code = _abi.new(byref(raw), byref(handle))
        if code < 0:
            config.check()
            raise error(code)
        try:
            self._begin(handle, raw.storage != Storage.SYNC, raw.flags & _DECODED_MSGS != 0)
        except BaseException:
            free(handle, ())
            raise

    def _begin(self, handle: ctypes.c_void_p, marks: bool, decodes: bool) -> None:
        arrays: weakref.WeakSet[Any] = weakref.WeakSet()
        finalize = weakref.finalize(self, free, handle, arrays)
        # Not at exit: a daemon thread may be in a call, and the system frees the memory anyway.
        finalize.atexit = False  # type: ignore[misc] # a property
        self._arrays = arrays
        self._gate: dict[int, Any] = {}
        self._size = c_size_t()
        self._size_at = byref(self._size)
        self._count = c_uint32()
        self._count_at = byref(self._count)
        self._first = c_int32()
        self._first_at = byref(self._first)
        self._input = bytearray(sizeof(_abi.Input))
        self._input_at = (ctypes.c_char * len(self._input)).from_buffer(self._input)
        self._frames = ctypes.c_char_p.from_buffer(self._input, _abi.Input.frames.offset)
        self._number = c_uint64()
        self._length = c_size_t()
        self._flat = Flat(FLAT_BYTES, 0)
        self._marks = marks
        self._decodes = decodes
        self._lease: list[int] = []
        self._staged = Staged(bytearray(1), [], 0, array(POINTER))
        self._finalize = finalize
        self._handle = handle

    def close(self) -> None:
        """Ends the node. Nothing is written or sent. A second close does nothing."""
        if self._finalize is not None:
            gate = self._gate
            me: dict[int, Any] = {}
            if gate.setdefault(0, me) is not me:
                self._alone(me)
            self._finalize()
            gate.pop(0, None)

    @property
    def closed(self) -> bool:
        """True after close()."""
        return not self._handle

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a node can't be copied or pickled; for tests there is try_clone")

    def _call(self, function: Any, *given: Any) -> int:
        """Calls the library, in a single step. Returns a code of 0 or above; raises below 0."""
        code: int = function(self._handle, *given)
        if code < 0:
            raise self._error(code)
        return code

    def _alone(self, me: dict[int, Any]) -> None:
        """Enters the gate with `me`, or raises BusyError if another method is in the gate.

        An exception may have interrupted the method in the gate. Then no frame runs with its dict,
        and `me` becomes the heir in that dict. An heir may be interrupted, too, and have an heir.
        If the first dict has left the gate meanwhile, nobody was interrupted. With threads that take
        turns at any instruction, a running frame may look empty: so a method may leave the gate twice.
        """
        first = owner = self._gate.get(0)
        while owner is not None and not self._runs(owner):
            heir = owner.setdefault(0, me)
            if heir is me and self._gate.get(0) is first:
                return
            owner = None if heir is me else heir
        if owner is not None or self._gate.setdefault(0, me) is not me:
            raise BusyError("another call is in progress, in a second thread or below this one")

    def _runs(self, owner: dict[int, Any]) -> bool:
        """Returns True if a frame of any thread, other than the callers of this, has the dict."""
        mine = threading.get_ident()
        tops: list[FrameType | None] = [frame for thread, frame in sys._current_frames().items() if thread != mine]
        tops.append(sys._getframe(2).f_back)
        for frame in tops:
            while frame is not None:
                if frame.f_code in GUARDED and frame.f_locals.get("me") is owner:
                    return True
                frame = frame.f_back
        return False

    def _fail(self, code: int, taken: int = 0) -> NoReturn:
        """Leaves the gate, and raises the error of a code."""
        failed = self._error(code)
        failed.taken = taken
        self._gate.pop(0, None)
        raise failed

    def _error(self, code: int) -> RaftError:
        if not self._handle:
            return ClosedError()
        text = ctypes.create_string_buffer(256)
        _abi.error_detail(self._handle, text, len(text))
        failed = error(code, text.value.decode(errors="replace"))
        if isinstance(failed, NotLeaderError):
            raw = _abi.Status(STATUS_BYTES)
            _abi.get_status(self._handle, byref(raw))
            failed.leader = raw.leader
        return failed


GUARDED: set[CodeType] = set()
"""The code of the methods that enter the gate: Handle._alone looks for them on the stacks."""



def free(handle: ctypes.c_void_p, arrays: Iterable[Any]) -> None:
    """Frees a node. Node shares the handle, so that a late finalizer finds NULL there."""
    value, handle.value = handle.value, None
    if value:
        for nodes in arrays:
            nodes._forget(value)
        _abi.free(value)


class _Unheld:
    """Measures sys.getrefcount of a list that only an attribute holds."""

    def __init__(self) -> None:
        self.lease: list[int] = []
        self.count = sys.getrefcount(self.lease)


UNHELD = _Unheld().count


NO_ROOM = c_size_t(0)


class Staged(NamedTuple):
    """Entries of propose_many: bytes, lengths, total size, and their raftcore_slice[]."""

    data: bytearray
    lengths: list[int]
    size: int
    slices: array[int]


class Flat:
    """Memory for flat readies. The memory is never resized, since views may be anywhere."""

    __slots__ = ("at", "number", "room", "view")

    def __init__(self, size: int, number: int) -> None:
        own = bytearray(size)
        self.view = memoryview(own).toreadonly()
        self.at = (ctypes.c_char * size).from_buffer(own)  # what a c_void_p takes for its address
        self.room = c_size_t(size)
        self.number = c_uint64.__ctype_le__.from_buffer(own, 24)  # type: ignore[attr-defined] # of the ready in it
        self.number.value = number
