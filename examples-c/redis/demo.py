#!/usr/bin/env python3
"""Three unmodified Redis servers and a load. The leader's server, the leader's raftcore-redis, and both are killed with -9; a
fourth member joins. Then every acknowledged key is read back, and the servers' data are compared.

    SECONDS=…   how long the load runs (default 14)      KEEP=1   leave the members up, and say how to connect
    SERVER=…    another server, such as valkey-server     BIN=…    where raftcore-redis is (default: built here)
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "redis"))
from kit import BROKEN, Client, Group, Reply, version_of, wait_for  # noqa: E402

THREADS, BAR = 8, 30
SECONDS = float(os.environ.get("SECONDS") or 14)


class Load:
    """Threads that write keys in order, through changing members, and repeat a write until the reply is OK."""

    def __init__(self, group):
        self.group, self.stop = group, threading.Event()
        self.acked, self.times, self.again = [[] for _ in range(THREADS)], [], 0
        self.threads = [threading.Thread(target=self.write, args=(n,), daemon=True) for n in range(THREADS)]
        for t in self.threads:
            t.start()

    def write(self, n):
        c, k = None, 0
        while not self.stop.is_set():
            try:
                ports = list(self.group.client.values())
                c = c or Client(ports[(n + k + self.again) % len(ports)], 5)
                c.do("SET", f"key:{n}:{k}", f"value {k}")
                self.acked[n].append(k)
                self.times.append(time.monotonic())
                k += 1
            except (*BROKEN, Reply):
                c = None
                self.again += 1
                time.sleep(0.01)

    def count(self):
        return sum(map(len, self.acked))

    def silence_after(self, begun):
        """Longest time without an acknowledged write after a fault, in seconds."""
        around = [begun, *sorted(t for t in self.times if t > begun)]
        return max((b - a for a, b in zip(around, around[1:])), default=0)


def bar(done, count, text="", end=""):
    line = f"  [{'#' * int(BAR * done)}{'.' * (BAR - int(BAR * done))}] {count:7,} keys acknowledged  {text}"
    if sys.stdout.isatty():
        print(f"\r\033[K{line}", end=end, flush=True)
    elif text:
        print(line, flush=True)


def faults(group):
    """The faults: when, words, function."""
    def server(leader):
        group.kill_server(leader)

    def sidecar(leader):
        group.kill(leader)
        group.start(leader)

    def both(leader):
        group.kill_server(leader)
        group.kill(leader)
        group.start(leader)

    def join(_):
        group.start(4)

    return [(0.15, "kill -9 of the leader's redis-server", server), (0.35, "kill -9 of the leader's raftcore-redis", sidecar),
            (0.55, "kill -9 of both", both), (0.75, "a fourth member joins, with an empty folder", join)]


def run(group):
    load, begin, told = Load(group), time.monotonic(), []
    plan = faults(group)
    while (done := (time.monotonic() - begin) / SECONDS) < 1:
        if plan and done > plan[0][0]:
            _, text, act = plan.pop(0)
            leader, begun = group.wait_leader(), time.monotonic()
            act(leader)
            wait_for("a write", lambda: load.times[-1] > begun + 1, 30)
            silence = load.silence_after(begun)
            bar(done, load.count(), f"{text}: longest wait for an acknowledgement {silence:.2f} s", "\n")
            told.append(silence)
        bar(done, load.count())
        time.sleep(0.1)
    load.stop.set()
    for t in load.threads:
        t.join()
    bar(1, load.count(), "the load has ended", "\n")
    return load


def judge(group, load):
    c, lost = group.connect(), 0
    for n, acked in enumerate(load.acked):
        for at in range(0, len(acked), 500):
            some = acked[at:at + 500]
            values = c.do("MGET", *[f"key:{n}:{k}" for k in some])
            lost += sum(value != f"value {k}".encode() for k, value in zip(some, values))
    wait_for("the fourth member votes", lambda: group.status(1).count("  voter  ") == 4, 30)
    digests = group.digests()
    print(f"  read back: {load.count():,} keys, {lost} lost ({load.again} attempts broke off, and were made again)")
    equal = len(set(digests.values())) == 1
    print(f"  DEBUG DIGEST of {len(digests)} servers: {'equal, ' + next(iter(digests.values())) if equal else digests}")
    return lost == 0 and equal


def main():
    if not os.environ.get("BIN"):
        subprocess.run(["make", "-s", "-C", ROOT, "redis"], check=True, stdout=subprocess.DEVNULL)
    server = os.environ.get("SERVER") or "redis-server"
    if not shutil.which(server.split()[0]):
        sys.exit(f"demo: there is no {server.split()[0]}: apt-get install redis-server")
    where = tempfile.mkdtemp(prefix="raftcore-redis-demo.")
    binary = os.path.join(os.environ["BIN"], "raftcore-redis") if os.environ.get("BIN") else None
    version = ".".join(map(str, version_of(server)))
    print(f"three {os.path.basename(server.split()[0])} {version}, unmodified, each with a raftcore-redis; "
          f"{THREADS} clients write through all of them")
    group = Group(os.path.join(where, "group"), binary=binary, server=server, options=["--tick-ms", "20"])
    good = False
    try:
        good = judge(group, run(group))
        if good and os.environ.get("KEEP"):
            print(f"  still up:  redis-cli -p {group.client[1]}     logs and data: {where}     to end it: "
                  f"kill {' '.join(str(p.pid) for p in group.process.values())}")
            group.process.clear()
            return 0
    finally:
        group.__exit__(None)
        if good and not os.environ.get("KEEP"):
            shutil.rmtree(where)
        elif not good:
            print(f"  the logs are in {where}")
    return 0 if good else 1


sys.exit(main())
