"""A member of a group of counters on one of the two libraries, driven by lines on its standard input.

    member.py raftcore|pysyncobj ID DIR PORT    the members' ports are PORT + 1, 2, 3

    write CALLERS SECONDS, read CALLERS SECONDS    a line of JSON: operations, and their latencies in milliseconds
    leader                                         the id of the leader, as JSON
"""

import asyncio
import json
import sys
import threading
import time

from pysyncobj import SyncObj, SyncObjConf, replicated

from raftcore.aio import Group, Options, write


class Numbers:
    """Latencies of one run."""

    def __init__(self, seconds):
        self.begin = time.perf_counter()
        self.end = self.begin + seconds
        self.all = []

    def add(self, begin):
        now = time.perf_counter()
        self.all.append(now - begin)
        return now < self.end

    def json(self):
        took, sorted_ = time.perf_counter() - self.begin, sorted(self.all) or [0.0]
        p50, p99 = (1000 * sorted_[int(len(sorted_) * part)] for part in (0.5, 0.99))
        return json.dumps({"rate": len(self.all) / took, "p50": p50, "p99": p99})


class Ours:
    def __init__(self):
        self.value = 0

    @write
    def add(self, amount):
        self.value += amount
        return self.value


async def raftcore(id, directory, port):
    peers = {member: f"127.0.0.1:{port + member}" for member in (1, 2, 3)}
    counter = Ours()

    async def caller(group, what, numbers):
        more = True
        while more:
            begin = time.perf_counter()
            if what == "write":
                await group.write(counter.add, 1)
            else:
                await group.read()
            more = numbers.add(begin)

    async with Group(counter, directory, id, peers, found=id == 1, options=Options(timeout=60)) as group:
        while not any(member.id == id and member.voter for member in group.members):
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            what, *rest = line.split()
            if what == "leader":
                print(group.leader, flush=True)
                continue
            numbers = Numbers(float(rest[1]))
            await asyncio.gather(*[caller(group, what, numbers) for _ in range(int(rest[0]))])
            print(numbers.json(), flush=True)


class Theirs(SyncObj):
    def __init__(self, own, others, conf):
        super().__init__(own, others, conf)
        self.value = 0

    @replicated
    def add(self, amount):
        self.value += amount
        return self.value


def pysyncobj(id, directory, port):
    peers = {member: f"127.0.0.1:{port + member}" for member in (1, 2, 3)}
    counter = Theirs(peers.pop(id), list(peers.values()), SyncObjConf())
    while not counter.isReady():
        time.sleep(0.05)
    print("ready", flush=True)
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "leader":
            leader = counter._getLeader()
            print(int(str(leader).rpartition(":")[2]) - port if leader else 0, flush=True)
            continue
        numbers, left, done = Numbers(float(rest[1])), [int(rest[0])], threading.Event()

        def again():
            """The next write begins in the callback of the last one: no thread waits in between."""
            begin = time.perf_counter()

            def end(result, error):
                if error == 0 and numbers.add(begin) or error and time.perf_counter() < numbers.end:
                    again()
                else:
                    left[0] -= 1
                    if left[0] == 0:
                        done.set()

            counter.add(1, callback=end)

        for _ in range(int(rest[0])):
            again()
        done.wait()
        print(numbers.json(), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "raftcore":
        asyncio.run(raftcore(int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
    else:
        pysyncobj(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
