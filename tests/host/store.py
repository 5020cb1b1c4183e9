#!/usr/bin/env python3
"""examples-c/store.c as the first diary tried its host: members killed under load, the whole group killed, a join by snapshot.

    tests/host/store.py PROGRAM SCRATCH      SECONDS=… of kills (default: 4), SEED=… repeats the choices

Each acknowledged SET must be there in the end, on all members, with equal hashes. Then the group gets KEYS values of 30 KB, is
killed as a whole, and every key must come back from the logs: the diary's host lost keys there.
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
SECONDS = float(os.environ.get("SECONDS", "4"))
SEED = int(os.environ.get("SEED", str(time.time_ns() % 10**6)))
KEYS = int(os.environ.get("KEYS", "1200"))
chance = random.Random(SEED)


class Member:
    def __init__(self, number):
        self.number, self.peer, self.client = number, f"127.0.0.1:{free_port()}", free_port()
        self.log = open(f"{SCRATCH}/{number}.log", "ab")

    def start(self, *how):
        self.process = subprocess.Popen([PROGRAM, f"{SCRATCH}/{self.number}", str(self.number), self.peer,
                                         f"127.0.0.1:{self.client}", *how], stderr=self.log)

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait(20)

    def ask(self, line):
        """Returns the answer; empty: the member is gone."""
        try:
            with socket.create_connection(("127.0.0.1", self.client), timeout=8) as s:
                s.sendall(line.encode() + b"\n")
                s.shutdown(socket.SHUT_WR)
                return s.makefile().read().rstrip("\n")
        except OSError:
            return ""

    def status(self):
        words = self.ask("STATUS").split()
        return dict(zip(words[::2], map(int, words[1::2])))


def until(what, check, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.02)
    sys.exit(f"{what}: not within {seconds} s (SEED={SEED}); {[(m.number, m.status()) for m in members]}")


members = [Member(i) for i in (1, 2, 3)]
print(f"store: SEED={SEED}")
members[0].start("found")
until("a leader", lambda: members[0].status().get("leader"))
for m in members[1:]:
    m.start("join", members[0].peer)
until("three voters", lambda: all(m.status().get("voter") for m in members))

# Values of a key are numbers that grow, written one after another: the last acknowledged one, or a later one, must be there.
stopped, acknowledged, tried, turns = threading.Event(), {}, {}, [0] * 4


def client(number):
    turn = 0
    while not stopped.is_set():
        turn = turns[number] = turn + 1
        key = f"k{number}-{turn % 50}"
        tried[key] = turn
        if random.choice(members).ask(f"SET {key} {turn}") == "OK":
            acknowledged[key] = turn


clients = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(4)]
for c in clients:
    c.start()
begin, kills = time.monotonic(), 0
while time.monotonic() < begin + SECONDS:
    leader = members[0].status().get("leader") or members[1].status().get("leader") or 1
    victim = members[leader - 1] if chance.random() < 0.6 else chance.choice(members)
    victim.kill()
    kills += 1
    time.sleep(chance.random() * 0.7)
    victim.start()
    time.sleep(0.5 + chance.random())
stopped.set()
for c in clients:
    c.join(30)


def get(member, key):
    until(f"GET {key}", lambda: not (answer := member.ask(f"GET {key}")).startswith(("not committed", "unknown")) and answer)
    return member.ask(f"GET {key}")


for key, number in acknowledged.items():
    value = int(get(random.choice(members), key))
    if not number <= value <= tried[key]:
        sys.exit(f"{key}: {number} was acknowledged, {tried[key]} tried last, and {value} is there (SEED={SEED})")


def equal():
    states = [m.status() for m in members]
    return all(s and s["hash"] == states[0]["hash"] and s["keys"] == states[0]["keys"] for s in states)


until("equal hashes", equal)

with socket.create_connection(("127.0.0.1", members[0].client)) as s:
    lines = s.makefile()
    for i in range(KEYS):
        s.sendall(f"SET big{i} {chr(97 + i % 26) * 30000}\n".encode())
        if (answer := lines.readline().strip()) != "OK":
            sys.exit(f"SET big{i}: {answer}")
until("equal hashes", equal)
before = members[0].status()
for m in members:
    m.kill()
for m in members:
    m.start()
until("the old state", lambda: all(m.status().get("hash") == before["hash"] for m in members), 60)
if get(members[2], "big7") != "h" * 30000:
    sys.exit("big7 is not what was written")
members.append(Member(4))
members[3].start("join", members[1].peer)
until("a fourth voter", lambda: members[3].status().get("voter"), 60)
until("equal hashes of four", equal, 60)
until("another leader", lambda: members[0].ask("LEAD 4") == "OK" or members[0].status().get("leader") == 4)
until("a removal", lambda: members[1].ask("REMOVE 1").startswith(("OK", "not committed: node 1 is no member")))
members.pop(0).kill()
until("a write without node 1", lambda: members[1].ask("SET last one") == "OK")
until("equal hashes", equal)
if any(m.kill(signal.SIGTERM) for m in members):
    sys.exit("a member ends badly")
print(f"store: {sum(turns)} SETs, {kills} kills, {before['keys']} keys, snapshots {before['snapshot']}: nothing lost")
