"""A ready that the library handed out reaches the host in spite of exceptions."""

import gc
import random
import signal
import sys
import time
import unittest

from test_node import sole

import raftcore
from raftcore import Storage

LIMIT = 3.0  # seconds of random interrupts for each storage mode
TAKES = {
    "flat": lambda node: node.ready_flat(),
    "own": lambda node: node.ready(),
    "into": lambda node: node.ready_flat(bytearray(1 << 20)),
    "turn": lambda node: node.turn().ready,
}


class Stop(Exception):
    pass


def interrupted(steps, call):
    """Runs call, and raises Stop at the given instruction of the package or of call.

    Returns the pair of result and exception: either is None.
    """
    left = steps

    def trace(frame, event, what):
        nonlocal left
        name = frame.f_code.co_filename
        if "raftcore" not in name and frame.f_code is not call.__code__ and frame.f_code is not outer.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                raise Stop
        return trace

    def outer():
        return call()  # no variable holds the ready: the traceback would hold the frame

    gc.disable()  # a finalizer would count, too
    sys.settrace(trace)
    try:
        return outer(), None
    except Stop as stop:
        sys.settrace(None)
        return None, stop
    finally:
        sys.settrace(None)
        gc.enable()


class LostTest(unittest.TestCase):
    def test_an_exception_at_any_instruction_loses_no_ready(self):
        for take, call in TAKES.items():
            for again, second in TAKES.items():
                for held in (False, True):
                    with self.subTest(take=take, again=again, held=held):
                        self.at_each_instruction(call, second, held)

    def at_each_instruction(self, call, second, held):
        steps, stopped = 0, 0
        large = b"x" * 100_000
        interrupted(10**9, lambda: call(sole(storage=Storage.ASYNC)))  # 3.12 counts from the second run
        while True:
            steps += 1
            node = sole(storage=Storage.ASYNC)
            node.propose(b"a" if steps % 2 else large)
            first = node.status().last_index
            found, stop = interrupted(steps, lambda: call(node))
            if not held and stop is not None:
                stop = stop.with_traceback(None)
            if found is not None:
                self.assertGreater(stopped, 20)
                return
            stopped += 1
            node.propose(b"b")
            one = second(node).keep()
            two = second(node)
            self.assertEqual([one.number + 1, one.n_entries], [two.number, 1] if two else [one.number + 1, 2])
            self.assertEqual([entry.index for rd in (one, two) if rd for entry in rd.entries()], [first, first + 1])
            node.persisted((two or one).number)

    def test_a_lost_ready_cannot_be_acknowledged(self):
        node = sole(storage=Storage.ASYNC)
        node.propose(b"a")
        kept = node.ready()
        self.assertEqual(kept.entries()[0].data, b"a")
        node.propose(b"b")
        number = kept.number + 1
        node.ready_flat()  # nobody holds it

        for call in (node.advance, node.persisted, node.release):
            self.assertRaisesRegex(raftcore.StateError, f"ready {number} never reached you", call, number)
            self.assertRaises(raftcore.StateError, call, number + 1)
        node.persisted(kept.number)
        again = node.ready()
        self.assertEqual((again.number, again.entries()[0].data), (number, b"b"))
        node.persisted(number)
        node.release(number)

    def test_a_ready_that_somebody_holds_is_not_lost(self):
        for take, call in TAKES.items():
            with self.subTest(take):
                node = sole(storage=Storage.ASYNC)
                held = []
                for number in range(4):
                    node.propose(b"%d" % number)
                    held.append(call(node))
                self.assertIsNone(call(node))
                node.persisted(raftcore.FlatReady.keep(held[-1]).number)
                numbers = [rd.number for rd in held]
                self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 4)))

    def test_a_ready_that_was_read_and_dropped_is_not_lost(self):
        for look in (
            lambda rd: rd.entries(),
            lambda rd: rd.number,
            lambda rd: rd[4],
            lambda rd: list(rd),
            lambda rd: repr(rd),
            lambda rd: rd.keep(),
            lambda rd: rd.buffer,
        ):
            node = sole(storage=Storage.ASYNC)
            for _ in range(3):
                node.propose(b"a")
                look(node.ready_flat())
                node.propose(b"a")
                look(node.ready())
            self.assertIsNone(node.ready())
            self.assertIsNone(node.ready_flat())

    def test_a_ready_that_does_not_fit_comes_with_the_next_call(self):
        for storage in (Storage.SYNC, Storage.ASYNC):
            node = sole(storage=storage)
            node.propose(b"abc")
            self.assertRaises(raftcore.TooSmallError, node.ready_flat, bytearray(100))
            self.assertRaises(raftcore.TooSmallError, node.ready_flat, bytearray(100))
            self.assertEqual(node.ready_flat().entries()[0].data, b"abc")

    def test_random_interrupts_lose_no_ready(self):
        for storage in (Storage.SYNC, Storage.ASYNC):
            for take in ("flat", "own"):
                with self.subTest(storage=storage.name, take=take):
                    interrupts, lost = storm(storage, TAKES[take], LIMIT / 2)
                    self.assertGreater(interrupts, 20)
                    self.assertEqual(lost, [])


def storm(storage, take, seconds):
    """Runs a host with random interrupts. Returns their number, and the lost entries."""

    def ring(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, ring)
    node = sole(storage=storage)
    log, interrupts, until = set(range(1, node.status().durable + 1)), 0, time.monotonic() + seconds

    def finish(rd):
        log.update(entry.index for entry in rd.entries())
        if storage == Storage.SYNC:
            node.advance(rd.number)
        else:
            node.persisted(rd.number)
            if rd.committed_last:
                node.applied(rd.committed_last)
            node.release(rd.number)

    while time.monotonic() < until:
        rd = None
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-6, 6e-5))
            node.propose_many([b"x"])
            rd = take(node)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            interrupts += 1
            rd = rd or take(node)  # while the traceback holds the frames
        except raftcore.FullError:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        rd = rd or take(node)
        while rd is not None:
            finish(rd)
            rd = take(node)
        try:
            node.compacted(node.status().applied)
        except raftcore.StaleError:
            pass
    signal.signal(signal.SIGALRM, before)
    durable = node.status().durable
    return interrupts, [index for index in range(1, durable + 1) if index not in log]


if __name__ == "__main__":
    if len(sys.argv) > 1:  # test_lost.py SECONDS: a long storm
        for storage in (Storage.SYNC, Storage.ASYNC):
            for take in ("flat", "own"):
                interrupts, lost = storm(storage, TAKES[take], float(sys.argv[1]))
                print(f"{storage.name} {take}: {interrupts} interrupts, {len(lost)} entries lost")
    else:
        unittest.main()
