"""The disk of a member: log, hard state, snapshots and owner in a sqlite3 file.

The calls block, and come one at a time from the group's disk thread. A `with store.transaction()`
ends in a single flush. Rows hold batches of entries, each with a checksum: sqlite3 gives up the
interpreter's lock at each statement, so few statements mean few waits for the event loop.
"""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from struct import error as StructError
from typing import NamedTuple
from zlib import crc32

from .._ready import Entry
from ._crc import crc32c
from ._errors import DamagedError, InUseError, OwnerError
from ._snapshot import Place, Snapshot, read

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS log (first INTEGER PRIMARY KEY, last INTEGER, entries BLOB);
    CREATE TABLE IF NOT EXISTS snapshot (number INTEGER PRIMARY KEY, place BLOB);
    CREATE TABLE IF NOT EXISTS part (snapshot INTEGER, at INTEGER, bytes BLOB, PRIMARY KEY (snapshot, at)) WITHOUT ROWID;
"""
_OWNER, _HARD, _START, _PLACE = Struct("<QQ16s16s"), Struct("<QQQ"), Struct("<QQQQ"), Struct("<QQQI")
_ENTRY, _CRC = Struct("<QIB"), Struct("<I")
_MARK_BYTES = 64 << 10
_OVERHEAD = 64  # bytes of an entry besides the data


class Owner(NamedTuple):
    """The owner of the directory. Identities of zeros: not known yet."""

    group: int
    id: int
    disk: bytes
    founding: bytes


class Hard(NamedTuple):
    """The hard state of the core."""

    term: int = 0
    vote: int = 0
    commit: int = 0


class Start(NamedTuple):
    """Where the log begins, and the newest snapshot; index 0: none."""

    before: int = 0
    before_term: int = 0
    snapshot: int = 0
    snapshot_term: int = 0


class Stored(NamedTuple):
    """The core's state on the disk."""

    hard: Hard
    start: Start
    last: int
    runs: list[tuple[int, int]]


class Mark(NamedTuple):
    """The end of a row of the log, every 64 KiB. `bytes` counts from the start of the process."""

    last: int
    term: int
    bytes: int


