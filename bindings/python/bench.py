"""The cost of the binding: python bench.py [batch] [size]

W1: three nodes in a process. A round proposes `batch` entries of `size` bytes in a single call, and
messages pass as frames until all nodes have applied the entries. Logs are in memory, and compacted
every 64 rounds. The result is committed entries per second of CPU time (process_time, the best of
100 runs of 64 rounds). Each entry counts once, though three nodes store and apply it.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import raftcore

NODES = (1, 2, 3)
LOG_BYTES = 64 << 20
MORE = ~int(raftcore.Has.EVENTS)  # bits of has_ready that mean work


class Host:
    """A node and its log. A turn has three calls: step_frames, ready_flat, advance."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.node = raftcore.Node(raftcore.Config(id, seed=id))
        self.node.boot(raftcore.Stored.founder(NODES))
        self.inbox: list[tuple[int, bytes]] = []
        self.log: list[Any] = []
        self.applied = 1
        self.entries = 0
        self.state = b""  # what was applied last

    def turn(self, hosts: dict[int, Host]) -> bool:
        """Returns whether there is more work."""
        raise NotImplementedError

    def compact(self) -> None:
        self.log.clear()
        self.node.compacted(self.node.status().applied)


class Batches(Host):
    """A host that keeps readies as they come, and reads the data of entries to apply."""

    def __init__(self, id: int) -> None:
        super().__init__(id)
        self.batches = memoryview(bytearray(LOG_BYTES))
        self.end = 0

    def apply(self, rd: raftcore.FlatReady) -> None:
        self.state = rd.committed_data()[-1]

    def compact(self) -> None:
        super().compact()
        self.end = 0

    def turn(self, hosts: dict[int, Host]) -> bool:
        node = self.node
        for peer, frame in self.inbox:
            node.step_frames(peer, frame)
        self.inbox.clear()
        rd = node.ready_flat()
        if rd is None:
            return False
        if rd.n_entries:
            self.batches[self.end : self.end + rd.size] = rd.buffer  # FlatReady reads it again
            self.log.append(self.end)
            self.end += rd.size
        if rd.n_msgs:
            for to, frame in rd.frames():
                hosts[to].inbox.append((self.id, frame))
        if rd.n_committed:
            self.apply(rd)
            self.entries += rd.n_committed
            self.applied = rd.committed_last
        node.advance(rd.number)
        return node.has_ready() & MORE != 0


class Counted(Batches):
    """A host that only counts entries to apply: the cost of core and binding alone."""

    def apply(self, rd: raftcore.FlatReady) -> None:
        pass


class Turns(Batches):
    """As Batches, with turn: acknowledgement, frames and next ready in a single call."""

    def __init__(self, id: int) -> None:
        super().__init__(id)
        self.done = 0

    def turn(self, hosts: dict[int, Host]) -> bool:
        peer, frames = self.inbox.pop(0) if self.inbox else (0, b"")
        turn = self.node.turn(self.done, 0, peer, frames)
        self.done = 0
        rd = turn.ready
        if rd is None:
            return bool(self.inbox)
        if rd.n_entries:
            self.batches[self.end : self.end + rd.size] = rd.buffer
            self.log.append(self.end)
            self.end += rd.size
        if rd.n_msgs:
            for to, frame in rd.frames():
                hosts[to].inbox.append((self.id, frame))
        if rd.n_committed:
            self.apply(rd)
            self.entries += rd.n_committed
            self.applied = rd.committed_last
        self.done = rd.number
        return not turn.last or bool(self.inbox)


class Entries(Host):
    """A host that makes an object for each entry to store and to apply."""

    def take(self) -> raftcore.FlatReady | raftcore.Ready | None:
        return self.node.ready_flat()

    def turn(self, hosts: dict[int, Host]) -> bool:
        node = self.node
        for peer, frame in self.inbox:
            node.step_frames(peer, frame)
        self.inbox.clear()
        rd = self.take()
        if rd is None:
            return False
        self.log.extend(rd.entries())
        for message in rd.messages():
            hosts[message.to].inbox.append((self.id, message.frame))
        for entry in rd.committed():
            self.state = entry.data
            self.entries += 1
            self.applied = entry.index
        node.advance(rd.number)
        return node.has_ready() & MORE != 0


