"""A ready: the work of a node for its host, read from a run of bytes.

No ready points into the node's memory. The library writes a ready into memory of this package, so
slices and copies of views stay valid for as long as somebody holds them. The alternative, views of
the node's memory with an export count as in bytearray, has two faults: advance() would fail while a
transport, a traceback or a reference cycle still holds a view; and reading pointers takes longer
than the copy, except for entries of many kilobytes. bench.py measures both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from struct import Struct
from typing import Annotated, Any, NamedTuple, TypeVar, Union

from ._constants import MsgFlag, ReadyFlag
from ._records import documented

Buffer = Union[bytes, bytearray, memoryview]
_R = TypeVar("_R", bound="FlatReady")

# As plain numbers: `&` with a member of an IntFlag is slow.
_HARD_STATE, _MUST_SYNC = int(ReadyFlag.HARD_STATE), int(ReadyFlag.MUST_SYNC)
_SOFT_STATE, _SNAPSHOT = int(ReadyFlag.SOFT_STATE), int(ReadyFlag.SNAPSHOT)
_AFTER = int(MsgFlag.AFTER)
_new = tuple.__new__  # of a NamedTuple: half the time of a call of its class


@documented
class Entry(NamedTuple):
    """An entry of the log."""

    term: Annotated[int, "term of the leader that made the entry"]
    index: Annotated[int, "position in the log, from 1"]  # type: ignore[assignment]
    kind: Annotated[int, "`EntryKind`"]
    data: Annotated[bytes, "the proposal; empty: a leader's first entry"]
    token: Annotated[int, "in committed() on the node of the proposal: its token; else 0"] = 0
    context: Annotated[bytes, "bytes beside the data, with Dialect.ERAFTPB; else empty"] = b""


@documented
class EntryView(NamedTuple):
    """An entry whose data are a view of the ready's memory: see FlatReady and Ready."""

    term: Annotated[int, "as in Entry"]
    index: Annotated[int, "as in Entry"]  # type: ignore[assignment]
    kind: Annotated[int, "`EntryKind`"]
    data: Annotated[memoryview, "the proposal, read-only"]
    token: Annotated[int, "as in Entry"] = 0
    context: Annotated[memoryview, "as in Entry, read-only"] = memoryview(b"")


@documented
class Message(NamedTuple):
    """A message to send: write `frame` to the stream to peer `to`."""

    to: Annotated[int, "the peer"]
    after: Annotated[bool, "True: send only when all readies up to its own are durable"]
    kind: Annotated[int, "`MsgKind`"]
    frame: Annotated[bytes, "header and message"]


@documented
class MessageView(NamedTuple):
    """A message whose frame is a view of the ready's memory: see FlatReady and Ready."""

    to: Annotated[int, "the peer"]
    after: Annotated[bool, "as in Message"]
    kind: Annotated[int, "`MsgKind`"]
    frame: Annotated[memoryview, "header and message, read-only"]


@documented
class MessageHead(NamedTuple):
    """The fields of a message, except its entries."""

    to: Annotated[int, "the peer"]
    from_: Annotated[int, "this node"]
    term: Annotated[int, "the sender's term; 0 in a forwarded proposal"]
    log_term: Annotated[int, "term of the entry at `index`, in most kinds"]
    index: Annotated[int, "the log index concerned; SNAP: of the snapshot"]  # type: ignore[assignment]
    commit: Annotated[int, "the sender's commit index"]
    reject_hint: Annotated[int, "of a refused append: the index to try next"]
    vote: Annotated[int, "of a local storage message"]
    flags: Annotated[int, "bits of `MsgFlag`"]
    kind: Annotated[int, "`MsgKind`"]
    context: Annotated[bytes, "of a heartbeat, its response, or a vote; empty in most messages"]
    snapshot_conf: Annotated[bytes, "in MsgKind.SNAP: the membership as of `index`, encoded"]


@documented
class Read(NamedTuple):
    """A read that may be served now."""

    token: Annotated[int, "the caller's, as in read_index"]
    index: Annotated[int, "the state to read has applied this index"]  # type: ignore[assignment]


@documented
class Drop(NamedTuple):
    """A proposal or read that failed, or whose outcome is unknown: `what` says which."""

    token: Annotated[int, "the caller's"]
    what: Annotated[int, "`DropWhat`"]
    reason: Annotated[int, "`Reason`"]


@documented
class Done(NamedTuple):
    """A proposal committed in a span that comes without entries (Flag.COMMITTED_SPANS)."""

    token: Annotated[int, "the caller's"]
    index: Annotated[int, "the index of its entry"]  # type: ignore[assignment]


@cache
def _record(form: str, stride: int) -> Struct:
    """A record, and behind it the fields of a newer library."""
    known = Struct(form)
    return Struct(f"{form}{stride - known.size}x") if stride > known.size else known


