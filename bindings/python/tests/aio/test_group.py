"""A group of raftcore.aio: writes, reads, outcomes, retries, cancellation, and its end."""

import asyncio
import os
import socket
import sqlite3
import time
import unittest
from pickle import UnpicklingError
from unittest import mock

from kit import GroupTest, Journal

from raftcore import Config, Node
from raftcore.aio import (
    EmptyError,
    EntryTooLargeError,
    FoundedError,
    Group,
    GroupClosedError,
    InUseError,
    MachineError,
    NotCommittedError,
    Options,
    OwnerError,
    RefusedError,
    SessionExpiredError,
    UnavailableError,
    UnknownOutcomeError,
    write,
)
from raftcore.aio import _wire as wire
from raftcore.aio._guests import Guests
from raftcore.aio._machine import decode
from raftcore.aio._store import Store


class Writes(GroupTest):
    async def test_every_member_takes_writes_and_reads_what_others_acknowledged(self):
        await self.start_three()
        for id in (1, 2, 3):
            self.assertEqual(await self.groups[id].write(self.machines[id].add, f"from {id}"), id)
            for reader in (1, 2, 3):
                self.assertEqual((await self.read(reader))[-1], f"from {id}")
        self.assertEqual([self.groups[id].leader for id in (1, 2, 3)], [1, 1, 1])

    async def test_a_thousand_concurrent_writes_from_all_members_have_results_of_one_order(self):
        await self.start_three()
        writes = [self.groups[id].write(self.machines[id].add, (id, n)) for n in range(334) for id in (1, 2, 3)]
        results = await asyncio.gather(*writes)
        self.assertEqual(sorted(results), list(range(1, 1003)))
        orders = [await self.read(id) for id in (1, 2, 3)]
        self.assertEqual(orders[0], orders[1])
        self.assertEqual(orders[0], orders[2])

    async def test_arguments_by_name_and_calls_between_write_methods(self):
        await self.start(1, found=True)
        self.assertEqual(await self.groups[1].write(self.machines[1].add_all, "a", "b", sep="!"), ["a!", "b!"])

    async def test_a_result_is_a_copy(self):
        await self.start(1, found=True)
        (await self.groups[1].write(self.machines[1].add_all, "a")).clear()
        self.assertEqual(self.machines[1].words, ["a"])

    async def test_an_exception_of_the_method_reaches_the_caller_and_nobody_ends(self):
        await self.start_three()
        for id in (1, 3):
            with self.assertRaisesRegex(ValueError, "no bread here"):
                await self.groups[id].write(self.machines[id].refuse, "bread")
            with self.assertRaisesRegex(TypeError, "argument"):
                await self.groups[id].write(self.machines[id].add)
            with self.assertRaises(MachineError):
                await self.groups[id].write(self.machines[id].unpicklable)
        await self.add(2, "still here")
        self.assertEqual(await self.read(3), ["still here"])

    async def test_an_entry_that_no_method_made_changes_nothing_on_any_member(self):
        await self.start_three()
        for poison in (b"", b"\x80not a pickle", b"\x80\x05K\x01."):
            with self.assertRaises((MachineError, EOFError, UnpicklingError, TypeError, ValueError)):
                decode(await self.groups[2].propose(poison))
        await self.add(1, "on")
        self.assertEqual(await self.read(3), ["on"])

    async def test_only_marked_methods_of_this_machine_are_written(self):
        await self.start(1, found=True)
        for method in (Journal().add, self.machines[1].words.append, print):
            with self.assertRaises(TypeError):
                await self.groups[1].write(method, "x")
        with self.assertRaisesRegex(RuntimeError, "await group.write"):
            self.machines[1].add("alone")
        self.assertEqual(self.machines[1].words, [])
        with self.assertRaisesRegex(TypeError, "coroutine"):

            class Wrong:
                @write
                async def add(self): ...

        with self.assertRaisesRegex(TypeError, "no method marked"):
            await self.start(2, machine=object())

    async def test_a_write_that_is_too_large_is_refused_at_once_and_by_the_leader(self):
        await self.start(1, found=True, max_entry_bytes=1000)
        await self.start(2, max_entry_bytes=100_000)
        for id in (1, 2):
            with self.assertRaises(EntryTooLargeError):
                await self.add(id, "x" * 5000)
        await self.add(2, "small")
        self.assertEqual(await self.read(1), ["small"])


