"""A replicated counter: three processes, TCP between them, sqlite3 as log and state.

    counter.py FILE ID PORT PORT PORT       node ID (1, 2 or 3) with its database FILE; one port for each node

    printf 'add r1 5\\n' | nc localhost PORT       ok, or why not; r1 names the request: sent again, it counts once
    printf 'get\\n' | nc localhost PORT            the sum of all that was answered ok before

"ok" comes when the increment is committed by a majority and durable here. Every node that is killed, even by -9, comes back.
The log is never compacted, so no snapshot is ever needed; a larger program would also answer fetches by supply_snapshot.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys

import raftcore

TICK = 0.05  # seconds; a leader that is silent for 10 to 20 ticks is replaced
SCHEMA = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;  -- a commit is on the disk when it returns
    CREATE TABLE IF NOT EXISTS log (idx INTEGER PRIMARY KEY, term INTEGER, kind INTEGER, data BLOB);
    CREATE TABLE IF NOT EXISTS increment (request TEXT PRIMARY KEY, amount INTEGER);
    CREATE TABLE IF NOT EXISTS raft (id INTEGER PRIMARY KEY, term INTEGER, vote INTEGER, known INTEGER, applied INTEGER, conf BLOB);
    INSERT OR IGNORE INTO raft VALUES (1, 0, 0, 1, 1, x'');  -- a founder: the configuration is entry 1 of term 1, and applied
"""


class Server:
    def __init__(self, file: str, id: int, ports: dict[int, int]) -> None:
        self.id = id
        self.ports = ports
        self.db = sqlite3.connect(file)
        self.db.executescript(SCHEMA)
        self.node = self.boot()
        self.outboxes: dict[int, asyncio.Queue[bytes]] = {peer: asyncio.Queue(1000) for peer in ports if peer != id}
        self.waiting: dict[int, asyncio.Future[str]] = {}  # by token
        self.tokens = 0
        self.wake = asyncio.Event()  # something came in

    # ---- the disk

    def boot(self) -> raftcore.Node:
        # Who is not the leader refuses proposals: a client that asks there goes elsewhere.
        config = raftcore.Config(self.id)
        config.flags |= raftcore.Flag.NO_FORWARDING
        node = raftcore.Node(config)
        term, vote, commit, applied, conf = self.db.execute("SELECT term, vote, known, applied, conf FROM raft").fetchone()
        node.boot_state(term, vote, commit)
        node.boot_conf(conf or raftcore.Conf(voters=tuple(self.ports)), 1, 1)
        runs = self.db.execute("SELECT min(idx), term FROM log GROUP BY term ORDER BY term").fetchall()
        if runs:
            node.boot_terms(runs)
        node.boot_entries(self.entries(applied + 1, sys.maxsize))
        node.boot_done(applied)
        return node

    def entries(self, first: int, last: int) -> list[raftcore.Entry]:
        rows = self.db.execute("SELECT term, idx, kind, data FROM log WHERE idx BETWEEN ? AND ? ORDER BY idx", (first, last))
        return [raftcore.Entry(*row) for row in rows]

    def store(self, rd: raftcore.FlatReady) -> None:
        entries = rd.entries()
        if entries:  # they replace all from the first one's index on
            self.db.execute("DELETE FROM log WHERE idx >= ?", (entries[0].index,))
            self.db.executemany("INSERT INTO log VALUES (?, ?, ?, ?)", [(e.index, e.term, e.kind, e.data) for e in entries])
        if rd.has_hard_state:
            self.db.execute("UPDATE raft SET term = ?, vote = ?, known = ?", (rd.term, rd.vote, rd.commit))

    def apply(self, rd: raftcore.FlatReady) -> list[int]:
        """Answers the tokens of this node's own proposals."""
        if rd.committed_last == 0:
            return []
        # Entries that are no longer in the node's memory come from the log, and their tokens apart.
        entries = rd.committed() or self.entries(rd.committed_first, rd.committed_last)
        for entry in entries:
            if entry.kind != raftcore.EntryKind.NORMAL:
                self.db.execute("UPDATE raft SET conf = ?", (self.node.apply_conf(entry).encoded,))
            elif entry.data:  # else it is a leader's own
                self.db.execute("INSERT OR IGNORE INTO increment VALUES (?, ?)", json.loads(entry.data))
        self.db.execute("UPDATE raft SET applied = ?", (rd.committed_last,))
        return [entry.token for entry in entries if entry.token] + [done.token for done in rd.done()]

    # ---- the loop

    async def loop(self) -> None:
        while True:
            await self.wake.wait()  # what comes in until this task runs joins one transaction
            self.wake.clear()
            self.work()

    def work(self) -> None:
        for fetch in self.node.fetches():  # a peer is far behind
            self.node.supply_entries(fetch.id, self.entries(fetch.first, min(fetch.last, fetch.first + 999)))
        rd = self.node.ready_flat()
        while rd is not None:
            with self.db:  # one transaction; if it fails the process ends, and what is on the disk counts
                self.store(rd)
                done = self.apply(rd)
            for message in rd.messages():
                if not self.outboxes[message.to].full():  # else it is lost: Raft sends another
                    self.outboxes[message.to].put_nowait(message.frame)
            for token in done:
                self.answer(token, "ok")
            for read in rd.reads():
                total = self.db.execute("SELECT coalesce(sum(amount), 0) FROM increment").fetchone()[0]
                self.answer(read.token, str(total))
            for drop in rd.dropped():
                self.answer(drop.token, "try again: " + raftcore.reason_text(drop.reason))
            self.node.advance(rd.number)
            rd = self.node.ready_flat()

    def answer(self, token: int, text: str) -> None:
        future = self.waiting.pop(token, None)
        if future is not None and not future.done():  # the client may be gone
            future.set_result(text)

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.node.tick()
            self.wake.set()

    # ---- the network

    async def send(self, peer: int) -> None:
        """One connection to each peer, for what goes there; what comes from it has another."""
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
                await self.receive(hello.id, reader)  # a real one would ask for proof, by TLS for example
        except (OSError, EOFError, ValueError):  # gone, or not what it should be
            pass
        finally:
            writer.close()

    async def receive(self, peer: int, reader: asyncio.StreamReader) -> None:
        buffer = bytearray()
        while peer in self.outboxes:
            data = await reader.read(1 << 16)
            if not data:
                return
            buffer += data
            taken, _ = self.node.step_frames(peer, buffer)
            del buffer[:taken]
            self.wake.set()

    async def serve(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        self.tokens += 1
        future = self.waiting[self.tokens] = asyncio.get_running_loop().create_future()
        try:
            if line == b"get\n":
                self.node.read_index(self.tokens)
            else:
                _, request, amount = line.split()
                self.node.propose(json.dumps([request.decode(), int(amount)]).encode(), token=self.tokens)
            self.wake.set()
        except (raftcore.NoLeaderError, raftcore.FullError, ValueError) as error:
            self.answer(self.tokens, f"try again: {error}")
        writer.write((await future).encode() + b"\n")
        await writer.drain()

    async def run(self) -> None:
        server = await asyncio.start_server(self.accept, "127.0.0.1", self.ports[self.id])
        async with server:
            await asyncio.gather(self.loop(), self.tick(), *map(self.send, self.outboxes))


async def main(file: str, id: int, ports: dict[int, int]) -> None:
    await Server(file, id, ports).run()


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), {id: int(port) for id, port in enumerate(sys.argv[3:], 1)}))
