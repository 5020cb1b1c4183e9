"""The node, and what needs none."""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from ctypes import byref, c_size_t, c_uint32, c_uint64, sizeof
from dataclasses import dataclass
from itertools import accumulate
from struct import Struct
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Union

from . import _abi
from ._config import Config
from ._constants import Supply, Transition
from ._errors import ArgError, ClosedError, TooSmallError, error
from ._ready import Buffer, Entry, EntryView, FlatReady, Ready, flat_ready

_NONE = 1
_TOO_SMALL = -12
_POINTER = "Q" if sizeof(ctypes.c_void_p) == 8 else "I"  # an array's code for pointers and lengths
_ENTRY = Struct("@2Q2IPNQ")
_FLAT_BYTES = 64 * 1024  # of a node's first buffer for ready_flat; it grows as need be

AnyEntry = Union[Entry, EntryView, tuple[int, int, int, Buffer]]


@dataclass(frozen=True)
class Conf:
    """A configuration: who votes, who learns. `encoded` is what a host stores."""

    voters: tuple[int, ...] = ()  # in a joint configuration: the incoming half
    outgoing: tuple[int, ...] = ()  # the outgoing half; empty unless joint
    learners: tuple[int, ...] = ()
    learners_next: tuple[int, ...] = ()  # learners once the joint configuration is left
    auto_leave: bool = False  # a joint configuration is left by itself
    encoded: bytes = b""  # as raftpb ConfState; empty in one that was not made by a node
    context: bytes = b""  # from apply_conf: the change's own context, an address for example


class Change(NamedTuple):
    """One step of a configuration change."""

    kind: int  # ChangeKind
    id: int


class Snapshot(NamedTuple):
    """What a MsgSnap carries."""

    index: int  # type: ignore[assignment] # not tuple.index
    term: int
    data: bytes  # empty if they travel the host's way


