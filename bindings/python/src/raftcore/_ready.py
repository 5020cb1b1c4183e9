"""One batch of work: FlatReady reads it from one run of bytes, Ready from the node's own memory. Both answer the same questions."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import cache
from struct import Struct
from typing import Any, NamedTuple, Union

from . import _abi
from ._constants import MsgFlag, ReadyFlag

Buffer = Union[bytes, bytearray, memoryview]

# As plain numbers: `&` with a member of an IntFlag takes a microsecond.
_HARD_STATE, _MUST_SYNC = int(ReadyFlag.HARD_STATE), int(ReadyFlag.MUST_SYNC)
_SOFT_STATE, _SNAPSHOT = int(ReadyFlag.SOFT_STATE), int(ReadyFlag.SNAPSHOT)
_AFTER = int(MsgFlag.AFTER)


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


class ReadyBase:
    """What both kinds of batches have. The fields are those of raftcore_ready in include/raftcore.h."""

    __slots__ = (
        ("number", "flags", "role", "term", "vote", "commit", "leader", "snapshot_index", "snapshot_term")
        + ("committed_first", "committed_last", "n_entries", "n_committed", "n_msgs", "n_reads", "n_dropped", "n_done")
        + ("entry_stride", "msg_stride", "read_stride", "drop_stride", "done_stride", "_lists")
    )

    number: int  # goes into advance
    flags: int  # ReadyFlag
    role: int  # Role
    term: int  # hard state: term, vote and commit, changed or not
    vote: int
    commit: int
    leader: int  # 0: none known
    snapshot_index: int  # if has_snapshot: it covers the log up to here
    snapshot_term: int
    committed_first: int  # to apply: from here
    committed_last: int  # to here, both included; 0, 0: nothing
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
    _lists: tuple[int, ...]  # places of the snapshot's configuration and data with their lengths, then of the six lists

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
        return self._bytes(self._lists[0], self._lists[1])

    @property
    def snapshot_data(self) -> bytes:
        """The state; empty if it travels the host's way."""
        return self._bytes(self._lists[2], self._lists[3])

    def entries(self) -> list[Entry]:
        """To store: they replace everything from the first one's index on."""
        return self._entries(self._lists[4], self.n_entries)

    def entry_views(self) -> list[EntryView]:
        """entries() without a copy; the views live as the class says."""
        return self._entry_views(self._lists[4], self.n_entries)

    def committed(self) -> list[Entry]:
        """To apply, in order. Empty although the span is not: read the host's log."""
        return self._entries(self._lists[5], self.n_committed)

    def committed_views(self) -> list[EntryView]:
        """committed() without a copy; the views live as the class says."""
        return self._entry_views(self._lists[5], self.n_committed)

    def messages(self) -> list[Message]:
        """To send, in order."""
        raise NotImplementedError

    def message_views(self) -> list[MessageView]:
        """messages() without a copy; the views live as the class says."""
        raise NotImplementedError

    def message_heads(self) -> list[MessageHead]:
        """What messages() say, in the same order."""
        return [MessageHead._make((*record[:9], record[self._KIND])) for record in self._messages()]

    def reads(self) -> list[Read]:
        """Reads to serve."""
        return [Read(*record) for record in self._unpack(self._PAIR, self.read_stride, self._lists[7], self.n_reads)]

    def dropped(self) -> list[Drop]:
        """Proposals and reads that failed."""
        return [Drop(*record) for record in self._unpack(self._DROP, self.drop_stride, self._lists[8], self.n_dropped)]

    def done(self) -> list[Done]:
        """Tokens of a span that comes without entries."""
        return [Done(*record) for record in self._unpack(self._PAIR, self.done_stride, self._lists[9], self.n_done)]

    def __repr__(self) -> str:
        counts = " ".join(f"{name[2:]}={getattr(self, name)}" for name in ReadyBase.__slots__ if name.startswith("n_"))
        return f"<{type(self).__name__} {self.number}: term={self.term} commit={self.commit} {counts}>"

    _PAIR = "<2Q"  # forms of records: of reads and done,
    _DROP = "<Q2I"  # of dropped
    _KIND = 0  # where a message's record has its kind

    def _bytes(self, at: int, size: int) -> bytes:
        raise NotImplementedError

    def _view(self, at: int, size: int) -> memoryview:
        raise NotImplementedError

    def _unpack(self, form: str, stride: int, at: int, count: int) -> Iterator[Any]:
        raise NotImplementedError

    def _entries(self, at: int, count: int) -> list[Entry]:
        raise NotImplementedError

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        raise NotImplementedError

    def _messages(self) -> Iterator[Any]:
        raise NotImplementedError


