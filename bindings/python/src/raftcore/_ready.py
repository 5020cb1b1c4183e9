"""One batch of work: FlatReady reads it from one run of bytes, Ready from the node's own memory. Both answer the same questions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from struct import Struct
from typing import Any, NamedTuple, Union

from . import _abi
from ._constants import MsgFlag, ReadyFlag

Buffer = Union[bytes, bytearray, memoryview]

# As plain numbers: `&` with a member of an IntFlag takes a microsecond.
_HARD_STATE, _MUST_SYNC = int(ReadyFlag.HARD_STATE), int(ReadyFlag.MUST_SYNC)
_SOFT_STATE, _SNAPSHOT = int(ReadyFlag.SOFT_STATE), int(ReadyFlag.SNAPSHOT)
_AFTER = int(MsgFlag.AFTER)
_new = tuple.__new__  # of a NamedTuple: half the time of a call of its class


class Entry(NamedTuple):
    """An entry of the log."""

    term: int
    index: int  # type: ignore[assignment] # not tuple.index
    kind: int  # EntryKind
    data: bytes  # empty: a leader's first entry
    token: int = 0  # in committed, on the node that took the proposal: the proposer's


class EntryView(NamedTuple):
    """An entry whose data are a view: see the method that gave it for how long it lives."""

    term: int
    index: int  # type: ignore[assignment] # not tuple.index
    kind: int
    data: memoryview
    token: int = 0


class Message(NamedTuple):
    """A message to send: write frame to the stream to peer `to`, once all readies up to its own are durable if `after`."""

    to: int
    after: bool
    kind: int  # MsgKind
    frame: bytes


class MessageView(NamedTuple):
    """A message whose frame is in pieces, for socket.sendmsg: see the method that gave it for how long it lives."""

    to: int
    after: bool
    kind: int
    frame: tuple[memoryview, ...]


class MessageHead(NamedTuple):
    """All that a message says beside its entries, for hosts that look."""

    to: int
    from_: int
    term: int
    log_term: int
    index: int  # type: ignore[assignment] # not tuple.index
    commit: int
    reject_hint: int
    vote: int
    flags: int  # MsgFlag
    kind: int  # MsgKind


class Read(NamedTuple):
    """A read that may be served now: the state has applied index."""

    token: int
    index: int  # type: ignore[assignment] # not tuple.index


class Drop(NamedTuple):
    """A proposal or read that has failed."""

    token: int
    what: int  # DropWhat
    reason: int  # Reason


class Done(NamedTuple):
    """A proposal committed in a span that comes without entries."""

    token: int
    index: int  # type: ignore[assignment] # not tuple.index


@cache
def _record(form: str, stride: int) -> Struct:
    """A record and what a newer library has put behind it."""
    known = Struct(form)
    return Struct(f"{form}{stride - known.size}x") if stride > known.size else known


class _Head(NamedTuple):
    """The scalars of a batch, in the order of raftcore_flat and raftcore_ready, which say more."""

    layout: int  # not of interest
    role: int  # Role
    size: int  # of a flat batch, in bytes
    flags: int  # ReadyFlag
    number: int  # goes into advance
    term: int  # hard state: term, vote and commit, changed or not
    vote: int
    commit: int
    leader: int  # 0: none known
    snapshot_index: int  # if has_snapshot: it covers the log up to here
    snapshot_term: int
    committed_first: int  # to apply: from here
    committed_last: int  # to here, both included; 0, 0: nothing
    snapshot_conf_at: int  # places: of use to the methods only
    snapshot_conf_bytes: int
    snapshot_data_at: int
    snapshot_data_bytes: int
    entries_at: int
    committed_at: int
    msgs_at: int
    reads_at: int
    dropped_at: int
    done_at: int
    n_entries: int
    n_committed: int  # 0 although the span is not empty: read the host's log
    n_msgs: int
    n_reads: int
    n_dropped: int
    n_done: int
    entry_stride: int
    msg_stride: int
    read_stride: int
    drop_stride: int
    done_stride: int
    memory: memoryview  # where a flat batch lies; else empty


class ReadyBase(_Head):
    """What both kinds of batches have."""

    __slots__ = ()

    @property
    def must_sync(self) -> bool:
        """What is written must be durable before the host goes on."""
        return self.flags & _MUST_SYNC != 0

    @property
    def has_hard_state(self) -> bool:
        """Term, vote or commit changed: store them."""
        return self.flags & _HARD_STATE != 0

    @property
    def has_soft_state(self) -> bool:
        """Role or leader changed."""
        return self.flags & _SOFT_STATE != 0

    @property
    def has_snapshot(self) -> bool:
        """There is a snapshot to install: it replaces state, configuration and the whole log."""
        return self.flags & _SNAPSHOT != 0

    @property
    def snapshot_conf(self) -> bytes:
        """The configuration of the snapshot, as to be stored."""
        return self._bytes(self.snapshot_conf_at, self.snapshot_conf_bytes)

    @property
    def snapshot_data(self) -> bytes:
        """The state; empty if it travels the host's way."""
        return self._bytes(self.snapshot_data_at, self.snapshot_data_bytes)

    def entries(self) -> list[Entry]:
        """To store: they replace everything from the first one's index on."""
        return self._entries(self.entries_at, self.n_entries)

    def entry_views(self) -> list[EntryView]:
        """entries() without a copy; the views live as the class says."""
        return self._entry_views(self.entries_at, self.n_entries)

    def committed(self) -> list[Entry]:
        """To apply, in order. Empty although the span is not: read the host's log."""
        return self._entries(self.committed_at, self.n_committed)

    def committed_views(self) -> list[EntryView]:
        """committed() without a copy; the views live as the class says."""
        return self._entry_views(self.committed_at, self.n_committed)

    def messages(self) -> list[Message]:
        """To send, in order."""
        raise NotImplementedError

    def message_views(self) -> list[MessageView]:
        """messages() without a copy; the views live as the class says."""
        raise NotImplementedError

    def message_heads(self) -> list[MessageHead]:
        """What messages() say, in the same order."""
        return [_new(MessageHead, record) for record in self._messages(self._MESSAGE_HEAD)]

    def reads(self) -> list[Read]:
        """Reads to serve."""
        return [_new(Read, record) for record in self._unpack(self._PAIR, self.read_stride, self.reads_at, self.n_reads)]

    def dropped(self) -> list[Drop]:
        """Proposals and reads that failed."""
        return [_new(Drop, record) for record in self._unpack(self._DROP, self.drop_stride, self.dropped_at, self.n_dropped)]

    def done(self) -> list[Done]:
        """Tokens of a span that comes without entries."""
        return [_new(Done, record) for record in self._unpack(self._PAIR, self.done_stride, self.done_at, self.n_done)]

    def __repr__(self) -> str:
        counts = " ".join(f"{name[2:]}={getattr(self, name)}" for name in _Head._fields if name.startswith("n_"))
        return f"<{type(self).__name__} {self.number}: term={self.term} commit={self.commit} {counts}>"

    _PAIR = "<2Q"  # forms of records: of reads and done,
    _DROP = "<Q2I"  # of dropped
    _MESSAGE_HEAD = ""

    def _bytes(self, at: int, size: int) -> bytes:
        raise NotImplementedError

    def _unpack(self, form: str, stride: int, at: int, count: int) -> Iterator[Any]:
        raise NotImplementedError

    def _entries(self, at: int, count: int) -> list[Entry]:
        raise NotImplementedError

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        raise NotImplementedError

    def _messages(self, form: str) -> Iterator[Any]:
        raise NotImplementedError