@documented
class _Head(NamedTuple):
    """The numbers of a ready, in the order of raftcore_flat."""

    layout: Annotated[int, "number of the memory layout: 1"]
    role: Annotated[int, "`Role`"]
    size: Annotated[int, "of the ready in memory, bytes"]
    flags: Annotated[int, "bits of `ReadyFlag`"]
    number: Annotated[int, "1, 2, 3, ... since boot; goes into advance, persisted and release"]
    term: Annotated[int, "hard state: current term, changed or not"]
    vote: Annotated[int, "hard state: vote in `term`; 0: none"]
    commit: Annotated[int, "hard state: highest index known to be committed"]
    leader: Annotated[int, "id of the leader; 0: none known"]
    snapshot_index: Annotated[int, "if has_snapshot: the snapshot covers the log up to this index"]
    snapshot_term: Annotated[int, "if has_snapshot: term of the entry at snapshot_index"]
    committed_first: Annotated[int, "first index to apply; 0: nothing"]
    committed_last: Annotated[int, "last index to apply, included; 0: nothing"]
    snapshot_conf_at: Annotated[int, "place in memory"]
    snapshot_conf_bytes: Annotated[int, "bytes"]
    snapshot_data_at: Annotated[int, "place in memory"]
    snapshot_data_bytes: Annotated[int, "bytes"]
    entries_at: Annotated[int, "place in memory"]
    committed_at: Annotated[int, "place in memory"]
    msgs_at: Annotated[int, "place in memory"]
    reads_at: Annotated[int, "place in memory"]
    dropped_at: Annotated[int, "place in memory"]
    done_at: Annotated[int, "place in memory"]
    n_entries: Annotated[int, "length of entries()"]
    n_committed: Annotated[int, "length of committed()"]
    n_msgs: Annotated[int, "length of messages()"]
    n_reads: Annotated[int, "length of reads()"]
    n_dropped: Annotated[int, "length of dropped()"]
    n_done: Annotated[int, "length of done()"]
    entry_stride: Annotated[int, "bytes from a record to the next"]
    msg_stride: Annotated[int, "bytes from a record to the next"]
    read_stride: Annotated[int, "bytes from a record to the next"]
    drop_stride: Annotated[int, "bytes from a record to the next"]
    done_stride: Annotated[int, "bytes from a record to the next"]
    memory: Annotated[memoryview, "where the ready is"]
    lease: Annotated[Any, "see UnseenFlatReady"]


