"""The bytes between members in different languages: the golden vectors of docs/wire.md, and damaged
bytes.
"""

import random
import re
import unittest
from pathlib import Path

from kit import TimedTest

from raftcore.aio import DamagedError
from raftcore.aio import _wire as wire
from raftcore.aio._crc import _TABLE, crc32c
from raftcore.aio._members import change_bytes, read_change
from raftcore.aio._sessions import Sessions, envelope, open_envelope
from raftcore.aio._snapshot import read, write

VECTORS = Path(__file__).parents[4] / "tests" / "wire" / "vectors.txt"


def vectors(kind):
    """Returns the vectors of a kind: lines by name, with the bytes as `bytes`."""
    found = []
    for block in VECTORS.read_text().split("\n\n"):
        lines = [line for line in block.replace("\n     ", "").splitlines() if line and not line.startswith("#")]
        vector = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines)
        if vector.get("kind") == kind:
            vector["bytes"] = bytes.fromhex(vector["hex"].replace(" ", ""))
            found.append(vector)
    return found


def shown(name, value):
    """A field as the vectors write it."""
    if isinstance(value, str):
        text = "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\x{c:02x}" for c in value.encode())
        return f'{name}="{text}"'
    if isinstance(value, bytes):
        return f"{name}={value.hex()}"
    return f"{name}={value:08x}" if name == "checksum" else f"{name}={value}"


def fields(text):
    return sorted(re.findall(r'\w+=(?:"[^"]*"|\S*)', text))


