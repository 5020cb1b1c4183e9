"""Whatever plain Python does with a node and its readies, the process lives, and what somebody
holds stays as it is.

A test that could crash runs its body in a separate process.
"""

import atexit
import copy
import functools
import gc
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
import unittest
import weakref

from kit import Cluster
from test_node import drain, sole

import raftcore
from raftcore import Conf, Config, Flag, FlatReady, Node, Ready, Storage


def apart(test):
    """Runs the body of a test in a new process."""

    @functools.wraps(test)
    def run(self):
        code = f"import test_safety as t; t.{test.__qualname__}.__wrapped__(None); print('done')"
        command = [sys.executable, "-X", "faulthandler", "-c", code]
        folder = os.path.dirname(os.path.abspath(__file__))
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        said = f"{ran.returncode}\n{ran.stdout}{ran.stderr}"
        self.assertEqual((ran.returncode, ran.stdout[-5:]), (0, "done\n"), said)
        self.assertNotIn("Fatal", ran.stderr)

    return run


def refused(call, *kinds):
    try:
        call()
    except kinds:
        return
    raise AssertionError(f"{call} raises none of {kinds}")


def compact(node):
    try:
        node.compacted(node.status().applied)
    except raftcore.StaleError:
        pass


class ViewTest(unittest.TestCase):
    @apart
    def test_whatever_is_made_of_a_view_stays_as_it_was(self):
        for storage in (Storage.SYNC, Storage.ASYNC):
            for size in (10, 400_000):
                node = sole(storage=storage, flags=Config(1).flags | Flag.DEBUG_POISON_VIEWS)
                node.propose(b"ABCDEFGH" * size)
                rd = node.ready()
                view = rd.entry_views()[0].data
                made = [
                    view,
                    view[8:],
                    view.cast("Q"),
                    view[:80].cast("B", (8, 10)),
                    memoryview(view)[::-1],
                    memoryview(pickle.PickleBuffer(view))[16:],
                    copy.copy(rd).entry_views()[0].data,
                    copy.deepcopy(rd).entry_views()[0].data,
                    pickle.loads(pickle.dumps(rd)).entry_views()[0].data,
                    rd.buffer[rd.size - 8 :],
                ]
                iterator, messages = iter(view), rd.message_views()
                next(iterator)
                seen = [bytes(one) for one in made]
                (node.advance if storage == Storage.SYNC else node.persisted)(rd.number)
                if storage == Storage.ASYNC:
                    node.release(rd.number)
                for _ in range(3):
                    node.propose(b"x" * 8000)
                    while (other := node.ready()) is not None:
                        (node.advance if storage == Storage.SYNC else node.persisted)(other.number)
                        if storage == Storage.ASYNC:
                            node.release(other.number)
                node.close()
                del node
                gc.collect()
                assert [bytes(one) for one in made] == seen
                assert rd.entries()[0].data == b"ABCDEFGH" * size
                assert next(iterator) == ord("B") and messages == []
                assert view.readonly
                refused(lambda: view.__setitem__(0, 1), TypeError)

    @apart
    def test_views_of_the_nodes_buffer_never_dangle(self):
        node = sole()
        views = []
        for size in (10, 1000, 100_000, 1_000_000, 10):
            node.propose(b"x" * size)
            rd = node.ready_flat()
            views += [rd.entry_views()[0].data, rd.entry_views()[0].data[5:], rd.buffer[1:], rd.memory]
            node.advance(rd.number)
        node.close()
        del node, rd
        gc.collect()
        assert all(len(bytes(view)) == len(view) for view in views)

    @apart
    def test_a_ready_says_nothing_beyond_its_memory(self):
        node = sole()
        node.propose_many([b"abc", b"defg"])
        rd = node.ready()
        good = bytes(rd.buffer)
        random.seed(1)
        calls = "entries entry_views committed messages frames message_views message_heads reads dropped done keep".split()
        calls += "committed_views committed_data committed_lengths".split()
        for _ in range(3000):
            bad = bytearray(good[: random.choice((len(good), random.randrange(len(good))))])
            for _ in range(random.randrange(1, 5)):
                if bad:
                    at = random.randrange(len(bad))
                    bad[at] = random.choice((0, 1, 255, random.randrange(256)))
            try:
                read = FlatReady(bad)
            except (ValueError, TypeError):
                continue
            for call in calls:
                try:
                    getattr(read, call)()
                except Exception:
                    pass
        moved = rd._replace(entries_at=2**63, n_entries=1000, msgs_at=2**40, n_msgs=9)
        for call in calls:
            try:
                getattr(moved, call)()
            except Exception:
                pass

    @apart
    def test_a_ready_can_be_copied_and_pickled_and_a_node_can_not(self):
        node = sole()
        array = raftcore.NodeArray([node])
        node.propose(b"abc")
        rd = node.ready_flat()
        for made in (copy.copy(rd), copy.deepcopy(rd), pickle.loads(pickle.dumps(rd)), rd.keep(), rd.keep().keep()):
            assert type(made) is Ready and made.entries() == rd.entries() and made.number == rd.number
        for thing in (node, array, node.fetches, rd.entry_views()):
            refused(lambda: pickle.dumps(thing), TypeError)
        for thing in (node, array):
            refused(lambda: copy.copy(thing), TypeError)
            refused(lambda: copy.deepcopy(thing), TypeError)
        for thing in (node.status(), node.peers(), rd.entries(), node.conf(), node.next_event()):
            assert copy.deepcopy(thing) == thing == pickle.loads(pickle.dumps(thing))
        config = copy.copy(Config(3))
        assert config.id == pickle.loads(pickle.dumps(config)).id == 3


