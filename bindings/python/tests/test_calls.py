"""Boot, turns, frames, unfinished readies once more, fetches to apply, changes of membership."""

import unittest

from kit import Cluster
from test_node import drain, sole

import raftcore
from raftcore import Conf, Config, EntryKind, FetchKind, Flag, MsgKind, Node, SnapshotReport, Storage, Stored, Supply


class BootTest(unittest.TestCase):
    def test_an_empty_disk_waits_for_a_leader(self):
        node = Node(Config(1))
        node.boot()

        self.assertEqual((node.status().last_index, node.conf().voters), (0, ()))
        self.assertRaises(raftcore.StateError, node.boot)

    def test_a_founder_boots_from_its_voters(self):
        node = Node(Config(1))
        stored = Stored.founder([1, 2])
        node.boot(stored)

        self.assertEqual(node.conf().voters, (1, 2))
        self.assertEqual((stored.conf.encode(), node.conf().index), (node.conf().encoded, 1))

    def test_everything_that_was_stored_comes_back(self):
        log = [(1, 2, EntryKind.NORMAL, b"a"), (1, 3, EntryKind.NORMAL, bytearray(b"b")), raftcore.Entry(2, 4, 0, b"c")]
        for conf in (Conf((1,), index=1), Conf((1,), index=1).encode()):
            node = Node(Config(1))
            node.boot(Stored(2, 1, 3, 1, 1, 1, 4, conf, runs=[(2, 1), (4, 2)], entries=iter(log)))

            status = node.status()
            self.assertEqual((status.term, status.commit, status.applied, status.last_index, status.last_term), (2, 3, 1, 4, 2))
            self.assertEqual([entry.data for entry in node.ready().committed()], [b"a", b"b"])

    def test_what_was_forgotten_is_refused_with_words(self):
        whole = Stored(1, 0, 3, 1, 1, 1, 3, Conf((1,), index=1), entries=[(1, 2, 0, b""), (1, 3, 0, b"")])
        for change, word in (
            ({"entries": whole.entries[:1]}, "3"),
            ({"commit": 9}, "9"),
            ({"applied": 9}, "9"),
            ({"last": 2}, "2"),
        ):
            with self.subTest(change), self.assertRaisesRegex(raftcore.CorruptError, word):
                Node(Config(1)).boot(whole._replace(**change))
        self.assertRaisesRegex(raftcore.ArgError, "seed", Config, 1, seed=0)
        self.assertRaises(raftcore.ArgError, Node(Config(1)).boot, whole._replace(term=2**64))
        self.assertRaises(raftcore.DecodeError, Node(Config(1)).boot, whole._replace(conf=b"\xff"))
        self.assertRaises(raftcore.ConfError, Node(Config(1)).boot, whole._replace(conf=Conf((1, 1))))

    def test_a_log_can_be_booted_in_pieces(self):
        node = Node(Config(1))
        node.boot_state(1, 0, 3)
        node.boot_conf(Conf((1,)), 1, 1)
        node.boot_terms([(2, 1)], 3)
        node.boot_entries([(1, 2, 0, b"a")])
        node.boot_entries([(1, 3, 0, b"b")])
        node.boot_done(1)

        self.assertEqual(len(node.ready_flat().committed()), 2)

    def test_entries_that_do_not_fit_into_memory_are_fetched_to_apply(self):
        for storage in (Storage.SYNC, Storage.ASYNC):
            small = {"recent_bytes": 65536, "block_bytes": 16384, "max_entry_bytes": 4096}
            with self.subTest(storage), Cluster(storage, voters=(1,), **small) as cluster:
                host = cluster[1]
                host.term = 1
                for index in range(2, 302):
                    host.log[index] = (1, index, EntryKind.NORMAL, b"%04d" % index * 250)
                host.commit = 301
                host.boot()
                cluster.settle()

                self.assertGreater(cluster.fetched_to_apply, 0)
                self.assertEqual([text[:4] for text in host.state], [f"{index:04d}" for index in range(2, 302)])

    def test_entries_to_apply_may_come_later_and_never_are_gone(self):
        node = Node(Config(1, recent_bytes=65536, block_bytes=16384, max_entry_bytes=4096))
        entries = [(1, index, 0, bytes(1000)) for index in range(2, 302)]
        node.boot(Stored(1, 0, 301, 1, 1, 1, 301, Conf((1,), index=1), entries=entries))
        fetch = node.next_fetch()

        self.assertEqual((fetch.kind, fetch.peer, fetch.first), (FetchKind.APPLY, 1, 2))
        self.assertEqual(node.status().apply_waits, 2)
        self.assertRaises(raftcore.CorruptError, node.supply_none, fetch.id, Supply.GONE)
        self.assertTrue(node.supply_none(fetch.id))
        node.tick(30)
        again = next(node.fetches())
        self.assertTrue(node.supply_entries(again.id, entries[:9]))
        self.assertEqual(node.ready_flat().committed_first, 2)