class FlatReady(_Head):
    """A ready in the node's buffer, as Node.ready_flat returns it: the fastest kind.

    The bytes of entries(), messages() and the like are yours. Views are slices of the node's
    buffer, which the next ready_flat(), ready() or turn() of that node overwrites. Use a view
    before that call, or copy the ready with keep().
    """

    __slots__ = ()

    # `x` skips fields that nobody reads, since making a number takes time.
    _HEAD = Struct("<2I21Q11I4x")
    _ENTRY = "<5QI4x2Q"
    _DATA = "<24x2Q24x"
    _MESSAGE = "<Q56x3QI36x"
    _MESSAGE_HEAD = "<9Q16xI4x4Q"
    _PAIR = "<2Q"  # reads, done
    _DROP = "<Q2I"

    def __new__(cls: type[_R], buffer: Buffer) -> _R:
        """Reads a ready again from bytes that were stored. Raises ValueError if the bytes are no
        ready.
        """
        view = memoryview(buffer).toreadonly()
        if view.format != "B":
            view = view.cast("B")
        if len(view) < cls._HEAD.size:
            raise ValueError(f"{len(view)} bytes are no ready")
        head = unpack_head(view)
        if head[0] != 1:
            raise ValueError(f"a ready of layout {head[0]}: this package reads layout 1")
        ready = _new(cls, head + (view, None))
        lists = (
            (ready.entries_at, ready.n_entries, ready.entry_stride, 64),
            (ready.committed_at, ready.n_committed, ready.entry_stride, 64),
            (ready.msgs_at, ready.n_msgs, ready.msg_stride, 128),
            (ready.reads_at, ready.n_reads, ready.read_stride, 16),
            (ready.dropped_at, ready.n_dropped, ready.drop_stride, 16),
            (ready.done_at, ready.n_done, ready.done_stride, 16),
        )
        if any(count and (stride < least or at + count * stride > len(view)) for at, count, stride, least in lists):
            raise ValueError("a list of the ready reaches beyond its bytes")
        return ready

    def __eq__(self, other: object) -> bool:
        """Readies are equal if their bytes are."""
        return isinstance(other, FlatReady) and self.buffer == other.buffer

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.number)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles hold a copy of the bytes."""
        return Ready, (bytes(self.buffer),)

    @property
    def buffer(self) -> memoryview:
        """All bytes of the ready. FlatReady(buffer) reads them again, also from a file."""
        return self.memory[: self.size]

    def keep(self) -> Ready:
        """Returns a copy in its own memory."""
        return own_ready(bytes(self.buffer))

    @property
    def must_sync(self) -> bool:
        """True: make the writes durable before you go on."""
        return self.flags & _MUST_SYNC != 0

    @property
    def has_hard_state(self) -> bool:
        """True: term, vote or commit changed; store them."""
        return self.flags & _HARD_STATE != 0

    @property
    def has_soft_state(self) -> bool:
        """True: role or leader changed."""
        return self.flags & _SOFT_STATE != 0

    @property
    def has_snapshot(self) -> bool:
        """True: install the snapshot. It replaces state, membership and the whole log."""
        return self.flags & _SNAPSHOT != 0

    @property
    def snapshot_conf(self) -> bytes:
        """The membership of the snapshot, encoded: store these bytes."""
        return self._bytes(self.snapshot_conf_at, self.snapshot_conf_bytes)

    @property
    def snapshot_data(self) -> bytes:
        """The state; empty if the data come over a channel of your own."""
        return self._bytes(self.snapshot_data_at, self.snapshot_data_bytes)

    def entries(self) -> list[Entry]:
        """Returns the entries to store. They replace the log from the first one's index on."""
        return self._entries(self.entries_at, self.n_entries)

    def entry_views(self) -> list[EntryView]:
        """Returns entries() without a copy of the data."""
        return self._entry_views(self.entries_at, self.n_entries)

    def committed(self) -> list[Entry]:
        """Returns the entries to apply, in order: all from committed_first to committed_last.

        With Flag.COMMITTED_SPANS the list may be empty although the span is not: then read these
        entries from your own log.
        """
        return self._entries(self.committed_at, self.n_committed)

    def committed_views(self) -> list[EntryView]:
        """Returns committed() without a copy of the data."""
        return self._entry_views(self.committed_at, self.n_committed)

    def committed_lengths(self) -> tuple[int, ...]:
        """Returns the data length in bytes of each entry to apply, from committed_first on."""
        count = self.n_committed
        return _lengths(count, self.entry_stride)(self.memory, self.committed_at) if count else ()

    def committed_data(self) -> list[bytes]:
        """Returns only the data of committed(): the fastest way through normal entries."""
        count, stride = self.n_committed, self.entry_stride
        if not count:
            return []
        at = self.committed_at
        lengths = _lengths(count, stride)(self.memory, at)
        size = lengths[0]
        if size and lengths.count(size) == count:
            # Equal lengths, and no gap from the first to the last: a single call reads all data.
            (first,), (last,) = _unpack_place(self.memory, at), _unpack_place(self.memory, at + (count - 1) * stride)
            if last - first == (count - 1) * ((size + 7) & ~7):
                return list(_equal(count, size)(self.memory, first))
        whole = bytes(self.buffer)
        return [whole[at : at + size] for at, size in self._unpack(self._DATA, stride, at, count)]

    def messages(self) -> list[Message]:
        """Returns the messages to send, in order."""
        memory, at, stride = self.memory, self.msgs_at, self.msg_stride
        found = []
        for at in range(at, at + self.n_msgs * stride, stride):  # faster for few than a slice
            to, flags, place, size, kind = _unpack_message(memory, at)
            take = _takes.get(size) or _take(size)
            found.append(_new(Message, (to, flags & _AFTER != 0, kind, take(memory, place)[0])))
        return found

    def frames(self) -> list[tuple[int, bytes]]:
        """Returns peer and frame of each message, faster than messages(). For Storage.SYNC."""
        memory, at, stride = self.memory, self.msgs_at, self.msg_stride
        found = []
        for at in range(at, at + self.n_msgs * stride, stride):
            to, place, size = _unpack_frame(memory, at)
            take = _takes.get(size) or _take(size)
            found.append((to, take(memory, place)[0]))
        return found

    def message_views(self) -> list[MessageView]:
        """Returns messages() without a copy of the frames."""
        memory = self.memory
        return [
            _new(MessageView, (to, flags & _AFTER != 0, kind, memory[at : at + size]))
            for to, flags, at, size, kind in self._messages(self._MESSAGE)
        ]

    def message_heads(self) -> list[MessageHead]:
        """Returns the fields of the messages, in the order of messages()."""
        return [
            _new(MessageHead, (*head, self._bytes(context_at, context_bytes), self._bytes(conf_at, conf_bytes)))
            for *head, context_at, context_bytes, conf_at, conf_bytes in self._messages(self._MESSAGE_HEAD)
        ]

    def reads(self) -> list[Read]:
        """Returns the reads to serve."""
        return [_new(Read, record) for record in self._unpack(self._PAIR, self.read_stride, self.reads_at, self.n_reads)]

    def dropped(self) -> list[Drop]:
        """Returns proposals and reads that failed, or whose outcome is unknown."""
        return [_new(Drop, record) for record in self._unpack(self._DROP, self.drop_stride, self.dropped_at, self.n_dropped)]

    def done(self) -> list[Done]:
        """Returns the tokens of a span that comes without entries. Empty without
        Flag.COMMITTED_SPANS.
        """
        return [_new(Done, record) for record in self._unpack(self._PAIR, self.done_stride, self.done_at, self.n_done)]

    def __repr__(self) -> str:
        counts = " ".join(f"{name[2:]}={getattr(self, name)}" for name in _Head._fields if name.startswith("n_"))
        return f"<{type(self).__name__} {self.number}: term={self.term} commit={self.commit} {counts}>"

    def _bytes(self, at: int, size: int) -> bytes:
        return bytes(self.memory[at : at + size])

    def _unpack(self, form: str, stride: int, at: int, count: int) -> Iterator[Any]:
        return _record(form, stride).iter_unpack(self.memory[at : at + count * stride])

    def _entries(self, at: int, count: int) -> list[Entry]:
        if not count:
            return []
        whole = bytes(self.buffer)  # slices of bytes are cheaper than bytes of slices
        return [
            _new(Entry, (term, index, kind, whole[at : at + size], token, whole[beside : beside + more]))
            for term, index, token, at, size, kind, beside, more in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _entry_views(self, at: int, count: int) -> list[EntryView]:
        memory = self.memory
        return [
            _new(EntryView, (term, index, kind, memory[at : at + size], token, memory[beside : beside + more]))
            for term, index, token, at, size, kind, beside, more in self._unpack(self._ENTRY, self.entry_stride, at, count)
        ]

    def _messages(self, form: str) -> Iterator[Any]:
        return self._unpack(form, self.msg_stride, self.msgs_at, self.n_msgs)


class Ready(FlatReady):
    """A ready in memory of its own, as Node.ready returns it.

    The ready and its views stay valid and unchanged for as long as you hold them, whatever becomes
    of the node.
    """

    __slots__ = ()

    def keep(self) -> Ready:
        """Returns this ready."""
        return self


class UnseenFlatReady(FlatReady):
    """A FlatReady before its holder's first look, which makes it a FlatReady and empties `lease`.

    So the node knows whether a ready was lost on its way to the host: see Node._is_lost.
    """

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        _item(self, -1).clear()  # first: the next look repeats both after an exception
        self.__class__ = FlatReady  # type: ignore[assignment]
        return getattr(self, name)

    def __getitem__(self, place: Any) -> Any:
        return self.__getattribute__("__getitem__")(place)

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])


