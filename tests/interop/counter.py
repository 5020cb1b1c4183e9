#!/usr/bin/env python3
"""examples-c/counter.c on raftcore.aio: equal arguments, equal lines for clients, an equal environment,
equal entries, and equal bytes in snapshots. A group may mix members in C, Go and Python.
"""

import asyncio
import logging
import os
import re
import signal
import sys
from contextlib import closing

from raftcore.aio import TLS, Group, GroupError, Options, UnknownOutcomeError


class Counter:
    """The state: a number. Entries and snapshots are bytes, since members in C and in Go share them."""

    value = 0

    def apply(self, data: bytes) -> bytes:
        self.value += 1
        return str(self.value).encode()

    def snapshot(self) -> bytes:
        return self.value.to_bytes(8, "little")

    def restore(self, data: bytes) -> None:
        if len(data) != 8:
            raise ValueError(f"a counter of {len(data)} bytes")
        self.value = int.from_bytes(data, "little")


def options(id, client, learner):
    env = os.environ
    cut = int(env.get("COUNTER_CUT", "0")) or 1 << 20
    tls = None
    if "COUNTER_TLS" in env:
        where = env["COUNTER_TLS"]
        tls = TLS(f"{where}/{id}.pem", f"{where}/{id}.key", f"{where}/ca.pem")
    return Options(
        listen=env.get("COUNTER_LISTEN", ""), client_address=client, tick=0.02, timeout=5, snapshot_bytes=cut, keep_bytes=cut,
        tls=tls, learner=learner)


async def command(group, counter, line):
    try:
        if match := re.match(r"add ([0-9a-f]{32}) (\d+)", line):
            return "done " + (await group.propose(b"+", bytes.fromhex(match[1]), int(match[2]))).decode()
        if line.strip() == "add":  # without a session: a retry would count twice
            return "done " + (await group.propose(b"+")).decode()
        if match := re.match(r"promote (\d+)", line):
            await group.promote(int(match[1]))
            return "done"
        if match := re.match(r"remove (\d+)", line):
            await group.remove(int(match[1]))
            return "done"
        if match := re.match(r"lead (\d+)", line):
            await group.transfer(int(match[1]))
            return "done"
        if line.startswith("get"):
            await group.read()
            return f"done {counter.value}"
        status = group.status()
        voter = int(any(member.id == group.id and member.voter for member in group.members))
        return f"leader {group.leader} voter {voter} applied {status.core.applied} value {counter.value} snapshot {status.snapshot}"
    except UnknownOutcomeError as error:
        return f"unknown: {error}"
    except GroupError as error:
        return f"not committed: {error}"


async def main(directory, id, peer, client, how=None, address=None):
    counter = Counter()
    peers = {id: peer, id + 1: address} if address else {id: peer}  # any id will do to join
    group = Group(counter, directory, id, peers, found=how == "found", options=options(id, client, how == "learn"))

    async def serve(reader, writer):
        line = await reader.readline()
        writer.write((await command(group, counter, line.decode()) + "\n").encode())
        writer.close()

    async with group:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
        host, _, port = client.rpartition(":")
        with closing(await asyncio.start_server(serve, host, int(port))):
            await group.wait_closed()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(message)s")
    if len(sys.argv) < 5:
        sys.exit("counter DIR ID PEER CLIENT [found | join ADDRESS | learn ADDRESS]")
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
    except asyncio.CancelledError:
        pass
    except GroupError as error:
        sys.exit(f"counter: {error}")