class Own(Entries):
    """As Entries, with ready()."""

    def take(self) -> raftcore.Ready | None:
        return self.node.ready()


def settle(hosts: dict[int, Host], first: Host) -> None:
    """Lets `first` work, then all nodes with messages, until no node has work."""
    busy = [first]
    while busy:
        for host in busy:
            while host.turn(hosts):
                pass
        busy = [host for host in hosts.values() if host.inbox]


def cluster(kind: type[Host]) -> dict[int, Host]:
    hosts: dict[int, Host] = {id: kind(id) for id in NODES}
    for host in hosts.values():
        settle(hosts, host)
    hosts[1].node.campaign()
    settle(hosts, hosts[1])
    return hosts


def w1(kind: type[Host], batch: int, size: int, rounds: int = 64, runs: int = 100) -> float:
    """Returns committed entries per second."""
    hosts = cluster(kind)
    payload = [bytes(size)] * batch
    best = float("inf")
    gc.disable()  # as timeit does
    for _ in range(runs):
        begin = time.process_time()
        for round in range(rounds):
            hosts[1].node.propose_many(payload)
            settle(hosts, hosts[1])
            if round % 64 == 63:
                for host in hosts.values():
                    host.compact()
        best = min(best, time.process_time() - begin)
    gc.enable()
    for host in hosts.values():
        assert host.entries == runs * rounds * batch + 1, "all have applied all"
    return rounds * batch / best


def cost(call: Callable[[], object], times: int = 1_000, runs: int = 200) -> float:
    """Returns nanoseconds per call, without the loop."""
    best = float("inf")
    for _ in range(runs):
        begin = time.process_time()
        for _ in range(times):
            call()
        best = min(best, time.process_time() - begin)
    return best / times * 1e9


def calls() -> None:
    hosts = cluster(Batches)
    node = hosts[1].node
    follower = hosts[2].node

    def turn() -> None:
        node.propose(b"x" * 64)
        settle(hosts, hosts[1])

    flat = raftcore.Node(raftcore.Config(9, seed=9))
    flat.boot()
    while (rd := flat.ready_flat()) is not None:
        flat.advance(rd.number)
    print(f"{'tick(0)':34} {cost(lambda: node.tick(0)):8.0f} ns")
    print(f"{'has_ready()':34} {cost(node.has_ready):8.0f} ns")
    print(f"{'ready_flat(), nothing to do':34} {cost(flat.ready_flat):8.0f} ns")
    print(f"{'step_frames(), empty':34} {cost(lambda: follower.step_frames(1, b'')):8.0f} ns")
    print(f"{'status()':34} {cost(node.status):8.0f} ns")
    print(f"{'propose + all until three applied':34} {cost(turn, 100):8.0f} ns")
    node.propose_many([bytes(64)] * 64)
    rd = node.ready_flat()
    assert rd is not None and rd.n_entries == 64
    held = rd.keep()
    print(f"{'parse the head of a flat batch':34} {cost(lambda: raftcore.FlatReady(held.buffer)):8.0f} ns")
    print(f"{'entries(), 64 as bytes':34} {cost(held.entries, 50):8.0f} ns")
    print(f"{'entry_views(), 64 as views':34} {cost(held.entry_views, 50):8.0f} ns")


def main() -> None:
    batch, size = (int(number) for number in (sys.argv[1:] + ["64", "64"][len(sys.argv) - 1 :])[:2])
    for kind, what in (
        (Counted, "batches kept, entries counted"),
        (Batches, "batches kept, data of each taken"),
        (Turns, "the same, in turns"),
        (Entries, "an object an entry, ready_flat()"),
        (Own, "an object an entry, ready()"),
    ):
        print(f"W1 batch {batch} size {size}: {what:36} {w1(kind, batch, size):12,.0f} committed entries a second")
    calls()


if __name__ == "__main__":
    main()