class TurnTest(unittest.TestCase):
    def test_a_turn_is_a_pass_of_the_loop(self):
        with Cluster(voters=(1, 2)) as cluster:
            nodes = {id: cluster[id].node for id in (1, 2)}
            nodes[1].set_election_timeout(1)
            done, last, applied = {1: 0, 2: 0}, {1: False, 2: False}, {1: [], 2: []}
            inbox = {1: b"", 2: b""}
            ticks, proposed = 1, False
            busy = True
            while busy:
                busy = False
                for id, node in nodes.items():
                    turn = node.turn(done[id], ticks if id == 1 else 0, 3 - id, inbox[id])
                    self.assertEqual((turn.taken, turn.refused, turn.first), (len(inbox[id]), 0, None))
                    inbox[id], done[id] = b"", 0
                    while turn.ready is not None:
                        busy, rd = True, turn.ready
                        for to, frame in rd.frames():
                            inbox[to] += frame
                        applied[id] += [data for data in rd.committed_data() if data]
                        done[id], last[id] = rd.number, turn.last
                        if turn.last:
                            break
                        turn = node.turn(done[id])
                        done[id] = 0 if turn.ready is None else done[id]
                ticks = 0
                if not busy and not proposed:
                    proposed = busy = True
                    nodes[1].propose(b"hello")

            self.assertEqual(applied, {1: [b"hello"], 2: [b"hello"]})
            self.assertTrue(all(last.values()), "the last ready says that none follows")
            self.assertIsNone(nodes[2].turn(done[2]).ready)

    def test_a_turn_grows_the_buffer_and_keeps_what_it_says_of_the_frames(self):
        for storage in (Storage.SYNC, Storage.ASYNC):
            node = sole(storage=storage)
            node.propose_many([bytes(100_000)] * 5)
            bad = (5).to_bytes(4, "little") + bytes(8) + b"\xff" * 5
            turn = node.turn(frames=bad * 2 + b"abc", peer=2)

            self.assertEqual((turn.taken, turn.refused, turn.ready.n_entries), (2 * len(bad), 2, 5))
            self.assertIsInstance(turn.first, raftcore.DecodeError)
            self.assertEqual(turn.ready.entries()[4].data, bytes(100_000))

    def test_bytes_that_are_no_frame_are_reported(self):
        turn = sole().turn(frames=bytearray(b"\xff" * 20), peer=2)

        self.assertEqual((turn.taken, turn.ready), (0, None))
        self.assertIsInstance(turn.first, raftcore.DecodeError)

    def test_what_a_turn_refuses(self):
        node = sole(storage=Storage.ASYNC, max_outstanding=1)
        self.assertRaises(raftcore.ArgError, node.turn, 2**64)
        self.assertRaises(raftcore.ArgError, node.turn, ticks=-1)
        self.assertRaises(raftcore.ArgError, node.turn, 1000)
        node.propose(b"a")
        held = node.turn().ready
        node.propose(b"b")
        bad = (5).to_bytes(4, "little") + bytes(8) + b"\xff" * 5
        with self.assertRaises(raftcore.FullError) as caught:
            node.turn(frames=bad)
        self.assertEqual(caught.exception.taken, len(bad))
        again = node.turn(persisted=held.number, applied=0, released=held.number).ready
        self.assertEqual(again.number, held.number + 1)

    def test_a_turn_hands_a_lost_ready_out_again_and_does_all_else(self):
        node = sole(storage=Storage.ASYNC)
        node.propose(b"a")
        one = node.ready()
        self.assertEqual(one.entries()[0].data, b"a")
        node.propose(b"b")
        node.turn()  # nobody holds its ready
        bad = (5).to_bytes(4, "little") + bytes(8) + b"\xff" * 5
        self.assertRaises(raftcore.StateError, node.turn, one.number + 1)
        turn = node.turn(persisted=one.number, released=one.number, ticks=3, frames=bad)

        self.assertEqual((turn.taken, turn.refused), (len(bad), 1))
        self.assertEqual((turn.ready.number, turn.ready.entries()[0].data), (one.number + 1, b"b"))
        self.assertEqual(node.turn(persisted=one.number + 1).ready.number, one.number + 2)

    def test_a_fetch_comes_first(self):
        with Cluster(recent_bytes=16384, block_bytes=4096, max_size_per_msg=4096) as cluster:
            leader = cluster.elect()
            cluster.cut = {3}
            for number in range(200):
                leader.node.propose(b"%0200d" % number)
                cluster.settle()
            cluster.cut = set()
            turn = None
            for _ in range(40):
                for host in cluster.hosts.values():
                    host.node.tick()
                    if host is not leader:
                        host.work()
                turn = leader.node.turn()
                if turn.fetch:
                    break
                if turn.ready is not None:
                    cluster.send(1, turn.ready.messages())
                    leader.node.advance(turn.ready.number)
                mail, cluster.network = cluster.network, []
                for peer, to, frame in mail:
                    cluster[to].node.step_frames(peer, frame)
            self.assertTrue(turn.fetch)
            self.assertIsNone(turn.ready)
            self.assertEqual(leader.node.next_fetch().peer, 3)


