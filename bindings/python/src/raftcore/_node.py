"""The node, and the functions that need none.

Three rules keep this safe in a language without pointers:

- Nothing that leaves this module points into a node's memory. Readies are written into memory of this package (see _ready.py), and
  everything else is copied before the call returns.
- A call of the library is atomic: it keeps the GIL. Some methods take several steps, with scratch objects that belong to the node, or
  with memory of the node. Between these steps another thread, a signal handler or a finalizer may call in. So such a method takes a
  token out of the list Node._gate, and puts the token back at its end; both are atomic. A method that finds no token raises BusyError.
- An exception may interrupt any line, since signal handlers may raise. A method that is interrupted never puts its token back, so a
  method that finds no token looks at the stacks: see Node._alone. State of several parts is replaced by a single assignment.
  With Storage.ASYNC the library hands out a ready once, so an interrupted call must not lose the ready: see Node._marked.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from ctypes import byref, c_int32, c_size_t, c_uint32, c_uint64, sizeof
from dataclasses import dataclass, replace
from itertools import accumulate
from struct import Struct
from struct import error as StructError
from types import FrameType, FunctionType, TracebackType
from typing import Annotated, Any, NamedTuple, NoReturn, Union

from . import _abi
from ._config import Config
from ._constants import Storage, Supply, Transition
from ._errors import ArgError, BusyError, ClosedError, NotLeaderError, RaftError, StateError, TooSmallError, error
from ._ready import Buffer, Entry, EntryView, FlatReady, Ready, UnseenFlatReady, UnseenReady, own_ready, unpack_head
from ._records import (
    Event,
    Fetch,
    HelloInfo,
    Peer,
    Status,
    documented,
    read_event,
    read_fetch,
    read_hello,
    read_peer,
    read_status,
)

_NONE, _LAST, _FETCH_FIRST = 1, 3, 4
_FULL, _NOMEM, _TOO_SMALL, _NOT_LEADER = -11, -10, -12, -23
_POINTER = "Q" if sizeof(ctypes.c_void_p) == 8 else "I"  # an array's code for pointers and lengths
_ENTRY = Struct("@2Q2IPNQ")
_SIZE = Struct("<8xQ").unpack_from  # of a flat ready: its size in bytes
_INPUT = Struct("@2I5QPNQIi")
_TAKEN = Struct("@QIi").unpack_from
_TAKEN_AT: int = _abi.Input.consumed.offset  # type: ignore[attr-defined] # for mypy an int: see _abi.py
_STATUS_BYTES = sizeof(_abi.Status)
_new = tuple.__new__  # of a NamedTuple: half the time of a call of its class
_FLAT_BYTES = 64 * 1024  # of a node's buffer for readies; the buffer grows when a ready is larger

AnyEntry = Union[Entry, EntryView, tuple[int, int, int, Buffer]]
"""Term, index, kind, data: what boot and supply calls take for an entry."""


@dataclass(frozen=True)
class Conf:
    """The membership of a group: who votes, who learns.

    voters         voters; in a joint membership the incoming half
    outgoing       voters of the outgoing half; empty unless joint
    learners       learners
    learners_next  learners once the joint membership is left
    auto_leave     True: a joint membership is left automatically
    encoded        the membership as bytes: store these. Empty unless a node returned this Conf: see encode
    context        from apply_conf: the context of the change, the new node's address for example
    index          the log index that the membership is as of; 0: not known. The encoded bytes carry the index, too.
    """

    voters: tuple[int, ...] = ()
    outgoing: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()
    learners_next: tuple[int, ...] = ()
    auto_leave: bool = False
    encoded: bytes = b""
    context: bytes = b""
    index: int = 0

    def encode(self) -> bytes:
        """Returns the membership as bytes, as a host stores it. Needs no node."""
        given, _held = _conf_in(replace(self, encoded=b""))
        size = c_size_t()
        _abi.conf_encode(byref(given), None, 0, byref(size))
        text = ctypes.create_string_buffer(size.value)
        code = _abi.conf_encode(byref(given), text, size, byref(size))
        if code < 0:
            raise error(code)
        return text.raw


@documented
class Stored(NamedTuple):
    """All that a host has stored of a node: see Node.boot. Stored() is an empty disk."""

    term: Annotated[int, "hard state: current term"] = 0
    vote: Annotated[int, "hard state: vote in `term`; 0: none"] = 0
    commit: Annotated[int, "hard state: commit index"] = 0
    applied: Annotated[int, "index up to which the state machine has applied the log"] = 0
    before_first: Annotated[int, "index before the log's first entry: the end of the last snapshot or compaction"] = 0
    before_first_term: Annotated[int, "term of the entry at before_first"] = 0
    last: Annotated[int, "index of the log's last entry; before_first if the log is empty"] = 0
    conf: Annotated[Union[Conf, bytes, None], "membership as of `applied`, as Conf or encoded; None: the disk is empty"] = None
    runs: Annotated[Iterable[tuple[int, int]], "(first index, term) of each part of the log; empty if entries begin at its first entry"] = ()
    entries: Annotated[Iterable[AnyEntry], "entries up to `last`, in order: at least all above `applied`"] = ()

    @classmethod
    def founder(cls, voters: Iterable[int]) -> Stored:
        """Returns what a founder of a group stores before its first boot, and then boots from.

        Found a group once, with equal voters on each founder. Membership is entry 1 of term 1.
        """
        conf = Conf(voters=tuple(voters), index=1)
        return cls(commit=1, applied=1, before_first=1, before_first_term=1, last=1, conf=conf)


@documented
class Change(NamedTuple):
    """A step of a membership change."""

    kind: Annotated[int, "`ChangeKind`"]
    id: Annotated[int, "the member concerned"]


@documented
class Snapshot(NamedTuple):
    """The snapshot in a message."""

    index: Annotated[int, "the snapshot covers the log up to this index"]  # type: ignore[assignment] # not tuple.index
    term: Annotated[int, "term of the entry at `index`"]
    data: Annotated[bytes, "the state; empty if the data come over a channel of your own"]


@documented
class Frame(NamedTuple):
    """A frame of a receive buffer: see frame_next."""

    group: Annotated[int, "the group of the frame"]
    message: Annotated[bytes, "the message, without the header of the frame"]
    size: Annotated[int, "bytes of the frame, header included: the next frame is so far on"]


@documented
class Turn(NamedTuple):
    """What Node.turn returns."""

    ready: Annotated[Union[FlatReady, None], "the next ready, in the node's buffer; None: nothing to do"]
    last: Annotated[bool, "True: nothing can follow `ready` before something happens. Sleep, and let the next turn acknowledge it"]
    fetch: Annotated[bool, "True: a fetch waits. Answer node.fetches(), then take the next turn"]
    taken: Annotated[int, "bytes of whole frames that the node took"]
    refused: Annotated[int, "refused frames among them"]
    first: Annotated[Union[RaftError, None], "why the first of these was refused. DecodeError and `taken` 0: close the connection"]


class Node:
    """A Raft node. Tick it, give it frames and proposals, take readies, do their work, and acknowledge them.

    The calls are those of include/raftcore.h without their prefix; get_ready is ready, get_status is status. A call that fails raises
    the RaftError of its code and has changed nothing. A call that returns NONE in C returns None. Different nodes are independent.

    Any thread may call a node, one thread at a time. A call in the middle of another, from a second thread or under a signal handler,
    takes place before or after the other, or raises BusyError. If an exception out of a signal handler interrupts a call, the call may be
    done or not.

    The loop of a host with Storage.SYNC, after every tick, step_frames, propose, and so on:

        while True:
            for fetch in node.fetches():
                supply(fetch)         # supply_entries, supply_snapshot or supply_none: see `FetchKind`
            rd = node.ready_flat()
            if rd is None:
                break
            store(rd)                 # 1 snapshot, entries, hard state, in one transaction
            send(rd)                  # 2 rd.messages()
            apply(rd)                 # 3 rd.committed(); node.apply_conf(entry) if entry.kind
            answer(rd)                # 4 rd.reads(), rd.dropped()
            node.advance(rd.number)   # 5
        for event in node.events():
            log(event)                # events explain why a node stands still

    Before you sleep, has_ready must be 0. turn is a pass of this loop in a single call.

    Close a node with close() or `with`; a node that is garbage is closed, too. A call on a closed node raises ClosedError. A node can't
    be copied or pickled.
    """

    # Of a node that was never made. The library refuses NULL.
    _handle = ctypes.c_void_p()
    _finalize: weakref.finalize[Any, Node] | None = None

    def __init__(self, config: Config) -> None:
        """Makes a node, which then wants its boot. Raises ArgError if a field of config is out of its range."""
        if self._finalize is not None:
            raise TypeError("this node is made already: make another")
        raw = config._raw()
        handle = ctypes.c_void_p()
        code = _abi.new(byref(raw), byref(handle))
        if code < 0:
            config.check()
            raise error(code)
        try:
            self._begin(handle, raw.storage != Storage.SYNC)
        except BaseException:
            _free(handle, ())
            raise

    def _begin(self, handle: ctypes.c_void_p, marks: bool) -> None:
        arrays: weakref.WeakSet[NodeArray] = weakref.WeakSet()
        finalize = weakref.finalize(self, _free, handle, arrays)
        # Not at exit: a daemon thread may still be in a call, and the process gives its memory back anyway.
        finalize.atexit = False  # type: ignore[misc] # a property
        self._arrays = arrays
        self._gate: list[None] = [None]
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
        self._lease: list[int] = []
        self._staged = _Staged(bytearray(1), [], 0, array(_POINTER))
        self._finalize = finalize
        self._handle = handle

    def close(self) -> None:
        """Ends the node. Writes and sends nothing; what is on disk boots the next node. A second close does nothing."""
        if self._finalize is not None:
            gate = self._gate
            try:
                gate.pop()
            except IndexError:
                self._alone()
            self._finalize()
            gate.append(None)

    @property
    def closed(self) -> bool:
        """True after close()."""
        return not self._handle

    def __enter__(self) -> Node:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a node can't be copied or pickled: boot another from disk, or use try_clone in a test")

    def _call(self, function: Any, *given: Any) -> int:
        """Calls the library, in a single step. Returns its code, 0 or above; raises below."""
        code: int = function(self._handle, *given)
        if code < 0:
            raise self._error(code)
        return code

    def _alone(self) -> None:
        """Raises BusyError if another call on this node is in progress, on this thread's stack or another's.

        Else an exception interrupted the call that took the token, and the caller may go on in its place.
        """
        mine = threading.get_ident()
        tops: list[FrameType | None] = [frame for thread, frame in sys._current_frames().items() if thread != mine]
        tops.append(sys._getframe(1).f_back)
        for frame in tops:
            while frame is not None:
                if frame.f_code in _GUARDED and frame.f_locals.get("self") is self:
                    raise BusyError("another call on this node is in progress, in a second thread or under a signal handler")
                frame = frame.f_back

    def _fail(self, code: int, taken: int = 0) -> NoReturn:
        """Ends a call that failed."""
        failed = self._error(code)
        failed.taken = taken
        self._gate.append(None)
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

    def boot(self, stored: Stored = Stored()) -> None:
        """Boots the node from all that the host has stored of it; then the node runs. The parts are checked against each other.

        An empty disk, as of a node that joins a group: boot(). A founder of a group: Stored.founder. Raises CorruptError if parts are missing
        or contradict each other: restore this disk from a backup, or rejoin under a new id. Raises ConfError or DecodeError if the membership
        is invalid. After an error, close the node.
        """
        packed, count, _entries = _entries_in(stored.entries)
        runs = _u64s([number for first, term in stored.runs for number in (first, term)])
        raw = _abi.Stored(
            sizeof(_abi.Stored), 0, *map(_u64, stored[:7]), None, runs.buffer_info()[0], None, len(runs) // 2, count, 0
        )
        if stored.conf is not None:
            given, _conf = _conf_in(stored.conf)
            raw.conf = ctypes.addressof(given)
        raw.entries = _abi.address_of(packed)
        self._call(_abi.boot, byref(raw))

    # boot in pieces, in this order, for a log whose entries above `applied` do not fit into memory at once

    def boot_state(self, term: int, vote: int, commit: int) -> None:
        """Restores the hard state as it was stored. Raises CorruptError if the numbers can't be."""
        self._call(_abi.boot_state, _u64(term), _u64(vote), _u64(commit))

    def boot_conf(self, conf: Conf | bytes, before_first: int, before_first_term: int) -> None:
        """Restores the membership as of the applied index, and the index before the log's first entry.

        Raises DecodeError or ConfError if conf is no valid membership.
        """
        given, _held = _conf_in(conf)
        self._call(_abi.boot_conf, byref(given), _u64(before_first), _u64(before_first_term))

    def boot_terms(self, runs: Iterable[tuple[int, int]], last: int) -> None:
        """Restores the term of each part of the log, as (first index, term) pairs, and the index of the last entry.

        runs may be empty if boot_entries begins at the first entry. Raises CorruptError if the runs contradict each other.
        """
        flat = _u64s([number for first, term in runs for number in (first, term)])
        self._call(_abi.boot_terms, flat.buffer_info()[0], len(flat) // 2, _u64(last))

    def boot_entries(self, entries: Iterable[AnyEntry]) -> None:
        """Restores entries, in order, in as many calls as you like: at least all that are not applied. CorruptError: a gap."""
        packed, count, _held = _entries_in(entries)
        self._call(_abi.boot_entries, packed, count)

    def boot_done(self, applied: int) -> None:
        """Ends the boot; then the node runs. Raises CorruptError if entries are missing, or applied is beyond the log."""
        self._call(_abi.boot_done, _u64(applied))

    def try_clone(self) -> Node:
        """Returns a second node of equal state, for tests and explorers. Raises StateError during the boot."""
        handle = ctypes.c_void_p()
        try:
            self._call(_abi.try_clone, byref(handle))
            clone = Node.__new__(Node)
            clone._begin(handle, self._marks)
        except BaseException:
            _free(handle, ())
            raise
        return clone

    # ---- in

    def tick(self, ticks: int = 1) -> None:
        """Tells the node that time has passed. More than 1 catches up in a single call."""
        code = _abi.tick(self._handle, _u32(ticks))
        if code < 0:
            raise self._error(code)

    def step(self, peer: int, message: Buffer) -> None:
        """Gives the node a message, without the header of a frame. peer: the id that the transport authenticated; 0: unchecked.

        Raises DecodeError: close the connection. Raises NotForMeError, NoPeerError, ImplausibleError, FullError and the like: discard the
        message, the peer repeats it if need be.
        """
        held, size = _address(message)
        self._call(_abi.step, _u64(peer), held, size)

    def step_frames(self, peer: int, data: Buffer) -> tuple[int, int, RaftError | None]:
        """Gives the node frames from a receive buffer; the last may be incomplete.

        Returns (bytes taken, frames refused among them, why the first of these was refused). Keep the bytes that were not taken, and append
        to them. Raises DecodeError if data begin with no frame: close the connection. If a snapshot's data come over a channel of your own,
        step no message before its data are there: walk the buffer with frame_next, look with snapshot_split, and use step.
        """
        if peer >> 64:
            raise _too_big(peer, 64)
        held, size = (data, len(data)) if type(data) is bytes else _address(data)
        gate = self._gate
        try:
            gate.pop()
        except IndexError:
            self._alone()
        self._number.value = peer
        self._length.value = size
        code = _abi.bare_step_frames(
            self._handle, self._number, held, self._length, self._size_at, self._count_at, self._first_at
        )
        del held
        if code < 0:
            self._fail(code)
        refused = self._count.value
        taken = self._size.value, refused, self._error(self._first.value) if refused else None
        gate.append(None)
        return taken

    def step_local(self, message: Buffer) -> None:
        """Gives the node a response of local work, without the header of a frame. Storage.MESSAGES only.

        Raises DecodeError or NotForMeError if the bytes are no such response.
        """
        held, size = _address(message)
        self._call(_abi.step_local, held, size)

    def propose(self, *parts: Buffer, token: int = 0) -> None:
        """Proposes an entry, at the leader; parts are joined. A token other than 0 comes back exactly once: with the committed entry, or
        in dropped() with what is known.

        Raises NotLeaderError: propose at its `leader`. NoLeaderError or FullError: retry later. TooLargeError: above max_entry_bytes.
        After an error no token was taken.
        """
        data = parts[0] if len(parts) == 1 and type(parts[0]) is bytes else b"".join(parts)
        one = _abi.Slice(_abi.address_of(data), len(data))
        if token >> 64:
            raise _too_big(token, 64)
        code = _abi.propose(self._handle, byref(one), 1, token)
        if code < 0:
            raise self._error(code)

    def propose_many(self, entries: Sequence[Buffer], tokens: Sequence[int] | None = None) -> None:
        """Proposes several entries in a single call, all or none. tokens: one for each entry. Raises as propose."""
        joined = b"".join(entries)
        lengths = list(map(len, entries))
        numbers = None if tokens is None else _u64s(tokens)
        if numbers is not None and len(numbers) != len(lengths):
            raise ValueError(f"{len(numbers)} tokens for {len(lengths)} entries")
        gate = self._gate
        try:
            gate.pop()
        except IndexError:
            self._alone()
        slices = self._stage(joined, lengths)
        code = _abi.propose_many(self._handle, slices, None if numbers is None else numbers.buffer_info()[0], len(lengths))
        if code < 0:
            self._fail(code)
        gate.append(None)

    def _stage(self, joined: bytes, lengths: list[int]) -> int:
        """Copies entries to memory that stays, and returns the address of their raftcore_slice[].

        The slices serve again for the next entries of equal lengths: making them is what takes time.
        """
        staged = self._staged
        if lengths != staged.lengths or len(joined) != staged.size:
            if sum(lengths) != len(joined):
                self._gate.append(None)
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
        """Proposes an entry of any kind as it is: a membership change that was encoded elsewhere, for example.

        Raises as propose and propose_conf, and DecodeError or UnsupportedError if the data are no change.
        """
        data = bytes(memoryview(data))
        given = _abi.Slice(_abi.address_of(data), len(data))
        self._call(_abi.propose_entry, _u32(kind), given, _u64(token))

    def read_index(self, token: int) -> None:
        """Starts a linearizable read. The token comes back exactly once: in reads() when the state may be read, or in dropped().

        Raises NoLeaderError or FullError: retry later.
        """
        self._call(_abi.read_index, _u64(token))

    def campaign(self) -> None:
        """Starts an election now. If the node may not, nothing happens, and an event gives the reason."""
        self._call(_abi.campaign)

    # ---- out

    def has_ready(self) -> int:
        """Returns bits of `Has`: what the next ready would hold besides an unfinished one, and whether fetches and events wait.

        Before you sleep, has_ready must be 0, except for the bits of readies that you hold back.
        """
        bits: int = _abi.has_ready(self._handle)  # a single call that leaves nothing behind: so it needs no token
        if bits < 0:
            raise self._error(bits)
        return bits

    def ready_flat(self, into: bytearray | None = None) -> FlatReady | None:
        """Takes the next ready, in the node's buffer, which the next ready_flat overwrites. None: nothing to do.

        into: a buffer of your own. If it is too small, TooSmallError has the size, and the ready comes with the next call. Raises FullError
        if max_outstanding readies are unfinished.
        """
        target = None if into is None else memoryview(into).cast("B")
        gate = self._gate
        try:
            gate.pop()
        except IndexError:
            self._alone()
        if target is not None:
            return self._ready_into(target)
        if self._marks:
            return self._marked(False)  # type: ignore[no-any-return] # no variable: see _marked
        flat = self._flat
        code = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        if code == _TOO_SMALL:
            code = self._take_larger(2)
        if code == 0:
            view = self._flat.view
            ready = _new(FlatReady, unpack_head(view) + (view, None))
            gate.append(None)
            return ready
        if code < 0:
            self._fail(code)
        gate.append(None)
        return None

    def ready(self) -> Ready | None:
        """Takes the next ready, in memory of its own: it and its views are yours for as long as you like. None: nothing to do.

        With Storage.SYNC the same ready comes again until it is advanced. Raises FullError if max_outstanding readies are unfinished.
        """
        gate = self._gate
        try:
            gate.pop()
        except IndexError:
            self._alone()
        if self._marks:
            return self._marked(True)  # type: ignore[no-any-return]
        code = self._take(1)
        if code == 0:
            ready = self._own(Ready)
            gate.append(None)
            return ready
        if code < 0:
            self._fail(code)
        gate.append(None)
        return None

    def _ready_into(self, target: memoryview) -> FlatReady | None:
        gate = self._gate
        code = 0 if self._lease and self._is_lost() else self._take(1)
        if code < 0:
            self._fail(code)
        if code == _NONE:
            gate.append(None)
            return None
        view = self._flat.view
        (size,) = _SIZE(view)
        if size > len(target):
            gate.append(None)
            small = TooSmallError(f"the buffer has {len(target)} bytes, the ready takes {size}")
            small.needed = size
            raise small
        target[:size] = view[:size]
        view = target.toreadonly()
        if self._marks:
            return (_new(UnseenFlatReady, unpack_head(view) + (view, self._lease)), gate.append(None))[0]  # type: ignore[func-returns-value]
        return (_new(FlatReady, unpack_head(view) + (view, None)), gate.append(None))[0]  # type: ignore[func-returns-value]

    def _marked(self, own: bool) -> Any:
        """Takes the next ready, with ASYNC and MESSAGES; or the last one again if it was lost on its way to the host.

        An exception may interrupt at any line behind the library's call, also in the host before it has stored the result. So before the
        call the lease notes the number of the ready that is in the memory. The library writes another number there, in the same step in
        which it hands out a ready. The ready holds the lease, and its first reader empties the lease.
        """
        code = 0 if self._lease and self._is_lost() else self._take(1 if own else 2)
        if code == 0:
            # No local variable holds the ready or the lease: a traceback would hold the frame.
            if own:
                return (self._own(UnseenReady), self._gate.append(None))[0]  # type: ignore[func-returns-value]
            return (self._unseen(), self._gate.append(None))[0]  # type: ignore[func-returns-value]
        self._lease.clear()
        if code < 0:
            self._fail(code)
        self._gate.append(None)
        return None

    def _unseen(self) -> FlatReady:
        return _new(UnseenFlatReady, unpack_head(self._flat.view) + (self._flat.view, self._lease))

    def _is_lost(self) -> bool:
        """True if the library handed out a ready since the lease was made, and nobody holds or has read that ready."""
        noted = self._lease[:1]  # a copy: its reader may be in another thread
        return noted != [] and noted[0] != self._flat.number.value and sys.getrefcount(self._lease) == _UNHELD

    def _refuse_lost(self, number: int) -> None:
        """Raises StateError if the host acknowledges a ready that was lost on its way: it can't have stored that ready."""
        if self._lease and self._is_lost() and number >= self._flat.number.value:
            raise StateError(f"ready {self._flat.number.value} never reached you: take it again with ready() or ready_flat()")

    def _take(self, growth: int) -> int:
        """Has the library write the next ready into self._flat, and returns the code."""
        flat = self._flat
        if self._marks:
            self._lease = [flat.number.value]
        code: int = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        return self._take_larger(growth) if code == _TOO_SMALL else code

    def _take_larger(self, growth: int) -> int:
        """The same with a larger buffer. Views of the old buffer keep the old buffer."""
        code = _TOO_SMALL
        while code == _TOO_SMALL:
            size = max(self._size.value, growth * self._flat.room.value, _FLAT_BYTES)
            flat = self._flat = _Flat(size, self._flat.number.value)
            code = _abi.bare_ready_flat(self._handle, flat.at, flat.room, self._size_at)
        return code

    def _own(self, cls: type[Ready]) -> Ready:
        """Returns the ready in self._flat in memory of its own: a small one is copied; a large one keeps the buffer."""
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
        """Makes a pass of the loop in a single call: acknowledges, ticks, steps frames, looks for a fetch, takes the next ready.

        done is as in advance, persisted, applied and released as in those calls (0: none); peer and frames are as in step_frames. Refused
        frames and repeated acknowledgements are no errors here. An error of an acknowledgement (StateError, ArgError): nothing after it was
        done. FullError: everything else was done; `taken` of the exception has the bytes of frames. Not with Storage.MESSAGES.
        """
        data = frames if type(frames) is bytes else bytes(memoryview(frames))
        if self._lease:
            self._refuse_lost(max(done, persisted, released))
        gate = self._gate
        try:
            gate.pop()
        except IndexError:
            self._alone()
        size = len(data)
        try:
            _INPUT.pack_into(self._input, 0, _INPUT.size, ticks, done, persisted, applied, released, peer, 0, size, 0, 0, 0)
        except StructError:
            gate.append(None)
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
        gate.append(None)
        return _new(Turn, (ready, code == _LAST, code == _FETCH_FIRST, taken, refused, failed))

    def _turn_marked(self) -> Turn:
        """The end of turn with ASYNC: as _marked."""
        lost = bool(self._lease) and self._is_lost()
        flat = self._flat
        if not lost:
            self._lease = [flat.number.value]
        room = _NO_ROOM if lost else flat.room  # without room the library takes in all, and hands out nothing
        code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, room, self._size_at)
        taken, refused, first = _TAKEN(self._input, _TAKEN_AT)
        failed = self._error(first) if refused else None
        if lost and code in (_TOO_SMALL, _NONE, _FETCH_FIRST, _FULL, _NOMEM):
            code = 0
        if code == _TOO_SMALL:
            code = self._turn_larger()
        if code == 0:
            return (
                _new(Turn, (self._unseen(), False, False, taken, refused, failed)),
                self._gate.append(None),  # type: ignore[func-returns-value]
            )[0]
        if not lost:
            self._lease.clear()
        if code < 0:
            self._fail(code, taken)
        self._gate.append(None)
        return _new(Turn, (None, False, code == _FETCH_FIRST, taken, refused, failed))

    def _turn_larger(self) -> int:
        """The end of a turn that took everything in, with a larger buffer for the ready."""
        code = _TOO_SMALL
        while code == _TOO_SMALL:
            self._flat = flat = _Flat(max(self._size.value, 2 * self._flat.room.value, _FLAT_BYTES), self._flat.number.value)
            _INPUT.pack_into(self._input, 0, _INPUT.size, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
            code = _abi.bare_turn_flat(self._handle, self._input_at, flat.at, flat.room, self._size_at)
        return code

    def view(self, number: int) -> Ready | None:
        """Returns an unfinished ready once more, in memory of its own. None: no such ready is unfinished.

        Status.last_ready is the number of the newest.
        """
        if self._lease and self._is_lost() and number == self._flat.number.value:
            return self.ready()
        size = c_size_t()
        code, view = _TOO_SMALL, bytearray()
        while code == _TOO_SMALL:
            view = bytearray(size.value)
            at = (ctypes.c_char * len(view)).from_buffer(view)
            code = _abi.view_flat(self._handle, _u64(number), at, len(view), byref(size))
        if code < 0:
            raise self._error(code)
        return None if code == _NONE else own_ready(view)

    def message_entries(self, number: int) -> list[list[Entry]]:
        """Returns the entries in the messages of an unfinished ready, in the order of messages(). Needs Flag.DECODED_MSGS.

        Raises ArgError if no such ready is unfinished.
        """
        raw = _abi.Ready(struct_size=sizeof(_abi.Ready))
        gate = self._gate
        try:
            gate.pop()  # until all is read: the memory of raw is the node's
        except IndexError:
            self._alone()
        code = _abi.view(self._handle, _u64(number), byref(raw))
        if code < 0:
            self._fail(code)
        found = []
        if code == 0:
            for place in range(raw.n_msgs):
                message = _abi.Msg.from_address((raw.msgs or 0) + place * raw.msg_stride)
                places = [(message.entries or 0) + place * message.entry_stride for place in range(message.n_entries)]
                entries = map(_abi.Entry.from_address, places)
                found.append([Entry(entry.term, entry.index, entry.kind, _bytes(entry.data), entry.token) for entry in entries])
        gate.append(None)
        if code == _NONE:
            raise ArgError(f"ready {number} is not unfinished")
        return found

    def advance(self, number: int) -> None:
        """All work of ready `number`, and of those before it, is done. Not with Storage.MESSAGES.

        Raises StateError if a membership change in it was neither applied nor skipped, StaleError if it was acknowledged before.
        """
        if number >> 64:
            raise _too_big(number, 64)
        if self._lease:
            self._refuse_lost(number)
        code = _abi.bare_advance(self._handle, c_uint64(number))
        if code < 0:
            raise self._error(code)

    def persisted(self, number: int) -> None:
        """The writes of readies up to `number` are durable; their messages with `after` may leave now. Storage.ASYNC only.

        A write that failed can't be reported: close the node, and boot from disk. Raises StaleError if reported before.
        """
        self._refuse_lost(number)
        self._call(_abi.persisted, _u64(number))

    def applied(self, index: int) -> None:
        """The state machine has applied all entries up to index, and what it stores says so. Storage.ASYNC.

        With Storage.SYNC only for a span that came without entries (Flag.COMMITTED_SPANS), before advance.

        Raises StateError if a membership change up to index was neither applied nor skipped, StaleError if reported before.
        """
        self._call(_abi.applied, _u64(index))

    def release(self, number: int) -> None:
        """Frees the node's memory of readies up to `number`. Their Python objects stay valid. Not with Storage.SYNC.

        Raises StaleError if released before.
        """
        self._refuse_lost(number)
        self._call(_abi.release, _u64(number))

    # ---- what the node lacks

    def next_fetch(self) -> Fetch | None:
        """Returns a request for entries of the host's log, or for a snapshot; None: there is none. Each fetch is returned once.

        A fetch is for a peer that is far behind, or for this node to apply: see `FetchKind`.
        """
        raw = _abi.Fetch(struct_size=sizeof(_abi.Fetch))
        return None if self._call(_abi.next_fetch, byref(raw)) == _NONE else read_fetch(raw)

    def fetches(self) -> Iterator[Fetch]:
        """Returns an iterator over all that next_fetch has."""
        return iter(self.next_fetch, None)

    def supply_entries(self, id: int, entries: Iterable[AnyEntry]) -> bool:
        """Answers a fetch with entries, one or more, from fetch.first on without a gap. What does not fit is not taken. False: no longer
        wanted, nothing done.

        Raises ArgError if the entries are not those asked for; the fetch stays open.
        """
        packed, count, _held = _entries_in(entries)
        return self._call(_abi.supply_entries, _u64(id), packed, count) == 0

    def supply_snapshot(self, id: int, index: int, conf: Conf | bytes, data: Buffer = b"") -> bool:
        """Answers a fetch with the state as of index, and the membership as of index. False: no longer wanted, nothing done.

        Raises TooLargeError if data are above max_snapshot_bytes, an everyday case: supply the snapshot without data, and send the data over
        a channel of your own; the peer must have them before it steps the message. After an error the fetch stays open. No error here should
        end the host: answer with supply_none(id, Supply.LATER).
        """
        given, _held = _conf_in(conf)
        data = bytes(memoryview(data))
        state = _abi.Slice(_abi.address_of(data), len(data))
        return self._call(_abi.supply_snapshot, _u64(id), _u64(index), byref(given), state) == 0

    def supply_none(self, id: int, why: int = Supply.LATER) -> bool:
        """Answers a fetch with nothing: see `Supply`. False: no longer wanted, nothing done.

        Raises CorruptError for GONE in answer to FetchKind.APPLY: committed entries that are not applied can't be gone.
        """
        return self._call(_abi.supply_none, _u64(id), _u32(why)) == 0

    def compacted(self, index: int) -> None:
        """The host has dropped the entries up to index from its log, and has the state as of there or later.

        Raises ArgError if index is beyond what is applied, StaleError if dropped before.
        """
        self._call(_abi.compacted, _u64(index))

    def report_unreachable(self, peer: int) -> None:
        """Messages to peer were lost, or may have been. Raises NoPeerError if peer is no member: harmless."""
        self._call(_abi.report_unreachable, _u64(peer))

    def report_snapshot(self, peer: int, how: int) -> None:
        """Reports what became of a snapshot to peer: see `SnapshotReport`. Raises NoPeerError if peer is no member: harmless.

        Without a report the wait ends with the peer's acknowledgement, or after snapshot_timeout_ticks.
        """
        self._call(_abi.report_snapshot, _u64(peer), _u32(how))

    # ---- membership and leadership

    def propose_conf(
        self,
        changes: Iterable[tuple[int, int]],
        transition: int = Transition.AUTO,
        context: Buffer = b"",
        token: int = 0,
    ) -> None:
        """Proposes a membership change: [Change(ChangeKind.ADD_LEARNER, 4), ...]. No step at all leaves a joint membership.

        One change at a time: ConfBusyError until the change before is applied. Raises ConfError if the change is invalid here, and else as
        propose. context travels with the change and comes out of apply_conf on every node.
        """
        steps = [_abi.Change(_u64(id), _u32(kind)) for kind, id in changes]
        context = bytes(memoryview(context))
        given = _abi.Slice(_abi.address_of(context), len(context))
        listed = (_abi.Change * len(steps))(*steps)
        self._call(_abi.propose_conf, listed, len(steps), _u32(transition), given, _u64(token))

    def apply_conf(self, entry: AnyEntry) -> Conf:
        """Applies a committed membership entry, lowest index first. Store `encoded` of the result together with the applied index.

        Raises ConfError, DecodeError or UnsupportedError if this node can't apply the change: stop the process rather than differ from the
        others. Raises StaleError if applied or skipped before.
        """
        packed, _, _held = _entries_in((entry,))
        return self._conf(_abi.apply_conf, packed)

    def skip_conf(self, index: int) -> Conf:
        """Passes over a committed membership entry. Right only if every member does the same.

        Returns the membership, unchanged, as of index: store it as after apply_conf. Raises StaleError if done before.
        """
        return self._conf(_abi.skip_conf, _u64(index))

    def apply_change(self, kind: int, data: Buffer) -> Conf:
        """Applies a membership change that belongs to no entry, at any time: etcd's ApplyConfChange. Only with Flag.CONF_APART.

        Raises as apply_conf, and StateError without the flag.
        """
        data = bytes(memoryview(data))
        return self._conf(_abi.apply_change, _u32(kind), _abi.Slice(_abi.address_of(data), len(data)))

    def conf(self) -> Conf:
        """Returns the membership in force."""
        return self._conf(_abi.get_conf)

    def _conf(self, call: Any, *given: Any) -> Conf:
        out = _abi.Conf(struct_size=sizeof(_abi.Conf))
        gate = self._gate
        try:
            gate.pop()  # until all is read: the memory of out is the node's
        except IndexError:
            self._alone()
        code = call(self._handle, *given, byref(out))
        if code < 0:
            self._fail(code)
        conf = Conf(
            _ids(out.voters, out.n_voters),
            _ids(out.outgoing, out.n_outgoing),
            _ids(out.learners, out.n_learners),
            _ids(out.learners_next, out.n_learners_next),
            out.auto_leave != 0,
            _bytes(out.bytes),
            _bytes(out.context),
            out.index,
        )
        gate.append(None)
        return conf

    def transfer(self, to: int = 0) -> None:
        """Transfers leadership; 0: to the voter that is furthest and alive. Proposals are refused meanwhile.

        Raises NoPeerError if `to` can't lead, NoLeaderError if no leader is known to ask.
        """
        self._call(_abi.transfer, _u64(to))

    def abort_transfer(self) -> None:
        """Ends a transfer in progress. Raises StateError if there is none."""
        self._call(_abi.abort_transfer)

    def forget_leader(self) -> None:
        """Makes a follower forget its leader, so that it may vote at once. Does nothing on other roles, and with lease reads."""
        self._call(_abi.forget_leader)

    def set_electable(self, electable: bool) -> None:
        """Sets whether the node starts elections: off for maintenance. The node votes and follows all the same."""
        self._call(_abi.set_electable, bool(electable))

    def set_priority(self, priority: int) -> None:
        """Changes Config.priority."""
        if not -(2**31) <= priority < 2**31:
            raise _too_big(priority, 31)
        self._call(_abi.set_priority, priority)

    def set_window(self, peer: int, max_inflight_msgs: int, max_inflight_bytes: int = 0) -> None:
        """Changes the window of a peer, appends and bytes, until the peer leaves the group. Raises NoPeerError if there is no such peer."""
        self._call(_abi.set_window, _u64(peer), _u32(max_inflight_msgs), _u64(max_inflight_bytes))

    def set_commit_broadcast(self, on: bool) -> None:
        """Sets whether a leader reports a moved commit index at once, or with the next append or heartbeat."""
        self._call(_abi.set_commit_broadcast, bool(on))

    def set_election_timeout(self, ticks: int) -> None:
        """Sets the randomized election timeout, until the node draws the next: for tests."""
        self._call(_abi.set_election_timeout, _u32(ticks))

    # ---- looking inside

    def ticks_until_due(self) -> int:
        """Returns how many ticks the host may sleep before the node acts on its own. 2**32 - 1: it never will."""
        ticks = c_uint32()
        self._call(_abi.ticks_until_due, byref(ticks))
        return ticks.value

    def hello(self) -> bytes:
        """Returns the frame that opens a connection: version, features, group and id of this node."""
        text, size = ctypes.create_string_buffer(256), c_size_t()
        self._call(_abi.hello, text, len(text), byref(size))
        return text.raw[: size.value]

    def status(self) -> Status:
        """Returns the node as it is now. Works at any time before close()."""
        raw = _abi.Status(_STATUS_BYTES)
        code = _abi.get_status(self._handle, byref(raw))
        if code < 0:
            raise self._error(code)
        return read_status(raw)

    def peers(self) -> list[Peer]:
        """Returns a leader's view of the members, itself included, by id. On other roles only id and VOTER, LEARNER mean something."""
        room, count = 0, c_size_t()
        while True:
            raw = (_abi.Peer * room)()
            self._call(_abi.get_peers, raw, room, byref(count))
            if count.value <= room:
                return [read_peer(peer) for peer in raw[: count.value]]
            room = count.value

    def next_event(self) -> Event | None:
        """Takes the oldest event; None: no more. Events that nobody takes are counted in Status.events_lost."""
        raw = _abi.Event()
        return None if self._call(_abi.next_event, byref(raw)) == _NONE else read_event(raw)

    def events(self) -> Iterator[Event]:
        """Returns an iterator over all that next_event has."""
        return iter(self.next_event, None)

    def digest(self, with_random: bool = False) -> int:
        """Returns a number that is equal for nodes of equal meaning: for tests."""
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
"""The code of the methods that take the token: Node._alone looks for them on the stacks."""


class NodeArray:
    """Many nodes that are ticked in a single call: for processes with thousands of groups."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Takes the nodes. A node may be in several arrays, and may be closed at any time."""
        self.nodes = tuple(nodes)
        self._handles = (ctypes.c_void_p * len(self.nodes))()
        for place, node in enumerate(self.nodes):
            if not node.closed:
                node._arrays.add(self)  # before its handle is read: so that a close from here on is seen
                self._handles[place] = node._handle.value

    def tick(self, ticks: int = 1) -> list[Node]:
        """Tells all nodes that time has passed. Returns those that have a ready or a fetch, and those that are closed or failed.

        The next call on a node that failed raises the reason.
        """
        count = len(self._handles)
        found = (c_uint32 * count)()
        number = _abi.tick_many(self._handles, count, _u32(ticks), found, count)
        return [self.nodes[place] for place in found[: min(number, count)]]

    def _forget(self, handle: int) -> None:
        for place, held in enumerate(self._handles):
            if held == handle:
                self._handles[place] = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("nodes can't be copied or pickled")


def version() -> str:
    """Returns the version of the library that runs."""
    text: bytes = _abi.version_string()
    return text.decode()


def abi_version() -> int:
    """Returns the ABI version of the library that runs. The package refuses to load with another version than its own."""
    number: int = _abi.abi_version()
    return number


def features() -> int:
    """Returns bits of `Feature`: what the library that runs is able to do."""
    bits: int = _abi.features()
    return bits


def hello_read(frame: Buffer) -> HelloInfo:
    """Reads the frame that opened a connection. Check version, group and id yourself. Raises DecodeError if it is no such frame."""
    raw = _abi.HelloInfo(struct_size=sizeof(_abi.HelloInfo))
    held = bytes(memoryview(frame))
    code = _abi.hello_read(held, len(held), byref(raw))
    if code < 0:
        raise error(code)
    return read_hello(raw)


def frame_next(data: Buffer, limit: int) -> Frame | None:
    """Returns the first frame of a receive buffer, which is not stepped; None: the frame is incomplete.

    limit is the size of the largest frame to expect: Config.frame_limit. Step the message with Node.step if the group is that of the node.
    Raises DecodeError if the frame is larger than limit: close the connection.
    """
    raw = _abi.Frame(struct_size=sizeof(_abi.Frame))
    held, size = _address(data)
    code = _abi.frame_next(held, size, _u64(limit), byref(raw))
    if code < 0:
        raise error(code)
    return None if code == _NONE else Frame(raw.group, _bytes(raw.msg), raw.bytes)


def snapshot_split(message: Buffer) -> Snapshot | None:
    """Returns the snapshot in an incoming message, which comes without the header of a frame. None: another kind of message.

    Raises DecodeError if the bytes are no message.
    """
    held = bytes(memoryview(message))
    data, index, term = _abi.Slice(), c_uint64(), c_uint64()
    code = _abi.snapshot_split(held, len(held), byref(data), byref(index), byref(term))
    if code < 0:
        raise error(code)
    return None if code == _NONE else Snapshot(index.value, term.value, _bytes(data))


# ---- helpers


def _free(handle: ctypes.c_void_p, arrays: Iterable[NodeArray]) -> None:
    """Ends the node. The handle is shared with the Node: a call from a finalizer that runs later finds NULL there."""
    value, handle.value = handle.value, None
    if value:
        for nodes in arrays:
            nodes._forget(value)
        _abi.free(value)


class _Unheld:
    """What sys.getrefcount says of a list that only its owner holds."""

    def __init__(self) -> None:
        self.lease: list[int] = []
        self.count = sys.getrefcount(self.lease)


_UNHELD = _Unheld().count


_NO_ROOM = c_size_t(0)


class _Staged(NamedTuple):
    """Entries of propose_many: their bytes, their lengths and the sum of these, and the raftcore_slice[] of them."""

    data: bytearray
    lengths: list[int]
    size: int
    slices: array[int]


class _Flat:
    """Memory for flat readies. It is never resized: views of it may be anywhere."""

    __slots__ = ("at", "number", "room", "view")

    def __init__(self, size: int, number: int) -> None:
        own = bytearray(size)
        self.view = memoryview(own).toreadonly()
        self.at = (ctypes.c_char * size).from_buffer(own)  # what a c_void_p takes for its address
        self.room = c_size_t(size)
        self.number = c_uint64.__ctype_le__.from_buffer(own, 24)  # type: ignore[attr-defined] # of the ready in it
        self.number.value = number


def _u64(number: int) -> int:
    """Returns the number. Raises ArgError if it has more than 64 bits: ctypes would cut it."""
    if number >> 64:
        raise _too_big(number, 64)
    return number


def _u32(number: int) -> int:
    if number >> 32:
        raise _too_big(number, 32)
    return number


def _u64s(numbers: Iterable[int]) -> array[int]:
    try:
        return array("Q", numbers)
    except OverflowError:
        raise ArgError("a number of more than 64 bits") from None


def _too_big(number: int, bits: int) -> ArgError:
    return ArgError(f"{number} is no number of {bits} bits")


def _address(data: Buffer) -> tuple[Any, int]:
    """Returns what a c_void_p takes for a buffer, and its length. Hold the former for the call only: it keeps a bytearray from growing."""
    if type(data) is bytes:
        return data, len(data)
    view = memoryview(data)
    if view.readonly or not view.contiguous or not view.nbytes:
        held = bytes(view)
        return held, len(held)
    return byref(ctypes.c_char.from_buffer(view)), view.nbytes


def _bytes(place: _abi.Slice) -> bytes:
    return ctypes.string_at(place.ptr, place.len) if place.ptr and place.len else b""


def _ids(place: int | None, count: int) -> tuple[int, ...]:
    return tuple((c_uint64 * count).from_address(place)) if place and count else ()


def _conf_in(conf: Conf | bytes) -> tuple[_abi.Conf, Any]:
    """Returns the struct, and what it points to."""
    given = _abi.Conf(struct_size=sizeof(_abi.Conf))
    encoded = bytes(conf if isinstance(conf, bytes) else conf.encoded)
    if encoded or isinstance(conf, bytes):
        given.bytes = _abi.Slice(_abi.address_of(encoded), len(encoded))
        return given, encoded
    lists = [_u64s(ids) for ids in (conf.voters, conf.outgoing, conf.learners, conf.learners_next)]
    given.voters, given.outgoing, given.learners, given.learners_next = (ids.buffer_info()[0] for ids in lists)
    given.n_voters, given.n_outgoing, given.n_learners, given.n_learners_next = map(len, lists)
    given.auto_leave = conf.auto_leave
    given.index = _u64(conf.index)
    return given, lists


def _entries_in(entries: Iterable[AnyEntry]) -> tuple[bytes, int, Any]:
    """Returns raftcore_entry[], its length, and what it points to."""
    listed = [(entry[0], entry[1], entry[2], bytes(memoryview(entry[3])), entry[4] if len(entry) > 4 else 0) for entry in entries]
    joined = b"".join([data for _, _, _, data, _ in listed])
    at = _abi.address_of(joined) or 0
    packed = bytearray()
    for term, index, kind, data, token in listed:
        packed += _ENTRY.pack(_u64(term), _u64(index), _u32(kind), 0, at, len(data), _u64(token))
        at += len(data)
    return bytes(packed), len(listed), joined
