"""One node: errors by code, lifetimes, what is refused before it reaches the library."""

import gc
import unittest
import weakref

from kit import Cluster

import raftcore
from raftcore import Conf, Config, Flag, Node, Storage, Stored


def sole(**config):
    """Returns the leader of a group of one."""
    node = Node(Config(1, seed=1, **config))
    node.boot(Stored.founder((1,)))
    node.campaign()
    drain(node)
    return node


def drain(node):
    while (ready := node.ready_flat()) is not None:
        node.advance(ready.number)


class ErrorTest(unittest.TestCase):
    def test_each_code_has_an_exception_with_the_librarys_words(self):
        node = sole(max_entry_bytes=1000)
        with self.assertRaises(raftcore.TooLargeError) as caught:
            node.propose(bytes(1001))

        self.assertEqual(caught.exception.code, -22)
        self.assertIn("1001", caught.exception.detail)
        self.assertIn("max_entry_bytes", str(caught.exception))
        self.assertIsInstance(caught.exception, ValueError)

    def test_calls_raise_the_exception_of_their_code(self):
        fresh = Node(Config(2))
        follower = Node(Config(3))
        follower.boot()
        node = sole()
        for wanted, call in (
            (raftcore.StateError, lambda: fresh.tick()),
            (raftcore.StateError, lambda: node.boot_done(1)),
            (raftcore.StateError, lambda: node.persisted(1)),
            (raftcore.NoLeaderError, lambda: follower.propose(b"a")),
            (raftcore.NoLeaderError, lambda: follower.read_index(1)),
            (raftcore.StaleError, lambda: node.advance(1)),
            (raftcore.ArgError, lambda: node.advance(1000)),
            (raftcore.DecodeError, lambda: node.step(0, b"\xff\xff")),
            (raftcore.DecodeError, lambda: node.step_frames(0, b"\xff" * 20)),
            (raftcore.NoPeerError, lambda: node.report_unreachable(9)),
            (raftcore.ConfError, lambda: node.propose_conf([raftcore.Change(raftcore.ChangeKind.REMOVE_NODE, 1)])),
            (raftcore.StateError, lambda: node.step_local(b"")),
            (raftcore.CorruptError, lambda: Node(Config(5)).boot_state(1, 2**64 - 1, 0)),
        ):
            with self.subTest(wanted.__name__):
                self.assertRaises(wanted, call)

    def test_an_unknown_code_is_a_plain_error(self):
        error = raftcore._errors.error(-1000, "new")

        self.assertIs(type(error), raftcore.RaftError)
        self.assertEqual((error.code, error.detail), (-1000, "new"))

    def test_a_configuration_names_the_field_that_is_wrong(self):
        for fields, word in (
            ({"heartbeat_ticks": 10}, "heartbeat_ticks"),
            ({"max_peers": 2**32 + 3}, "max_peers"),
            ({"seed": -1}, "seed"),
        ):
            with self.subTest(fields), self.assertRaisesRegex(raftcore.ArgError, word):
                Config(1, **fields)
        self.assertRaises(TypeError, Config, 1, election_tick=10)
        self.assertRaises(TypeError, Config, 1, struct_size=10)
        self.assertRaises(TypeError, Config, 1, max_peers="3")
        config = Config(1)
        with self.assertRaises(AttributeError):
            config.election_tickz = 3
        config.election_ticks = 0
        self.assertRaisesRegex(raftcore.ArgError, "election_ticks", Node, config)

    def test_the_preset_and_the_seed(self):
        self.assertEqual(Config(1).flags & 3, Flag.PRE_VOTE | Flag.CHECK_QUORUM)
        self.assertTrue(Config(1, preset=raftcore.Preset.ETCD).flags & Flag.VOTE_REQUEST_EARLY)
        self.assertNotEqual(Config(1).seed, Config(1).seed)
        self.assertEqual(Config(1, seed=7).seed, 7)
        self.assertNotEqual(Config(1).seed, 0)
        self.assertGreater(Config(1).footprint(), 1000)

    def test_every_name_says_what_it_means(self):
        for name in set(raftcore.__all__) - {"Buffer"}:
            thing = getattr(raftcore, name)
            if isinstance(thing, type):
                self.assertTrue(thing.__doc__, name)
                for member in getattr(thing, "__members__", {}).values():
                    self.assertRegex(member.__doc__, r"^[A-Za-z`].*\.$", repr(member))
                for field in getattr(thing, "_fields", ()):
                    self.assertNotIn("Alias for field", getattr(thing, field).__doc__, f"{name}.{field}")
                for method, code in vars(thing).items():
                    if method[0] != "_" and (callable(code) or isinstance(code, property)):
                        self.assertTrue(code.__doc__, f"{name}.{method}")
            elif callable(thing):
                self.assertTrue(thing.__doc__, name)
        self.assertTrue(all(Config.__slots__.values()))

    def test_numbers_that_do_not_fit_are_refused_and_not_cut(self):
        node = sole()
        for call in (
            lambda: node.tick(2**32),
            lambda: node.tick(-1),
            lambda: node.propose(b"", token=2**64),
            lambda: node.advance(-1),
            lambda: node.step_frames(2**64, b""),
            lambda: node.set_priority(2**31),
        ):
            self.assertRaises(raftcore.ArgError, call)
        self.assertRaises(raftcore.ArgError, node.propose_many, [b""], [2**64])
        self.assertRaises(raftcore.ArgError, node.supply_entries, 1, [(2**64, 1, 0, b"")])
        self.assertRaises(ValueError, node.propose_many, [b"", b""], [1])
        self.assertRaises(TypeError, node.propose_many, [memoryview(b"12345678").cast("Q")])
        self.assertIsNone(node.ready_flat())


