"""What the binding costs: python bench.py [batch] [size]

W1: three nodes in one process, one leader. A round proposes `batch` entries of `size` bytes in one call; messages pass as frames until
all three nodes have applied them. Logs are in memory and compacted every 64 rounds. The figures are committed entries a second of one
core's time (process_time; best of several runs), counted once though three nodes store and apply each.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import raftcore

NODES = (1, 2, 3)


class Batches:
    """A host whose log keeps batches as they came, and that looks at each payload it applies, in place."""

    def __init__(self, id: int) -> None:
        self.node = raftcore.Node(raftcore.Config(id, seed=id))
        self.node.boot_state(0, 0, 1)
        self.node.boot_conf(raftcore.Conf(NODES), 1, 1)
        self.node.boot_done(1)
        self.log: list[Any] = []
        self.applied = 1
        self.bytes = 0

    def work(self, inboxes: dict[int, list[tuple[int, Any]]]) -> None:
        node = self.node
        rd = node.ready_flat()
        while rd is not None:
            if rd.n_entries:
                self.log.append(rd.keep())
            if rd.n_msgs:
                for to, _, _, frame in rd.messages():
                    inboxes[to].append((node_id(node), frame))
            if rd.n_committed:
                self.bytes += sum(map(len, rd.committed_data()))
                self.applied = rd.committed_last
            node.advance(rd.number)
            rd = node.ready_flat()

    def compact(self) -> None:
        self.log.clear()
        self.node.compacted(self.applied)


class Entries(Batches):
    """A host that makes Python objects: each entry is stored and applied by itself, as bytes."""

    def work(self, inboxes: dict[int, list[tuple[int, Any]]]) -> None:
        node = self.node
        rd = node.ready_flat()
        while rd is not None:
            if rd.n_entries:
                self.log.extend(rd.entries())
            if rd.n_msgs:
                for to, _, _, frame in rd.messages():
                    inboxes[to].append((node_id(node), frame))
            if rd.n_committed:
                for entry in rd.committed():
                    self.bytes += len(entry.data)
                    self.applied = entry.index
            node.advance(rd.number)
            rd = node.ready_flat()


class Views(Batches):
    """A host on ready(): views of the node's own memory."""

    def work(self, inboxes: dict[int, list[tuple[int, Any]]]) -> None:
        node = self.node
        rd = node.ready()
        while rd is not None:
            if rd.n_entries:
                self.log.extend(rd.entries())
            if rd.n_msgs:
                for to, _, _, frame in rd.messages():
                    inboxes[to].append((node_id(node), frame))
            if rd.n_committed:
                for entry in rd.committed_views():
                    self.bytes += len(entry.data)
                    self.applied = entry.index
            node.advance(rd.number)
            rd = node.ready()


def node_id(node: raftcore.Node) -> int:
    return IDS[id(node)]


IDS: dict[int, int] = {}


def cluster(kind: type[Batches]) -> tuple[dict[int, Batches], Callable[[], None]]:
    hosts = {id: kind(id) for id in NODES}
    IDS.update({id(host.node): number for number, host in hosts.items()})
    inboxes: dict[int, list[tuple[int, Any]]] = {id: [] for id in NODES}

    def settle() -> None:
        busy = True
        while busy:
            busy = False
            for number, host in hosts.items():
                if inboxes[number]:
                    mail, inboxes[number] = inboxes[number], []
                    for peer, frame in mail:
                        host.node.step_frames(peer, frame)
                    busy = True
                host.work(inboxes)

    hosts[1].node.campaign()
    settle()
    return hosts, settle


def w1(kind: type[Batches], batch: int, size: int, rounds: int = 512, runs: int = 7) -> float:
    """Committed entries a second."""
    hosts, settle = cluster(kind)
    payload = [bytes(size)] * batch
    best = float("inf")
    for _ in range(runs):
        begin = time.process_time()
        for round in range(rounds):
            hosts[1].node.propose_many(payload)
            settle()
            if round % 64 == 63:
                for host in hosts.values():
                    host.compact()
        best = min(best, time.process_time() - begin)
    for host in hosts.values():
        assert host.bytes == runs * rounds * batch * size, "all have applied all"
    return rounds * batch / best


def cost(call: Callable[[], object], times: int = 20_000, runs: int = 5) -> float:
    """Nanoseconds a call, the loop aside."""
    best = float("inf")
    for _ in range(runs):
        begin = time.process_time()
        for _ in range(times):
            call()
        best = min(best, time.process_time() - begin)
    return best / times * 1e9


def calls() -> None:
    hosts, settle = cluster(Batches)
    node = hosts[1].node
    follower = hosts[2].node
    node.campaign()
    settle()

    def propose() -> None:
        node.propose(b"x" * 64)

    def turn() -> None:
        node.propose(b"x" * 64)
        settle()

    flat = raftcore.Node(raftcore.Config(9, seed=9))
    flat.boot_done(0)
    while (rd := flat.ready_flat()) is not None:
        flat.advance(rd.number)
    print(f"{'tick(0)':34} {cost(lambda: node.tick(0)):8.0f} ns")
    print(f"{'has_ready()':34} {cost(node.has_ready):8.0f} ns")
    print(f"{'ready_flat(), nothing to do':34} {cost(flat.ready_flat):8.0f} ns")
    print(f"{'step_frames(peer, b\"\")':34} {cost(lambda: follower.step_frames(1, b'')):8.0f} ns")
    print(f"{'status()':34} {cost(node.status):8.0f} ns")
    print(f"{'propose + all until three applied':34} {cost(turn, 2_000):8.0f} ns")
    node.propose_many([bytes(64)] * 64)
    rd = node.ready_flat()
    assert rd is not None and rd.n_entries == 64
    held = rd.keep()
    print(f"{'parse the head of a flat batch':34} {cost(lambda: raftcore.FlatReady(held.buffer)):8.0f} ns")
    print(f"{'entries(), 64 as bytes':34} {cost(held.entries, 2_000):8.0f} ns")
    print(f"{'entry_views(), 64 as views':34} {cost(held.entry_views, 2_000):8.0f} ns")


def main() -> None:
    batch, size = int((sys.argv + ["64"])[1]), int((sys.argv + ["", "64"])[2] or 64)
    for kind, what in ((Batches, "batches kept, payloads in place"), (Entries, "an object an entry"), (Views, "views of the node's memory")):
        print(f"W1 batch {batch} size {size}: {what:34} {w1(kind, batch, size):12,.0f} committed entries a second")
    calls()


if __name__ == "__main__":
    main()