class Store:
    """An open directory."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Opens the directory, made if need be. Raises InUseError, DamagedError."""
        Path(directory).mkdir(parents=True, exist_ok=True)
        self.path = Path(directory) / "raft.db"
        self._db = sqlite3.connect(str(self.path), timeout=0, isolation_level=None, check_same_thread=False)
        self.marks: list[Mark] = []
        self.last = 0
        self.bytes = 0  # of all entries since the start
        self._cut_bytes = 0  # of the entries removed by compactions
        self._unmarked = 0
        self._rows: dict[Place, int] = {}
        try:
            # The lock of the file is the lock of the directory, for as long as the process lives.
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 4000"):
                self._db.execute("PRAGMA " + pragma).fetchall()
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise InUseError(f"{directory} is open in another process") from None
            raise
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise DamagedError(f"{self.path}: {error}") from None

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A transaction that ends in a flush. After a failure the store must be closed."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # ---- small records

    def _put(self, name: str, value: bytes) -> None:
        self._db.execute("REPLACE INTO meta VALUES (?, ?)", (name, value + _CRC.pack(crc32(value, crc32(name.encode())))))

    def _get(self, name: str, form: Struct) -> tuple[int, ...] | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        value, checksum = row[0][:-4], row[0][-4:]
        if len(value) != form.size or _CRC.pack(crc32(value, crc32(name.encode()))) != checksum:
            raise DamagedError(f"{self.path}: record {name}: remove this member from its group, and add another one")
        return form.unpack(value)

    def owner(self, group: int, id: int) -> Owner:
        """Returns the owner; identities of zeros in an empty directory. Raises OwnerError."""
        found = self._get("owner", _OWNER)
        owner = Owner(*found) if found else Owner(group, id, bytes(16), bytes(16))  # type: ignore[arg-type]
        if (owner.group, owner.id) != (group, id):
            raise OwnerError(
                f"{self.path} belongs to member {owner.id} of group {owner.group}, not to member {id} of group {group}"
            )
        return owner

    def put_owner(self, owner: Owner) -> None:
        self._put("owner", _OWNER.pack(*owner))

    def put_hard(self, hard: Hard) -> None:
        self._put("hard", _HARD.pack(*hard))

    def put_start(self, start: Start) -> None:
        self._put("start", _START.pack(*start))

    def hard(self) -> Hard:
        return Hard(*(self._get("hard", _HARD) or ()))

    def start(self) -> Start:
        return Start(*(self._get("start", _START) or ()))

    # ---- the log

    def begin(self, hard: Hard, start: Start) -> None:
        """Replaces the whole log by an empty log."""
        self._db.execute("DELETE FROM log")
        self.put_hard(hard)
        self.put_start(start)
        self.last, self.marks, self._unmarked = start.before, [], 0

    def append(self, entries: Sequence[Entry]) -> None:
        """Appends entries. They replace the log from the first one's index on. Raises RuntimeError,
        and changes nothing, if entries would be missing before them.
        """
        first, last = entries[0].index, entries[-1].index
        if first > self.last + 1:
            raise RuntimeError(f"entry {first} would follow entry {self.last}: a ready was lost before it was written")
        if first <= self.last:
            self._truncate(first)
        parts: list[bytes] = []
        for term, _, kind, data, *_ in entries:
            parts += (_ENTRY.pack(term, len(data), kind), data)
        row = b"".join(parts)
        self._db.execute("INSERT INTO log VALUES (?, ?, ?)", (first, last, _CRC.pack(crc32(row, first & 0xFFFFFFFF)) + row))
        self._count(last, entries[-1].term, len(row) + (_OVERHEAD - _ENTRY.size) * len(entries))

    def _count(self, last: int, term: int, size: int) -> None:
        self.last = last
        self.bytes += size
        self._unmarked += size
        if self._unmarked >= _MARK_BYTES:
            self.marks.append(Mark(last, term, self.bytes))
            self._unmarked = 0

    def _truncate(self, first: int) -> None:
        cut = self._db.execute("SELECT first, last, entries FROM log WHERE first < ? AND last >= ?", (first, first)).fetchone()
        self._db.execute("DELETE FROM log WHERE last >= ?", (first,))
        del self.marks[bisect_left(self.marks, (first,)) :]
        self.last = first - 1
        if cut is not None:
            self.append([entry for entry in self._row(cut) if entry.index < first])

    def _row(self, row: tuple[int, int, bytes]) -> list[Entry]:
        first, last, data = row
        if _CRC.pack(crc32(data[4:], first & 0xFFFFFFFF)) != data[:4]:
            raise DamagedError(f"{self.path}: entries from {first} on: remove this member from its group, and add another one")
        at = 4
        entries: list[Entry] = []
        while at < len(data):
            term, size, kind = _ENTRY.unpack_from(data, at)
            at += _ENTRY.size
            entries.append(Entry(term, first + len(entries), kind, data[at : at + size]))
            at += size
        if first + len(entries) != last + 1:
            raise DamagedError(f"{self.path}: {len(entries)} entries from {first} to {last}")
        return entries

    def load(self) -> Stored:
        """Reads the state of the core, and checks the whole log. Raises DamagedError."""
        hard, start = self._get("hard", _HARD), self._get("start", _START)
        if hard is None or start is None:
            raise DamagedError(f"{self.path}: the log has no beginning")
        begin = Start(*start)
        self.last, runs = begin.before, list[tuple[int, int]]()
        for row in self._db.execute("SELECT first, last, entries FROM log ORDER BY first"):
            entries = self._row(row)
            if row[0] != self.last + 1:
                raise DamagedError(f"{self.path}: entry {row[0]} follows entry {self.last}")
            for entry in entries:
                if not runs or runs[-1][1] != entry.term:
                    runs.append((entry.index, entry.term))
            self._count(row[1], entries[-1].term, len(row[2]) + (_OVERHEAD - _ENTRY.size) * len(entries))
        return Stored(Hard(*hard), begin, self.last, runs)

    def entries(self, first: int, last: int, max_bytes: int) -> list[Entry]:
        """Returns entries from `first` on, at least one, up to about `max_bytes`. Empty: not there."""
        rows = self._db.execute("SELECT first, last, entries FROM log WHERE last >= ? AND first <= ? ORDER BY first", (first, last))
        found: list[Entry] = []
        size = 0
        for row in rows:
            for entry in self._row(row):
                if first <= entry.index <= last and (size < max_bytes or not found):
                    found.append(entry)
                    size += len(entry.data) + _OVERHEAD
            if size >= max_bytes:
                break
        return found if found and found[0].index == first else []

    def bytes_above(self, index: int) -> int:
        """Returns about how many bytes of log are above an index."""
        place = bisect_left(self.marks, (index,))
        return self.bytes - (self.marks[place].bytes if place < len(self.marks) else self.bytes - self._unmarked)

    def log_bytes(self) -> int:
        """Returns about how many bytes the log has."""
        return self.bytes - self._cut_bytes

    def keeping(self, size: int) -> Mark | None:
        """Returns the last mark with at least `size` bytes of log behind it; None: the log stays."""
        place = bisect_left([mark.bytes for mark in self.marks], self.bytes - size + 1)
        return self.marks[place - 1] if place else None

    def cut(self, mark: Mark) -> None:
        """Removes the log up to a mark."""
        self._db.execute("DELETE FROM log WHERE last <= ?", (mark.last,))
        self._cut_bytes = mark.bytes
        self.marks = [other for other in self.marks if other.last > mark.last]

    # ---- snapshots

    def add_snapshot(self) -> int:
        """Begins an unfinished snapshot, and returns the row."""
        number = self._db.execute("INSERT INTO snapshot (place) VALUES (NULL)").lastrowid
        assert number is not None
        return number

    def add_parts(self, row: int, at: int, parts: Iterable[bytes]) -> int:
        """Appends parts of the file at an offset, and returns the next offset."""
        for part in parts:
            self._db.execute("INSERT INTO part VALUES (?, ?, ?)", (row, at, part))
            at += len(part)
        return at

    def end_snapshot(self, row: int, place: Place) -> None:
        """Ends a snapshot: whole from then on. It takes the place of a snapshot with equal bytes."""
        if place in self._rows:
            self.retire([place])
        self._db.execute("UPDATE snapshot SET place = ? WHERE number = ?", (_PLACE.pack(*place), row))
        self._rows[place] = row

    def snapshots(self) -> list[Place]:
        """Returns the whole snapshots, and removes the unfinished: for the start."""
        self.drop_snapshot(None)
        for row, place in self._db.execute("SELECT number, place FROM snapshot"):
            try:
                self._rows[Place(*_PLACE.unpack(place))] = row
            except StructError:
                raise DamagedError(f"{self.path}: the place of snapshot {row}") from None
        return list(self._rows)

    def drop_snapshot(self, row: int | None) -> None:
        """Removes a snapshot, None: the unfinished."""
        which = "SELECT number FROM snapshot WHERE place IS NULL" if row is None else str(int(row))
        self._db.execute(f"DELETE FROM part WHERE snapshot IN ({which})")
        self._db.execute(f"DELETE FROM snapshot WHERE number IN ({which})")

    def retire(self, places: Iterable[Place]) -> None:
        """Removes whole snapshots."""
        for place in places:
            self.drop_snapshot(self._rows.pop(place))

    def cut_parts(self, row: int, size: int) -> int:
        """Cuts an unfinished snapshot to `size` bytes, and returns the checksum."""
        for at, part in self._db.execute(
            "SELECT at, bytes FROM part WHERE snapshot = ? AND at + length(bytes) > ?", (row, size)
        ).fetchall():
            self._db.execute("DELETE FROM part WHERE snapshot = ? AND at = ?", (row, at))
            if at < size:
                self.add_parts(row, at, [part[: size - at]])
        checksum = 0
        for (part,) in self._db.execute("SELECT bytes FROM part WHERE snapshot = ? ORDER BY at", (row,)):
            checksum = crc32c(part, checksum)
        return checksum

    def head(self, row: int) -> bytes:
        """Returns the first part of a snapshot; empty: there is none."""
        found = self._db.execute("SELECT bytes FROM part WHERE snapshot = ? AND at = 0", (row,)).fetchone()
        return bytes(found[0]) if found else b""

    def read_snapshot(self, place: Place, at: int = 0, size: int = 1 << 62) -> bytes:
        """Returns `size` bytes of a snapshot from `at` on, fewer at its end; all by default."""
        row = self._rows[place]
        rows = self._db.execute(
            "SELECT at, bytes FROM part WHERE snapshot = ? AND at < ? AND at + length(bytes) > ? ORDER BY at", (row, at + size, at)
        )
        return b"".join([part[max(at - begin, 0) : at + size - begin] for begin, part in rows])


def read_snapshot(store: Store, place: Place) -> Snapshot:
    """Reads and checks a snapshot of the disk. Raises DamagedError."""
    snapshot = read(store.read_snapshot(place))
    if (snapshot.index, snapshot.term) != (place.index, place.term):
        raise DamagedError(f"{store.path}: the snapshot of entry {place.index} is of entry {snapshot.index}")
    return snapshot