class FlatReady(ReadyBase):
    """One batch of work in one run of bytes, as Node.ready_flat gives it.

    Lifetime: views are slices of `buffer`. With the node's own buffer they hold until the next ready_flat of that node, which writes
    over them; with a buffer of the caller's, or after keep(), as long as that one is left alone. They never dangle.
    """

    __slots__ = ("buffer", "size")

    _HEAD = Struct("<2I21Q12I")
    _ENTRY = "<5Q2I"
    _MESSAGE = "<11Q2I"
    _KIND = 11

    buffer: memoryview  # the whole batch: total_bytes long
    size: int

    def __init__(self, buffer: Buffer) -> None:
        view = memoryview(buffer)
        # The order of raftcore_flat.
        (
            layout, self.role, self.size, self.flags, self.number, self.term, self.vote, self.commit, self.leader,
            self.snapshot_index, self.snapshot_term, self.committed_first, self.committed_last,
            conf, conf_size, data, data_size, entries, committed, messages, reads, dropped, done,
            self.n_entries, self.n_committed, self.n_msgs, self.n_reads, self.n_dropped, self.n_done,
            self.entry_stride, self.msg_stride, self.read_stride, self.drop_stride, self.done_stride, _,
        ) = self._HEAD.unpack_from(view)  # fmt: skip
        if layout != 1:
            raise ValueError(f"flat batch of layout {layout}: this package reads layout 1")
        self._lists = (conf, conf_size, data, data_size, entries, committed, messages, reads, dropped, done)
        self.buffer = view[: self.size]

    def keep(self) -> FlatReady:
        """The same batch in a buffer of its own."""
        return FlatReady(bytes(self.buffer))

    def messages(self) -> list[Message]:
        buffer = self.buffer
        return [
            Message(to, flags & _AFTER != 0, kind, bytes(buffer[at : at + size]))
            for to, _, _, _, _, _, _, _, flags, at, size, kind, _ in self._messages()
        ]

    def message_views(self) -> list[MessageView]:
        buffer = self.buffer
        return [
            MessageView(to, flags & _AFTER != 0, kind, (buffer[at : at + size],))
            for to, _, _, _, _, _, _, _, flags, at, size, kind, _ in self._messages()
        ]

    def committed_data(self) -> list[memoryview]:
        """The data alone of what is to be applied, without a copy: the quickest way through a batch of normal entries."""
        buffer = self.buffer
        records = self._unpack(self._ENTRY, self.entry_stride, self._lists[5], self.n_committed)
        return [buffer[at : at + size] for _, _, _, at, size, _, _ in records]

    def _bytes(self, at: int, size: int) -> bytes:
        return bytes(self.buffer[at : at + size])

    def _view(self, at: int, size: int) -> memoryview:
        return self.buffer[at : at + size]

    def _unpack(self, form: str, stride: int, at: int, count: int) -> Iterator[Any]:
        return _record(form, stride).iter_unpack(self.buffer[at : at + count * stride])

    def _entries(self, at: int, count: int) -> list[Entry]:
        buffer = self.buffer
        return [
            Entry(term, index, kind, bytes(buffer[at : at + size]), token)
            for term, index, token, at, size, kind, _ in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        buffer = self.buffer
        return [
            EntryView(term, index, kind, buffer[at : at + size], token)
            for term, index, token, at, size, kind, _ in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _messages(self) -> Iterator[Any]:
        return self._unpack(self._MESSAGE, self.msg_stride, self._lists[6], self.n_msgs)


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

    __slots__ = ("_views",)

    _ENTRY = "@2Q2IPNQ"  # native: it has pointers
    _MESSAGE = "@9Q2I2P4I"
    _PAIR = "=2Q"
    _DROP = "=Q2I"
    _SLICE = "@PN"
    _KIND = 9

    _views: list[memoryview] | None  # None: the batch has ended

    def __init__(self, ready: _abi.Ready) -> None:
        self.role, self.flags, self.number = ready.role, ready.flags, ready.number
        self.term, self.vote, self.commit, self.leader = ready.term, ready.vote, ready.commit, ready.leader
        self.snapshot_index, self.snapshot_term = ready.snapshot_index, ready.snapshot_term
        self.committed_first, self.committed_last = ready.committed_first, ready.committed_last
        self.n_entries, self.n_committed, self.n_msgs = ready.n_entries, ready.n_committed, ready.n_msgs
        self.n_reads, self.n_dropped, self.n_done = ready.n_reads, ready.n_dropped, ready.n_done
        self.entry_stride, self.msg_stride = ready.entry_stride, ready.msg_stride
        self.read_stride, self.drop_stride, self.done_stride = ready.read_stride, ready.drop_stride, ready.done_stride
        conf, data = ready.snapshot_conf, ready.snapshot_data
        lists = (ready.entries, ready.committed, ready.msgs, ready.reads, ready.dropped, ready.done)
        self._lists = (conf.ptr or 0, conf.len, data.ptr or 0, data.len) + tuple(place or 0 for place in lists)
        self._views = []

    def messages(self) -> list[Message]:
        return [
            Message(record[0], record[8] & _AFTER != 0, record[9], b"".join(self._bytes(*piece) for piece in pieces))
            for record, pieces in self._framed()
        ]

    def message_views(self) -> list[MessageView]:
        return [
            MessageView(record[0], record[8] & _AFTER != 0, record[9], tuple(self._view(*piece) for piece in pieces))
            for record, pieces in self._framed()
        ]

    def message_entries(self) -> list[list[Entry]]:
        """What the messages carry, in the order of messages(). Empty lists without Flag.DECODED_MSGS."""
        found = []
        for record in self._messages():
            stride, count = record[16], record[15]
            found.append([self._entry(*entry) for entry in self._unpack(self._ENTRY, stride, record[12], count)])
        return found

    def end(self) -> None:
        """Ends the views; the node calls it."""
        views, self._views = self._views or [], None
        for view in views:
            view.release()

    def _framed(self) -> Iterator[tuple[Any, Iterator[Any]]]:
        size = ctypes.sizeof(_abi.Slice)
        for record in self._messages():
            yield record, self._unpack(self._SLICE, size, record[11], record[13])

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

    def _entry(self, term: int, index: int, kind: int, _: int, at: int, size: int, token: int) -> Entry:
        return Entry(term, index, kind, self._bytes(at, size), token)

    def _entries(self, at: int, count: int) -> list[Entry]:
        return [self._entry(*record) for record in self._unpack(self._ENTRY, self.entry_stride, at, count)]

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        return [
            EntryView(term, index, kind, self._view(at, size), token)
            for term, index, kind, _, at, size, token in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _messages(self) -> Iterator[Any]:
        return self._unpack(self._MESSAGE, self.msg_stride, self._lists[6], self.n_msgs)
