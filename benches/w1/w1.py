"""W1 through the Python binding, as a host with Storage.SYNC does it.

w1.py ROUNDS BATCH SIZE [REPS]

A host keeps what it has to store as it came, batch behind batch, and looks at the index and the length of each entry that it applies, as
the hosts in the other languages do; bindings/python/bench.py takes the data as well. ALIKE=1 in the environment: entries of one length,
without tokens. A frame leaves and arrives as an object of bytes:
what a network would do with it is not there to be told apart. No repetitions: one run that nobody times, to be counted under callgrind.
"""

from __future__ import annotations

import gc
import os
import sys
import time

import raftcore

NODES = (1, 2, 3)
CYCLE = 1024  # lengths before they repeat
# Bits as plain numbers: `&` with a member of an IntFlag takes a microsecond.
MORE, FETCH, HARD_STATE = ~int(raftcore.Has.EVENTS), int(raftcore.Has.FETCH), int(raftcore.ReadyFlag.HARD_STATE)


class Host:
    def __init__(self, id: int, keep: int, batch: int, size: int) -> None:
        config = raftcore.Config(id, seed=id, max_size_per_msg=16 << 20)
        config.block_bytes = int(os.environ.get("BLOCK_BYTES", config.block_bytes))
        round = batch * (size + 48)
        config.recent_bytes = (keep + 4) * round + 8 * config.block_bytes  # the whole log between two compactions
        self.id = id
        self.node = raftcore.Node(config)
        self.node.boot(raftcore.Stored.founder(NODES))
        self.inbox: list[tuple[int, bytes]] = []
        self.disk = bytearray(4 * round + 65536)
        self.hard_state = (0, 0, 0)
        self.applied = 1
        self.count = 0
        self.waiting = 0  # clients without an answer
        self.bytes = 0

    def work(self, hosts: dict[int, Host]) -> None:
        """Handles every ready: store, send, apply, answer, advance."""
        node, more = self.node, True
        while more:
            rd = node.ready_flat()
            if rd is None:
                return
            if rd.n_entries:
                self.disk[: rd.size] = rd.buffer
            if rd.flags & HARD_STATE:
                self.hard_state = (rd.term, rd.vote, rd.commit)
            if rd.n_msgs:
                for to, frame in rd.frames():
                    hosts[to].inbox.append((self.id, frame))
            if rd.n_committed:
                if self.waiting:
                    entries = rd.committed()
                    self.waiting -= len([entry for entry in entries if entry.token])
                    lengths = tuple(len(entry.data) for entry in entries)
                else:
                    lengths = rd.committed_lengths()
                self.count += len(lengths)
                self.bytes += sum(lengths)
                self.applied = rd.committed_last
            assert not rd.n_reads and not rd.n_dropped
            node.advance(rd.number)
            kinds = node.has_ready()
            assert not kinds & FETCH
            more = kinds & MORE != 0


def settle(hosts: dict[int, Host]) -> None:
    """Lets the leader's host work, then every host with messages, until no messages are left."""
    hosts[1].work(hosts)
    busy = True
    while busy:
        busy = False
        for host in hosts.values():
            if host.inbox:
                inbox, host.inbox = host.inbox, []
                for peer, frame in inbox:
                    host.node.step_frames(peer, frame)
                host.work(hosts)
                busy = True


def proposals(batch: int, size: int) -> tuple[list[bytes], list[int] | None]:
    """The proposals of all rounds, as benches/kit/src/proposals.rs has them: CYCLE, then the first again."""
    alike = os.environ.get("ALIKE") == "1"
    lengths: list[int] = []
    state = 1
    while len(lengths) < CYCLE:
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        apart = 0 if alike else (state >> 16) % (size // 2 + 1)
        lengths += size - apart, size + apart
    payloads = [bytes([7]) * length for length in lengths]
    payloads += payloads[:batch]
    return payloads, None if alike else list(range(1, len(payloads) + 1))


def main(rounds: int = 1024, batch: int = 1, size: int = 256, reps: int = 7) -> None:
    keep = min(max((64 << 20) // (batch * size), 1), 64)
    hosts = {id: Host(id, keep, batch, size) for id in NODES}
    payloads, tokens = proposals(batch, size)
    at = 0

    def run(rounds: int) -> None:
        nonlocal at
        node = hosts[1].node
        for round in range(1, rounds + 1):
            node.propose_many(payloads[at : at + batch], tokens and tokens[at : at + batch])
            hosts[1].waiting += batch if tokens else 0
            at = (at + batch) % CYCLE
            settle(hosts)
            if round % keep == 0:
                for host in hosts.values():
                    host.node.compacted(host.applied)

    def ns() -> float:
        before = [host.count for host in hosts.values()]
        begin = time.process_time_ns()
        run(rounds)
        took = time.process_time_ns() - begin
        assert hosts[1].waiting == 0, "each client is answered"
        assert all(host.count - then == rounds * batch for host, then in zip(hosts.values(), before)), "all applied all"
        return took / (rounds * batch)

    gc.disable()
    hosts[1].node.campaign()
    settle(hosts)
    run(8 * keep)
    if reps == 0:
        ns()
        return
    figures = sorted(ns() for _ in range(reps))
    # Python allocates for every object, so allocations are not counted.
    print(
        f"who=python-host batch={batch} size={size} ns_min={figures[0]:.2f} ns_median={figures[reps // 2]:.2f} ns_network=0.00"
        " allocs=nan"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
