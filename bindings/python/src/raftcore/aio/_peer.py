"""A connection dialled here: messages of the core, and requests, to a member."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from .. import EntryKind
from . import _wire as wire
from ._apply import QUEUED, TAKEN, End, Proposal
from ._errors import RefusedError
from ._link import OUT_MAX, Link, RejectedError, dial, within
from ._wire import Code, ProtocolError

if TYPE_CHECKING:
    from ._host import Host


class Peer:
    """Dials when there is something to send, and keeps the connection."""

    def __init__(self, host: Host, id: int, address: str) -> None:
        self.host, self.id, self.address = host, id, address
        self.link: Link | None = None
        self.used = host.loop.time()
        self.requests: dict[int, Proposal] = {}
        self._next_request = 0
        self._box: list[bytes] = []  # waits for a connection
        self._box_bytes = 0
        self._wake = asyncio.Event()
        self._retry = asyncio.Event()  # an incoming connection: the peer is there
        self._said: set[int] = set()  # codes of logged refusals
        self._closed = False
        self._task = host.start_task(self._run())

    def send(self, frame: bytes) -> bool:
        """Sends a frame soon. Returns False if the frame is lost."""
        link = self.link
        if link is not None:
            if link.full():
                return False
            link.out.append(frame)
            self.host.dirty.add(link)
            return True
        if self._box_bytes > OUT_MAX:
            return False
        self._box.append(frame)
        self._box_bytes += len(frame)
        self._wake.set()
        return True

    def request(self, proposal: Proposal) -> bool:
        """Passes a proposal on. Returns False if the peer is full."""
        if len(self.requests) >= wire.REQUESTS_MAX:
            return False
        self._next_request += 1
        what = wire.ENTRY if proposal.kind == EntryKind.NORMAL else wire.CHANGE
        left = max(int(1000 * (proposal.deadline - self.host.loop.time())), 1)
        frame = wire.Request(self._next_request, proposal.session, proposal.number, left, what, proposal.data)
        if not self.send(wire.encode(self.host.options.group, frame)):
            return False
        proposal.state = TAKEN
        self.requests[self._next_request] = proposal
        return True

    def retry(self) -> None:
        self._retry.set()

    def close(self) -> None:
        """Ends the connection and the waiting requests."""
        self._closed = True
        self._task.cancel()
        self._lost(self.link is not None)
        if self.link is not None:
            self.link.close()
            self.link = None

    async def _run(self) -> None:
        host, wait = self.host, 0.0
        while not self._closed:
            await self._wake.wait()
            self._wake.clear()
            begin, least = host.loop.time(), 0.0
            try:
                link = await dial(host, self.address, wire.PEER, self.id)
            except RejectedError as error:
                least = self._refused(error)
                self._lost(False)
            except (OSError, ProtocolError) as error:
                host.log.debug("no connection to member %d at %s: %s", self.id, self.address, error)
                self._lost(False)
            else:
                least = await self._connected(link)
            if host.loop.time() - begin > 2:
                wait = 0.0
            wait = min(max(0.05, 2 * wait), 2.0)
            self._retry.clear()
            try:
                await within(max(wait, least) * (1 + random.random() / 4), self._wait_for_retry())
                wait = 0.0
            except asyncio.TimeoutError:
                pass

    async def _wait_for_retry(self) -> None:
        await self._retry.wait()

    async def _connected(self, link: Link) -> float:
        """Returns once the connection has ended, with the seconds not to dial again."""
        self.link = link
        link.out += self._box
        self._box, self._box_bytes = [], 0
        rejected: list[RejectedError] = []
        link.handler = lambda: self._take(link, rejected)
        try:
            if link.buffer:
                link.handler()
            link.flush()
            await link.closed
        except ProtocolError as error:
            link.refuse(error)
        finally:
            self.link = None
            link.close()
            self._lost(True)
        return self._refused(rejected[0]) if rejected else 0.0

    def _take(self, link: Link, rejected: list[RejectedError]) -> None:
        """Takes the answers of the peer."""
        while True:
            size = link.size()
            if not size:
                return
            body = link.body(0, size)
            del link.buffer[:size]
            frame = wire.decode(body)
            if isinstance(frame, wire.Outcome):
                proposal = self.requests.pop(frame.request, None)
                if proposal is not None:
                    self.host.proposals.answered(proposal, frame)
                    self.host.poke()
            elif isinstance(frame, wire.Abort):
                self.host.bulk.refused(self.id, frame)
            elif isinstance(frame, wire.Reject):
                rejected.append(RejectedError(frame))
                link.close()
                return

    def _lost(self, sent: bool) -> None:
        """Ends the waiting requests. `sent`: the peer may have the requests."""
        requests, self.requests = self.requests, {}
        self._box, self._box_bytes = [], 0
        self._wake.clear()
        self.host.unreachable(self.id)
        self.host.bulk.doubt(self.id)
        for proposal in requests.values():
            if sent:
                proposal.finish(End(wire.UNKNOWN, words="the connection to the leader broke"))
            elif proposal.state == TAKEN:
                proposal.state = QUEUED
                self.host.proposals.put_back(proposal, f"no connection to member {self.id}, the leader")

    def _refused(self, error: RejectedError) -> float:
        """Logs a refusal once, and returns the seconds until the next attempt."""
        code, words, retry_ms = error.reject
        if code not in self._said and code != Code.BUSY:
            self._said.add(code)
            self.host.log.warning(
                "member %d at %s and this member refuse each other: code %d: %s", self.id, self.address, code, words
            )
        if code == Code.DISK and not error.own:
            self.host.fail(RefusedError(words))
        return retry_ms / 1000
