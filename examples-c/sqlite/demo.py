#!/usr/bin/env python3
"""Three programs on SQLite, with a file each; the leading program is killed with -9 again and again.

    demo.py [RAFTLITE.SO]     KILLS=10, or until Ctrl-C; SEED=… repeats the choices; KEEP=1 keeps the files

The programs are bank.py, plain Python, under LD_PRELOAD. After a kill: are the files equal and sound? Is the sum of the
money right, and is every acknowledged transfer there?
"""
import contextlib
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests"))
from ports import free_port  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../target/sqlite/raftlite.so"))
KILLS, SEED = int(os.environ.get("KILLS", "10")), int(os.environ.get("SEED", time.time_ns() % 10**6))
MEMBERS, SUM, PATIENCE = 3, 1000, 60
chance = random.Random(SEED)
tty = sys.stdout.isatty()


def die(words):
    sys.exit(f"\ndemo: {words} (SEED={SEED}; the files are in {folder})")


class Bank:
    def __init__(self, number):
        self.number, self.address = number, f"127.0.0.1:{free_port()}"
        os.makedirs(f"{folder}/{number}")
        self.path, self.acknowledged, self.paused, self.checked = f"{folder}/{number}/bank.db", [], threading.Event(), 0
        self.process = None

    def start(self, **how):
        settings = {"FILE": self.path, "ID": self.number, "PEER": self.address, "TICK": 20, **how}
        env = {**os.environ, "LD_PRELOAD": LIBRARY, **{f"RAFTLITE_{k}": str(v) for k, v in settings.items()}}
        if self.process:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        with open(f"{folder}/{self.number}/log", "ab") as log:
            self.process = subprocess.Popen([sys.executable, f"{HERE}/bank.py", self.path], env=env, text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        threading.Thread(target=self.hear, args=(self.process.stdout,), daemon=True).start()

    def hear(self, lines):
        with lines:
            for line in lines:
                if line == "paused\n":
                    self.paused.set()
                elif line.endswith("\n"):
                    self.acknowledged.append(int(line))

    def tell(self, word):
        self.paused.clear()
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def shell(self, sql):
        """The stock shell, without raftlite. A member that starts has the file locked."""
        got = subprocess.run(["sqlite3", "-readonly", "-cmd", f".timeout {PATIENCE}000", self.path, sql], capture_output=True, text=True, check=False)
        return (got.stdout + got.stderr).split()

    def digest(self):
        with open(self.path, "rb") as f:
            return hashlib.sha256(f.read()).digest()


def until(what, check):
    end = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > end:
            die(f"{what}: not within {PATIENCE} s")
        time.sleep(0.005)


def total():
    return sum(len(b.acknowledged) for b in banks)


def check_all():
    """Pauses the bank, and compares."""
    for b in banks:
        b.tell("pause")
    until("a pause", lambda: all(b.paused.is_set() for b in banks))
    until("equal files", lambda: len({b.digest() for b in banks}) == 1)
    for b in banks:
        got = b.shell("PRAGMA integrity_check; SELECT sum(balance) FROM account;")
        if got != ["ok", str(SUM)]:
            die(f"member {b.number}: {' '.join(got)}")
    there = set(banks[0].shell("SELECT id FROM transfer"))
    lost = [n for b in banks for n in b.acknowledged if str(n) not in there]
    if lost:
        die(f"{len(lost)} acknowledged transfers are lost")
    banks[0].checked = total()
    for b in banks:
        b.tell("go")


def bar(done):
    if tty:
        full = 40 * done // KILLS
        print(f"\r  [{'#' * full}{'.' * (40 - full)}] {done} of {KILLS} kills, {total()} transfers ", end="", flush=True)
    elif done % 100 == 0:
        print(f"  {done} of {KILLS} kills, {total()} transfers", flush=True)


def main():
    print(f"three programs with Python's sqlite3, a file each, {KILLS} kills")
    banks[0].start(FOUND=1)
    for b in banks[1:]:
        b.start(JOIN=banks[0].address)
    for b in banks:
        b.tell("go")
    until("a first transfer", lambda: total() > 0)
    until("files at all members", lambda: all(os.path.exists(b.path) and os.path.getsize(b.path) > 0 for b in banks))
    gaps = []
    with contextlib.suppress(KeyboardInterrupt):
        kill_again_and_again(gaps)
    if not gaps:
        die("no kill yet")
    print(f"{chr(13) if tty else ''}  {len(gaps)} times killed with -9 at work: {banks[0].checked} transfers were acknowledged, and 0 are lost")
    print(f"  after each kill: equal bytes in all {MEMBERS} files, integrity_check ok, the sum is {SUM}")
    print(f"  a transfer again after {statistics.median(gaps):.2f} s (median), {max(gaps):.2f} s (longest)")


def kill_again_and_again(gaps):
    for kill in range(KILLS):
        counts = [len(b.acknowledged) for b in banks]
        until("work", lambda c=counts: total() > sum(c) + chance.randrange(30))
        leader = max(range(MEMBERS), key=lambda i, c=counts: len(banks[i].acknowledged) - c[i])
        victims = {leader} if chance.random() < 0.7 else {chance.randrange(MEMBERS)} if chance.random() < 0.7 else range(MEMBERS)
        for i in victims:
            banks[i].kill()
        time.sleep(0.02)
        killed, before = time.monotonic(), total()
        if chance.random() < 0.5:  # the other two go on alone for a while
            time.sleep(chance.random())
        for i in victims:
            banks[i].start()
            banks[i].tell("go")
        until("a transfer after the kill", lambda b=before: total() > b)
        gap = time.monotonic() - killed
        check_all()
        gaps.append(gap)
        bar(kill + 1)


folder = tempfile.mkdtemp(prefix="raftlite-demo-")
banks = []
try:
    banks.extend(Bank(i + 1) for i in range(MEMBERS))
    main()
finally:
    for bank in banks:
        if bank.process:
            bank.kill()
if not os.environ.get("KEEP"):
    shutil.rmtree(folder)
