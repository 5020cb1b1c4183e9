"""kit.py: servers to start and kill, a RESP client, polling, a TCP proxy that can be cut. Python's standard library only."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from ports import free_port  # noqa: E402


CASES = []


def case(f):
    CASES.append(f)
    return f


class Reply(Exception):
    """An error reply of the server: its text begins with a word like ERR, TRYAGAIN, UNKNOWN, NOTLEADER."""


class Client:
    """One connection. `do` sends a command and returns its reply; an error reply is raised as Reply."""

    def __init__(self, port, timeout=20):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    @staticmethod
    def encode(*words):
        out = [b"*%d\r\n" % len(words)]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(word), word))
        return b"".join(out)

    def send(self, *words):
        self.sock.sendall(self.encode(*words))

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise Reply(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self.file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("closed")
            return data[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        raise ValueError(f"no RESP: {line!r}")

    def do(self, *words):
        self.send(*words)
        return self.read()


def error(c, *words):
    """The error a command is answered with."""
    try:
        answer = c.do(*words)
    except Reply as e:
        return str(e)
    raise AssertionError(f"{words}: {answer!r} is no error")


def expect(got, want):
    assert got == want, f"{got!r} instead of {want!r}"


def set_all(c, writes):
    """Sets in one pipeline. On a slow machine the leader may change meanwhile: refused sets are sent again."""
    while writes:
        for words in writes:
            c.send(*words)
        refused = []
        for words in writes:
            try:
                expect(c.read(), "OK")
            except Reply as e:
                if not str(e).startswith(("TRYAGAIN", "UNKNOWN")):
                    raise
                refused.append(words)
        writes = refused


def attempt(k, i, *words):
    """The reply or the error of a node that runs, or that has just been started."""
    c = k.connect(i)
    try:
        return c.do(*words)
    except Reply as e:
        return e
    finally:
        c.close()


def wait_for(what, condition, seconds=20, every=0.01):
    """Polls until the condition gives something true, and returns it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError, ConnectionError, Reply, ValueError):
            result = condition()
            if result:
                return result
        time.sleep(every)
    raise AssertionError(f"not in {seconds} s: {what}")


class Proxy:
    """
    Forwards TCP connections to the peer port of a node. The address book of the group has one address for a node, so the
    dialler is known by the id in its hello: docs/wire.md, section 3. `cut` holds the ids whose connections are cut.
    """

    HELLO, ID_AT = 48, 40

    def __init__(self, target):
        self.target, self.cut, self.pairs = target, set(), set()
        self.seen = bytearray()     # how the first connection's bytes began
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            with contextlib.suppress(OSError):
                a, _ = self.listener.accept()
                threading.Thread(target=self.connect, args=(a,), daemon=True).start()

    def connect(self, a):
        with contextlib.suppress(OSError):
            hello = b""
            while len(hello) < self.HELLO and (part := a.recv(65536)):
                hello += part
            dialler = int.from_bytes(hello[self.ID_AT:self.ID_AT + 8], "little")
            b = None
            if dialler not in self.cut:
                b = socket.create_connection(("127.0.0.1", self.target), timeout=2)
                b.settimeout(None)
                b.sendall(hello)
                with self.lock:
                    self.pairs.add((dialler, a, b))
                first = not self.seen
                if first:
                    self.seen += hello
                threading.Thread(target=self.pump, args=(b, a, False), daemon=True).start()
                self.pump(a, b, first)
        for s in (a, b):
            if s:
                s.close()

    def pump(self, x, y, recorded):
        with contextlib.suppress(OSError):
            while data := x.recv(65536):
                y.sendall(data)
                if recorded and len(self.seen) < 200000:
                    self.seen += data
        for s in (x, y):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def set_cut(self, dialler, cut):
        with self.lock:
            if cut:
                self.cut.add(dialler)
            else:
                self.cut.discard(dialler)
            for pair in [x for x in self.pairs if x[0] in self.cut]:
                self.pairs.discard(pair)
                for s in pair[1:]:
                    with contextlib.suppress(OSError):
                        s.shutdown(socket.SHUT_RDWR)


