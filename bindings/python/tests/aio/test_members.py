"""Membership, snapshots and disasters of a group of raftcore.aio."""

import asyncio
import contextlib
import os
import shutil
import threading
import unittest
from unittest import mock

from kit import GroupTest, Journal, certificates

from raftcore import MsgKind, PeerFlag
from raftcore.aio import DamagedError, FoundedError, RefusedError, RemovedError, UnavailableError, found_from, recover, write
from raftcore.aio._host import Host
from raftcore.aio._peer import Peer
from raftcore.aio._snapshot import write as write_snapshot
from raftcore.aio._store import Store, read_snapshot


class Blob:
    """A state of incompressible bytes, with snapshots of its own."""

    def __init__(self):
        self.parts = []

    @write
    def add(self, part):
        self.parts.append(part)

    def snapshot(self):
        return b"".join(self.parts)

    def restore(self, data):
        self.parts = [data]


class Membership(GroupTest):
    async def test_a_member_joins_as_a_learner_and_is_promoted_by_itself(self):
        await self.start(1, found=True)
        await self.add(1, "before")
        await self.start(2, client_address="127.0.0.1:80")
        await self.until(lambda: self.groups[1].members[-1].voter)
        (_, two) = self.groups[1].members
        self.assertEqual((two.id, two.address, two.client_address), (2, self.addresses[2], "127.0.0.1:80"))
        self.assertEqual(await self.read(2), ["before"])
        await self.start(3, to=2, learner=True)
        await self.add(3, "by a learner")
        self.assertEqual([member.voter for member in self.groups[2].members], [True, True, False])
        with self.assertRaisesRegex(RefusedError, "no voter"):
            await self.groups[3].transfer(3)
        with self.assertRaisesRegex(RefusedError, "no member"):
            await self.groups[3].promote(5)
        await self.groups[3].promote(3)
        await self.groups[2].transfer(3)
        self.assertEqual(self.groups[2].leader, 3)

    async def test_a_removed_member_ends_and_its_id_never_returns(self):
        await self.start_three()
        await self.groups[3].remove(1)  # the leader
        with self.assertRaises(RemovedError):
            await self.groups[1].wait_closed()
        await self.add(2, "without it")
        self.assertEqual([member.id for member in self.groups[3].members], [2, 3])
        shutil.rmtree(self.folder / "1")
        with self.assertRaisesRegex(RefusedError, "new id"):
            await self.make(1, to=2).start()

    async def test_a_member_with_an_emptied_directory_is_refused_and_hurts_nobody(self):
        await self.start_three()
        await self.add(1, "kept")
        await self.groups[3].close()
        shutil.rmtree(self.folder / "3")
        with self.assertRaisesRegex(RefusedError, "another disk"):
            await self.make(3, to=1).start()
        self.assertEqual(await self.read(2), ["kept"])

    async def test_groups_founded_apart_refuse_each_other(self):
        await self.start(1, found=True)
        await self.start(2, found=True)
        await self.start(3, to=1)
        with self.assertLogs(self.log, "INFO") as logs:
            self.log.setLevel("INFO")
            self.groups[2]._host.members.hints[3] = self.addresses[3]
            self.groups[2]._host.peer(3).send(b"\x04\0\0\0" + (1).to_bytes(8, "little") + b"\x08\x08\x10\x03")
            await self.until(lambda: any("nothing in common" in line for line in logs.output))
        self.log.setLevel("CRITICAL")
        await self.add(3, "fine")

    async def test_a_transfer_without_success_leaves_a_leader(self):
        await self.start_three()
        self.set_timeout(1, 1)
        await self.groups[3].close()
        with self.assertRaises(UnavailableError):
            await self.groups[1].transfer(3)
        await self.until(lambda: self.groups[1].leader)
        await self.groups[1].transfer(self.groups[1].leader)
        await self.add(2, "on")


