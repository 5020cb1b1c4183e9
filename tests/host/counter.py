#!/usr/bin/env python3
"""The counter of examples-c on real processes and sockets: members killed by SIGKILL, a fourth joins, all are restarted.

    tests/host/counter.py PROGRAM SCRATCH      SECONDS=… of kills (default: 10), SEED=… repeats the choices

Clients repeat each addition, under its session and number, until a member says done. So in the end the counter must equal
the number of additions, whatever happened, and each answer must be a number that no other addition got.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

PROGRAM, SCRATCH = sys.argv[1:3]
SECONDS = float(os.environ.get("SECONDS", "10"))
SEED = int(os.environ.get("SEED", str(time.time_ns() % 10**6)))
chance = random.Random(SEED)


class Member:
    def __init__(self, number):
        self.number, self.peer, self.client = number, f"127.0.0.1:{free_port()}", free_port()
        self.log = open(f"{SCRATCH}/{number}.log", "ab")
        self.process = None

    def start(self, *how):
        args = [PROGRAM, f"{SCRATCH}/{self.number}", str(self.number), self.peer, f"127.0.0.1:{self.client}", *how]
        self.process = subprocess.Popen(args, stderr=self.log)

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(10)

    def ask(self, line, timeout=8):
        """Returns the answer; empty: the member is gone."""
        try:
            with socket.create_connection(("127.0.0.1", self.client), timeout=timeout) as s:
                s.sendall(line.encode())
                s.shutdown(socket.SHUT_WR)
                return s.makefile().readline().strip()
        except OSError:
            return ""

    def status(self):
        words = self.ask("status").split()
        return dict(zip(words[::2], map(int, words[1::2])))


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.02)
    sys.exit(f"{what}: not within {seconds} s (SEED={SEED}); {[(m.number, m.status()) for m in members]}")


class Client(threading.Thread):
    """Adds, and repeats each addition until it is done."""

    def __init__(self):
        super().__init__(daemon=True)
        self.session, self.number, self.answers, self.repeats, self.slowest = os.urandom(16).hex(), 0, [], 0, 0.0
        self.stopped = False

    def run(self):
        while not self.stopped:
            self.number += 1
            begin = time.monotonic()
            while not self.add():
                self.repeats += 1
                time.sleep(0.01)
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def add(self):
        words = random.choice(members).ask(f"add {self.session} {self.number}").split()
        if words[:1] != ["done"]:
            return False
        self.answers.append(int(words[1]))
        return True


members = [Member(i) for i in (1, 2, 3)]
print(f"counter: SEED={SEED}")
members[0].start("found")
until("a leader", 10, lambda: members[0].status().get("leader"))
for m in members[1:]:
    m.start("join", members[0].peer)
until("three voters", 15, lambda: all(m.status().get("voter") for m in members))

# The old leader steps down before a next one is known: that is no failure of the transfer.
for turn in range(3):
    leader = members[0].status().get("leader", 1)
    target = leader % 3 + 1
    answer = members[leader - 1].ask(f"lead {target}")
    if not answer.startswith("done"):
        sys.exit(f"a transfer from {leader} to {target}: {answer}")
    until("the next leader", 10, lambda: all(m.status().get("leader") == target for m in members))

clients = [Client() for _ in range(4)]
for c in clients:
    c.start()
begin, kills, of_leaders, joined = time.monotonic(), 0, 0, False
while time.monotonic() < begin + SECONDS:
    leader = members[1].status().get("leader", 0)
    victim = members[leader - 1] if leader and chance.random() < 0.5 else chance.choice(members)
    victim.kill()
    kills += 1
    of_leaders += victim.number == leader
    time.sleep(chance.random() * 0.8)
    victim.start()
    time.sleep(0.3 + chance.random())
    if not joined and time.monotonic() > begin + SECONDS / 2:
        joined = True
        until("all voters", 15, lambda: all(m.status().get("voter") for m in members))
        members.append(Member(4))
        members[3].start("join", members[chance.randrange(3)].peer)
        until("a fourth voter", 15, lambda: members[3].status().get("voter"))
for c in clients:
    c.stopped = True
for c in clients:
    c.join(30)
    if c.is_alive():
        sys.exit(f"an addition never ended (SEED={SEED})")
total = sum(c.number for c in clients)
answers = sorted(a for c in clients for a in c.answers)
if answers != list(range(1, total + 1)):
    sys.exit(f"{total} additions, and the answers are not 1 to {total} (SEED={SEED})")
for m in members:
    if m.ask("get") != f"done {total}":
        sys.exit(f"member {m.number} says {m.ask('get')}, {total} additions were done (SEED={SEED})")
until("four equal values", 10, lambda: all(m.status().get("value") == total for m in members))

until("a removal", 10, lambda: members[0].ask("remove 2").startswith(("done", "not committed: node 2 is no member")))
stops = [members[i].kill(signal.SIGTERM) for i in (0, 2, 3)]
if stops != [0, 0, 0]:
    sys.exit(f"exit statuses after SIGTERM: {stops}")
members[1].kill()
members.pop(1)
for m in members:
    m.start()
until("all again", 15, lambda: all(m.ask("get") == f"done {total}" for m in members))
for m in members:
    m.kill()
print(f"counter: {total} additions, {sum(c.repeats for c in clients)} repeats, {kills} kills ({of_leaders} of leaders), "
      f"slowest addition {max(c.slowest for c in clients):.2f} s")
