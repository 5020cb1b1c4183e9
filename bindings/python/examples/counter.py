"""A replicated counter: three processes, TCP between them, sqlite3 as log and state.

    counter.py FILE ID PORT PORT PORT found    makes FILE, then runs: once for node 1, 2 and 3
    counter.py FILE ID PORT PORT PORT          from then on; a port for each node

    printf 'add r1 5\\n' | nc localhost PORT    "ok", or a reason. Request r1 counts only once
    printf 'get\\n' | nc localhost PORT         the sum of all requests that were "ok" before

"ok" means committed by a majority, and durable here. Kill a node at any time, even with -9. Never
found a node again after it lost its file: it has forgotten votes and acknowledged entries.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
import sys

import raftcore
from raftcore import FetchKind, Supply

GROUP = 1
TICK = 0.05  # seconds; 10 to 20 ticks of silence replace a leader
KEEP = int(os.environ.get("KEEP", "5000"))  # entries kept in the log, for slow peers
SCHEMA = """
    PRAGMA locking_mode = EXCLUSIVE;  -- another process on this file is refused
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;        -- a commit is on the disk when it returns
    CREATE TABLE IF NOT EXISTS owner (id INTEGER, grp INTEGER);
    CREATE TABLE IF NOT EXISTS log (idx INTEGER PRIMARY KEY, term INTEGER, kind INTEGER, data BLOB);
    CREATE TABLE IF NOT EXISTS increment (request TEXT PRIMARY KEY, amount INTEGER);
    CREATE TABLE IF NOT EXISTS raft (term INTEGER, vote INTEGER, known INTEGER, applied INTEGER,
                                     before_first INTEGER, before_term INTEGER, conf BLOB);