class LifeTest(unittest.TestCase):
    @apart
    def test_a_node_is_made_once(self):
        node = sole()
        handle = node._handle.value
        refused(lambda: node.__init__(Config(2)), TypeError)
        assert node._handle.value == handle and node.status().id == 1

        class Mine(Node):
            def __init__(self):
                pass

        for unmade in (Node.__new__(Node), Mine()):
            assert unmade.closed and repr(unmade).endswith("closed>")
            refused(unmade.status, raftcore.ClosedError)
            refused(unmade.ready_flat, AttributeError)
            unmade.close()
            raftcore.NodeArray([unmade]).tick()

    @apart
    def test_every_call_on_a_closed_node_says_so(self):
        node = sole(flags=Config(1).flags | Flag.DECODED_MSGS)
        node.propose(b"a")
        fetches, events = node.fetches(), node.events()
        next(events)
        array = raftcore.NodeArray([node, node])
        entry = (1, 1, 1, b"")
        calls = {
            "boot_state": (0, 0, 1),
            "boot_conf": (Conf((1,)), 1, 1),
            "boot_terms": ([(1, 1)], 1),
            "step_local": (b"a",),
            "propose": (b"a",),
            "propose_entry": (0, b""),
            "supply_entries": (1, [entry]),
            "supply_snapshot": (1, 1, Conf((1,))),
            "report_snapshot": (1, True),
            "apply_conf": (entry,),
            "apply_change": (1, b""),
            "set_window": (1, 1),
            "propose_in_term": (1, b"a"),
            "propose_with_context": (0, b"", b""),
            "propose_conf_at": (1, []),
            "set_commit_group": (1, 1),
            "set_flags": (1, 1),
            "hello_check": (b"",),
        }
        calls.update(dict.fromkeys(("boot_entries", "propose_many", "propose_conf"), ([],)))
        calls.update(dict.fromkeys(("step", "step_frames"), (0, b"a")))
        numbers = "boot_done read_index advance persisted applied release supply_none compacted report_unreachable skip_conf"
        numbers += " set_electable set_priority set_commit_broadcast set_election_timeout view message_entries promote_when_caught_up"
        calls.update(dict.fromkeys(numbers.split(), (1,)))
        node.close()
        node.close()
        skip = ("close", "closed", "fetches", "events")
        for name in [name for name in dir(Node) if name[0] != "_" and name not in skip]:
            refused(lambda: getattr(node, name)(*calls.get(name, ())), raftcore.ClosedError)
        refused(lambda: next(fetches), raftcore.ClosedError)
        refused(lambda: next(events), raftcore.ClosedError)
        assert array.tick() == [node, node] and raftcore.NodeArray([node]).tick() == [node]

    @apart
    def test_a_finalizer_that_uses_a_freed_node_is_told(self):
        said = []

        class Mine(Node):
            def __del__(self):
                try:
                    said.append(self.status().id)
                    said.append(self.ready() is None)
                    self.propose(b"a" * 100)
                except raftcore.RaftError as error:
                    said.append(type(error).__name__)

        one = Mine(Config(7))
        del one
        two = Mine(Config(8))
        two.me = two
        seen = weakref.ref(two)
        del two
        gc.collect()
        assert said == [7, "StateError", "ClosedError"], said
        assert seen() is None

    @apart
    def test_the_interpreter_ends_while_nodes_are_in_use(self):
        class Mine(Node):
            def __del__(self):
                try:
                    self.ready_flat()
                    self.conf()
                except Exception:
                    pass

        nodes = [sole() for _ in range(4)]
        kept = Mine(Config(9))
        kept.boot()
        kept.me = kept
        atexit.register(lambda: [kept.ready(), nodes[0].ready(), nodes[0].conf()])

        def work(node):
            while True:
                node.propose_many([b"x" * 1000] * 10)
                while (rd := node.ready()) is not None:
                    rd.entry_views()
                    node.advance(rd.number)
                    node.conf()
                    compact(node)

        for node in nodes:
            threading.Thread(target=work, args=(node,), daemon=True).start()
        time.sleep(0.2)

    @apart
    def test_a_forked_child_goes_on(self):
        node = sole()
        for _ in range(10):
            child = os.fork()
            if not child:
                node.propose(b"a")
                drain(node)
                node.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        node.propose(b"b")


