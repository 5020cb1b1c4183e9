#!/usr/bin/env python3
"""Each end that a commit can have, by name: the table of examples-c/sqlite/README.md.

    states.py [NAME…]     a leader's commit while followers are stopped, killed, or elect another leader
"""
import os
import shutil
import signal
import tempfile
import time
import unittest

from kit import READONLY, Failed, Group, Gone, until

IOERR, BUSY = 10, 5


class States(unittest.TestCase):
    """One group for all tests of a class. Each test leaves three members that run and are equal."""

    options = "&wait=20000"

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="raftlite-")
        cls.group = Group(cls.folder, 3, cls.options, tick=60).start()

    @classmethod
    def tearDownClass(cls):
        cls.group.end()
        shutil.rmtree(cls.folder)

    def setUp(self):
        for m in self.group.members:
            for c in ("main", "old", "fresh", "new", "other"):
                m.sql("", do="close", c=c)
        self.leader = self.group.leader()
        self.others = [m for m in self.group.members if m is not self.leader]
        self.leader.sql("DROP TABLE IF EXISTS t")
        self.leader.sql("CREATE TABLE t(a)")
        self.leader.sql("INSERT INTO t VALUES ('before')")
        self.group.same()

    def signal_others(self, how):
        for m in self.others:
            m.kill(how)

    def restart_others(self):
        """Killed programs have lost what was on the network."""
        for m in self.others:
            m.kill()
        for m in self.others:
            m.start(wait=False)

    def commit_alone(self, name="main"):
        """A commit on a leader that nobody hears. Returns what `take` wants."""
        self.signal_others(signal.SIGSTOP)
        return self.under_way("INSERT INTO t VALUES ('alone')", name)

    def under_way(self, sql, name="main"):
        n = self.leader.post(do="sql", c=name, sql=sql, thread=1)
        until("a commit is under way", 20, lambda: "under way 1" in self.leader.status())
        return n

    def others_go_on(self):
        """The leader is stopped, the others restart and commit without it. Returns the new leader."""
        self.leader.kill(signal.SIGSTOP)
        self.restart_others()
        new = []
        until("another leader", 20, lambda: new.extend(m for m in self.others if m.is_leader()) or new)
        new[0].sql("INSERT INTO t VALUES ('elsewhere')")
        return new[0]

    def rows(self, member, c="main"):
        return [r[0] for r in member.sql("SELECT a FROM t ORDER BY rowid", c=c)]

    def all_have(self, rows):
        self.group.same()
        for m in self.group.members:
            until(f"{rows} on {m.number}: {self.try_rows(m)}", 20, lambda m=m: self.try_rows(m) == rows)
            self.assertEqual(m.check(), "ok")

    def try_rows(self, member):
        try:
            return self.rows(member, c="fresh")
        except Failed as e:
            return e

    def refused(self, call, code=READONLY):
        with self.assertRaises(Failed) as caught:
            call()
        self.assertEqual(caught.exception.code & 0xff, code, caught.exception)
        return caught.exception

    # ---- known at once ----

    def test_refused_before_it_is_proposed(self):
        self.leader.sql("BEGIN IMMEDIATE")
        self.leader.sql("INSERT INTO t VALUES ('open')")
        self.leader.sql("PRAGMA raft_transfer", c="other")
        self.refused(lambda: self.leader.sql("COMMIT"))
        until("another leader", 20, lambda: any(m.is_leader() for m in self.others))
        self.assertEqual(self.rows(self.leader), ["before"])
        self.group.leader().sql("INSERT INTO t VALUES ('after')")
        self.all_have(["before", "after"])

    def test_committed_although_the_leader_waited_long(self):
        n = self.commit_alone()
        time.sleep(2.5)  # the host gives up its own wait after two seconds
        self.signal_others(signal.SIGCONT)
        self.leader.take(n)
        self.assertEqual(self.rows(self.leader), ["before", "alone"])
        self.all_have(["before", "alone"])

    # ---- unknown, and settled within the wait ----

    def test_void_because_another_leader_went_on(self):
        n = self.commit_alone()
        self.others_go_on()
        self.leader.kill(signal.SIGCONT)
        self.refused(lambda: self.leader.take(n))
        self.all_have(["before", "elsewhere"])
        self.assertEqual(self.rows(self.leader), ["before", "elsewhere"])

    def spill(self, rows):
        self.leader.sql("PRAGMA cache_size=5")
        self.leader.sql("BEGIN")
        self.leader.sql("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<?) "
                        "INSERT INTO t SELECT randomblob(3000) FROM c", rows)
        self.signal_others(signal.SIGSTOP)

    def test_void_in_a_long_transaction_that_had_spilled(self):
        self.spill(100)
        n = self.under_way("COMMIT")
        self.others_go_on()
        self.leader.kill(signal.SIGCONT)
        self.refused(lambda: self.leader.take(n))
        self.all_have(["before", "elsewhere"])

    def test_refused_because_a_part_was_not_committed(self):
        self.spill(600)
        n = self.leader.post(do="sql", sql="COMMIT", thread=1)
        self.others_go_on()
        self.leader.kill(signal.SIGCONT)
        self.refused(lambda: self.leader.take(n))
        self.all_have(["before", "elsewhere"])

    def test_an_open_transaction_is_refused_once_another_leader_went_on(self):
        self.leader.sql("BEGIN IMMEDIATE")
        self.leader.sql("INSERT INTO t VALUES ('open')")
        self.others_go_on()
        self.leader.kill(signal.SIGCONT)
        until("the leader knows", 20, lambda: not self.leader.is_leader())
        self.refused(lambda: self.leader.sql("COMMIT"))
        self.all_have(["before", "elsewhere"])

    def test_refused_although_the_leadership_came_back(self):
        """The other leader's entry waits for the writer's lock. A commit behind this entry would wait for ever."""
        self.leader.sql("BEGIN IMMEDIATE")
        self.leader.sql("INSERT INTO t VALUES ('open')")
        other = self.others[0]
        self.leader.sql(f"PRAGMA raft_transfer={other.number}", c="other")
        until("the other one leads", 20, other.is_leader)
        other.sql("INSERT INTO t VALUES ('elsewhere')")
        until("the entry waits", 20, lambda: "waiting for readers 0" not in self.leader.status())
        other.sql(f"PRAGMA raft_transfer={self.leader.number}", c="other")
        until("the leadership is back", 20, self.leader.is_leader)
        self.refused(lambda: self.leader.sql("COMMIT", seconds=20))
        self.all_have(["before", "elsewhere"])

    def test_a_fence_of_another_node_repeats_a_transaction(self):
        n = self.commit_alone()
        new = self.others_go_on()
        self.leader.kill(signal.SIGCONT)
        for i in range(300):  # the old leader's fences come in between
            new.sql("INSERT INTO t VALUES (?)", i)
        self.refused(lambda: self.leader.take(n))
        self.all_have(["before", "elsewhere", *range(300)])

    # ---- a killed process ----

    def test_killed_in_the_wait(self):
        n = self.commit_alone()
        self.leader.kill()
        with self.assertRaises(Gone):
            self.leader.take(n)
        self.signal_others(signal.SIGCONT)
        self.leader.start(wait=False)
        self.group.leader().sql("INSERT INTO t VALUES ('after')")
        self.group.same()
        rows = self.rows(self.group.leader())
        self.assertIn(rows, (["before", "after"], ["before", "alone", "after"]))
        self.all_have(rows)


