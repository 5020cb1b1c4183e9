"""The node.

Three rules keep plain Python from crashing the process:

- No object of this package points into the memory of a node. Readies are written into memory of
  the package (see _ready.py); everything else is copied before the call returns.
- A call of the library is atomic, since the library keeps the GIL. Some methods need several steps,
  with scratch objects of the node or with memory of the node. Another thread, a signal handler or
  a finalizer may call between the steps. So such a method enters the gate: it puts a dict of its
  own into the dict Node._gate, and removes its dict at the end; both steps are atomic. If another
  dict is there, the method raises BusyError.
- A signal handler may raise at any line. An interrupted method leaves its dict in the gate, and the
  next method finds that no frame runs with that dict: see Node._alone. A single assignment replaces
  state of several parts. With Storage.ASYNC the library returns a ready once, and an interrupted
  method must not lose the ready: see Node._is_lost.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from ctypes import byref, c_int32, c_size_t, c_uint32, c_uint64, sizeof
from itertools import accumulate
from struct import Struct
from struct import error as StructError
from types import FrameType, FunctionType, TracebackType
from typing import Any, NamedTuple, NoReturn

from . import _abi
from ._config import Config
from ._constants import Flag, Storage, Supply, Transition
from ._errors import ArgError, BusyError, ClosedError, NotLeaderError, RaftError, StateError, TooSmallError, error
from ._ready import Buffer, Entry, FlatReady, Ready, UnseenFlatReady, UnseenReady, own_ready, unpack_head
from ._records import Event, Fetch, Peer, Status, read_event, read_fetch, read_peer, read_status
from ._values import AnyEntry, Conf, Stored, Turn, address, conf_in, copied, entries_in, ids, too_big, u32, u64, u64s

_NONE, _LAST, _FETCH_FIRST = 1, 3, 4
_NOMEM, _FULL, _TOO_SMALL = -10, -11, -12
_DECODED_MSGS = int(Flag.DECODED_MSGS)
_EMPTY = Stored()
_POINTER = "Q" if sizeof(ctypes.c_void_p) == 8 else "I"  # an array's code for pointers and lengths
_SIZE = Struct("<8xQ").unpack_from  # of a flat ready: its size in bytes
_INPUT = Struct("@2I5QPNQIi")
_TAKEN = Struct("@QIi").unpack_from
_TAKEN_AT: int = _abi.Input.consumed.offset  # type: ignore[attr-defined] # for mypy an int: see _abi.py
_STATUS_BYTES = sizeof(_abi.Status)
_new = tuple.__new__  # of a NamedTuple: half the time of a call of its class
_FLAT_BYTES = 64 * 1024  # of a node's buffer for readies; the buffer grows when a ready is larger


class Node:
    """A Raft node. Call tick, step_frames and propose; do the work of each ready; acknowledge the
    ready.

    The methods have the names of include/raftcore.h without the prefix; get_ready is ready,
    get_status is status. A method that fails raises the RaftError of its code, and has changed
    nothing. Where C returns NONE, Python returns None. Different nodes are independent.

    Any thread may call a node, one thread at a time. A call in the middle of another call, from a
    second thread or under a signal handler, takes place before or after the other, or raises
    BusyError. If a signal handler raises in the middle of a call, the call may be done or not.

    The loop of a host with Storage.SYNC, after every tick, step_frames and propose:

        while True:
            for fetch in node.fetches():
                supply(fetch)         # supply_entries, _snapshot or _none: see FetchKind
            rd = node.ready_flat()
            if rd is None:
                break
            store(rd)                 # 1 snapshot, entries and hard state, in a transaction
            send(rd)                  # 2 rd.messages()
            apply(rd)                 # 3 rd.committed(); node.apply_conf(entry) if entry.kind
            answer(rd)                # 4 rd.reads() and rd.dropped()
            node.advance(rd.number)   # 5
        for event in node.events():
            log(event)                # events explain why a node stands still

    Before you sleep, has_ready must be 0. If a write or a flush fails, never retry: end the
    process, and boot again from disk.

    Close a node with close() or `with`; the garbage collector closes a node, too. A call on a
    closed node raises ClosedError. A node can't be copied or pickled.
    """

    # Of a node that was never made. The library refuses NULL.
    _handle = ctypes.c_void_p()
    _finalize: weakref.finalize[Any, Node] | None = None

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
            _free(handle, ())
            raise

    def _begin(self, handle: ctypes.c_void_p, marks: bool, decodes: bool) -> None:
        arrays: weakref.WeakSet[NodeArray] = weakref.WeakSet()
        finalize = weakref.finalize(self, _free, handle, arrays)
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
        self._flat = _Flat(_FLAT_BYTES, 0)
        self._marks = marks
        self._decodes = decodes
        self._lease: list[int] = []
        self._staged = _Staged(bytearray(1), [], 0, array(_POINTER))
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
            del gate[0]

    @property
    def closed(self) -> bool:
        """True after close()."""
        return not self._handle

    def __enter__(self) -> Node:
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
        If the first dict has left the gate meanwhile, nobody was interrupted.
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
                if frame.f_code in _GUARDED and frame.f_locals.get("me") is owner:
                    return True
                frame = frame.f_back
        return False

    def _fail(self, code: int, taken: int = 0) -> NoReturn:
        """Leaves the gate, and raises the error of a code."""
        failed = self._error(code)
        failed.taken = taken
        del self._gate[0]
        raise failed

    def _error(self, code: int) -> RaftError:
        if not self._handle:
            return ClosedError()
        text = ctypes.create_string_buffer(256)
        _abi.error_detail(self._handle, text, len(text))
        failed = error(code, text.value.decode(errors="replace"))
        if isinstance(failed, NotLeaderError):
            failed.leader = self.status().leader
        return failed

    # ---- boot

    def boot(self, stored: Stored = _EMPTY) -> None:
        """Boots the node from everything that its host has stored; then the node runs.

        To join a group with an empty disk, call boot(). A founder of a group boots from
        Stored.founder. The library checks the stored parts against each other.

        Raises CorruptError if parts are missing or contradict each other: restore the disk from a
        backup, or join again under a new id. Raises ConfError or DecodeError if the membership is
        invalid. After an error, close the node.
        """
        packed, count, _entries = entries_in(stored.entries)
        runs = u64s([number for first, term in stored.runs for number in (first, term)])
        raw = _abi.Stored(
            sizeof(_abi.Stored), 0, *map(u64, stored[:7]), None, runs.buffer_info()[0], None, len(runs) // 2, count, 0
        )
        if stored.conf is not None:
            given, _conf = conf_in(stored.conf)
            raw.conf = ctypes.addressof(given)
        raw.entries = _abi.address_of(packed)
        self._call(_abi.boot, byref(raw))

    # Boot in pieces, in this order, if the entries above `applied` do not fit into memory at once.

    def boot_state(self, term: int, vote: int, commit: int) -> None:
        """Restores the hard state. Raises CorruptError if the numbers are impossible."""
        self._call(_abi.boot_state, u64(term), u64(vote), u64(commit))

    def boot_conf(self, conf: Conf | bytes, before_first: int, before_first_term: int) -> None:
        """Restores the membership as of the applied index, and the place before the first entry.

        Raises DecodeError or ConfError if the membership is invalid.
        """
        given, _held = conf_in(conf)
        self._call(_abi.boot_conf, byref(given), u64(before_first), u64(before_first_term))

    def boot_terms(self, runs: Iterable[tuple[int, int]], last: int) -> None:
        """Restores the terms of the log as (first index, term) pairs, and the last index.

        The pairs may be left out if boot_entries begins at the first entry. Raises CorruptError if
        the pairs contradict each other, StateError if boot_conf was forgotten.
        """
        flat = u64s([number for first, term in runs for number in (first, term)])
        self._call(_abi.boot_terms, flat.buffer_info()[0], len(flat) // 2, u64(last))

    def boot_entries(self, entries: Iterable[AnyEntry]) -> None:
        """Restores entries in order, in one or more calls: all above the applied index at least.

        Raises CorruptError if there is a gap.
        """
        packed, count, _held = entries_in(entries)
        self._call(_abi.boot_entries, packed, count)

    def boot_done(self, applied: int) -> None:
        """Ends the boot; then the node runs. Raises CorruptError if entries are missing."""
        self._call(_abi.boot_done, u64(applied))

    def try_clone(self) -> Node:
        """Returns a second node of equal state, for tests. Raises StateError during the boot."""
        handle = ctypes.c_void_p()
        try:
            self._call(_abi.try_clone, byref(handle))
            clone = Node.__new__(Node)
            clone._begin(handle, self._marks, self._decodes)
        except BaseException:
            _free(handle, ())
            raise
        return clone

    # ---- in

    def tick(self, ticks: int = 1) -> None:
        """Tells the node how many ticks have passed."""
        code = _abi.tick(self._handle, u32(ticks))
        if code < 0:
            raise self._error(code)

    def step(self, peer: int, message: Buffer) -> None:
        """Gives the node a message, without the header of a frame.

        `peer` is the id that the transport authenticated; 0: unchecked. Raises DecodeError: close
        the connection. Raises NotForMeError, NoPeerError, ImplausibleError or FullError: discard
        the message.
        """
        held, size = address(message)
        self._call(_abi.step, u64(peer), held, size)

    def step_frames(self, peer: int, data: Buffer) -> tuple[int, int, RaftError | None]:
        """Gives the node frames from a receive buffer; the last frame may be incomplete.

        Returns (bytes taken, frames refused, error of the first refused frame). Keep the bytes that
        were not taken, and append to them. Raises DecodeError if `data` begins with no frame: close
        the connection.

        If snapshot data come over a channel of your own, don't step the message before its data are
        there: walk the buffer with frame_next, look into each message with snapshot_split, and call
        step.
        """
        if peer >> 64:
            raise too_big(peer, 64)
        held, size = (data, len(data)) if type(data) is bytes else address(data)
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        self._number.value = peer
        self._length.value = size
        code = _abi.bare_step_frames(self._handle, self._number, held, self._length, self._size_at, self._count_at, self._first_at)
        del held
        if code < 0:
            self._fail(code)
        refused = self._count.value
        taken = self._size.value, refused, self._error(self._first.value) if refused else None
        del gate[0]
        return taken

    def step_local(self, message: Buffer) -> None:
        """Gives the node a response of local work, without the header of a frame.

        Storage.MESSAGES only. Raises DecodeError or NotForMeError if the bytes are no such
        response.
        """
        held, size = address(message)
        self._call(_abi.step_local, held, size)

    def propose(self, *parts: Buffer, token: int = 0) -> None:
        """Proposes an entry at the leader. The parts are joined to the data of the entry.

        A token other than 0 comes back exactly once: with the committed entry, or in dropped().
        With Flag.FORWARDING a follower forwards the entry, and the token comes back as
        DropWhat.UNKNOWN.

        Raises NotLeaderError: propose at its `leader`. Raises NoLeaderError or FullError: retry
        later. Raises TooLargeError: above max_entry_bytes. After an error the token does not come
        back.
        """
        data = parts[0] if len(parts) == 1 and type(parts[0]) is bytes else b"".join(parts)
        one = _abi.Slice(_abi.address_of(data), len(data))
        if token >> 64:
            raise too_big(token, 64)
        code = _abi.propose(self._handle, byref(one), 1, token)
        if code < 0:
            raise self._error(code)

    def propose_many(self, entries: Sequence[Buffer], tokens: Sequence[int] | None = None) -> None:
        """Proposes several entries, all or none, with a token for each if `tokens` is given.

        Raises as propose.
        """
        joined = b"".join(entries)
        lengths = list(map(len, entries))
        numbers = None if tokens is None else u64s(tokens)
        if numbers is not None and len(numbers) != len(lengths):
            raise ValueError(f"{len(numbers)} tokens for {len(lengths)} entries")
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        slices = self._stage(joined, lengths)
        code = _abi.propose_many(self._handle, slices, None if numbers is None else numbers.buffer_info()[0], len(lengths))
        if code < 0:
            self._fail(code)
        del gate[0]

    def _stage(self, joined: bytes, lengths: list[int]) -> int:
        """Copies entries to memory that stays, and returns the address of their raftcore_slice[].

        The slices serve again for the next entries of equal lengths, since making slices takes
        longer than copying.
        """
        staged = self._staged
        if lengths != staged.lengths or len(joined) != staged.size:
            if sum(lengths) != len(joined):
                del self._gate[0]
                raise TypeError("the length of an entry is not the number of its bytes")
            data = staged.data if len(joined) <= len(staged.data) else bytearray(2 * len(joined))
            begin = ctypes.addressof(ctypes.c_char.from_buffer(data))
            slices = array(_POINTER, bytes(2 * len(lengths) * sizeof(ctypes.c_void_p)))
            slices[0::2] = array(_POINTER, list(accumulate(lengths, initial=begin))[:-1])
            slices[1::2] = array(_POINTER, lengths)
            staged = self._staged = _Staged(data, lengths, len(joined), slices)
        memoryview(staged.data)[: len(joined)] = joined
        return staged.slices.buffer_info()[0]

    def propose_entry(self, kind: int, data: Buffer, token: int = 0) -> None:
        """Proposes an entry of any kind as it is, such as a change encoded elsewhere.

        Raises as propose and propose_conf, and DecodeError or UnsupportedError if the data are no
        change.
        """
        data = bytes(memoryview(data))
        given = _abi.Slice(_abi.address_of(data), len(data))
        self._call(_abi.propose_entry, u32(kind), given, u64(token))

    def read_index(self, token: int) -> None:
        """Starts a linearizable read, on any node.

        The token comes back exactly once: in reads() when you may read the state, or in dropped().
        Raises NoLeaderError or FullError: retry later.
        """
        self._call(_abi.read_index, u64(token))

    def campaign(self) -> None:
        """Starts an election now. If the node may not, an event gives the reason."""
        self._call(_abi.campaign)

    # ---- out

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
        if code == _TOO_SMALL:
            code = self._take_larger(2)
        if code == 0:
            view = self._flat.view
            ready = _new(FlatReady, unpack_head(view) + (view, None))
            del gate[0]
            return ready
        if code < 0:
            self._fail(code)
        del gate[0]
        return None

    def _ready_flat(self, into: bytearray | None) -> FlatReady | None:
        """Ends ready_flat in another buffer, or with ASYNC or MESSAGES: see _is_lost."""
        gate = self._gate
        code = self._take(2)
        if code < 0:
            self._fail(code)
        if code == _NONE:
            del gate[0]
            return None
        if into is None:
            return (self._unseen(), gate.pop(0))[0]
        view = self._flat.view
        (size,) = _SIZE(view)
        target = memoryview(into).cast("B")
        if size > len(target):
            del gate[0]
            small = TooSmallError(f"the buffer has {len(target)} bytes, the ready takes {size}")
            small.needed = size
            raise small
        target[:size] = view[:size]
        view = target.toreadonly()
        kind: type[FlatReady] = UnseenFlatReady if self._marks else FlatReady
        return (_new(kind, unpack_head(view) + (view, self._lease)), gate.pop(0))[0]

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
            return (self._own(kind), gate.pop(0))[0]
        if code < 0:
            self._fail(code)
        del gate[0]
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
        return noted != [] and noted[0] != self._flat.number.value and sys.getrefcount(self._lease) == _UNHELD

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
        if code == _TOO_SMALL:
            code = self._take_larger(growth)
        if code and self._marks:
            self._lease.clear()
        return code

    def _take_larger(self, growth: int) -> int:
        """Repeats _take with a larger buffer. Views of the old buffer keep the old buffer."""
        code = _TOO_SMALL
        while code == _TOO_SMALL:
            size = max(self._size.value, growth * self._flat.room.value, _FLAT_BYTES)
            flat = self._flat = _Flat(size, self._flat.number.value)
            code = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        return code

    def _own(self, cls: type[Ready]) -> Ready:
        """Returns the ready in self._flat as a Ready: a copy, or with the buffer if it is large."""
        flat = self._flat
        (size,) = _SIZE(flat.view)
        view = flat.view
        if 2 * size <= len(view) or size <= _FLAT_BYTES:
            view = memoryview(bytes(view[:size]))
        else:
            flat.room = _NO_ROOM  # so the next ready gets another buffer
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
            del gate[0]
            raise ArgError("a number that its field does not hold") from None
        if size:
            self._frames.value = data
        if self._marks:
            return self._turn_marked()
        flat = self._flat
        code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, flat.room, self._size_at)
        taken, refused, first = _TAKEN(self._input, _TAKEN_AT)
        failed = self._error(first) if refused else None
        if code == _TOO_SMALL:
            code = self._turn_larger()
        if code < 0:
            self._fail(code, taken)
        view = self._flat.view
        ready = _new(FlatReady, unpack_head(view) + (view, None)) if code == 0 or code == _LAST else None
        del gate[0]
        return _new(Turn, (ready, code == _LAST, code == _FETCH_FIRST, taken, refused, failed))

    def _turn_marked(self) -> Turn:
        """Ends turn with ASYNC: see _is_lost."""
        lost = bool(self._lease) and self._is_lost()
        flat = self._flat
        if not lost:
            self._lease = [flat.number.value]
        room = _NO_ROOM if lost else flat.room  # without room the library hands out nothing
        code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, room, self._size_at)
        taken, refused, first = _TAKEN(self._input, _TAKEN_AT)
        failed = self._error(first) if refused else None
        if lost and code in (_TOO_SMALL, _NONE, _FETCH_FIRST, _FULL, _NOMEM):
            code = 0
        if code == _TOO_SMALL:
            code = self._turn_larger()
        if code == 0:
            done = (False, False, taken, refused, failed)
            return (_new(Turn, (self._unseen(), *done)), self._gate.pop(0))[0]
        if not lost:
            self._lease.clear()
        if code < 0:
            self._fail(code, taken)
        del self._gate[0]
        return _new(Turn, (None, False, code == _FETCH_FIRST, taken, refused, failed))

    def _turn_larger(self) -> int:
        """Ends a turn that took everything in, with a larger buffer for its ready."""
        code = _TOO_SMALL
        while code == _TOO_SMALL:
            self._flat = flat = _Flat(max(self._size.value, 2 * self._flat.room.value, _FLAT_BYTES), self._flat.number.value)
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
        code, view = _TOO_SMALL, bytearray()
        while code == _TOO_SMALL:
            view = bytearray(size.value)
            at = (ctypes.c_char * len(view)).from_buffer(view)
            code = _abi.view_flat(self._handle, u64(number), at, len(view), byref(size))
        if code < 0:
            raise self._error(code)
        return None if code == _NONE else own_ready(view)

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
                found.append([Entry(entry.term, entry.index, entry.kind, copied(entry.data), entry.token) for entry in entries])
        del gate[0]
        if code == _NONE:
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
        del gate[0]

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

    # ---- what the node lacks

    def next_fetch(self) -> Fetch | None:
        """Returns a request for entries of your log, or for a snapshot; None: there is none.

        Each fetch is returned once: see FetchKind for the answers.
        """
        raw = _abi.Fetch(struct_size=sizeof(_abi.Fetch))
        return None if self._call(_abi.next_fetch, byref(raw)) == _NONE else read_fetch(raw)

    def fetches(self) -> Iterator[Fetch]:
        """Returns an iterator over the waiting fetches."""
        return iter(self.next_fetch, None)

    def supply_entries(self, id: int, entries: Iterable[AnyEntry]) -> bool:
        """Answers a fetch with one or more entries, from fetch.first on without a gap.

        The node takes as many as it can use. Returns False if the entries are no longer needed.
        Raises ArgError if the entries are not those of the fetch; the fetch stays open.
        """
        packed, count, _held = entries_in(entries)
        return self._call(_abi.supply_entries, u64(id), packed, count) == 0

    def supply_snapshot(self, id: int, index: int, conf: Conf | bytes, data: Buffer = b"") -> bool:
        """Answers a fetch with the state and the membership as of `index`.

        Returns False if the snapshot is no longer needed. Raises TooLargeError if `data` are above
        max_snapshot_bytes, an everyday case: supply the snapshot without data, and send the data
        over a channel of your own; the peer must have the data before it steps the message. After
        an error the fetch stays open: answer with supply_none(id, Supply.LATER) and continue.
        """
        given, _held = conf_in(conf)
        data = bytes(memoryview(data))
        state = _abi.Slice(_abi.address_of(data), len(data))
        return self._call(_abi.supply_snapshot, u64(id), u64(index), byref(given), state) == 0

    def supply_none(self, id: int, why: int = Supply.LATER) -> bool:
        """Answers a fetch with nothing: see Supply.

        Returns False if the answer is no longer needed. Raises CorruptError for GONE in answer to
        FetchKind.APPLY: committed entries that are not applied can't be gone.
        """
        return self._call(_abi.supply_none, u64(id), u32(why)) == 0

    def compacted(self, index: int) -> None:
        """Reports that you have dropped the entries up to `index` from your log.

        Raises ArgError if `index` is not applied yet, StaleError if the entries were dropped
        before.
        """
        self._call(_abi.compacted, u64(index))

    def report_unreachable(self, peer: int) -> None:
        """Reports that messages to `peer` may be lost.

        Raises NoPeerError if there is no such member.
        """
        self._call(_abi.report_unreachable, u64(peer))

    def report_snapshot(self, peer: int, how: int) -> None:
        """Reports what became of a snapshot to `peer`: see SnapshotReport.

        Without a report, the wait ends with the peer's acknowledgement or after
        snapshot_timeout_ticks. Raises NoPeerError if there is no such member.
        """
        self._call(_abi.report_snapshot, u64(peer), u32(how))

    # ---- membership and leadership

    def propose_conf(
        self,
        changes: Iterable[tuple[int, int]],
        transition: int = Transition.AUTO,
        context: Buffer = b"",
        token: int = 0,
    ) -> None:
        """Proposes a membership change, such as [Change(ChangeKind.ADD_LEARNER, 4)].

        A change without steps leaves a joint membership. apply_conf returns `context` on every
        node. Raises ConfBusyError until the change before is applied. Raises ConfError if the
        change is invalid here, and otherwise as propose.
        """
        steps = [_abi.Change(u64(id), u32(kind)) for kind, id in changes]
        context = bytes(memoryview(context))
        given = _abi.Slice(_abi.address_of(context), len(context))
        listed = (_abi.Change * len(steps))(*steps)
        self._call(_abi.propose_conf, listed, len(steps), u32(transition), given, u64(token))

    def apply_conf(self, entry: AnyEntry) -> Conf:
        """Applies a committed membership entry, in log order, and returns the new membership.

        Store `encoded` of the result together with the applied index. Raises StaleError if applied
        or skipped before. Raises ConfError, DecodeError or UnsupportedError if this node can't
        apply the change: end the process, since the node would differ from the others.
        """
        packed, _, _held = entries_in((entry,))
        return self._conf(_abi.apply_conf, packed)

    def skip_conf(self, index: int) -> Conf:
        """Skips a committed membership entry, and returns the unchanged membership as of `index`.

        Every member must skip the entry. Store `encoded` of the result together with the applied
        index. Raises StaleError if applied or skipped before.
        """
        return self._conf(_abi.skip_conf, u64(index))

    def apply_change(self, kind: int, data: Buffer) -> Conf:
        """Applies a membership change that belongs to no entry, as ApplyConfChange in etcd's raft.

        Raises StateError without Flag.CONF_APART, and otherwise as apply_conf.
        """
        data = bytes(memoryview(data))
        return self._conf(_abi.apply_change, u32(kind), _abi.Slice(_abi.address_of(data), len(data)))

    def conf(self) -> Conf:
        """Returns the membership in force."""
        return self._conf(_abi.get_conf)

    def _conf(self, call: Any, *given: Any) -> Conf:
        out = _abi.Conf(struct_size=sizeof(_abi.Conf))
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:  # until all is read: the memory of out is the node's
            self._alone(me)
        code = call(self._handle, *given, byref(out))
        if code < 0:
            self._fail(code)
        conf = Conf(
            ids(out.voters, out.n_voters),
            ids(out.outgoing, out.n_outgoing),
            ids(out.learners, out.n_learners),
            ids(out.learners_next, out.n_learners_next),
            out.auto_leave != 0,
            copied(out.bytes),
            copied(out.context),
            out.index,
        )
        del gate[0]
        return conf

    def transfer(self, to: int = 0) -> None:
        """Transfers leadership to a voter; 0: to the voter that is furthest and alive.

        Proposals are refused meanwhile. Raises NoPeerError if the voter can't lead, NoLeaderError
        if no leader is known.
        """
        self._call(_abi.transfer, u64(to))

    def abort_transfer(self) -> None:
        """Ends a transfer in progress. Raises StateError if there is none."""
        self._call(_abi.abort_transfer)

    def forget_leader(self) -> None:
        """Makes a follower forget its leader, so that it may vote at once.

        On other roles, and with lease reads, nothing happens.
        """
        self._call(_abi.forget_leader)

    def set_electable(self, electable: bool) -> None:
        """Sets whether the node starts elections.

        Off for maintenance: the node still votes and follows.
        """
        self._call(_abi.set_electable, bool(electable))

    def set_priority(self, priority: int) -> None:
        """Changes Config.priority."""
        if not -(2**31) <= priority < 2**31:
            raise too_big(priority, 31)
        self._call(_abi.set_priority, priority)

    def set_window(self, peer: int, max_inflight_msgs: int, max_inflight_bytes: int = 0) -> None:
        """Sets the window of a peer, in appends and bytes; 0 bytes: no limit.

        Raises NoPeerError if there is no such member.
        """
        self._call(_abi.set_window, u64(peer), u32(max_inflight_msgs), u64(max_inflight_bytes))

    def set_commit_broadcast(self, on: bool) -> None:
        """Sets whether a leader reports a moved commit index at once, or with the next append."""
        self._call(_abi.set_commit_broadcast, bool(on))

    def set_election_timeout(self, ticks: int) -> None:
        """Sets the randomized election timeout, until the node draws the next: for tests."""
        self._call(_abi.set_election_timeout, u32(ticks))

    # ---- looking inside

    def ticks_until_due(self) -> int:
        """Returns how many ticks may pass before the node has work. 2**32 - 1: no limit."""
        ticks = c_uint32()
        self._call(_abi.ticks_until_due, byref(ticks))
        return ticks.value

    def hello(self) -> bytes:
        """Returns the frame that opens a connection: version, features, group and id."""
        text, size = ctypes.create_string_buffer(256), c_size_t()
        self._call(_abi.hello, text, len(text), byref(size))
        return text.raw[: size.value]

    def status(self) -> Status:
        """Returns the state of the node. Works before boot, too."""
        raw = _abi.Status(_STATUS_BYTES)
        code = _abi.get_status(self._handle, byref(raw))
        if code < 0:
            raise self._error(code)
        return read_status(raw)

    def peers(self) -> list[Peer]:
        """Returns a leader's view of all members, this node included, in the order of their ids.

        On other roles only `id` and the membership bits of `flags` mean something.
        """
        room, count = 0, c_size_t()
        while True:
            raw = (_abi.Peer * room)()
            self._call(_abi.get_peers, raw, room, byref(count))
            if count.value <= room:
                return [read_peer(peer) for peer in raw[: count.value]]
            room = count.value

    def next_event(self) -> Event | None:
        """Takes the oldest event; None: no event waits.

        Status.events_lost counts events that nobody took in time.
        """
        raw = _abi.Event()
        return None if self._call(_abi.next_event, byref(raw)) == _NONE else read_event(raw)

    def events(self) -> Iterator[Event]:
        """Returns an iterator over the waiting events."""
        return iter(self.next_event, None)

    def digest(self, with_random: bool = False) -> int:
        """Returns a number that is equal for nodes of equal meaning, for tests."""
        if not self._handle:
            raise ClosedError()
        number: int = _abi.digest(self._handle, bool(with_random))
        return number

    def __repr__(self) -> str:
        if not self._handle:
            return f"<{type(self).__name__} closed>"
        status = self.status()
        return f"<{type(self).__name__} {status.id}: term={status.term} leader={status.leader} commit={status.commit}>"


_GUARDED = frozenset(
    method.__code__ for method in vars(Node).values() if isinstance(method, FunctionType) and "_alone" in method.__code__.co_names
)
"""The code of the methods that enter the gate: Node._alone looks for them on the stacks."""


class NodeArray:
    """Many nodes with a common tick, for processes with thousands of groups."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Takes the nodes. A node may be in several arrays. You may close a node at any time."""
        self.nodes = tuple(nodes)
        self._handles = (ctypes.c_void_p * len(self.nodes))()
        for place, node in enumerate(self.nodes):
            if not node.closed:
                node._arrays.add(self)  # first, so that a close from here on clears the handle
                self._handles[place] = node._handle.value

    def tick(self, ticks: int = 1) -> list[Node]:
        """Ticks all nodes. Returns the nodes with a ready or a fetch, and closed or failed nodes.

        The next call on a failed node raises the reason.
        """
        count = len(self._handles)
        found = (c_uint32 * count)()
        number = _abi.tick_many(self._handles, count, u32(ticks), found, count)
        return [self.nodes[place] for place in found[: min(number, count)]]

    def _forget(self, handle: int) -> None:
        for place, held in enumerate(self._handles):
            if held == handle:
                self._handles[place] = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("nodes can't be copied or pickled")


# ---- helpers


def _free(handle: ctypes.c_void_p, arrays: Iterable[NodeArray]) -> None:
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


_UNHELD = _Unheld().count


_NO_ROOM = c_size_t(0)


class _Staged(NamedTuple):
    """Entries of propose_many: bytes, lengths, total size, and their raftcore_slice[]."""

    data: bytearray
    lengths: list[int]
    size: int
    slices: array[int]


class _Flat:
    """Memory for flat readies. The memory is never resized, since views may be anywhere."""

    __slots__ = ("at", "number", "room", "view")

    def __init__(self, size: int, number: int) -> None:
        own = bytearray(size)
        self.view = memoryview(own).toreadonly()
        self.at = (ctypes.c_char * size).from_buffer(own)  # what a c_void_p takes for its address
        self.room = c_size_t(size)
        self.number = c_uint64.__ctype_le__.from_buffer(own, 24)  # type: ignore[attr-defined] # of the ready in it
        self.number.value = number
