"""The same counter on PySyncObj, with its journal on the disk. Arguments: ID, client port."""

import os
import socketserver
import sys

from pysyncobj import SyncObj, SyncObjConf, SyncObjException, replicated

PEERS = {id: f"127.0.0.1:{7200 + id}" for id in (1, 2, 3)}


class Counter(SyncObj):
    def __init__(self, own, others, conf):
        super().__init__(own, others, conf)
        self.value = 0

    @replicated
    def add(self, amount):
        self.value += amount
        return self.value


class Handler(socketserver.StreamRequestHandler):
    def answer(self, words):
        try:
            if words[:1] == [b"add"]:
                return counter.add(int(words[1]), sync=True, timeout=10)
            return counter.value
        except (SyncObjException, ValueError, IndexError) as error:
            return f"failed: {error!r}"

    def handle(self):
        for line in self.rfile:
            self.wfile.write(f"{self.answer(line.split())}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


id = int(sys.argv[1])
os.makedirs("data", exist_ok=True)
conf = SyncObjConf(journalFile=f"data/{id}.journal", fullDumpFile=f"data/{id}.dump")
counter = Counter(PEERS.pop(id), list(PEERS.values()), conf)
with Server(("127.0.0.1", int(sys.argv[2])), Handler) as server:
    server.serve_forever()
