"""The face of a member: Group, Session, and what happens to a directory once."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Callable, NamedTuple, TypeVar, cast

from .. import Conf, Peer, Role, Status
from . import _wire as wire
from ._apply import Applier, End
from ._errors import (
    DamagedError,
    EmptyError,
    EntryTooLargeError,
    FoundedError,
    RefusedError,
    SessionExpiredError,
    UnknownOutcomeError,
)
from ._host import Host
from ._machine import Methods, decode, machine_of
from ._members import Member
from ._options import Options
from ._snapshot import read, write
from ._store import Hard, Owner, Start, Store, read_snapshot

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    _P = ParamSpec("_P")

_R = TypeVar("_R")
_DEFAULT = Options()


class GroupStatus(NamedTuple):
    """How a member is."""

    core: Status
    """The state of the core: role, term, leader, indexes."""
    peers: list[Peer]
    """On the leader, the progress of every member; else empty."""
    snapshot: int
    """Index of the newest snapshot; 0: none."""
    log_bytes: int
    """Bytes of the log on the disk, about."""


class Group:
    """A member of a replicated group, in the running event loop.

        async with Group(machine, "data/1", 1, {1: "10.0.0.1:7001", 2: "10.0.0.2:7001"}) as group:
            result = await group.write(machine.add, 5)    # on the disks of a majority, and applied
            await group.read()                            # then machine has every acknowledged write
            print(machine.value)

    Every member takes writes and reads. The machine belongs to the event loop: read it in
    coroutines without a lock, right behind `await group.read()`.

    You may cancel a coroutine at any await. A cancelled write is done or not.
    """

    def __init__(
        self,
        machine: object,
        directory: str | os.PathLike[str],
        id: int,
        peers: Mapping[int, str],
        *,
        found: bool = False,
        options: Options = _DEFAULT,
    ) -> None:
        """Nothing happens before start or `async with`.

        machine    an object with methods marked @write; or a Machine, for raw bytes
        directory  of the member alone, for ever; made if missing
        id         of the member, 1 to 2**64 - 17; never used again after a removal
        peers      HOST:PORT by id: the member's own address, and further ones. With an empty
                   directory the member joins the group of these; later they are hints only
        found      True, once, on a single member: an empty directory becomes a new group with
                   the only member. Nothing else makes a group
        """
        if id not in peers:
            raise ValueError(f"peers has no address of {id}, this member")
        for address in peers.values():
            options.check(address)
        options.config(id)
        self._given = machine, directory, id, peers, options
        self._found = found
        self._host: Host | None = None

    # ---- life

    async def start(self) -> Group:
        """Starts the member. Joining waits for a leader; cancel the call to give up.

        Raises EmptyError, FoundedError, InUseError, OwnerError, DamagedError; RefusedError if the
        group refuses the member; OSError.
        """
        if self._host is not None:
            raise RuntimeError("a Group starts once: make another one")
        host = self._host = Host(*self._given)
        found = self._found
        try:
            await host.open(lambda store, applier, owner: _prepare(store, applier, owner, host, found))
        except BaseException:
            await _to_the_end(host.begin_close())
            raise
        return self

    async def close(self) -> None:
        """Ends the member: connections, thread and files. Waiting calls end with an error.

        A second call waits for the first. A cancelled call goes on to the end.
        """
        if self._host is not None:
            await _to_the_end(self._host.begin_close())

    async def __aenter__(self) -> Group:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def wait_closed(self) -> None:
        """Waits until the member has ended. Raises why, if it has failed.

        RemovedError: the group has removed the member. DamagedError, sqlite3.Error: the disk. After
        a failure you may start again from the directory: nothing acknowledged depends on memory.
        """
        host = self._running()
        await asyncio.shield(host.closed)
        if host.failure is not None:
            raise host.failure

    def _running(self) -> Host:
        if self._host is None:
            raise RuntimeError("the group is not started: use `async with`, or await group.start()")
        return self._host

    def _methods(self) -> Methods:
        machine = self._running().applier.machine
        if not isinstance(machine, Methods):
            raise TypeError("this machine takes bytes: use propose")
        return machine

    # ---- writes and reads

    async def write(self, method: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Calls a method marked @write on every member, and returns what the method returned:
        `await group.write(machine.add, 5)`.

        Then the write is on the disks of a majority. Raises what the method raised;
        NotCommittedError: surely not done; UnknownOutcomeError: done or not, see Session;
        RefusedError, EntryTooLargeError: surely not done, and not worth a retry.
        """
        return await self.write_once(wire.NONE, 0, method, *args, **kwargs)

    async def write_once(self, session: bytes, number: int, method: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Writes the `number`-th request of a client's session: 1, 2, 3, ...

        A repeated request is not applied again: the stored result returns. The
        client draws the 16 random bytes of `session`, sends a request again only with equal
        arguments, and the next request after the outcome. Raises as write, and SessionExpiredError.
        """
        data = self._methods().encode(method, args, kwargs)
        return cast("_R", decode(await self.propose(data, session, number)))

    async def propose(self, data: bytes, session: bytes = wire.NONE, number: int = 0) -> bytes:
        """Replicates an entry of a Machine, and returns what its `apply` returned.

        With a session as write_once. Raises as write.
        """
        host = self._running()
        if len(data) > host.options.max_entry_bytes:
            raise EntryTooLargeError(f"{len(data)} bytes, at most {host.options.max_entry_bytes} are taken")
        if len(session) != 16 or (session == wire.NONE) != (number == 0):
            raise RefusedError("a session has 16 bytes, not all zero, and its requests the numbers 1, 2, 3, ...")
        end: End = await host.proposals.submit(data, session, number)
        if end.outcome != wire.DONE:
            raise end.error()
        return end.result

    async def read(self) -> None:
        """Waits until the machine here has every write acknowledged, on all members, before the
        call. A read costs no entry of the log; concurrent reads share a question to the leader.

        Raises UnavailableError, GroupClosedError: then the machine may be old.
        """
        await self._running().proposals.read()

    def session(self) -> Session:
        """Returns a new session, whose writes are repeated until they are known."""
        return Session(self)

    # ---- the group

    @property
    def id(self) -> int:
        """The member's id."""
        return self._given[2]

    @property
    def leader(self) -> int:
        """The leader, as known here; 0: not known."""
        return self._running().leader

    @property
    def members(self) -> list[Member]:
        """The membership as known here, by id."""
        return self._running().members.all()

    async def promote(self, id: int) -> None:
        """Makes a learner a voter once its log is near the leader's. Raises as write, and as read."""
        await self._running().members.promote(id)

    async def remove(self, id: int) -> None:
        """Removes a member; the member ends with RemovedError. Never use the id and the directory again.

        Raises as write, and as read.
        """
        await self._running().members.remove(id)

    async def transfer(self, to: int) -> None:
        """Hands the leadership to a voter, and waits for success.

        Raises RefusedError if `to` is no voter; UnavailableError after Options.timeout: the group
        still has a leader.
        """
        await self._running().members.transfer(to)

    def status(self) -> GroupStatus:
        """Returns how the member is. Raises GroupClosedError."""
        host = self._running()
        if not host.booted or host.store is None:
            raise host.closed_error()
        core = host.node.status()
        place = host.bulk.place
        peers = host.node.peers() if core.role == Role.LEADER else []
        return GroupStatus(core, peers, place.index if place else 0, host.store.log_bytes())

    def metrics(self) -> str:
        """Returns the counters in Prometheus' text format. Raises GroupClosedError."""
        host = self._running()
        if not host.booted:
            raise host.closed_error()
        return host.metrics.text(host)

    async def backup(self) -> bytes:
        """Returns the whole state, with every write acknowledged before the call: see found_from.

        Raises as read.
        """
        host = self._running()
        await host.proposals.read()
        _, parts = await host.loop.run_in_executor(None, write, host.applier.freeze())
        return b"".join(parts)


class Session:
    """Writes that are done once, even if sent again. Concurrent calls wait.

    The group remembers the 4,096 sessions used last.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._lock = asyncio.Lock()
        self._renew()

    async def write(self, method: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """As Group.write, and repeats the write, up to three times, if the outcome is unknown.

        After UnknownOutcomeError, or a cancellation, the session begins anew.
        """
        machine = self._group._methods()
        return cast("_R", decode(await self.propose(machine.encode(method, args, kwargs))))

    async def propose(self, data: bytes) -> bytes:
        """As Group.propose, with the retries of write."""
        async with self._lock:
            for attempt in range(3):
                try:
                    result = await self._group.propose(data, self._id, self._number + 1)
                    self._number += 1
                    return result
                except UnknownOutcomeError as error:
                    if attempt == 2 or isinstance(error, SessionExpiredError) or not self._group._running().booted:
                        self._renew()
                        raise
                except asyncio.CancelledError:
                    self._renew()
                    raise
            raise AssertionError("a session that neither ends nor fails")

    def _renew(self) -> None:
        """Nobody knows whether the last number was used."""
        self._id, self._number = secrets.token_bytes(16), 0


async def _to_the_end(task: asyncio.Task[None]) -> None:
    """Waits for a task, and never cancels the task."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError


# ---- once, to a directory


def _prepare(store: Store, applier: Applier, owner: Owner, host: Host, found: bool) -> Owner:
    """Draws the identities of an empty directory. In the disk thread."""
    if owner.founding != wire.NONE:
        if found:
            raise FoundedError(f"{store.path} belongs to a group already: start without found=True")
        return owner
    owner = owner._replace(disk=owner.disk if owner.disk != wire.NONE else secrets.token_bytes(16))
    if found:
        applier.index, applier.term = 1, 1
        return _begin_alone(store, applier, owner, host.address, host.options, 0)
    with store.transaction():
        store.put_owner(owner)
    return owner


def _begin_alone(store: Store, applier: Applier, owner: Owner, address: str, options: Options, term: int) -> Owner:
    """Writes the state as the beginning of a log with the owner as the only voter."""
    owner = owner._replace(founding=secrets.token_bytes(16))
    applier.conf = Conf(voters=(owner.id,), index=applier.index).encode()
    applier.book[owner.id] = wire.Record(owner.id, owner.disk, address, options.client_address)
    place, parts = write(applier.freeze())
    old = set(store.snapshots())
    with store.transaction():
        row = store.add_snapshot()
        store.add_parts(row, 0, parts)
        store.end_snapshot(row, place)
        store.retire(old - {place})
        store.begin(Hard(term, 0, place.index), Start(place.index, place.term, place.index, place.term))
        store.put_owner(owner)
    return owner


def found_from(
    backup: bytes,
    machine: object,
    directory: str | os.PathLike[str],
    id: int,
    peers: Mapping[int, str],
    options: Options = _DEFAULT,
) -> None:
    """Makes an empty directory the first member of a new group, with the state of a backup.

    Then start a Group on the directory, without found=True. The new group is independent of the
    old one. Raises FoundedError, DamagedError (the backup), InUseError, OwnerError.
    """
    snapshot = read(backup)
    store = Store(directory)
    try:
        owner = store.owner(options.group, id)
        if owner.founding != wire.NONE:
            raise FoundedError(f"{store.path} belongs to a group already")
        applier = Applier(machine_of(machine))
        applier.restore(snapshot)
        _begin_alone(store, applier, owner._replace(disk=secrets.token_bytes(16)), peers[id], options, applier.term)
    finally:
        store.close()


def recover(
    machine: object, directory: str | os.PathLike[str], id: int, peers: Mapping[int, str], options: Options = _DEFAULT
) -> None:
    """Makes the only member of a new group out of a member of a group that has lost the majority
    for ever.

    Take the member with the furthest log: compare last_term, then last_index, of GroupStatus.core.
    The whole log counts as committed; acknowledged writes beyond the end are lost. The lost members
    must not come back: empty the directories, and join under new ids. Copy the directory first.

    Raises EmptyError, DamagedError, InUseError, OwnerError.
    """
    store = Store(directory)
    try:
        owner = store.owner(options.group, id)
        if owner.founding == wire.NONE:
            raise EmptyError(f"{store.path} belongs to no group")
        stored, applier = store.load(), Applier(machine_of(machine))
        places = [place for place in store.snapshots() if place.index == stored.start.snapshot]
        if not places:
            raise DamagedError(f"{store.path} has no snapshot")
        applier.restore(read_snapshot(store, places[0]))
        while applier.index < stored.last:
            for entry in store.entries(applier.index + 1, stored.last, 4 << 20):
                applier.apply(entry, None, None)
        # The next term is above every term that the old group can have used here.
        applier.term = max(applier.term, stored.hard.term)
        options.logger.warning("the majority is given up: member %d alone goes on with %d entries", id, stored.last)
        _begin_alone(store, applier, owner, peers[id], options, applier.term)
    finally:
        store.close()