class UnseenReady(Ready):
    """A Ready before its holder's first look, as UnseenFlatReady."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        _item(self, -1).clear()
        self.__class__ = Ready  # type: ignore[assignment]
        return getattr(self, name)

    def __getitem__(self, place: Any) -> Any:
        return self.__getattribute__("__getitem__")(place)

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])


_item = tuple.__getitem__
unpack_head = FlatReady._HEAD.unpack_from
_unpack_message = Struct(FlatReady._MESSAGE).unpack_from
_unpack_frame = Struct("<Q64x2Q").unpack_from  # of a message: to, and where its frame is
_unpack_place = Struct("<24xQ").unpack_from  # of an entry's data

# A Struct of a length takes bytes out of a memoryview in less than half the time of
# bytes(view[a:b]). Kept for the first lengths that come, since frames have few.
_takes: dict[int, Callable[[memoryview, int], tuple[Any, ...]]] = {}
_TAKES = 1024


def _take(size: int) -> Callable[[memoryview, int], tuple[Any, ...]]:
    if len(_takes) < _TAKES:
        return _takes.setdefault(size, Struct(f"{size}s").unpack_from)
    return lambda memory, at: (bytes(memory[at : at + size]),)


def own_ready(memory: bytes | bytearray) -> Ready:
    """Returns the ready in memory that nobody else has, without the checks of Ready(memory)."""
    return _new(Ready, unpack_head(memory) + (memoryview(memory).toreadonly(), None))


@lru_cache(256)
def _lengths(count: int, stride: int) -> Callable[[memoryview, int], tuple[Any, ...]]:
    """Reads the data lengths of so many entries."""
    return Struct("<" + f"32xQ{stride - 40}x" * count).unpack_from


@lru_cache(256)
def _equal(count: int, size: int) -> Callable[[memoryview, int], tuple[Any, ...]]:
    """Reads so many data of equal length, each at a multiple of 8."""
    return Struct(f"{size}s{-size % 8}x" * (count - 1) + f"{size}s").unpack_from
