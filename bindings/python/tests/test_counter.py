"""examples/counter.py: three processes, killed with -9 under load; a disk that fails, is in use, or
belongs to another node.
"""

import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "tests"))
from ports import free_port  # noqa: E402

COUNTER = Path(__file__).parents[1] / "examples" / "counter.py"


class Processes(unittest.TestCase):
    KEEP = "5000"  # entries that stay in the log

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.ports = sorted(free_port() for _ in range(3))
        self.processes = {}
        self.addCleanup(lambda: [self.kill(id) for id in list(self.processes)])
        for id in (1, 2, 3):
            self.start(id, "found")

    def start(self, id, *words, **more):
        command = [sys.executable, str(COUNTER), self.file(id), str(id), *map(str, self.ports), *words]
        with open(self.file(f"{id}.log"), "a") as log:
            self.processes[id] = subprocess.Popen(command, stderr=log, env={**os.environ, "KEEP": self.KEEP}, **more)

    def refused(self, file, id, *words):
        """Returns the words of a start that fails."""
        command = [sys.executable, str(COUNTER), file, str(id), *map(str, self.ports), *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.assertNotEqual(ran.returncode, 0)
        self.assertNotIn("Traceback", ran.stderr)
        return ran.stderr

    def said(self, id):
        return Path(self.file(f"{id}.log")).read_text()

    def kill(self, id):
        process = self.processes.pop(id)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def file(self, id):
        return str(Path(self.folder) / f"node{id}.db")

    def kill_all(self):
        for id in list(self.processes):
            self.kill(id)

    def ask(self, id, line):
        """Returns the answer; empty if none comes."""
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
        """Sends a request to all nodes in turn until a node answers ok. The request counts once."""
        return self.until(
            lambda: next((id for id in self.processes.copy() if self.ask(id, f"add {request} {amount}") == "ok"), None)
        )

    def leader(self):
        return self.add_anywhere("who", 0)

    def increments(self, id):
        with closing(sqlite3.connect(self.file(id))) as db:
            return dict(db.execute("SELECT request, amount FROM increment"))


class CounterTest(Processes):
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
        for id in (1, 2, 3):
            self.until(lambda: self.ask(id, "get") == total)

        self.kill_all()
        for id in (1, 2, 3):
            self.assertLessEqual(acknowledged.items(), self.increments(id).items())
            self.assertEqual(sum(self.increments(id).values()), sum(acknowledged.values()), f"node {id}: each counts once")
        for id in (1, 2, 3):
            self.start(id)
        self.until(lambda: any(self.ask(id, "get") == total for id in self.processes))

    def test_a_node_that_does_not_lead_names_the_leader(self):
        leader = self.leader()
        follower = next(id for id in self.processes if id != leader)

        self.until(lambda: self.ask(follower, "add x 1").startswith(f"try again at port {self.ports[leader - 1]}: "))
        self.assertIn("became leader", self.said(leader))

    def test_what_cannot_be_applied_is_not_proposed(self):
        leader = self.leader()
        for line in ("add x one", "add x", "add x 1 2", "add x 99999999999999999999", f"add {'x' * 65} 1", "add \u00e9 1", "add  "):
            self.assertTrue(self.ask(leader, line).startswith("no: "), line)
        self.add_anywhere("y", 3)
        self.until(lambda: self.ask(leader, "get") == "3")

    def test_a_file_is_its_nodes_and_in_one_use(self):
        self.add_anywhere("x", 1)
        self.assertIn("another process", self.refused(self.file(1), 1))
        self.assertIn("exists", self.refused(self.file(1), 1, "found"))
        self.assertIn("no file", self.refused(self.file(9), 1))
        self.kill(1)
        self.assertIn("belongs to", self.refused(self.file(1), 2))
        self.start(1)
        self.until(lambda: self.ask(1, "get") == "1")

    def test_a_disk_that_fails_ends_its_node_and_loses_nothing(self):
        limited = self.leader()
        self.kill(limited)
        size = Path(self.file(limited)).stat().st_size + 200_000
        self.start(limited, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        total = 0
        while self.processes[limited].poll() is None:
            total += 1
            self.add_anywhere(f"r{total}", 1)
        process = self.processes.pop(limited)
        self.assertEqual(process.wait(), 1)
        self.assertIn("the disk failed", self.said(limited))
        self.assertNotIn("Traceback", self.said(limited))

        self.add_anywhere("after", 1)
        self.start(limited)
        self.until(lambda: self.ask(limited, "get") == str(total + 1))


class SnapshotTest(Processes):
    """A log that keeps few entries, so that a node that was away gets a snapshot."""

    KEEP = "20"
    test_what_was_acknowledged_survives = CounterTest.test_what_was_acknowledged_survives_a_kill_on_every_node

    def test_a_node_that_was_away_gets_a_snapshot(self):
        self.add_anywhere("first", 1)
        self.kill(3)
        for number in range(100):
            self.add_anywhere(f"r{number}", 1)
        self.start(3)
        self.until(lambda: self.ask(3, "get") == "101")
        self.assertIn("snapshot", self.said(3))
        self.kill(3)
        self.start(3)
        self.add_anywhere("last", 1)
        self.until(lambda: self.ask(3, "get") == "102")


class ParseTest(unittest.TestCase):
    def test_an_entry_that_is_no_request_adds_nothing(self):
        sys.path.insert(0, str(COUNTER.parent))
        self.addCleanup(sys.path.remove, str(COUNTER.parent))
        from counter import parse

        self.assertEqual(parse(b"a -5"), ("a", -5))
        for data in (b"", b"\xff 1", b"a", b"a  1", b"a 1 2", b"a 1\n", b"a 1.0", b"a 1234567890", b"a" * 65 + b" 1", b" 1"):
            self.assertIsNone(parse(data), data)

    def test_it_is_short_enough_to_be_read(self):
        self.assertLess(len(COUNTER.read_text().splitlines()), 300)


if __name__ == "__main__":
    unittest.main()
