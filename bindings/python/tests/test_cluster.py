"""Clusters in one process: each storage mode, each way to look at a ready."""

import functools
import unittest

import kit
from kit import FACES, Cluster

import raftcore
from raftcore import Storage


def everywhere(**config):
    """A test in each storage mode, for each way to look at a ready."""

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for storage in Storage:
                for face in FACES:
                    with self.subTest(storage=storage.name, face=face), Cluster(storage, face, **config) as cluster:
                        test(self, cluster)

        return run

    return decorate


SMALL = {"recent_bytes": 16384, "block_bytes": 4096, "max_size_per_msg": 4096}


class ClusterTest(unittest.TestCase):
    @everywhere()
    def test_what_is_proposed_is_applied_everywhere_and_its_token_comes_back(self, cluster):
        leader = cluster.elect()

        leader.node.propose(b"a", token=7)
        leader.node.propose(b"b", bytearray(b"c"), memoryview(b"d"))
        leader.node.propose_many([b"e", b"", b"f" * 3], [8, 9, 10])
        leader.node.propose_many([bytearray(b"g"), b"h", b"i" * 3])
        cluster.settle()

        for host in cluster.hosts.values():
            self.assertEqual(host.state, ["a", "bcd", "e", "fff", "g", "h", "iii"])
        self.assertEqual(leader.tokens, [7, 8, 9, 10])
        digests = {host.node.digest() for host in cluster.hosts.values() if host is not leader}
        self.assertEqual(len(digests), 2, "followers differ in their id")

    @everywhere()
    def test_a_restarted_node_goes_on(self, cluster):
        leader = cluster.elect()
        leader.node.propose(b"before")
        cluster.settle()

        cluster.restart(2)
        leader.node.propose(b"after")
        cluster.tick(3)

        self.assertEqual(cluster[2].state, ["before", "after"])

    @everywhere()
    def test_members_come_and_go(self, cluster):
        leader = cluster.elect()
        cluster.join(4)

        leader.node.propose_conf([raftcore.Change(kit.ADD_LEARNER, 4)], context=b"host:4")
        cluster.tick(2)
        self.assertEqual(leader.node.conf().learners, (4,))
        cluster.add(1, kit.ADD_NODE, 4)
        leader.node.propose_conf([(kit.REMOVE_NODE, 2), (kit.REMOVE_NODE, 3)])
        cluster.tick(2)

        conf = leader.node.conf()
        self.assertEqual((conf.voters, conf.outgoing, conf.learners), ((1, 4), (), ()))
        self.assertEqual(conf.encoded, leader.conf)
        self.assertEqual([peer.id for peer in leader.node.peers()], [1, 4])

    @everywhere()
    def test_a_newcomer_gets_a_snapshot(self, cluster):
        leader = cluster.elect()
        for number in range(20):
            leader.node.propose(b"%d" % number)
        cluster.settle()
        for index in [index for index in leader.log if index <= leader.applied]:
            leader.before, leader.before_term = index, leader.log.pop(index)[0]
        leader.node.compacted(leader.applied)

        cluster.join(4)
        cluster.add(1, kit.ADD_NODE, 4)
        cluster.tick(3)

        self.assertEqual(cluster[4].snapshots, 1)
        self.assertEqual(cluster[4].state, leader.state)
        self.assertEqual(cluster[4].conf, leader.conf)

    @everywhere(**SMALL)
    def test_a_peer_far_behind_gets_entries_from_the_hosts_log(self, cluster):
        leader = cluster.elect()
        cluster.cut = {3}
        for number in range(200):
            leader.node.propose(b"%0200d" % number)
            cluster.settle()

        cluster.cut = set()
        cluster.tick(40)

        self.assertGreater(cluster.fetched, 0)
        self.assertEqual(cluster[3].state, leader.state)

    @everywhere()
    def test_reads_are_answered_when_their_index_is_applied(self, cluster):
        leader = cluster.elect()
        leader.node.propose(b"a")
        cluster.settle()

        leader.node.read_index(41)
        cluster[2].node.read_index(42)
        cluster.tick(1)

        self.assertEqual([read.token for read in leader.reads], [41])
        self.assertEqual([read.token for read in cluster[2].reads], [42])
        self.assertEqual(cluster[2].reads[0].index, leader.applied)

    @everywhere()
    def test_a_follower_refuses_a_proposal_and_names_the_leader(self, cluster):
        cluster.elect()

        with self.assertRaises(raftcore.NotLeaderError) as caught:
            cluster[2].node.propose(b"a", token=5)
        self.assertEqual((caught.exception.leader, caught.exception.code), (1, -23))
        self.assertIn("node 1 leads", str(caught.exception))

    @everywhere(flags=raftcore.Config(1).flags | raftcore.Flag.FORWARDING)
    def test_what_fails_comes_back_with_its_reason(self, cluster):
        cluster.elect()

        cluster[2].node.propose(b"a", token=5)
        cluster.settle()

        self.assertEqual(cluster[2].dropped, [(5, raftcore.DropWhat.UNKNOWN, raftcore.Reason.FORWARDED)])
        self.assertEqual(cluster[1].state, ["a"])

    @everywhere()
    def test_leadership_is_handed_over(self, cluster):
        cluster.elect()

        cluster[1].node.transfer(2)
        cluster.settle()

        self.assertEqual(cluster[2].node.status().role, raftcore.Role.LEADER)
        kinds = [event.kind for event in cluster[2].node.events()]
        self.assertIn(raftcore.EventKind.BECAME_LEADER, kinds)

    def test_async_hosts_have_several_batches_at_a_time(self):
        with Cluster(Storage.ASYNC, FACES[3]) as cluster:
            leader = cluster.elect()
            leader.node.propose(b"a")
            first = leader.node.ready()
            leader.node.propose(b"b")
            second = leader.node.ready()

            self.assertEqual((first.number + 1, second.entries()[0].data), (second.number, b"b"))
            self.assertFalse(any(message.after for message in first.messages()), "appends may go at once")
            leader.node.persisted(second.number)
            leader.node.release(first.number)
            self.assertEqual(bytes(second.entry_views()[0].data), b"b")

    def test_frames_of_many_lengths_are_taken(self):
        with Cluster() as cluster:
            leader = cluster.elect()
            for size in range(1500):  # more lengths than the package makes ready for
                leader.node.propose(b"x" * size)
                flat = leader.node.ready_flat()
                frames = [bytes(view.frame) for view in flat.message_views()]
                self.assertEqual([message.frame for message in flat.messages()], frames)
                self.assertEqual(flat.frames(), [(message.to, message.frame) for message in flat.messages()])
                self.assertIn(b"x" * size, frames[0])
                cluster.settle()

    def test_the_nodes_buffer_and_memory_of_its_own_say_the_same(self):
        with Cluster() as cluster:
            leader = cluster.elect()
            leader.node.propose_many([b"a", b"", b"ccc" * 100], [1, 2, 3])
            leader.node.read_index(9)
            flat = leader.node.ready_flat()  # with Storage.SYNC the same comes again
            ready = leader.node.ready()

            self.assertEqual(flat[:-2], ready[:-2])
            for what in ("entries", "committed", "messages", "message_heads", "reads", "dropped", "done"):
                self.assertEqual(getattr(flat, what)(), getattr(ready, what)(), what)
            self.assertEqual(len(flat.messages()), flat.n_msgs)
            self.assertEqual(ready.message_heads()[0].kind, raftcore.MsgKind.APP)
            self.assertEqual([bytes(view.frame) for view in ready.message_views()], [message.frame for message in flat.messages()])


if __name__ == "__main__":
    unittest.main()
