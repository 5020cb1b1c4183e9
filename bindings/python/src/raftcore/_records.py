"""Reports of a node about itself, as named tuples.

A field is declared as `Annotated[int, "meaning"]`. Type checkers see an int; help() shows the
meaning.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from struct import Struct
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

from . import _abi

_T = TypeVar("_T")
_new = tuple.__new__  # of a NamedTuple: half the time of a call of its class


def documented(cls: type[_T]) -> type[_T]:
    """Gives each field of a NamedTuple its meaning as docstring."""
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if hasattr(hint, "__metadata__"):
            getattr(cls, name).__doc__ = hint.__metadata__[0]
    return cls


@documented
class Status(NamedTuple):
    """A node as it is now. Indexes count entries of the log, from 1. Counters count since the node
    was made.
    """

    role: Annotated[int, "`Role`"]
    id: Annotated[int, "this node"]
    group: Annotated[int, "the group of this node"]
    term: Annotated[int, "current term"]
    vote: Annotated[int, "the id that got this node's vote in `term`; 0: nobody"]
    commit: Annotated[int, "highest index known to be committed"]
    applied: Annotated[int, "highest index that the host has applied"]
    durable: Annotated[int, "highest index of this log on this node's disk"]
    leader: Annotated[int, "id of the leader; 0: none known"]
    transferee: Annotated[int, "id that leadership is being transferred to; 0: no transfer"]
    first_index: Annotated[int, "first index of the log, behind snapshot and compaction"]
    last_index: Annotated[int, "last index of the log"]
    last_term: Annotated[int, "term of the last entry"]
    recent_first: Annotated[int, "first index that is still in the node's memory"]
    safe_to_compact: Annotated[int, "no member needs entries up to this index, as far as known"]
    memory_bytes: Annotated[int, "memory of the node, bytes"]
    messages_dropped: Annotated[int, "outgoing messages lost because a limit was reached"]
    messages_refused: Annotated[int, "incoming messages that failed with an error"]
    messages_ignored: Annotated[int, "incoming messages without effect"]
    proposals_refused: Annotated[int, "proposals that failed with an error"]
    reads_failed: Annotated[int, "reads that were dropped"]
    events_lost: Annotated[int, "events lost because the host left too many waiting"]
    implausible: Annotated[int, "messages that contradict committed entries: investigate"]
    n_peers: Annotated[int, "members, this node included"]
    n_outstanding: Annotated[int, "readies that the host has not finished"]
    promotable: Annotated[int, "1: this node could lead"]
    electable: Annotated[int, "as set by set_electable"]
    election_elapsed: Annotated[int, "ticks since the election timer was reset"]
    election_timeout: Annotated[int, "ticks at which the election timer fires"]
    n_reads: Annotated[int, "reads waiting"]
    n_tokens: Annotated[int, "tokens of proposals waiting"]
    last_ready: Annotated[int, "number of the newest ready; 0: none yet"]
    late_ticks: Annotated[int, "ticks that came while a ready waited; should be 0"]
    apply_waits: Annotated[int, "first index that FetchKind.APPLY waits for; 0: none"]


@documented
class Peer(NamedTuple):
    """A leader's view of one member."""

    id: Annotated[int, "the member"]
    match_index: Annotated[int, "highest index known to be in the member's log"]
    next_index: Annotated[int, "next index to send"]
    pending_snapshot: Annotated[int, "index of the snapshot in flight; 0: none"]
    inflight_bytes: Annotated[int, "payload in flight, bytes"]
    inflight_msgs: Annotated[int, "appends in flight"]
    flow: Annotated[int, "`Flow`"]
    flags: Annotated[int, "bits of `PeerFlag`"]
    silent_ticks: Annotated[int, "ticks since the member was last heard"]
    commit: Annotated[int, "highest commit index that the member told of: Flag.REPORT_COMMIT; 0: none"]
    group: Annotated[int, "commit group, as in set_commit_group; 0: none"]


@documented
class Event(NamedTuple):
    """Something that happened. `event_text(kind)` and `reason_text(reason)` have the words;
    `EventKind` explains `a` and `b`.
    """

    kind: Annotated[int, "`EventKind`"]
    reason: Annotated[int, "`Reason`"]
    peer: Annotated[int, "the member concerned; 0: none"]
    term: Annotated[int, "the node's term at that moment"]
    index: Annotated[int, "the log index concerned; 0: none"]  # type: ignore[assignment]
    a: Annotated[int, "see `EventKind`"]
    b: Annotated[int, "see `EventKind`"]

    def __str__(self) -> str:
        """The event as a line for a log."""
        words = [event_text(self.kind)] + [reason_text(self.reason)] * (self.reason != 0)
        numbers = f"term {self.term}, peer {self.peer}, index {self.index}, a {self.a}, b {self.b}"
        return f"{': '.join(words)} ({numbers})"


@documented
class Fetch(NamedTuple):
    """A request for what the node lacks. Answer with supply_entries, supply_snapshot or
    supply_none.
    """

    kind: Annotated[int, "`FetchKind`"]
    id: Annotated[int, "goes into the answer"]
    peer: Annotated[int, "the member that needs the answer; APPLY: this node"]
    first: Annotated[int, "entries: first index; snapshot: at least up to first - 1"]
    last: Annotated[int, "entries: last index, included"]
    max_bytes: Annotated[int, "entries: payload that the node can take, bytes"]


@documented
class HelloInfo(NamedTuple):
    """The content of a peer's opening frame."""

    version: Annotated[int, "version of the wire format"]
    features: Annotated[int, "bits of `HelloFeature`: what the peer is able to do"]
    group: Annotated[int, "the peer's group"]
    id: Annotated[int, "the peer's id"]


_CODES = {ctypes.c_uint32: "I", ctypes.c_int32: "i", ctypes.c_uint64: "Q"}


def _reader(cls: Callable[..., _T], struct: Any) -> Callable[[Any], _T]:
    """Returns a function from the C struct to the tuple. The tuple lacks struct_size and the
    reserved fields.
    """
    hidden = ("struct_size", "reserved0")
    form = Struct("@" + "".join("4x" if name in hidden else _CODES[kind] for name, kind in struct._fields_))
    return lambda raw: _new(cls, form.unpack_from(raw))  # type: ignore[type-var, arg-type]


read_status = _reader(Status, _abi.Status)
read_peer = _reader(Peer, _abi.Peer)
read_event = _reader(Event, _abi.Event)
read_fetch = _reader(Fetch, _abi.Fetch)
read_hello = _reader(HelloInfo, _abi.HelloInfo)


def event_text(kind: int) -> str:
    """Returns an `EventKind` in a few words."""
    text: bytes = _abi.event_text(kind)
    return text.decode()


def reason_text(reason: int) -> str:
    """Returns a `Reason` in a few words; empty for 0."""
    text: bytes = _abi.reason_text(reason)
    return text.decode()
