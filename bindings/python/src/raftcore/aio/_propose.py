"""Proposals and reads: to the core on a leader, to the leader on other members."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .. import ConfBusyError, EntryKind, FullError, NoLeaderError, NotLeaderError, RaftError
from .. import TooLargeError as CoreTooLargeError
from . import _wire as wire
from ._apply import OVER, QUEUED, TAKEN, End, Proposal
from ._errors import NotCommittedError, UnavailableError
from ._sessions import envelope
from ._wire import Code

if TYPE_CHECKING:
    from ._host import Host

_BATCH_BYTES, _BATCH = 256 << 10, 512
_LATER = (Code.BUSY, Code.SHUTTING_DOWN, Code.NO_SPACE)


class Proposals:
    """Proposals and reads that wait."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.waiting: list[Proposal] = []
        self.by_token: dict[int, Proposal] = {}
        self.reads: list[asyncio.Future[None]] = []
        self.reading: dict[int, list[asyncio.Future[None]]] = {}
        self.token = 0

    # ---- for callers

    async def submit(self, data: bytes, session: bytes, number: int, kind: int = EntryKind.NORMAL) -> End:
        """Proposes, and waits for the end. The end may be any but NOT_LEADER."""
        host = self.host
        if not host.booted:
            raise NotCommittedError(str(host.closed_error())) from host.failure
        now = host.loop.time()
        entry = envelope(session, number, data) if kind == EntryKind.NORMAL else data
        proposal = Proposal(data, entry, kind, session, number, now + host.options.timeout)
        future: asyncio.Future[End] = host.loop.create_future()
        proposal.future = future
        self.waiting.append(proposal)
        host.poke()
        try:
            end = await future
        finally:
            proposal.state = OVER
        if end.outcome == wire.DONE:
            host.metrics.proposals += 1
            host.metrics.propose_seconds.add(host.loop.time() - now)
        else:
            host.metrics.proposals_failed += 1
        return end

    async def read(self) -> None:
        """Waits until the state has everything acknowledged before the call."""
        host = self.host
        if not host.booted:
            raise host.closed_error()
        future: asyncio.Future[None] = host.loop.create_future()
        handle = host.loop.call_later(host.options.timeout, _give_up, future)
        self.reads.append(future)
        host.poke()
        try:
            await future
        finally:
            handle.cancel()
        host.metrics.reads += 1

    def end_all(self, words: str) -> None:
        """Ends everything waiting, because the host ends."""
        for proposal in self.by_token.values():
            proposal.finish(End(wire.UNKNOWN, words=words))
        for peer in self.host.peers.values():
            for proposal in peer.requests.values():
                proposal.finish(End(wire.UNKNOWN, words=words))
        for proposal in self.waiting:
            proposal.finish(End(wire.NOT_COMMITTED, words=words))
        for future in [*self.reads, *(future for list in self.reading.values() for future in list)]:
            if not future.done():
                future.set_exception(self.host.closed_error())

    # ---- proposals, in the turn

    def propose_all(self) -> None:
        """Gives waiting proposals to the core, or to the leader. Refused proposals stay."""
        if not self.waiting:
            return
        if self.host.leader != self.host.id:
            self._pass_on()
            return
        now, rest, self.waiting = self.host.loop.time(), self.waiting, []
        batch: list[Proposal] = []
        size = 0
        for place, proposal in enumerate(rest):
            if proposal.state == OVER:
                continue
            if proposal.retry_at > now:
                self.waiting.append(proposal)
                continue
            proposal.state = TAKEN
            normal = proposal.kind == EntryKind.NORMAL
            if normal:
                batch.append(proposal)
                size += len(proposal.entry)
            if batch and (not normal or len(batch) >= _BATCH or size >= _BATCH_BYTES):
                if not self._propose(batch):
                    self.waiting += rest[place + 1 :]
                    if not normal:
                        self.put_back(proposal, proposal.words)
                    return
                batch, size = [], 0
            if not normal:
                self.host.members.propose_change(proposal)
        if batch:
            self._propose(batch)

    def _propose(self, batch: list[Proposal]) -> bool:
        """Returns False if the core takes nothing now."""
        tokens = [self.new_token(proposal) for proposal in batch]
        try:
            self.host.node.propose_many([proposal.entry for proposal in batch], tokens)
            return True
        except RaftError as error:
            for token in tokens:
                del self.by_token[token]
            if isinstance(error, (FullError, NotLeaderError, NoLeaderError)):
                for proposal in batch:
                    self.put_back(proposal, str(error))
                return False
            if len(batch) == 1:
                batch[0].finish(End(wire.REFUSED, code_of(error), words=str(error)))
                return True
        return all([self._propose([proposal]) for proposal in batch])  # a single entry is at fault

    def put_back(self, proposal: Proposal, words: str) -> None:
        """Makes a proposal wait again."""
        if proposal.state != OVER:
            proposal.state, proposal.words = QUEUED, words
            self.waiting.append(proposal)

    def new_token(self, proposal: Proposal) -> int:
        self.token += 1
        self.by_token[self.token] = proposal
        return self.token

    def take(self, token: int) -> Proposal | None:
        """Returns the proposal of a token."""
        return self.by_token.pop(token, None)

    def dropped(self, token: int, never_committed: bool, words: str) -> None:
        proposal = self.take(token)
        if proposal is None:
            return
        if not never_committed:
            proposal.finish(End(wire.UNKNOWN, words=words))
        elif proposal.remote or proposal.kind != EntryKind.NORMAL:
            proposal.finish(End(wire.NOT_COMMITTED, words=words))
        else:
            self.put_back(proposal, words)

    def _pass_on(self) -> None:
        """Sends waiting proposals to the leader, if known."""
        host, now, rest = self.host, self.host.loop.time(), self.waiting
        self.waiting = []
        for proposal in rest:
            if proposal.remote:  # the sender looks for the leader
                proposal.finish(
                    End(wire.NOT_LEADER, leader=host.leader, address=host.address_of(host.leader) if host.leader else "")
                )
            elif proposal.state == OVER:
                pass
            elif host.leader == 0 or proposal.retry_at > now:
                self.waiting.append(proposal)
            else:
                peer = host.peer(host.leader)
                if peer is None or not peer.request(proposal):
                    proposal.words = f"no connection to member {host.leader}, the leader"
                    self.waiting.append(proposal)

    def answered(self, proposal: Proposal, outcome: wire.Outcome) -> None:
        """Takes the leader's outcome."""
        kind = outcome.outcome
        again = kind in (wire.NOT_LEADER, wire.NOT_COMMITTED) or kind == wire.REFUSED and outcome.code in _LATER
        if not again or proposal.kind != EntryKind.NORMAL and kind != wire.NOT_LEADER:
            proposal.finish(End(*outcome[1:]))
            return
        pause = self.host.options.tick / 2 if kind == wire.NOT_LEADER else outcome.retry_ms / 1000
        proposal.retry_at = self.host.loop.time() + min(max(pause, 0.001), 1.0)
        self.put_back(proposal, outcome.words)

    def expire(self, now: float) -> None:
        """Ends expired proposals."""
        for token, proposal in list(self.by_token.items()):
            if proposal.deadline < now:
                del self.by_token[token]
                proposal.finish(End(wire.UNKNOWN, words="no outcome in time"))
        for peer in self.host.peers.values():
            for proposal in peer.requests.values():  # an outcome may still come, for nobody
                if proposal.deadline < now:
                    proposal.finish(End(wire.UNKNOWN, words="no outcome in time"))
        if self.waiting:
            for proposal in self.waiting:
                if proposal.deadline < now:
                    proposal.finish(End(wire.NOT_COMMITTED, words=f"not in time: {proposal.words}"))
            self.waiting = [proposal for proposal in self.waiting if proposal.state != OVER]

    # ---- reads, in the turn

    def read_all(self) -> None:
        """Starts all new reads with one question to the leader."""
        if not self.reads:
            return
        self.reads = [future for future in self.reads if not future.done()]
        if not self.reads:
            return
        self.token += 1
        try:
            self.host.node.read_index(self.token)
        except (NoLeaderError, NotLeaderError, FullError):
            return  # later
        self.reading[self.token], self.reads = self.reads, []

    def read_done(self, token: int) -> None:
        for future in self.reading.pop(token, ()):
            if not future.done():
                future.set_result(None)

    def read_failed(self, token: int) -> None:
        """Makes reads wait for the next leader."""
        self.host.metrics.reads_repeated += 1
        self.reads += self.reading.pop(token, ())


def _give_up(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(UnavailableError("no leader answered in time"))


def code_of(error: RaftError) -> int:
    """Returns the code of OUTCOME for a refusal of the core."""
    if isinstance(error, CoreTooLargeError):
        return Code.TOO_LARGE
    return Code.BUSY if isinstance(error, (ConfBusyError, FullError)) else Code.INVALID
