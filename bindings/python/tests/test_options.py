"""Options that are off or neutral by default."""

import unittest

from kit import Cluster, fields

import raftcore
from raftcore import FRAME_HEADER, Config, EventKind, Flag, MsgKind, Node, Role, Stored


class OptionsTest(unittest.TestCase):
    def test_the_election_timeout_lies_in_its_range(self):
        for jitter, last in ((0, 19), (3, 12), (1, 10)):
            with self.subTest(jitter=jitter):
                config = Config(1, election_jitter_ticks=jitter, seed=7)
                config.flags &= ~Flag.PRE_VOTE
                node = Node(config)
                node.boot(Stored.founder([1, 2, 3]))
                drawn = set()
                for _ in range(300):
                    node.campaign()
                    while ready := node.ready():
                        node.advance(ready.number)
                    drawn.add(node.status().election_timeout)
                self.assertEqual(drawn, set(range(10, last + 1)))
        with self.assertRaisesRegex(raftcore.ArgError, "election_jitter_ticks"):
            Config(1, election_jitter_ticks=2**24 + 1)

    def test_an_append_has_no_more_entries_than_allowed(self):
        for limit in (0, 2):
            with self.subTest(limit=limit), Watched(max_entries_per_msg=limit) as cluster:
                leader = cluster.elect()
                cluster.cut = {3}
                for _ in range(7):
                    leader.node.propose(b"x")
                cluster.settle()
                leader.node.report_unreachable(3)
                cluster.cut = set()
                cluster.sent.clear()
                cluster.tick(2)
                self.assertEqual(cluster[3].state, ["x"] * 7)
                appends = cluster.frames(3, MsgKind.APP)
                entries = [sum(number == 7 for number, _ in fields(frame[FRAME_HEADER:])) for frame in appends]
                self.assertEqual(max(entries), limit or 7)
                self.assertGreaterEqual(len(entries), 4 if limit else 1)

    def test_silence_is_reported_after_so_many_ticks(self):
        flags = Config(1).flags & ~Flag.CHECK_QUORUM
        with Cluster(peer_lags_ticks=7, no_leader_ticks=23, flags=flags) as cluster:
            leader = cluster.elect()
            cluster.cut = {3}
            self.assertEqual(told(cluster, leader, EventKind.PEER_LAGS), 7)
            self.assertIsNotNone(told(cluster, cluster[3], EventKind.BECAME_PRE_CANDIDATE))
            self.assertEqual(told(cluster, cluster[3], EventKind.NO_LEADER_LONG), 23)
            self.assertEqual(told(cluster, cluster[3], EventKind.NO_LEADER_LONG), 23)
        with Cluster() as cluster:
            leader = cluster.elect()
            cluster.cut = {3}
            self.assertIsNone(told(cluster, cluster[3], EventKind.NO_LEADER_LONG, 99))
            self.assertEqual(told(cluster, leader, EventKind.PEER_LAGS), 100)

    def test_a_heartbeat_is_spared_beside_an_append(self):
        for flag, beside in ((0, 1), (Flag.SPARE_HEARTBEATS, 0)):
            with self.subTest(flag=flag), Watched(flags=Config(1).flags | flag) as cluster:
                leader = cluster.elect()
                cluster.tick(2)

                def heartbeats():
                    cluster.sent.clear()
                    cluster.tick()
                    return len(cluster.frames(3, MsgKind.HEARTBEAT))

                self.assertEqual(heartbeats(), 1)
                leader.node.propose(b"x")
                cluster.settle()
                self.assertEqual((heartbeats(), heartbeats()), (beside, 1))

    def test_leadership_goes_to_the_highest_priority(self):
        for flag, leads in ((0, 1), (Flag.YIELD_TO_PRIORITY, 3)):
            with self.subTest(flag=flag), Cluster(flags=Config(1).flags | flag) as cluster:
                cluster.elect()
                cluster.tick(2)
                cluster[3].node.set_priority(5)
                cluster.tick(40)
                self.assertEqual(cluster[2].node.status().leader, leads)

    def test_a_leader_without_a_lease_refuses_proposals(self):
        flags = Config(1).flags | Flag.LEASE_READS | Flag.LEASED_PROPOSALS
        with Cluster(flags=flags) as cluster:
            cluster.tick(60)
            leader = next(host for host in cluster.hosts.values() if host.node.status().role == Role.LEADER)
            leader.node.propose(b"x")
            cluster.settle()
            self.assertEqual(leader.state, ["x"])
            cluster.cut = {leader.id}
            refused = 0
            for _ in range(40):
                leader.node.tick()
                cluster.settle()
                if leader.node.status().role == Role.LEADER:
                    try:
                        leader.node.propose(b"y")
                    except raftcore.NoLeaderError:
                        refused += 1
            self.assertGreater(refused, 0)
        with self.assertRaisesRegex(raftcore.ArgError, "LEASED_PROPOSALS"):
            Config(1, flags=Config(1).flags | Flag.LEASED_PROPOSALS)

    def test_a_reads_answer_brings_the_commit_index(self):
        with Cluster(flags=Config(1).flags | Flag.NO_COMMIT_BROADCAST) as cluster:
            leader, reader = cluster.elect(), cluster[2]
            cluster.tick(2)
            leader.node.propose(b"x")
            cluster.settle()
            now = leader.node.status()
            self.assertEqual(reader.node.status().commit, now.commit - 1)
            # MsgReadIndexResp from 1 to 2: term, index, and an entry that has a context of 16 bytes.
            answer = bytes([8, 16, 16, 2, 24, 1, 32, now.term, 48, now.commit, 58, 18, 34, 16]) + bytes(16)
            reader.node.step(1, answer)
            self.assertEqual(reader.node.status().commit, now.commit)
            cluster.settle()
            self.assertEqual(reader.state, ["x"])

    def test_the_defaults_are_neutral(self):
        config = Config(1)
        self.assertEqual((config.election_jitter_ticks, config.max_entries_per_msg), (0, 0))
        self.assertEqual((config.peer_lags_ticks, config.no_leader_ticks), (0, 0))
        self.assertFalse(config.flags & (Flag.SPARE_HEARTBEATS | Flag.YIELD_TO_PRIORITY | Flag.LEASED_PROPOSALS))


class Watched(Cluster):
    """A cluster that keeps what was sent: (receiver, kind, frame)."""

    def __init__(self, **config):
        self.sent = []
        super().__init__(**config)

    def send(self, peer, messages):
        self.sent += [(message.to, message.kind, message.frame) for message in messages]
        super().send(peer, messages)

    def frames(self, to, kind):
        return [frame for receiver, of, frame in self.sent if (receiver, of) == (to, kind)]


def told(cluster, host, kind, limit=200):
    """After how many ticks the node reports an event; None: not within the limit."""
    for _ in host.node.events():
        pass
    for ticks in range(1, limit + 1):
        host.node.tick()
        cluster.settle()
        if any(event.kind == kind for event in host.node.events()):
            return ticks
    return None


if __name__ == "__main__":
    unittest.main()
