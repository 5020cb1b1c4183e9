"""The membership: joining, promotion, removal, transfer, and the members' own wishes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, NamedTuple

from .. import ChangeKind, EntryKind, FullError, NoLeaderError, NotLeaderError, PeerFlag, RaftError, Role
from . import _wire as wire
from ._apply import OVER, End, Proposal
from ._errors import RefusedError, RemovedError, UnavailableError
from ._link import SILENT_TIME, Link, RejectedError, dial, within
from ._propose import code_of
from ._store import Hard, Owner, Start, Store
from ._wire import Code, Joined, ProtocolError, Record

if TYPE_CHECKING:
    from ._host import Host


class Member(NamedTuple):
    """A member of the group."""

    id: int
    """The id."""
    voter: bool
    """False: a learner, without a vote."""
    address: str
    """HOST:PORT for members; empty: not known."""
    client_address: str
    """HOST:PORT for clients; empty: not told."""


class Members:
    """The membership as known here, and the wishes to change the membership."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.hints: dict[int, str] = {}  # addresses from hellos
        self._want_vote: set[int] = set()  # learners to promote once they have caught up
        self._wish: Proposal | None = None
        self._asked = 0.0
        self._removed = False

    def ids(self) -> set[int]:
        conf = self.host.conf
        return {*conf.voters, *conf.outgoing, *conf.learners, *conf.learners_next}

    def is_voter(self, id: int) -> bool:
        return id in self.host.conf.voters or id in self.host.conf.outgoing

    def all(self) -> list[Member]:
        book, empty = self.host.applier.book, Record(0, wire.NONE, "", "")
        return [Member(id, self.is_voter(id), *book.get(id, empty)[2:]) for id in sorted(self.ids())]

    # ---- for callers

    async def change(self, kind: int, id: int, done: Callable[[], bool]) -> None:
        """Proposes a change until done. Raises as a write."""
        host = self.host
        end_at = host.loop.time() + host.options.timeout
        while not done():
            end = await host.proposals.submit(change_bytes(kind, id), wire.NONE, 0, EntryKind.CONF_CHANGE_V2)
            if end.outcome == wire.DONE:
                return await self.until(done, end_at)
            again = end.outcome in (wire.NOT_COMMITTED, wire.UNKNOWN) or end.outcome == wire.REFUSED and end.code == Code.BUSY
            if not again:
                raise end.error()
            if host.loop.time() > end_at:
                raise UnavailableError(f"not in time: {end.words}") if end.outcome == wire.REFUSED else end.error()
            await asyncio.sleep(2 * host.options.tick)

    async def until(self, done: Callable[[], bool], end_at: float) -> None:
        while not done():
            if not self.host.booted:
                raise self.host.closed_error()
            if self.host.loop.time() > end_at:
                raise UnavailableError("not in time")
            await asyncio.sleep(self.host.options.tick / 2)

    async def promote(self, id: int) -> None:
        await self.host.proposals.read()  # the membership of the moment
        if id not in self.ids():
            raise RefusedError(f"{id} is no member: it joins first, as a learner")
        await self.change(ChangeKind.ADD_NODE, id, lambda: self.is_voter(id))

    async def remove(self, id: int) -> None:
        await self.host.proposals.read()
        await self.change(ChangeKind.REMOVE_NODE, id, lambda: id not in self.ids())

    async def transfer(self, to: int) -> None:
        host = self.host
        await host.proposals.read()
        if not self.is_voter(to):
            raise RefusedError(f"{to} is no voter")
        end_at, asked = host.loop.time() + host.options.timeout, -1e9

        def leads() -> bool:
            nonlocal asked
            if host.leader != to and host.loop.time() - asked > 20 * host.options.tick and host.booted:
                asked = host.loop.time()
                try:
                    host.node.transfer(to)
                except RaftError as error:
                    host.log.debug("transfer to %d: %s", to, error)
                host.poke()
            return host.leader == to

        await self.until(leads, end_at)

    # ---- in the turn

    def propose_change(self, proposal: Proposal) -> None:
        """Proposes a change at the leader. A voter that cannot follow would count in every quorum,
        so only a caught-up learner is promoted.
        """
        host = self.host
        kind, id = read_change(proposal.entry)
        retry = int(2000 * host.options.tick)
        if kind == ChangeKind.ADD_NODE and id:
            if id not in self.ids():
                proposal.finish(End(wire.REFUSED, Code.INVALID, words=f"{id} is no member: it joins first, as a learner"))
                return
            if not self.is_voter(id) and not self._caught_up(id):
                proposal.finish(End(wire.REFUSED, Code.BUSY, retry, words=f"learner {id} has not caught up yet"))
                return
        token = host.proposals.new_token(proposal)
        try:
            host.node.propose_entry(proposal.kind, proposal.entry, token)
        except (NotLeaderError, NoLeaderError, FullError) as error:
            host.proposals.take(token)
            host.proposals.put_back(proposal, str(error))
        except RaftError as error:
            host.proposals.take(token)
            proposal.finish(End(wire.REFUSED, code_of(error), retry, words=str(error)))

    def _caught_up(self, id: int) -> bool:
        return any(peer.id == id and peer.flags & PeerFlag.CAUGHT_UP for peer in self.host.node.peers())

    def caretake(self, now: float) -> None:
        """Does what is due at each tick."""
        host = self.host
        members = self.ids()
        for id, peer in list(host.peers.items()):
            if now - peer.used > 10 and id not in members:
                peer.close()
                del host.peers[id]
        if host.role == Role.LEADER:
            for id in list(self._want_vote):
                if self.is_voter(id):
                    self._want_vote.discard(id)
                elif id in members and self._caught_up(id):
                    self._ask(f"promote learner {id}", change_bytes(ChangeKind.ADD_NODE, id))
        if now - self._asked > 1:
            self._asked = now
            self._ask_for_self(members)

    def _ask_for_self(self, members: set[int]) -> None:
        """Asks for a missing vote or address of this member, and notices a removal."""
        host = self.host
        if not host.conf.voters:
            return  # nothing is known yet
        if host.id not in members:
            if self._removed and host.role != Role.LEADER:  # a second later, so that peers get answers
                host.fail(RemovedError(f"member {host.id} was removed from the group"))
            self._removed = True
            return
        self._removed = False
        own = host.own_record()
        if host.leader == 0:
            return
        if host.applier.book.get(host.id) != own:
            self._ask("tell the own address", change_bytes(ChangeKind.UPDATE_NODE, host.id, wire.encode_book([own])))
        elif not self.is_voter(host.id) and not host.options.learner:
            self._ask("become a voter", change_bytes(ChangeKind.ADD_NODE, host.id))

    def _ask(self, what: str, data: bytes) -> None:
        """Proposes a change on the member's own behalf. Only a single wish is in flight."""
        if self._wish is not None and self._wish.state != OVER:
            return
        host = self.host
        host.log.debug("member %d wishes to %s", host.id, what)
        self._wish = Proposal(data, data, EntryKind.CONF_CHANGE_V2, wire.NONE, 0, host.loop.time() + host.options.timeout)
        host.proposals.waiting.append(self._wish)
        host.poke()

    # ---- joining

    def joined(self, link: Link, want: int) -> Joined:
        """Answers JOIN."""
        host, hello, id = self.host, link.hello, link.id
        assert hello is not None
        record = Record(id, hello.disk, hello.peer_address, hello.client_address)
        known, member = host.applier.book.get(id), id in self.ids()
        book = wire.encode_book([host.applier.book[id] for id in sorted(host.applier.book)])
        wait = Joined(wire.WAIT, 0, int(2000 * host.options.tick), host.leader, 0, host.owner.founding, "", book)

        def refuse(code: int, words: str) -> Joined:
            return wait._replace(status=wire.JOIN_REFUSED, code=code, words=words)

        if want not in (wire.WANT_VOTER, wire.WANT_LEARNER):
            return refuse(Code.UNKNOWN_VALUE, f"want is {want}")
        if not record.peer_address or not wire.is_address(record.peer_address) or not wire.is_address(record.client_address):
            return refuse(Code.INVALID, "an address that is not HOST:PORT")
        if known is not None and known.disk != record.disk:
            return refuse(Code.DISK, f"id {id} was used by another disk: join under a new id")
        if host.leader == 0:
            return wait
        if host.leader != host.id:
            return wait._replace(status=wire.JOIN_NOT_LEADER)
        if known is not None and member:
            if want == wire.WANT_VOTER:
                self._want_vote.add(id)
            return wait._replace(status=wire.MEMBER, index=host.conf.index)
        if known is not None:
            return refuse(Code.NOT_MEMBER, f"id {id} was removed from the group: join under a new id, with an empty directory")
        if host.ready:
            self._ask(f"add member {id}", change_bytes(ChangeKind.ADD_LEARNER, id, wire.encode_book([record])))
        return wait

    async def join(self) -> None:
        """Makes an empty directory part of the group of `peers`. Waits for a leader."""
        host = self.host
        addresses, said = list(host.known.values()), set[str]()
        at = 0
        while True:
            address = addresses[at % len(addresses)]
            try:
                answer = await self._join_at(address)
            except RejectedError as error:
                if error.reject.code in (Code.DISK, Code.ID, Code.GROUP, Code.CERTIFICATE):
                    raise RefusedError(str(error)) from None
                at += 1
            except (OSError, ProtocolError, asyncio.TimeoutError) as error:
                if address not in said:
                    host.log.info("member %d waits for an answer from %s to join: %s", host.id, address, error)
                    said.add(address)
                at += 1
            else:
                if answer.status == wire.MEMBER:
                    await self._become_member(answer)
                    return
                if answer.status != wire.JOIN_NOT_LEADER:
                    raise RefusedError(answer.words)
                leader = [record.peer_address for record in wire.decode_book(answer.book) if record.id == answer.leader]
                at += 1
                if leader and leader[0]:
                    addresses, at = [*host.known.values(), leader[0]], len(host.known)
            await asyncio.sleep(host.options.tick)

    async def _join_at(self, address: str) -> Joined:
        """Asks a member until the answer is not WAIT."""
        host = self.host
        link = await dial(host, address, wire.JOIN, 0)
        try:
            while True:
                link.send(wire.Join(wire.WANT_LEARNER if host.options.learner else wire.WANT_VOTER))
                answer = await within(SILENT_TIME, link.message())
                if isinstance(answer, Joined) and answer.status != wire.WAIT:
                    return answer
                await asyncio.sleep(min(max(answer.retry_ms / 1000, 0.01), 1.0) if isinstance(answer, Joined) else 0.1)
        finally:
            link.close()

    async def _become_member(self, answer: Joined) -> None:
        host = self.host
        self.hints.update((record.id, record.peer_address) for record in wire.decode_book(answer.book) if record.id != host.id)
        owner = host.owner._replace(founding=answer.founding)

        def store_founding(store: Store, owner: Owner) -> None:
            with store.transaction():
                store.begin(Hard(), Start())
                store.put_owner(owner)

        await host.in_disk_thread(store_founding, host.store, owner)
        host.owner = owner
        host.log.info("member %d joined the group; its leader is %d", host.id, answer.leader)


def change_bytes(kind: int, id: int, context: bytes = b"") -> bytes:
    """Returns a raftpb ConfChangeV2 of one step."""
    step = b"\x08" + _varint(kind) + b"\x10" + _varint(id)
    return b"\x12" + _varint(len(step)) + step + (b"\x1a" + _varint(len(context)) + context if context else b"")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_change(data: bytes) -> tuple[int, int]:
    """Returns kind and id of a ConfChangeV2 of one step; (-1, 0) for anything else: the core decides."""
    if len(data) < 2 or data[0] != 0x12 or data[1] + 2 > len(data):
        return -1, 0
    step, kind, id, at = data[2 : 2 + data[1]], int(ChangeKind.ADD_NODE), 0, 0
    while at < len(step):
        tag, at, number, shift = step[at], at + 1, 0, 0
        while True:
            if at == len(step) or shift > 63:
                return -1, 0
            number |= (step[at] & 127) << shift
            shift += 7
            at += 1
            if step[at - 1] < 128:
                break
        if tag == 0x08:
            kind = number
        elif tag == 0x10:
            id = number
        else:
            return -1, 0
    return (kind, id) if id else (-1, 0)
