"""A distributed lock on raftcore.aio, with leases and fencing tokens: `aio_lock.py` shows it in one process.

A stalled holder loses the lock after the lease. So pass the token to the store behind the lock: a store that refuses a token below
the highest token so far is safe from a holder that woke up too late.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from raftcore.aio import Group, write


class Locks:
    """By name: holder, fencing token, and end of the lease. Time comes in as an argument, equal on every member."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[str, int, float]] = {}
        self.token, self.now = 0, 0.0

    @write
    def acquire(self, name: str, holder: str, now: float, lease: float) -> int:
        """Returns the token; 0: the lock is taken. The holder renews the lease by a further call."""
        self.now = max(self.now, now)  # clocks differ: time never goes back
        owner, token, until = self.held.get(name, ("", 0, 0.0))
        if owner not in ("", holder) and until > self.now:
            return 0
        if owner != holder or until <= self.now:
            self.token = token = self.token + 1
        self.held[name] = (holder, token, self.now + lease)
        return token

    @write
    def release(self, name: str, holder: str, token: int) -> bool:
        """Releases the lock, unless the lease has gone to a new holder."""
        if self.held.get(name, ("", 0, 0.0))[:2] != (holder, token):
            return False
        del self.held[name]
        return True


@asynccontextmanager
async def locked(group: Group, locks: Locks, name: str, holder: str, lease: float = 10.0) -> AsyncIterator[int]:
    """Waits for the lock, and yields the fencing token. In a session a repeated call counts once."""
    session = group.session()
    while not (token := await session.write(locks.acquire, name, holder, time.time(), lease)):
        await asyncio.sleep(0.1)
    try:
        yield token
    finally:
        await session.write(locks.release, name, holder, token)


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        locks = Locks()
        async with Group(locks, directory, 1, {1: "127.0.0.1:7500"}, found=True) as group:
            async with locked(group, locks, "printer", "ann") as token:
                print("ann prints with token", token)
            async with locked(group, locks, "printer", "bob") as token:
                print("bob prints with token", token)


if __name__ == "__main__":
    asyncio.run(main())
