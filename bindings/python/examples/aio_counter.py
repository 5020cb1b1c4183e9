"""A replicated counter on raftcore.aio, which has the log, the connections and the snapshots.

    aio_counter.py DIR ID CLIENT PEERS found    the first member, once
    aio_counter.py DIR ID CLIENT PEERS          any member, from then on; a new one joins

PEERS: 1=HOST:PORT,2=HOST:PORT,... A client sends a line to CLIENT (HOST:PORT), and gets a line:

    add AMOUNT SESSION NUMBER    the sum; a repeated NUMBER (1, 2, 3, ...) of a SESSION (32 hex digits) counts once
    get                          the sum of everything that was acknowledged before, on any member
"""

import asyncio
import logging
import re
import sys
from contextlib import closing

from raftcore.aio import Group, GroupError, NotCommittedError, write


class Counter:
    value = 0

    @write
    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


async def answer(group: Group, counter: Counter, line: str) -> str:
    try:
        if match := re.fullmatch(r"add (-?\d{1,9}) ([0-9a-f]{32}) ([1-9]\d{0,15})\n", line):  # before it is in the log
            session, number = bytes.fromhex(match[2]), int(match[3])
            return f"{await group.write_once(session, number, counter.add, int(match[1]))}"
        if line == "get\n":
            await group.read()
            return f"{counter.value}"
        return "no: see the head of aio_counter.py"
    except NotCommittedError as error:
        return f"not done: {error}"
    except GroupError as error:
        return f"unknown, repeat it: {error}"


async def main(directory: str, id: int, client: str, peers: dict[int, str], found: bool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := (await reader.readline()).decode(errors="replace"):
                writer.write((await answer(group, counter, line) + "\n").encode())
                await writer.drain()
        except (OSError, ValueError):  # gone, or a line without an end
            pass
        finally:
            writer.close()

    counter = Counter()
    async with Group(counter, directory, id, peers, found=found) as group:
        host, _, port = client.rpartition(":")
        with closing(await asyncio.start_server(serve, host, int(port))):
            await group.wait_closed()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    if len(sys.argv) not in (5, 6) or sys.argv[5:] not in ([], ["found"]):
        sys.exit(__doc__)
    peers = {int(id): address for id, _, address in (peer.partition("=") for peer in sys.argv[4].split(","))}
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], peers, found=len(sys.argv) == 6))
    except GroupError as error:
        sys.exit(f"{error}")
    except KeyboardInterrupt:
        pass