class Node:
    """A Raft node. Give it ticks, frames and proposals; take batches of work out; do them; say so.

    The calls are those of include/raftcore.h without their prefix, where each is described at length; get_ready is ready here, and
    get_status status. A call that fails raises the RaftError of its code and has changed nothing. Where C answers NONE, None comes
    back. One thread at a time may use a node, any thread; different nodes are independent.

    The loop of a host with Storage.SYNC, after every tick, step_frames, propose, ...:

        for fetch in node.fetches(): ...              # rare: a peer is far behind; supply_entries, supply_snapshot, supply_none
        while (rd := node.ready_flat()) is not None:
            ...                                       # 1 store rd.entries(), and term, vote, commit if rd.has_hard_state
            ...                                       # 2 send rd.messages()
            ...                                       # 3 apply rd.committed(); apply_conf(entry) if entry.kind
            ...                                       # 4 answer rd.reads() and rd.dropped()
            node.advance(rd.number)                   # 5

    A node is closed by close(), at the end of a `with`, or when nobody holds it any more. A call on a closed one: ClosedError.
    """

    def __init__(self, config: Config) -> None:
        handle = ctypes.c_void_p()
        code = _abi.new(byref(config), byref(handle))
        if code < 0:
            config.check()
            raise error(code)
        self._begin(handle)

    def _begin(self, handle: ctypes.c_void_p) -> None:
        self._handle = handle  # NULL once closed: the library refuses it
        self._outstanding: dict[int, Ready] = {}  # of ready(), by number: their views end with them
        self._places: list[tuple[Any, int]] = []  # in NodeArrays
        self._finalize = weakref.finalize(self, _free, handle.value, self._outstanding, self._places)
        self._size = c_size_t()
        self._size_at = byref(self._size)
        self._count = c_uint32()
        self._count_at = byref(self._count)
        self._number = c_uint64()
        self._length = c_size_t()
        self._ready = _abi.Ready(struct_size=sizeof(_abi.Ready))
        self._ready_at = byref(self._ready)
        self._set_buffer(_FLAT_BYTES)
        self._staged = bytearray(1)  # of propose_many: data, their lengths, raftcore_slice[]
        self._lengths: list[int] = []
        self._slices = array(_POINTER)

    def _set_buffer(self, size: int) -> None:
        own = bytearray(size)  # never resized: views of it may be about
        self._buffer = memoryview(own).toreadonly()
        self._buffer_at = (ctypes.c_char * size).from_buffer(own)
        self._buffer_size = c_size_t(size)

    def close(self) -> None:
        """Ends the node, and all views of its batches. Nothing is written or sent. A second close does nothing."""
        self._handle = ctypes.c_void_p()
        self._finalize()

    @property
    def closed(self) -> bool:
        return not self._handle

    def __enter__(self) -> Node:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _raise(self, code: int) -> NoReturn:
        if not self._handle:
            raise ClosedError()
        text = ctypes.create_string_buffer(256)
        _abi.error_detail(self._handle, text, len(text))
        raise error(code, text.value.decode())

    # ---- boot: in this order, and only what there is

    def boot_state(self, term: int, vote: int, commit: int) -> None:
        """Restores the hard state as it was stored. Founders of a group: (0, 0, 1)."""
        code = _abi.boot_state(self._handle, _u64(term), _u64(vote), _u64(commit))
        if code < 0:
            self._raise(code)

    def boot_conf(self, conf: Conf | bytes, before_first: int, before_first_term: int) -> None:
        """Restores the configuration as of what is applied, and where the log begins. Founders: (conf, 1, 1)."""
        given, _held = _conf_in(conf)
        code = _abi.boot_conf(self._handle, byref(given), _u64(before_first), _u64(before_first_term))
        if code < 0:
            self._raise(code)

    def boot_terms(self, runs: Sequence[tuple[int, int]]) -> None:
        """Restores which term each part of the log has: (first index, term), ... Not needed if boot_entries starts at the first."""
        flat = array("Q", [number for run in runs for number in run])
        code = _abi.boot_terms(self._handle, flat.buffer_info()[0], len(runs))
        if code < 0:
            self._raise(code)

    def boot_entries(self, entries: Iterable[AnyEntry]) -> None:
        """Restores entries, in as many calls as it takes: at least all that are not yet applied."""
        packed, count, _held = _entries_in(entries)
        code = _abi.boot_entries(self._handle, packed, count)
        if code < 0:
            self._raise(code)

    def boot_done(self, applied: int) -> None:
        """Ends the boot: the node runs. A node with an empty disk that joins a group boots by boot_done(0) alone."""
        code = _abi.boot_done(self._handle, _u64(applied))
        if code < 0:
            self._raise(code)

    def try_clone(self) -> Node:
        """A second node of the same state, for tests and explorers."""
        handle = ctypes.c_void_p()
        code = _abi.try_clone(self._handle, byref(handle))
        if code < 0:
            self._raise(code)
        clone = Node.__new__(Node)
        clone._begin(handle)
        return clone

    # ---- in

    def tick(self, ticks: int = 1) -> None:
        """Time passes."""
        code = _abi.tick(self._handle, _u32(ticks))
        if code < 0:
            self._raise(code)

    def step(self, peer: int, message: Buffer) -> None:
        """A message has come, without the header of a frame. peer: whom the transport authenticated; 0: unchecked."""
        held, size = _address(message)
        code = _abi.step(self._handle, _u64(peer), held, size)
        del held
        if code < 0:
            self._raise(code)

    def step_frames(self, peer: int, data: Buffer) -> tuple[int, int]:
        """Frames have come; the last may be incomplete: (bytes taken, frames refused).

        Point it at the receive buffer, keep what was not taken, and append to it. DecodeError: drop the connection.
        """
        if peer >> 64:
            raise _too_big(peer, 64)
        held, size = (data, len(data)) if type(data) is bytes else _address(data)
        self._number.value = peer
        self._length.value = size
        code = _abi.bare_step_frames(self._handle, self._number, held, self._length, self._size_at, self._count_at)
        del held
        if code < 0:
            self._raise(code)
        return self._size.value, self._count.value

    def step_local(self, message: Buffer) -> None:
        """A response of local work has come, without the header of a frame. Storage.MESSAGES only."""
        held, size = _address(message)
        code = _abi.step_local(self._handle, held, size)
        del held
        if code < 0:
            self._raise(code)

    def propose(self, *parts: Buffer, token: int = 0) -> None:
        """Proposes one entry, its data in parts. token comes back exactly once: with the committed entry, or in dropped."""
        data = parts[0] if len(parts) == 1 and type(parts[0]) is bytes else b"".join(parts)
        one = _abi.Slice(_abi.address_of(data), len(data))
        code = _abi.propose(self._handle, byref(one), 1, _u64(token))
        if code < 0:
            self._raise(code)

    def propose_many(self, entries: Sequence[Buffer], tokens: Sequence[int] | None = None) -> None:
        """Proposes several entries in one call, all or none. tokens: one for each."""
        count = len(entries)
        slices = self._stage(entries)
        if tokens is None:
            code = _abi.propose_many(self._handle, slices, None, count)
        else:
            if len(tokens) != count:
                raise ValueError(f"{len(tokens)} tokens for {count} entries")
            numbers = array("Q", tokens)
            code = _abi.propose_many(self._handle, slices, numbers.buffer_info()[0], count)
        if code < 0:
            self._raise(code)

    def _stage(self, entries: Sequence[Buffer]) -> int:
        """Where raftcore_slice[] lies for entries, copied behind one another to one place.

        So the slices of one batch serve for the next one of the same lengths: to make them is what takes time.
        """
        joined = b"".join(entries)
        lengths = list(map(len, entries))
        if len(joined) > len(self._staged):
            self._staged = bytearray(2 * len(joined))
            self._lengths = []
        memoryview(self._staged)[: len(joined)] = joined
        if lengths != self._lengths:
            if sum(lengths) != len(joined):
                raise TypeError("a view of something else than bytes")
            begin = ctypes.addressof(ctypes.c_char.from_buffer(self._staged))
            self._slices = array(_POINTER, bytes(2 * len(lengths) * sizeof(ctypes.c_void_p)))
            self._slices[0::2] = array(_POINTER, list(accumulate(lengths, initial=begin))[:-1])
            self._slices[1::2] = array(_POINTER, lengths)
            self._lengths = lengths
        return self._slices.buffer_info()[0]

    def read_index(self, token: int) -> None:
        """Starts a linearizable read. token comes back exactly once: in reads, when the state may be read, or in dropped."""
        code = _abi.read_index(self._handle, _u64(token))
        if code < 0:
            self._raise(code)

    def campaign(self) -> None:
        """Starts an election now, if the node may."""
        code = _abi.campaign(self._handle)
        if code < 0:
            self._raise(code)

    # ---- out

    def has_ready(self) -> int:
        """Bits of Has: what the next ready would hold beside an outstanding one, and whether fetches and events wait."""
        bits: int = _abi.has_ready(self._handle)
        if bits < 0:
            self._raise(bits)
        return bits

    def ready_flat(self, into: bytearray | None = None) -> FlatReady | None:
        """Takes the next batch of work as one run of bytes: in the node's own buffer, which the next call overwrites, or `into`.

        None: nothing to do. TooSmallError: `into` is, and the batch comes with the next call; it does not come without `into`.
        """
        if into is not None:
            return self._ready_into(into)
        code = _abi.bare_ready_flat(self._handle, self._buffer_at, self._buffer_size, self._size_at)
        while code == _TOO_SMALL:
            self._set_buffer(max(self._size.value, 2 * self._buffer_size.value))
            code = _abi.bare_ready_flat(self._handle, self._buffer_at, self._buffer_size, self._size_at)
        if code == 0:
            return flat_ready(self._buffer)
        if code < 0:
            self._raise(code)
        return None

    def _ready_into(self, into: bytearray) -> FlatReady | None:
        held, size = _address(into)
        code = _abi.ready_flat(self._handle, held, size, self._size_at)
        del held
        if code == _TOO_SMALL:
            small = TooSmallError(f"{size} bytes, the batch takes {self._size.value}")
            small.needed = self._size.value
            raise small
        if code < 0:
            self._raise(code)
        return flat_ready(memoryview(into).toreadonly()) if code == 0 else None

    def ready(self) -> Ready | None:
        """Takes the next batch of work as it lies in the node's memory: nothing is copied but what is asked for as bytes.

        None: nothing to do. With Storage.SYNC the same batch comes again until it is advanced.
        """
        code = _abi.get_ready(self._handle, self._ready_at)
        if code < 0:
            self._raise(code)
        if code == _NONE:
            return None
        number = self._ready.number
        if number not in self._outstanding:
            self._outstanding[number] = Ready(self._ready)
        return self._outstanding[number]

    def advance(self, number: int) -> None:
        """All work of batch number, and of those before it, is done. Ends their views."""
        if number >> 64:
            raise _too_big(number, 64)
        self._number.value = number
        code = _abi.bare_advance(self._handle, self._number)
        if code < 0:
            self._raise(code)
        if self._outstanding:
            _end(self._outstanding, number)

    def persisted(self, number: int) -> None:
        """What batches up to number say is durable. Their messages with `after` may go now. Storage.ASYNC only."""
        code = _abi.persisted(self._handle, _u64(number))
        if code < 0:
            self._raise(code)

    def applied(self, index: int) -> None:
        """The state machine has applied all up to index, and what it stores says so. Storage.ASYNC only."""
        code = _abi.applied(self._handle, _u64(index))
        if code < 0:
            self._raise(code)

    def release(self, number: int) -> None:
        """Nobody reads the batches up to number any more. Ends their views. Not with Storage.SYNC."""
        code = _abi.release(self._handle, _u64(number))
        if code < 0:
            self._raise(code)
        _end(self._outstanding, number)

    # ---- what the node lacks

    def next_fetch(self) -> _abi.Fetch | None:
        """Asks what the node lacks for a peer that is far behind; None: nothing. Each ask is handed out once."""
        fetch = _abi.Fetch(struct_size=sizeof(_abi.Fetch))
        code = _abi.next_fetch(self._handle, byref(fetch))
        if code < 0:
            self._raise(code)
        return None if code == _NONE else fetch

    def fetches(self) -> Iterator[_abi.Fetch]:
        """All that next_fetch has."""
        return iter(self.next_fetch, None)

    def supply_entries(self, id: int, entries: Iterable[AnyEntry]) -> bool:
        """Answers with one entry or more, from fetch.first on. False: no longer wanted. ArgError: the ask is still open."""
        packed, count, _held = _entries_in(entries)
        code = _abi.supply_entries(self._handle, _u64(id), packed, count)
        if code < 0:
            self._raise(code)
        return bool(code == 0)

    def supply_snapshot(self, id: int, index: int, conf: Conf | bytes, data: Buffer = b"") -> bool:
        """Answers with the state as of index and the configuration then. Without data these travel the host's way."""
        given, _held = _conf_in(conf)
        data = bytes(data)
        state = _abi.Slice(_abi.address_of(data), len(data))
        code = _abi.supply_snapshot(self._handle, _u64(id), _u64(index), byref(given), state)
        if code < 0:
            self._raise(code)
        return bool(code == 0)

    def supply_none(self, id: int, why: int = Supply.LATER) -> bool:
        """Answers with nothing: Supply.GONE leads to a snapshot, LATER to another ask."""
        code = _abi.supply_none(self._handle, _u64(id), _u32(why))
        if code < 0:
            self._raise(code)
        return bool(code == 0)

    def compacted(self, index: int) -> None:
        """The host has dropped the entries up to index from its log; it has the state as of there, or later."""
        code = _abi.compacted(self._handle, _u64(index))
        if code < 0:
            self._raise(code)

    def report_unreachable(self, peer: int) -> None:
        """Messages to peer were lost, or may have been."""
        code = _abi.report_unreachable(self._handle, _u64(peer))
        if code < 0:
            self._raise(code)

    def report_snapshot(self, peer: int, arrived: bool) -> None:
        """How a snapshot to peer ended."""
        code = _abi.report_snapshot(self._handle, _u64(peer), bool(arrived))
        if code < 0:
            self._raise(code)

    # ---- membership and leadership

    def propose_conf(
        self,
        changes: Sequence[tuple[int, int]],
        transition: int = Transition.AUTO,
        context: Buffer = b"",
        token: int = 0,
    ) -> None:
        """Proposes a change, one at a time: [Change(ChangeKind.ADD_LEARNER, 4), ...]. None at all leaves a joint configuration."""
        steps = (_abi.Change * len(changes))(*[_abi.Change(_u64(id), _u32(kind)) for kind, id in changes])
        context = bytes(context)
        given = _abi.Slice(_abi.address_of(context), len(context))
        code = _abi.propose_conf(self._handle, steps, len(changes), _u32(transition), given, _u64(token))
        if code < 0:
            self._raise(code)

    def apply_conf(self, entry: AnyEntry) -> Conf:
        """Applies a committed configuration entry, lowest index first. Store the answer's `encoded` with what is applied."""
        packed, _, _held = _entries_in((entry,))
        return self._conf(_abi.apply_conf, packed)

    def skip_conf(self, index: int) -> None:
        """Passes over a committed configuration entry. Right only if every member does the same."""
        code = _abi.skip_conf(self._handle, _u64(index))
        if code < 0:
            self._raise(code)

    def conf(self) -> Conf:
        """The configuration in force."""
        return self._conf(_abi.get_conf)

    def _conf(self, call: Any, *given: Any) -> Conf:
        out = _abi.Conf(struct_size=sizeof(_abi.Conf))
        code = call(self._handle, *given, byref(out))
        if code < 0:
            self._raise(code)
        return Conf(
            _ids(out.voters, out.n_voters),
            _ids(out.outgoing, out.n_outgoing),
            _ids(out.learners, out.n_learners),
            _ids(out.learners_next, out.n_learners_next),
            out.auto_leave != 0,
            _bytes(out.bytes),
            _bytes(out.context),
        )

    def transfer(self, to: int = 0) -> None:
        """Hands leadership over; 0: to the voter that is furthest and alive."""
        code = _abi.transfer(self._handle, _u64(to))
        if code < 0:
            self._raise(code)

    def abort_transfer(self) -> None:
        """Ends a transfer that is under way."""
        code = _abi.abort_transfer(self._handle)
        if code < 0:
            self._raise(code)

    def forget_leader(self) -> None:
        """A follower forgets who leads, so that it may vote at once."""
        code = _abi.forget_leader(self._handle)
        if code < 0:
            self._raise(code)

    def set_electable(self, electable: bool) -> None:
        """Whether the node starts elections: off for maintenance."""
        code = _abi.set_electable(self._handle, bool(electable))
        if code < 0:
            self._raise(code)

    def set_priority(self, priority: int) -> None:
        """Changes Config.priority: among equal logs the higher wins."""
        if not -(2**31) <= priority < 2**31:
            raise _too_big(priority, 31)
        code = _abi.set_priority(self._handle, priority)
        if code < 0:
            self._raise(code)

    def set_window(self, peer: int, max_inflight_msgs: int, max_inflight_bytes: int = 0) -> None:
        """Changes the window of one peer, until it leaves the configuration."""
        code = _abi.set_window(self._handle, _u64(peer), _u32(max_inflight_msgs), _u64(max_inflight_bytes))
        if code < 0:
            self._raise(code)

    def set_commit_broadcast(self, on: bool) -> None:
        """Whether a leader tells of a moved commit index at once, or with the next append or heartbeat."""
        code = _abi.set_commit_broadcast(self._handle, bool(on))
        if code < 0:
            self._raise(code)

    def set_election_timeout(self, ticks: int) -> None:
        """Sets the randomized election timeout, until the node draws the next: for tests."""
        code = _abi.set_election_timeout(self._handle, _u32(ticks))
        if code < 0:
            self._raise(code)

    # ---- looking inside

    def ticks_until_due(self) -> int:
        """How many ticks may pass before the node does something by itself: so long a host may sleep. 2**32 - 1: nothing will."""
        code = _abi.ticks_until_due(self._handle, self._count_at)
        if code < 0:
            self._raise(code)
        return self._count.value

    def hello(self) -> bytes:
        """The frame that opens a connection: version, features, group and id of this node."""
        text = ctypes.create_string_buffer(256)
        code = _abi.hello(self._handle, text, len(text), self._size_at)
        if code < 0:
            self._raise(code)
        return text.raw[: self._size.value]

    def status(self) -> _abi.Status:
        """The node as it is now."""
        status = _abi.Status(struct_size=sizeof(_abi.Status))
        code = _abi.get_status(self._handle, byref(status))
        if code < 0:
            self._raise(code)
        return status

    def peers(self) -> list[_abi.Peer]:
        """A leader's view of the members, itself included, by id. On others only id and membership mean something."""
        room = 0
        while True:
            peers = (_abi.Peer * room)()
            code = _abi.get_peers(self._handle, peers, room, self._size_at)
            if code < 0:
                self._raise(code)
            if self._size.value <= room:
                return list(peers)[: self._size.value]
            room = self._size.value

    def next_event(self) -> _abi.Event | None:
        """Takes the oldest event; None: no more."""
        event = _abi.Event()
        code = _abi.next_event(self._handle, byref(event))
        if code < 0:
            self._raise(code)
        return None if code == _NONE else event

    def events(self) -> Iterator[_abi.Event]:
        """All that next_event has."""
        return iter(self.next_event, None)

    def digest(self, with_random: bool = False) -> int:
        """A number that is equal for nodes of equal meaning: for tests."""
        if not self._handle:
            raise ClosedError()
        number: int = _abi.digest(self._handle, bool(with_random))
        return number

    def __repr__(self) -> str:
        if not self._handle:
            return "<Node closed>"
        status = self.status()
        return f"<Node {status.id}: term={status.term} leader={status.leader} commit={status.commit}>"


