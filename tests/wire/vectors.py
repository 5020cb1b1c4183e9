#!/usr/bin/env python3
"""The golden vectors of docs/wire.md, written by a second implementation.

    tests/wire/vectors.py            compares tests/wire/vectors.txt and the dumps in docs/wire.md with this program
    tests/wire/vectors.py --write    writes both anew

This program shares no code with bindings/c/wire.c: a fault must be made twice to stay unseen. The form of vectors.txt stands
at its head.
"""

import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "vectors.txt")
DOCUMENT = os.path.join(HERE, "..", "..", "docs", "wire.md")

HEAD = """\
# Golden vectors of version 1 of the wire between hosts: docs/wire.md. Written by tests/wire/vectors.py.
#
# A vector is a group of lines `key: value`, ended by an empty line. `hex` continues on indented lines.
#   name     of the vector
#   kind     core-hello, core: frames of the core; host: a host frame; book, snapshot, sessions: bytes that
#            frames carry
#   meaning  for people
#   fields   what a reader must find: `name=value`, separated by spaces. Numbers are decimal; identities of 16 bytes,
#            checksums and bytes are hexadecimal; text stands in quotes, with \\xHH for all but printable ASCII, for " and for \\
#   rewrite  `no`: a reader must accept the bytes, and a writer of version 1 would write other ones
#   hex      the bytes
"""

FOUNDING = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
DISK = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
SESSION = bytes.fromhex("5e55105e55105e55105e55105e551001")
NONE = bytes(16)
GROUP = 7


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def frame(body, group=GROUP):
    return struct.pack("<IQ", len(body), group) + body


# ---- host frames: the type, then (name, form, value) ------------------------------------------------------------------
# Forms: B H I Q integers; 16 an identity; crc a checksum; 0 reserved bytes, that many; T16 text, D32 bytes: the length stands in
# the fixed part, the bytes behind it.

def host(kind, *fields, more_fixed=b"", more=b"", group=GROUP):
    fixed, tail, shown = b"", b"", []
    for name, form, value in fields:
        if form in "BHIQ":
            fixed += struct.pack("<" + form, value)
            shown.append(f"{name}={value}")
        elif form == "16":
            fixed += value
            shown.append(f"{name}={value.hex()}")
        elif form == "crc":
            fixed += struct.pack("<I", value)
            shown.append(f"{name}={value:08x}")
        elif form == "0":
            fixed += bytes(value)
        elif form == "T16":
            fixed += struct.pack("<H", len(value))
            tail += value
            shown.append(f'{name}="{quoted(value)}"')
        elif form == "D32":
            fixed += struct.pack("<I", len(value))
            tail += value
            shown.append(f"{name}={value.hex()}")
    fixed += more_fixed
    return frame(struct.pack("<BBH", 0x48, kind, len(fixed)) + fixed + tail + more, group), " ".join(shown)


def quoted(text):
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in text)


def hello(channel, flags=0, peer=b"10.0.0.3:7001", client=b"10.0.0.3:6379", founding=FOUNDING, disk=DISK, to=2, **rest):
    return host(1, ("version", "I", 1), ("version_min", "I", 1), ("channel", "B", channel), ("flags", "B", flags),
                ("peer_address", "T16", peer), ("client_address", "T16", client), ("", "0", 2),
                ("max_frame", "I", 8388608), ("features", "Q", 0), ("founding", "16", founding), ("disk", "16", disk),
                ("start", "Q", 0x1122334455667788), ("to", "Q", to), **rest)


def reject(code, retry, words):
    return host(2, ("code", "H", code), ("words", "T16", words), ("retry_ms", "I", retry))


def ping(kind, token):
    return host(kind, ("token", "Q", token))


def join(want):
    return host(5, ("want", "B", want), ("", "0", 3))


def joined(status, code, retry, leader, index, founding, words, book_bytes):
    return host(6, ("status", "B", status), ("", "0", 1), ("code", "H", code), ("retry_ms", "I", retry), ("leader", "Q", leader),
                ("index", "Q", index), ("founding", "16", founding), ("words", "T16", words), ("", "0", 2),
                ("book", "D32", book_bytes))


def offer(stream, index, term, size, checksum, chunk):
    return host(16, ("stream", "Q", stream), ("index", "Q", index), ("term", "Q", term), ("size", "Q", size),
                ("checksum", "crc", checksum), ("chunk_bytes", "I", chunk))


def accept(kind, stream, offset, window):
    return host(kind, ("stream", "Q", stream), ("offset", "Q", offset), ("window", "I", window))


def chunk(stream, offset, data):
    return host(18, ("stream", "Q", stream), ("offset", "Q", offset), ("data", "D32", data), ("checksum", "crc", crc32c(data)))


def complete(stream, index, term):
    return host(20, ("stream", "Q", stream), ("index", "Q", index), ("term", "Q", term))


def abort(stream, index, term, code, words):
    return host(21, ("stream", "Q", stream), ("index", "Q", index), ("term", "Q", term), ("code", "H", code),
                ("words", "T16", words))


