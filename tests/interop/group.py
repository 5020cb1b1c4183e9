#!/usr/bin/env python3
"""Groups with members in C and in Go: one wire, one log, one state.

    tests/interop/group.py C_COUNTER GO_COUNTER SCRATCH     INTEROP_SECONDS=… of kills and trouble (default: 12),
                                                            SEED=… repeats the choices

The programs are examples-c/counter.c and tests/interop/counter: the same arguments, the same lines. Clients repeat each
addition, under its session and number, through any member until a member says done. So in the end the counter must equal the
number of additions on every member, and each answer must be a number that no other addition got.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

from proxy import Links, Proxy

PROGRAMS, SCRATCH = {"C": sys.argv[1], "Go": sys.argv[2]}, sys.argv[3]
SECONDS = float(os.environ.get("INTEROP_SECONDS", "12"))
SEED = int(os.environ.get("SEED", str(time.time_ns() % 10**6)))
CUT = 64 << 10  # bytes of log before a snapshot: a thousand additions
chance = random.Random(SEED)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Member:
    def __init__(self, group, language, number):
        self.language, self.number, self.group = language, number, group
        self.listen, self.client = f"127.0.0.1:{free_port()}", free_port()
        self.proxy = Proxy(number, self.listen, group.links) if group.links else None
        self.peer = self.proxy.address if self.proxy else self.listen
        self.log = open(f"{group.scratch}/{number}.log", "ab")
        self.process = None

    def start(self, *how):
        env = {**os.environ, "COUNTER_CUT": str(CUT), "COUNTER_LISTEN": self.listen}
        if self.group.tls:
            env["COUNTER_TLS"] = self.group.tls
        args = [f"{self.group.scratch}/{self.number}", str(self.number), self.peer, f"127.0.0.1:{self.client}", *how]
        self.process = subprocess.Popen([PROGRAMS[self.language], *args], stderr=self.log, env=env)

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

    def __repr__(self):
        return f"{self.language} {self.number} {self.status()}"


class Client(threading.Thread):
    """Adds, and repeats each addition until it is done."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.session, self.number, self.answers, self.repeats = group, os.urandom(16).hex(), 0, [], 0
        self.slowest, self.stopped, self.last = 0.0, False, ""
        self.start()

    def run(self):
        while not self.stopped:
            self.number += 1
            begin = time.monotonic()
            while not self.add():
                self.repeats += 1
                time.sleep(0.01)
            self.slowest = max(self.slowest, time.monotonic() - begin)

    def add(self):
        self.last = random.choice(self.group.members).ask(f"add {self.session} {self.number}")
        words = self.last.split()
        if words[:1] != ["done"]:
            return False
        self.answers.append(int(words[1]))
        return True


