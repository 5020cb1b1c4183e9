"""The dialect of raft-rs, and what a host may ask of a running node."""

import unittest

from kit import FACES, Cluster
from test_node import sole

import raftcore
from raftcore import Change, ChangeKind, Conf, Config, Dialect, EntryKind, Flag, HelloFeature, Node, Role, Storage, Stored


def contexts(host):
    return [entry.context for _, entry in sorted(host.log.items()) if entry.context]


class DialectTest(unittest.TestCase):
    def test_a_context_stays_with_its_entry(self):
        want = [b"who", b"alone", b"change"]
        for storage, face in zip(list(Storage) + [Storage.SYNC], FACES):
            with self.subTest(storage=storage, face=face), Cluster(storage, face, dialect=Dialect.ERAFTPB) as cluster:
                leader = cluster.elect()
                cluster.cut = {3}
                leader.node.propose_with_context(EntryKind.NORMAL, b"who", b"data", 1)
                leader.node.propose_with_context(EntryKind.NORMAL, b"alone", b"", 2)
                leader.node.propose_with_context(EntryKind.NORMAL, b"", b"plain", 3)
                # raft-rs's number of a learner
                leader.node.propose_with_context(EntryKind.CONF_CHANGE, b"change", bytes([0x10, 2, 0x18, 4]), 4)
                cluster.settle()
                self.assertEqual((contexts(leader), leader.tokens), (want, [1, 2, 3, 4]))
                conf = leader.node.conf()
                self.assertEqual((conf.dialect, conf.learners), (Dialect.ERAFTPB, (4,)))

                # Over a restart, and from a log on disk to a peer that lacks the entries.
                for id in (1, 2, 3):
                    cluster.restart(id)
                cluster.cut = set()
                cluster.elect()
                cluster.tick(5)
                for host in cluster.hosts.values():
                    self.assertEqual((contexts(host), host.state), (want, ["data", "plain"]))

    def test_a_context_needs_the_dialect(self):
        node = sole()
        with self.assertRaisesRegex(raftcore.UnsupportedError, "eraftpb"):
            node.propose_with_context(EntryKind.NORMAL, b"who", b"data")
        self.assertRaises(raftcore.UnsupportedError, Conf((1,), dialect=9).encode)
        stored = Stored.founder([1])._replace(conf=Conf((1,), index=1, dialect=Dialect.ERAFTPB).encode())
        with self.assertRaisesRegex(raftcore.CorruptError, "written in eraftpb"):
            Node(Config(1)).boot(stored)
        Node(Config(1, dialect=Dialect.ERAFTPB)).boot(stored)

    def test_the_opening_frame_tells_the_dialect(self):
        node, same, other = Node(Config(1)), Node(Config(2)), Node(Config(2, dialect=Dialect.ERAFTPB))
        for each in (node, same, other):
            each.boot(Stored.founder([1, 2]))
        node.hello_check(same.hello())
        with self.assertRaisesRegex(raftcore.NotForMeError, "eraftpb"):
            node.hello_check(other.hello())
        self.assertRaises(raftcore.NotForMeError, node.hello_check, node.hello())
        self.assertRaises(raftcore.DecodeError, node.hello_check, same.hello()[:7])
        self.assertTrue(raftcore.hello_read(other.hello()).features & HelloFeature.ERAFTPB)
        self.assertFalse(raftcore.hello_read(same.hello()).features & HelloFeature.ERAFTPB)

    def test_a_follower_gets_the_snapshot_that_it_asks_for(self):
        with Cluster(dialect=Dialect.ERAFTPB) as cluster:
            leader = cluster.elect()
            leader.node.propose(b"a")
            cluster.settle()
            cluster.tick()
            cluster[3].state = ["rotten"]
            cluster[3].node.request_snapshot()
            self.assertRaises(raftcore.StateError, cluster[3].node.request_snapshot)
            self.assertRaises(raftcore.NoLeaderError, leader.node.request_snapshot)
            cluster.tick(3)
            self.assertEqual((cluster[3].state, cluster[3].snapshots), (["a"], 1))
            self.assertEqual(leader.node.peers()[1].commit, leader.node.status().commit)


class ControlTest(unittest.TestCase):
    def test_proposals_may_be_bound_to_what_was_seen(self):
        with Cluster(flags=Config(1).flags | Flag.FORWARDING) as cluster:
            leader = cluster.elect()
            term = leader.node.status().term
            leader.node.propose_in_term(term, b"o", b"ne", token=1)
            self.assertRaises(raftcore.NoLeaderError, leader.node.propose_in_term, term + 1, b"x")
            self.assertRaises(raftcore.NotLeaderError, cluster[2].node.propose_in_term, term, b"x")
            cluster.settle()
            self.assertEqual((leader.state, leader.tokens), (["one"], [1]))

            seen = leader.node.conf().index
            leader.node.propose_conf_at(seen, [Change(ChangeKind.ADD_LEARNER, 4)])
            cluster.settle()
            with self.assertRaisesRegex(raftcore.StaleError, "as of index"):
                leader.node.propose_conf_at(seen, [Change(ChangeKind.ADD_LEARNER, 5)])

    def test_a_peer_is_paused_grouped_and_promoted(self):
        with Cluster() as cluster:
            leader = cluster.elect()
            node = leader.node
            node.set_window(3, 0)
            node.propose(b"a")
            cluster.settle()
            self.assertEqual((leader.state, cluster[3].log.keys()), (["a"], {2}))
            node.set_window(3, 8)
            cluster.settle()
            self.assertEqual(cluster[3].log.keys(), {2, 3})

            for id in (1, 2, 3):
                node.set_commit_group(id, 1 + id // 3)
            self.assertEqual([peer.group for peer in node.peers()], [1, 1, 2])
            cluster.cut = {3}
            node.propose(b"b")
            cluster.settle()
            self.assertEqual(leader.state, ["a"], "one group decided alone")
            cluster.cut = set()
            node.ping()
            cluster.settle()
            self.assertEqual(leader.state, ["a", "b"])

            cluster.add(1, ChangeKind.ADD_LEARNER, 4)
            node.promote_when_caught_up(4)
            cluster.join(4)
            cluster.tick(10)
            self.assertEqual(node.conf().voters, (1, 2, 3, 4))
            for call in (node.set_commit_group, node.promote_when_caught_up):
                self.assertRaises(raftcore.NoPeerError, call, 9, 1)

    def test_flags_change_and_memory_goes_back(self):
        with Cluster() as cluster:
            node = cluster.elect().node
            self.assertRaises(raftcore.ArgError, node.set_flags, Flag.CONF_APART, Flag.CONF_APART)
            node.set_flags(Flag.CHECK_QUORUM, 0)
            cluster.cut = {1}
            cluster.tick(40)
            before = node.status()
            node.trim()
            self.assertEqual(before.role, Role.LEADER)
            self.assertLess(node.status().memory_bytes, before.memory_bytes)


if __name__ == "__main__":
    unittest.main()