def request(number_here, session, number, timeout, what, data):
    return host(32, ("request", "Q", number_here), ("session", "16", session), ("number", "Q", number),
                ("timeout_ms", "I", timeout), ("what", "B", what), ("", "0", 3), ("data", "D32", data))


def outcome(number_here, how, code=0, retry=0, index=0, term=0, leader=0, address=b"", words=b"", result=b""):
    return host(33, ("request", "Q", number_here), ("outcome", "B", how), ("", "0", 1), ("code", "H", code),
                ("retry_ms", "I", retry), ("index", "Q", index), ("term", "Q", term), ("leader", "Q", leader),
                ("address", "T16", address), ("words", "T16", words), ("result", "D32", result))


# ---- what frames carry -------------------------------------------------------------------------------------------------

MEMBERS = [(1, bytes(range(16)), b"10.0.0.1:7001", b"10.0.0.1:6379"), (2, DISK, b"[fd00::2]:7001", b""), (3, NONE, b"", b"")]


def book(members):
    out, shown = struct.pack("<4sHH", b"rhB1", len(members), 32), []
    for id, disk, peer, client in members:
        out += struct.pack("<Q16sHHI", id, disk, len(peer), len(client), 0) + peer + client
        shown.append(f'id={id} disk={disk.hex()} peer_address="{quoted(peer)}" client_address="{quoted(client)}"')
    return out, " ".join(shown)


def snapshot(index, term, conf, book_bytes, data, block_bytes):
    head = struct.pack("<QQIIII", index, term, len(conf), len(book_bytes), block_bytes, 0) + conf + book_bytes
    head += bytes(-(16 + len(head)) % 8)
    head = struct.pack("<I", 16 + len(head)) + head
    out = b"RHSNAP1\n" + struct.pack("<I", crc32c(head)) + head
    blocks = [data[at:at + block_bytes] for at in range(0, len(data), block_bytes)]
    for number, block in enumerate(blocks):
        out += struct.pack("<II", len(block), crc32c(struct.pack("<Q", number) + block)) + block
    end = struct.pack("<QQ", len(blocks), len(data))
    out += struct.pack("<II", 0, crc32c(end)) + end
    return out, (f"index={index} term={term} conf={conf.hex()} book={book_bytes.hex()} block_bytes={block_bytes} "
                 f"data={data.hex()} checksum={crc32c(out):08x}")


def sessions(table):
    out, shown = struct.pack("<4sI", b"rhS1", len(table)), []
    for id, number, result in table:
        out += struct.pack("<16sQI", id, number, 2**32 - 1 if result is None else len(result)) + (result or b"")
        shown.append(f"session={id.hex()} number={number} result={'not-kept' if result is None else result.hex()}")
    return out, " ".join(shown)


# ---- frames of the core: as raftcore_hello and a leader's heartbeat and append write them --------------------------------

CORE_HELLO = frame(b"RAFTCORE" + struct.pack("<IQQQ", 1, 0, GROUP, 3))
HEARTBEAT = frame(bytes.fromhex("0808" "1002" "1801" "2005" "4007"))
APPEND = frame(bytes.fromhex("0803" "1002" "1801" "2005" "2805" "3007" "4007" "3a0b" "1005" "1808" "22056170706c65"))

CONF = bytes.fromhex("080108020803")     # voters 1, 2, 3
SMALL_BOOK = book(MEMBERS[:1])[0]