class Cluster:
    """Servers of one group. Node i has client port self.client[i] and peer port self.peer[i]; peers know address(i)."""

    def __init__(self, binary, where, size=3, spare=2, proxies=False, options=()):
        self.binary, self.where, self.options = binary, where, list(options)
        self.founders = list(range(1, size + 1))
        everyone = range(1, size + spare + 1)
        self.client = {i: free_port() for i in everyone}
        self.peer = {i: free_port() for i in everyone}
        self.proxy = {i: Proxy(self.peer[i]) for i in everyone} if proxies else {}
        self.process = {}
        os.makedirs(where, exist_ok=True)
        print(f"    ports: {self.client}", flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for i in list(self.process):
            self.kill(i)

    def disk(self, i):
        return os.path.join(self.where, str(i))

    def log(self, i):
        with open(self.disk(i) + ".log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def address(self, i):
        return f"127.0.0.1:{self.proxy[i].port if i in self.proxy else self.peer[i]}"

    def set_cut(self, a, b, cut):
        """Cuts what node a dials at node b."""
        self.proxy[b].set_cut(a, cut)

    def start(self, i, *options, wrapper=()):
        with open(self.disk(i) + ".log", "ab") as log:
            self.process[i] = subprocess.Popen(
                [*wrapper, self.binary, "--id", str(i), "--dir", self.disk(i), "--client", f"127.0.0.1:{self.client[i]}",
                 "--peer", self.address(i), "--listen", f"127.0.0.1:{self.peer[i]}", *self.options, *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def start_all(self):
        """Founds a group of one, and lets the others join. Returns the leader."""
        first, rest = self.founders[0], self.founders[1:]
        self.start(first, "--found")
        for i in rest:
            self.start(i, "--join", self.address(first))
        everyone = ",".join(str(i) for i in self.founders)
        wait_for("all are voters", lambda: all(self.status(i)["voters"] == everyone for i in self.founders))
        return self.leader()

    def kill(self, i):
        p = self.process.pop(i)
        p.kill()
        p.wait()

    def stop(self, i):
        """SIGTERM; returns the exit status."""
        p = self.process.pop(i)
        p.send_signal(signal.SIGTERM)
        return p.wait(timeout=15)

    @staticmethod
    def pause(seconds):
        """Lets a fault last. Not for waiting until something has happened: that is wait_for."""
        time.sleep(seconds)

    def ends(self, i, *options, seconds=20, **more):
        """Starts node i, which must end by itself with status 1. Returns what it said."""
        before = len(self.log(i)) if os.path.exists(self.disk(i) + ".log") else 0
        self.start(i, *options, **more)
        expect(self.process.pop(i).wait(timeout=seconds), 1)
        words = self.log(i)[before:]
        assert len(words) > 30, f"no words: {words!r}"
        return words

    def alive(self):
        for i, p in self.process.items():
            assert p.poll() is None, f"node {i} died with {p.returncode}:\n{self.log(i)[-2000:]}"

    def connect(self, i, timeout=20):
        return wait_for(f"a connection to node {i}", lambda: Client(self.client[i], timeout))

    def ask(self, i, *words, timeout=20):
        c = Client(self.client[i], timeout)
        try:
            return c.do(*words)
        finally:
            c.close()

    def status(self, i):
        text = self.ask(i, "RAFT.STATUS", timeout=5).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def leader(self, other_than=None, among=None):
        """The id of a node that leads, and whom the others of `among` follow."""
        among = among or list(self.process)

        def find():
            states = {i: self.status(i) for i in among if i in self.process}
            for i, s in states.items():
                if s["role"] == "leader" and i != other_than and all(x["leader"] == str(i) for x in states.values()):
                    return i
            return None

        return wait_for("a leader", find)

    def settle(self, ids=None):
        """Waits until all have applied what the leader has committed, and holds their data to be equal."""
        ids = ids or list(self.process)

        def same():
            states = [self.status(i) for i in ids]
            return len({s["applied"] for s in states}) == 1 and states

        states = wait_for("all nodes at the same entry", same)
        hashes = {s["data_hash"] for s in states}
        assert len(hashes) == 1, f"the data differ: {hashes}"
        return states[0]


class Load(threading.Thread):
    """Writes its own keys and one shared counter through the nodes in turn; keeps what was acknowledged and what is open."""

    def __init__(self, cluster, name, nodes):
        super().__init__(daemon=True)
        self.cluster, self.name_, self.nodes = cluster, name, nodes
        self.acked, self.counter_acked, self.counter_open = {}, 0, 0
        self.conn, self.turn = None, 0
        self.failed, self.stop_ = None, threading.Event()

    def run(self):
        try:
            n = 0
            while not self.stop_.is_set():
                key, value = f"{self.name_}:{n}", f"value {n} of {self.name_}"
                if not self.attempt(lambda c, k=key, v=value: c.do("SET", k, v)):
                    continue                        # the same value again does no harm
                self.acked[key] = value.encode()
                n += 1
                if n % 10 == 0:
                    self.count()
        except Exception as e:                      # told to the one who joins
            self.failed = e
        finally:
            self.drop()

    def count(self):
        self.counter_open += 1                      # until it is answered, nobody knows
        answer = self.attempt(lambda c: c.do("INCR", "counter"))
        if answer:
            self.counter_acked += 1
        if answer or answer is False:
            self.counter_open -= 1

    def attempt(self, send):
        """The reply; False if the command surely was not applied, None if nobody can know."""
        try:
            if self.conn is None:
                self.turn += 1
                self.conn = Client(self.cluster.client[self.nodes[self.turn % len(self.nodes)]], timeout=8)
        except OSError:
            time.sleep(0.01)
            return False
        try:
            return send(self.conn)
        except Reply as e:
            assert str(e).startswith(("TRYAGAIN", "UNKNOWN")), e
            return False if str(e).startswith("TRYAGAIN") else None
        except (OSError, ConnectionError):
            self.drop()
            return None

    def drop(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def finish(self):
        self.stop_.set()
        self.join(timeout=30)
        assert not self.is_alive(), "a client got no answer in 30 s"
        if self.failed:
            raise self.failed


class Reader(Load):
    """Reads the shared counter from the nodes in turn: it may never be below what was acknowledged or seen before."""

    def __init__(self, cluster, loads, nodes):
        super().__init__(cluster, "reader", nodes)
        self.loads, self.seen, self.reads = loads, 0, 0

    def run(self):
        try:
            while not self.stop_.is_set():
                floor = max(self.seen, sum(x.counter_acked for x in self.loads))
                answer = self.attempt(lambda c: c.do("GET", "counter") or b"0")
                if not answer:
                    continue
                self.seen = int(answer)
                self.reads += 1
                node = self.nodes[self.turn % len(self.nodes)]
                assert self.seen >= floor, f"node {node} reads {self.seen}, but {floor} INCRs were acknowledged before: a stale read"
                if self.reads % 20 == 0:
                    self.drop()
        except Exception as e:
            self.failed = e
        finally:
            self.drop()