class FlatReady(ReadyBase):
    """One batch of work in one run of bytes, as Node.ready_flat gives it.

    Lifetime: views are slices of `memory`. With the node's own buffer they hold until the next ready_flat of that node, which
    writes over them; with a buffer of the caller's, or after keep(), as long as that one is left alone. They never dangle.
    """

    __slots__ = ()

    # What is never looked at is passed over (x): each number that is made takes time.
    _HEAD = Struct("<2I21Q11I4x")
    _ENTRY = "<5QI4x"
    _DATA = "<24x2Q8x"
    _MESSAGE = "<Q56x3QI4x"
    _MESSAGE_HEAD = "<9Q16xI4x"

    def __new__(cls, buffer: Buffer) -> FlatReady:
        return flat_ready(memoryview(buffer))

    @property
    def buffer(self) -> memoryview:
        """The whole batch. FlatReady(batch.buffer) reads it again, also after it was stored."""
        return self.memory[: self.size]

    def keep(self) -> FlatReady:
        """The same batch in a buffer of its own."""
        return flat_ready(memoryview(bytes(self.buffer)))

    def messages(self) -> list[Message]:
        memory, at, stride = self.memory, self.msgs_at, self.msg_stride
        found = []
        for at in range(at, at + self.n_msgs * stride, stride):  # few: so it is quicker than by a slice of all
            to, flags, place, size, kind = _unpack_message(memory, at)
            take = _takes.get(size) or _take(size)
            found.append(_new(Message, (to, flags & _AFTER != 0, kind, take(memory, place)[0])))
        return found

    def frames(self) -> list[tuple[int, bytes]]:
        """To whom and what alone: the quickest way through the messages of a host that sends after it has stored (Storage.SYNC)."""
        memory, at, stride = self.memory, self.msgs_at, self.msg_stride
        found = []
        for at in range(at, at + self.n_msgs * stride, stride):
            to, place, size = _unpack_frame(memory, at)
            take = _takes.get(size) or _take(size)
            found.append((to, take(memory, place)[0]))
        return found

    def message_views(self) -> list[MessageView]:
        memory = self.memory
        return [
            _new(MessageView, (to, flags & _AFTER != 0, kind, (memory[at : at + size],)))
            for to, flags, at, size, kind in self._messages(self._MESSAGE)
        ]

    def committed_lengths(self) -> tuple[int, ...]:
        """How many bytes each entry to be applied has, from committed_first on: no entry is copied."""
        count = self.n_committed
        return _lengths(count, self.entry_stride)(self.memory, self.committed_at) if count else ()

    def committed_data(self) -> list[bytes]:
        """The data alone of what is to be applied: the quickest way through a batch of normal entries."""
        count, stride = self.n_committed, self.entry_stride
        if not count:
            return []
        at = self.committed_at
        lengths = _lengths(count, stride)(self.memory, at)
        size = lengths[0]
        if size and lengths.count(size) == count:
            # Of one length and without a gap between the first and the last: so they lie in order, and one call takes them all.
            (first,), (last,) = _unpack_place(self.memory, at), _unpack_place(self.memory, at + (count - 1) * stride)
            if last - first == (count - 1) * ((size + 7) & ~7):
                return list(_equal(count, size)(self.memory, first))
        whole = bytes(self.buffer)
        return [whole[at : at + size] for at, size in self._unpack(self._DATA, stride, at, count)]

    def _bytes(self, at: int, size: int) -> bytes:
        return bytes(self.memory[at : at + size])

    def _unpack(self, form: str, stride: int, at: int, count: int) -> Iterator[Any]:
        return _record(form, stride).iter_unpack(self.memory[at : at + count * stride])

    def _entries(self, at: int, count: int) -> list[Entry]:
        if not count:
            return []
        whole = bytes(self.buffer)  # slices of bytes are cheaper than bytes of slices, unless entries are huge
        return [
            _new(Entry, (term, index, kind, whole[at : at + size], token))
            for term, index, token, at, size, kind in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        memory = self.memory
        return [
            _new(EntryView, (term, index, kind, memory[at : at + size], token))
            for term, index, token, at, size, kind in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _messages(self, form: str) -> Iterator[Any]:
        return self._unpack(form, self.msg_stride, self.msgs_at, self.n_msgs)


_unpack_head = FlatReady._HEAD.unpack_from
_unpack_message = Struct(FlatReady._MESSAGE).unpack_from
_unpack_frame = Struct("<Q64x2Q").unpack_from  # of a message: to, and where its frame is
_unpack_place = Struct("<24xQ").unpack_from  # of an entry's data

# Bytes out of a memoryview by a Struct of their length: less than half the time of bytes(view[a:b]). Made for the first lengths that
# come; frames have few different ones.
_takes: dict[int, Callable[[memoryview, int], tuple[Any, ...]]] = {}
_TAKES = 1024


def _take(size: int) -> Callable[[memoryview, int], tuple[Any, ...]]:
    if len(_takes) < _TAKES:
        return _takes.setdefault(size, Struct(f"{size}s").unpack_from)
    return lambda memory, at: (bytes(memory[at : at + size]),)


def flat_ready(view: memoryview) -> FlatReady:
    """FlatReady(view), but quicker than by a call of the class."""
    head = _unpack_head(view)
    if head[0] != 1:
        raise ValueError(f"flat batch of layout {head[0]}: this package reads layout 1")
    return _new(FlatReady, head + (view,))


@lru_cache(256)
def _lengths(count: int, stride: int) -> Callable[[memoryview, int], tuple[Any, ...]]:
    """Reads the lengths of so many entries' data."""
    return Struct("<" + f"32xQ{stride - 40}x" * count).unpack_from


@lru_cache(256)
def _equal(count: int, size: int) -> Callable[[memoryview, int], tuple[Any, ...]]:
    """Reads so many data of one length, each at a multiple of 8."""
    return Struct(f"{size}s{-size % 8}x" * (count - 1) + f"{size}s").unpack_from


_view_of = ctypes.pythonapi.PyMemoryView_FromMemory
_view_of.restype = ctypes.py_object
_view_of.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_READ_ONLY = 0x100  # PyBUF_READ


class Ready(ReadyBase):
    """One batch of work in the node's own memory, as Node.ready gives it.

    Lifetime: all that it reads is valid until advance or release of its number, or close of the node. Then its methods raise
    ValueError, and so does every view that they gave. Slices of a view are not known here: don't use them afterwards. What comes as
    bytes is the caller's.
    """

    _HEAD = Struct("@2I10QPNPN6P11I4x")
    _ENTRY = "@2QI4xPNQ"  # native: it has pointers
    _MESSAGE = "@Q56xQI4x2PI4x2I"
    _MESSAGE_HEAD = f"@9QI4x{2 * ctypes.sizeof(ctypes.c_void_p) + 16}x"
    _PAIR = "=2Q"
    _DROP = "=Q2I"
    _SLICE = "@PN"

    _views: list[memoryview] | None  # None: the batch has ended

    def __new__(cls, ready: _abi.Ready) -> Ready:
        struct_size, role, *rest = cls._HEAD.unpack_from(ready)
        batch = _new(cls, (struct_size, role, 0, *rest, memoryview(b"")))
        batch._views = []
        return batch

    def messages(self) -> list[Message]:
        return [
            _new(Message, (to, flags & _AFTER != 0, kind, b"".join([self._bytes(*piece) for piece in pieces])))
            for to, flags, kind, pieces in self._framed()
        ]

    def message_views(self) -> list[MessageView]:
        return [
            _new(MessageView, (to, flags & _AFTER != 0, kind, tuple([self._view(*piece) for piece in pieces])))
            for to, flags, kind, pieces in self._framed()
        ]

    def message_entries(self) -> list[list[Entry]]:
        """What the messages carry, in the order of messages(). Empty lists without Flag.DECODED_MSGS."""
        return [self._entries_of(at or 0, count, stride) for _, _, _, _, at, _, count, stride in self._messages(self._MESSAGE)]

    def end(self) -> None:
        """Ends the views; the node calls it."""
        views, self._views = self._views or [], None
        for view in views:
            view.release()

    def _framed(self) -> Iterator[tuple[int, int, int, Iterator[Any]]]:
        size = ctypes.sizeof(_abi.Slice)
        for to, flags, kind, frame, _, count, _, _ in self._messages(self._MESSAGE):
            yield to, flags, kind, self._unpack(self._SLICE, size, frame, count)

    def _bytes(self, at: int, size: int) -> bytes:
        if self._views is None:
            raise ValueError(f"ready {self.number} has ended")
        return ctypes.string_at(at, size) if size else b""

    def _view(self, at: int, size: int) -> memoryview:
        if self._views is None:
            raise ValueError(f"ready {self.number} has ended")
        view: memoryview = _view_of(at, size, _READ_ONLY) if size else memoryview(b"")
        self._views.append(view)
        return view

    def _unpack(self, form: str, stride: int, at: int, count: int) -> Iterator[Any]:
        return _record(form, stride).iter_unpack(self._bytes(at, count * stride))

    def _entries(self, at: int, count: int) -> list[Entry]:
        return self._entries_of(at, count, self.entry_stride)

    def _entries_of(self, at: int, count: int, stride: int) -> list[Entry]:
        return [
            _new(Entry, (term, index, kind, self._bytes(at, size), token))
            for term, index, kind, at, size, token in self._unpack(self._ENTRY, stride, at, count)
        ]

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        return [
            _new(EntryView, (term, index, kind, self._view(at, size), token))
            for term, index, kind, at, size, token in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _messages(self, form: str) -> Iterator[Any]:
        return self._unpack(form, self.msg_stride, self.msgs_at, self.n_msgs)
