"""examples/counter.py: three processes, one killed with -9 under load, all that was answered "ok" is there on every node."""

import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from contextlib import closing, suppress
from pathlib import Path

COUNTER = Path(__file__).parents[1] / "examples" / "counter.py"


def free_ports(count):
    """Ports that nobody has, below those that connections take: one of these could be taken before its server starts."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(10000, 32000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            ports.add(port)
    return sorted(ports)


class CounterTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ports = free_ports(3)
        self.processes = {}
        self.addCleanup(lambda: [self.kill(id) for id in list(self.processes)])
        for id in (1, 2, 3):
            self.start(id)

    def start(self, id):
        command = [sys.executable, str(COUNTER), self.file(id), str(id), *map(str, self.ports)]
        self.processes[id] = subprocess.Popen(command)

    def kill(self, id):
        process = self.processes.pop(id)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def file(self, id):
        return str(Path(self.folder) / f"node{id}.db")

    def ask(self, id, line):
        """The answer; empty if there is none."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports[id - 1]), timeout=5) as connection:
                connection.sendall(line.encode() + b"\n")
                return connection.makefile().readline().strip()
        except OSError:
            return ""

    def until(self, what, seconds=60.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.02)
        self.fail(f"not within {seconds} seconds")

    def add_anywhere(self, request, amount):
        """Sends it to one node after another, as often as it takes. It counts once."""
        return self.until(
            lambda: next((id for id in self.processes.copy() if self.ask(id, f"add {request} {amount}") == "ok"), None)
        )

    def leader(self):
        return self.add_anywhere("who", 0)

    def increments(self, id):
        with closing(sqlite3.connect(self.file(id))) as db:
            return dict(db.execute("SELECT request, amount FROM increment"))

    def test_what_was_acknowledged_survives_a_kill_on_every_node(self):
        acknowledged = {}
        stop = threading.Event()

        def load(client):
            number = 0
            while not stop.is_set():
                request = f"c{client}-{number}"
                self.add_anywhere(request, number + 1)
                acknowledged[request] = number + 1
                number += 1

        clients = [threading.Thread(target=load, args=(client,)) for client in range(4)]
        self.leader()
        for client in clients:
            client.start()
        for _ in range(2):  # twice, so that a node also leads or follows after it came back
            before = len(acknowledged)
            self.until(lambda: len(acknowledged) >= before + 20)
            victim = self.leader()
            self.kill(victim)
            before = len(acknowledged)
            self.until(lambda: len(acknowledged) >= before + 20)
            self.start(victim)
        stop.set()
        for client in clients:
            client.join()

        total = str(sum(acknowledged.values()))
        self.until(lambda: any(self.ask(id, "get") == total for id in self.processes))
        for id in (1, 2, 3):
            self.until(lambda: acknowledged.items() <= self.increments(id).items())
            self.assertEqual(sum(self.increments(id).values()), sum(acknowledged.values()), f"node {id}: each counts once")

        for id in (1, 2, 3):
            self.kill(id)
        for id in (1, 2, 3):
            self.start(id)
        self.until(lambda: any(self.ask(id, "get") == total for id in self.processes))

    def test_a_node_that_does_not_lead_says_so(self):
        leader = self.leader()
        follower = next(id for id in self.processes if id != leader)

        self.assertTrue(self.ask(follower, "add x 1").startswith("try again"))
        self.assertTrue(self.ask(leader, "add x one").startswith("try again"))

    def test_it_is_short_enough_to_be_copied(self):
        self.assertLess(len(COUNTER.read_text().splitlines()), 200)


if __name__ == "__main__":
    unittest.main()
