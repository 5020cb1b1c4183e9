#!/usr/bin/env python3
"""Groups with members in C, in Go and in Python: one wire, one log, one state.

    tests/interop/group.py C_COUNTER GO_COUNTER JUDGE SCRATCH     INTEROP_SECONDS=… of kills and trouble (default: 12),
                                                            SEED=… repeats the choices

The programs are examples-c/counter.c, tests/interop/counter and tests/interop/counter.py: the same arguments, the same
lines. ONLY=founded-Go,tls runs some of the groups. Clients repeat each addition, under its session and number, through any member
until a member says done. So in the end the counter must equal the number of additions on every member, and each answer must be a
number that no other addition got. Readers ask all the time, too, and the judge, tests/interop/judge, finds an order of additions
and reads that fits the times of calls and answers.
"""

import atexit
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

from machine import certificates
from proxy import Links, Proxy
from trouble import Trouble

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

PYTHON = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "counter.py")]
PROGRAMS, JUDGE, SCRATCH = {"C": [sys.argv[1]], "Go": [sys.argv[2]], "Python": PYTHON}, sys.argv[3], sys.argv[4]
SECONDS = float(os.environ.get("INTEROP_SECONDS", "12"))
SEED = int(os.environ.get("SEED", str(time.time_ns() % 10**6)))
CUT = 64 << 10  # bytes of log before a snapshot: a thousand additions
chance = random.Random(SEED)
WAIT = 60  # seconds, also where many other tests run
STARTED = []  # all processes: a failed run leaves none behind


def end_all():
    for process in STARTED:
        process.kill()


atexit.register(end_all)


class Member:
    def __init__(self, group, language, number):
        self.language, self.number, self.group = language, number, group
        self.listen, self.client = f"127.0.0.1:{free_port()}", free_port()
        self.proxy = Proxy(number, self.listen, group.links) if group.links else None
        self.peer = self.proxy.address if self.proxy else self.listen
        self.log = open(f"{group.scratch}/{number}.log", "ab")
        self.process, self.how = None, ()

    def start(self, *how):
        """Starts the process; `how` is kept for further starts, as an interrupted join needs."""
        self.how = how
        env = {**os.environ, "COUNTER_CUT": str(CUT), "COUNTER_LISTEN": self.listen}
        if self.group.tls:
            env["COUNTER_TLS"] = self.group.tls
        args = [f"{self.group.scratch}/{self.number}", str(self.number), self.peer, f"127.0.0.1:{self.client}", *how]
        self.process = subprocess.Popen([*PROGRAMS[self.language], *args], stdout=self.log, stderr=self.log, env=env)
        STARTED.append(self.process)

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
        with open(self.log.name, errors="replace") as f:
            said = f.read().splitlines()[-3:]
        ended = "" if self.process.poll() is None else f" ended with {self.process.returncode}"
        return f"{self.language} {self.number}{ended} {self.status()} {said}"


class Client(threading.Thread):
    """Adds, and repeats each addition until it is done. A crowd takes a new session for each addition, so that the
    members' tables of sessions grow, and snapshots with the tables."""

    def __init__(self, group, crowd=False):
        super().__init__(daemon=True)
        self.group, self.crowd, self.session, self.number, self.answers, self.repeats = group, crowd, os.urandom(16).hex(), 0, [], 0
        self.slowest, self.stopped, self.last, self.history = 0.0, False, "", []
        self.start()

    def run(self):
        while not self.stopped:
            self.number += 1
            if self.crowd:
                self.session, self.number = os.urandom(16).hex(), 1
            begin = time.monotonic_ns()
            while not self.add():
                self.repeats += 1
                time.sleep(0.01)
            end = time.monotonic_ns()
            self.slowest = max(self.slowest, (end - begin) / 1e9)
            self.history.append((begin, end, "add", self.answers[-1]))

    def add(self):
        self.last = random.choice(self.group.members).ask(f"add {self.session} {self.number}")
        words = self.last.split()
        if words[:1] != ["done"]:
            return False
        self.answers.append(int(words[1]))
        return True