class LifetimeTest(unittest.TestCase):
    def test_a_closed_node_says_so(self):
        with sole() as node:
            array = raftcore.NodeArray([node])
            self.assertFalse(node.closed)

        node.close()
        self.assertTrue(node.closed)
        self.assertRaises(raftcore.ClosedError, node.tick)
        self.assertRaises(raftcore.NullError, node.propose_many, [b"a"])
        self.assertEqual(array.tick(), [node])
        self.assertEqual(repr(node), "<Node closed>")
        self.assertEqual(str(raftcore.ClosedError()), "the node was closed")

    def test_a_node_that_nobody_holds_is_freed(self):
        node = sole()
        finalizer, gone = node._finalize, weakref.ref(node)
        del node
        gc.collect()

        self.assertIsNone(gone())
        self.assertFalse(finalizer.alive)

    def test_a_ready_is_its_holders(self):
        node = sole()
        node.propose(b"abc")
        ready = node.ready()
        self.assertEqual(node.ready(), ready, "SYNC: the same until it is advanced")
        view = ready.entry_views()[0].data
        node.advance(ready.number)
        node.propose(b"xyz")
        drain(node)
        node.close()

        self.assertEqual(view, b"abc")
        self.assertTrue(view.readonly)
        self.assertEqual(ready.entries()[0].data, b"abc")

    def test_a_large_ready_is_its_holders_too(self):
        node = sole()
        held = []
        for round in range(4):
            node.propose(bytes([65 + round]) * 1_000_000 * round)
            ready = node.ready()
            held.append(ready.entry_views()[0].data)
            node.advance(ready.number)
            drain(node)

        self.assertEqual([bytes(view) for view in held], [bytes([65 + round]) * 1_000_000 * round for round in range(4)])
        self.assertLess(len(node.ready_flat() or b""), 100_000)

    def test_a_flat_batch_lies_in_the_nodes_buffer_until_the_next(self):
        node = sole()
        node.propose(b"abc")
        flat = node.ready_flat()
        kept, view = flat.keep(), flat.entry_views()[0].data
        node.advance(flat.number)
        self.assertEqual(view, b"abc", "advance leaves it alone")

        node.propose(b"xyz")
        drain(node)
        self.assertNotEqual(view, b"abc")
        self.assertEqual(kept.entry_views()[0].data, b"abc")
        self.assertEqual(raftcore.FlatReady(bytes(kept.buffer)).entries(), kept.entries())
        self.assertRaises(ValueError, raftcore.FlatReady, bytes(224))

    def test_a_flat_batch_grows_the_buffer_and_leaves_old_views_alone(self):
        node = sole()
        node.propose(b"abc")
        view = node.ready_flat().entry_views()[0].data
        drain(node)
        held = bytes(view)
        node.propose_many([bytes([65 + number]) * 100_000 for number in range(5)])
        flat = node.ready_flat()

        self.assertEqual([entry.data[0] for entry in flat.entries()], list(b"ABCDE"))
        self.assertEqual(bytes(view), held)

    def test_a_flat_batch_goes_into_the_callers_buffer(self):
        node = sole()
        node.propose(b"abc")
        with self.assertRaises(raftcore.TooSmallError) as caught:
            node.ready_flat(bytearray(10))
        mine = bytearray(caught.exception.needed)
        flat = node.ready_flat(mine)

        self.assertEqual(flat.entries()[0].data, b"abc")
        self.assertEqual(flat.size, len(mine))

    def test_the_data_alone_are_those_of_the_entries(self):
        batches = (
            [b"one"],
            [b"%02d" % number for number in range(64)],
            [b"%08d" % number for number in range(5)],
            [b"12345678", b"1234567", b"87654321"],
            [b"a", b"bcd", b""],
            [b""] * 3,
        )
        with sole() as node:
            for batch in batches:
                node.propose_many(batch)
                taken = []
                while (flat := node.ready_flat()) is not None:
                    self.assertEqual(flat.committed_data(), [entry.data for entry in flat.committed()])
                    self.assertEqual(flat.committed_lengths(), tuple(len(entry.data) for entry in flat.committed()))
                    taken += flat.committed_data()
                    node.advance(flat.number)
                self.assertEqual(taken, batch)

    def test_a_receive_buffer_can_grow_again_after_step_frames(self):
        with Cluster() as cluster:
            cluster[1].node.set_election_timeout(1)
            cluster[1].node.tick()
            cluster[1].work()
            frames = b"".join(frame for _, to, frame in cluster.network if to == 2)
            buffer = bytearray(frames + frames[:5])

            taken, refused, _ = cluster[2].node.step_frames(1, buffer)
            del buffer[:taken]

            self.assertEqual((taken, refused, bytes(buffer)), (len(frames), 0, frames[:5]))
            window = memoryview(bytearray(frames))
            self.assertEqual(cluster[2].node.step_frames(1, window)[0], len(frames))
            self.assertEqual(cluster[2].node.step_frames(1, window.toreadonly())[0], len(frames))
            with self.assertRaises(raftcore.DecodeError):
                cluster[2].node.step_frames(1, bytearray(b"\xff" * 20))


