"""A replicated counter on raftcore.aio: `add N` and `get`, a line each. Arguments: ID, client port, found or join."""

import asyncio
import sys

from raftcore.aio import Group, GroupError, write

PEERS = {id: f"127.0.0.1:{7100 + id}" for id in (1, 2, 3)}


class Counter:
    def __init__(self):
        self.value = 0

    @write
    def add(self, amount):
        self.value += amount
        return self.value


async def answer(group, counter, words):
    try:
        if words[:1] == [b"add"]:
            return await group.write(counter.add, int(words[1]))
        await group.read()
        return counter.value
    except (GroupError, ValueError, IndexError) as error:
        return f"failed: {error}"


async def main(id, port, found):
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(f"{await answer(group, counter, line.split())}\n".encode())
        writer.close()

    counter = Counter()
    async with Group(counter, f"data/{id}", id, PEERS, found=found) as group:
        async with await asyncio.start_server(serve, "127.0.0.1", port):
            await group.wait_closed()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "found"))