class Group:
    def __init__(self, name, links=None, tls=None):
        self.name, self.links, self.tls, self.members, self.clients, self.kills = name, links, tls, [], [], 0
        self.begin, self.snapshots = time.monotonic(), []
        self.scratch = f"{SCRATCH}/{name}"
        os.mkdir(self.scratch)

    def fail(self, what):
        sys.exit(f"{self.name}: {what} (SEED={SEED}); {self.members}, clients heard {[c.last for c in self.clients]}")

    def until(self, what, seconds, check):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if check():
                return
            time.sleep(0.02)
        self.fail(f"{what}: not within {seconds} s")

    def found(self, language):
        self.members = [Member(self, language, 1)]
        self.members[0].start("found")
        self.until("a leader", 10, lambda: self.leader())
        self.clients = [Client(self) for _ in range(4)]

    def join(self, language, by=None):
        """Joins a member by another one, and waits for its vote. Returns it."""
        new = Member(self, language, len(self.members) + 1)
        new.start("join", (by or chance.choice(self.members)).peer)
        self.until(f"a vote for {language} {new.number}", 20, lambda: new.status().get("voter"))
        self.members.append(new)
        return new

    def leader(self):
        """The member that leads, by its own account."""
        return next((m for m in self.members if m.process and m.status().get("leader") == m.number), None)

    def lead(self, member):
        """Hands the leadership to a member, by the word of any member; it then has to commit additions of its own time."""
        def leads():
            if self.leader() is member:
                return True
            chance.choice(self.members).ask(f"lead {member.number}", 2)
            return False
        self.until(f"{member.language} {member.number} leads", 15, leads)
        self.progress()

    def progress(self, more=50):
        """Waits until every client has had additions done."""
        before = [len(c.answers) for c in self.clients]
        self.until("additions", 15, lambda: all(len(c.answers) > b + more for c, b in zip(self.clients, before)))

    def kill_and_restart(self, member):
        member.kill()
        self.kills += 1
        time.sleep(chance.random() * 0.4)
        member.start()

    def all_vote(self):
        self.until("all voters", 20, lambda: all(m.status().get("voter") for m in self.members))

    def join_by_snapshot(self, leader_language, language):
        """A leader in one language has cut its log: a member in another starts from its snapshot."""
        leader = next(m for m in self.members if m.language == leader_language)
        self.lead(leader)
        least = leader.status()["applied"]
        self.until("a cut log", 30, lambda: leader.status().get("snapshot", 0) > least)
        new = self.join(language, leader)
        at = new.status()["snapshot"]
        if at <= 1:
            self.fail(f"{language} {new.number} joined without a snapshot")
        self.snapshots.append(f"{leader_language} to {language} at {at}")
        return new

    def remove(self, member, by):
        """Removes a member by the word of one in the other language."""
        def removed():
            said = by.ask(f"remove {member.number}")
            return said.startswith("done") or "is no member" in said
        self.until(f"{by.language} {by.number} removes {member.language} {member.number}", 15, removed)
        self.members.remove(member)
        member.process.kill()
        member.process.wait(10)
        self.progress()

    def trouble(self, seconds):
        """Slow links, cut connections, partitions and kills, one after another."""
        end, numbers = time.monotonic() + seconds, [m.number for m in self.members]
        while time.monotonic() < end:
            what = chance.choice(["slow", "cut", "cut", "part", "one way", "kill"])
            if what == "slow":
                self.links.delay(0.03)
            elif what == "cut":
                self.links.cut()
            elif what == "kill":
                self.kill_and_restart(chance.choice(self.members))
            else:
                self.links.part([chance.choice(numbers)], numbers, what == "one way")
                time.sleep(0.5 + chance.random())
                self.links.heal()
            time.sleep(0.2 + chance.random() * 0.5)
        self.links.heal()
        self.all_vote()
        self.progress()

    def finish(self):
        for c in self.clients:
            c.stopped = True
        for c in self.clients:
            c.join(30)
            if c.is_alive():
                self.fail("an addition never ended")
        total = sum(c.number for c in self.clients)
        answers = sorted(a for c in self.clients for a in c.answers)
        if answers != list(range(1, total + 1)):
            self.fail(f"{total} additions, and the answers are not 1 to {total}")
        self.equal(total)
        self.retries(total)
        self.nothing_counts(total)
        for m in self.members:  # what the disks hold
            m.kill(signal.SIGTERM)
        for m in self.members:
            m.start()
        self.equal(total)
        for m in self.members:
            m.kill()
        print(f"{self.name}: {total} additions, {sum(c.repeats for c in self.clients)} repeats, {self.kills} kills, "
              f"snapshots {', '.join(self.snapshots) or 'none'}, {self.links.cuts if self.links else 0} cuts, "
              f"{self.links.partitions if self.links else 0} partitions, slowest addition {max(c.slowest for c in self.clients):.2f} s, "
              f"{time.monotonic() - self.begin:.0f} s", flush=True)

    def equal(self, total):
        for m in self.members:
            self.until(f"get says {total}", 10, lambda: m.ask("get") == f"done {total}")
        self.until(f"every value is {total}", 10, lambda: all(m.status().get("value") == total for m in self.members))

    def retries(self, total):
        """The last request of each session, once more on every member: the old answer, and nothing is added."""
        for c in self.clients:
            for m in self.members:
                said = m.ask(f"add {c.session} {c.number}")
                if said != f"done {c.answers[-1]}":
                    self.fail(f"a retry on {m} was answered {said!r}, not {c.answers[-1]}")
        self.equal(total)

    def nothing_counts(self, total):
        """A later request of a session that nobody knows, and a session of zeros: no member may count them."""
        for m in self.members:
            for line, answer in (f"add {os.urandom(16).hex()} 5", "unknown"), (f"add {'0' * 32} 1", "not committed"):
                said = m.ask(line)
                if not said.startswith(answer):
                    self.fail(f"{line} on {m} was answered {said!r}, not {answer}")
        self.equal(total)


def gather(name, languages, **how):
    """Founds on the first language and joins the others; each member leads once."""
    group = Group(name, **how)
    group.found(languages[0])
    for language in languages[1:]:
        group.join(language)
    for m in list(group.members):
        group.lead(m)
    return group


def run(name, languages, seconds):
    """Leaders of each language, kills, snapshots across, removals."""
    group = gather(name, languages)
    begin = time.monotonic()
    for m in list(group.members):
        group.lead(m)
        group.kill_and_restart(m)
        group.progress()
        group.all_vote()
    while time.monotonic() < begin + seconds:
        group.kill_and_restart(group.leader() or chance.choice(group.members))
        time.sleep(0.3 + chance.random())
    group.all_vote()
    group.join_by_snapshot("C", "Go")
    group.join_by_snapshot("Go", "C")
    for language, other in ("C", "Go"), ("Go", "C"):
        find = {m.language: m for m in group.members}
        group.remove(next(m for m in group.members if m.language == language), find[other])
    group.finish()


def certificates(folder, numbers):
    """An authority, and for each member a certificate with its id: docs/wire.md, section 1."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)
    os.mkdir(folder)
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(*new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for n in numbers:
        openssl(*new, "-subj", f"/CN=member {n}", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{n}.key", "-out", f"{n}.pem",
                "-addext", f"subjectAltName=URI:urn:raftcore:1:{n}", "-addext", "basicConstraints=critical,CA:FALSE")
    return folder


def run_links(name, languages, seconds):
    group = gather(name, languages, links=Links(SEED))
    group.trouble(seconds)
    group.finish()


def run_tls(name, languages):
    group = gather(name, languages, tls=certificates(f"{SCRATCH}/certificates", range(1, 4)))
    group.kill_and_restart(group.leader())
    group.progress()
    group.all_vote()
    group.finish()


print(f"interop: SEED={SEED}")
run("founded-C", ["C", "C", "Go"], SECONDS / 4)
run("founded-Go", ["Go", "C", "Go"], SECONDS / 4)
run_links("faulty-links", ["C", "Go", "C"], SECONDS / 2)
run_tls("tls", ["Go", "C", "Go"])