class LookTest(unittest.TestCase):
    def test_status_peers_events_and_texts(self):
        node = sole()
        status = node.status()

        self.assertEqual((status.id, status.role, status.commit), (1, raftcore.Role.LEADER, 2))
        self.assertIn("term=1", repr(status))
        self.assertEqual(node.peers()[0].flags & raftcore.PeerFlag.VOTER, raftcore.PeerFlag.VOTER)
        kinds = [event.kind for event in node.events()]
        self.assertIn(raftcore.EventKind.BECAME_LEADER, kinds)
        self.assertTrue(all(raftcore.event_text(kind) for kind in kinds))
        self.assertTrue(raftcore.reason_text(raftcore.Reason.NOT_LEADER))
        self.assertEqual(node.has_ready(), 0)
        self.assertGreater(node.ticks_until_due(), 0)
        self.assertEqual(raftcore.features() & ~raftcore.Feature.CHECKED, 0)

    def test_a_hello_says_who_speaks(self):
        hello = raftcore.hello_read(sole(group=77).hello())

        self.assertEqual((hello.id, hello.group), (1, 77))
        self.assertRaises(raftcore.DecodeError, raftcore.hello_read, b"hello")

    def test_a_clone_goes_its_own_way(self):
        node = sole()
        clone = node.try_clone()
        self.assertEqual(clone.digest(True), node.digest(True))

        clone.propose(b"a")
        self.assertNotEqual(clone.digest(), node.digest())

    def test_many_nodes_are_ticked_in_one_call(self):
        nodes = [sole() for _ in range(5)]
        nodes[3].propose(b"a")
        nodes[1].propose(b"b")

        self.assertEqual(raftcore.NodeArray(nodes).tick(), [nodes[1], nodes[3]])

    def test_a_snapshot_is_taken_out_of_a_message(self):
        self.assertIsNone(raftcore.snapshot_split(b""))
        self.assertRaises(raftcore.DecodeError, raftcore.snapshot_split, b"\xff")

    def test_joint_configurations_are_passed_by_their_ids(self):
        node = Node(Config(1, storage=Storage.ASYNC))
        conf = Conf(voters=(1, 2), outgoing=(1, 3), learners=(4,), learners_next=(3,), auto_leave=True)
        node.boot(Stored.founder(())._replace(conf=conf))
        seen = node.conf()

        self.assertEqual((seen.voters, seen.outgoing, seen.learners, seen.auto_leave), ((1, 2), (1, 3), (4,), True))
        self.assertEqual(seen.learners_next, (3,))
        self.assertEqual((seen.index, seen.encode()), (1, seen.encoded))
        again = Node(Config(2))
        again.boot_state(0, 0, 1)
        again.boot_conf(seen.encoded, 1, 1)
        again.boot_done(1)
        self.assertEqual(again.conf(), seen)


if __name__ == "__main__":
    unittest.main()