class Outcomes(GroupTest):
    async def test_without_a_majority_a_taken_write_is_unknown_and_a_waiting_one_not_committed(self):
        one, two, three = await self.start_three()
        self.set_timeout(1, 0.5)
        await two.close()
        await three.close()
        with self.assertRaises(UnknownOutcomeError):
            await self.add(1, "taken by the leader")
        await self.until(lambda: one.leader == 0)
        with self.assertRaisesRegex(NotCommittedError, "not in time"):
            await self.add(1, "never taken")
        with self.assertRaises(UnavailableError):
            await one.read()
        await self.start(2)
        await self.add(2, "after")
        words = await self.read(2)
        self.assertNotIn("never taken", words)
        self.assertEqual(words[-1], "after")

    async def test_a_leader_that_ends_leaves_no_write_without_a_true_outcome(self):
        await self.start_three()
        acknowledged = []

        async def client(id, name):
            for n in range(10):
                try:
                    await self.add(id, (id, name, n))
                    acknowledged.append((id, name, n))
                except (NotCommittedError, UnknownOutcomeError):
                    pass

        clients = [asyncio.ensure_future(client(id, name)) for name in range(10) for id in (1, 2, 3)]
        await self.until(lambda: len(acknowledged) > 50)
        await self.groups[1].close()
        await asyncio.gather(*clients)
        words = await self.read(2)
        self.assertEqual([word for word in acknowledged if word not in words], [])
        self.assertGreater(len({id for id, _, n in acknowledged if n == 9}), 1)

    async def test_a_repeated_request_counts_once_on_any_member_and_after_restarts(self):
        await self.start_three()
        session = b"s" * 16
        first = await self.groups[1].write_once(session, 1, self.machines[1].add, "once")
        for id in (1, 2, 3):
            self.assertEqual(await self.groups[id].write_once(session, 1, self.machines[id].add, "once"), first)
        await self.groups[2].close()
        await self.start(2, to=1)
        self.assertEqual(await self.groups[2].write_once(session, 1, self.machines[2].add, "once"), first)
        self.assertEqual(await self.groups[3].write_once(session, 2, self.machines[3].add, "twice"), 2)
        for id in (1, 2, 3):  # words of the leader reach the caller of any member
            with self.assertRaisesRegex(SessionExpiredError, "request 1 was given up"):
                await self.groups[id].write_once(session, 1, self.machines[id].add, "once")
        with self.assertRaises(SessionExpiredError):
            await self.groups[2].write_once(b"t" * 16, 5, self.machines[2].add, "of a session that nobody knows")
        for wrong in ((bytes(16), 1), (b"short", 1), (session, 0)):
            with self.assertRaises(RefusedError):
                await self.groups[1].write_once(*wrong, self.machines[1].add, "x")
        self.assertEqual(await self.read(3), ["once", "twice"])

    async def test_a_session_writes_once_while_leaders_come_and_go(self):
        await self.start_three()
        session = self.groups[3].session()

        async def writes():
            return [await session.write(self.machines[3].add, n) for n in range(60)]

        task = asyncio.ensure_future(writes())
        await asyncio.sleep(0.1)
        await self.groups[1].close()
        await self.start(1, to=2)
        self.assertEqual(await task, list(range(1, 61)))
        with self.assertRaises(ValueError):
            await session.write(self.machines[3].refuse, "x")
        self.assertEqual(await session.write(self.machines[3].add, "last"), 61)
        self.assertEqual(await self.read(1), [*range(60), "last"])