class Snapshots(GroupTest):
    async def start_with(self, id, **how):
        return await self.start(id, machine=Blob(), snapshot_bytes=1 << 20, keep_bytes=0, **how)

    async def fill(self, id, mebibytes):
        for _ in range(mebibytes):
            await asyncio.gather(*[self.groups[id].write(self.machines[id].add, os.urandom(1 << 16)) for _ in range(16)])

    async def rest(self, id):
        """Waits until the newest snapshot is made, and no other is due before more is written."""
        host = self.groups[id]._host
        await self.until(lambda: not host.bulk.making and host.applier.bytes <= host.options.snapshot_bytes)

    def size(self, id):
        return sum(map(len, self.machines[id].parts))

    async def read_all(self, id, mebibytes):
        """Reads once the whole state has come: on a busy machine a snapshot takes longer than a read may wait."""
        await self.until(lambda: self.size(id) >= mebibytes << 20, 100)
        await self.groups[id].read()
        self.assertEqual(self.size(id), mebibytes << 20)

    async def test_the_log_is_cut_and_a_member_that_lags_gets_the_snapshot_in_chunks(self):
        await self.start_with(1, found=True)
        for id in (2, 3):
            await self.start_with(id)
            await self.groups[1].promote(id)
        await self.groups[3].close()
        sizes = []
        for _ in range(10):
            await self.fill(1, 1)
            await self.rest(1)
            sizes.append(self.groups[1].status().log_bytes)
        status = self.groups[1].status()
        self.assertGreater(status.snapshot, status.core.last_index - 20)
        self.assertLess(max(sizes[4:]), 2 << 20)  # before, the log waits for member 3
        await self.start_with(3, to=1)
        await self.read_all(3, 10)
        self.assertIn("raftcore_snapshots_installed_total 1", self.groups[3].metrics())
        self.assertEqual(self.machines[3].snapshot(), self.machines[1].snapshot())
        for id in (3, 1):
            await self.groups[id].close()
            await self.start_with(id, to=2)
            await self.read_all(id, 10)

    async def test_a_snapshot_survives_broken_connections(self):
        await self.start_with(1, found=True)
        await self.fill(1, 12)
        joining = asyncio.ensure_future(self.start_with(2))
        broken = 0
        while broken < 3:
            await asyncio.sleep(0.005)
            for link in [*(self.groups[2]._host.guests.links if 2 in self.groups and self.groups[2]._host else ())]:
                now = self.groups[2]._host.bulk._receiving
                if now is not None and now.link is link and now.size > (broken + 1) << 20:
                    link.transport.abort()
                    broken += 1
            if 2 in self.machines and self.size(2) >= 12 << 20:
                break
        await joining
        await self.read_all(2, 12)
        self.assertGreater(broken, 0)

    def first_index(self):
        return self.groups[1]._host.node.status().first_index

    @contextlib.asynccontextmanager
    async def joining(self, patch):
        """Joins a member under a fault, to a leader with a cut log. The member has a vote in the end: not a minute later."""
        await self.start_with(1, found=True)
        await self.fill(1, 3)
        await self.until(lambda: self.first_index() > 2)
        with patch:
            joins = asyncio.ensure_future(self.start_with(2))
            yield
            await self.until(lambda: [member.voter for member in self.groups[1].members] == [True, True], 30)
            await joins

    async def test_a_snapshot_acknowledged_late_is_followed_by_another(self):
        gate, reads = threading.Event(), threading.Event()

        def slow(*arguments):
            reads.set()
            gate.wait(60)
            return read_snapshot(*arguments)

        async with self.joining(mock.patch("raftcore.aio._bulk.read_snapshot", slow)):
            await self.until(reads.is_set)
            before = self.groups[1].status().snapshot
            await self.fill(1, 8)  # more than the leader keeps for the member
            await self.until(lambda: self.first_index() > before + 1)
            gate.set()

    async def test_a_member_away_for_a_few_election_timeouts_goes_on_with_entries(self):
        """The leader holds the log."""
        await self.start_with(1, found=True, tick=0.1)
        await self.start_with(2, learner=True, tick=0.1)
        await self.groups[2].read()
        await self.groups[2].close()
        await self.until(lambda: not self.groups[1].status().peers[1].flags & PeerFlag.ACTIVE)
        await self.fill(1, 1)
        await self.groups[1].write(self.machines[1].add, b"")
        await self.until(lambda: self.groups[1].status().snapshot > 10)
        await self.start_with(2, to=1, tick=0.1)
        await self.read_all(2, 1)
        self.assertIn("raftcore_snapshots_installed_total 0", self.groups[2].metrics())

    async def lose(self, kind, ready):
        """Breaks a connection in place of its first message of a kind."""
        lost, whole = [], Peer.send

        def send(peer, frame):
            if not lost and frame[12:14] == bytes((8, kind)) and ready() and peer.link is not None:
                lost.append(frame)
                peer.link.transport.abort()
                return True
            return whole(peer, frame)

        async with self.joining(mock.patch.object(Peer, "send", send)):
            await self.until(lambda: lost)

    async def test_a_snapshot_whose_message_is_lost_is_sent_again(self):
        await self.lose(MsgKind.SNAP, lambda: True)

    async def test_a_lost_acknowledgement_of_a_snapshot_is_asked_for(self):
        await self.lose(MsgKind.APP_RESP, lambda: self.machines[2].parts)

    async def test_a_snapshot_may_be_sent_until_the_loop_knows_the_next(self):
        """The disk thread is ahead of the loop: it has ended a snapshot while the loop sends the one before."""
        await self.start_with(1, found=True)
        await self.start_with(2, learner=True)
        await self.groups[2].close()
        await self.fill(1, 3)
        await self.rest(1)
        leader, held, committed, end = self.groups[1]._host, [], Host._committed, Store.end_snapshot
        ended = threading.Event()

        def hold(host, *arguments):
            if host is leader and ended.is_set():
                held.append(arguments)
            else:
                committed(host, *arguments)

        def note(store, row, place):
            end(store, row, place)
            if store is leader.store:
                ended.set()

        with mock.patch.object(Store, "end_snapshot", note), mock.patch.object(Host, "_committed", hold):
            await self.fill(1, 1)
            await self.groups[1].write(self.machines[1].add, b"")
            await self.until(lambda: held)
            before = leader.bulk.place
            starts = asyncio.ensure_future(self.start_with(2, to=1))
            await self.until(lambda: [send.place for send in leader.bulk._sends.values()] == [before])
            await self.until(lambda: 2 in self.groups and self.machines[2].parts)
            ended.clear()
            committed(leader, *held[0])
        await starts
        await self.read_all(2, 4)
        self.assertGreater(leader.bulk.place.index, before.index)

    async def test_the_directory_holds_one_snapshot_and_little_log(self):
        await self.start_with(1, found=True)
        await self.fill(1, 5)
        await self.until(lambda: not self.groups[1]._host.bulk.making)
        store = self.groups[1]._host.store
        await self.groups[1].close()
        again = Store(self.folder / "1")
        self.addCleanup(again.close)
        self.assertEqual(len(again.snapshots()), 1)
        self.assertEqual(store.path, again.path)

    async def test_the_log_is_cut_up_to_a_snapshot_that_writes_overtook(self):
        """Else a log would grow for as long as more is written under each snapshot than the log keeps."""
        gate, begun = threading.Event(), threading.Event()

        def slow(snapshot):
            begun.set()
            gate.wait(60)
            return write_snapshot(snapshot)

        await self.start_with(1, found=True)
        with mock.patch("raftcore.aio._bulk.write", slow):
            await self.fill(1, 1)
            await self.until(begun.is_set)
            for _ in range(10):
                await self.groups[1].write(self.machines[1].add, os.urandom(1 << 16))
            gate.set()
            await self.until(lambda: self.groups[1].status().snapshot and not self.groups[1]._host.bulk.making)
        status = self.groups[1].status()
        self.assertGreaterEqual(status.core.last_index, status.snapshot + 10)
        self.assertLess(status.log_bytes, 1 << 20)

    async def test_writes_go_on_under_a_snapshot(self):
        await self.start(1, found=True, snapshot_bytes=10_000, keep_bytes=1000)
        for round in range(20):
            await asyncio.gather(*[self.groups[1].write(self.machines[1].add, (round, n)) for n in range(50)])
        await self.until(lambda: self.groups[1].status().snapshot > 500)
        await self.groups[1].close()
        await self.start(1)
        self.assertEqual(len(await self.read(1)), 1000)


