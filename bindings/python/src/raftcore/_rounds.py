"""Readies: the next one, in each of its forms, the turn, the last ready again, acknowledgements."""

from __future__ import annotations

import ctypes
import sys
from ctypes import byref, c_size_t, c_uint64, sizeof
from struct import Struct
from struct import error as StructError
from typing import Any

from . import _abi
from ._errors import ArgError, StateError, TooSmallError
from ._handle import FLAT_BYTES, NO_ROOM, UNHELD, Flat, Handle
from ._ready import Buffer, Entry, FlatReady, Ready, UnseenFlatReady, UnseenReady, own_ready, unpack_head
from ._values import Turn, copied, too_big, u64

NONE, LAST, FETCH_FIRST = 1, 3, 4
NOMEM, FULL, TOO_SMALL = -10, -11, -12
_SIZE = Struct("<8xQ").unpack_from  # of a flat ready: its size in bytes
_INPUT = Struct("@2I5QPNQIi")
_TAKEN = Struct("@QIi").unpack_from
_TAKEN_AT: int = _abi.Input.consumed.offset  # type: ignore[attr-defined] # for mypy an int: see _abi.py
_new = tuple.__new__  # of a NamedTuple: half the time of a call of its class


class Rounds(Handle):
    """The calls of a node around its readies."""

    def has_ready(self) -> int:
        """Returns bits of `Has`: contents of the next ready, waiting fetches, waiting events.

        Before you sleep, has_ready must be 0.
        """
        bits: int = _abi.has_ready(self._handle)
        if bits < 0:
            raise self._error(bits)
        return bits

    def ready_flat(self, into: bytearray | None = None) -> FlatReady | None:
        """Takes the next ready, in the node's buffer. Returns None if there is nothing to do.

        The next ready_flat(), ready() or turn() overwrites the buffer. With `into` the ready is in
        your own buffer; if the buffer is too small, TooSmallError has the size, and the ready comes
        with the next call. With Storage.SYNC the same ready comes again until you advance it.
        Raises FullError if max_outstanding readies are unfinished: acknowledge one.
        """
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        if into is not None or self._marks:
            return self._ready_flat(into)
        flat = self._flat
        code = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        if code == TOO_SMALL:
            code = self._take_larger(2)
        if code == 0:
            view = self._flat.view
            ready = _new(FlatReady, unpack_head(view) + (view, None))
            gate.pop(0, None)
            return ready
        if code < 0:
            self._fail(code)
        gate.pop(0, None)
        return None

    def _ready_flat(self, into: bytearray | None) -> FlatReady | None:
        """Ends ready_flat in another buffer, or with ASYNC or MESSAGES: see _is_lost."""
        gate = self._gate
        code = self._take(2)
        if code < 0:
            self._fail(code)
        if code == NONE:
            gate.pop(0, None)
            return None
        if into is None:
            return (self._unseen(), gate.pop(0, None))[0]
        view = self._flat.view
        (size,) = _SIZE(view)
        target = memoryview(into).cast("B")
        if size > len(target):
            gate.pop(0, None)
            small = TooSmallError(f"the buffer has {len(target)} bytes, the ready takes {size}")
            small.needed = size
            raise small
        target[:size] = view[:size]
        view = target.toreadonly()
        kind: type[FlatReady] = UnseenFlatReady if self._marks else FlatReady
        return (_new(kind, unpack_head(view) + (view, self._lease)), gate.pop(0, None))[0]

    def ready(self) -> Ready | None:
        """Takes the next ready, in memory of its own. Returns None if there is nothing to do.

        The ready and its views stay valid for as long as you hold them. Otherwise as ready_flat.
        """
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        code = self._take(1)
        if code == 0:
            kind: type[Ready] = UnseenReady if self._marks else Ready
            return (self._own(kind), gate.pop(0, None))[0]
        if code < 0:
            self._fail(code)
        gate.pop(0, None)
        return None

    def _unseen(self) -> FlatReady:
        return _new(UnseenFlatReady, unpack_head(self._flat.view) + (self._flat.view, self._lease))

    def _is_lost(self) -> bool:
        """Returns True if a ready was handed out, and nobody holds or has seen the ready.

        With ASYNC and MESSAGES the library hands out a ready once. An exception may interrupt after
        the library's call, until the host has stored the result. So before the call, the lease
        notes the number of the ready in the memory. The library writes another number there in the
        same step in which it hands out a ready. The ready holds the lease, and the first look at
        the ready empties the lease.

        No local variable may hold such a ready or the lease, since a traceback holds its frames.
        """
        noted = self._lease[:1]  # a copy: its reader may be in another thread
        return noted != [] and noted[0] != self._flat.number.value and sys.getrefcount(self._lease) == UNHELD

    def _refuse_lost(self, number: int) -> None:
        """Raises StateError if the host acknowledges a lost ready, which it cannot have stored."""
        if self._lease and self._is_lost() and number >= self._flat.number.value:
            lost = self._flat.number.value
            raise StateError(f"ready {lost} never reached you: call ready() or ready_flat() again")

    def _take(self, growth: int) -> int:
        """Has the library write the next ready into self._flat, and returns the code.

        A lost ready is still there, and comes again.
        """
        if self._lease and self._is_lost():
            return 0
        flat = self._flat
        if self._marks:
            self._lease = [flat.number.value]
        code: int = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        if code == TOO_SMALL:
            code = self._take_larger(growth)
        if code and self._marks:
            self._lease.clear()
        return code

    def _take_larger(self, growth: int) -> int:
        """Repeats _take with a larger buffer. Views of the old buffer keep the old buffer."""
        code = TOO_SMALL
        while code == TOO_SMALL:
            size = max(self._size.value, growth * self._flat.room.value, FLAT_BYTES)
            flat = self._flat = Flat(size, self._flat.number.value)
            code = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        return code

    def _own(self, cls: type[Ready]) -> Ready:
        """Returns the ready in self._flat as a Ready: a copy, or with the buffer if it is large."""
        flat = self._flat
        (size,) = _SIZE(flat.view)
        view = flat.view
        if 2 * size <= len(view) or size <= FLAT_BYTES:
            view = memoryview(bytes(view[:size]))
        else:
            flat.room = NO_ROOM  # so the next ready gets another buffer
        return _new(cls, unpack_head(view) + (view, self._lease))

    def turn(
        self,
        done: int = 0,
        ticks: int = 0,
        peer: int = 0,
        frames: Buffer = b"",
        *,
        persisted: int = 0,
        applied: int = 0,
        released: int = 0,
    ) -> Turn:
        """Makes a pass of the loop: acknowledges, ticks, steps frames, takes the next ready.

        `done`, `persisted`, `applied` and `released` are as in advance and the calls of their
        names; 0: none. `peer` and `frames` are as in step_frames. Neither a refused frame nor a
        repeated acknowledgement raises. Not with Storage.MESSAGES.

        Raises StateError or ArgError for an acknowledgement: nothing behind the acknowledgement was
        done. Raises FullError: everything but the ready was done, and `taken` of the error has the
        bytes taken.
        """
        data = frames if type(frames) is bytes else bytes(memoryview(frames))
        if self._lease:
            self._refuse_lost(max(done, persisted, released))
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        size = len(data)
        try:
            _INPUT.pack_into(self._input, 0, _INPUT.size, ticks, done, persisted, applied, released, peer, 0, size, 0, 0, 0)
        except StructError:
            gate.pop(0, None)
            raise ArgError("a number that its field does not hold") from None
        if size:
            self._frames.value = data
        if self._marks:
            return self._turn_marked()
        flat = self._flat
        code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, flat.room, self._size_at)
        taken, refused, first = _TAKEN(self._input, _TAKEN_AT)
        failed = self._error(first) if refused else None
        if code == TOO_SMALL:
            code = self._turn_larger()
        if code < 0:
            self._fail(code, taken)
        view = self._flat.view
        ready = _new(FlatReady, unpack_head(view) + (view, None)) if code == 0 or code == LAST else None
        gate.pop(0, None)
        return _new(Turn, (ready, code == LAST, code == FETCH_FIRST, taken, refused, failed))

    def _turn_marked(self) -> Turn:
        """Ends turn with ASYNC: see _is_lost."""
        lost = bool(self._lease) and self._is_lost()
        flat = self._flat
        if not lost:
            self._lease = [flat.number.value]
        room = NO_ROOM if lost else flat.room  # without room the library hands out nothing
        code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, room, self._size_at)
        taken, refused, first = _TAKEN(self._input, _TAKEN_AT)
        failed = self._error(first) if refused else None
        if lost and code in (TOO_SMALL, NONE, FETCH_FIRST, FULL, NOMEM):
            code = 0
        if code == TOO_SMALL:
            code = self._turn_larger()
        if code == 0:
            done = (False, False, taken, refused, failed)
            return (_new(Turn, (self._unseen(), *done)), self._gate.pop(0, None))[0]
        if not lost:
            self._lease.clear()
        if code < 0:
            self._fail(code, taken)
        self._gate.pop(0, None)
        return _new(Turn, (None, False, code == FETCH_FIRST, taken, refused, failed))

    def _turn_larger(self) -> int:
        """Ends a turn that took everything in, with a larger buffer for its ready."""
        code = TOO_SMALL
        while code == TOO_SMALL:
            self._flat = flat = Flat(max(self._size.value, 2 * self._flat.room.value, FLAT_BYTES), self._flat.number.value)
            _INPUT.pack_into(self._input, 0, _INPUT.size, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, flat.room, self._size_at)
        return code

    def view(self, number: int) -> Ready | None:
        """Returns an unfinished ready once more, in memory of its own; None: there is none.

        Status.last_ready is the number of the newest ready.
        """
        if self._lease and self._is_lost() and number == self._flat.number.value:
            return self.ready()
        size = c_size_t()
        code, view = TOO_SMALL, bytearray()
        while code == TOO_SMALL:
            view = bytearray(size.value)
            at = (ctypes.c_char * len(view)).from_buffer(view)
            code = _abi.view_flat(self._handle, u64(number), at, len(view), byref(size))
        if code < 0:
            raise self._error(code)
        return None if code == NONE else own_ready(view)

    def message_entries(self, number: int) -> list[list[Entry]]:
        """Returns the entries in each message of an unfinished ready, in the order of messages().

        Raises StateError without Flag.DECODED_MSGS, ArgError if no such ready is unfinished.
        """
        if not self._decodes:
            raise StateError("message_entries needs Flag.DECODED_MSGS")
        number = u64(number)
        raw = _abi.Ready(struct_size=sizeof(_abi.Ready))
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:  # until all is read: the memory of raw is the node's
            self._alone(me)
        code = _abi.view(self._handle, number, byref(raw))
        if code < 0:
            self._fail(code)
        found = []
        if code == 0:
            for place in range(raw.n_msgs):
                message = _abi.Msg.from_address((raw.msgs or 0) + place * raw.msg_stride)
                places = [(message.entries or 0) + place * message.entry_stride for place in range(message.n_entries)]
                entries = map(_abi.Entry.from_address, places)
                found.append(
                    [Entry(e.term, e.index, e.kind, copied(e.data), e.token, copied(e.context)) for e in entries]
                )
        gate.pop(0, None)
        if code == NONE:
            raise ArgError(f"ready {number} is not unfinished")
        return found

    def advance(self, number: int) -> None:
        """Acknowledges readies up to `number`: persisted, applied and released.

        Raises StateError if a membership change in the ready was neither applied nor skipped.
        Raises StaleError if the ready was acknowledged before: harmless. Not with Storage.MESSAGES.
        """
        if number >> 64:
            raise too_big(number, 64)
        if self._lease:
            self._refuse_lost(number)
        if self._decodes:
            return self._end(_abi.advance, number)
        code = _abi.bare_advance(self._handle, c_uint64(number))
        if code < 0:
            raise self._error(code)

    def _end(self, call: Any, number: int) -> None:
        """Ends memory that message_entries may be reading."""
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        code = call(self._handle, number)
        if code < 0:
            self._fail(code)
        gate.pop(0, None)

    def persisted(self, number: int) -> None:
        """Reports that the writes of readies up to `number` are durable. Storage.ASYNC only.

        Now their messages with `after` may leave. You can't report a failed write: end the process,
        and boot from disk. Raises StaleError if reported before: harmless.
        """
        if self._lease:
            self._refuse_lost(number)
        code = _abi.persisted(self._handle, u64(number))
        if code < 0:
            raise self._error(code)

    def applied(self, index: int) -> None:
        """Reports that the state machine has applied and stored all entries up to `index`.

        Storage.ASYNC; with Storage.SYNC only for a span without entries (Flag.COMMITTED_SPANS),
        before advance. Raises StateError if a membership change up to `index` was neither applied
        nor skipped. Raises StaleError if reported before: harmless.
        """
        code = _abi.applied(self._handle, u64(index))
        if code < 0:
            raise self._error(code)

    def release(self, number: int) -> None:
        """Lets the node reuse its memory of readies up to `number`. Not with Storage.SYNC.

        Python objects of these readies stay valid. Raises StaleError if released before: harmless.
        """
        number = u64(number)
        if self._lease:
            self._refuse_lost(number)
        if self._decodes:
            return self._end(_abi.release, number)
        code = _abi.release(self._handle, number)
        if code < 0:
            raise self._error(code)