class Reader(threading.Thread):
    """Reads through any member."""

    def __init__(self, group):
        super().__init__(daemon=True)
        self.group, self.stopped, self.history = group, False, []
        self.start()

    def run(self):
        while not self.stopped:
            begin = time.monotonic_ns()
            words = random.choice(self.group.members).ask("get").split()
            if words[:1] == ["done"]:  # else nothing was read
                self.history.append((begin, time.monotonic_ns(), "get", int(words[1])))
            time.sleep(0.005)


class Group:
    def __init__(self, name, links=None, tls=None):
        self.name, self.links, self.tls, self.members, self.clients, self.kills = name, links, tls, [], [], 0
        self.joining, self.lock, self.numbers, self.changes, self.outcomes = [], threading.Lock(), 1, [], ""
        self.begin, self.snapshots = time.monotonic(), []
        self.scratch = f"{SCRATCH}/{name}"
        os.mkdir(self.scratch)

    def fail(self, what):
        sys.exit(f"{self.name}: {what} (SEED={SEED}); {self.running()}, clients heard {[c.last for c in self.clients]}")

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
        self.until("a leader", WAIT, lambda: self.leader())
        self.members[0].how = ()
        self.clients = [Client(self, crowd=n == 3) for n in range(4)]
        self.readers = [Reader(self) for _ in range(2)]

    def new(self, language):
        self.numbers += 1
        return Member(self, language, self.numbers)

    def join(self, language, by=None):
        """Joins a member by another one, and waits for its vote. Returns it."""
        new = self.new(language)
        new.start("join", (by or chance.choice(self.members)).peer)
        self.joining = [new]
        self.until(f"a vote for {language} {new.number}", WAIT, lambda: new.status().get("voter"))
        self.members, self.joining = [*self.members, new], []
        new.how = ()
        return new

    def running(self):
        """The members, and those about to be members."""
        return self.members + self.joining

    def replace(self, language):
        """In trouble: a learner in a language joins, is promoted, and takes the place of an older member."""
        new = self.new(language)
        with self.lock:
            new.start("learn", chance.choice(self.members).peer)
            self.joining = [new]
        least = max(m.status().get("applied", 0) for m in self.members)
        self.until(f"learner {language} {new.number} follows", WAIT, lambda: new.status().get("applied", 0) >= least > 0)
        at = new.status().get("snapshot", 0)
        self.members, self.joining = [*self.members, new], []
        others = [m for m in self.members if m.language != language]

        def promoted():
            chance.choice(others).ask(f"promote {new.number}", 3)
            return new.status().get("voter")
        self.until(f"learner {language} {new.number} gets its vote", WAIT, promoted)
        with self.lock:
            new.how = ()
        chance.choice(others).ask(f"lead {new.number}", 3)  # whether or not it succeeds in such times
        self.remove(next(m for m in self.members if m.language == language), chance.choice(others))
        self.changes.append(language)
        if at > 1:
            self.snapshots.append(f"to {language} at {at}")

    def leader(self):
        """The member that leads, by its own account."""
        return next((m for m in self.members if m.process and m.status().get("leader") == m.number), None)

    def lead(self, member, additions=50):
        """Hands the leadership to a member, by the word of any member; it then has to commit additions of its own time."""
        def leads():
            if self.leader() is member:
                return True
            chance.choice(self.members).ask(f"lead {member.number}", 2)
            return False
        self.until(f"{member.language} {member.number} leads", WAIT, leads)
        if additions:
            self.progress(additions)

    def progress(self, more=50):
        """Waits until every client has had additions done."""
        before = [len(c.answers) for c in self.clients]
        self.until("additions", WAIT, lambda: all(len(c.answers) > b + more for c, b in zip(self.clients, before)))

    def kill_and_restart(self, member, pause=None):
        """Kills a member with -9, and starts it again, unless it was removed meanwhile."""
        with self.lock:
            if member not in self.running():
                return
            member.kill()
        time.sleep(chance.random() * 0.4 if pause is None else pause)
        with self.lock:
            if member in self.running():
                member.start(*member.how)
        self.kills += 1

    def all_vote(self):
        self.until("all voters", WAIT, lambda: all(m.status().get("voter") for m in self.members))

    def join_by_snapshot(self, leader_language, language):
        """A leader in one language has cut its log: a member in another starts from its snapshot."""
        leader = next(m for m in self.members if m.language == leader_language)
        self.lead(leader)
        least = leader.status()["applied"]
        self.until("a cut log", WAIT, lambda: leader.status().get("snapshot", 0) > least)
        new = self.join(language, leader)
        at = new.status()["snapshot"]
        if at <= 1:
            self.fail(f"{language} {new.number} joined without a snapshot")
        self.snapshots.append(f"{leader_language} to {language} at {at}")
        return new

    def remove(self, member, by):
        """Removes a member by the word of one in another language."""
        def removed():
            said = by.ask(f"remove {member.number}")
            return said.startswith("done") or "is no member" in said
        self.until(f"{by.language} {by.number} removes {member.language} {member.number}", WAIT, removed)
        with self.lock:
            self.members = [m for m in self.members if m is not member]
            member.process.kill()
            member.process.wait(10)

    def trouble(self, seconds):
        """Faults without a pause, and meanwhile a member of each language after another is replaced."""
        self.until("a cut log", WAIT, lambda: any(m.status().get("snapshot", 0) > 1 for m in self.members))
        end, trouble = time.monotonic() + seconds, Trouble(self, SEED)
        languages = [m.language for m in self.members]
        while time.monotonic() < end or len(self.changes) < len(languages):
            self.replace(languages[len(self.changes) % len(languages)])
        trouble.end()
        self.all_vote()
        self.progress()
        if len(self.snapshots) < len(languages):
            self.fail(f"of {len(self.changes)} new members only {len(self.snapshots)} began from a snapshot")

    def finish(self):
        for c in self.clients + self.readers:
            c.stopped = True
        for c in self.clients + self.readers:
            c.join(30)
            if c.is_alive():
                self.fail("an addition or a read never ended")
        judged = self.judge()
        total = sum(len(c.answers) for c in self.clients)
        answers = sorted(a for c in self.clients for a in c.answers)
        if answers != list(range(1, total + 1)):
            self.fail(f"{total} additions, and the answers are not 1 to {total}")
        self.equal(total)
        self.retries(total)
        self.nothing_counts(total)
        if self.links:
            total = self.true_outcomes(total)
        for m in self.members:  # what the disks hold
            m.kill(signal.SIGTERM)
        for m in self.members:
            m.start()
        self.equal(total)
        for m in self.members:
            m.kill()
        print(f"{self.name}: {total} additions, {sum(len(r.history) for r in self.readers)} reads, {judged}, "
              f"{sum(c.repeats for c in self.clients)} repeats, {self.kills} kills, "
              f"{len(self.snapshots)} snapshots ({', '.join(self.snapshots[:4]) or 'none'}{', …' if len(self.snapshots) > 4 else ''}), "
              f"{self.links.cuts if self.links else 0} cuts, "
              f"{self.links.partitions if self.links else 0} partitions, {len(self.changes)} members replaced, {self.outcomes}"
              f"slowest addition {max(c.slowest for c in self.clients):.2f} s, "
              f"{time.monotonic() - self.begin:.0f} s", flush=True)

    def judge(self):
        """The whole history is linearizable. Without a network there may be no judge: mk/interop.mk says so."""
        if not os.path.exists(JUDGE):
            return "not judged"
        threads = self.clients + self.readers
        lines = [f"{n} {' '.join(map(str, row))}\n" for n, thread in enumerate(threads) for row in thread.history]
        judged = subprocess.run([JUDGE], input="".join(lines), capture_output=True, text=True)
        if judged.returncode != 0:
            with open(f"{self.scratch}/history", "w") as f:
                f.writelines(lines)
            self.fail(f"{judged.stderr.strip()}; the history is {self.scratch}/history")
        return "linearizable"

    def equal(self, total):
        for m in self.members:
            self.until(f"get says {total}", WAIT, lambda: m.ask("get") == f"done {total}")
        self.until(f"every value is {total}", WAIT, lambda: all(m.status().get("value") == total for m in self.members))

    def retries(self, total):
        """The last request of each session, once more on every member: the old answer, and nothing is added."""
        for c in self.clients:
            for m in self.members:
                said = m.ask(f"add {c.session} {c.number}")
                if said != f"done {c.answers[-1]}":
                    self.fail(f"a retry on {m} was answered {said!r}, not {c.answers[-1]}")
        self.equal(total)

    def nothing_counts(self, total):
        """A later request of a session that nobody knows, an older one of a known session, and a session of zeros: no
        member may count them, whichever language leads. The words of the leader reach the client of any member."""
        known = self.clients[0]
        expired = "the session has expired"
        for leader in {m.language: m for m in self.members}.values():
            self.lead(leader, additions=0)
            for m in self.members:
                for line, answer in (
                    (f"add {known.session} {known.number}", ("done", str(known.answers[-1]))),
                    (f"add {os.urandom(16).hex()} 5", ("unknown", expired)),
                    (f"add {known.session} {known.number - 1}", ("unknown", expired)),
                    (f"add {'0' * 32} 1", ("not committed", "")),
                ):
                    said = m.ask(line)
                    if not said.startswith(answer[0]) or answer[1] not in said:
                        self.fail(f"{line} on {m}, led by {leader.language}, was answered {said!r}, not {answer}")
        self.equal(total)

    def true_outcomes(self, total):
        """Additions without a session, through each language, to a leader that loses the others in that moment: done counts,
        not committed never counts, unknown may count. Returns the new total."""
        heard, around, known = [], list({m.language: m for m in self.members}.values()), self.clients[0]
        for leader, by in zip(around, around[1:] + around[:1]):
            self.lead(leader, additions=0)
            answers = []
            self.links.part([leader.number], [m.number for m in self.members], one_way=True)
            askers = [threading.Thread(target=lambda: answers.append(by.ask("add", 20))) for _ in range(8)]
            for asker in askers:
                asker.start()
            time.sleep(0.8)
            self.links.heal()
            for asker in askers:
                asker.join()
            known.number += 1  # a last addition: once it is done, what came before it is done or never will be
            self.until("a last addition", WAIT, known.add)
            said = [answer.partition(":")[0].split()[0] if answer else "unknown" for answer in answers]
            values = [int(answer.split()[1]) for answer in answers if answer.startswith("done")]
            self.until("a read", WAIT, lambda: by.ask("get").startswith("done"))
            after = int(by.ask("get").split()[1])
            if not len(values) <= after - total - 1 <= len(values) + said.count("unknown") or len(set(values)) < len(values):
                self.fail(f"{by} to {leader}: {answers}, and the counter went from {total} to {after}")
            total = after
            heard += said
        self.equal(total)
        self.outcomes = (f"additions to lost leaders: {heard.count('done')} done, {heard.count('not')} not committed, "
                         f"{heard.count('unknown')} unknown, ")
        return total