class Disasters(GroupTest):
    async def test_a_backup_becomes_an_independent_group(self):
        await self.start_three()
        await self.groups[1].write_once(b"s" * 16, 1, self.machines[1].add, "saved")
        backup = await self.groups[3].backup()
        await self.add(1, "later")
        peers = {5: self.addresses[5]}
        with self.assertRaises(DamagedError):
            found_from(backup[:-30] + b"?" + backup[-29:], Journal(), self.folder / "5", 5, peers)
        found_from(backup, Journal(), self.folder / "5", 5, peers)
        with self.assertRaises(FoundedError):
            found_from(backup, Journal(), self.folder / "5", 5, peers)
        await self.start(5, to=5)
        self.assertEqual(await self.groups[5].write_once(b"s" * 16, 1, self.machines[5].add, "saved"), 1)
        self.assertEqual(await self.read(5), ["saved"])
        self.assertEqual(len(self.groups[5].members), 1)

    async def test_a_lost_majority_is_given_up_and_the_survivor_goes_on_alone(self):
        await self.start_three()
        await self.add(2, "a", "b")
        await self.read(3)
        for id in (1, 2, 3):
            await self.groups[id].close()
        recover(Journal(), self.folder / "3", 3, {3: self.addresses[3]}, self.make(3)._given[4])
        await self.start(3, to=3)
        await self.add(3, "c")
        self.assertEqual(await self.read(3), ["a", "b", "c"])
        await self.start(4, to=3)
        self.assertEqual(await self.read(4), ["a", "b", "c"])
        await self.start(1, to=3)  # a lost member comes back: its founding is another
        self.set_timeout(1, 0.5)
        with self.assertRaises(UnavailableError):
            await self.groups[1].read()


class Secure(GroupTest):
    async def test_members_with_certificates_of_their_ids_and_nobody_else(self):
        urns = {str(id): f"urn:raftcore:1:{id}" for id in (1, 2, 3)}
        tls = certificates(self.folder, {**urns, "wrong": "urn:raftcore:1:9", "group": "urn:raftcore:2:4"})
        await self.start(1, found=True, tls=tls["1"])
        await self.start(2, tls=tls["2"])
        await self.groups[1].promote(2)
        await self.add(2, "secret")
        self.assertEqual(await self.read(1), ["secret"])
        for other in ("wrong", "group"):
            with self.assertRaisesRegex(RefusedError, "certificate"):
                await self.make(4, to=1, tls=tls[other]).start()
        plain = asyncio.ensure_future(self.make(5, to=1).start())
        await asyncio.sleep(0.3)
        self.assertFalse(plain.done(), plain.done() and plain.exception())
        plain.cancel()
        await asyncio.wait([plain])
        self.assertEqual(len(self.groups[1].members), 2)


if __name__ == "__main__":
    unittest.main()