class Doubts(States):
    """With a short wait, the error comes before the log's word."""

    options = "&wait=3000"

    def commit_in_doubt(self):
        self.leader.sql("SELECT count(*) FROM t", c="old")
        n = self.commit_alone()
        error = self.refused(lambda: self.leader.take(n), IOERR)
        self.assertFalse(error.in_transaction)
        self.assertIn("in doubt 1", self.leader.status())
        for c in ("main", "old"):
            self.leader.take(self.leader.post(do="timeout", c=c, ms=100))
            self.refused(lambda c=c: self.rows(self.leader, c), BUSY)

    def test_in_doubt_then_void(self):
        self.commit_in_doubt()
        self.others_go_on()
        self.leader.kill(signal.SIGCONT)
        until("no doubt", 20, lambda: "in doubt 0" in self.leader.status())
        self.all_have(["before", "elsewhere"])
        for c in ("main", "old"):
            self.assertEqual(self.rows(self.leader, c), ["before", "elsewhere"])

    def test_in_doubt_then_in_effect_is_never_seen_by_an_open_connection(self):
        self.commit_in_doubt()
        self.signal_others(signal.SIGCONT)  # what the leader sent reaches them now
        until("no doubt", 20, lambda: "in doubt 0" in self.leader.status())
        for c in ("main", "old"):
            self.refused(lambda c=c: self.rows(self.leader, c), IOERR)
        self.assertEqual(self.rows(self.leader, "new"), ["before", "alone"])
        self.leader.sql("", do="close", c="main")
        self.assertEqual(self.rows(self.leader, "main"), ["before", "alone"])
        self.all_have(["before", "alone"])


class Beneath(States):
    """The log is cut soon, so that a member that comes back is sent the file."""

    options = "&wait=20000&log_bytes=65536&verbose=1"

    def test_in_a_snapshot_beneath_later_commits(self):
        n = self.commit_alone()
        self.leader.kill(signal.SIGSTOP)
        self.signal_others(signal.SIGCONT)  # what the leader sent reaches them now
        new = []
        until("another leader", 20, lambda: new.extend(m for m in self.others if m.is_leader()) or new)
        self.assertEqual(self.rows(new[0]), ["before", "alone"])
        rows = new[0].write_until_cut()  # the host keeps the log for a member that was heard a few election timeouts ago
        self.leader.kill(signal.SIGCONT)
        try:
            self.leader.take(n)  # the entries themselves came
        except Failed as e:
            self.assertEqual(e.code & 0xff, IOERR)
            self.refused(lambda: self.rows(self.leader), IOERR)
        self.group.same()
        self.assertEqual(len(self.rows(self.leader, "new")), 2 + rows)
        self.assertEqual(self.leader.check(), "ok")
        with open(os.path.join(self.leader.folder, "log"), encoding="utf-8") as f:
            self.assertIn("the database has the snapshot", f.read())


# A class with other options has its own tests only.
for case in (Doubts, Beneath):
    for name in dir(States):
        if name.startswith("test_") and name not in case.__dict__:
            setattr(case, name, None)
del case  # or unittest finds the class twice

if __name__ == "__main__":
    unittest.main(verbosity=2)
