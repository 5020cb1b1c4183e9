"""The settings of a node."""

from __future__ import annotations

import ctypes
import secrets

from . import _abi
from ._errors import ArgError, error

_SET_HERE = ("struct_size", "abi_version")  # by this package, not by a caller


class Config:
    """The settings of a node. Only `id` is required: Config(id=1, storage=Storage.ASYNC,
    election_ticks=20).

    A parameter left out, or None, has the library's default, or that of `preset`. Fields can be
    changed until Node(config) copies them: config.flags |= Flag.LEASE_READS. A name that is no
    field raises AttributeError.

    The seed must differ at each start of a node: after a restart with an old seed, a late answer
    could serve a stale read. Config() draws a random seed from the system. Give a seed only in a
    test that must be repeated.
    """

    __slots__ = {
        "id": "this node: 1 to 2**64 - 17",
        "group": "group of the node, any number; frames of other groups are refused; default 0",
        "seed": "start of the node's random numbers, not 0; Config() draws a random seed",
        "flags": "bits of `Flag`",
        "storage": "`Storage`: how the host stores; default SYNC",
        "dialect": "`Dialect`: the format of messages and log, equal on all members, for the life of the group; default RAFTPB",
        "election_ticks": "ticks without a leader before an election, or up to twice as many; default 10",
        "heartbeat_ticks": "ticks between a leader's heartbeats, below election_ticks; default 1",
        "read_timeout_ticks": "ticks until a forwarded read fails; default 20",
        "snapshot_timeout_ticks": "ticks to wait for a snapshot report; 0: no limit; default 600",
        "vote_fence_ticks": "ticks after boot without granting a vote; default 2**32 - 1: automatic",
        "max_peers": "members of the group, 1 to 256; default 16",
        "max_inflight_msgs": "appends in flight to a peer, 1 to 65536; default 256",
        "max_outstanding": "unfinished readies, 1 to 1024, with SYNC one; default 8",
        "max_entries_per_ready": "entries to store, and to apply, in a ready; default 1024",
        "max_messages": "messages in a ready, 16 or more; default 1024",
        "max_reads": "waiting reads; default 1024",
        "max_tokens": "waiting proposals with a token; default 8192",
        "priority": "among equal logs the higher priority wins an election; default 0",
        "max_apply_unpersisted": "ASYNC: entries to apply that are not yet durable; default 0",
        "recent_bytes": "bytes of entries in memory, 4 * block_bytes or more; default 16 MiB",
        "catchup_bytes": "bytes of entries supplied for peers, all together; default 8 MiB",
        "max_size_per_msg": "bytes of payload in an append with several entries; default 1 MiB",
        "max_committed_size_per_ready": "bytes of entries to apply, unfinished; default 4 MiB",
        "max_uncommitted_size": "bytes of payload that a leader has not committed; default 8 MiB",
        "max_inflight_bytes": "bytes of payload in flight to a peer; 0: no limit; default 0",
        "max_entry_bytes": "bytes of payload of an entry, up to 2**30; default 4 MiB",
        "max_snapshot_bytes": "bytes of snapshot data in a message, up to 2**31; default 1 MiB",
        "block_bytes": "bytes of a block of memory for entries, 4 KiB to 16 MiB; default 256 KiB",
        "own_write_timeout_ticks": "ticks without progress on disk, then a leader steps down; default 100",
        "election_jitter_ticks": "election_ticks and by chance up to so many more, to 2**24; 0: election_ticks; default 0",
        "peer_lags_ticks": "ticks of silence until EventKind.PEER_LAGS; 0: ten election timeouts; default 0",
        "no_leader_ticks": "ticks until EventKind.NO_LEADER_LONG, again and again; 0: ten election timeouts; default 0",
        "max_entries_per_msg": "entries in an append; 0: no limit but max_size_per_msg; default 0",
        "caught_up_entries": "entries that a peer may lack with PeerFlag.CAUGHT_UP; 0: 16, or its messages in flight; default 0",
    }

    id: int
    group: int
    seed: int
    flags: int
    storage: int
    dialect: int
    election_ticks: int
    heartbeat_ticks: int
    read_timeout_ticks: int
    snapshot_timeout_ticks: int
    vote_fence_ticks: int
    max_peers: int
    max_inflight_msgs: int
    max_outstanding: int
    max_entries_per_ready: int
    max_messages: int
    max_reads: int
    max_tokens: int
    priority: int
    max_apply_unpersisted: int
    recent_bytes: int
    catchup_bytes: int
    max_size_per_msg: int
    max_committed_size_per_ready: int
    max_uncommitted_size: int
    max_inflight_bytes: int
    max_entry_bytes: int
    max_snapshot_bytes: int
    block_bytes: int
    own_write_timeout_ticks: int
    election_jitter_ticks: int
    peer_lags_ticks: int
    no_leader_ticks: int
    max_entries_per_msg: int
    caught_up_entries: int

    def __init__(
        self,
        id: int,
        *,
        preset: int = 0,
        group: int | None = None,
        seed: int | None = None,
        flags: int | None = None,
        storage: int | None = None,
        dialect: int | None = None,
        election_ticks: int | None = None,
        heartbeat_ticks: int | None = None,
        read_timeout_ticks: int | None = None,
        snapshot_timeout_ticks: int | None = None,
        vote_fence_ticks: int | None = None,
        max_peers: int | None = None,
        max_inflight_msgs: int | None = None,
        max_outstanding: int | None = None,
        max_entries_per_ready: int | None = None,
        max_messages: int | None = None,
        max_reads: int | None = None,
        max_tokens: int | None = None,
        priority: int | None = None,
        max_apply_unpersisted: int | None = None,
        recent_bytes: int | None = None,
        catchup_bytes: int | None = None,
        max_size_per_msg: int | None = None,
        max_committed_size_per_ready: int | None = None,
        max_uncommitted_size: int | None = None,
        max_inflight_bytes: int | None = None,
        max_entry_bytes: int | None = None,
        max_snapshot_bytes: int | None = None,
        block_bytes: int | None = None,
        own_write_timeout_ticks: int | None = None,
        election_jitter_ticks: int | None = None,
        peer_lags_ticks: int | None = None,
        no_leader_ticks: int | None = None,
        max_entries_per_msg: int | None = None,
        caught_up_entries: int | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name in _FIELDS and value is not None}
        given.setdefault("seed", secrets.randbelow(2**64 - 1) + 1)
        raw = _abi.Config()
        _check(_abi.config_init(ctypes.byref(raw), ctypes.sizeof(raw)))
        if preset:
            _check(_abi.config_preset(ctypes.byref(raw), preset))
        for name in _FIELDS:
            setattr(self, name, given.get(name, getattr(raw, name)))
        self.check()

    def check(self) -> None:
        """Raises ArgError if a field is out of its range, and names the field. Config() and Node()
        call this, too.
        """
        raw = self._raw()
        text = ctypes.create_string_buffer(256)
        if _abi.config_error(ctypes.byref(raw), text, len(text)):
            raise ArgError(text.value.decode())

    def frame_limit(self) -> int:
        """Returns the bytes of the largest frame that a peer of equal settings sends, header
        included.
        """
        raw, size = self._raw(), ctypes.c_uint64()
        _check(_abi.frame_limit(ctypes.byref(raw), ctypes.byref(size)))
        return size.value

    def footprint(self) -> int:
        """Returns an upper bound of the bytes that a node takes when it is made."""
        raw, size = self._raw(), ctypes.c_size_t()
        _check(_abi.footprint(ctypes.byref(raw), ctypes.byref(size)))
        return size.value

    def _raw(self) -> _abi.Config:
        """Returns the C struct. Raises ArgError if a field does not hold its number: ctypes would
        cut it.
        """
        raw = _abi.Config()
        _check(_abi.config_init(ctypes.byref(raw), ctypes.sizeof(raw)))
        for name in _FIELDS:
            value = getattr(self, name)
            try:
                setattr(raw, name, value)
            except TypeError:
                raise TypeError(f"{name} is {value!r}, which is no int") from None
            if getattr(raw, name) != value:
                raise ArgError(f"{name} is {value}, which its field does not hold")
        return raw

    def __repr__(self) -> str:
        return f"Config({', '.join(f'{name}={getattr(self, name)}' for name in _FIELDS)})"


_FIELDS = [field[0] for field in _abi.Config._fields_ if field[0] not in _SET_HERE]


def _check(code: int) -> None:
    if code < 0:
        raise error(code)
