"""Arguments and results of a node, and their conversion to the structs of C."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterable
from ctypes import byref, c_size_t, c_uint64, sizeof
from dataclasses import dataclass, replace
from struct import Struct
from typing import Annotated, Any, NamedTuple, Union

from . import _abi
from ._errors import ArgError, RaftError, error
from ._ready import Buffer, Entry, EntryView, FlatReady
from ._records import documented

_ENTRY = Struct("@2Q2IPNQPN")

AnyEntry = Union[Entry, EntryView, tuple[int, int, int, Buffer], tuple[int, int, int, Buffer, int, Buffer]]
"""Term, index, kind, data: what boot and supply calls take for an entry. With Dialect.ERAFTPB a
sixth item, behind the token, is the context that was stored with the entry."""


@dataclass(frozen=True)
class Conf:
    """The membership of a group.

    voters         voters; in a joint membership the incoming half
    outgoing       voters of the outgoing half; empty unless joint
    learners       learners
    learners_next  learners after the joint membership
    auto_leave     True: a joint membership is left automatically
    encoded        the membership as bytes, for your disk; empty in a Conf that you made
    context        from apply_conf: the context of the change, such as a node's address
    index          log index that the membership is as of; 0: not known. Part of `encoded`
    dialect        `Dialect` of the log. Part of `encoded`
    """

    voters: tuple[int, ...] = ()
    outgoing: tuple[int, ...] = ()
    learners: tuple[int, ...] = ()
    learners_next: tuple[int, ...] = ()
    auto_leave: bool = False
    encoded: bytes = b""
    context: bytes = b""
    index: int = 0
    dialect: int = 0

    def encode(self) -> bytes:
        """Returns the membership as bytes, for your disk. Needs no node.

        Raises UnsupportedError if `dialect` is unknown.
        """
        given, _held = conf_in(replace(self, encoded=b""))
        size = c_size_t()
        code = _abi.conf_encode(byref(given), None, 0, byref(size))
        if code < 0 and size.value == 0:
            raise error(code)
        text = ctypes.create_string_buffer(size.value)
        code = _abi.conf_encode(byref(given), text, size, byref(size))
        if code < 0:
            raise error(code)
        return text.raw


@documented
class Stored(NamedTuple):
    """Everything that a host has stored of a node: see Node.boot. Stored() is an empty disk."""

    term: Annotated[int, "hard state: current term"] = 0
    vote: Annotated[int, "hard state: vote in `term`; 0: none"] = 0
    commit: Annotated[int, "hard state: commit index"] = 0
    applied: Annotated[int, "index up to which the state machine has applied the log"] = 0
    before_first: Annotated[int, "index before the log's first entry"] = 0
    before_first_term: Annotated[int, "term of the entry at before_first"] = 0
    last: Annotated[int, "index of the log's last entry; before_first if the log is empty"] = 0
    conf: Annotated[Union[Conf, bytes, None], "membership as of `applied`; None: empty disk"] = None
    runs: Annotated[Iterable[tuple[int, int]], "(first index, term) of each part of the log"] = ()
    entries: Annotated[Iterable[AnyEntry], "entries to `last`, all above `applied` at least"] = ()

    @classmethod
    def founder(cls, voters: Iterable[int]) -> Stored:
        """Returns the content of a founder's disk. Store it before the first boot.

        Found a group once, with equal voters on each founder. The membership is entry 1 of term 1.
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

    index: Annotated[int, "the snapshot covers the log up to this index"]  # type: ignore[assignment]
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
    """The result of Node.turn."""

    ready: Annotated[Union[FlatReady, None], "the next ready, in the node's buffer; None: nothing to do"]
    last: Annotated[bool, "True: nothing follows `ready`: let the next turn acknowledge it"]
    fetch: Annotated[bool, "True: a fetch waits. Answer node.fetches(), then take the next turn"]
    taken: Annotated[int, "bytes of whole frames that the node took"]
    refused: Annotated[int, "refused frames among them"]
    first: Annotated[Union[RaftError, None], "error of the first refused frame"]


# ---- to and from C


def u64(number: int) -> int:
    """Returns the number. Raises ArgError above 64 bits, where ctypes would cut the number."""
    if number >> 64:
        raise too_big(number, 64)
    return number


def u32(number: int) -> int:
    if number >> 32:
        raise too_big(number, 32)
    return number


def u64s(numbers: Iterable[int]) -> array[int]:
    try:
        return array("Q", numbers)
    except OverflowError:
        raise ArgError("a number of more than 64 bits") from None


def too_big(number: int, bits: int) -> ArgError:
    return ArgError(f"{number} is no number of {bits} bits")


def address(data: Buffer) -> tuple[Any, int]:
    """Returns an argument for a c_void_p, and the length in bytes.

    Hold the argument during the call only, since it keeps a bytearray from growing.
    """
    if type(data) is bytes:
        return data, len(data)
    view = memoryview(data)
    if view.readonly or not view.contiguous or not view.nbytes:
        held = bytes(view)
        return held, len(held)
    return byref(ctypes.c_char.from_buffer(view)), view.nbytes


def copied(place: _abi.Slice) -> bytes:
    return ctypes.string_at(place.ptr, place.len) if place.ptr and place.len else b""


def ids(place: int | None, count: int) -> tuple[int, ...]:
    return tuple((c_uint64 * count).from_address(place)) if place and count else ()


def conf_in(conf: Conf | bytes) -> tuple[_abi.Conf, Any]:
    """Returns the struct, and an object that keeps the memory."""
    given = _abi.Conf(struct_size=sizeof(_abi.Conf))
    encoded = bytes(conf if isinstance(conf, bytes) else conf.encoded)
    if encoded or isinstance(conf, bytes):
        given.bytes = _abi.Slice(_abi.address_of(encoded), len(encoded))
        return given, encoded
    lists = [u64s(ids) for ids in (conf.voters, conf.outgoing, conf.learners, conf.learners_next)]
    given.voters, given.outgoing, given.learners, given.learners_next = (ids.buffer_info()[0] for ids in lists)
    given.n_voters, given.n_outgoing, given.n_learners, given.n_learners_next = map(len, lists)
    given.auto_leave = conf.auto_leave
    given.index = u64(conf.index)
    given.dialect = u32(conf.dialect)
    return given, lists


def entries_in(entries: Iterable[AnyEntry]) -> tuple[bytes, int, Any]:
    """Returns raftcore_entry[], the length, and an object that keeps the memory."""
    listed = []
    pieces: list[bytes] = []
    for entry in entries:
        data = bytes(memoryview(entry[3]))
        context = bytes(memoryview(entry[5])) if len(entry) > 5 else b""
        listed.append((entry[0], entry[1], entry[2], len(data), entry[4] if len(entry) > 4 else 0, len(context)))
        pieces += (data, context)
    joined = b"".join(pieces)
    at = _abi.address_of(joined) or 0
    packed = bytearray()
    for term, index, kind, size, token, more in listed:
        packed += _ENTRY.pack(u64(term), u64(index), u32(kind), 0, at, size, u64(token), at + size, more)
        at += size + more
    return bytes(packed), len(listed), joined
