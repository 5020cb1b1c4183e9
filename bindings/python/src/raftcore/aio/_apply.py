"""The replicated state: the machine, the sessions, the membership and the addresses; and the
proposals that wait.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from .. import EntryKind
from .._ready import Entry
from . import _wire as wire
from ._errors import (
    DamagedError,
    EntryTooLargeError,
    GroupError,
    NotCommittedError,
    RefusedError,
    SessionExpiredError,
    UnknownOutcomeError,
)
from ._machine import AnyMachine
from ._sessions import Sessions, open_envelope
from ._snapshot import Snapshot
from ._wire import Code, Record

EXPIRED = "the session has expired"  # begins the words of a retry beyond the group's memory, in every language


class End(NamedTuple):
    """The end of a proposal, in the fields of OUTCOME."""

    outcome: int
    code: int = 0
    retry_ms: int = 0
    index: int = 0  # type: ignore[assignment]
    term: int = 0
    leader: int = 0
    address: str = ""
    words: str = ""
    result: bytes = b""

    def error(self) -> GroupError:
        """Returns the exception for the caller of a write that is not DONE."""
        if self.outcome in (wire.NOT_COMMITTED, wire.NOT_LEADER):
            return NotCommittedError(self.words)
        if self.outcome == wire.REFUSED:
            return EntryTooLargeError(self.words) if self.code == Code.TOO_LARGE else RefusedError(self.words)
        expired = self.words.startswith(EXPIRED)
        return SessionExpiredError(self.words) if expired else UnknownOutcomeError(self.words)


# States of a proposal.
QUEUED, TAKEN, OVER = range(3)  # TAKEN: passed to the core, or to the leader


class Proposal:
    """An entry to be committed, of a caller here."""

    __slots__ = ("session", "number", "data", "entry", "kind", "deadline", "retry_at", "state", "words", "future")

    def __init__(self, data: bytes, entry: bytes, kind: int, session: bytes, number: int, deadline: float) -> None:
        self.data = data  # without the envelope
        self.entry = entry
        self.kind = kind
        self.session, self.number = session, number
        self.deadline = deadline  # of loop.time()
        self.retry_at = 0.0
        self.state = QUEUED
        self.words = "no leader yet"  # why the proposal still waits
        self.future: asyncio.Future[End] | None = None

    remote = False

    def finish(self, end: End) -> None:
        if self.state == OVER:
            return
        self.state = OVER
        if self.future is not None and not self.future.done():
            self.future.set_result(end)


class Applier:
    """The state as of `index`. Used by the event loop alone."""

    def __init__(self, machine: AnyMachine) -> None:
        self.machine = machine
        self.sessions = Sessions()
        self.book: dict[int, Record] = {}
        self.conf = b""
        self.index = 0
        self.term = 0
        self.bytes = 0  # of log, applied since the last snapshot

    def apply(self, entry: Entry, proposal: Proposal | None, conf: tuple[bytes, bytes] | None) -> None:
        """Applies an entry. `conf`: of a membership change, the new membership and its context."""
        self.index, self.term = entry.index, entry.term
        self.bytes += len(entry.data) + 64
        if entry.kind != EntryKind.NORMAL:
            self._change(entry, proposal, conf)
        elif entry.data:  # else a leader's first
            self._normal(entry, proposal)

    def _normal(self, entry: Entry, proposal: Proposal | None) -> None:
        opened = open_envelope(entry.data)
        if opened is None:
            if proposal is not None:
                words = "an entry of another form: nothing was changed"
                proposal.finish(End(wire.REFUSED, Code.INVALID, 0, entry.index, entry.term, words=words))
            return
        session, number, data = opened
        if session == wire.NONE:
            result = self.machine.apply(data, proposal is not None)
            if proposal is not None:
                proposal.finish(End(wire.DONE, 0, 0, entry.index, entry.term, result=result))
            return
        end = self._repeated(session, number)
        if end is None:
            result = self.machine.apply(data)
            self.sessions.store(session, number, result)
            end = End(wire.DONE, result=result)
        if proposal is not None:
            proposal.finish(end._replace(index=entry.index, term=entry.term))

    def _repeated(self, session: bytes, number: int) -> End | None:
        """Returns the end of a request that must not count; None: the request counts."""
        seen = self.sessions.find(session)
        if seen is None:
            return End(wire.UNKNOWN, words=EXPIRED) if number > 1 else None
        if number > seen.number:
            return None
        if number < seen.number:
            words = f"{EXPIRED}: the result of request {number} was given up after request {seen.number}"
            return End(wire.UNKNOWN, words=words)
        if seen.result is None:
            return End(wire.UNKNOWN, words=f"{EXPIRED}: the result of the request was too long to keep")
        return End(wire.DONE, result=seen.result)

    def _change(self, entry: Entry, proposal: Proposal | None, conf: tuple[bytes, bytes] | None) -> None:
        if conf is not None:
            self.conf, context = conf
            if wire.is_book(context):
                try:
                    self.book.update((record.id, record) for record in wire.decode_book(context))
                except wire.ProtocolError:
                    pass  # on every member alike
        if proposal is not None:
            proposal.finish(End(wire.DONE, index=entry.index, term=entry.term))

    def freeze(self) -> Snapshot:
        """Returns the whole state."""
        book = wire.encode_book([self.book[id] for id in sorted(self.book)])
        return Snapshot(self.index, self.term, self.conf, book, self.sessions.encode() + self.machine.snapshot())

    def restore(self, snapshot: Snapshot) -> None:
        """Replaces the whole state. Raises DamagedError, and the machine's exceptions."""
        sessions, used = Sessions.decode(snapshot.data)
        try:
            records = wire.decode_book(snapshot.book)
        except wire.ProtocolError as error:
            raise DamagedError(f"the address book of a snapshot: {error}") from None
        self.machine.restore(snapshot.data[used:])
        self.sessions = sessions
        self.book = {record.id: record for record in records}
        self.index, self.term, self.conf, self.bytes = snapshot.index, snapshot.term, snapshot.conf, 0