class NodeArray:
    """Many nodes, ticked in one call: for processes with thousands of groups."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes = tuple(nodes)
        self._handles = (ctypes.c_void_p * len(self.nodes))()
        self._found = (c_uint32 * len(self.nodes))()
        for place, node in enumerate(self.nodes):
            self._handles[place] = node._handle.value
            node._places.append((self._handles, place))  # so that its close is seen here

    def tick(self, ticks: int = 1) -> list[Node]:
        """Time passes for all. Answers those that have a ready or a fetch, or that are closed or failed: their next call says."""
        count = len(self.nodes)
        found = _abi.tick_many(self._handles, count, _u32(ticks), self._found, count)
        return [self.nodes[place] for place in self._found[: min(found, count)]]


def version() -> str:
    """The version of the library that runs."""
    text: bytes = _abi.version_string()
    return text.decode()


def abi_version() -> int:
    """The ABI of the library that runs. To import this package beside another than its own fails."""
    number: int = _abi.abi_version()
    return number


def features() -> int:
    """Bits of Feature: what the library that runs is able to do."""
    bits: int = _abi.features()
    return bits


def event_text(kind: int) -> str:
    """EventKind in a few words."""
    text: bytes = _abi.event_text(kind)
    return text.decode()


def reason_text(reason: int) -> str:
    """Reason in a few words; empty for 0."""
    text: bytes = _abi.reason_text(reason)
    return text.decode()


def hello_read(frame: Buffer) -> _abi.HelloInfo:
    """Reads the frame that opened a connection. Whether version, group and id suit is the host's to judge."""
    info = _abi.HelloInfo(struct_size=sizeof(_abi.HelloInfo))
    held = bytes(frame)
    code = _abi.hello_read(held, len(held), byref(info))
    if code < 0:
        raise error(code)
    return info


