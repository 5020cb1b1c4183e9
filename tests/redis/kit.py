"""kit.py: groups of raftcore-redis to start, kill, pause and compare. Connections and polling come from tests/kv/kit.py."""

import contextlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "kv"))
import importlib.util  # noqa: E402

_spec = importlib.util.spec_from_file_location("kv_kit", os.path.join(ROOT, "tests", "kv", "kit.py"))
_kv = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_kv)
Client, Reply, free_port = _kv.Client, _kv.Reply, _kv.free_port

BROKEN = (OSError, ConnectionError, ValueError)
PATIENCE = float(os.environ.get("PATIENCE") or 1)  # a start reads the whole log, which takes long under a sanitizer


def wait_for(what, condition, seconds=20, every=0.01):
    return _kv.wait_for(what, condition, seconds * PATIENCE, every)


def version_of(server):
    """The version of a server's binary, as numbers: redis-server or valkey-server."""
    text = subprocess.run([shlex.split(server)[0], "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(n) for n in re.search(r"v=(\d+)\.(\d+)\.(\d+)", text).groups())


def is_stopped(pid):
    """True if no thread of the process runs: a signal reaches one thread, and the others may run on for a moment."""
    states = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as f:
            states.add(f.read().rsplit(")", 1)[1].split()[0])
    return states == {"T"}


class UnixClient(Client):
    """A connection to a member's own server, past raftcore-redis, as the user of the operators."""

    def __init__(self, folder):
        import socket
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(os.path.join(folder, "server.sock"))
        self.file = self.sock.makefile("rb")
        with open(os.path.join(folder, "secret")) as f:
            self.do("AUTH", "raftcore", f.read())


class Group:
    """Members 1, 2, 3 … of a group; folder i below `where`. `server`: the command. {id} in an option: the member's number."""

    def __init__(self, where, binary=None, server=None, size=3, options=()):
        self.binary = binary or os.environ.get("BINARY") or os.path.join(ROOT, "target", "redis", "raftcore-redis")
        self.where, self.options = where, list(options)
        self.server = server or os.environ.get("SERVER") or "redis-server"
        if version_of(self.server) >= (7,):
            self.server += " --enable-debug-command local"
        self.client, self.peer, self.process, self.members = {}, {}, {}, []
        os.makedirs(where, exist_ok=True)
        try:
            for i in range(1, size + 1):
                self.start(i)
                if i == 1:
                    self.wait_leader()
            wait_for("all members vote", lambda: self.status(1).count("  voter  ") == size, 30)
        except BaseException:
            self.__exit__(True)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for i in list(self.process):
            self.kill(i)
        if kind:
            for i in self.members:
                with open(os.path.join(self.where, f"{i}.log")) as f:
                    print(f"---- member {i}\n" + "".join(f.readlines()[-25:]), flush=True)

    def folder(self, i):
        return os.path.join(self.where, str(i))

    def start(self, i, *more, options=None):
        if i not in self.members:
            self.client[i], self.peer[i] = free_port(), free_port()
            more = (*more, *(["--found"] if not self.members else ["--join", f"127.0.0.1:{self.peer[self.members[0]]}"]))
            self.members.append(i)
        with open(os.path.join(self.where, f"{i}.log"), "ab") as log:
            self.process[i] = subprocess.Popen(
                [self.binary, "--id", str(i), "--dir", self.folder(i), "--client", f"127.0.0.1:{self.client[i]}",
                 "--peer", f"127.0.0.1:{self.peer[i]}", "--server", self.server,
                 *(o.replace("{id}", str(i)) for o in self.options), *(options or []), *more],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    # ---- what is there ----

    def ctl(self, i, *words):
        done = subprocess.run([self.binary, "ctl", "--dir", self.folder(i), *map(str, words)], capture_output=True, text=True,
                              timeout=30)
        return done.stdout + done.stderr

    def status(self, i):
        return self.ctl(i, "status")

    def server_pid(self, i):
        """0 in a status: no server runs at the moment."""
        return wait_for("a server runs", lambda: int(re.search(r"process (\d+)", self.status(i) or "process 0").group(1)))

    def leader(self):
        """The number of the serving member, or None."""
        serving = [i for i in self.process if "serves clients" in self.status(i)]
        return serving[0] if len(serving) == 1 else None

    def wait_leader(self, other_than=None, seconds=30):
        return wait_for("a member serves clients",
                        lambda: (lambda leader: leader if leader != other_than else None)(self.leader()), seconds)

    def log(self, i):
        with open(os.path.join(self.where, f"{i}.log")) as f:
            return f.read()

    def images(self, i):
        """The number of full images in the log of the member's servers."""
        with open(os.path.join(self.folder(i), "server.log")) as f:
            return f.read().count("Finished with success")

    def connect(self, i=None, timeout=20):
        return Client(self.client[i or self.wait_leader()], timeout)

    def own(self, i):
        return UnixClient(self.folder(i))

    # ---- breaking things ----

    def kill(self, i, number=signal.SIGKILL):
        process = self.process.pop(i)
        process.send_signal(number)
        process.wait()

    def kill_server(self, i):
        os.kill(self.server_pid(i), signal.SIGKILL)

    @contextlib.contextmanager
    def paused(self, *pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for("all of them stand still", lambda: all(map(is_stopped, pids)))
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    # ---- equal? ----

    def offset(self, i):
        own = self.own(i)
        text = own.do("INFO", "replication").decode()
        own.close()
        return int(re.search(r"master_repl_offset:(\d+)", text).group(1))

    def level(self):
        """The common position of the members; 0 if their positions differ."""
        offsets = {self.offset(i) for i in self.process}
        states = [self.status(i) for i in self.process]
        ends = {int(re.search(r"committed up to (\d+)", text).group(1)) for text in states}
        return offsets.pop() if len(offsets) == 1 and offsets == ends else 0

    def digests(self):
        """The digests of the members at a common position: a key may expire at any time."""
        def at_one_position():
            before, found = self.level(), {}
            for i in self.process:
                own = self.own(i)
                found[i] = own.do("DEBUG", "DIGEST")
                own.close()
            return found if before and before == self.level() else None
        return wait_for("all members are level", at_one_position, 40, 0.1)

    def assert_equal(self):
        found = self.digests()
        assert len(set(found.values())) == 1, found
        return next(iter(found.values()))


def dice(label):
    """A random generator whose seed is printed; SEED=… repeats a run."""
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"    {label}: SEED={seed}", flush=True)
    return random.Random(seed)
