"""Retries that the group recognises: the head of an entry's data, and the table of sessions.

The bytes are equal in every language: docs/wire.md, sections 6 and 9.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ._errors import DamagedError

_HEAD = Struct("<B16sQ")
_TABLE, _SESSION = Struct("<4sI"), Struct("<16sQI")
ENVELOPE_MAX = _HEAD.size
SESSIONS_MAX = 4096
RESULT_MAX = 16384  # bytes; longer results are not kept for a retry
_NOT_KEPT = 2**32 - 1
NONE = bytes(16)


def envelope(session: bytes, number: int, data: bytes) -> bytes:
    """Returns the data of an entry; zeros: no session."""
    return b"\0" + data if session == NONE else _HEAD.pack(1, session, number) + data


def open_envelope(entry: bytes) -> tuple[bytes, int, bytes] | None:
    """Returns session, number and data; None: the entry changes nothing."""
    if entry[:1] == b"\0":
        return NONE, 0, entry[1:]
    if len(entry) < _HEAD.size:
        return None
    form, session, number = _HEAD.unpack_from(entry)
    return (session, number, entry[_HEAD.size :]) if form == 1 and session != NONE else None


class Seen(NamedTuple):
    """The last request of a session; result None: too long to keep."""

    number: int
    result: bytes | None


class Sessions:
    """The group's memory of sessions, equal on every member. The last used session is at the end."""

    def __init__(self) -> None:
        self._seen: dict[bytes, Seen] = {}

    def find(self, session: bytes) -> Seen | None:
        return self._seen.get(session)

    def store(self, session: bytes, number: int, result: bytes) -> None:
        """Stores a request that counted. Forgets the least recently used session if need be."""
        self._seen.pop(session, None)
        self._seen[session] = Seen(number, result if len(result) <= RESULT_MAX else None)
        if len(self._seen) > SESSIONS_MAX:
            del self._seen[next(iter(self._seen))]

    def encode(self) -> bytes:
        """Returns the table, for the front of a snapshot."""
        parts = [_TABLE.pack(b"rhS1", len(self._seen))]
        for session, (number, result) in self._seen.items():
            parts.append(_SESSION.pack(session, number, _NOT_KEPT if result is None else len(result)))
            parts.append(result or b"")
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> tuple[Sessions, int]:
        """Reads the table, and returns the size of the table. Raises DamagedError."""
        table = cls()
        if len(data) < _TABLE.size:
            raise DamagedError("a snapshot without a table of sessions")
        magic, count = _TABLE.unpack_from(data)
        if magic != b"rhS1" or count > SESSIONS_MAX:
            raise DamagedError("a snapshot without a table of sessions")
        at = _TABLE.size
        for _ in range(count):
            if at + _SESSION.size > len(data):
                raise DamagedError("a table of sessions ends early")
            session, number, size = _SESSION.unpack_from(data, at)
            at += _SESSION.size
            kept = size != _NOT_KEPT
            if kept and (size > RESULT_MAX or at + size > len(data)):
                raise DamagedError(f"a stored result of {size} bytes")
            table._seen[session] = Seen(number, data[at : at + size] if kept else None)
            at += size if kept else 0
        return table, at
