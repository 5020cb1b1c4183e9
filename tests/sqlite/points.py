#!/usr/bin/env python3
"""A commit of the leader, and the leader or a follower dies in front of one of its calls to the system: each call in turn.

    points.py POINT.SO     STRIDE=1 takes each call; 4 each fourth

The transaction changes many pages and cuts the file. Afterwards all files must be equal, sound, and hold the transaction
wholly or not at all: wholly, if it was acknowledged.
"""
import contextlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile

from kit import Failed, Gone, Group, until

POINT, STRIDE = os.path.abspath(sys.argv[1]), int(os.environ.get("STRIDE", "1"))
ROWS = 40
FILL = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<{ROWS}) INSERT INTO t SELECT randomblob(900), ? FROM c"


class Points:
    def __init__(self, folder):
        self.group = Group(folder, 3)
        for m in self.group.members:
            m.point = os.path.join(m.folder, "point")
            with open(m.point, "wb") as f:
                f.write(bytes(16))
            m.environment = {"LD_PRELOAD": POINT, "POINT": m.point}
        self.group.start()
        self.group.leader().sql("CREATE TABLE t(a, version)")
        self.group.leader().sql(FILL, 0)
        self.version, self.acknowledged, self.kills = 0, 0, 0

    @staticmethod
    def set(member, n):
        with open(member.point, "r+b") as f:
            f.write(struct.pack("<QQ", n, 0))

    @staticmethod
    def seen(member):
        with open(member.point, "rb") as f:
            return struct.unpack("<QQ", f.read(16))[1]

    def commit(self, leader):
        """Replaces all rows. Returns whether the program was told that it did."""
        self.version += 1
        try:
            leader.sql("BEGIN IMMEDIATE")
            leader.sql("DELETE FROM t")
            leader.sql(FILL, self.version)
            leader.sql("COMMIT")
            return True
        except (Gone, Failed):
            return False

    def check(self, told, before):
        for m in self.group.members:
            self.set(m, 0)
            if m.process.poll() is not None:
                m.start(wait=False)
        leader = self.group.leader()
        until("a word", 30, lambda: self.try_sql(leader, "UPDATE t SET a = a WHERE 0") is not None)
        self.group.same()
        rows = leader.sql("SELECT version, count(*) FROM t GROUP BY version")
        allowed = ([[self.version, ROWS]],) if told else ([[self.version, ROWS]], [[before, ROWS]])
        assert rows in allowed, (rows, self.version, before, told)
        for m in self.group.members:
            assert m.check() == "ok", (m.number, m.check())
        return rows[0][0]

    @staticmethod
    def try_sql(member, sql):
        try:
            return member.sql(sql)
        except Failed:
            return None

    def calls(self, victim):
        """Returns how many calls a commit has there, until all members have it."""
        leader = self.group.leader()
        self.set(victim, 1 << 40)
        assert self.commit(leader)
        self.group.same()
        return self.seen(victim)

    def victim(self, whose):
        leader = self.group.leader()
        return leader if whose == "leader" else self.group.followers()[0]

    def each_point(self, whose):
        """Returns how many calls a commit has, on the leader or on a follower."""
        calls = self.calls(self.victim(whose))
        for n in range(1, calls + 1, STRIDE):
            leader, victim = self.group.leader(), self.victim(whose)
            before = leader.sql("SELECT min(version) FROM t")[0][0]
            self.set(victim, n)
            told = self.commit(leader)
            with contextlib.suppress(subprocess.TimeoutExpired):
                victim.process.wait(0.5 if told else 5)
            self.kills += victim.process.poll() is not None
            self.check(told, before)
        return calls


folder = tempfile.mkdtemp(prefix="raftlite-")
points = Points(folder)
try:
    for whose in ("leader", "follower"):
        calls = points.each_point(whose)
        print(f"{whose}: a commit has {calls} calls to the system; killed in front of "
              + ("each of them" if STRIDE == 1 else f"each {STRIDE}th"))
    print(f"{points.kills} kills, no file torn, no transaction halved")
    shutil.rmtree(folder)
finally:
    points.group.end()