class FrameTest(unittest.TestCase):
    def test_a_buffer_is_walked_frame_by_frame(self):
        with Cluster() as cluster:
            cluster[1].node.set_election_timeout(1)
            cluster[1].node.tick()
            cluster[1].work()
            frames = [frame for _, _, frame in cluster.network]
            limit = Config(1).frame_limit()
            buffer = bytearray(b"".join(frames) + frames[0][:-1])
            found = []
            while (frame := raftcore.frame_next(buffer, limit)) is not None:
                found.append(frame.message)
                self.assertEqual((frame.group, frame.size), (0, raftcore.FRAME_HEADER + len(frame.message)))
                del buffer[: frame.size]

            self.assertEqual(found, [frame[raftcore.FRAME_HEADER :] for frame in frames])
            self.assertIsNone(raftcore.frame_next(b"", limit))
            self.assertRaises(raftcore.DecodeError, raftcore.frame_next, b"\xff" * 12, limit)
            self.assertGreater(limit, Config(1).max_snapshot_bytes)

    def test_the_first_refused_frame_gives_its_reason(self):
        node = sole(group=7)
        frame = (2).to_bytes(4, "little") + (8).to_bytes(8, "little") + b"\x08\x08"
        taken, refused, first = node.step_frames(0, frame * 2)

        self.assertEqual((taken, refused), (2 * len(frame), 2))
        self.assertIsInstance(first, raftcore.NotForMeError)
        self.assertIn("group 8", str(first))


