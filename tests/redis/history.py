"""history.py: a group under load and faults. The history of the clients must be linearizable, and the members equal.

    history.py SCRATCH [SECONDS]      SEED=… repeats the choices; SERVER=… another server
"""

import os
import statistics
import sys
import tempfile
import threading
import time

import check
from kit import BROKEN, ROOT, Client, Group, Reply, dice, wait_for

sys.path.insert(0, os.path.join(ROOT, "tests", "interop"))
from proxy import Links, Proxy  # noqa: E402

WORKERS, KEYS, PER_KEY = 6, 4, 60


class Worker(threading.Thread):
    """Reads and writes registers and lists through random members, and keeps a history."""

    def __init__(self, group, number, chance, stop):
        super().__init__(daemon=True)
        self.group, self.number, self.chance, self.stop_ = group, number, chance, stop
        self.ops, self.acked, self.unknown, self.refused = [], [], 0, 0
        self.n, self.failed, self.port = 0, None, None

    def connect(self):
        self.port = self.chance.choice(list(self.group.client.values()))
        return Client(self.port, 10)

    def command(self):
        """A command, the kind and value for the history."""
        generation = len(self.ops) // PER_KEY
        name = f"{self.chance.choice('rl')}{self.chance.randrange(KEYS)}.{generation}"
        if self.chance.random() < 0.5:
            self.n += 1
            value = self.number * 1_000_000 + self.n
            return ["SET" if name[0] == "r" else "RPUSH", name, value], "write", value
        return (["GET", name] if name[0] == "r" else ["LRANGE", name, 0, -1]), "read", None

    def run(self):
        c = None
        try:
            while not self.stop_.is_set():
                words, kind, value = self.command()
                begin = time.monotonic()
                sent = False
                try:
                    c = c or self.connect()
                    sent = True
                    reply = c.do(*words)
                except Reply as e:
                    if str(e).split()[0] not in ("MASTERDOWN", "READONLY", "LOADING"):
                        raise
                    self.refused += 1
                    c = None
                    time.sleep(0.02)
                    continue
                except BROKEN:
                    if sent and kind == "write":
                        self.ops.append((kind, words[1], value, begin, None))
                        self.unknown += 1
                    c = None
                    time.sleep(0.02)
                    continue
                end = time.monotonic()
                if kind == "read":
                    value = (int(reply) if reply else None) if words[0] == "GET" else tuple(map(int, reply))
                    self.ops.append((kind, words[1], value, begin, end))
                else:
                    self.ops.append((kind, words[1], value, begin, end, *([reply] if words[0] == "RPUSH" else [])))
                    self.acked.append(end)
        except BaseException as e:
            self.failed = e


class Noise(threading.Thread):
    """Commands with effects by chance, by the clock, by expiry, by scripts, in transactions."""

    def __init__(self, group, chance, stop):
        super().__init__(daemon=True)
        self.group, self.chance, self.stop_, self.done = group, chance, stop, 0

    def once(self, c):
        r, k = self.chance, f"n{self.chance.randrange(40)}"
        words = r.choice([
            ["SADD", "s" + k, r.random()], ["SPOP", "s" + k], ["SET", k, r.random(), "PX", r.randrange(50, 3000)],
            ["XADD", "x" + k, "MAXLEN", "~", 100, "*", "f", r.random()], ["INCRBYFLOAT", "f" + k, r.random()],
            ["HSET", "h" + k, r.random(), 1], ["HRANDFIELD", "h" + k], ["ZADD", "z" + k, r.random(), r.randrange(50)],
            ["ZPOPMIN", "z" + k], ["SETRANGE", k, r.randrange(1000), "word"], ["PEXPIRE", "h" + k, r.randrange(100, 5000)],
            ["EVAL", "redis.call('set', KEYS[1], redis.call('time')[2]) return redis.call('randomkey')", 1, "t" + k],
            ["COPY", "s" + k, "c" + k, "REPLACE"], ["BLPOP", "nothing", 0.01], ["PFADD", "p" + k, r.random()],
            ["SORT", "s" + k, "BY", "nosort", "STORE", "o" + k], ["MULTI"], ["DEL", "x" + k]])
        if words[0] == "MULTI":
            for w in (words, ["INCR", "m" + k], ["LPUSH", "ml" + k, r.random()], ["SPOP", "s" + k]):
                c.do(*w)
            words = ["EXEC"]
        try:
            c.do(*words)
        except Reply as e:
            if str(e).split()[0] in ("MASTERDOWN", "READONLY"):
                raise ConnectionError from e
        self.done += 1

    def run(self):
        c = None
        while not self.stop_.is_set():
            try:
                c = c or Client(self.chance.choice(list(self.group.client.values())), 10)
                self.once(c)
            except (*BROKEN, Reply):
                c = None
                time.sleep(0.05)