"""


REQUEST = re.compile(rb"([!-~]{1,64}) (-?[0-9]{1,9})")


def parse(data: bytes) -> tuple[str, int] | None:
    """Returns name and amount of a request. None: the entry changes nothing, on any node."""
    match = REQUEST.fullmatch(data)
    return match and (match[1].decode(), int(match[2]))


class Server:
    def __init__(self, file: str, id: int, ports: dict[int, int], found: bool) -> None:
        self.id = id
        self.ports = ports
        self.db = self.open(file, found)
        self.node = self.boot()
        self.outboxes: dict[int, asyncio.Queue[bytes]] = {peer: asyncio.Queue(1000) for peer in ports if peer != id}
        self.waiting: dict[int, asyncio.Future[str]] = {}  # by token
        self.tokens = 0
        self.wake = asyncio.Event()  # input came in

    def log(self, text: object) -> None:
        print(f"node {self.id}: {text}", file=sys.stderr, flush=True)

    # ---- the disk

    def open(self, file: str, found: bool) -> sqlite3.Connection:
        if found == os.path.exists(file):
            sys.exit(f"{file} exists: 'found' is for the first start" if found else f"no file {file}: see 'found' in the usage")
        db = sqlite3.connect(file, timeout=0)
        try:
            db.executescript(SCHEMA)
            with db:
                if found:
                    stored = raftcore.Stored.founder(self.ports)
                    assert isinstance(stored.conf, raftcore.Conf)
                    db.execute("INSERT INTO owner VALUES (?, ?)", (self.id, GROUP))
                    db.execute("INSERT INTO raft VALUES (0, 0, 1, 1, 1, 1, ?)", (stored.conf.encode(),))
                owner = db.execute("SELECT id, grp FROM owner").fetchone()
                db.execute("UPDATE owner SET id = id")  # takes the lock
        except sqlite3.OperationalError as error:
            sys.exit(f"{file}: {error}: is another process using this file?")
        if owner != (self.id, GROUP):
            sys.exit(f"{file} belongs to (node, group) {owner}, not to {(self.id, GROUP)}")
        return db

    def boot(self) -> raftcore.Node:
        row = self.db.execute("SELECT term, vote, known, applied, before_first, before_term, conf FROM raft").fetchone()
        term, vote, commit, applied, before, before_term, conf = row
        (last,) = self.db.execute("SELECT coalesce(max(idx), ?) FROM log", (before,)).fetchone()
        runs = self.db.execute("SELECT min(idx), term FROM log GROUP BY term ORDER BY term").fetchall()
        node = raftcore.Node(raftcore.Config(self.id, group=GROUP, max_snapshot_bytes=64 << 20))
        entries = self.entries(applied + 1, last)
        node.boot(raftcore.Stored(term, vote, commit, applied, before, before_term, last, conf, runs, entries))
        return node

    def entries(self, first: int, last: int) -> list[raftcore.Entry]:
        rows = self.db.execute("SELECT term, idx, kind, data FROM log WHERE idx BETWEEN ? AND ? ORDER BY idx", (first, last))
        return [raftcore.Entry(*row) for row in rows]

    def store(self, rd: raftcore.FlatReady) -> None:
        if rd.has_snapshot:  # replaces everything
            self.db.execute("DELETE FROM log")
            self.db.execute("DELETE FROM increment")
            self.db.executemany("INSERT INTO increment VALUES (?, ?)", json.loads(rd.snapshot_data))
            place = (rd.snapshot_index, rd.snapshot_index, rd.snapshot_term, rd.snapshot_conf)
            self.db.execute("UPDATE raft SET applied = ?, before_first = ?, before_term = ?, conf = ?", place)
        entries = rd.entries()
        if entries:  # replace the log from the first index on
            self.db.execute("DELETE FROM log WHERE idx >= ?", (entries[0].index,))
            self.db.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", [(e.index, e.term, e.kind, e.data) for e in entries])
        if rd.has_hard_state:
            self.db.execute("UPDATE raft SET term = ?, vote = ?, known = ?", (rd.term, rd.vote, rd.commit))

    def apply(self, rd: raftcore.FlatReady) -> list[int]:
        """Returns the tokens of the node's own proposals."""
        tokens = []
        for entry in rd.committed():
            if entry.kind != raftcore.EntryKind.NORMAL:
                self.db.execute("UPDATE raft SET conf = ?", (self.node.apply_conf(entry).encoded,))
            elif (added := parse(entry.data)) is not None:  # else not a request
                self.db.execute("INSERT OR IGNORE INTO increment VALUES (?, ?)", added)
            if entry.token:
                tokens.append(entry.token)
        if rd.committed_last:
            self.db.execute("UPDATE raft SET applied = ?", (rd.committed_last,))
        return tokens

    def compact(self) -> None:
        applied, before = self.db.execute("SELECT applied, before_first FROM raft").fetchone()
        if applied - before > 2 * KEEP:
            with self.db:
                (term,) = self.db.execute("SELECT term FROM log WHERE idx = ?", (applied - KEEP,)).fetchone()
                self.db.execute("DELETE FROM log WHERE idx <= ?", (applied - KEEP,))
                self.db.execute("UPDATE raft SET before_first = ?, before_term = ?", (applied - KEEP, term))
            self.node.compacted(applied - KEEP)

    # ---- the loop

    async def loop(self) -> None:
        while True:
            await self.wake.wait()  # requests before the task runs share a transaction
            self.wake.clear()
            try:
                self.work()
                self.compact()
            except sqlite3.Error as error:
                # Final: never retry a flush, since the second may succeed although data are lost.
                self.log(f"the disk failed: {error}. Stopped; start again from what is on the disk")
                os._exit(1)  # at once, so that no destructor touches the file

    def work(self) -> None:
        """Does all work of the node: before the process sleeps, has_ready must be 0."""
        while True:
            for fetch in self.node.fetches():
                self.supply(fetch)
            rd = self.node.ready_flat()
            if rd is None:
                break
            with self.db:  # one transaction
                self.store(rd)
                done = self.apply(rd)
            for to, frame in rd.frames():
                self.post(to, frame)
            for token in done:
                self.answer(token, "ok")
            for read in rd.reads():
                total = self.db.execute("SELECT coalesce(sum(amount), 0) FROM increment").fetchone()[0]
                self.answer(read.token, str(total))
            for drop in rd.dropped():
                self.answer(drop.token, "try again: " + raftcore.reason_text(drop.reason))
            self.node.advance(rd.number)
        for event in self.node.events():  # events explain why a node stands still
            self.log(event)

    def supply(self, fetch: raftcore.Fetch) -> None:
        """Answers a fetch. An error here does not end the process."""
        try:
            if fetch.kind == FetchKind.SNAPSHOT:
                applied, conf = self.db.execute("SELECT applied, conf FROM raft").fetchone()
                state = self.db.execute("SELECT request, amount FROM increment").fetchall()
                self.node.supply_snapshot(fetch.id, applied, conf, json.dumps(state).encode())
            elif entries := self.entries(fetch.first, min(fetch.last, fetch.first + 999)):
                self.node.supply_entries(fetch.id, entries)
            else:
                self.node.supply_none(fetch.id, Supply.GONE)  # a fetch of a snapshot follows
        except raftcore.RaftError as error:
            # After TooLargeError a larger program sends the state over a connection of its own.
            self.log(f"{FetchKind(fetch.kind).name} for node {fetch.peer}: {error}")
            self.node.supply_none(fetch.id, Supply.LATER)

    def answer(self, token: int, text: str) -> None:
        future = self.waiting.pop(token, None)
        if future is not None and not future.done():  # the client may be gone
            future.set_result(text)

    def post(self, to: int, frame: bytes) -> None:
        if not self.outboxes[to].full():
            self.outboxes[to].put_nowait(frame)
        else:  # the message is lost: Raft sends again
            self.node.report_unreachable(to)

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.node.tick()
            self.wake.set()

    # ---- the network

    async def send(self, peer: int) -> None:
        """Keeps a connection to a peer, for messages to it. Messages from the peer come over
        another connection.
        """
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.ports[peer])
                writer.write(self.node.hello())
                while True:
                    writer.write(await self.outboxes[peer].get())
                    await writer.drain()
            except OSError:
                self.node.report_unreachable(peer)
                await asyncio.sleep(TICK)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readexactly(4)
            if head in (b"add ", b"get\n"):
                await self.serve(head + (await reader.readline() if head == b"add " else b""), writer)
            elif int.from_bytes(head, "little") < 1000:
                hello = raftcore.hello_read(head + await reader.readexactly(8 + int.from_bytes(head, "little")))
                if hello.group == GROUP and hello.id in self.outboxes:  # not proven: use TLS
                    await self.receive(hello.id, reader)
        except (OSError, EOFError, ValueError) as error:  # gone, or malformed
            self.log(f"a connection ended: {error!r}")
        finally:
            writer.close()

    async def receive(self, peer: int, reader: asyncio.StreamReader) -> None:
        buffer = bytearray()
        while data := await reader.read(1 << 16):
            buffer += data
            taken, refused, why = self.node.step_frames(peer, buffer)
            if refused:
                self.log(f"refused {refused} frames of node {peer}: {why}")
            del buffer[:taken]
            self.wake.set()

    async def serve(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        self.tokens += 1
        future = self.waiting[self.tokens] = asyncio.get_running_loop().create_future()
        try:
            if line == b"get\n":
                self.node.read_index(self.tokens)
            else:
                data = b" ".join(line.split()[1:])
                if parse(data) is None:  # before proposing: an entry in the log stays there
                    raise ValueError("wanted: a name of up to 64 ASCII characters, a number of up to 9 digits")
                self.node.propose(data, token=self.tokens)
            self.wake.set()
        except raftcore.NotLeaderError as error:
            self.answer(self.tokens, f"try again at port {self.ports.get(error.leader)}: {error}")
        except (raftcore.NoLeaderError, raftcore.FullError) as error:
            self.answer(self.tokens, f"try again: {error}")
        except ValueError as error:
            self.answer(self.tokens, f"no: {error}")
        writer.write((await future).encode() + b"\n")
        await writer.drain()

    async def run(self) -> None:
        server = await asyncio.start_server(self.accept, "127.0.0.1", self.ports[self.id])
        async with server:
            await asyncio.gather(self.loop(), self.tick(), *map(self.send, self.outboxes))


async def main(file: str, id: int, ports: dict[int, int], found: bool) -> None:
    await Server(file, id, ports, found).run()


if __name__ == "__main__":
    if len(sys.argv) not in (6, 7) or sys.argv[6:] not in ([], ["found"]):
        sys.exit(__doc__)
    ports = {id: int(port) for id, port in enumerate(sys.argv[3:6], 1)}
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), ports, found=len(sys.argv) == 7))
