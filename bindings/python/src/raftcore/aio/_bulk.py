"""Snapshots: made here, sent to lagging members, and received. docs/wire.md, section 5.

A snapshot travels in chunks on a BULK connection; the message of the core follows on PEER.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from .. import ArgError, Fetch, FlatReady, Flow, MessageHead, Peer, RaftError, Role, SnapshotReport, StaleError, Supply
from . import _wire as wire
from ._crc import crc32c
from ._errors import DamagedError
from ._link import Link, RejectedError, dial, within
from ._snapshot import Place, Snapshot, head, write
from ._store import Mark, Start, Store, read_snapshot
from ._wire import Abort, Ack, Chunk, Complete, Offer, ProtocolError, Stop

if TYPE_CHECKING:
    from ._host import Host, Job

_CHUNK, _WINDOW = 256 << 10, 4 << 20
_ATTEMPTS = 8  # in a row that bring nothing forward
# A member that is silent for more ticks holds no log. A busy member may be silent for a few election timeouts.
_SILENT_TICKS = 100


def _needed(peer: Peer) -> int:
    """Returns the entry behind which a member needs the log. In `Flow.PROBE`, a snapshot may have
    arrived whose acknowledgement has not: `match_index` does not know the snapshot, `next_index` does.
    """
    if peer.flow == Flow.SNAPSHOT:
        return peer.pending_snapshot
    return peer.next_index - 1 if peer.flow == Flow.PROBE else peer.match_index


@dataclass
class Sending:
    """A snapshot in flight to a peer. The message of the core waits for the data."""

    place: Place
    frame: bytes = b""
    arrived: bool = False
    task: asyncio.Task[None] | None = None


@dataclass
class Receiving:
    """The snapshot being received. `size` counts the bytes so far, `stored` the durable bytes."""

    offer: Offer
    row: int
    link: Link | None
    size: int = 0
    stored: int = 0
    checksum: int = 0


class Bulk:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.place: Place | None = None  # the newest snapshot of the disk
        self.conf = b""  # the membership in it
        self.making = False
        self._sends: dict[int, Sending] = {}
        self._released: set[int] = set()  # peers with a MsgSnap under way that waits for an acknowledgement
        self._fetches: list[Fetch] = []  # wait for a new snapshot
        self._whole: dict[tuple[int, int], Place] = {}  # received and not installed yet, by index and term
        self.stored: set[Place] = set()  # whole on the disk, as far as the loop knows
        self._receiving: Receiving | None = None
        self._lock = asyncio.Lock()  # around the beginning and the end of a stream

    def took(self, place: Place, conf: bytes) -> None:
        self.place, self.conf = place, conf

    def _retire(self, done: Callable[[], None] | None = None) -> None:
        """Removes the snapshots that nobody needs.

        The loop decides which: the disk thread is ahead, and a snapshot that it has ended may still be unknown here, while the
        snapshot before is the one to be sent.
        """
        keep = {self.place, *self._whole.values(), *(send.place for send in self._sends.values())}
        old = self.stored - keep
        self.stored -= old
        self.host.add_work(lambda store: store.retire(old), done)

    # ---- made here

    def make_snapshot(self) -> None:
        """Makes a snapshot of the state as of now, and cuts the log."""
        host = self.host
        if (
            self.making
            or not host.booted
            or host.backlog is not None
            or self.place is not None
            and host.applier.index <= self.place.index
        ):
            return
        self.making = True
        host.applier.bytes = 0
        host.start_task(self._make(host.applier.freeze(), host.loop.time()))

    async def _make(self, snapshot: Snapshot, begin: float) -> None:
        host = self.host
        place, parts = await host.loop.run_in_executor(None, write, snapshot)
        row = 0

        def store_parts(store: Store) -> None:
            nonlocal row
            row = row or store.add_snapshot()
            store.add_parts(row, at, some)

        at = 0
        while parts:
            some, parts = parts[:16], parts[16:]
            await self._work(store_parts)
            at += sum(map(len, some))
        mark = self._keep(place.index)
        before: tuple[int, int] | None = None

        def finish(store: Store) -> None:
            nonlocal before
            store.end_snapshot(row, place)
            old = store.start()
            if old.snapshot >= place.index:  # meanwhile a leader sent a newer snapshot
                return
            start = Start(old.before, old.before_term, place.index, place.term)
            if mark is not None and old.before < mark.last:
                start = start._replace(before=mark.last, before_term=mark.term)
                before = mark.last, mark.term
                store.cut(mark)
            store.put_start(start)

        await self._work(finish)
        self.stored.add(place)
        if self.place is None or self.place.index < place.index:
            self.took(place, snapshot.conf)
        host.metrics.snapshots_made += 1
        host.log.info(
            "member %d made a snapshot of entry %d: %d bytes, %.3f s", host.id, place.index, place.size, host.loop.time() - begin
        )
        if before is not None:
            try:
                host.node.compacted(before[0])
            except StaleError:
                pass
        fetches, self._fetches = self._fetches, []
        for fetch in fetches:
            try:
                self._supply_place(fetch)
            except RaftError as error:
                self._later(fetch, error)
        self._retire(self._made)

    def _made(self) -> None:
        self.making = False
        self.host.poke()

    async def _work(self, work: Callable[[Store], None]) -> None:
        """Has the disk thread do work in the next transaction, and waits."""
        future: asyncio.Future[None] = self.host.loop.create_future()

        def done() -> None:
            if not future.done():
                future.set_result(None)

        self.host.add_work(work, done)
        await future

    def _keep(self, index: int) -> Mark | None:
        """Returns up to where the log may go behind a snapshot of an entry: a part stays for lagging
        members, and more, within a bound, for a member about to catch up.
        """
        host, store = self.host, self.host.store
        assert store is not None
        keep = store.keeping(host.options.keep_bytes)
        if keep is None:
            return None
        bound = store.keeping(4 * host.options.keep_bytes + 2 * host.options.snapshot_bytes)
        # A member before the first entry of the log holds nothing: only a snapshot helps such a member.
        least = max(bound.last if bound else 0, host.node.status().first_index - 1)
        needs = [send.place.index for send in self._sends.values()]
        # Only a leader knows what its peers have.
        for peer in host.node.peers() if host.role == Role.LEADER else []:
            if peer.id != host.id and peer.silent_ticks < _SILENT_TICKS:
                needs.append(_needed(peer))
        need = min([index, *[need for need in needs if need >= least]])
        if need >= keep.last:
            return keep
        marks = [mark for mark in store.marks if mark.last <= need]
        return marks[-1] if marks else None

    # ---- sent

    def supply(self, fetch: Fetch) -> None:
        """Answers a fetch with the newest snapshot, or makes a newer snapshot first."""
        old = self._sends.pop(fetch.peer, None)
        if old is not None and old.task is not None:
            old.task.cancel()  # the core gave up the older snapshot
        try:
            self._supply_place(fetch)
        except ArgError:  # older than the peer, or than its membership
            self._fetches.append(fetch)
            self.host.applier.bytes = max(self.host.applier.bytes, self.host.options.snapshot_bytes + 1)
            self.host.poke()
        except RaftError as error:
            self._later(fetch, error)

    def _later(self, fetch: Fetch, error: RaftError) -> None:
        self.host.log.info("a snapshot for member %d was not taken: %s", fetch.peer, error)
        self.host.node.supply_none(fetch.id, Supply.LATER)

    def _supply_place(self, fetch: Fetch) -> None:
        host, place = self.host, self.place
        if place is None or place.index + 1 < fetch.first:
            raise ArgError("no snapshot that is new enough")
        if host.node.supply_snapshot(fetch.id, place.index, self.conf):
            send = self._sends[fetch.peer] = Sending(place)
            self._released.discard(fetch.peer)
            send.task = host.start_task(self._send(fetch.peer, send))

    def hold(self, message: MessageHead, frame: bytes) -> None:
        """Keeps a MsgSnap until its data have arrived."""
        send = self._sends.get(message.to)
        if send is None or (send.place.index, send.place.term) != (message.index, message.log_term):
            self._report(message.to, SnapshotReport.FAILED)
            return
        send.frame = frame
        self._release(message.to, send)

    def _release(self, peer: int, send: Sending) -> None:
        if send.frame and send.arrived and self._sends.get(peer) is send:
            del self._sends[peer]
            to = self.host.peer(peer)
            if to is None or not to.send(send.frame):
                self._report(peer, SnapshotReport.FAILED)
                return
            self._released.add(peer)
            self.host.poke()

    def end_waits(self) -> None:
        """Ends the waits for peers that have acknowledged their snapshot. The core goes on by itself only if its log still
        reaches back to the snapshot.
        """
        host = self.host
        if self._released and host.role != Role.LEADER:
            self._released.clear()
        if not self._released:
            return
        waiting = {peer.id: peer for peer in host.node.peers() if peer.flow == Flow.SNAPSHOT}
        self._released &= waiting.keys()
        for id in list(self._released):
            if waiting[id].match_index >= waiting[id].pending_snapshot:
                self.doubt(id)

    def doubt(self, peer: int) -> None:
        """Has the core ask a peer where it is, in place of waiting for an acknowledgement: the MsgSnap or the answer may have
        been lost with a connection.
        """
        if peer in self._released:
            self._released.remove(peer)
            self._report(peer, SnapshotReport.ARRIVED)

    async def _send(self, peer: int, send: Sending) -> None:
        host, begin = self.host, self.host.loop.time()
        attempts, at = 0, 0
        while attempts < _ATTEMPTS and self._sends.get(peer) is send:
            try:
                reached = await self._send_file(peer, send.place, at)
                if reached < 0:
                    host.metrics.snapshots_sent += 1
                    host.log.info("member %d has snapshot %d: %.3f s", peer, send.place.index, host.loop.time() - begin)
                    send.arrived = True
                    self._release(peer, send)
                    return
                attempts, at = (0, reached) if reached > at else (attempts + 1, at)
            except (OSError, ProtocolError, asyncio.TimeoutError) as error:
                attempts += 1
                host.log.info("snapshot %d for member %d: %s", send.place.index, peer, error)
                if isinstance(error, RejectedError) or "stream" in str(error):
                    break
            await asyncio.sleep(min(0.05 * 2**attempts, 2.0))
        if self._sends.get(peer) is send:
            del self._sends[peer]
            self._report(peer, SnapshotReport.FAILED)

    async def _send_file(self, peer: int, place: Place, at: int) -> int:
        """Offers a file, and sends the missing chunks.

        Returns -1 once the peer has the whole file, else how far it was when the connection broke.
        """
        host, store = self.host, self.host.store
        assert store is not None
        address = host.address_of(peer)
        if not address:
            raise ConnectionError(f"no address of member {peer} is known")
        link = await dial(host, address, wire.BULK, peer)
        try:
            size = min(_CHUNK, (link.theirs - 48) & ~4095)
            link.send(Offer(1, place.index, place.term, place.size, place.checksum, size))
            accepted, sent, allowed = False, 0, 0
            while True:
                while accepted and sent < place.size and sent + min(size, place.size - sent) <= allowed:
                    data = await host.in_disk_thread(store.read_snapshot, place, sent, size)
                    link.send(Chunk(1, sent, data, crc32c(data)))
                    sent += len(data)
                    host.metrics.snapshot_bytes_sent += len(data)
                answer = await within(60, link.message())
                if isinstance(answer, wire.Accept):
                    accepted, sent = True, answer.offset
                    if sent > place.size or sent != place.size and sent % size:
                        raise ProtocolError(f"a stream that begins at {sent}")
                if isinstance(answer, (wire.Accept, Ack)):
                    at, allowed = answer.offset, answer.offset + min(answer.window, wire.WINDOW_MAX)
                    self._report(peer, SnapshotReport.UNDER_WAY)
                elif isinstance(answer, Complete):
                    return -1
                elif isinstance(answer, Abort):
                    raise ConnectionError(f"the peer ends the stream with code {answer.code}: {answer.words}")
        except ConnectionError as error:
            if isinstance(error, RejectedError) or "stream" in str(error):
                raise
            return at
        finally:
            link.close()

    def _report(self, peer: int, how: int) -> None:
        if self.host.booted:
            try:
                self.host.node.report_snapshot(peer, how)
            except RaftError:
                pass  # no member, or no longer
            self.host.poke()

    def refused(self, peer: int, frame: Abort) -> None:
        """Takes the answer to a MsgSnap without data."""
        if frame.stream == 0:
            self.host.log.warning("member %d lacks the data of snapshot %d: %s", peer, frame.index, frame.words)
            self._report(peer, SnapshotReport.FAILED)

    # ---- received

    def has(self, index: int, term: int) -> bool:
        return (index, term) in self._whole

    async def receive(self, link: Link) -> None:
        """Serves a BULK connection."""
        try:
            while True:
                frame = await link.message()
                async with self._lock:
                    if isinstance(frame, Offer):
                        await self._offered(link, frame)
                    elif isinstance(frame, Chunk):
                        self._chunk(link, frame)
                    elif isinstance(frame, wire.Ping):
                        link.send(wire.Pong(frame.token))
                    elif isinstance(frame, Abort):
                        self._leave(link)
                    elif frame is not None:
                        raise ProtocolError(f"{type(frame).__name__} on BULK")
        finally:
            self._leave(link)

    def _leave(self, link: Link) -> None:
        if self._receiving is not None and self._receiving.link is link:
            self._receiving.link = None

    async def _offered(self, link: Link, offer: Offer) -> None:
        host, now = self.host, self._receiving

        def abort(code: int, words: str) -> None:
            link.send(Abort(offer.stream, offer.index, offer.term, code, words))

        busy = now is not None and now.link is not None and now.link is not link
        if not 0 < offer.chunk_bytes <= wire.CHUNK_MAX or offer.chunk_bytes % 4096 or offer.stream == 0:
            return abort(Stop.LIMIT, "chunk_bytes or stream")
        if offer.index <= host.node.status().commit:
            return abort(Stop.NOT_NEEDED, f"this member has committed up to {host.node.status().commit}")
        if now is not None and busy and offer.index < now.offer.index:
            return abort(Stop.SUPERSEDED, f"a snapshot of {now.offer.index} is being received")
        if now is not None and busy and offer.index == now.offer.index and now.link is not None and now.link.id != link.id:
            return abort(Stop.BUSY, f"member {now.link.id} sends this snapshot")
        whole = self._whole.get((offer.index, offer.term))
        if whole is not None and (whole.size, whole.checksum) == (offer.size, offer.checksum):
            link.send(wire.Accept(offer.stream, offer.size, _WINDOW))
            link.send(Complete(offer.stream, offer.index, offer.term))
            return
        if now is not None and now.link is not None and busy:
            now.link.send(Abort(now.offer.stream, now.offer.index, now.offer.term, Stop.SUPERSEDED, ""))
        self._receiving = now = await self._begin(link, offer, now)
        link.send(wire.Accept(offer.stream, now.size, _WINDOW))
        if now.size == offer.size:
            self._stored(now, now.size)

    async def _begin(self, link: Link, offer: Offer, now: Receiving | None) -> Receiving:
        """Resumes the stream of equal data, or begins anew."""
        if now is not None and now.offer._replace(stream=0, chunk_bytes=0) == offer._replace(stream=0, chunk_bytes=0):
            size = now.size if now.size == offer.size else now.size - now.size % offer.chunk_bytes
            checksum, row = 0, now.row

            def cut(store: Store) -> None:
                nonlocal checksum
                checksum = store.cut_parts(row, size)

            await self._work(cut)
            self.host.log.info("snapshot %d from member %d goes on at byte %d", offer.index, link.id, size)
            return Receiving(offer, row, link, size, size, checksum)
        row = 0

        def begin(store: Store) -> None:
            nonlocal row
            if now is not None:
                store.drop_snapshot(now.row)
            row = store.add_snapshot()

        await self._work(begin)
        return Receiving(offer, row, link)

    def _chunk(self, link: Link, chunk: Chunk) -> None:
        now = self._receiving
        if now is None or now.link is not link or now.offer.stream != chunk.stream:
            return  # of an ended stream
        want = min(now.offer.chunk_bytes, now.offer.size - now.size)
        if chunk.offset != now.size or len(chunk.data) != want or want == 0:
            raise ProtocolError(f"a chunk of {len(chunk.data)} bytes at {chunk.offset}, where {want} at {now.size} come next")
        if crc32c(chunk.data) != chunk.checksum:
            link.send(Abort(chunk.stream, now.offer.index, now.offer.term, Stop.CHUNK, f"checksum of the chunk at {chunk.offset}"))
            now.link = None
            return
        now.checksum = crc32c(chunk.data, now.checksum)
        at, now.size = now.size, now.size + want
        self.host.metrics.snapshot_bytes_received += want
        end = now.size

        def store_chunk(store: Store) -> None:
            store.add_parts(now.row, at, [chunk.data])

        self.host.add_work(store_chunk, lambda: self._stored(now, end))

    def _stored(self, now: Receiving, end: int) -> None:
        """Goes on once the file is durable up to `end`."""
        now.stored = max(now.stored, end)
        link, offer = now.link, now.offer
        if link is None or self._receiving is not now:
            return
        if end < offer.size:
            link.send(Ack(offer.stream, end, _WINDOW))
            return
        place = Place(offer.index, offer.term, offer.size, offer.checksum)

        def refuse(words: str) -> None:
            link.send(Abort(offer.stream, offer.index, offer.term, Stop.FILE, words))
            self._receiving = None
            self.host.add_work(lambda store: store.drop_snapshot(now.row))

        if now.checksum != offer.checksum:
            return refuse(f"checksum {now.checksum:08x}, offered was {offer.checksum:08x}")
        fault = ""

        def finish(store: Store) -> None:
            nonlocal fault
            try:
                if head(store.head(now.row)) != (offer.index, offer.term):
                    raise DamagedError("the file is of another entry")
                store.end_snapshot(now.row, place)
            except DamagedError as error:
                fault = str(error)

        def complete() -> None:
            if fault:
                return refuse(fault)
            self._receiving = None
            self._whole[offer.index, offer.term] = place
            self.stored.add(place)
            self.host.log.info("snapshot %d came from member %d: %d bytes", offer.index, link.id, offer.size)
            link.send(Complete(offer.stream, offer.index, offer.term))

        self.host.add_work(finish, complete)

    def install(self, ready: FlatReady, job: Job) -> None:
        """Makes a received snapshot the state and the beginning of the log, with a ready's job."""
        host = self.host
        place = self._whole[ready.snapshot_index, ready.snapshot_term]
        host.backlog = []
        read: list[Snapshot] = []

        def work(store: Store) -> None:
            read.append(read_snapshot(store, place))
            hard = job.hard or store.hard()
            store.begin(
                hard._replace(commit=max(hard.commit, place.index)), Start(place.index, place.term, place.index, place.term)
            )

        def done() -> None:
            host.applier.restore(read[0])
            self.took(place, read[0].conf)
            self._whole = {key: other for key, other in self._whole.items() if key[0] > place.index}
            self._retire()
            host.conf = host.node.conf()
            host.metrics.snapshots_installed += 1
            host.end_backlog()

        job.work, job.done = work, done