def crc_by_table(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


class Vectors(TimedTest):
    def test_host_frames_are_read_field_by_field_and_written_to_equal_bytes(self):
        found = vectors("host")
        self.assertGreater(len(found), 20)
        for vector in found:
            with self.subTest(vector["name"]):
                body = vector["bytes"][12:]
                length, group = wire.HEADER.unpack_from(vector["bytes"])
                frame = wire.decode(body)
                self.assertEqual(length, len(body))
                if frame is None:  # a type for version 1 to skip
                    self.assertEqual(vector["rewrite"], "no")
                    continue
                values = sorted(shown(name, value) for name, value in zip(frame._fields, frame))
                self.assertEqual(values, fields(vector["fields"]))
                if vector.get("rewrite") != "no":
                    self.assertEqual(wire.encode(group, frame), vector["bytes"])

    def test_books_are_read_and_written(self):
        for vector in vectors("book"):
            records = wire.decode_book(vector["bytes"])
            values = [shown(name, value) for record in records for name, value in zip(record._fields, record)]
            self.assertEqual(sorted(values), fields(vector["fields"]), vector["name"])
            if vector.get("rewrite") != "no":
                self.assertEqual(wire.encode_book(records), vector["bytes"])
        self.assertTrue(vectors("book"))

    def test_snapshots_are_read_whatever_their_blocks(self):
        for vector in vectors("snapshot"):
            snapshot = read(vector["bytes"])
            text = vector["fields"]
            self.assertIn(f"index={snapshot.index} term={snapshot.term}", text)
            self.assertIn(snapshot.conf.hex(), text)
            self.assertIn(snapshot.book.hex(), vector["bytes"].hex())
            place, parts = write(snapshot)
            self.assertEqual(read(b"".join(parts)), snapshot)
            self.assertEqual((place.size, place.checksum), (sum(map(len, parts)), crc_by_table(b"".join(parts))))
        self.assertTrue(vectors("snapshot"))

    def test_tables_of_sessions_are_read_and_written(self):
        for vector in vectors("sessions"):
            table, used = Sessions.decode(vector["bytes"])
            self.assertEqual(used, len(vector["bytes"]))
            self.assertEqual(table.encode(), vector["bytes"])
            values = []
            for session, (number, result) in table._seen.items():
                values += [
                    f"session={session.hex()}",
                    f"number={number}",
                    f"result={'not-kept' if result is None else result.hex()}",
                ]
            self.assertEqual(sorted(values), fields(vector["fields"]))
        self.assertGreater(len(vectors("sessions")), 1)


class Bytes(TimedTest):
    def test_crc32c_equals_the_table_at_every_kind_of_length(self):
        chance = random.Random(1)
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        for size in (*range(20), 2048, 2049, 2055, 3000, 7068, 9999, 65536, 262147):
            data = chance.randbytes(size)
            self.assertEqual(crc32c(data), crc_by_table(data), size)
            self.assertEqual(crc32c(data[size // 3 :], crc32c(data[: size // 3])), crc32c(data), size)

    def test_damaged_frames_raise_protocol_errors_alone(self):
        chance = random.Random(2)
        for vector in vectors("host"):
            body = vector["bytes"][12:]
            for cut in range(len(body)):
                self.decodes_or_refuses(body[:cut])
            for _ in range(200):
                damaged = bytearray(body)
                for _ in range(chance.randrange(1, 4)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                self.decodes_or_refuses(bytes(damaged))

    def decodes_or_refuses(self, body):
        try:
            frame = wire.decode(body)
        except wire.ProtocolError:
            return
        if frame is not None:
            wire.encode(1, frame)

    def test_books_of_any_bytes_raise_protocol_errors_alone(self):
        chance = random.Random(3)
        for vector in vectors("book"):
            for _ in range(1000):
                damaged = bytearray(vector["bytes"][: chance.randrange(4, len(vector["bytes"]) + 1)])
                damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
                try:
                    wire.decode_book(bytes(damaged))
                except wire.ProtocolError:
                    pass

    def test_every_changed_bit_of_a_snapshot_is_noticed(self):
        (vector, *_) = vectors("snapshot")
        whole = read(vector["bytes"])
        for place in range(8 * len(vector["bytes"])):
            damaged = bytearray(vector["bytes"])
            damaged[place // 8] ^= 1 << place % 8
            with self.assertRaises(DamagedError, msg=f"bit {place}"):
                self.assertEqual(read(bytes(damaged)), whole)
                raise DamagedError("bytes that mean nothing: padding")
        for size in range(len(vector["bytes"])):
            with self.assertRaises(DamagedError):
                read(vector["bytes"][:size])

    def test_envelopes_of_other_forms_change_nothing(self):
        session = bytes(range(16))
        self.assertEqual(open_envelope(envelope(session, 7, b"x")), (session, 7, b"x"))
        self.assertEqual(open_envelope(envelope(bytes(16), 0, b"x")), (bytes(16), 0, b"x"))
        for entry in (b"\x02x", b"\x01short", b"\x01" + bytes(24) + b"a session of zeros"):
            self.assertIsNone(open_envelope(entry))

    def test_the_table_forgets_the_session_that_was_used_longest_ago(self):
        table = Sessions()
        for number in range(4096):
            table.store(number.to_bytes(16, "big"), 1, b"")
        table.store((0).to_bytes(16, "big"), 2, b"again")
        table.store(b"one session more", 1, b"x" * 16385)
        self.assertIsNone(table.find((1).to_bytes(16, "big")))
        self.assertEqual(table.find((0).to_bytes(16, "big")), (2, b"again"))
        again, _ = Sessions.decode(table.encode())
        self.assertEqual(again.encode(), table.encode())
        self.assertIsNone(again.find(b"one session more").result)

    def test_changes_are_read_in_each_form_that_members_write(self):
        self.assertEqual(read_change(change_bytes(1, 300)), (1, 300))
        for text, change in (("12021003", (0, 3)), ("120408001003", (0, 3)), ("12050801108001" + "1a00", (1, 128))):
            self.assertEqual(read_change(bytes.fromhex(text)), change)
        for text in ("12020800", "120110", "12031003", "12", "", "12041080808080"):
            self.assertEqual(read_change(bytes.fromhex(text)), (-1, 0))


if __name__ == "__main__":
    unittest.main()