class ArgumentTest(unittest.TestCase):
    @apart
    def test_lengths_that_lie_are_not_believed(self):
        class Liar(bytes):
            def __len__(self):
                return 10**9

        class View(list):
            def __len__(self):
                return 10**6

        node = sole()
        refused(lambda: node.propose_many([Liar(b"abc")]), TypeError)
        node.propose(Liar(b"abc"))
        node.step_frames(1, Liar(b"abc"))
        refused(lambda: node.step(1, Liar(b"\xff")), raftcore.DecodeError)
        refused(lambda: node.propose_conf(View([(1, 1)])), raftcore.ConfError)
        refused(lambda: raftcore.hello_read(Liar(b"abc")), raftcore.DecodeError)
        refused(lambda: raftcore.snapshot_split(Liar(b"\xff")), raftcore.DecodeError)
        assert [entry.data for entry in node.ready().entries()] == [b"abc"]
        fresh = Node(Config(2))
        fresh.boot_state(1, 0, 1)
        fresh.boot_conf(Conf((2,)), 1, 1)
        refused(lambda: fresh.boot_terms([(1,)] * 1000, 3), ValueError)
        refused(lambda: fresh.boot_terms([(2, 1, 1)], 3), ValueError)
        refused(lambda: fresh.boot_entries([(1, 2, 0, 10**12)]), TypeError)
        fresh.boot_terms([], 3)
        fresh.boot_entries(iter([(1, 2, 0, Liar(b"abc")), (1, 3, 0, memoryview(b"12345678").cast("Q"))]))
        fresh.boot_done(1)

    @apart
    def test_entries_that_change_while_they_are_read_do_no_harm(self):
        node = sole()

        class Changing(list):
            def __iter__(self):
                node.propose_many([b"y" * random.randrange(5000)] * random.randrange(20))
                return super().__iter__()

        class Growing(bytearray):
            def __len__(self):
                self.extend(bytes(100)) if random.random() < 0.5 else None
                return super().__len__()

        random.seed(2)
        for _ in range(200):
            try:
                node.propose_many(Changing([b"z" * random.randrange(5000)] * random.randrange(20)))
                node.propose_many([Growing(b"abc")] * random.randrange(3))
            except (TypeError, raftcore.FullError):
                pass
            drain(node)
            compact(node)

    @apart
    def test_a_buffer_can_grow_again_after_the_call(self):
        node = sole()
        buffer = bytearray(b"abc")
        node.step_frames(0, buffer)
        node.propose_many([buffer, memoryview(buffer)])
        node.propose(buffer)
        mine = bytearray(10_000)
        rd = node.ready_flat(mine)
        refused(lambda: mine.extend(b"x"), BufferError)
        del rd
        mine.extend(b"x")
        buffer.extend(b"x")


