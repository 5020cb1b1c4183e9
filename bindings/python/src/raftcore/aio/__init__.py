"""raftcore.aio: a class, replicated over asyncio. Begin with Group and @write.

The package needs nothing beyond Python's library: the log and the snapshots are a sqlite3 file, and
members in different languages speak the protocol of docs/wire.md.
"""

from .. import Fetch, Peer, Status
from ._errors import (
    DamagedError,
    EmptyError,
    EntryTooLargeError,
    FoundedError,
    GroupClosedError,
    GroupError,
    InUseError,
    MachineError,
    NotCommittedError,
    OwnerError,
    RefusedError,
    RemovedError,
    SessionExpiredError,
    UnavailableError,
    UnknownOutcomeError,
)
from ._group import Group, GroupStatus, Session, found_from, recover
from ._machine import Machine, write
from ._members import Member
from ._options import TLS, Options

__all__ = [
    "DamagedError",
    "EmptyError",
    "EntryTooLargeError",
    "Fetch",
    "FoundedError",
    "Group",
    "GroupClosedError",
    "GroupError",
    "GroupStatus",
    "InUseError",
    "Machine",
    "MachineError",
    "Member",
    "NotCommittedError",
    "Options",
    "OwnerError",
    "Peer",
    "RefusedError",
    "RemovedError",
    "Session",
    "SessionExpiredError",
    "Status",
    "TLS",
    "UnavailableError",
    "UnknownOutcomeError",
    "found_from",
    "recover",
    "write",
]
