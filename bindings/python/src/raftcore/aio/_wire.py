"""Frames between hosts, as bytes and as tuples: version 1 of docs/wire.md. Nothing here opens a
connection. Fields have the names and units of that page.
"""

from __future__ import annotations

from struct import Struct
from typing import Callable, NamedTuple, Union

HEADER = Struct("<IQ")  # of each frame: bytes of the body, group
VERSION = 1
HELLO_MAX = 1024  # bytes of a frame before the hellos are done
WORDS_MAX = 400
ADDRESS_MAX = 255
BOOK_MAX = 1024
CHUNK_MAX = 1 << 20
WINDOW_MAX = 64 << 20
REQUESTS_MAX = 4096  # without an outcome, on a connection
NONE = bytes(16)  # no identity

PEER, BULK, JOIN = 1, 2, 3  # channels
EMPTY = 1  # Hello.flags
WANT_VOTER, WANT_LEARNER = 1, 2
MEMBER, WAIT, JOIN_NOT_LEADER, JOIN_REFUSED = 1, 2, 3, 4
ENTRY, CHANGE = 1, 2  # Request.what
DONE, NOT_COMMITTED, UNKNOWN, NOT_LEADER, REFUSED = 1, 2, 3, 4, 5


class Code:
    """Codes of REJECT, JOINED and OUTCOME."""

    VERSION, GROUP, ID, FOUNDING, DISK, CERTIFICATE, NOT_MEMBER, BUSY, PROTOCOL = range(1, 10)
    TOO_LARGE, UNKNOWN_FRAME, SHUTTING_DOWN, UNKNOWN_VALUE, NO_SPACE, INVALID = range(10, 16)


class Stop:
    """Codes of ABORT."""

    CHUNK, FILE, NO_SPACE, SUPERSEDED, NO_DATA, NOT_NEEDED, READ_FAILED, BUSY, LIMIT = range(1, 10)


class ProtocolError(Exception):
    """A peer's bytes break the rules of the wire. `code` goes into the REJECT."""

    def __init__(self, words: str, code: int = Code.PROTOCOL) -> None:
        super().__init__(words)
        self.code = code


class Hello(NamedTuple):
    version: int
    version_min: int
    channel: int
    flags: int
    peer_address: str
    client_address: str
    max_frame: int
    features: int
    founding: bytes
    disk: bytes
    start: int
    to: int


class Reject(NamedTuple):
    code: int
    words: str
    retry_ms: int


class Ping(NamedTuple):
    token: int


class Pong(NamedTuple):
    token: int


class Join(NamedTuple):
    want: int


class Joined(NamedTuple):
    status: int
    code: int
    retry_ms: int
    leader: int
    index: int  # type: ignore[assignment]
    founding: bytes
    words: str
    book: bytes


class Offer(NamedTuple):
    stream: int
    index: int  # type: ignore[assignment]
    term: int
    size: int
    checksum: int
    chunk_bytes: int


class Accept(NamedTuple):
    stream: int
    offset: int
    window: int


class Ack(NamedTuple):
    stream: int
    offset: int
    window: int


class Chunk(NamedTuple):
    stream: int
    offset: int
    data: bytes
    checksum: int


class Complete(NamedTuple):
    stream: int
    index: int  # type: ignore[assignment]
    term: int


class Abort(NamedTuple):
    stream: int
    index: int  # type: ignore[assignment]
    term: int
    code: int
    words: str


class Request(NamedTuple):
    request: int
    session: bytes
    number: int
    timeout_ms: int
    what: int
    data: bytes


class Outcome(NamedTuple):
    request: int
    outcome: int
    code: int
    retry_ms: int
    index: int  # type: ignore[assignment]
    term: int
    leader: int
    address: str
    words: str
    result: bytes


HostFrame = Union[Hello, Reject, Ping, Pong, Join, Joined, Offer, Accept, Ack, Chunk, Complete, Abort, Request, Outcome]


class _Form:
    """The layout of a frame: a letter of `struct` for each field; A an address, W words, D data:
    their lengths stand among the fixed fields, their bytes behind.
    """

    def __init__(self, kind: int, make: Callable[..., HostFrame], letters: str) -> None:
        self.kind, self.make = kind, make
        fields = [letter for letter in letters.split() if not letter.endswith("x")]
        self.parts = [(place, letter) for place, letter in enumerate(fields) if letter in "AWD"]
        form = letters.replace("A", "H").replace("W", "H").replace("D", "I")
        self.fixed = Struct("<" + form)
        self.whole = Struct("<IQBBH" + form)


