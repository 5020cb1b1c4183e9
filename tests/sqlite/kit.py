"""Members of a group, each a Python program with raftlite.so, driven from a test."""
import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LIBRARY = os.environ.get("RAFTLITE", os.path.join(ROOT, "target/sqlite/raftlite.so"))
READONLY = 8


class Failed(Exception):
    def __init__(self, answer):
        super().__init__(answer["error"])
        self.code, self.in_transaction = answer["code"], answer.get("in_transaction")


class Gone(Exception):
    pass


class Member:
    """A worker program on a database file of its own."""

    def __init__(self, folder, number, options="", tick=50):
        self.tick, self.number, self.port, self.process = tick, number, free_port(), None
        self.folder = os.path.join(folder, str(number))
        os.makedirs(self.folder, exist_ok=True)
        self.path = os.path.join(self.folder, "app.db")
        self.peer, self.options, self.environment, self.asked = f"127.0.0.1:{self.port}", options, {}, 0
        self.proxy = None

    def uri(self, how=""):
        listen = f"&listen={self.peer}&peer={self.proxy}" if self.proxy else f"&peer={self.peer}"
        return f"file:{self.path}?vfs=raft&id={self.number}{listen}&client=node{self.number}:1&tick={self.tick}{how}{self.options}"

    def start(self, how="", wait=True, program=None):
        preload = " ".join(x for x in (self.environment.get("LD_PRELOAD", ""), LIBRARY) if x)
        env = {**os.environ, **self.environment, "LD_PRELOAD": preload, "PYTHONDONTWRITEBYTECODE": "1"}
        if self.process:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(program or [sys.executable, os.path.join(HERE, "worker.py"), self.uri(how)], env=env,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.answers, self.late = queue.Queue(), {}
        threading.Thread(target=self.read, args=(self.process, self.answers), daemon=True).start()
        if wait:
            self.sql("PRAGMA user_version")
        return self

    @staticmethod
    def read(process, answers):
        with process.stdout:
            for line in process.stdout:
                answers.put(json.loads(line))
        answers.put(None)

    def post(self, **ask):
        """Sends a request. `take` has the answer."""
        self.asked += 1
        try:
            self.process.stdin.write(json.dumps({"n": self.asked, **ask}) + "\n")
            self.process.stdin.flush()
        except OSError as e:
            raise Gone from e
        return self.asked

    def take(self, n, seconds=60):
        end = time.monotonic() + seconds
        while n not in self.late:
            try:
                got = self.answers.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"member {self.number}: no answer in {seconds} s") from None
            if got is None:
                self.answers.put(None)
                raise Gone
            self.late[got["n"]] = got
        got = self.late.pop(n)
        if "error" in got:
            raise Failed(got)
        return got["rows"]

    def has_answered(self, n):
        try:
            self.late[n] = {"rows": self.take(n, 0)}
        except TimeoutError:
            return False
        return True

    def sql(self, text, *args, c="main", do="sql", seconds=60):
        return self.take(self.post(do=do, c=c, sql=text, args=args), seconds)

    def status(self):
        return self.sql("PRAGMA raft_status", c="status")[0][0]

    def is_leader(self):
        try:
            return ": leader; " in self.status()
        except (Gone, Failed):
            return False

    def kill(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            if how == signal.SIGKILL:
                self.process.wait()
            if how == signal.SIGSTOP:  # a thread may run on until another one has taken the signal
                until("a stop", 20, self.is_stopped)

    def is_stopped(self):
        folder = f"/proc/{self.process.pid}/task"
        states = []
        for task in os.listdir(folder):
            with open(f"{folder}/{task}/stat", encoding="utf-8") as f:
                states.append(f.read().rsplit(")", 1)[1].split()[0])
        return set(states) == {"T"}

    def stop(self):
        """Ends the program as a user would."""
        if self.process and self.process.poll() is None:
            try:
                self.post(do="exit")
            except Gone:
                pass
            self.process.wait(20)

    def digest(self):
        with open(self.path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

    def log_files(self):
        return {name for name in os.listdir(self.path + "-raft/log") if name.startswith("log-")}

    def write_until_cut(self, seconds=40):
        """Writes rows to t until the log's files of now are gone: members that slept need the file then. Returns the rows."""
        before, rows = self.log_files(), 0

        def more():
            nonlocal rows
            for _ in range(10):
                self.sql("INSERT INTO t VALUES (randomblob(3000))")
                rows += 1
            time.sleep(0.1)
            return not before & self.log_files()
        until("the log is cut", seconds, more)
        return rows

    def check(self, wait_ms=20000):
        """The stock shell's word on the file."""
        got = subprocess.run(["sqlite3", "-cmd", f".timeout {wait_ms}", self.path, "PRAGMA integrity_check"], capture_output=True, text=True, check=False)
        return (got.stdout + got.stderr).strip()


class Group:
    def __init__(self, folder, size=3, options="", tick=50):
        self.folder = folder
        self.members = [Member(folder, i + 1, options, tick) for i in range(size)]

    def start(self):
        first = self.members[0].start("&found=1")
        for m in self.members[1:]:
            m.start(f"&join={first.proxy or first.peer}", wait=False)
        for m in self.members[1:]:
            m.sql("PRAGMA user_version")
        until("all members vote", 20, lambda: first.sql("PRAGMA raft_members")[0][0].count("voter") == len(self.members))
        return self

    def running(self):
        return [m for m in self.members if m.process and m.process.poll() is None]

    def leader(self, seconds=30):
        found = []
        until("a leader", seconds, lambda: found.extend(m for m in self.running() if m.is_leader()) or found)
        return found[0]

    def followers(self):
        leader = self.leader()
        return [m for m in self.running() if m is not leader]

    def same(self, seconds=30):
        """Waits until all running members' files are equal to the byte."""
        until("equal files", seconds, lambda: len({m.digest() for m in self.running()}) == 1)
        return self.running()[0].digest()

    def end(self):
        for m in self.members:
            m.kill()


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return
        time.sleep(0.01)
    raise AssertionError(f"{what}: not within {seconds} s")