def vectors():
    yield "core-hello", "core-hello", "raftcore_hello of node 3 of group 7", (CORE_HELLO, "version=1 features=0 group=7 id=3")
    yield "core-heartbeat", "core", "a leader's heartbeat: to 2, from 1, term 5, commit 7", (HEARTBEAT, "group=7 bytes=10")
    yield "core-append", "core", "an append of one entry, \"apple\", behind index 7", (APPEND, "group=7 bytes=27")

    yield "hello-peer", "host", "a member dials node 2", hello(1)
    yield "hello-answer", "host", "an answer without addresses", hello(1, peer=b"", client=b"", to=3)
    yield "hello-join", "host", "an empty host dials a member", hello(3, flags=1, founding=NONE, client=b"", to=0)
    yield ("hello-longer", "host", "of a later version: four bytes more in the fixed part, three more behind the addresses",
           hello(2, more_fixed=b"\x01\x02\x03\x04", more=b"new"))
    yield ("reject-founding", "host", "another founding",
           reject(4, 60000, b"node 3 was founded as f0f1, this group as a0a1: their logs have nothing in common"))
    yield "reject-utf8", "host", "words are UTF-8", reject(8, 250, "zu viele Verbindungen – später".encode())
    yield "ping", "host", "", ping(3, 1)
    yield "pong", "host", "", ping(4, 2**64 - 1)

    yield "join-voter", "host", "", join(1)
    yield "join-learner", "host", "", join(2)
    yield "joined-member", "host", "committed at index 12; the book has one member", joined(1, 0, 0, 1, 12, FOUNDING, b"", SMALL_BOOK)
    yield "joined-not-leader", "host", "", joined(3, 0, 0, 1, 0, FOUNDING, b"", SMALL_BOOK)
    yield "joined-refused", "host", "", joined(4, 5, 0, 1, 0, FOUNDING, b"id 3 was used by another disk", b"")

    yield "offer", "host", "a snapshot of 1,000,000 bytes", offer(1, 5000, 4, 1000000, 0xE3069283, 262144)
    yield "accept-from-start", "host", "", accept(17, 1, 0, 4194304)
    yield "accept-resume", "host", "the second chunk is the first that lacks", accept(17, 1, 262144, 4194304)
    yield "chunk", "host", "its checksum is the check value of CRC-32C", chunk(1, 262144, b"123456789")
    yield "chunk-empty", "host", "never sent; must not trouble a reader", chunk(1, 0, b"")
    yield "ack", "host", "", accept(19, 1, 524288, 4194304)
    yield "ack-pause", "host", "a window of 0: wait", accept(19, 1, 524288, 0)
    yield "complete", "host", "", complete(1, 5000, 4)
    yield "abort-by-receiver", "host", "", abort(1, 5000, 4, 2, b"checksum of the whole file is 00000000, offered was e3069283")
    yield "abort-no-data", "host", "answer to a MsgSnap whose data are not here", abort(0, 5000, 4, 5, b"")

    yield "request-entry", "host", "an entry of five bytes, third of its session", request(9, SESSION, 3, 2000, 1, b"apple")
    yield "request-no-session", "host", "a call of the leader's database", request(10, NONE, 0, 500, 3, b"\x00\xff")
    yield "outcome-done", "host", "", outcome(9, 1, index=41, term=5, result=b"+OK\r\n")
    yield "outcome-not-committed", "host", "", outcome(9, 2, words=b"leadership was lost", index=41, term=5)
    yield "outcome-unknown", "host", "", outcome(9, 3, words=b"no answer in 2000 ms")
    yield "outcome-not-leader", "host", "", outcome(9, 4, leader=2, address=b"[fd00::2]:7001")
    yield "outcome-refused", "host", "", outcome(9, 5, code=8, retry=100, words=b"8 MiB wait to be committed")

    yield "book", "book", "a member with both addresses, one without a client address, one of which nothing is known", book(MEMBERS)
    yield "book-empty", "book", "", book([])
    yield ("snapshot", "snapshot", "of voters 1, 2, 3 with a book of one, in blocks of 8 bytes",
           snapshot(5000, 4, CONF, SMALL_BOOK, b"apple=red;pear=green", 8))
    yield ("sessions", "sessions", "used longest ago: first; the result of the second was longer than 16 KiB; the third has no result",
           sessions([(SESSION, 3, b"41"), (FOUNDING, 2**64 - 1, None), (DISK, 1, b"")]))
    yield "sessions-empty", "sessions", "", sessions([])
    yield "snapshot-empty", "snapshot", "without data", snapshot(1, 1, CONF, b"", b"", 65536)


def text_of(name, kind, meaning, made):
    data, fields = made
    lines = [f"name: {name}", f"kind: {kind}"]
    if meaning:
        lines.append(f"meaning: {meaning}")
    lines.append(f"fields: {fields}".rstrip())
    if name == "hello-longer":
        lines.append("rewrite: no")
    rows = [data[at:at + 32].hex() for at in range(0, len(data), 32)]
    return "\n".join(lines + ["hex: " + rows[0]] + ["     " + row for row in rows[1:]]) + "\n"


def dump(data):
    """As the document shows bytes: offset, sixteen bytes, text."""
    rows = []
    for at in range(0, len(data), 16):
        row = data[at:at + 16]
        text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
        rows.append(f"    {at:04x}  {row[:8].hex(' '):23}  {row[8:].hex(' '):23}  {text}")
    return "\n".join(rows) + "\n"


def with_dumps(document, made):
    """Fills each block `<!-- vector NAME -->` … `<!-- end -->`."""
    def fill(match):
        return f"<!-- vector {match[1]} -->\n{dump(made[match[1]])}<!-- end -->"
    return re.sub(r"<!-- vector ([a-z0-9-]+) -->\n.*?<!-- end -->", fill, document, flags=re.S)


def main():
    all_of_them = list(vectors())
    text = HEAD + "\n" + "\n".join(text_of(*v) for v in all_of_them)
    made = {name: data for name, _, _, (data, _) in all_of_them}
    document = open(DOCUMENT, encoding="utf-8").read()
    filled = with_dumps(document, made)
    if sys.argv[1:] == ["--write"]:
        open(VECTORS, "w", encoding="utf-8").write(text)
        open(DOCUMENT, "w", encoding="utf-8").write(filled)
        return 0
    bad = [path for path, is_, should in ((VECTORS, open(VECTORS, encoding="utf-8").read(), text), (DOCUMENT, document, filled))
           if is_ != should]
    for path in bad:
        print(f"{os.path.relpath(path)} is not what tests/wire/vectors.py writes: --write writes it anew")
    return 1 if bad else 0


sys.exit(main())