_FORMS: dict[type, _Form] = {
    Hello: _Form(1, Hello, "I I B B A A 2x I Q 16s 16s Q Q"),
    Reject: _Form(2, Reject, "H W I"),
    Ping: _Form(3, Ping, "Q"),
    Pong: _Form(4, Pong, "Q"),
    Join: _Form(5, Join, "B 3x"),
    Joined: _Form(6, Joined, "B x H I Q Q 16s W 2x D"),
    Offer: _Form(16, Offer, "Q Q Q Q I I"),
    Accept: _Form(17, Accept, "Q Q I"),
    Chunk: _Form(18, Chunk, "Q Q D I"),
    Ack: _Form(19, Ack, "Q Q I"),
    Complete: _Form(20, Complete, "Q Q Q"),
    Abort: _Form(21, Abort, "Q Q Q H W"),
    Request: _Form(32, Request, "Q 16s Q I B 3x D"),
    Outcome: _Form(33, Outcome, "Q B x H I Q Q Q A W D"),
}
_BY_KIND = {form.kind: form for form in _FORMS.values()}
_FIXED = Struct("<H")
_LIMITS = {"A": ADDRESS_MAX, "W": WORDS_MAX, "D": 1 << 30}


def encode(group: int, frame: HostFrame) -> bytes:
    """Returns the whole frame. Words are cut at the limit."""
    form = _FORMS[type(frame)]
    fields: list[object] = list(frame)
    tail = []
    for place, letter in form.parts:
        part = fields[place]
        data = part.encode()[: _LIMITS[letter]] if isinstance(part, str) else part
        assert isinstance(data, bytes)
        fields[place] = len(data)
        tail.append(data)
    body = 4 + form.fixed.size + sum(map(len, tail))
    return b"".join((form.whole.pack(body, group, 0x48, form.kind, form.fixed.size, *fields), *tail))


def decode(body: bytes) -> HostFrame | None:
    """Reads the body of a host frame; None: an unknown type, to be skipped.

    Raises ProtocolError for bytes beyond version 1.
    """
    if len(body) < 4 or body[0] != 0x48:
        raise ProtocolError("a host frame without a head")
    form = _BY_KIND.get(body[1])
    if form is None:
        if body[1] >= 128:
            raise ProtocolError(f"a frame of type {body[1]}", Code.UNKNOWN_FRAME)
        return None
    (fixed,) = _FIXED.unpack_from(body, 2)
    if fixed < form.fixed.size or 4 + fixed > len(body):
        raise ProtocolError(f"type {body[1]}: {fixed} bytes of fixed fields in {len(body)} bytes")
    fields: list[object] = list(form.fixed.unpack_from(body, 4))
    at = 4 + fixed
    for place, letter in form.parts:
        size = fields[place]
        assert isinstance(size, int)
        if size > _LIMITS[letter] or at + size > len(body):
            raise ProtocolError(f"type {body[1]}: a part of {size} bytes, {len(body) - at} are there")
        part = body[at : at + size]
        fields[place] = part if letter == "D" else part.decode(errors="replace")
        at += size
    return form.make(*fields)


# ---- the address book


class Record(NamedTuple):
    """A member in an address book."""

    id: int
    disk: bytes
    peer_address: str
    client_address: str


_BOOK, _RECORD = Struct("<4sHH"), Struct("<Q16sHH4x")


def encode_book(records: list[Record]) -> bytes:
    parts = [_BOOK.pack(b"rhB1", len(records), _RECORD.size)]
    for record in records:
        peer, client = record.peer_address.encode(), record.client_address.encode()
        parts += [_RECORD.pack(record.id, record.disk, len(peer), len(client)), peer, client]
    return b"".join(parts)


def is_book(context: bytes) -> bool:
    """True if the context of a membership change carries addresses."""
    return context[:4] == b"rhB1"


def decode_book(data: bytes) -> list[Record]:
    """Reads an address book; no bytes are an empty book. Raises ProtocolError."""
    if not data:
        return []
    if not is_book(data) or len(data) < _BOOK.size:
        raise ProtocolError("no address book")
    _, count, fixed = _BOOK.unpack_from(data)
    if count > BOOK_MAX or fixed < _RECORD.size:
        raise ProtocolError(f"an address book of {count} records with {fixed} bytes each")
    at, records = _BOOK.size, []
    for _ in range(count):
        if at + fixed > len(data):
            raise ProtocolError("an address book ends early")
        id, disk, peer_size, client_size = _RECORD.unpack_from(data, at)
        at += fixed
        peer, client = data[at : at + peer_size], data[at + peer_size : at + peer_size + client_size]
        at += peer_size + client_size
        if id == 0 or at > len(data) or not (is_address(peer) and is_address(client)):
            raise ProtocolError("a record of an address book")
        records.append(Record(id, disk, peer.decode(), client.decode()))
    return records


def is_address(text: str | bytes) -> bool:
    """True for HOST:PORT or [IPV6]:PORT in printable ASCII, and for nothing."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    host, _, port = data.rpartition(b":")
    return not data or len(data) <= ADDRESS_MAX and bool(host and port) and all(32 < byte < 127 for byte in data)
