#!/usr/bin/env python3
"""What reaches a member from outside: strangers on the network, and a disk without space."""
import contextlib
import os
import shutil
import sys
import tempfile
import time
import unittest

from kit import ROOT, Failed, Group, Member, until

sys.path.insert(0, os.path.join(ROOT, "tests", "interop"))
from machine import Ballast, certificates, free_bytes, small_disk  # noqa: E402

FULL = 13
SEGMENT = 1 << 20


class Outside(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="raftlite-")
        self.cleanup = contextlib.ExitStack()
        self.cleanup.callback(shutil.rmtree, self.folder)
        self.group = None

    def tearDown(self):
        if self.group:
            self.group.end()
        self.cleanup.close()

    def log(self, member):
        with open(os.path.join(member.folder, "log"), encoding="utf-8") as f:
            return f.read()


class Tls(Outside):
    def identify(self, member, where, number=None):
        name = f"{where}/{number or member.number}"
        member.options = f"&tls_ca={where}/ca.pem&tls_cert={name}.pem&tls_key={name}.key&verbose=1"

    def test_members_speak_tls_and_strangers_are_refused(self):
        ours = certificates(os.path.join(self.folder, "ours"), range(1, 6))
        theirs = certificates(os.path.join(self.folder, "theirs"), [4])
        self.group = Group(self.folder, 3, tick=60)
        for m in self.group.members:
            self.identify(m, ours)
        self.group.start()
        leader = self.group.leader()
        leader.sql("CREATE TABLE t(a)")
        leader.sql("INSERT INTO t VALUES (1)")
        self.group.same()
        strangers = [Member(self.folder, n) for n in (4, 6, 7)]
        self.identify(strangers[0], theirs)
        strangers[1].options = "&verbose=1"
        self.identify(strangers[2], ours, 5)
        for m in strangers:
            m.start(f"&join={leader.peer}", wait=False)
            self.cleanup.callback(m.kill)
        until("words to the stranger", 20, lambda: "certificate" in self.log(strangers[0]))
        until("words about strangers", 20, lambda: "TLS" in self.log(leader))
        until("words about the wrong id", 20, lambda: "does not hold urn:raftcore:1:7" in self.log(strangers[2]))
        time.sleep(0.5)
        self.assertFalse(any(os.path.exists(m.path) and os.path.getsize(m.path) for m in strangers))
        self.assertRegex(leader.sql("PRAGMA raft_members")[0][0], "^1 .* voter\n2 .* voter\n3 .* voter$")
        for m in strangers:
            m.kill()
        leader.kill()
        new = self.group.leader()
        new.sql("INSERT INTO t VALUES (2)")
        leader.start(wait=False)
        self.group.same()
        self.assertEqual(leader.sql("SELECT count(*) FROM t"), [[2]])


class Full(Outside):
    """A disk for each member. The library refuses writes below two files of the log."""

    def set_up_disks(self):
        self.group = Group(self.folder, 3, f"&log_bytes={SEGMENT}", tick=60)
        disks = [self.cleanup.enter_context(small_disk(os.path.join(self.folder, str(m.number), "disk"), 48)) for m in self.group.members]
        if None in disks:
            return False
        for m, disk in zip(self.group.members, disks):
            m.path, m.ballast = os.path.join(disk, "app.db"), Ballast(disk)
        self.cleanup.callback(self.group.end)
        self.group.start()
        return True

    def insert(self, seconds=20):
        """A row at whichever member leads. Returns the code of the last refusal, or None."""
        refusal = []

        def once():
            with contextlib.suppress(AssertionError):
                leader = self.group.leader(1)
                try:
                    leader.sql("INSERT INTO t VALUES (randomblob(2000))")
                    self.rows += 1
                    return True
                except Failed as e:
                    refusal.append(e.code & 0xff)
                    return refusal[-1] == FULL
            return False
        until("an answer", seconds, once)
        return refusal[-1] if refusal and refusal[-1] == FULL else None

    def test_a_full_disk_refuses_writes_in_words_and_loses_nothing(self):
        if not self.set_up_disks():
            return
        self.rows = 0
        first = self.group.leader()
        first.sql("CREATE TABLE t(a)")
        for _ in range(20):
            self.assertIsNone(self.insert())
        self.group.same()

        first.ballast.leave(SEGMENT)
        until("another member leads", 20, lambda: self.group.leader() is not first)
        self.assertIsNone(self.insert())

        for m in self.group.members:
            m.ballast.leave(SEGMENT)
        until("a word about the disk", 20, lambda: self.insert() == FULL and "disk" in self.group.leader().status())
        for m in self.group.members:
            m.ballast.leave(0)
            self.assertLess(free_bytes(os.path.dirname(m.path)), 4096)
            self.assertEqual(m.sql("SELECT count(*) FROM t"), [[self.rows]])

        for m in self.group.members:
            m.kill()
            m.ballast.drop()
            m.start(wait=False)
        self.assertIsNone(self.insert(30))
        self.group.same()
        for m in self.group.members:
            self.assertEqual(m.check(), "ok")
            self.assertEqual(m.sql("SELECT count(*) FROM t", c="new"), [[self.rows]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
