"""Counters of a member, and their text for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from .. import Role

if TYPE_CHECKING:
    from ._host import Host

_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Histogram:
    """Times in seconds."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect_left(_BOUNDS, seconds)] += 1
        self.sum += seconds

    def lines(self, name: str, words: str) -> list[str]:
        lines, count = [f"# HELP {name} {words}", f"# TYPE {name} histogram"], 0
        for bound, number in zip((*map(str, _BOUNDS), "+Inf"), self.buckets):
            count += number
            lines.append(f'{name}_bucket{{le="{bound}"}} {count}')
        return [*lines, f"{name}_sum {self.sum:.6f}", f"{name}_count {count}"]


class Metrics:
    def __init__(self) -> None:
        self.proposals = self.proposals_failed = self.reads = self.reads_repeated = 0
        self.applied = self.flushes = self.frames_refused = 0
        self.snapshots_made = self.snapshots_sent = self.snapshots_installed = 0
        self.snapshot_bytes_sent = self.snapshot_bytes_received = 0
        self.propose_seconds, self.flush_seconds, self.apply_seconds = Histogram(), Histogram(), Histogram()

    def text(self, host: Host) -> str:
        """Returns the metrics in Prometheus' text format, version 0.0.4."""
        status, store = host.node.status(), host.store
        assert store is not None
        leads = int(status.role == Role.LEADER)
        rows = [
            ("leader", "gauge", "Id of the leader; 0: none is known. Alert: 0 for ten election timeouts.", status.leader),
            ("is_leader", "gauge", "1 on the leader.", leads),
            ("term", "counter", "Term of this member. Alert: it grows by more than a few in an hour.", status.term),
            ("commit_index", "counter", "Highest index known to be committed.", status.commit),
            (
                "applied_index",
                "counter",
                "Highest index that the machine has applied. Alert: it stays behind commit_index.",
                status.applied,
            ),
            ("durable_index", "counter", "Highest index on this member's disk.", status.durable),
            ("last_index", "counter", "Last index of the log.", status.last_index),
            ("snapshot_index", "counter", "Index of the newest snapshot.", host.bulk.place.index if host.bulk.place else 0),
            ("log_bytes", "gauge", "Bytes of the log on the disk.", store.log_bytes()),
            ("memory_bytes", "gauge", "Bytes that the core holds.", status.memory_bytes),
            ("members", "gauge", "Members of the group.", status.n_peers),
            ("implausible_total", "counter", "Messages that contradict committed entries. Alert: any.", status.implausible),
            ("messages_dropped_total", "counter", "Outgoing messages lost at a limit.", status.messages_dropped),
            ("messages_refused_total", "counter", "Incoming messages that failed.", status.messages_refused),
            ("late_ticks_total", "counter", "Ticks that came while work waited. Alert: it grows.", status.late_ticks),
            ("proposals_total", "counter", "Writes of this member that were committed.", self.proposals),
            ("proposals_failed_total", "counter", "Writes of this member with another outcome.", self.proposals_failed),
            ("reads_total", "counter", "Linearizable reads served.", self.reads),
            ("reads_repeated_total", "counter", "Questions to the leader that had to be asked again.", self.reads_repeated),
            ("entries_applied_total", "counter", "Entries that the machine has applied since the start.", self.applied),
            ("frames_refused_total", "counter", "Messages that the core refused.", self.frames_refused),
            ("flushes_total", "counter", "Transactions of the disk, each a flush.", self.flushes),
            ("snapshots_made_total", "counter", "Snapshots made.", self.snapshots_made),
            ("snapshots_sent_total", "counter", "Snapshots sent to other members.", self.snapshots_sent),
            ("snapshots_installed_total", "counter", "Snapshots installed.", self.snapshots_installed),
            ("snapshot_bytes_sent_total", "counter", "Bytes of snapshots sent.", self.snapshot_bytes_sent),
            ("snapshot_bytes_received_total", "counter", "Bytes of snapshots received.", self.snapshot_bytes_received),
        ]
        lines: list[str] = []
        for name, kind, words, value in rows:
            lines += (f"# HELP raftcore_{name} {words}", f"# TYPE raftcore_{name} {kind}", f"raftcore_{name} {value}")
        if leads:
            name = "raftcore_peer_match_index"
            lines += (f"# HELP {name} Highest index known to be in a member's log.", f"# TYPE {name} gauge")
            lines += [f'{name}{{peer="{peer.id}"}} {peer.match_index}' for peer in host.node.peers()]
        lines += self.propose_seconds.lines("raftcore_propose_seconds", "Time of a write of this member.")
        lines += self.flush_seconds.lines("raftcore_flush_seconds", "Time of a transaction of the disk.")
        lines += self.apply_seconds.lines("raftcore_apply_seconds", "Time of a batch in the machine.")
        return "\n".join(lines) + "\n"
