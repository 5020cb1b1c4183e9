"""Three members in a process replicate a sum. The first member ends, and the others go on."""

import asyncio
import socket
import tempfile

from raftcore.aio import Group, write


class Sum:
    value = 0

    @write
    def add(self, amount):
        self.value += amount
        return self.value


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


async def main(folder):
    peers = {id: free_address() for id in (1, 2, 3)}
    sums = {id: Sum() for id in peers}
    groups = {id: Group(sums[id], f"{folder}/{id}", id, peers, found=id == 1) for id in peers}
    for group in groups.values():  # member 1 founds the group, 2 and 3 join
        await group.start()
    while sum(member.voter for member in groups[1].members) < 3:
        await asyncio.sleep(0.01)  # a joined member becomes a voter once its log is complete
    print("three members, the sum is", await groups[2].write(sums[2].add, 40))

    await groups[1].close()
    print("without member 1, the sum is", await groups[3].write(sums[3].add, 2))
    await groups[2].read()  # then member 2 has every acknowledged write
    print("member 2 reads", sums[2].value)
    for id in (2, 3):
        await groups[id].close()


with tempfile.TemporaryDirectory() as folder:
    asyncio.run(main(folder))