class LookAgainTest(unittest.TestCase):
    def test_an_unfinished_ready_comes_once_more(self):
        for storage in (Storage.SYNC, Storage.ASYNC):
            node = sole(storage=storage)
            node.propose(b"x" * 100_000)
            rd = node.ready()
            self.assertEqual((node.status().last_ready, rd.n_entries), (rd.number, 1))
            again = node.view(rd.number)
            self.assertEqual(again, rd)
            self.assertIsInstance(again, raftcore.Ready)
            self.assertIsNone(node.view(rd.number + 1))
            node.advance(rd.number)
            self.assertIsNone(node.view(rd.number))

    def test_a_lost_ready_can_be_viewed_and_is_delivered_then(self):
        node = sole(storage=Storage.ASYNC)
        node.propose(b"a")
        node.ready_flat()
        number = node.status().last_ready
        rd = node.view(number)
        self.assertEqual(rd.entries()[0].data, b"a")
        node.persisted(number)

    def test_messages_carry_entries_context_and_membership(self):
        with Cluster(flags=Config(1).flags | Flag.DECODED_MSGS) as cluster:
            leader = cluster.elect()
            leader.node.propose_many([b"a", b"", b"ccc" * 100])
            rd = leader.node.ready()
            entries = leader.node.message_entries(rd.number)

            self.assertEqual(len(entries), rd.n_msgs)
            self.assertEqual([[entry.data for entry in message] for message in entries], [[b"a", b"", b"ccc" * 100]] * 2)
            self.assertEqual({head.kind for head in rd.message_heads()}, {MsgKind.APP})
            leader.node.advance(rd.number)
            self.assertRaises(raftcore.ArgError, leader.node.message_entries, rd.number)
            self.assertRaises(raftcore.StateError, sole().message_entries, 1)

            leader.node.read_index(5)
            heads = leader.node.ready().message_heads()
            self.assertEqual([head.kind for head in heads], [MsgKind.HEARTBEAT] * 2)
            self.assertTrue(all(head.context for head in heads))

    def test_a_snapshot_message_names_its_index_and_membership(self):
        with Cluster(max_snapshot_bytes=100) as cluster:
            leader = cluster.elect()
            for number in range(20):
                leader.node.propose(b"%d" % number)
            cluster.settle()
            for index in list(leader.log):
                leader.before, leader.before_term = index, leader.log.pop(index)[0]
            leader.node.compacted(leader.applied)
            cluster.join(4)
            leader.node.propose_conf([(raftcore.ChangeKind.ADD_LEARNER, 4)])
            fetch = None
            while fetch is None:
                leader.work_sync()
                for peer, to, frame in cluster.network:
                    cluster[to].node.step_frames(peer, frame)
                cluster.network = []
                for host in cluster.hosts.values():
                    host.node.tick()
                    if host is not leader:
                        host.work()
                fetch = next((fetch for fetch in leader.node.fetches() if fetch.kind == FetchKind.SNAPSHOT), None)

            self.assertRaises(
                raftcore.TooLargeError, leader.node.supply_snapshot, fetch.id, leader.applied, leader.conf, bytes(101)
            )
            self.assertTrue(leader.node.supply_snapshot(fetch.id, leader.applied, leader.conf), "the fetch stays open")
            heads = [head for head in leader.node.ready().message_heads() if head.kind == MsgKind.SNAP]
            self.assertEqual([(head.to, head.index) for head in heads], [(4, leader.applied)])
            self.assertTrue(leader.conf.startswith(heads[0].snapshot_conf) and heads[0].snapshot_conf, "without the index")
            for how in SnapshotReport:
                leader.node.report_snapshot(4, how)
            self.assertRaises(raftcore.ArgError, leader.node.report_snapshot, 4, 3)
            self.assertRaises(raftcore.NoPeerError, leader.node.report_snapshot, 9, SnapshotReport.ARRIVED)


class MembershipTest(unittest.TestCase):
    def test_a_skipped_change_gives_the_membership_to_store(self):
        node = sole()
        node.propose_conf([raftcore.Change(raftcore.ChangeKind.ADD_LEARNER, 2)])
        conf = None
        while (rd := node.ready()) is not None:
            for entry in rd.committed():
                if entry.kind:
                    conf = node.skip_conf(entry.index)
                    self.assertRaises(raftcore.StaleError, node.skip_conf, entry.index)
                    self.assertEqual((conf.learners, conf.voters, conf.index), ((), (1,), entry.index))
            node.advance(rd.number)
        self.assertIsNotNone(conf)

    def test_an_entry_of_any_kind_is_proposed_as_it_is(self):
        node = sole()
        node.propose_entry(EntryKind.NORMAL, b"abc", token=5)
        rd = node.ready()
        self.assertEqual([entry.data for entry in rd.entries()], [b"abc"])
        drain(node)
        change = b"\x10\x03\x18\x02"  # add learner 2
        node.propose_entry(EntryKind.CONF_CHANGE, change)
        self.assertEqual([(entry.kind, entry.data) for entry in node.ready().entries()], [(EntryKind.CONF_CHANGE, change)])
        self.assertRaises(raftcore.DecodeError, node.propose_entry, EntryKind.CONF_CHANGE, b"\xff")

    def test_a_change_apart_from_its_entry(self):
        node = sole(flags=Config(1).flags | Flag.CONF_APART)
        conf = node.apply_change(EntryKind.CONF_CHANGE, b"\x10\x03\x18\x02")

        self.assertEqual((conf.learners, conf.index), ((2,), 0))
        self.assertRaises(raftcore.StateError, sole().apply_change, EntryKind.CONF_CHANGE, b"\x10\x03\x18\x02")


class DetailTest(unittest.TestCase):
    def test_an_error_shows_its_own_detail_and_no_other(self):
        node = sole(max_entry_bytes=1000)
        with self.assertRaises(raftcore.TooLargeError) as large:
            node.propose(bytes(2000))
        with self.assertRaises(raftcore.NoPeerError) as peer:
            node.report_unreachable(9)

        self.assertIn("2000", str(large.exception))
        self.assertNotIn("2000", str(peer.exception))
        self.assertEqual(str(large.exception), large.exception.detail)
        plain = raftcore.RaftError(code=-9)
        self.assertEqual((str(plain), plain.detail), ("acknowledged before: nothing to do", ""))


if __name__ == "__main__":
    unittest.main()