def gather(name, languages, **how):
    """Founds on the first language and joins the others; each member leads once."""
    group = Group(name, **how)
    group.found(languages[0])
    for language in languages[1:]:
        group.join(language)
    for m in list(group.members):
        group.lead(m)
    return group


def run(name, languages, seconds, snapshots=(("C", "Go"), ("Go", "C"))):
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
    for leader, new in snapshots:
        group.join_by_snapshot(leader, new)
    around = list(dict.fromkeys(languages))
    for language, other in zip(around, around[1:] + around[:1]):
        find = {m.language: m for m in group.members}
        group.remove(next(m for m in group.members if m.language == language), find[other])
        group.progress()
    group.finish()


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
GROUPS = {
    "founded-C": lambda name: run(name, ["C", "C", "Go"], SECONDS / 4),
    "founded-Go": lambda name: run(name, ["Go", "C", "Go"], SECONDS / 4),
    "founded-Python": lambda name: run(name, ["Python", "C", "Go"], SECONDS / 4, FROM_AND_TO_PYTHON),
    "faulty-links": lambda name: run_links(name, ["C", "Go", "Python"], SECONDS / 2),
    "tls": lambda name: run_tls(name, ["Go", "C", "Python"]),
}
FROM_AND_TO_PYTHON = (("Python", "C"), ("Python", "Go"), ("C", "Python"), ("Go", "Python"))
for name in os.environ.get("ONLY", ",".join(GROUPS)).split(","):
    GROUPS[name](name)
