"""The loop of a member: work moves between the core, the disk thread, the machine and the peers.

Everything here runs in the event loop and never waits. `poke` runs a turn soon; many pokes before a
turn make one turn, one transaction on the disk, and one write to each connection.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import ssl
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, TypeVar

from .. import (
    DropWhat,
    Entry,
    EntryKind,
    Event,
    EventKind,
    Fetch,
    FetchKind,
    FlatReady,
    FullError,
    MsgKind,
    Node,
    RaftError,
    Role,
    Supply,
    hello_read,
    reason_text,
)
from . import _wire as wire
from ._apply import Applier, Proposal
from ._bulk import Bulk
from ._errors import DamagedError, EmptyError, GroupClosedError, GroupError
from ._guests import Guests
from ._link import Link
from ._machine import machine_of
from ._members import Members
from ._metrics import Metrics
from ._options import Options
from ._peer import Peer
from ._propose import Proposals
from ._store import Hard, Owner, Store, read_snapshot

_T = TypeVar("_T")
_QUIET = {
    EventKind.BECAME_LEADER,
    EventKind.BECAME_FOLLOWER,
    EventKind.CONF_APPLIED,
    EventKind.SNAPSHOT_RESTORED,
    EventKind.LEADER_READY,
}
_QUIET |= {EventKind.TRANSFER_STARTED, EventKind.TRANSFER_ENDED}
_WARNING = {EventKind.NO_LEADER_LONG, EventKind.PEER_LAGS, EventKind.REPAIRED, EventKind.TRUNCATED, EventKind.POISONED}
_WARNING |= {EventKind.APPLY_WAITS, EventKind.CONF_SKIPPED, EventKind.PAUSED}
_TICKS_AT_ONCE = 3


@dataclass
class Job:
    """Work for the disk thread: waiting jobs share a transaction."""

    number: int = 0  # of the ready; 0: none
    entries: list[Entry] = field(default_factory=list)
    hard: Hard | None = None
    work: Callable[[Store], None] | None = None  # in the transaction
    after: list[tuple[int, bytes]] = field(default_factory=list)  # peer and frame, to send once durable
    done: Callable[[], None] | None = None  # once durable, in the event loop


class Host:
    """A running member. Group is its face."""

    def __init__(
        self, machine: object, directory: str | os.PathLike[str], id: int, peers: Mapping[int, str], options: Options
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.id = id
        self.directory = directory
        self.address = peers[id]
        self.known = {peer: address for peer, address in peers.items() if peer != id}
        self.options = options
        self.log = options.logger
        self.config = options.config(id)
        self.frame_max = min(max(self.config.frame_limit(), options.max_entry_bytes + 4096, 2 << 20), 1 << 30)
        self.start_id = secrets.randbits(64)
        self.applier = Applier(machine_of(machine))
        self.metrics = Metrics()
        self.node = Node(self.config)
        self.core_hello = self.node.hello()
        self.core_version = hello_read(self.core_hello).version
        self.executor = ThreadPoolExecutor(1, thread_name_prefix=f"raftcore-disk-{id}")
        self.store: Store | None = None
        self.owner = Owner(options.group, id, wire.NONE, wire.NONE)
        self.tls_server: ssl.SSLContext | None = None
        self.tls_client: ssl.SSLContext | None = None
        self.conf = self.node.conf()
        self.role, self.leader, self.term = int(Role.FOLLOWER), 0, 0
        self.ready = False  # a leader: the first entry is applied
        self.booted = False
        self.failure: BaseException | None = None
        self.closing: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[None] = self.loop.create_future()
        self.peers: dict[int, Peer] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.jobs: list[Job] = []
        self.committing: asyncio.Future[None] | None = None
        self.submitted = self.persisted = 0  # numbers of readies
        self.backlog: list[tuple[Entry, Proposal | None, tuple[bytes, bytes] | None]] | None = None  # while a snapshot is read
        self.dirty: set[Link] = set()
        self.scheduled = False
        self.last_tick = self.loop.time()
        self.timer: asyncio.TimerHandle | None = None
        self.proposals = Proposals(self)
        self.members = Members(self)
        self.bulk = Bulk(self)
        self.guests = Guests(self)

    # ---- start and end

    async def open(self, prepare: Callable[[Store, Applier, Owner], Owner]) -> None:
        """Opens the directory, joins a group if need be, and boots."""
        if self.options.tls is not None:
            self.tls_server, self.tls_client = self.options.tls.contexts()
        store = await self.in_disk_thread(self._open_store)
        owner = await self.in_disk_thread(store.owner, self.options.group, self.id)
        self.owner = await self.in_disk_thread(prepare, store, self.applier, owner)
        if self.owner.founding == wire.NONE and not self.known:
            raise EmptyError(f"{self.directory}: pass found=True, once, for a new group, or the address of a member in `peers`")
        await self.guests.listen(self.options.listen or self.address)
        if self.owner.founding == wire.NONE:
            await self.members.join()
        await self._boot(store)
        self.applier.machine.attach()
        self.booted = True
        self.last_tick = self.loop.time()
        self._tick()

    def _open_store(self) -> Store:
        """In the disk thread, so that a start cancelled meanwhile leaves no open file."""
        self.store = Store(self.directory)
        return self.store

    def _close_store(self) -> None:
        if self.store is not None:
            self.store.close()

    async def in_disk_thread(self, call: Callable[..., _T], *arguments: object) -> _T:
        return await self.loop.run_in_executor(self.executor, lambda: call(*arguments))

    async def _boot(self, store: Store) -> None:
        stored = await self.in_disk_thread(store.load)
        places = await self.in_disk_thread(store.snapshots)
        self.bulk.stored.update(places)
        hard, start = stored.hard, stored.start
        place = next((place for place in places if (place.index, place.term) == (start.snapshot, start.snapshot_term)), None)
        self.node.boot_state(hard.term, hard.vote, max(hard.commit, start.snapshot))
        if start.snapshot:
            if place is None:
                raise DamagedError(f"{store.path}: the snapshot of entry {start.snapshot} is gone")
            snapshot = await self.in_disk_thread(read_snapshot, store, place)
            self.applier.restore(snapshot)
            self.bulk.took(place, snapshot.conf)
            self.node.boot_conf(snapshot.conf, start.before, start.before_term)
            self.node.boot_terms(stored.runs, stored.last)
        at = start.snapshot + 1
        while at <= stored.last:
            entries = await self.in_disk_thread(store.entries, at, stored.last, 4 << 20)
            if not entries:
                raise DamagedError(f"{store.path}: entry {at} is gone")
            self.node.boot_entries(entries)
            at = entries[-1].index + 1
        self.node.boot_done(start.snapshot)
        self.conf = self.node.conf()
        self.applier.bytes = store.bytes_above(start.snapshot)
        self.log.info("member %d started: snapshot %d, last entry %d, term %d", self.id, start.snapshot, stored.last, hard.term)

    def start_task(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Starts a task of the host. A failure of the task ends the host."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.fail(task.exception())

    def fail(self, error: BaseException | None) -> None:
        """Ends the host because of an error."""
        if self.failure is None and self.closing is None and error is not None:
            self.failure = error
            self.log.error("member %d ends: %s", self.id, error, exc_info=None if isinstance(error, GroupError) else error)
        self.begin_close()

    def begin_close(self) -> asyncio.Task[None]:
        self.booted = False  # at once: no turn, and no acknowledgement, from here on
        if self.closing is None:
            self.closing = self.loop.create_task(self._close())
        return self.closing

    async def _close(self) -> None:
        try:
            await self._end()
        finally:
            if not self.closed.done():  # who waits for the end never waits in vain
                self.closed.set_result(None)

    async def _end(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        words = "the group is closed here" if self.failure is None else f"the member has failed: {self.failure}"
        self.proposals.end_all(words)
        self.guests.close()
        for peer in self.peers.values():
            peer.close()
        while self.tasks:  # a task may end a moment later, or start a new task
            for task in self.tasks:
                task.cancel()
            await asyncio.wait(self.tasks, timeout=0.1)
        try:
            await self.in_disk_thread(self._close_store)  # behind the work of the thread
        finally:
            self.executor.shutdown(wait=False)
            self.applier.machine.detach()
            self.node.close()

    def closed_error(self) -> GroupClosedError:
        error = GroupClosedError("the group is closed here" if self.failure is None else f"the member has failed: {self.failure}")
        error.__cause__ = self.failure
        return error

    # ---- the turn

    def poke(self) -> None:
        """Runs a turn soon."""
        if not self.scheduled and self.booted:
            self.scheduled = True
            self.loop.call_soon(self._turn)

    def flush_later(self, link: Link) -> None:
        self.dirty.add(link)
        if self.booted:
            self.poke()
        else:
            self.loop.call_soon(link.flush)

    def _tick(self) -> None:
        if not self.booted:
            return
        tick, now = self.options.tick, self.loop.time()
        ticks = int((now - self.last_tick) / tick)
        self.last_tick += ticks * tick
        try:
            if ticks:
                # Time in which this process stood still is no silence of the peers.
                self.node.tick(min(ticks, _TICKS_AT_ONCE))
            self.proposals.expire(now)
            self.members.caretake(now)
            self.bulk.end_waits()
            for peer in self.peers.values():
                if peer.link is not None:
                    peer.link.check_silence(now, ping=True)
            self.guests.check_silence(now)
        except BaseException as error:  # KeyboardInterrupt, too: a ready may be half done
            self.fail(error)
            if not isinstance(error, Exception):
                raise
            return
        self.timer = self.loop.call_at(self.last_tick + tick, self._tick)
        self.poke()

    def _turn(self) -> None:
        self.scheduled = False
        if not self.booted:
            return
        try:
            changed = True
            while changed:
                self.proposals.propose_all()
                self.proposals.read_all()
                changed = self._drain()
            for event in self.node.events():
                self._event(event)
        except BaseException as error:  # KeyboardInterrupt, too: a ready may be half done
            self.fail(error)
            if not isinstance(error, Exception):
                raise
            return
        self._commit()
        dirty, self.dirty = self.dirty, set()
        for link in dirty:
            link.flush()
        if self.applier.bytes > self.options.snapshot_bytes:
            self.bulk.make_snapshot()

    def _drain(self) -> bool:
        """Takes readies to the last. Returns True if leader or role changed."""
        changed = False
        while True:
            for fetch in self.node.fetches():
                self._supply(fetch)
            try:
                ready = self.node.ready_flat()
            except FullError:  # the disk is behind, and will poke
                return changed
            if ready is None:
                return changed
            if (ready.leader, ready.role) != (self.leader, self.role):
                changed = True
                self.leader, self.role = ready.leader, ready.role
                self.ready = self.ready and ready.role == Role.LEADER
            self.term = ready.term
            self._handle(ready)
            self.node.release(ready.number)

    def _handle(self, ready: FlatReady) -> None:
        job = Job(ready.number, ready.entries() if ready.n_entries else [])
        if ready.has_hard_state:
            job.hard = Hard(ready.term, ready.vote, ready.commit)
        if ready.n_msgs:
            for place, (to, after, kind, frame) in enumerate(ready.messages()):
                if kind == MsgKind.SNAP:
                    self.bulk.hold(ready.message_heads()[place], frame)
                elif after:
                    job.after.append((to, frame))
                else:
                    self.send(to, frame)
        if ready.has_snapshot:
            self.bulk.install(ready, job)
        if ready.n_committed:
            self._apply(ready)
        for read in ready.reads():
            self.proposals.read_done(read.token)
        for drop in ready.dropped():
            if drop.what == DropWhat.READ:
                self.proposals.read_failed(drop.token)
            else:
                self.proposals.dropped(drop.token, drop.what == DropWhat.NOT_COMMITTED, reason_text(drop.reason))
        self._persist(ready, job)

    def _persist(self, ready: FlatReady, job: Job) -> None:
        """Passes a ready to the disk, unless nothing has to be flushed."""
        flush = ready.must_sync or job.work is not None
        durable = self.submitted == self.persisted  # everything before
        self.submitted = ready.number
        if flush or not durable:
            self.jobs.append(job)
            return
        if job.entries or job.hard is not None:
            self.jobs.append(Job(0, job.entries, job.hard))  # with the next transaction
        self.persisted = ready.number
        self.node.persisted(ready.number)
        self._send_after(job)

    def _apply(self, ready: FlatReady) -> None:
        begin = self.loop.time()
        take = self.proposals.take
        for entry in ready.committed():
            conf: tuple[bytes, bytes] | None = None
            if entry.kind != EntryKind.NORMAL:
                self.conf = applied = self.node.apply_conf(entry)
                conf = applied.encoded, applied.context
            proposal = take(entry.token) if entry.token else None
            if self.backlog is not None:
                self.backlog.append((entry, proposal, conf))
            else:
                self.applier.apply(entry, proposal, conf)
        if self.backlog is None:
            self.node.applied(ready.committed_last)
            self.metrics.applied += ready.n_committed
            self.metrics.apply_seconds.add(self.loop.time() - begin)

    def end_backlog(self) -> None:
        """Applies the entries committed while a snapshot was read."""
        backlog, self.backlog = self.backlog, None
        for entry, proposal, conf in backlog or ():
            self.applier.apply(entry, proposal, conf)
        if backlog:
            self.node.applied(backlog[-1][0].index)

    # ---- the disk thread

    def _commit(self) -> None:
        """Starts a transaction with the waiting jobs, unless a transaction runs."""
        try:
            self._begin_transaction()
        except BaseException as error:  # KeyboardInterrupt, too: the jobs may be lost, and later ones must not be written
            self.fail(error)
            if not isinstance(error, Exception):
                raise

    def _begin_transaction(self) -> None:
        if self.committing is not None or not any(job.number or job.work for job in self.jobs):
            return
        jobs, self.jobs = self.jobs, []
        begin = self.loop.time()
        self.committing = self.loop.run_in_executor(self.executor, self._write, jobs)
        self.committing.add_done_callback(lambda done: self._committed(jobs, begin, done))

    def _write(self, jobs: list[Job]) -> None:
        store = self.store
        assert store is not None
        hard = None
        with store.transaction():
            for job in jobs:
                hard = job.hard or hard
                if job.work is not None:
                    job.work(store)
                if job.entries:
                    store.append(job.entries)
            if hard is not None:
                store.put_hard(hard)

    def _committed(self, jobs: list[Job], begin: float, done: asyncio.Future[None]) -> None:
        self.committing = None
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:  # final: a second flush may succeed although data are lost
            self.fail(error)
            return
        if not self.booted:
            return
        self.metrics.flushes += 1
        self.metrics.flush_seconds.add(self.loop.time() - begin)
        number = 0
        try:
            for job in jobs:
                if job.done is not None:
                    job.done()
                self._send_after(job)
                number = max(number, job.number)
            if number:
                self.persisted = number
                self.node.persisted(number)
        except BaseException as failure:
            self.fail(failure)
            if not isinstance(failure, Exception):
                raise
            return
        self.poke()

    def add_work(self, work: Callable[[Store], None], done: Callable[[], None] | None = None) -> None:
        """Has the disk thread do work in the next transaction."""
        self.jobs.append(Job(work=work, done=done))
        self._commit()

    def _send_after(self, job: Job) -> None:
        for to, frame in job.after:
            self.send(to, frame)

    # ---- the peers

    def send(self, to: int, frame: bytes) -> None:
        peer = self.peer(to)
        if peer is None or not peer.send(frame):
            self.unreachable(to)

    def unreachable(self, id: int) -> None:
        """Tells the core that messages to a peer were lost."""
        if self.booted:
            try:
                self.node.report_unreachable(id)
            except RaftError:
                pass  # no member, or no longer

    def address_of(self, id: int) -> str:
        """Returns where a peer is dialled; empty: nobody knows. A hello is newer than the book."""
        record = self.applier.book.get(id)
        return self.members.hints.get(id) or (record.peer_address if record else "") or self.known.get(id, "")

    def peer(self, id: int) -> Peer | None:
        """Returns the connection to a peer, made if need be; None: no address is known."""
        address = self.address_of(id)
        peer = self.peers.get(id)
        if peer is not None and address not in ("", peer.address):
            peer.close()
            peer = None
        if peer is None and address and id != self.id and self.booted:
            peer = self.peers[id] = Peer(self, id, address)
        if peer is not None:
            peer.used = self.last_tick
        return peer

    def own_record(self) -> wire.Record:
        """Returns the member's record for the address book."""
        return wire.Record(self.id, self.owner.disk, self.address, self.options.client_address)

    def established(self) -> bool:
        """True on a leader with a committed entry of the current term."""
        return self.ready and self.leader == self.id

    # ---- fetches and events

    def _supply(self, fetch: Fetch) -> None:
        if fetch.kind == FetchKind.SNAPSHOT:
            self.bulk.supply(fetch)
        else:
            self.start_task(self._supply_entries(fetch))

    async def _supply_entries(self, fetch: Fetch) -> None:
        assert self.store is not None
        entries = await self.in_disk_thread(self.store.entries, fetch.first, fetch.last, fetch.max_bytes)
        try:
            if entries:
                self.node.supply_entries(fetch.id, entries)
            elif fetch.kind == FetchKind.APPLY or fetch.first > self.store.last:
                self.node.supply_none(fetch.id, Supply.LATER)
            else:
                self.node.supply_none(fetch.id, Supply.GONE)
        except RaftError as error:
            self.log.info("a fetch for member %d was not answered: %s", fetch.peer, error)
            self.node.supply_none(fetch.id, Supply.LATER)
        self.poke()

    def _event(self, event: Event) -> None:
        if event.kind == EventKind.LEADER_READY:
            self.ready = True
        if event.kind == EventKind.ALARM:
            self.log.error("alarm: %s", event)
        elif event.kind in _WARNING:
            self.log.warning("member %d: %s", self.id, event)
        elif event.kind in _QUIET:
            self.log.info("member %d: %s", self.id, event)
        else:
            self.log.debug("member %d: %s", self.id, event)