class InBetweenTest(unittest.TestCase):
    @apart
    def test_a_call_in_the_middle_of_another_is_refused_or_done_whole(self):
        # A profiler calls at every step of a call, and closes at each step in turn.
        outcomes = {}

        def watched(node, inner):
            def between(frame, event, what):
                if frame.f_code.co_filename.endswith(("_node.py", "_rounds.py", "_handle.py")) and event in ("c_call", "c_return"):
                    sys.setprofile(None)
                    for name, call in inner():
                        try:
                            call()
                            outcomes.setdefault(name, set()).add("done")
                        except raftcore.BusyError:
                            outcomes.setdefault(name, set()).add("busy")
                        except raftcore.FullError:
                            drain(node)
                    sys.setprofile(between)

            sys.setprofile(between)
            try:
                for data in ([b"a"], [b"ab"] * 3, [b"abc"] * 1000):
                    node.propose_many(data)
                    node.ready_flat()
                    node.ready()
                    assert node.step_frames(1, b"abc") == (0, 0, None)
                    assert node.conf().voters == (1,)
                    node.peers()
            finally:
                sys.setprofile(None)

        node = sole()
        calls = {
            "conf": node.conf,
            "ready": node.ready,
            "ready_flat": node.ready_flat,
            "step_frames": lambda: node.step_frames(9, bytes(5)),
            "propose_many": lambda: node.propose_many([b"zz"] * 7),
            "status": node.status,
            "tick": lambda: node.tick(0),
        }
        watched(node, calls.items)
        for count in range(150):
            node = sole()
            steps = iter(range(count))
            try:
                watched(node, lambda: [] if next(steps, None) is not None else [("close", node.close)])
            except raftcore.ClosedError:
                pass
        for name in ("conf", "ready", "ready_flat", "step_frames", "propose_many", "close"):
            assert outcomes[name] == {"busy", "done"}, outcomes
        assert outcomes["status"] == outcomes["tick"] == {"done"}, outcomes

    @apart
    def test_a_signal_handler_may_call_at_any_time(self):
        node = sole()
        counts = {"busy": 0, "done": 0}
        calls = [node.conf, node.ready_flat, node.ready, node.status, node.peers, node.close]
        calls += [lambda: node.step_frames(3, bytes(8)), lambda: node.propose_many([b"xyz"] * 3), lambda: node.propose(b"q")]

        def ring(*_):
            call = random.choice(calls)
            try:
                if call == calls[5] and random.random() < 0.99:
                    return
                call()
                counts["done"] += 1
            except raftcore.BusyError:
                counts["busy"] += 1
            except (raftcore.FullError, raftcore.ClosedError):
                pass
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-6, 5e-5))

        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 1e-5)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                node.propose_many([b"abcdefgh"] * random.randrange(100))
                assert node.step_frames(1, b"abc") == (0, 0, None)
                assert node.conf().voters == (1,)
                while (rd := node.ready()) is not None:
                    rd.entries()
                    node.advance(rd.number)
            except (raftcore.FullError, raftcore.StaleError, raftcore.BusyError):
                pass
            except raftcore.ClosedError:
                signal.setitimer(signal.ITIMER_REAL, 0)
                node = sole()
                calls[:6] = [node.conf, node.ready_flat, node.ready, node.status, node.peers, node.close]
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-6, 5e-5))
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert counts["done"] > 5, counts

    @apart
    def test_the_garbage_collector_may_call_at_any_time(self):
        node = sole()
        counts = {"busy": 0, "done": 0}

        def called(phase, info):
            for call in (node.conf, node.ready, lambda: node.step_frames(3, bytes(8)), lambda: node.propose_many([])):
                try:
                    call()
                    counts["done"] += 1
                except raftcore.BusyError:
                    counts["busy"] += 1
                except raftcore.FullError:
                    pass

        class Trash:
            pass

        gc.callbacks.append(called)
        gc.set_threshold(3, 1, 1)
        for _ in range(3000):
            trash = Trash()
            trash.me = trash
            try:
                node.propose_many([b"abc"] * 3)
            except raftcore.FullError:
                pass
            assert node.conf().voters == (1,)
            while (rd := node.ready()) is not None:
                rd.entries()
                try:
                    node.advance(rd.number)
                except raftcore.StaleError:
                    pass
        gc.callbacks.clear()
        assert counts["done"] > 5, counts

    @apart
    def test_threads_without_a_lock_get_errors_and_no_crash(self):
        node = sole()
        other = [sole()]
        stop = time.monotonic() + 3
        sys.setswitchinterval(1e-6)
        wrong = []

        def work(seed):
            choice = random.Random(seed)
            calls = [
                node.conf, node.ready_flat, node.ready, node.status, node.peers, node.hello,
                lambda: node.step_frames(1, b"x" * choice.randrange(12)),
                lambda: node.propose_many([b"abc"] * choice.randrange(50)),
                lambda: node.propose(b"abc", token=4),
                lambda: node.advance(node.status().applied),
                lambda: compact(node),
                lambda: other[0].conf(),
                lambda: other[0].ready(),
                lambda: other[0].propose_many([b"x"] * choice.randrange(9)),
                lambda: other.__setitem__(0, sole()) if choice.random() < 0.05 else other[0].close(),
            ]  # fmt: skip
            while time.monotonic() < stop:
                try:
                    choice.choice(calls)()
                except raftcore.RaftError:
                    pass
                except BaseException as error:
                    wrong.append(error)
                    raise

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert not wrong, wrong
        node.conf()

    @apart
    def test_nothing_ends_the_memory_that_a_call_reads(self):
        # The memory of an ended node turns to 0xDD.
        flags = Config(1).flags | Flag.DECODED_MSGS | Flag.DEBUG_POISON_VIEWS
        room = {"max_uncommitted_size": 1 << 30, "recent_bytes": 1 << 28, "max_inflight_msgs": 65536}
        with Cluster(voters=(1, 2), storage=Storage.ASYNC, flags=flags, **room) as cluster:
            node = cluster.elect().node
            sys.setswitchinterval(1e-6)
            stop, wrong, counts = time.monotonic() + 3, [], {}

            class Stop(Exception):
                pass

            def work(call):
                while time.monotonic() < stop and not wrong:
                    try:
                        call()
                        counts[call] = counts.get(call, 0) + 1
                    except (raftcore.RaftError, Stop):
                        pass
                    except BaseException as error:
                        wrong.append(error)

            def read():
                for entries in node.message_entries(node.status().last_ready):
                    assert all(entry.data == b"A" * 1000 for entry in entries), entries[0]

            def end():
                node.propose_many([b"A" * 1000] * 10)
                rd = node.ready()
                time.sleep(0.0005)
                while rd is not None:
                    try:
                        return ends(rd.number)
                    except raftcore.BusyError:
                        pass

            def ends(number):
                if number % 2:
                    node.advance(number)
                else:
                    node.persisted(number)
                    node.release(number)

            def ring(*_):
                if counts.pop("armed", False):
                    raise Stop

            def interrupted_end():
                try:
                    counts["armed"] = True
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 1e-3))
                    end()
                    counts.pop("armed", None)
                except Stop:
                    counts["stopped"] = counts.get("stopped", 0) + 1
                except BaseException:
                    counts.pop("armed", None)
                    raise
                node.advance(node.status().last_ready)

            signal.signal(signal.SIGALRM, ring)
            threads = [threading.Thread(target=work, args=(read,)) for _ in range(2)]
            [thread.start() for thread in threads]
            work(interrupted_end)
            signal.setitimer(signal.ITIMER_REAL, 0)
            [thread.join() for thread in threads]
            assert not wrong, wrong
            assert counts["stopped"] > 2 and counts.get(read, 0) > 2, counts

    @apart
    def test_a_call_that_was_interrupted_does_not_lock_the_node(self):
        class Stop(Exception):
            pass

        def ring(*_):
            raise Stop

        node = sole()
        signal.signal(signal.SIGALRM, ring)
        stopped = 0
        until = time.monotonic() + 3
        while time.monotonic() < until:
            try:
                signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 5e-5))
                while True:
                    node.conf()
                    node.step_frames(1, b"abc")
                    node.propose_many([b"abc"] * random.randrange(4))
                    node.ready()
            except Stop as error:
                assert error.__traceback__
                stopped += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert node.conf().voters == (1,)  # the traceback holds frames
            except raftcore.FullError:
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert node.conf().voters == (1,) and node.step_frames(1, b"abc") == (0, 0, None)
            drain(node)
            compact(node)
        assert stopped > 5, stopped


if __name__ == "__main__":
    unittest.main()