def snapshot_split(message: Buffer) -> Snapshot | None:
    """Looks into an incoming message, without the header of a frame: the snapshot that it brings, if any."""
    held = bytes(message)
    data, index, term = _abi.Slice(), c_uint64(), c_uint64()
    code = _abi.snapshot_split(held, len(held), byref(data), byref(index), byref(term))
    if code < 0:
        raise error(code)
    return None if code == _NONE else Snapshot(index.value, term.value, _bytes(data))


# ---- helpers


def _free(handle: int | None, outstanding: dict[int, Ready], places: list[tuple[Any, int]]) -> None:
    _end(outstanding, max(outstanding, default=0))
    for handles, place in places:
        handles[place] = None
    _abi.free(handle)


def _end(outstanding: dict[int, Ready], number: int) -> None:
    for ended in [key for key in outstanding if key <= number]:
        outstanding.pop(ended).end()


def _u64(number: int) -> int:
    """ctypes would cut it silently."""
    if number >> 64:
        raise _too_big(number, 64)
    return number


def _u32(number: int) -> int:
    if number >> 32:
        raise _too_big(number, 32)
    return number


def _too_big(number: int, bits: int) -> ArgError:
    return ArgError(f"{number} is no number of {bits} bits")


def _address(data: Buffer) -> tuple[Any, int]:
    """What a c_void_p takes for a buffer, and its length. Hold the former for the call only: it keeps a bytearray from growing."""
    if isinstance(data, bytes):
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
    """The struct, and what it points to."""
    given = _abi.Conf(struct_size=sizeof(_abi.Conf))
    encoded = conf if isinstance(conf, bytes) else conf.encoded
    if encoded or isinstance(conf, bytes):
        given.bytes = _abi.Slice(_abi.address_of(encoded), len(encoded))
        return given, encoded
    lists = [array("Q", ids) for ids in (conf.voters, conf.outgoing, conf.learners, conf.learners_next)]
    given.voters, given.outgoing, given.learners, given.learners_next = (ids.buffer_info()[0] for ids in lists)
    given.n_voters, given.n_outgoing, given.n_learners, given.n_learners_next = map(len, lists)
    given.auto_leave = conf.auto_leave
    return given, lists


def _entries_in(entries: Iterable[AnyEntry]) -> tuple[bytes, int, Any]:
    """raftcore_entry[], how many, and what they point to."""
    listed = list(entries)
    joined = b"".join([entry[3] for entry in listed])
    at = _abi.address_of(joined) or 0
    packed = bytearray()
    for entry in listed:
        size = len(entry[3])
        packed += _ENTRY.pack(entry[0], entry[1], entry[2], 0, at, size, entry[4] if len(entry) > 4 else 0)
        at += size
    return bytes(packed), len(listed), joined
