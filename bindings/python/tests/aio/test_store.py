"""The disk of a member: the log, snapshots, and changed bytes."""

import random
import sqlite3
import tempfile
import unittest
from contextlib import closing

from kit import TimedTest

from raftcore import Entry
from raftcore.aio import DamagedError, InUseError, OwnerError
from raftcore.aio._crc import crc32c
from raftcore.aio._snapshot import Place
from raftcore.aio._store import Hard, Owner, Start, Store


def entries(first, last, term):
    return [Entry(term, index, 0, f"{term}:{index}".encode() * (index % 7 + 1)) for index in range(first, last + 1)]


class Stores(TimedTest):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def open(self, new=False):
        store = Store(self.folder)
        self.addCleanup(store.close)
        if new:
            with store.transaction():
                store.begin(Hard(1, 2, 1), Start(1, 1, 1, 1))
        return store

    def change(self, sql, *values):
        with closing(sqlite3.connect(f"{self.folder}/raft.db")) as db, db:
            db.execute(sql, values)

    def test_a_log_of_random_appends_and_truncations_reads_as_a_list_does(self):
        chance = random.Random(4)
        store, model, term = self.open(new=True), {}, 1
        for _ in range(300):
            last = max(model, default=1)
            first = last + 1 if chance.random() < 0.8 else chance.randrange(2, last + 2)
            term += chance.random() < 0.2
            new = entries(first, first + chance.randrange(20), term)
            with store.transaction():
                store.append(new)
            model = {index: entry for index, entry in model.items() if index < first}
            model.update((entry.index, entry) for entry in new)
            if chance.random() < 0.1:
                store.close()
                store = self.open()
                self.assertEqual(store.load().last, max(model))
            first = chance.randrange(2, max(model) + 1)
            last = chance.randrange(first, max(model) + 1)
            self.assertEqual(store.entries(first, last, 1 << 30), [model[index] for index in range(first, last + 1)])
        stored = store.load()
        for index, entry in model.items():
            self.assertEqual([term for first, term in stored.runs if first <= index][-1], entry.term)

    def test_a_cut_log_begins_behind_its_mark(self):
        store = self.open(new=True)
        for first in range(2, 20000, 100):
            with store.transaction():
                store.append(entries(first, first + 99, 3))
        whole = store.log_bytes()
        mark = store.keeping(200_000)
        with store.transaction():
            store.cut(mark)
            store.put_start(Start(mark.last, mark.term, mark.last, mark.term))
        self.assertTrue(200_000 <= store.log_bytes() < 300_000 < whole)
        self.assertEqual(store.entries(mark.last, mark.last + 5, 1 << 20), [])
        self.assertEqual(store.entries(mark.last + 1, mark.last + 2, 1 << 20), entries(mark.last + 1, mark.last + 2, 3))
        self.assertIsNone(store.keeping(1 << 40))
        store.close()
        self.assertEqual(self.open().load().start.before, mark.last)

    def test_a_changed_byte_in_a_log_or_a_record_is_noticed_before_anybody_gets_it(self):
        store = self.open(new=True)
        with store.transaction():
            store.append(entries(2, 5, 1))
            store.put_owner(Owner(1, 2, b"d" * 16, b"f" * 16))
        store.close()
        with closing(sqlite3.connect(f"{self.folder}/raft.db")) as db:
            (log,) = db.execute("SELECT entries FROM log").fetchone()
            owner, start = (
                db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0] for name in ("owner", "start")
            )
        for place in range(len(log)):
            damaged = bytearray(log)
            damaged[place] ^= 4
            self.change("UPDATE log SET entries = ?", bytes(damaged))
            store = self.open()
            with self.assertRaises(DamagedError):
                store.load()
            with self.assertRaises(DamagedError):
                store.entries(2, 5, 1 << 20)
            store.close()
        self.change("UPDATE log SET entries = ?", log)
        for name, value in (("owner", owner), ("start", start)):
            self.change("UPDATE meta SET value = ? WHERE name = ?", value[:5] + b"?" + value[6:], name)
        store = self.open()
        with self.assertRaisesRegex(DamagedError, "add another"):
            store.owner(1, 2)
        with self.assertRaises(DamagedError):
            store.load()

    def test_entries_that_would_leave_a_gap_are_refused(self):
        store = self.open(new=True)
        with store.transaction():
            store.append(entries(2, 4, 1))
        with self.assertRaises(RuntimeError), store.transaction():
            store.append(entries(6, 7, 1))
        self.assertEqual(store.load().last, 4)

    def test_a_missing_row_of_the_log_is_noticed(self):
        store = self.open(new=True)
        for first in (2, 5, 8):
            with store.transaction():
                store.append(entries(first, first + 2, 1))
        store.close()
        self.change("DELETE FROM log WHERE first = 5")
        with self.assertRaisesRegex(DamagedError, "entry 8 follows entry 4"):
            self.open().load()

    def test_a_file_that_is_no_database_is_damaged(self):
        self.open(new=True).close()
        with open(f"{self.folder}/raft.db", "r+b") as file:
            file.write(b"not a database, for sure")
        with self.assertRaises(DamagedError):
            self.open()

    def test_a_directory_has_one_process_and_one_owner(self):
        store = self.open()
        with store.transaction():
            store.put_owner(Owner(7, 1, b"d" * 16, b"f" * 16))
        with self.assertRaises(InUseError):
            self.open()
        store.close()
        with self.assertRaisesRegex(OwnerError, "belongs to member 1 of group 7, not to member 2 of group 7"):
            self.open().owner(7, 2)

    def test_ids_and_terms_of_64_bits_are_kept(self):
        store, most = self.open(), 2**64 - 17
        with store.transaction():
            store.put_owner(Owner(most, most, b"d" * 16, b"f" * 16))
            store.begin(Hard(most, most, 1), Start(1, most, 0, 0))
        self.assertEqual(store.owner(most, most).id, most)
        self.assertEqual(store.load().hard, Hard(most, most, 1))

    def test_an_unfinished_snapshot_resumes_at_any_byte_and_is_gone_after_a_start(self):
        store, data = self.open(new=True), random.Random(5).randbytes(100_000)
        with store.transaction():
            row = store.add_snapshot()
            store.add_parts(row, 0, [data[at : at + 8192] for at in range(0, 100_000, 8192)])
        with store.transaction():
            self.assertEqual(store.cut_parts(row, 50_001), crc32c(data[:50_001]))
            store.add_parts(row, 50_001, [data[50_001:]])
            place = Place(9, 1, len(data), crc32c(data))
            store.end_snapshot(row, place)
            left = store.add_snapshot()
            store.add_parts(left, 0, [b"half"])
        self.assertEqual(store.read_snapshot(place), data)
        self.assertEqual(store.read_snapshot(place, 30_000, 40_000), data[30_000:70_000])
        store.close()
        store = self.open()
        self.assertEqual(store.snapshots(), [place])
        self.assertEqual(store.head(left), b"")
        with store.transaction():
            again = store.add_snapshot()
            store.add_parts(again, 0, [data])
            store.end_snapshot(again, place)
        self.assertEqual(store.read_snapshot(place), data)
        with store.transaction():
            store.retire([place])
        self.assertEqual((store.snapshots(), store.head(left), store.head(again)), ([], b"", b""))

    def test_a_failed_transaction_changes_nothing(self):
        store = self.open(new=True)
        with self.assertRaises(ZeroDivisionError), store.transaction():
            store.put_hard(Hard(9, 9, 9))
            raise ZeroDivisionError
        self.assertEqual(store.hard(), Hard(1, 2, 1))


if __name__ == "__main__":
    unittest.main()
