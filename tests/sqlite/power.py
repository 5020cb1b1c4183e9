#!/usr/bin/env python3
"""The power fails at a member, at any moment: unsynced writes are lost, kept, or kept in part, sector by sector.

    power.py POWER.SO [commits | joins]     CUTS=12 moments; SEED=… repeats the choices

A member writes as leader and follower, while power.so records its file, state and log. A second one joins, and is sent the
file. Then each starts on folders that a power cut may have left. The file must become equal to the others', and sound.
"""
import ctypes
import os
import random
import shutil
import sys
import tempfile
import time

from kit import Failed, Gone, Group, until

POWER, CUTS = os.path.abspath(sys.argv[1]), int(os.environ.get("CUTS", "12"))
SEED = int(os.environ.get("SEED", time.time_ns() % 10**6))
MODES = {0: "nothing unsynced", 1: "everything", 2: "names alone", 3: "sectors"}
BEFORE, BEHIND = 10, 60  # calls around a snapshot
ROWS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c WHERE n<{}) INSERT INTO t SELECT randomblob({}) FROM c"
chance = random.Random(SEED)


def lead(group, member):
    """Hands the leadership to a member."""
    def asked():
        if member.is_leader():
            return True
        try:
            group.leader().sql(f"PRAGMA raft_transfer={member.number}", c="transfer")
        except Failed:
            time.sleep(0.05)
        return False
    until(f"member {member.number} leads", 20, asked)


def work(group):
    """Small and large transactions, in parts and with cuts of the file; the log of the recorded member is cut, too."""
    leader = group.leader()
    for i in range(12):
        leader.sql(ROWS.format(20, 900))
        leader.sql("UPDATE t SET a = randomblob(700) WHERE rowid % 5 = ?", i % 5)
    leader.sql(ROWS.format(500, 3000))
    leader.sql("DELETE FROM t WHERE rowid > 200")
    leader.sql("VACUUM")


def commits(group, member, recorded):
    """A life with each role, and cuts of the member's log. The others keep theirs, so that the log alone brings the member back."""
    member.environment = recorded
    group.start()
    group.leader().sql("CREATE TABLE t(a)")
    group.same()
    member.take(member.post(do="sync"))
    work(group)
    lead(group, member)
    work(group)
    lead(group, group.members[0])


def joins(group, member, recorded):
    """A life with a snapshot received. The moments lie around the time at which the snapshot is put in force."""
    first, second = group.members[:2]
    first.start("&found=1")
    first.sql("CREATE TABLE t(a)")
    second.start(f"&join={first.peer}")
    first.write_until_cut()
    member.environment = recorded
    member.start(f"&join={first.peer}")
    for _ in range(5):
        first.sql(ROWS.format(2, 900))


def record(group, member, folder, life):
    """Returns the path of the record."""
    path = os.path.join(folder, "record")
    life(group, member, {"LD_PRELOAD": POWER, "POWER_ROOT": member.folder, "POWER_RECORD": path})
    group.same()
    member.stop()
    member.environment = {}
    return path


class Cuts:
    def __init__(self, path, member, folder):
        self.library = ctypes.CDLL(POWER)
        self.library.power_load.restype = self.library.power_note.restype = self.library.power_named.restype = ctypes.c_size_t
        self.count = self.library.power_load(os.fsencode(path))
        self.first = self.library.power_note()
        self.member, self.folder = member, folder

    def moments(self, life):
        if life is commits:
            return range(self.first, self.count + 1)
        begin, end = (self.library.power_named(b"/snapshot.ready", last) for last in (0, 1))
        assert 0 < begin < end, "no snapshot was received"
        return range(begin - BEFORE, min(end + BEHIND, self.count + 1))

    def lay(self, number, at):
        """The member's folder after a power cut. Returns words about the cut."""
        mode, seed = chance.choices(list(MODES), [2, 1, 1, 3])[0], chance.getrandbits(62)
        place = os.path.join(self.folder, f"cut{number}")
        os.makedirs(os.path.join(place, "app.db-raft", "log"))
        self.library.power_cut(ctypes.c_size_t(at), mode, ctypes.c_ulonglong(seed), os.fsencode(place))
        self.member.folder, self.member.path = place, os.path.join(place, "app.db")
        return f"cut {number} after {at} of {self.count} calls, {MODES[mode]}"


def has_all(member):
    try:
        return member.sql("PRAGMA raft_barrier") == [["ok"]]
    except Failed:
        return False


def comes_back(group, member, words):
    try:
        member.start(f"&join={group.members[0].peer}", wait=False)
        until("all entries", 20, lambda: has_all(member))
        group.same()
        assert member.check() == "ok", member.check()
    except (AssertionError, Failed, Gone) as e:
        with open(os.path.join(member.folder, "log"), encoding="utf-8") as f:
            print(f.read())
        raise AssertionError(f"{words}, SEED={SEED}: {e!r}") from e


def cut_again_and_again(life, count, which):
    """which: the members whose log is short."""
    folder = tempfile.mkdtemp(prefix="raftlite-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    group = Group(folder, 3, tick=20)
    for i in which:
        group.members[i].options = "&log_bytes=65536&verbose=1"
    member = group.members[2]
    try:
        cuts = Cuts(record(group, member, folder, life), member, folder)
        all_moments = cuts.moments(life)
        moments = sorted(chance.sample(all_moments, min(count, len(all_moments))))
        for number, at in enumerate(moments):
            words = cuts.lay(number, at)
            # The leader forgets how much of the log the member had: a disk that went back in time is not the matter here.
            lead(group, group.members[(number + 1) % 2])
            comes_back(group, member, words)
            member.kill()
            shutil.rmtree(member.folder)
        print(f"{life.__name__}: {len(moments)} power cuts in {len(all_moments)} calls: each time equal bytes, integrity_check ok")
    finally:
        group.end()
    shutil.rmtree(folder)


LIVES = {"commits": (commits, CUTS * 3 // 4, [2]), "joins": (joins, CUTS - CUTS * 3 // 4, [0, 1, 2])}
for name, (life, count, which) in LIVES.items():
    if sys.argv[2:] in ([], [name]):
        cut_again_and_again(life, CUTS if sys.argv[2:] else count, which)