class ProxiedGroup(Group):
    """Peers reach a member through a proxy with partitions."""

    def __init__(self, where, links, **more):
        self.links, self.listen = links, {}
        super().__init__(where, **more)

    def start(self, i, *more, options=None):
        if i not in self.members:
            from kit import free_port
            self.client[i], self.listen[i] = free_port(), f"127.0.0.1:{free_port()}"
            self.peer[i] = int(Proxy(i, self.listen[i], self.links).address.rsplit(":")[-1])
            more = (*more, *(["--found"] if not self.members else ["--join", f"127.0.0.1:{self.peer[self.members[0]]}"]))
            self.members.append(i)
        super().start(i, *more, options=[*(options or []), "--listen", self.listen[i]])


def break_something(group, chance, counts):
    """A fault, healed after a moment. Returns the fault's name and begin."""
    leader = group.wait_leader()
    begun = time.monotonic()
    what = chance.choice(["server", "sidecar", "both", "pause sidecar", "pause server", "partition", "transfer", "follower"])
    counts[what] = counts.get(what, 0) + 1
    follower = chance.choice([i for i in group.process if i != leader])
    if what == "server":
        group.kill_server(leader)
    elif what in ("sidecar", "both", "follower"):
        victim = follower if what == "follower" else leader
        if what == "both":
            group.kill_server(victim)
        group.kill(victim)
        time.sleep(chance.random())
        group.start(victim)
    elif what == "pause sidecar":
        with group.paused(group.process[leader].pid):
            time.sleep(0.3 + chance.random())
    elif what == "pause server":
        with group.paused(group.server_pid(leader)):
            time.sleep(0.3 + 2 * chance.random())
    elif what == "partition":
        group.links.part([leader], group.members)
        time.sleep(0.5 + chance.random())
        group.links.heal()
    else:
        group.ctl(leader, "transfer")
    return what, begun


def check_all(workers, group):
    by_key = {}
    for w in workers:
        for op in w.ops:
            by_key.setdefault(op[1], []).append(op)
    c = group.connect()
    faults = []
    for key, ops in by_key.items():
        if key[0] == "l":
            faults.append(check.check_list(key, ops, [int(x) for x in c.do("LRANGE", key, 0, -1)]))
        else:
            faults.append(check.check_register(key, [op[:5] for op in ops]))
    return len(by_key), [f for f in faults if f]


def main():
    check.self_test()
    scratch, seconds = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 20
    chance = dice("history")
    links = Links(chance.random())
    options = ["--tick-ms", os.environ.get("TICK_MS", "20"), "--server-ms", "1000", "--log-bytes", "1500000"]
    with ProxiedGroup(os.path.join(tempfile.mkdtemp(dir=scratch), "group"), links, options=options) as group:
        import random
        stop, counts, faults = threading.Event(), {}, []
        workers = [Worker(group, n, random.Random(chance.random()), stop) for n in range(1, WORKERS + 1)]
        noise = [Noise(group, random.Random(chance.random()), stop) for _ in range(2)]
        for t in workers + noise:
            t.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.2 + chance.random())
            faults.append(break_something(group, chance, counts))
        links.heal()
        wait_for("a write after the last fault", lambda: max(w.acked[-1] for w in workers if w.acked) > faults[-1][1] + 1, 30)
        stop.set()
        for t in workers + noise:
            t.join(30)
        assert not any(w.failed for w in workers), [w.failed for w in workers]
        keys, wrong = check_all(workers, group)
        assert not wrong, "\n".join(wrong)
        group.assert_equal()
        acked = sorted(t for w in workers for t in w.acked)
        gaps = [next((t for t in acked if t > begun and t - begun > 0.02), begun) - begun for what, begun in faults if what != "follower"]
        reloads = sum(group.log(i).count("loaded anew") for i in group.members)
        print(f"    {sum(len(w.ops) for w in workers)} operations on {keys} keys, {len(acked)} writes acknowledged and none lost, "
              f"{sum(w.unknown for w in workers)} unknown, {sum(n.done for n in noise)} others; linearizable; members equal")
        print(f"    faults {counts}; servers loaded anew {reloads}; longest silence of all {longest(acked):.2f} s; "
              f"next acknowledged write after a fault: p50 {statistics.median(gaps):.3f} s, max {max(gaps):.2f} s")


def longest(times):
    return max((b - a for a, b in zip(times, times[1:])), default=0)


main()
