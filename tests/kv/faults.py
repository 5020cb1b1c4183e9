"""faults.py: disks that rot, are cut or wiped; slow links; too few descriptors; entries that are no operation. Words, never a loss."""

import os
import shutil
import signal
import socket
import struct
import threading
import time

import insult
from kit import Client, attempt, case, expect, free_port, set_all, wait_for

MARKER, ROTTEN = b"MARKERVALUE0123456789", b"CORRUPTED!!0123456789"
REQUEST, OUTCOME, ENTRY = 32, 33, 1


def files_of(folder):
    return sorted(f for f in os.listdir(folder) if os.path.isfile(os.path.join(folder, f)))


def read_file(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def write_file(data, *path):
    with open(os.path.join(*path), "wb") as f:
        f.write(data)


def copy_of(k, i):
    """A copy of a node's disk, to bring back with restore()."""
    copy = k.disk(i) + ".copy"
    shutil.copytree(k.disk(i), copy)
    return copy


def restore(k, i, copy):
    shutil.rmtree(k.disk(i))
    shutil.copytree(copy, k.disk(i))


def fill(k, leader):
    """Data on all nodes, in the log and in LMDB, and in a snapshot file, if the disk of a node has one."""
    c = k.connect(leader)
    expect(c.do("SET", "marker", MARKER), "OK")
    for n in range(200):
        expect(c.do("SET", f"x{n}", n), "OK")


@case
def rot_is_told(make):
    """Bytes of a value rot, in the log, in the data: the node ends with words, at each start, and hands nothing rotten on."""
    with make() as k:
        leader = k.start_all()
        fill(k, leader)
        k.settle()
        rots = leader % 3 + 1
        expect(k.stop(rots), 0)
        copy, held = copy_of(k, rots), []
        for name in files_of(copy):
            data = read_file(copy, name)
            if MARKER not in data:
                continue
            held.append(name)
            restore(k, rots, copy)
            write_file(data.replace(MARKER, ROTTEN), k.disk(rots), name)
            for _ in range(2):
                words = k.ends(rots)
                assert name in words and ("not what was written" in words or "damaged" in words), (name, words)
        assert "data.mdb" in held and len(held) >= 2, held
        expect(k.ask(leader, "GET", "marker"), MARKER)
        restore(k, rots, copy)
        k.start(rots)
        k.settle()
        print(f"    rot in {', '.join(held)}")


def without_tables(data):
    """An LMDB file whose two heads name no root page of the table of tables (lmdb.h 0.9: MDB_meta, P_INVALID)."""
    for root in (128, 4096 + 128):
        data = data[:root] + b"\xff" * 8 + data[root + 8:]
    return data


@case
def every_file_cut_changed_or_gone(make):
    """Each file of a disk cut, filled with garbage or removed: words and status 1, or all data."""
    with make(options=["--keep-kib", "1024"]) as k:      # small files are copied faster
        leader = k.start_all()
        fill(k, leader)
        k.settle()
        node = leader % 3 + 1
        expect(k.stop(node), 0)
        copy, told, fine = copy_of(k, node), [], []
        for name in files_of(copy):
            data = read_file(copy, name)
            half = len(data) // 2
            harms = {"empty": b"", "cut in half": data[:half], "cut by a byte": data[:-1], "cut by a page": data[:-4097],
                     "cut by five pages": data[:-20480], "its end garbage": data[:half] + os.urandom(len(data) - half),
                     "all zeros": bytes(len(data)), "garbage": os.urandom(len(data)), "gone": None}
            if name.endswith(".mdb"):
                harms["its tables gone"] = without_tables(data)
            for harm, bad in harms.items():
                restore(k, node, copy)
                if bad is None:
                    os.unlink(os.path.join(k.disk(node), name))
                else:
                    write_file(bad, k.disk(node), name)
                before = len(k.log(node))
                k.start(node)
                process = k.process[node]

                def over():
                    return process.poll() is not None or k.status(node)["leader"] not in ("0", str(node))

                wait_for(f"{name}, {harm}: words, or a node that serves", over)
                words = k.log(node)[before:]
                if process.poll() is None:
                    fine.append(f"{name} {harm}")
                    k.settle()
                    expect(k.ask(node, "GET", "marker"), MARKER)
                    k.kill(node)
                else:
                    told.append(f"{name} {harm}")
                    k.process.pop(node)
                    expect(process.returncode, 1)
                    assert len(words) > 30, (name, harm, words)
        k.alive()
        expect(k.ask(leader, "GET", "marker"), MARKER)
        assert not any("its tables gone" in harm for harm in fine), "an emptied file passes for a new one"
        print(f"    {len(told)} told; without harm: {', '.join(fine)}")


@case
def a_wiped_majority_founds_nothing(make):
    """Two of three lose their disks. They do not found a group beside the one that has the data."""
    with make() as k:
        keeper = k.start_all()
        fill(k, keeper)
        k.settle()
        first, second = [i for i in k.founders if i != keeper]
        for i in (first, second):
            k.kill(i)
            shutil.rmtree(k.disk(i))
        for i in (first, second):                       # as they were started the last time
            assert "is empty: found a group, or join one" in k.ends(i)
        shutil.rmtree(k.disk(first))
        k.start(first, "--found")                       # an operator's mistake: two groups, which never mix
        wait_for("a group of its own", lambda: k.status(first)["role"] == "leader")
        shutil.rmtree(k.disk(second))
        assert "another directory" in k.ends(second, "--join", k.address(keeper))      # under its old id
        wait_for("words about two foundings", lambda: "was founded as" in k.log(keeper) + k.log(first))
        expect(k.status(keeper)["voters"], "1,2,3")
        expect(k.status(first)["voters"], str(first))
        for words in (("GET", "marker"), ("SET", "marker", "new")):
            answer = attempt(k, keeper, *words)
            assert str(answer).startswith(("TRYAGAIN", "UNKNOWN")), f"{words}: {answer!r}"
        k.kill(first)
        k.kill(keeper)
        k.start(keeper, "--force-cluster")
        wait_for("the keeper leads", lambda: k.status(keeper)["role"] == "leader")
        expect(k.ask(keeper, "GET", "marker"), MARKER)


@case
def a_wiped_node_is_refused(make):
    """One of three loses its disk, and comes back under its old id: refused with words. Under a new id it joins."""
    with make() as k:
        leader = k.start_all()
        fill(k, leader)
        wiped = leader % 3 + 1
        k.kill(wiped)
        shutil.rmtree(k.disk(wiped))
        words = k.ends(wiped, "--join", k.address(leader))
        assert "another directory" in words and "new id" in words, words
        k.start(4, "--join", k.address(leader))
        wait_for("node 4 is a voter", lambda: k.status(4)["voters"] == "1,2,3,4")
        expect(k.ask(leader, "RAFT.REMOVE", wiped), "OK")
        k.settle()
        expect(k.ask(4, "GET", "marker"), MARKER)


@case
def founding_twice_is_refused(make):
    with make() as k:
        k.start_all()
        k.kill(1)
        assert "a group is founded once" in k.ends(1, "--found")
        k.start(1)
        k.leader()


class SlowLink:
    """Passes connections on, at RATE bytes a second towards the node."""

    RATE = 2 << 20

    def __init__(self, target):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = target
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                a = self.listener.accept()[0]
                b = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                continue
            threading.Thread(target=self.pump, args=(a, b, self.RATE), daemon=True).start()
            threading.Thread(target=self.pump, args=(b, a, None), daemon=True).start()

    @staticmethod
    def pump(x, y, rate):
        began, n = time.monotonic(), 0
        try:
            while data := x.recv(16384):
                y.sendall(data)
                n += len(data)
                if rate:
                    time.sleep(max(0, n / rate - (time.monotonic() - began)))
        except OSError:
            pass
        for s in (x, y):
            s.close()


@case
def a_learner_behind_a_slow_link_catches_up(make):
    """A snapshot of 8 MB over 2 MB/s, while writes go on, with little log kept: what the snapshot needs stays."""
    with make(options=["--keep-kib", "256"]) as k:
        leader = k.start_all()
        c = k.connect(leader)
        set_all(c, [["SET", f"k{n}", "v" * 2000] for n in range(4000)])
        stop = threading.Event()

        def load():
            writer = Client(k.client[leader])
            while not stop.wait(0.025):
                for n in range(50):
                    writer.send("SET", f"s{n}", "x" * 40)
                for n in range(50):
                    writer.read()

        thread = threading.Thread(target=load)
        thread.start()
        try:
            k.start(4, "--wait")
            wait_for("node 4 serves", lambda: k.status(4))
            began = time.monotonic()
            expect(k.ask(leader, "RAFT.ADD", 4, f"127.0.0.1:{SlowLink(k.peer[4]).port}", "LEARNER"), "OK")
            wait_for("promoted", lambda: k.ask(leader, "RAFT.PROMOTE", 4) == "OK", seconds=40, every=0.2)
            took = time.monotonic() - began
        finally:
            stop.set()
            thread.join()
        sent = k.log(leader).count("node 4 is sent the snapshot")
        assert sent <= 2, f"{sent} snapshots"
        k.settle()
        print(f"    {sent} snapshot, promoted after {took:.1f} s")


@case
def a_learner_that_pauses_needs_no_second_snapshot(make):
    """A learner is stopped for three seconds once the first snapshot is there. Writes go on, and little log is kept."""
    with make(options=["--keep-kib", "256"]) as k:
        leader = k.start_all()
        stop = threading.Event()

        def load():
            writer = Client(k.client[leader])
            while not stop.wait(0.025):
                for n in range(100):
                    writer.send("SET", f"s{n}", "x" * 200)
                for n in range(100):
                    writer.read()

        thread = threading.Thread(target=load)
        thread.start()
        try:
            k.start(4, "--wait")
            wait_for("node 4 serves", lambda: k.status(4))
            expect(k.ask(leader, "RAFT.ADD", 4, k.address(4), "LEARNER"), "OK")
            wait_for("node 4 has a snapshot", lambda: "the database has the snapshot" in k.log(4))
            k.process[4].send_signal(signal.SIGSTOP)
            k.pause(3)
            k.process[4].send_signal(signal.SIGCONT)
            wait_for("promoted", lambda: k.ask(leader, "RAFT.PROMOTE", 4) == "OK", every=0.1)
        finally:
            stop.set()
            thread.join()
        sent = k.log(leader).count("node 4 is sent the snapshot")
        expect(sent, 1)
        k.settle()


@case
def too_few_descriptors(make):
    """Clients without end take no descriptor from the peers; a limit that is too low is told at the start."""
    with make() as k:
        few = ["sh", "-c", 'ulimit -n "$0"; exec "$@"']
        assert "files may be open" in k.ends(1, "--found", wrapper=[*few, "40"])
        k.start(1, "--found", wrapper=[*few, "100"])
        wait_for("node 1 leads", lambda: k.status(1)["role"] == "leader")
        clients = [socket.create_connection(("127.0.0.1", k.client[1])) for _ in range(200)]
        for i in (2, 3):                                # they find room
            k.start(i, "--join", k.address(1), wrapper=[*few, "100"])
        wait_for("all are voters", lambda: k.status(2)["voters"] == "1,2,3")
        for s in clients:
            s.close()
        expect(wait_for("node 1 serves again", lambda: k.ask(1, "SET", "a", "1")), "OK")
        k.settle()


@case
def entries_that_are_no_operation(make):
    """A member's entries that are garbage are answered with an error, change nothing, and end nobody, now or at the next start."""
    with make() as k:
        leader = k.start_all()
        fill(k, leader)
        before = k.settle()["data_hash"]
        expect(k.ask(leader, "RAFT.ADD", 4, f"127.0.0.1:{free_port()}", "LEARNER"), "OK")
        long_key = struct.pack("<BBBBI", 1, 1, 0, 0, 2) + struct.pack("<I", 600) + b"k" * 600 + struct.pack("<I", 1) + b"v"
        bad = [b"\x00", b"\xff" * 40, b"\x01" * 7, struct.pack("<BBBBI", 1, 9, 0, 0, 0), struct.pack("<BBBBI", 1, 1, 0, 0, 2),
               struct.pack("<BBBBIII", 1, 1, 0, 0, 2, 0, 0), long_key, struct.pack("<BBBBI", 1, 2, 0, 0, 1 << 31), os.urandom(100)]
        with socket.create_connection(("127.0.0.1", k.peer[leader]), timeout=10) as s:
            s.sendall(insult.hello(4, to=leader))
            for n, data in enumerate(bad, 1):
                fixed = struct.pack("<Q16sQIB3xI", n, bytes(16), 0, 5000, ENTRY, len(data))
                s.sendall(insult.frame(insult.GROUP, b"H" + bytes([REQUEST]) + struct.pack("<H", len(fixed)) + fixed + data))
            got, results = b"", {}
            while len(results) < len(bad):
                got += s.recv(65536)
                for f in insult.frames_of(got):
                    body = f[insult.HEAD:]
                    if body[:2] == b"H" + bytes([OUTCOME]):
                        results[struct.unpack_from("<Q", body, 4)[0]] = (body[12], body)
        for n, (outcome, body) in sorted(results.items()):
            assert outcome == 1 and b"-ERR" in body, (n, bad[n - 1][:20], outcome, body)
        expect(k.ask(leader, "RAFT.REMOVE", 4), "OK")
        expect(k.settle()["data_hash"], before)
        for i in k.founders:
            k.kill(i)
        for i in k.founders:
            k.start(i)
        k.leader()
        expect(k.settle()["data_hash"], before)


