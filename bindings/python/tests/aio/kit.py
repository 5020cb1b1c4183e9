"""A group of raftcore.aio in one event loop, certificates for the members, and a time limit for every test."""

import asyncio
import dataclasses
import io
import logging
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from raftcore.aio import TLS, Group, Options, write

sys.path.append(str(Path(__file__).parents[4] / "tests"))
from ports import free_port  # noqa: E402


class Journal:
    """Remembers every write, in order."""

    def __init__(self):
        self.words = []

    @write
    def add(self, word):
        self.words.append(word)
        return len(self.words)

    @write
    def add_all(self, *words, sep=""):
        for word in words:
            self.add(word + sep)
        return self.words

    @write
    def refuse(self, word):
        raise ValueError(f"no {word} here")

    @write
    def unpicklable(self):
        return lambda: None


class TimedTest(unittest.TestCase):
    """A test that hangs fails, and the stack says where. Cleanups have ten seconds more each."""

    LIMIT = 240  # seconds, also where many other tests run

    def run(self, result=None):
        before = signal.signal(signal.SIGALRM, self._too_long)
        signal.alarm(self.LIMIT)
        try:
            return super().run(result)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def _too_long(self, *_):
        signal.alarm(10)
        self.fail(f"not done within {self.LIMIT} s")


class GroupTest(TimedTest, unittest.IsolatedAsyncioTestCase):
    """Makes members by id, in a directory of the test. After TEST_LIMIT seconds a test fails with the stacks of all tasks."""

    OPTIONS = {"tick": 0.03, "timeout": 30.0}
    TEST_LIMIT = 120

    def __init__(self, method="runTest"):
        super().__init__(method)
        test = getattr(self, method, None)  # None: the class is asked for its name alone

        async def timed():
            task = asyncio.ensure_future(test())
            await asyncio.wait([task], timeout=self.TEST_LIMIT)
            if not task.done():
                stacks = io.StringIO()
                for other in asyncio.all_tasks():
                    other.print_stack(file=stacks)
                task.cancel()
                await asyncio.wait([task], timeout=5)
                self.fail(f"not done within {self.TEST_LIMIT} s:\n{stacks.getvalue()}")
            await task

        if test is not None:
            setattr(self, method, timed)

    async def asyncSetUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.addresses = {id: f"127.0.0.1:{free_port()}" for id in range(1, 7)}
        self.groups, self.machines = {}, {}
        self.log = logging.getLogger(f"test.{self.id()}")
        self.log.setLevel(logging.CRITICAL)
        # No task may fail unseen, and no task may be left.
        self.faults = []
        asyncio.get_running_loop().set_exception_handler(self._fault)
        if "PYTHONASYNCIODEBUG" not in os.environ:  # debug mode takes most of the time of a test
            asyncio.get_running_loop().set_debug(False)

    async def asyncTearDown(self):
        for group in self.groups.values():
            await group.close()
        await asyncio.sleep(0)
        self.assertEqual(self.faults, [])
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and "raftcore" in repr(task)]
        self.assertEqual(left, [])

    def _fault(self, loop, context):
        if "transport creation" not in context["message"]:  # a stranger at the door, in debug mode
            self.faults.append(context)

    def make(self, id, *, to=None, found=False, machine=None, directory=None, **options):
        peers = {id: self.addresses[id]}
        if not found:
            peers.update((other, self.addresses[other]) for other in ([to] if to else self.groups) if other != id)
        settings = Options(**{**self.OPTIONS, "logger": self.log, **options})
        self.machines[id] = machine or Journal()
        return Group(self.machines[id], directory or self.folder / str(id), id, peers, found=found, options=settings)

    async def start(self, id, **how):
        group = self.groups[id] = self.make(id, **how)
        return await group.start()

    async def start_three(self, **options):
        """Returns the groups of three voters; member 1 leads."""
        await self.start(1, found=True, **options)
        for id in (2, 3):
            await self.start(id, **options)
            await self.groups[1].promote(id)
        return [self.groups[id] for id in (1, 2, 3)]

    def set_timeout(self, id, seconds):
        host = self.groups[id]._host
        host.options = dataclasses.replace(host.options, timeout=seconds)

    async def add(self, id, *words):
        for word in words:
            await self.groups[id].write(self.machines[id].add, word)

    async def until(self, check, seconds=60):
        end = asyncio.get_running_loop().time() + seconds
        while not check():
            self.assertLess(asyncio.get_running_loop().time(), end, "not in time")
            await asyncio.sleep(0.01)

    async def read(self, id):
        await self.groups[id].read()
        return self.machines[id].words


def certificates(folder, urns):
    """Returns TLS by name: an authority, and a certificate for each {name: urn}."""

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(*new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name, urn in urns.items():
        openssl(*new, "-subj", f"/CN={name}", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-addext", f"subjectAltName=URI:{urn}", "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    return {name: TLS(f"{folder}/{name}.pem", f"{folder}/{name}.key", f"{folder}/ca.pem") for name in urns}