class Life(GroupTest):
    async def test_a_group_is_founded_once_and_an_empty_directory_founds_nothing(self):
        with self.assertRaisesRegex(EmptyError, "found=True, once"):
            await self.start(1)
        await self.start(1, found=True)
        await self.add(1, "kept")
        await self.groups[1].close()
        with self.assertRaises(FoundedError):
            await self.start(1, found=True)
        await self.start(1)
        self.assertEqual(await self.read(1), ["kept"])

    async def test_a_directory_belongs_to_a_member_and_a_process(self):
        await self.start(1, found=True)
        with self.assertRaises(InUseError):
            await self.make(1).start()
        await self.groups[1].close()
        with self.assertRaises(OwnerError):
            await self.make(2, directory=self.folder / "1").start()
        with self.assertRaises(OwnerError):
            await self.make(1, group=9).start()

    async def test_wrong_arguments_say_what_is_wrong(self):
        for peers, options, words in (
            ({2: "a:1"}, {}, "no address of 1"),
            ({1: "nowhere"}, {}, "'nowhere' is not HOST:PORT"),
            ({1: "a:1"}, {"tick": 0}, "tick is 0; 0.001 to 10 are possible"),
            ({1: "a:1"}, {"max_entry_bytes": 0}, "max_entry_bytes is 0"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                Group(Journal(), self.folder, 1, peers, options=Options(**options))
        group = self.make(1)
        with self.assertRaisesRegex(RuntimeError, "not started"):
            await group.read()

    async def test_after_the_end_every_call_says_so(self):
        (one, *_) = await self.start_three()
        reads = [asyncio.ensure_future(one.read()) for _ in range(3)]
        await one.close()
        await one.close()
        for read in reads:
            try:
                await read
            except GroupClosedError:
                pass
        with self.assertRaises(NotCommittedError):
            await self.add(1, "x")
        for call in (one.read(), one.backup()):
            with self.assertRaises(GroupClosedError):
                await call
        for look in (one.status, one.metrics):
            with self.assertRaises(GroupClosedError):
                look()
        await one.wait_closed()

    async def test_members_that_stood_still_keep_their_leader(self):
        await self.start_three()
        before = self.groups[1].status().core.term
        time.sleep(1.5)  # 50 ticks, for all three: as on a machine without a free core
        await asyncio.sleep(1)
        for group in self.groups.values():
            self.assertEqual((group.status().core.term, group.leader), (before, 1))

    async def test_a_group_ends_whose_jobs_are_lost_on_the_way_to_the_disk(self):
        """As by an exception of a signal handler, at any place in the host."""
        await self.start(1, found=True)
        await self.add(1, "a")
        host = self.groups[1]._host
        run = host.loop.run_in_executor

        def lose(executor, call, *arguments):
            if call == host._write:
                raise MemoryError
            return run(executor, call, *arguments)

        with mock.patch.object(host.loop, "run_in_executor", lose):
            with self.assertRaises(UnknownOutcomeError):
                await self.add(1, "lost")
        with self.assertRaises(MemoryError):
            await self.groups[1].wait_closed()
        await self.start(1)
        self.assertEqual(await self.read(1), ["a"])

    async def test_who_waits_for_the_end_hears_of_it_though_the_end_fails(self):
        await self.start(1, found=True)
        waiting = asyncio.ensure_future(self.groups[1].wait_closed())
        with mock.patch.object(Store, "close", side_effect=sqlite3.OperationalError("disk I/O error")):
            with self.assertRaises(sqlite3.OperationalError):
                await self.groups[1].close()
        await asyncio.wait_for(waiting, 5)
        self.groups.pop(1)._host.store.close()

    async def test_a_crowd_of_connections_ends_no_joining_member(self):
        joining = asyncio.ensure_future(self.start(2, to=1))
        await self.until(lambda: 2 in self.groups and self.groups[2]._host and self.groups[2]._host.guests.server)
        host, port = self.addresses[2].split(":")
        crowd = []
        for n in range(70):  # more than may wait
            hello = wire.Hello(1, 1, wire.PEER, 0, "127.0.0.1:1", "", 1 << 20, 0, wire.NONE, b"d" * 16, n, 2)
            node = Node(Config(id=100 + n, group=1))
            crowd.append(await asyncio.open_connection(host, int(port)))
            crowd[-1][1].write(node.hello() + wire.encode(1, hello))
        await self.start(1, found=True)
        await joining
        await asyncio.sleep(0.5)
        await self.add(2, "alive")
        self.assertEqual(await self.read(1), ["alive"])
        for _, writer in crowd:
            writer.close()

    async def test_a_failed_disk_ends_the_member_and_nothing_is_acknowledged_from_then_on(self):
        await self.start(1, found=True, timeout=1)
        await self.add(1, "kept")
        with mock.patch.object(Store, "append", side_effect=sqlite3.OperationalError("database or disk is full")):
            with self.assertRaises(UnknownOutcomeError):
                await self.add(1, "lost")
        with self.assertRaisesRegex(sqlite3.OperationalError, "full"):
            await self.groups[1].wait_closed()
        await self.start(1)
        self.assertEqual(await self.read(1), ["kept"])

    async def test_a_write_may_be_cancelled_at_any_await(self):
        await self.start_three()
        for steps in range(12):
            for id in (1, 2):
                task = asyncio.ensure_future(self.add(id, f"step {steps}"))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                read = asyncio.ensure_future(self.groups[id].read())
                for _ in range(steps):
                    await asyncio.sleep(0)
                read.cancel()
                await asyncio.wait([read])
        await self.add(3, "end")
        words = await self.read(3)
        self.assertEqual(words[-1], "end")
        self.assertLessEqual(max(words.count(word) for word in words), 2)  # a step is written by two members
        for group in self.groups.values():
            await self.until(lambda: not group._host.proposals.by_token and not group._host.proposals.reading)

    async def test_a_start_and_a_close_may_be_cancelled_at_any_await(self):
        await self.start(1, found=True)
        for steps in range(0, 40, 3):
            group = self.make(2, to=1)
            task = asyncio.ensure_future(group.start())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            closing = asyncio.ensure_future(group.close())
            await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
            await group.close()
        await self.start(2, to=1)  # the directory is free, and usable
        await self.groups[1].promote(2)

    async def test_a_start_that_is_cancelled_while_it_listens_leaves_its_port(self):
        host, port = self.addresses[1].split(":")
        for steps in range(6):
            guests = Guests(mock.Mock(loop=asyncio.get_running_loop(), tls_server=None))
            task = asyncio.ensure_future(guests.listen(self.addresses[1]))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            guests.close()
            socket.create_server((host, int(port))).close()

    async def test_a_port_is_free_after_the_end_beside_a_forked_child(self):
        """A child has copies of all descriptors, for as long as it lives."""
        await self.start(1, found=True)
        (listener,) = self.groups[1]._host.guests.server.sockets
        held = os.dup(listener.fileno())
        self.addCleanup(os.close, held)
        await self.groups[1].close()
        await self.start(1)
        await self.add(1, "again")

    async def test_a_block_that_raises_closes_the_group(self):
        with self.assertRaises(ZeroDivisionError):
            async with self.make(1, found=True) as group:
                raise ZeroDivisionError
        with self.assertRaises(GroupClosedError):
            await group.read()
        async with self.make(1):
            pass

    async def test_status_and_metrics_show_numbers(self):
        one, two, _ = await self.start_three()
        await self.add(2, "x")
        status = one.status()
        self.assertEqual((status.core.id, status.core.leader, len(status.peers)), (1, 1, 3))
        self.assertEqual(two.status().peers, [])
        lines = two.metrics().splitlines()
        self.assertIn("raftcore_leader 1", lines)
        self.assertIn("raftcore_proposals_total 1", lines)
        self.assertIn('raftcore_peer_match_index{peer="3"}', one.metrics())
        for line in one.metrics().splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) raftcore_\w+ .+|raftcore_\w+(\{[^}]+\})? -?[0-9.]+)$")


if __name__ == "__main__":
    unittest.main()
