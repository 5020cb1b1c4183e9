#!/usr/bin/env python3
"""The traps of replicating SQLite by its pages, a test for each."""
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.request

from kit import LIBRARY, READONLY, Failed, Group, Member, free_port, until

BUSY = 5
ROWS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<{}) INSERT INTO {} SELECT randomblob({}) FROM c"


class Traps(unittest.TestCase):
    """One group for all tests: each has a table of its own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="raftlite-")
        cls.group = Group(cls.folder, 3, tick=100).start()

    @classmethod
    def tearDownClass(cls):
        cls.group.end()
        shutil.rmtree(cls.folder)

    def setUp(self):
        self.leader = self.group.leader()
        self.follower = self.group.followers()[0]
        self.table = self._testMethodName[5:25]
        self.leader.sql("CREATE TABLE " + self.table + "(a)")

    def index(self):
        """The last entry that the leader has applied."""
        return int(self.leader.status().split("applied ")[1].split(",")[0])

    def refused(self, call, code, words=""):
        with self.assertRaises(Failed) as caught:
            call()
        self.assertEqual(caught.exception.code & 0xff, code, caught.exception)
        self.assertIn(words, str(caught.exception))

    def all_sound(self):
        self.group.same()
        for m in self.group.running():
            self.assertEqual(m.check(), "ok")

    # ---- what SQL can do ----

    def test_everything_of_sql_is_replicated_to_the_byte(self):
        t = self.table
        self.leader.sql(f"""
            CREATE TABLE log(what, at);
            CREATE TRIGGER tr AFTER INSERT ON {t} BEGIN INSERT INTO log VALUES (new.a, datetime('now')); END;
            INSERT INTO {t} VALUES (random()), (hex(randomblob(9)));
            CREATE TABLE two(a INTEGER PRIMARY KEY, b UNIQUE) WITHOUT ROWID;
            INSERT INTO two SELECT abs(random()), rowid FROM {t};
            CREATE VIRTUAL TABLE words USING fts5(body);
            INSERT INTO words VALUES ('the raft of the medusa'), ('a log');
            CREATE INDEX i ON log(what);
            ALTER TABLE two ADD COLUMN c DEFAULT 7; ALTER TABLE {t} RENAME COLUMN a TO b;
            BEGIN; INSERT INTO words VALUES ('rolled back'); ROLLBACK;
            BEGIN; INSERT INTO words VALUES ('kept'); SAVEPOINT s; DELETE FROM words; ROLLBACK TO s; COMMIT;
            DELETE FROM log WHERE rowid % 2; ANALYZE; REINDEX; VACUUM;""", do="script")
        self.all_sound()
        got = self.follower.sql("SELECT count(*) FROM words WHERE words MATCH 'raft OR kept OR rolled'")
        self.assertEqual(got, [[2]])

    def test_page_size_and_auto_vacuum_change(self):
        self.leader.sql(ROWS.format(400, self.table, 2000))
        for size in (1024, 65536, 512, 4096):
            self.leader.sql(f"PRAGMA page_size={size}")
            self.leader.sql(f"PRAGMA auto_vacuum={size // 512 % 3}")
            self.leader.sql("VACUUM")
            self.leader.sql(f"DELETE FROM {self.table} WHERE rowid IN (SELECT rowid FROM {self.table} LIMIT 60)")
            self.all_sound()
            self.assertEqual(self.follower.sql("PRAGMA page_size", c=f"size {size}"), [[size]])

    def test_the_file_shrinks_on_all_members(self):
        self.leader.sql(ROWS.format(500, self.table, 3000))
        self.leader.sql("DROP TABLE " + self.table)
        before = os.path.getsize(self.leader.path)
        self.leader.sql("VACUUM")
        self.assertLess(os.path.getsize(self.leader.path), before - 1_000_000)
        self.all_sound()

    # ---- transactions ----

    def test_a_spilled_transaction_that_rolls_back_proposes_nothing(self):
        self.leader.sql(ROWS.format(50, self.table, 3000))
        self.leader.sql("PRAGMA cache_size=5")
        before, digest = self.index(), self.group.same()
        self.leader.sql("BEGIN")
        self.leader.sql(ROWS.format(400, self.table, 3000))
        self.leader.sql(f"UPDATE {self.table} SET a = randomblob(3000) WHERE rowid < 50")
        self.leader.sql("ROLLBACK")
        self.assertEqual(self.index(), before)
        self.assertEqual(self.group.same(), digest)
        self.assertEqual(self.leader.sql("SELECT count(*) FROM " + self.table), [[50]])
        self.leader.sql("PRAGMA cache_size=-2000")

    def test_free_pages_that_a_rollback_leaves_changed_are_not_proposed(self):
        self.leader.sql(ROWS.format(300, self.table, 3000))
        self.leader.sql("DELETE FROM " + self.table)
        self.leader.sql("PRAGMA cache_size=5")
        before = self.index()
        self.leader.sql("BEGIN")
        self.leader.sql(ROWS.format(200, self.table, 3000))
        self.leader.sql("ROLLBACK")
        self.assertEqual(self.index(), before)
        self.leader.sql(ROWS.format(100, self.table, 3000))
        self.leader.sql("PRAGMA cache_size=-2000")
        self.all_sound()

    def test_a_large_transaction_goes_in_parts(self):
        before = self.index()
        self.leader.sql(ROWS.format(6000, self.table, 3000))
        self.assertGreater(self.index() - before, 18_000_000 // (512 * 1024))
        self.all_sound()
        self.assertEqual(self.follower.sql("SELECT count(*), sum(length(a)) FROM " + self.table), [[6000, 18_000_000]])
        self.leader.sql("DROP TABLE " + self.table)
        self.leader.sql("VACUUM")
        self.all_sound()

    def test_a_leader_killed_between_two_parts_leaves_nothing(self):
        before = self.group.same()
        n = self.leader.post(do="sql", sql=ROWS.format(8000, self.table, 3000))
        stage = [m for m in self.group.running() if m is not self.leader][0]
        until("a part", 30, lambda: any(f.startswith("stage-") and os.path.getsize(os.path.join(stage.path + "-raft", f)) > 1 << 20
                                        for f in os.listdir(stage.path + "-raft")))
        self.leader.kill()
        self.assertEqual(self.group.leader().sql("SELECT count(*) FROM " + self.table), [[0]])
        self.assertEqual(self.group.same(), before)
        self.leader.start()
        self.group.leader().sql(ROWS.format(2000, self.table, 3000))
        self.all_sound()
        self.assertEqual(self.leader.sql("SELECT count(*) FROM " + self.table), [[2000]])
        del n

    def test_no_journal_is_on_the_disk_in_a_transaction(self):
        for mode in ("delete", "truncate", "persist", "memory"):
            self.leader.sql(f"PRAGMA journal_mode={mode}")
            self.leader.sql("BEGIN IMMEDIATE")
            self.leader.sql(f"INSERT INTO {self.table} VALUES (1)")
            self.assertEqual([f for f in os.listdir(self.leader.folder) if "-journal" in f], [])
            self.leader.sql("COMMIT")
        self.leader.sql("PRAGMA journal_mode=delete")
        self.all_sound()

    def test_modes_that_go_around_the_group_are_refused(self):
        for pragma in ("journal_mode=wal", "journal_mode=OFF", "locking_mode=exclusive", "main.journal_mode='WAL'"):
            self.refused(lambda p=pragma: self.leader.sql("PRAGMA " + p), 1, "a replicated database has no")
        self.assertIn(self.leader.sql("PRAGMA mmap_size=1000000"), ([], [[0]]), "no page of the file is mapped")
        self.leader.sql(f"INSERT INTO {self.table} VALUES (1)")
        self.all_sound()

    def test_temporary_tables_propose_nothing(self):
        before = self.index()
        self.leader.sql("PRAGMA temp_store=1")
        self.leader.sql("CREATE TEMP TABLE beside(a)")
        self.leader.sql(ROWS.format(2000, "beside", 1000))
        self.assertEqual(self.leader.sql("SELECT count(*) FROM beside"), [[2000]])
        self.assertEqual(self.index(), before)
        self.leader.sql("DROP TABLE beside")

    def test_two_replicated_files_in_a_connection_commit_one_after_the_other(self):
        other = Member(self.folder, 7)
        self.leader.sql(f"ATTACH '{other.uri('&found=1')}' AS other")
        self.leader.sql(f"BEGIN; CREATE TABLE other.t(a); INSERT INTO other.t VALUES (1); INSERT INTO {self.table} VALUES (1); COMMIT", do="script")
        self.leader.sql("DETACH other")
        self.assertEqual(other.check(), "ok")
        self.all_sound()
        self.assertEqual(self.follower.sql("SELECT count(*) FROM " + self.table), [[1]])

    # ---- readers ----

    def test_a_reader_at_a_follower_waits_while_entries_are_applied(self):
        self.group.same()  # the follower has the table
        asked = [self.leader.post(do="sql", sql=ROWS.format(20, self.table, 900), thread=1) for _ in range(20)]
        counts = [self.follower.sql("SELECT count(*) FROM " + self.table, c="reader")[0][0] for _ in range(200)]
        for n in asked:
            self.leader.take(n)
        self.assertTrue(all(n % 20 == 0 for n in counts) and counts == sorted(counts), counts)
        self.all_sound()

    def test_a_follower_refuses_writes_and_names_the_leader(self):
        self.group.same()
        self.refused(lambda: self.follower.sql(f"INSERT INTO {self.table} VALUES (1)"), READONLY)
        self.assertEqual(self.follower.sql("PRAGMA raft_leader"), [[f"{self.leader.number} node{self.leader.number}:1"]])

    def test_a_reader_holds_up_the_file_and_not_the_group(self):
        self.group.same()
        self.follower.sql("BEGIN", c="reader")
        self.assertEqual(self.follower.sql("SELECT count(*) FROM " + self.table, c="reader"), [[0]])
        for i in range(50):
            self.leader.sql(f"INSERT INTO {self.table} VALUES (?)", i)
        time.sleep(1)
        self.assertIn("follower; ", self.follower.status())
        self.assertNotIn("waiting for readers 0", self.follower.status())
        self.assertEqual(self.follower.sql("SELECT count(*) FROM " + self.table, c="reader"), [[0]])
        self.follower.sql("COMMIT", c="reader")
        self.all_sound()
        self.assertEqual(self.follower.sql("SELECT count(*) FROM " + self.table, c="reader"), [[50]])

    def test_a_reader_with_an_open_statement_sees_a_schema_change(self):
        self.leader.sql(f"INSERT INTO {self.table} VALUES (1)")
        self.group.same()
        self.follower.sql(f"SELECT * FROM {self.table}", c="reader")
        self.leader.sql(f"ALTER TABLE {self.table} ADD COLUMN b DEFAULT 'new'")
        self.group.same()
        self.assertEqual(self.follower.sql(f"SELECT * FROM {self.table}", c="reader"), [[1, "new"]])
        self.assertEqual(self.leader.sql(f"SELECT * FROM {self.table}", c="other"), [[1, "new"]])

    def test_a_linear_read_shows_what_was_committed_anywhere(self):
        self.follower.sql("PRAGMA raft_read=linear", c="linear")
        for i in range(30):
            self.leader.sql(f"INSERT INTO {self.table} VALUES (?)", i)
            self.assertEqual(self.follower.sql("SELECT max(a) FROM " + self.table, c="linear"), [[i]])
        self.assertEqual(self.follower.sql("PRAGMA raft_barrier"), [["ok"]])

    def test_a_linear_read_fails_where_no_leader_is_reached(self):
        self.group.same()
        self.leader.sql("PRAGMA raft_read=linear", c="linear")
        self.leader.take(self.leader.post(do="timeout", c="linear", ms=100))
        for m in self.group.followers():
            m.kill()
        self.refused(lambda: self.leader.sql("SELECT count(*) FROM " + self.table, c="linear"), BUSY)
        self.assertEqual(self.leader.sql("SELECT count(*) FROM " + self.table, c="local"), [[0]])
        for m in self.group.members:
            if m not in self.group.running():
                m.start(wait=False)
        self.group.leader()

    # ---- processes ----

    def test_a_second_process_reads_and_cannot_write(self):
        self.leader.sql(f"INSERT INTO {self.table} VALUES (7)")
        second = Member(self.folder, 9)
        second.path = self.leader.path
        second.start()
        self.assertEqual(second.sql("SELECT a FROM " + self.table), [[7]])
        self.refused(lambda: second.sql(f"INSERT INTO {self.table} VALUES (8)"), READONLY)
        self.leader.sql(f"INSERT INTO {self.table} VALUES (9)")
        self.assertEqual(second.sql("SELECT count(*) FROM " + self.table), [[2]])
        second.stop()
        self.assertTrue(self.leader.is_leader())

    def test_a_child_of_fork_has_no_part_in_the_group(self):
        old, new = self.leader.sql("SELECT 1 FROM sqlite_master LIMIT 1", do="fork")
        self.assertEqual(old[0], "error")
        self.assertEqual(new, ["rows", [[1]]])
        self.leader.sql(f"INSERT INTO {self.table} VALUES (1)")
        self.all_sound()

    def test_the_stock_shell_reads_the_file(self):
        self.leader.sql(f"INSERT INTO {self.table} VALUES (41)")
        got = subprocess.run(["sqlite3", self.leader.path, f"SELECT a + 1 FROM {self.table}"], capture_output=True, text=True, check=True)
        self.assertEqual(got.stdout, "42\n")

    def test_the_stock_shell_loads_the_extension(self):
        second = os.path.join(self.folder, "shell")
        os.makedirs(second)
        member = Member(self.folder, 8)
        uri = f"file:{second}/app.db?vfs=raft&id=8&peer={member.peer}&found=1&tick=20"
        script = f".load {LIBRARY[:-3]}\n.open {uri}\n.timeout 5000\nCREATE TABLE t(a);\nINSERT INTO t VALUES (5);\nSELECT a FROM t;\nPRAGMA raft_members;\n"
        got = subprocess.run(["sqlite3"], input=script, capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual((got.stdout, got.stderr), (f"5\n8 {member.peer} voter\n", ""))


class Lives(unittest.TestCase):
    """Members that come, go and are sent the file."""

    options = "&log_bytes=65536&verbose=1"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="raftlite-")
        self.group = Group(self.folder, 3, self.options)

    def tearDown(self):
        self.group.end()
        shutil.rmtree(self.folder)

    def test_a_member_that_lags_is_sent_the_file_while_writes_go_on(self):
        self.group.start()
        leader, lagging = self.group.leader(), self.group.followers()[0]
        leader.sql("CREATE TABLE t(a)")
        lagging.kill()
        leader.write_until_cut()
        lagging.start(wait=False)
        for _ in range(40):
            leader.sql("UPDATE t SET a = randomblob(3000) WHERE rowid % 40 = abs(random() % 40)")
        self.group.same()
        with open(os.path.join(lagging.folder, "log"), encoding="utf-8") as f:
            self.assertIn("the database has the snapshot", f.read().split("node 1 of group 1: log to")[-1])
        self.assertEqual(lagging.check(), "ok")

    def test_all_members_restart_and_go_on(self):
        self.group.start()
        self.group.leader().sql("CREATE TABLE t(a)")
        for i in range(3):
            self.group.leader().sql(ROWS.format(100, "t", 1000))
            self.group.same()
            for m in self.group.members:
                m.stop() if i % 2 else m.kill()
            for m in self.group.members:
                m.start(wait=False)
            self.assertEqual(self.group.leader().sql("SELECT count(*) FROM t"), [[100 * (i + 1)]])
        self.group.same()

    def test_a_file_that_goes_through_the_log_again_is_shown_to_nobody(self):
        self.group.start()
        self.group.leader().sql("CREATE TABLE t(a)")
        self.group.leader().sql(ROWS.format(100, "t", 1000))
        self.group.same()
        for m in self.group.members:
            m.kill()
        alone = self.group.members[0].start("&wait=500", wait=False)
        alone.take(alone.post(do="timeout", c="main", ms=100))
        with self.assertRaises(Failed):
            alone.sql("SELECT count(*) FROM t")
        self.assertIn("database is locked", alone.check(wait_ms=0))
        for m in self.group.members[1:]:
            m.start(wait=False)
        until("a read", 20, lambda: self.try_count(alone) == [[100]])
        self.group.same()
        self.assertEqual(alone.check(), "ok")

    @staticmethod
    def try_count(member):
        try:
            return member.sql("SELECT count(*) FROM t")
        except Failed:
            return None

    def test_a_database_that_was_there_before_is_given_to_the_group(self):
        first = self.group.members[0]
        c = sqlite3.connect(first.path)
        c.execute("CREATE TABLE t(a)")
        c.execute(ROWS.format(800, "t", 2000))
        c.commit()
        c.close()
        self.group.start()
        self.group.same()
        self.group.leader().sql("INSERT INTO t VALUES ('more')")
        self.group.same()
        self.assertEqual(self.group.followers()[0].sql("SELECT count(*) FROM t"), [[801]])

    def test_a_database_from_before_survives_a_founder_that_dies_in_giving_it(self):
        first = self.group.members[0]
        with sqlite3.connect(first.path) as c:
            c.execute("CREATE TABLE t(a)")
            c.execute(ROWS.format(10000, "t", 2000))
        c.close()
        first.start("&found=1", wait=False)
        until("a part", 30, lambda: os.path.isdir(first.path + "-raft") and any(f.startswith("stage-") for f in os.listdir(first.path + "-raft")))
        first.kill()
        first.start(wait=False)
        until("the whole", 30, lambda: "applied" in first.status() and self.try_insert(first))
        for m in self.group.members[1:]:
            m.start(f"&join={first.peer}", wait=False)
        for m in self.group.members[1:]:
            m.sql("PRAGMA user_version")
        self.group.same()
        self.assertEqual(self.group.members[2].sql("SELECT count(*) FROM t"), [[10001]])

    @staticmethod
    def try_insert(member):
        try:
            return member.sql("INSERT INTO t VALUES (1)") == []
        except Failed:
            return None

    def test_a_file_in_wal_mode_is_not_taken(self):
        first = self.group.members[0]
        c = sqlite3.connect(first.path)
        c.execute("PRAGMA journal_mode=wal")
        c.execute("CREATE TABLE t(a)")
        c.close()
        self.assertIn("PRAGMA journal_mode=delete", self.fails_to_start(first, "&found=1"))

    def test_a_member_with_a_file_of_its_own_cannot_join(self):
        with sqlite3.connect(self.group.members[1].path) as c:
            c.execute("CREATE TABLE t(a)")
        c.close()
        self.assertIn("gets the file from the group", self.fails_to_start(self.group.members[1], "&join=127.0.0.1:1"))

    def test_a_lost_file_is_noticed(self):
        first = self.group.members[0].start("&found=1")
        first.sql("CREATE TABLE t(a)")
        first.stop()
        os.unlink(first.path)
        self.assertIn("Bring the file back", self.fails_to_start(first, ""))

    def test_a_start_without_settings_says_which_are_wanted(self):
        self.assertIn("a first start needs", self.fails_to_start(self.group.members[0], ""))

    def fails_to_start(self, member, how):
        member.start(how, wait=False)
        self.assertNotEqual(member.process.wait(20), 0)
        with open(os.path.join(member.folder, "log"), encoding="utf-8") as f:
            return f.read()

    def test_members_are_listed_removed_and_backed_up(self):
        self.group.start()
        leader = self.group.leader()
        leader.sql("CREATE TABLE t(a)")
        gone = self.group.followers()[0]
        leader.sql(f"PRAGMA raft_remove={gone.number}")
        until("two members", 10, lambda: len(leader.sql("PRAGMA raft_members")[0][0].split("\n")) == 2)
        gone.kill()
        leader.sql(f"PRAGMA raft_backup='{self.folder}/backup'")
        self.assertGreater(os.path.getsize(self.folder + "/backup"), 8192)
        with self.assertRaises(Failed):
            leader.sql("PRAGMA raft_remove=77")
        leader.sql("INSERT INTO t VALUES (1)")
        self.group.same()

    def test_a_backup_founds_a_new_group(self):
        self.group.start()
        leader = self.group.leader()
        leader.sql("CREATE TABLE t(a)")
        leader.sql("INSERT INTO t VALUES (1)")
        backup = self.folder + "/backup"
        self.group.followers()[0].sql(f"PRAGMA raft_backup='{backup}'")
        leader.sql("INSERT INTO t VALUES (2)")
        new = Group(self.folder + "/new", 2)
        try:
            founder, other = new.members
            os.makedirs(os.path.dirname(founder.path), exist_ok=True)
            with open(founder.path, "wb") as f:
                f.write(b"SQLite format 3")
            self.assertIn("exists already", self.fails_to_start(founder, f"&found=1&restore={backup}"))
            os.unlink(founder.path)
            founder.start(f"&found=1&restore={backup}")
            until("a leader", 10, lambda: founder.sql("PRAGMA raft_leader")[0][0])
            founder.sql("INSERT INTO t VALUES (3)")
            self.assertEqual(founder.sql("SELECT a FROM t"), [[1], [3]])
            other.start(f"&join={founder.peer}")
            until("the rows of the new group", 10, lambda: other.sql("SELECT count(*) FROM sqlite_schema")[0][0] == 1)
            new.same()
        finally:
            new.end()

    def test_a_backup_is_of_one_moment(self):
        self.group.start()
        leader, follower = self.group.leader(), self.group.followers()[0]
        leader.sql("CREATE TABLE first(a)")
        leader.sql("CREATE TABLE filler(a)")
        leader.sql("INSERT INTO first VALUES (0)")
        for _ in range(8):
            leader.sql(ROWS.format(1000, "filler", 3000))
        leader.sql("CREATE TABLE last AS SELECT 0 AS a")
        self.group.same()
        backup, changes = self.folder + "/backup", 0
        asked = follower.post(do="sql", c="backup", sql=f"PRAGMA raft_backup='{backup}'", thread=True)
        while not follower.has_answered(asked) or changes < 3:
            leader.sql("BEGIN; UPDATE first SET a = a + 1; UPDATE last SET a = a + 1; COMMIT", do="script")
            changes += 1
        new = Group(self.folder + "/new", 1)
        try:
            founder = new.members[0].start(f"&found=1&restore={backup}")
            [[first, last]] = founder.sql("SELECT first.a, last.a FROM first, last")
            self.assertEqual(first, last, f"{changes} changes while the backup was made")
            self.assertEqual(founder.check(), "ok")
        finally:
            new.end()

    def test_a_survivor_of_a_lost_quorum_goes_on_alone(self):
        self.group.start()
        self.group.leader().sql("CREATE TABLE t(a)")
        self.group.same()
        survivor = self.group.followers()[0]
        for member in self.group.members:
            member.kill()
        port = free_port()
        survivor.start(f"&alone=1&metrics=127.0.0.1:{port}")
        until("a leader", 10, lambda: survivor.sql("PRAGMA raft_leader")[0][0])
        survivor.sql("INSERT INTO t VALUES (1)")
        self.assertEqual(len(survivor.sql("PRAGMA raft_members")[0][0].split("\n")), 1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answered:
            self.assertIn(b"# TYPE raftcore_commit_index gauge", answered.read())
        with open(os.path.join(survivor.folder, "log"), encoding="utf-8") as f:
            self.assertIn("whole group", f.read())


if __name__ == "__main__":
    random.seed(1)
    unittest.main(verbosity=2)
