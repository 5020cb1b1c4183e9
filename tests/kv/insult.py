"""insult.py: bytes that no client and no peer should send, for both ports of running servers. None may die of them."""

import contextlib
import os
import random
import socket
import struct

from kit import Client, Reply

GROUP = 1
HEAD = 12           # length and group of a frame
HELLO_FRAMES = 2    # the core's hello, and the host's
PEER, BULK, JOIN = 1, 2, 3


def throw(port, data, answer=False):
    """Sends bytes and closes, however the other side takes it; with `answer`, reads what comes until it closes."""
    got = b""
    with contextlib.suppress(OSError):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(data)
            while answer and (part := s.recv(65536)):
                got += part
    return got


def clients(k):
    """Each of these is answered with an error, or the connection is closed."""
    leader = k.leader()
    port = k.client[leader]
    closed = [      # broken off: where the next request would begin can't be known
        b"*1000000\r\n", b"*-99999999999999999999\r\n", b"*2\r\n$4\r\nECHO\r\n$-5\r\n", b"*1\r\n:3\r\n", b"*1\r\n$99999999999\r\n",
        b'SET "open\r\n', b"x" * 70000, b"*1\r\n$4\r\nPINGxx", b"*" + b"1" * 100,
    ]
    for data in closed:
        answer = throw(port, data, answer=True)
        assert answer.startswith(b"-ERR Protocol error"), (data[:40], answer[:100])
    for _ in range(60):
        throw(port, os.urandom(random.randrange(1, 5000)))
        throw(port, b"*3\r\n$3\r\nSET\r\n" + os.urandom(random.randrange(1, 200)))
    half = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    for s in half:      # they never finish what they began
        s.sendall(b"*2\r\n$3\r\nGET\r\n$1000\r\nabc")
    c = Client(port)
    for words in (["SET", "", "x"], ["GET", ""], ["DEL", "k" * 600], ["INCRBY", "a", "9" * 30], ["SCAN", "-1"], ["SCAN", "0", "COUNT", "0"], ["MSET", "a"],
                  ["SELECT", "1"], ["CONFIG", "SET", "a", "b"], ["RAFT.ADD", "x", "y"], ["RAFT.PROMOTE", "-1"], ["RAFT.REMOVE", ""], ["\0\r\n\xff"]):
        try:
            answer = c.do(*words)
            assert words == ["GET", ""] and answer is None, (words, answer)
        except Reply:
            pass
    # One that asks for much and reads nothing is held back; the others don't notice.
    c.do("SET", "large", b"x" * (1 << 20))
    lazy = socket.create_connection(("127.0.0.1", port))
    lazy.settimeout(0.5)
    with contextlib.suppress(OSError):
        for _ in range(20000):
            lazy.sendall(Client.encode("GET", "large") * 10)
    memory = int(next(line.split()[1] for line in open(f"/proc/{k.process[leader].pid}/status") if line.startswith("VmRSS")))
    assert memory < 600 * 1024, f"{memory} KiB for a client that does not read"
    assert c.do("PING") == "PONG"
    for s in [*half, lazy]:
        s.close()
    k.alive()


def frame(group, body):
    return struct.pack("<IQ", len(body), group) + body


def host(kind, body=b"", version=1):
    """A frame between hosts: docs/wire.md, section 2."""
    return frame(GROUP, b"H" + bytes([kind]) + struct.pack("<H", len(body) & 0xFFFF) + body)


def hello(node, group=GROUP, channel=PEER, to=0, disk=bytes(16)):
    address = b"127.0.0.1:1"
    fixed = struct.pack("<IIBBHHHIQ", 1, 1, channel, 0, len(address), 0, 0, 1 << 23, 0) + bytes(16) + disk + struct.pack("<QQ", 7, to)
    return (frame(group, b"RAFTCORE" + struct.pack("<IQQQ", 1, 0, group, node)) +
            frame(group, b"H\x01" + struct.pack("<H", len(fixed)) + fixed + address))


def frames_of(stream):
    """The complete frames at the beginning of a recorded stream."""
    at, found = 0, []
    while at + 12 <= len(stream):
        size = 12 + struct.unpack_from("<I", stream, at)[0]
        if at + size > len(stream):
            break
        found.append(stream[at:at + size])
        at += size
    return found


def mutate(data):
    """A frame with its length kept right and something else wrong."""
    body = bytearray(data[12:])
    for _ in range(random.randrange(1, 4)):
        if body:
            body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    if random.random() < 0.3:
        del body[random.randrange(len(body) + 1):]
    return frame(GROUP, bytes(body))


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def proposal(to, sender, kind, data):
    """A MsgProp of one entry, as raftpb has it."""
    number = lambda field, n: varint(field << 3) + varint(n)  # noqa: E731
    some = lambda field, b: varint(field << 3 | 2) + varint(len(b)) + b  # noqa: E731
    return number(1, 2) + number(2, to) + number(3, sender) + some(7, number(1, kind) + some(4, data))


def peers(k):
    """
    What a peer that is broken may send, and a stranger: to be refused, or to be survived. Real frames with bits flipped may also
    SAY something, a higher term or another's entry: that is a lie to a protocol that trusts its members, so afterwards the servers
    have to live, not to agree.
    """
    streams = [frames_of(bytes(proxy.seen)) for proxy in k.proxy.values()]
    streams = [x for x in streams if len(x) > HELLO_FRAMES]
    hellos = [b"".join(x[:HELLO_FRAMES]) for x in streams]
    recorded = [f for x in streams for f in x[HELLO_FRAMES:]]
    assert len(recorded) > 20, "no frames were recorded"
    kinds = list(range(0, 40)) + [255]
    for i in k.process:
        port = k.peer[i]
        for _ in range(20):
            throw(port, os.urandom(random.randrange(1, 3000)))
        refused = [hello(2, group=99) + b"x" * 100, hello(0), hello(i), hello(2, to=99), hello(2, disk=b"another disk....")]
        for data in refused:
            answer = throw(port, data, answer=True)
            assert not answer or b"H" in answer[HEAD:HEAD + 1] or b"RAFTCORE" in answer, answer[:80]
        throw(port, struct.pack("<IQ", 0xFFFFFFFF, GROUP), answer=True)
        throw(port, hello(77) + struct.pack("<IQ", 0x7FFFFFFF, GROUP) + b"x" * 1000, answer=True)
        throw(port, hello(77) + hello(78))
        throw(port, hello(77) + frame(12345, b"another group"))
        for opening in [hello(77, channel=c, to=i) for c in (PEER, BULK, JOIN, 9)] + hellos:
            for kind in kinds:
                for body in (b"", bytes(7), bytes(64), b"\xff" * 64, os.urandom(200)):
                    throw(port, opening + host(kind, body))
            for _ in range(20):
                throw(port, opening + frame(GROUP, os.urandom(random.randrange(0, 200))) * 3)
            # Entries that are no operation, and changes that are no change: committed or refused, but nobody dies applying them.
            for kind in (0, 1, 2):
                for data in (b"", b"\xff\xff\xff", b"\x01" + os.urandom(60), b"\x00" + os.urandom(60), bytes(50)):
                    throw(port, opening + frame(GROUP, proposal(i, 77, kind, data)))
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for s in idle:
            s.close()
    k.alive()
    for port in [k.peer[i] for i in k.process]:
        for _ in range(100):
            throw(port, random.choice(hellos) + b"".join(mutate(random.choice(recorded)) for _ in range(20)))
    k.alive()
    for i in k.process:
        assert Client(k.client[i]).do("PING") == "PONG"
