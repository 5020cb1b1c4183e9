"""The node: all calls but those around readies, which are in _rounds.py; and arrays of nodes."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterable, Iterator, Sequence
from ctypes import byref, c_size_t, c_uint32, sizeof
from itertools import accumulate
from types import FunctionType
from typing import Any, NoReturn

from . import _abi
from ._constants import Supply, Transition
from ._errors import ClosedError, RaftError
from ._handle import GUARDED, POINTER, STATUS_BYTES, Staged, free
from ._ready import Buffer
from ._records import Event, Fetch, Peer, Status, read_event, read_fetch, read_peer, read_status
from ._rounds import NONE, Rounds
from ._values import AnyEntry, Conf, Stored, address, conf_in, copied, entries_in, ids, too_big, u32, u64, u64s

_EMPTY = Stored()


class Node(Rounds):
    """A Raft node. Call tick, step_frames and propose; do the work of each ready; acknowledge the
    ready.

    The methods have the names of include/raftcore.h without the prefix; get_ready is ready,
    get_status is status. A method that fails raises the RaftError of its code, and has changed
    nothing. NONE in C is None in Python. Different nodes are independent.

    Any thread may call a node, one thread at a time. A call in the middle of another call, from a
    second thread or under a signal handler, takes place before or after the other, or raises
    BusyError. If a signal handler raises in the middle of a call, the call may be done or not.

    The loop of a host with Storage.SYNC, after every tick, step_frames and propose:

        while True:
            for fetch in node.fetches():
                supply(fetch)         # supply_entries, _snapshot or _none: see FetchKind
            rd = node.ready_flat()
            if rd is None:
                break
            store(rd)                 # 1 snapshot, entries and hard state, in a transaction
            send(rd)                  # 2 rd.messages()
            apply(rd)                 # 3 rd.committed(); node.apply_conf(entry) if entry.kind
            answer(rd)                # 4 rd.reads() and rd.dropped()
            node.advance(rd.number)   # 5
        for event in node.events():
            log(event)                # events explain why a node stands still

    Before you sleep, has_ready must be 0. If a write or a flush fails, never retry: end the
    process, and boot again from disk.

    Close a node with close() or `with`; the garbage collector closes a node, too. A call on a
    closed node raises ClosedError. A node can't be copied or pickled.
    """

    # ---- boot

    def boot(self, stored: Stored = _EMPTY) -> None:
        """Boots the node from everything that its host has stored; then the node runs.

        To join a group with an empty disk, call boot(). A founder of a group boots from
        Stored.founder. The library checks the stored parts against each other.

        Raises CorruptError if parts are missing or contradict each other: restore the disk from a
        backup, or join again under a new id. Raises ConfError or DecodeError if the membership is
        invalid. After an error, close the node.
        """
        packed, count, _entries = entries_in(stored.entries)
        runs = u64s([number for first, term in stored.runs for number in (first, term)])
        raw = _abi.Stored(
            sizeof(_abi.Stored), 0, *map(u64, stored[:7]), None, runs.buffer_info()[0], None, len(runs) // 2, count, 0
        )
        if stored.conf is not None:
            given, _conf = conf_in(stored.conf)
            raw.conf = ctypes.addressof(given)
        raw.entries = _abi.address_of(packed)
        self._call(_abi.boot, byref(raw))

    # Boot in pieces, in this order, if the entries above `applied` do not fit into memory at once.

    def boot_state(self, term: int, vote: int, commit: int) -> None:
        """Restores the hard state. Raises CorruptError if the numbers are impossible."""
        self._call(_abi.boot_state, u64(term), u64(vote), u64(commit))

    def boot_conf(self, conf: Conf | bytes, before_first: int, before_first_term: int) -> None:
        """Restores the membership as of the applied index, and the place before the first entry.

        Raises DecodeError or ConfError if the membership is invalid.
        """
        given, _held = conf_in(conf)
        self._call(_abi.boot_conf, byref(given), u64(before_first), u64(before_first_term))

    def boot_terms(self, runs: Iterable[tuple[int, int]], last: int) -> None:
        """Restores the terms of the log as (first index, term) pairs, and the last index.

        The pairs may be left out if boot_entries begins at the first entry. Raises CorruptError if
        the pairs contradict each other, StateError if boot_conf was forgotten.
        """
        flat = u64s([number for first, term in runs for number in (first, term)])
        self._call(_abi.boot_terms, flat.buffer_info()[0], len(flat) // 2, u64(last))

    def boot_entries(self, entries: Iterable[AnyEntry]) -> None:
        """Restores entries in order, in one or more calls: all above the applied index at least.

        Raises CorruptError if there is a gap.
        """
        packed, count, _held = entries_in(entries)
        self._call(_abi.boot_entries, packed, count)

    def boot_done(self, applied: int) -> None:
        """Ends the boot; then the node runs. Raises CorruptError if entries are missing."""
        self._call(_abi.boot_done, u64(applied))

    def try_clone(self) -> Node:
        """Returns a second node of equal state, for tests. Raises StateError during the boot."""
        handle = ctypes.c_void_p()
        try:
            self._call(_abi.try_clone, byref(handle))
            clone = Node.__new__(Node)
            clone._begin(handle, self._marks, self._decodes)
        except BaseException:
            free(handle, ())
            raise
        return clone

    # ---- in

    def tick(self, ticks: int = 1) -> None:
        """Tells the node how many ticks have passed."""
        code = _abi.tick(self._handle, u32(ticks))
        if code < 0:
            raise self._error(code)

    def step(self, peer: int, message: Buffer) -> None:
        """Gives the node a message, without the header of a frame.

        `peer` is the id that the transport authenticated; 0: unchecked. Raises DecodeError: close
        the connection. Raises NotForMeError, NoPeerError, ImplausibleError or FullError: discard
        the message.
        """
        held, size = address(message)
        self._call(_abi.step, u64(peer), held, size)

    def step_frames(self, peer: int, data: Buffer) -> tuple[int, int, RaftError | None]:
        """Gives the node frames from a receive buffer; the last frame may be incomplete.

        Returns (bytes taken, frames refused, error of the first refused frame). Keep the bytes that
        were not taken, and append to them. Raises DecodeError if `data` begins with no frame: close
        the connection.

        If snapshot data come over a channel of your own, don't step the message before its data are
        there: walk the buffer with frame_next, look into each message with snapshot_split, and call
        step.
        """
        if peer >> 64:
            raise too_big(peer, 64)
        held, size = (data, len(data)) if type(data) is bytes else address(data)
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        self._number.value = peer
        self._length.value = size
        code = _abi.bare_step_frames(self._handle, self._number, held, self._length, self._size_at, self._count_at, self._first_at)
        del held
        if code < 0:
            self._fail(code)
        refused = self._count.value
        taken = self._size.value, refused, self._error(self._first.value) if refused else None
        gate.pop(0, None)
        return taken

    def step_local(self, message: Buffer) -> None:
        """Gives the node a response of local work, without the header of a frame.

        Storage.MESSAGES only. Raises DecodeError or NotForMeError if the bytes are no such
        response.
        """
        held, size = address(message)
        self._call(_abi.step_local, held, size)

    def propose(self, *parts: Buffer, token: int = 0) -> None:
        """Proposes an entry at the leader. The parts are joined to the data of the entry.

        A token other than 0 comes back exactly once: with the committed entry, or in dropped().
        With Flag.FORWARDING a follower forwards the entry, and the token comes back as
        DropWhat.UNKNOWN.

        Raises NotLeaderError: propose at its `leader`. Raises NoLeaderError or FullError: retry
        later. Raises TooLargeError: above max_entry_bytes. After an error the token does not come
        back.
        """
        data = parts[0] if len(parts) == 1 and type(parts[0]) is bytes else b"".join(parts)
        one = _abi.Slice(_abi.address_of(data), len(data))
        if token >> 64:
            raise too_big(token, 64)
        code = _abi.propose(self._handle, byref(one), 1, token)
        if code < 0:
            raise self._error(code)

    def propose_many(self, entries: Sequence[Buffer], tokens: Sequence[int] | None = None) -> None:
        """Proposes several entries, all or none, with a token for each if `tokens` is given.

        Raises as propose.
        """
        joined = b"".join(entries)
        lengths = list(map(len, entries))
        numbers = None if tokens is None else u64s(tokens)
        if numbers is not None and len(numbers) != len(lengths):
            raise ValueError(f"{len(numbers)} tokens for {len(lengths)} entries")
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:
            self._alone(me)
        slices = self._stage(joined, lengths)
        code = _abi.propose_many(self._handle, slices, None if numbers is None else numbers.buffer_info()[0], len(lengths))
        if code < 0:
            self._fail(code)
        gate.pop(0, None)

    def _stage(self, joined: bytes, lengths: list[int]) -> int:
        """Copies entries to memory that stays, and returns the address of their raftcore_slice[].

        The slices serve again for the next entries of equal lengths, since making slices takes
        longer than copying.
        """
        staged = self._staged
        if lengths != staged.lengths or len(joined) != staged.size:
            if sum(lengths) != len(joined):
                self._gate.pop(0, None)
                raise TypeError("the length of an entry is not the number of its bytes")
            data = staged.data if len(joined) <= len(staged.data) else bytearray(2 * len(joined))
            begin = ctypes.addressof(ctypes.c_char.from_buffer(data))
            slices = array(POINTER, bytes(2 * len(lengths) * sizeof(ctypes.c_void_p)))
            slices[0::2] = array(POINTER, list(accumulate(lengths, initial=begin))[:-1])
            slices[1::2] = array(POINTER, lengths)
            staged = self._staged = Staged(data, lengths, len(joined), slices)
        memoryview(staged.data)[: len(joined)] = joined
        return staged.slices.buffer_info()[0]

    def propose_entry(self, kind: int, data: Buffer, token: int = 0) -> None:
        """Proposes an entry of any kind as it is, such as a change encoded elsewhere.

        Raises as propose and propose_conf, and DecodeError or UnsupportedError if the data are no
        change.
        """
        data = bytes(memoryview(data))
        given = _abi.Slice(_abi.address_of(data), len(data))
        self._call(_abi.propose_entry, u32(kind), given, u64(token))

    def propose_in_term(self, term: int, *parts: Buffer, token: int = 0) -> None:
        """Proposes an entry if this node leads in `term`, and never forwards the entry.

        For data that were computed from the state as of status().term. Raises NoLeaderError or
        NotLeaderError: the term is over, so compute the data anew. Otherwise raises as propose.
        """
        data = b"".join(parts)
        one = _abi.Slice(_abi.address_of(data), len(data))
        self._call(_abi.propose_in_term, u64(term), byref(one), 1, u64(token))

    def propose_with_context(self, kind: int, context: Buffer, data: Buffer, token: int = 0) -> None:
        """Proposes an entry of any kind with a context: bytes beside the data, as raft-rs has them.

        The context comes back in Entry.context, on every node. max_entry_bytes counts data and
        context. Raises UnsupportedError without Dialect.ERAFTPB, and otherwise as propose_entry.
        """
        data, context = bytes(memoryview(data)), bytes(memoryview(context))
        beside = _abi.Slice(_abi.address_of(context), len(context))
        given = _abi.Slice(_abi.address_of(data), len(data))
        self._call(_abi.propose_with_context, u32(kind), beside, given, u64(token))

    def read_index(self, token: int) -> None:
        """Starts a linearizable read, on any node.

        The token comes back exactly once: in reads() when you may read the state, or in dropped().
        Raises NoLeaderError or FullError: retry later.
        """
        self._call(_abi.read_index, u64(token))

    def campaign(self) -> None:
        """Starts an election now. If the node may not, an event gives the reason."""
        self._call(_abi.campaign)

    # ---- fetches

    def next_fetch(self) -> Fetch | None:
        """Returns a request for entries of your log, or for a snapshot; None: there is none.

        Each fetch is returned once: see FetchKind for the answers.
        """
        raw = _abi.Fetch(struct_size=sizeof(_abi.Fetch))
        return None if self._call(_abi.next_fetch, byref(raw)) == NONE else read_fetch(raw)

    def fetches(self) -> Iterator[Fetch]:
        """Returns an iterator over the waiting fetches."""
        return iter(self.next_fetch, None)

    def supply_entries(self, id: int, entries: Iterable[AnyEntry]) -> bool:
        """Answers a fetch with one or more entries, from fetch.first on without a gap.

        The node takes as many as it can use. Returns False if the entries are no longer needed.
        Raises ArgError if the entries are not those of the fetch; the fetch stays open.
        """
        packed, count, _held = entries_in(entries)
        return self._call(_abi.supply_entries, u64(id), packed, count) == 0

    def supply_snapshot(self, id: int, index: int, conf: Conf | bytes, data: Buffer = b"") -> bool:
        """Answers a fetch with the state and the membership as of `index`.

        Returns False if the snapshot is no longer needed. Raises TooLargeError if `data` are above
        max_snapshot_bytes, an everyday case: supply the snapshot without data, and send the data
        over a channel of your own; the peer must have the data before it steps the message. After
        an error the fetch stays open: answer with supply_none(id, Supply.LATER) and continue.
        """
        given, _held = conf_in(conf)
        data = bytes(memoryview(data))
        state = _abi.Slice(_abi.address_of(data), len(data))
        return self._call(_abi.supply_snapshot, u64(id), u64(index), byref(given), state) == 0

    def supply_none(self, id: int, why: int = Supply.LATER) -> bool:
        """Answers a fetch with nothing: see Supply.

        Returns False if the answer is no longer needed. Raises CorruptError for GONE in answer to
        FetchKind.APPLY: committed entries that are not applied can't be gone.
        """
        return self._call(_abi.supply_none, u64(id), u32(why)) == 0

    def compacted(self, index: int) -> None:
        """Reports that you have dropped the entries up to `index` from your log.

        Raises ArgError if `index` is not applied yet, StaleError if the entries were dropped
        before.
        """
        self._call(_abi.compacted, u64(index))

    def report_unreachable(self, peer: int) -> None:
        """Reports that messages to `peer` may be lost.

        Raises NoPeerError if there is no such member.
        """
        self._call(_abi.report_unreachable, u64(peer))

    def report_snapshot(self, peer: int, how: int) -> None:
        """Reports what became of a snapshot to `peer`: see SnapshotReport.

        Without a report, the wait ends with the peer's acknowledgement or after
        snapshot_timeout_ticks. Raises NoPeerError if there is no such member.
        """
        self._call(_abi.report_snapshot, u64(peer), u32(how))

    # ---- membership and leadership

    def propose_conf(
        self,
        changes: Iterable[tuple[int, int]],
        transition: int = Transition.AUTO,
        context: Buffer = b"",
        token: int = 0,
    ) -> None:
        """Proposes a membership change, such as [Change(ChangeKind.ADD_LEARNER, 4)].

        A change without steps leaves a joint membership. apply_conf returns `context` on every
        node. Raises ConfBusyError until the change before is applied. Raises ConfError if the
        change is invalid here, UnsupportedError for UPDATE_NODE with Dialect.ERAFTPB, and otherwise
        as propose.
        """
        self._propose_conf((_abi.propose_conf,), changes, transition, context, token)

    def propose_conf_at(
        self,
        index: int,
        changes: Iterable[tuple[int, int]],
        transition: int = Transition.AUTO,
        context: Buffer = b"",
        token: int = 0,
    ) -> None:
        """Proposes a membership change, if the membership is the one that its author has seen.

        `index` is Conf.index of that membership. Raises StaleError if another membership is in
        force, or its index is not known: look again. Otherwise raises as propose_conf.
        """
        self._propose_conf((_abi.propose_conf_at, u64(index)), changes, transition, context, token)

    def _propose_conf(
        self, call: tuple[Any, ...], changes: Iterable[tuple[int, int]], transition: int, context: Buffer, token: int
    ) -> None:
        steps = [_abi.Change(u64(id), u32(kind)) for kind, id in changes]
        context = bytes(memoryview(context))
        given = _abi.Slice(_abi.address_of(context), len(context))
        listed = (_abi.Change * len(steps))(*steps)
        self._call(*call, listed, len(steps), u32(transition), given, u64(token))

    def apply_conf(self, entry: AnyEntry) -> Conf:
        """Applies a committed membership entry, in log order, and returns the new membership.

        Store `encoded` of the result together with the applied index. Raises StaleError if applied
        or skipped before. Raises ConfError, DecodeError or UnsupportedError if this node can't
        apply the change: end the process, since the node would differ from the others.
        """
        packed, _, _held = entries_in((entry,))
        return self._conf(_abi.apply_conf, packed)

    def skip_conf(self, index: int) -> Conf:
        """Skips a committed membership entry, and returns the unchanged membership as of `index`.

        Every member must skip the entry. Store `encoded` of the result together with the applied
        index. Raises StaleError if applied or skipped before.
        """
        return self._conf(_abi.skip_conf, u64(index))

    def apply_change(self, kind: int, data: Buffer) -> Conf:
        """Applies a membership change that belongs to no entry, as ApplyConfChange in etcd's raft.

        Raises StateError without Flag.CONF_APART, and otherwise as apply_conf.
        """
        data = bytes(memoryview(data))
        return self._conf(_abi.apply_change, u32(kind), _abi.Slice(_abi.address_of(data), len(data)))

    def conf(self) -> Conf:
        """Returns the membership in force."""
        return self._conf(_abi.get_conf)

    def _conf(self, call: Any, *given: Any) -> Conf:
        out = _abi.Conf(struct_size=sizeof(_abi.Conf))
        gate = self._gate
        me: dict[int, Any] = {}
        if gate.setdefault(0, me) is not me:  # until all is read: the memory of out is the node's
            self._alone(me)
        code = call(self._handle, *given, byref(out))
        if code < 0:
            self._fail(code)
        conf = Conf(
            ids(out.voters, out.n_voters),
            ids(out.outgoing, out.n_outgoing),
            ids(out.learners, out.n_learners),
            ids(out.learners_next, out.n_learners_next),
            out.auto_leave != 0,
            copied(out.bytes),
            copied(out.context),
            out.index,
            out.dialect,
        )
        gate.pop(0, None)
        return conf

    def transfer(self, to: int = 0) -> None:
        """Transfers leadership to a voter; 0: to the voter that is furthest and alive.

        Proposals are refused meanwhile. Raises NoPeerError if the voter can't lead, NoLeaderError
        if no leader is known.
        """
        self._call(_abi.transfer, u64(to))

    def abort_transfer(self) -> None:
        """Ends a transfer in progress. Raises StateError if there is none."""
        self._call(_abi.abort_transfer)

    def forget_leader(self) -> None:
        """Makes a follower forget its leader, so that it may vote at once.

        On other roles, and with lease reads, nothing happens.
        """
        self._call(_abi.forget_leader)

    def set_electable(self, electable: bool) -> None:
        """Sets whether the node starts elections.

        Off for maintenance: the node still votes and follows.
        """
        self._call(_abi.set_electable, bool(electable))

    def set_priority(self, priority: int) -> None:
        """Changes Config.priority."""
        if not -(2**31) <= priority < 2**31:
            raise too_big(priority, 31)
        self._call(_abi.set_priority, priority)

    def set_window(self, peer: int, max_inflight_msgs: int, max_inflight_bytes: int = 0) -> None:
        """Sets the window of a peer, in appends, 0 to 65536, and bytes; 0 bytes: no limit.

        0 appends pause the peer: no entries and no snapshots, only heartbeats, until the window
        opens again. Raises NoPeerError if there is no such member.
        """
        self._call(_abi.set_window, u64(peer), u32(max_inflight_msgs), u64(max_inflight_bytes))

    def set_commit_group(self, peer: int, group: int) -> None:
        """Puts a peer into a commit group, such as a data centre; 0: into none.

        While a peer has a group, a leader commits what a quorum and members of two groups have
        stored. If all voters are in one group, the quorum decides alone. If some have no group, and
        no two groups are there, all voters must have the entry. The setting is this node's own:
        make it on every member that may lead, and after a change of membership again. Raises
        NoPeerError if there is no such member.
        """
        self._call(_abi.set_commit_group, u64(peer), u64(group))

    def promote_when_caught_up(self, peer: int, on: bool = True) -> None:
        """Lets the leader propose a learner as a voter by itself, once PeerFlag.CAUGHT_UP is set.

        The wish is this node's own, and ends with the learner's membership: tell every member that
        may lead. Raises NoPeerError if there is no such member.
        """
        self._call(_abi.promote_when_caught_up, u64(peer), bool(on))

    def request_snapshot(self) -> None:
        """Asks the leader for a snapshot, for a follower that cannot trust its own state.

        The snapshot covers the node's whole log, arrives in a ready as any snapshot, and replaces
        state and log. Until then the node takes no entries. The request is repeated with every
        heartbeat, and ends with the snapshot, with a campaign of this node, or after
        snapshot_timeout_ticks, with EventKind.SNAPSHOT_ENDED. A leader of etcd's raft knows no such
        requests.

        Raises NoLeaderError if this node leads, or no leader is known. Raises StateError if asked
        already, if a snapshot waits to be stored, or if the log has no entry of the leader's term
        yet: retry later.
        """
        self._call(_abi.request_snapshot)

    def ping(self) -> None:
        """Sends a heartbeat to every peer now, at the leader; on other roles nothing happens.

        Wakes sleeping peers, and finds out who is there.
        """
        self._call(_abi.ping)

    def set_flags(self, mask: int, values: int) -> None:
        """Changes flags of a running node: the bits of `mask` become as in `values`.

        These can change: PRE_VOTE, CHECK_QUORUM, FORWARDING, BATCH_APPEND, NOMINATE_SUCCESSOR,
        RETIRE_GRACEFULLY, QUIET_COMMIT, TRANSFER_FENCE, COMMIT_IN_VOTES, REPORT_COMMIT,
        SPARE_HEARTBEATS, YIELD_TO_PRIORITY. If all members must understand a flag, update all
        members first. Raises ArgError for a fixed flag, or LEASE_READS without CHECK_QUORUM.
        """
        self._call(_abi.set_flags, u64(mask), u64(values))

    def trim(self) -> None:
        """Gives back memory that the node does not need now, for a group that has become quiet.

        Later calls may allocate again. The arrays of readies stay.
        """
        self._call(_abi.trim)

    def set_commit_broadcast(self, on: bool) -> None:
        """Sets whether a leader reports a moved commit index at once, or with the next append."""
        self._call(_abi.set_commit_broadcast, bool(on))

    def set_election_timeout(self, ticks: int) -> None:
        """Sets the randomized election timeout, until the node draws the next: for tests."""
        self._call(_abi.set_election_timeout, u32(ticks))

    # ---- looking inside

    def ticks_until_due(self) -> int:
        """Returns how many ticks may pass before the node has work. 2**32 - 1: no limit."""
        ticks = c_uint32()
        self._call(_abi.ticks_until_due, byref(ticks))
        return ticks.value

    def hello(self) -> bytes:
        """Returns the frame that opens a connection: version, features, group and id."""
        text, size = ctypes.create_string_buffer(256), c_size_t()
        self._call(_abi.hello, text, len(text), byref(size))
        return text.raw[: size.value]

    def hello_check(self, frame: Buffer) -> None:
        """Judges the frame that opened a peer's connection: version, group, dialect and id.

        Raises NotForMeError with what differs, or DecodeError if the bytes are no such frame: close
        the connection.
        """
        held, size = address(frame)
        self._call(_abi.hello_check, held, size)

    def status(self) -> Status:
        """Returns the state of the node. Works before boot, too."""
        raw = _abi.Status(STATUS_BYTES)
        code = _abi.get_status(self._handle, byref(raw))
        if code < 0:
            raise self._error(code)
        return read_status(raw)

    def peers(self) -> list[Peer]:
        """Returns a leader's view of all members, this node included, in the order of their ids.

        On other roles only `id` and the membership bits of `flags` mean something.
        """
        room, count = 0, c_size_t()
        while True:
            raw = (_abi.Peer * room)()
            self._call(_abi.get_peers, raw, room, byref(count))
            if count.value <= room:
                return [read_peer(peer) for peer in raw[: count.value]]
            room = count.value

    def next_event(self) -> Event | None:
        """Takes the oldest event; None: no event waits.

        Status.events_lost counts events that nobody took in time.
        """
        raw = _abi.Event()
        return None if self._call(_abi.next_event, byref(raw)) == NONE else read_event(raw)

    def events(self) -> Iterator[Event]:
        """Returns an iterator over the waiting events."""
        return iter(self.next_event, None)

    def digest(self, with_random: bool = False) -> int:
        """Returns a number that is equal for nodes of equal meaning, for tests."""
        if not self._handle:
            raise ClosedError()
        number: int = _abi.digest(self._handle, bool(with_random))
        return number

    def __repr__(self) -> str:
        if not self._handle:
            return f"<{type(self).__name__} closed>"
        status = self.status()
        return f"<{type(self).__name__} {status.id}: term={status.term} leader={status.leader} commit={status.commit}>"


GUARDED.update(
    method.__code__
    for part in Node.__mro__
    for method in vars(part).values()
    if isinstance(method, FunctionType) and "_alone" in method.__code__.co_names
)


class NodeArray:
    """Many nodes with a common tick, for processes with thousands of groups."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        """Takes the nodes. A node may be in several arrays. You may close a node at any time."""
        self.nodes = tuple(nodes)
        self._handles = (ctypes.c_void_p * len(self.nodes))()
        for place, node in enumerate(self.nodes):
            if not node.closed:
                node._arrays.add(self)  # first, so that a close from here on clears the handle
                self._handles[place] = node._handle.value

    def tick(self, ticks: int = 1) -> list[Node]:
        """Ticks all nodes. Returns the nodes with a ready or a fetch, and closed or failed nodes.

        The next call on a failed node raises the reason.
        """
        count = len(self._handles)
        found = (c_uint32 * count)()
        number = _abi.tick_many(self._handles, count, u32(ticks), found, count)
        return [self.nodes[place] for place in found[: min(number, count)]]

    def _forget(self, handle: int) -> None:
        for place, held in enumerate(self._handles):
            if held == handle:
                self._handles[place] = None

    def __reduce__(self) -> NoReturn:
        raise TypeError("nodes can't be copied or pickled")
