"""outside.py: what reaches a member from outside: strangers, a disk without space, an operator with a backup or a lost quorum. outside.py SCRATCH"""

import contextlib
import os
import sys
import tempfile
import time
import urllib.request

from kit import BROKEN, ROOT, Client, Group, Reply, free_port, wait_for

sys.path.insert(0, os.path.join(ROOT, "tests", "interop"))
from machine import Ballast, certificates, small_disk  # noqa: E402

LOG_FILE = 2_000_000
TICK = ["--tick-ms", os.environ.get("TICK_MS", "50")]


def tls(folder, name="{id}"):
    return ["--tls-ca", f"{folder}/ca.pem", "--tls-cert", f"{folder}/{name}.pem", "--tls-key", f"{folder}/{name}.key"]


def members_speak_tls_and_strangers_are_refused(scratch):
    ours = certificates(os.path.join(scratch, "ours"), range(1, 6))
    theirs = certificates(os.path.join(scratch, "theirs"), [4])
    with Group(os.path.join(scratch, "group"), options=[*TICK, *tls(ours)]) as group:
        leader = group.wait_leader()
        group.connect(leader).do("SET", "a", 1)
        plain, group.options = group.options, TICK
        for number, options, where, words in ((6, [], leader, "speaks plain TCP"), (4, tls(theirs, "4"), 4, "the other side's certificate"),
                                              (7, tls(ours, "5"), 7, "does not hold urn:raftcore:1:7")):
            group.start(number, options=options)
            wait_for(words, lambda where=where, words=words: words in group.log(where))
            group.kill(number)
            group.members.remove(number)
        group.options = plain
        listed = group.status(leader)
        assert listed.count("  voter  ") == 3 and not any(f"member {n} " in listed for n in (4, 6, 7)), listed
        group.kill(leader)
        assert group.connect().do("INCR", "a") == 2
        group.start(leader)
        group.assert_equal()


def answer(group, *words):
    """The reply of whichever member leads, or the text of a refusal. Broken connections are tried again."""
    def once():
        with contextlib.suppress(*BROKEN):
            try:
                return [Client(group.client[group.wait_leader()], 5).do(*words)]
            except Reply as e:
                return None if str(e).split()[0] in ("MASTERDOWN", "LOADING") else [str(e)]
        return None
    return wait_for(f"an answer to {words[0]}", once, 30)[0]


def refuses(group):
    return str(answer(group, "SET", "probe", 1)).startswith("NOREPLICAS")


def a_full_disk_refuses_writes_in_words_and_loses_nothing(scratch):
    where = os.path.join(scratch, "disks")
    with contextlib.ExitStack() as stack:
        disks = {i: stack.enter_context(small_disk(os.path.join(where, str(i)), 64)) for i in (1, 2, 3)}
        if None in disks.values():
            return
        ballast = {i: Ballast(disk) for i, disk in disks.items()}
        group = stack.enter_context(Group(where, options=[*TICK, "--log-bytes", str(LOG_FILE)]))
        acknowledged = [n for n in range(50) if answer(group, "RPUSH", "l", n) == n + 1]
        answer(group, "SET", "short", 1, "PX", 4000)

        first = group.wait_leader()
        ballast[first].leave(3 * LOG_FILE - 300_000)
        wait_for("another member leads", lambda: group.leader() not in (None, first), 20)
        wait_for("writes are taken", lambda: not refuses(group), 20)
        acknowledged += [n for n in range(50, 60) if answer(group, "RPUSH", "l", n) == n + 1]

        for one in ballast.values():
            one.leave(3 * LOG_FILE - 300_000)
        wait_for("writes are refused", lambda: refuses(group), 20)
        assert answer(group, "LLEN", "l") == len(acknowledged)
        wait_for("expiry goes on", lambda: answer(group, "EXISTS", "short") == 0, 10)
        group.assert_equal()
        for one in ballast.values():
            one.leave(0)
        assert answer(group, "LLEN", "l") == len(acknowledged) and refuses(group)

        for i in disks:
            group.kill(i)
            ballast[i].drop()
        for i in disks:
            group.start(i)
        wait_for("writes are taken again", lambda: not refuses(group), 30)
        assert [int(n) for n in answer(group, "LRANGE", "l", 0, -1)] == acknowledged
        group.assert_equal()


def page(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answered:
        return answered.read().decode()


def a_backup_founds_a_new_group_and_a_survivor_goes_on_alone(scratch):
    copy = os.path.join(scratch, "copy")
    with Group(os.path.join(scratch, "old"), options=TICK) as group:
        leader = group.wait_leader()
        for n in range(50):
            assert answer(group, "RPUSH", "l", n) == n + 1
        follower = next(i for i in group.members if i != leader)
        assert group.ctl(follower, "backup", copy).startswith("done"), group.log(follower)
        assert "exists" in group.ctl(follower, "backup", copy)
        assert answer(group, "RPUSH", "l", 50) == 51

        port = free_port()
        group.kill(follower)
        group.start(follower, options=["--metrics", f"127.0.0.1:{port}"])
        wait_for("the server is up", lambda: "raftcore_redis_server_up 1\n" in page(port))
        told = page(port)
        assert "raftcore_redis_serving 0\n" in told and "\n# TYPE raftcore_commit" in told, told
        assert "not understood: add ID" in group.ctl(leader, "add", "nobody")
        assert "decimal number" in group.ctl(leader, "transfer", "nobody")

        group.assert_equal()
        for i in group.members:
            group.kill(i)
        group.members = [follower]
        group.start(follower, options=["--force-cluster"])
        assert answer(group, "RPUSH", "l", 51) == 52
        assert group.status(follower).count("  voter  ") == 1 and "GOES ON ALONE" in group.log(follower)
    with Group(os.path.join(scratch, "new"), options=TICK, size=0) as group:
        group.start(1, options=["--restore", copy])
        assert answer(group, "RPUSH", "l", 50) == 51
        assert [int(n) for n in answer(group, "LRANGE", "l", 0, -1)] == list(range(51))
        group.start(2)
        wait_for("the second member votes", lambda: group.status(1).count("  voter  ") == 2)
        group.assert_equal()


def main():
    scratch = tempfile.mkdtemp(dir=sys.argv[1])
    for test in (members_speak_tls_and_strangers_are_refused, a_full_disk_refuses_writes_in_words_and_loses_nothing,
                 a_backup_founds_a_new_group_and_a_survivor_goes_on_alone):
        begin = time.monotonic()
        folder = os.path.join(scratch, test.__name__[:12])
        os.mkdir(folder)
        test(folder)
        print(f"    ok {time.monotonic() - begin:5.1f} s  {test.__name__}", flush=True)


main()
