"""The examples of raftcore.aio: the counter as three processes, killed under load, the lock
with stalled holders; short programs, too.
"""

import ast
import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

from kit import GroupTest, TimedTest, free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.append(str(EXAMPLES))


class Client(threading.Thread):
    """Adds 1, and repeats an addition through random members until there is an answer."""

    def __init__(self, ports):
        super().__init__(daemon=True)
        self.ports, self.session, self.answers, self.stopped = ports, os.urandom(16).hex(), [], False

    def run(self):
        while not self.stopped:
            line = f"add 1 {self.session} {len(self.answers) + 1}"
            while not (said := ask(random.choice(self.ports), line)).isdigit():
                if said.startswith("no:"):
                    raise AssertionError(said)
                time.sleep(0.02)
            self.answers.append(int(said))


def ask(port, line, timeout=12):
    """Returns the answer; empty: the member is gone."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
            client.sendall(line.encode() + b"\n")
            return client.makefile().readline().strip()
    except OSError:
        return ""


def take_interrupts():
    """A shell that runs the tests in the background makes them, and their children, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Counter(TimedTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.peers = ",".join(f"{id}=127.0.0.1:{free_port()}" for id in (1, 2, 3))
        self.ports = {id: free_port() for id in (1, 2, 3)}
        self.processes = {}
        self.addCleanup(lambda: [self.stop(id) for id in list(self.processes)])

    def start(self, id, *words):
        command = [sys.executable, str(EXAMPLES / "aio_counter.py"), f"{self.folder}/{id}", str(id), f"127.0.0.1:{self.ports[id]}"]
        with open(f"{self.folder}/{id}.log", "a") as log:
            self.processes[id] = subprocess.Popen([*command, self.peers, *words], stderr=log, preexec_fn=take_interrupts)

    def stop(self, id, how=signal.SIGKILL):
        process = self.processes.pop(id)
        process.send_signal(how)
        return process.wait(20)

    def until_it_answers(self, id):
        end = time.monotonic() + 60
        while not ask(self.ports[id], "get").isdigit():
            self.assertLess(time.monotonic(), end, Path(f"{self.folder}/{id}.log").read_text())
            time.sleep(0.05)

    def test_no_addition_is_lost_or_counted_twice_while_members_are_killed(self):
        self.start(1, "found")
        for id in (1, 2, 3):
            if id > 1:
                self.start(id)
            self.until_it_answers(id)
        clients = [Client(list(self.ports.values())) for _ in range(4)]
        for client in clients:
            client.start()
        for round in range(4):
            time.sleep(0.5)
            id = round % 3 + 1
            self.stop(id)
            self.start(id)
            self.until_it_answers(id)
        for client in clients:
            client.stopped = True
        for client in clients:
            client.join(30)
        answers = sorted(answer for client in clients for answer in client.answers)
        self.assertEqual(answers, list(range(1, len(answers) + 1)))
        self.assertGreater(len(answers), 50)
        self.assertEqual({ask(port, "get") for port in self.ports.values()}, {str(len(answers))})
        last = f"add 1 {clients[0].session} {len(clients[0].answers)}"
        self.assertEqual({ask(port, last) for port in self.ports.values()}, {str(clients[0].answers[-1])})

    def test_senseless_lines_are_refused_before_they_reach_the_log(self):
        self.start(1, "found")
        self.until_it_answers(1)
        session = "ab" * 16
        lines = ("", "add", "add x", "add 5", f"add 5 {session} 0", f"add {10**10} {session} 1", f"add 5 {session[:-1]} 1",
                     "drop", f"add 5 {'0' * 32} 1", "\x00\xff", "x" * 100_000)  # fmt: skip
        for line in lines:
            self.assertNotRegex(ask(self.ports[1], line), r"^\d", line)
        self.assertEqual(ask(self.ports[1], "get"), "0")
        self.assertEqual(ask(self.ports[1], f"add -5 {session} 1"), "-5")

    def test_a_client_that_stays_connected_delays_no_end(self):
        self.start(1, "found")
        self.until_it_answers(1)
        with socket.create_connection(("127.0.0.1", self.ports[1])) as client:
            client.sendall(b"get\n")
            self.assertEqual(client.recv(10), b"0\n")
            self.assertIn(self.stop(1, signal.SIGINT), (0, 130))

    def test_wrong_starts_end_with_a_sentence_and_no_traceback(self):
        self.start(1)
        self.peers = f"1=127.0.0.1:{free_port()}"
        self.start(2, "found")
        for id, words in ((1, None), (2, "no address of 2")):
            if words:
                self.processes.pop(id).wait(20)
                self.assertIn(words, Path(f"{self.folder}/{id}.log").read_text())
        self.stop(1)
        self.start(1)  # alone, with an empty directory: nothing is founded
        self.processes.pop(1).wait(20)
        self.assertRegex(Path(f"{self.folder}/1.log").read_text(), r"(?m)^.*pass found=True, once.*$")
        self.assertNotIn("Traceback", Path(f"{self.folder}/1.log").read_text())
        self.start(1, "found")
        self.until_it_answers(1)
        self.assertIn(self.stop(1, signal.SIGINT), (0, 130))
        self.start(1)
        self.until_it_answers(1)


class Lock(GroupTest):
    async def test_a_stalled_holder_loses_the_lock_and_its_token_is_old(self):
        from aio_lock import Locks, locked

        machines = {id: Locks() for id in (1, 2)}
        for id in (1, 2):
            await self.start(id, machine=machines[id], found=id == 1)
        seen = []

        async def work(id, name):
            async with locked(self.groups[id], machines[id], "printer", name) as token:
                seen.append((name, token))
                await asyncio.sleep(0.01)

        await asyncio.gather(*[work(n % 2 + 1, f"worker {n}") for n in range(4)])
        self.assertEqual(sorted(token for _, token in seen), [1, 2, 3, 4])
        self.assertEqual([token for _, token in seen], [1, 2, 3, 4])
        acquire, release = machines[1].acquire, machines[1].release
        write = self.groups[1].write
        now = time.time()
        old = await write(acquire, "printer", "stalled", now, 1.0)
        self.assertEqual(await write(acquire, "printer", "other", now + 0.5, 1.0), 0)
        self.assertEqual(await write(acquire, "printer", "stalled", now + 0.5, 1.0), old)  # renewed
        new = await write(acquire, "printer", "other", now + 2, 1.0)
        self.assertGreater(new, old)
        self.assertFalse(await write(release, "printer", "stalled", old))
        self.assertEqual(await write(acquire, "printer", "stalled", now, 1.0), 0)  # a clock that is behind
        self.assertTrue(await write(release, "printer", "other", new))

    async def test_the_program_prints_two_tokens(self):
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, str(EXAMPLES / "aio_lock.py")], capture_output=True, text=True, timeout=30
        )
        self.assertEqual((ran.stdout, ran.stderr), ("ann prints with token 1\nbob prints with token 2\n", ""))


class Lines(TimedTest):
    def test_an_example_has_fewer_than_60_lines_of_code(self):
        for path in EXAMPLES.glob("aio_*.py"):
            text = path.read_text()
            words = set()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
                    words.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
            lines = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() and n not in words]
            self.assertLess(len(lines), 60, path.name)


if __name__ == "__main__":
    unittest.main()
