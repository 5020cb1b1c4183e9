"""Structs and functions of include/raftcore.h for ctypes. tests/test_abi.py compares both.

A struct is declared as in C. An annotation is the ctype of a field, and the type of its value.
"""

import ctypes
import os
import sys
from ctypes import Structure, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Annotated, Any, Optional, TypeVar, get_type_hints

ABI_VERSION = 1

U32 = Annotated[int, c_uint32]
I32 = Annotated[int, c_int32]
U64 = Annotated[int, c_uint64]
Size = Annotated[int, c_size_t]
Ptr = Annotated[Optional[int], c_void_p]


# ---- structs

_S = TypeVar("_S", bound=type[Structure])


def _struct(cls: _S) -> _S:
    hints = get_type_hints(cls, include_extras=True)
    cls._fields_ = [(name, getattr(hint, "__metadata__", [hint])[0]) for name, hint in hints.items() if name[0] != "_"]
    return cls


@_struct
class Config(Structure):
    struct_size: U32
    abi_version: U32
    id: U64
    group: U64
    seed: U64
    flags: U64
    storage: U32
    dialect: U32
    election_ticks: U32
    heartbeat_ticks: U32
    read_timeout_ticks: U32
    snapshot_timeout_ticks: U32
    vote_fence_ticks: U32
    max_peers: U32
    max_inflight_msgs: U32
    max_outstanding: U32
    max_entries_per_ready: U32
    max_messages: U32
    max_reads: U32
    max_tokens: U32
    priority: I32
    max_apply_unpersisted: U32
    recent_bytes: U64
    catchup_bytes: U64
    max_size_per_msg: U64
    max_committed_size_per_ready: U64
    max_uncommitted_size: U64
    max_inflight_bytes: U64
    max_entry_bytes: U64
    max_snapshot_bytes: U64
    block_bytes: U64
    own_write_timeout_ticks: U32
    election_jitter_ticks: U32
    peer_lags_ticks: U32
    no_leader_ticks: U32
    max_entries_per_msg: U32
    caught_up_entries: U32


@_struct
class Slice(Structure):
    ptr: Ptr
    len: Size


@_struct
class Conf(Structure):
    struct_size: U32
    auto_leave: U32
    voters: Ptr
    outgoing: Ptr
    learners: Ptr
    learners_next: Ptr
    n_voters: U32
    n_outgoing: U32
    n_learners: U32
    n_learners_next: U32
    bytes: Slice
    context: Slice
    index: U64
    dialect: U32
    reserved0: U32


@_struct
class Heap(Structure):
    struct_size: U32
    reserved0: U32
    context: Ptr
    alloc: Ptr
    resize: Ptr
    free: Ptr


@_struct
class Run(Structure):
    first: U64
    term: U64


@_struct
class Entry(Structure):
    term: U64
    index: U64
    kind: U32
    reserved0: U32
    data: Slice
    token: U64
    context: Slice


@_struct
class Stored(Structure):
    struct_size: U32
    reserved0: U32
    term: U64
    vote: U64
    commit: U64
    applied: U64
    before_first: U64
    before_first_term: U64
    last: U64
    conf: Ptr
    runs: Ptr
    entries: Ptr
    n_runs: Size
    n_entries: Size
    reserved1: Size


@_struct
class Frame(Structure):
    struct_size: U32
    reserved0: U32
    group: U64
    msg: Slice
    bytes: U64


@_struct
class Msg(Structure):
    to: U64
    from_: U64
    term: U64
    log_term: U64
    index: U64
    commit: U64
    reject_hint: U64
    vote: U64
    flags: U64
    kind: U32
    reserved0: U32
    frame: Ptr
    entries: Ptr
    n_frame: U32
    frame_bytes: U32
    n_entries: U32
    entry_stride: U32
    context: Slice
    snapshot_conf: Slice


@_struct
class Read(Structure):
    token: U64
    index: U64


@_struct
class Drop(Structure):
    token: U64
    what: U32
    reason: U32


@_struct
class Done(Structure):
    token: U64
    index: U64


@_struct
class Ready(Structure):
    struct_size: U32
    role: U32
    flags: U64
    number: U64
    term: U64
    vote: U64
    commit: U64
    leader: U64
    snapshot_index: U64
    snapshot_term: U64
    committed_first: U64
    committed_last: U64
    snapshot_conf: Slice
    snapshot_data: Slice
    entries: Ptr
    committed: Ptr
    msgs: Ptr
    reads: Ptr
    dropped: Ptr
    done: Ptr
    n_entries: U32
    n_committed: U32
    n_msgs: U32
    n_reads: U32
    n_dropped: U32
    n_done: U32
    entry_stride: U32
    msg_stride: U32
    read_stride: U32
    drop_stride: U32
    done_stride: U32
    reserved0: U32


@_struct
class Fetch(Structure):
    struct_size: U32
    kind: U32
    id: U64
    peer: U64
    first: U64
    last: U64
    max_bytes: U64


@_struct
class HelloInfo(Structure):
    struct_size: U32
    version: U32
    features: U64
    group: U64
    id: U64


@_struct
class Input(Structure):
    struct_size: U32
    ticks: U32
    done: U64
    persisted: U64
    applied: U64
    released: U64
    peer: U64
    frames: Slice
    consumed: U64
    rejected: U32
    first: I32


@_struct
class Change(Structure):
    id: U64
    kind: U32
    reserved0: U32


@_struct
class Status(Structure):
    struct_size: U32
    role: U32
    id: U64
    group: U64
    term: U64
    vote: U64
    commit: U64
    applied: U64
    durable: U64
    leader: U64
    transferee: U64
    first_index: U64
    last_index: U64
    last_term: U64
    recent_first: U64
    safe_to_compact: U64
    memory_bytes: U64
    messages_dropped: U64
    messages_refused: U64
    messages_ignored: U64
    proposals_refused: U64
    reads_failed: U64
    events_lost: U64
    implausible: U64
    n_peers: U32
    n_outstanding: U32
    promotable: U32
    electable: U32
    election_elapsed: U32
    election_timeout: U32
    n_reads: U32
    n_tokens: U32
    last_ready: U64
    late_ticks: U64
    apply_waits: U64


@_struct
class Peer(Structure):
    id: U64
    match_index: U64
    next_index: U64
    pending_snapshot: U64
    inflight_bytes: U64
    inflight_msgs: U32
    flow: U32
    flags: U32
    silent_ticks: U32
    commit: U64
    group: U64


@_struct
class Event(Structure):
    kind: U32
    reason: U32
    peer: U64
    term: U64
    index: U64
    a: U64
    b: U64


@_struct
class Flat(Structure):
    layout: U32
    role: U32
    total_bytes: U64
    flags: U64
    number: U64
    term: U64
    vote: U64
    commit: U64
    leader: U64
    snapshot_index: U64
    snapshot_term: U64
    committed_first: U64
    committed_last: U64
    snapshot_conf_at: U64
    snapshot_conf_bytes: U64
    snapshot_data_at: U64
    snapshot_data_bytes: U64
    entries_at: U64
    committed_at: U64
    msgs_at: U64
    reads_at: U64
    dropped_at: U64
    done_at: U64
    n_entries: U32
    n_committed: U32
    n_msgs: U32
    n_reads: U32
    n_dropped: U32
    n_done: U32
    entry_stride: U32
    msg_stride: U32
    read_stride: U32
    drop_stride: U32
    done_stride: U32
    reserved0: U32


@_struct
class FlatEntry(Structure):
    term: U64
    index: U64
    token: U64
    data_at: U64
    data_bytes: U64
    kind: U32
    reserved0: U32
    context_at: U64
    context_bytes: U64


@_struct
class FlatMsg(Structure):
    to: U64
    from_: U64
    term: U64
    log_term: U64
    index: U64
    commit: U64
    reject_hint: U64
    vote: U64
    flags: U64
    frame_at: U64
    frame_bytes: U64
    kind: U32
    reserved0: U32
    context_at: U64
    context_bytes: U64
    snapshot_conf_at: U64
    snapshot_conf_bytes: U64


# ---- the library

NAME = {"darwin": "libraftcore.dylib", "win32": "raftcore.dll"}.get(sys.platform, "libraftcore.so")


def _load() -> ctypes.PyDLL:
    """Returns the library: of RAFTCORE_LIBRARY, of the package, or of the checkout around the
    package.
    """
    here = Path(__file__).resolve()
    places = [here.with_name(NAME)]
    if len(here.parents) > 4 and (here.parents[4] / "include" / "raftcore.h").exists():
        places.append(here.parents[4] / "target" / "c" / NAME)
    if "RAFTCORE_LIBRARY" in os.environ:
        places = [Path(os.environ["RAFTCORE_LIBRARY"])]
    for place in places:
        if place.exists():
            # PyDLL keeps the GIL: a call is shorter than a release of the GIL, and never waits.
            return ctypes.PyDLL(str(place))
    tried = ", ".join(str(place) for place in places)
    build = "In a checkout `make target/c/libraftcore.so` builds it."
    raise ImportError(f"no raftcore library: tried {tried}. {build}")


library = _load()


def _function(name: str, returns: Any, *takes: Any) -> Any:
    function = getattr(library, name)
    function.restype = returns
    function.argtypes = takes
    return function


abi_version = _function("raftcore_abi_version", c_uint32)
if abi_version() != ABI_VERSION:
    raise ImportError(f"{library._name} has ABI version {abi_version()}, this package needs {ABI_VERSION}")

# Every pointer is c_void_p: the fastest to convert, and it takes bytes, addresses, byref and None.
version_string = _function("raftcore_version_string", c_char_p)
features = _function("raftcore_features", c_uint64)
strerror = _function("raftcore_strerror", c_char_p, c_int32)
config_init = _function("raftcore_config_init", c_int32, c_void_p, c_uint32)
config_preset = _function("raftcore_config_preset", c_int32, c_void_p, c_uint32)
config_error = _function("raftcore_config_error", c_size_t, c_void_p, c_void_p, c_size_t)
frame_limit = _function("raftcore_frame_limit", c_int32, c_void_p, c_void_p)
footprint = _function("raftcore_footprint", c_int32, c_void_p, c_void_p)
new = _function("raftcore_new", c_int32, c_void_p, c_void_p)
boot = _function("raftcore_boot", c_int32, c_void_p, c_void_p)
boot_state = _function("raftcore_boot_state", c_int32, c_void_p, c_uint64, c_uint64, c_uint64)
boot_conf = _function("raftcore_boot_conf", c_int32, c_void_p, c_void_p, c_uint64, c_uint64)
boot_terms = _function("raftcore_boot_terms", c_int32, c_void_p, c_void_p, c_size_t, c_uint64)
boot_entries = _function("raftcore_boot_entries", c_int32, c_void_p, c_void_p, c_size_t)
boot_done = _function("raftcore_boot_done", c_int32, c_void_p, c_uint64)
try_clone = _function("raftcore_try_clone", c_int32, c_void_p, c_void_p)
free = _function("raftcore_free", c_int32, c_void_p)
# Called by nothing: memory functions in Python would need memory of Python inside each call.
set_heap = _function("raftcore_set_heap", c_int32, c_void_p)
tick = _function("raftcore_tick", c_int32, c_void_p, c_uint32)
step = _function("raftcore_step", c_int32, c_void_p, c_uint64, c_void_p, c_size_t)
step_frames = _function("raftcore_step_frames", c_int32, c_void_p, c_uint64, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)
frame_next = _function("raftcore_frame_next", c_int32, c_void_p, c_size_t, c_uint64, c_void_p)
propose = _function("raftcore_propose", c_int32, c_void_p, c_void_p, c_size_t, c_uint64)
propose_many = _function("raftcore_propose_many", c_int32, c_void_p, c_void_p, c_void_p, c_size_t)
propose_entry = _function("raftcore_propose_entry", c_int32, c_void_p, c_uint32, Slice, c_uint64)
propose_in_term = _function("raftcore_propose_in_term", c_int32, c_void_p, c_uint64, c_void_p, c_size_t, c_uint64)
propose_with_context = _function("raftcore_propose_with_context", c_int32, c_void_p, c_uint32, Slice, Slice, c_uint64)
has_ready = _function("raftcore_has_ready", c_int32, c_void_p)
get_ready = _function("raftcore_get_ready", c_int32, c_void_p, c_void_p)
ready_flat = _function("raftcore_ready_flat", c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
view = _function("raftcore_view", c_int32, c_void_p, c_uint64, c_void_p)
view_flat = _function("raftcore_view_flat", c_int32, c_void_p, c_uint64, c_void_p, c_size_t, c_void_p)
turn = _function("raftcore_turn", c_int32, c_void_p, c_void_p, c_void_p)
turn_flat = _function("raftcore_turn_flat", c_int32, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p)
advance = _function("raftcore_advance", c_int32, c_void_p, c_uint64)
next_fetch = _function("raftcore_next_fetch", c_int32, c_void_p, c_void_p)
supply_entries = _function("raftcore_supply_entries", c_int32, c_void_p, c_uint64, c_void_p, c_size_t)
supply_snapshot = _function("raftcore_supply_snapshot", c_int32, c_void_p, c_uint64, c_uint64, c_void_p, Slice)
supply_none = _function("raftcore_supply_none", c_int32, c_void_p, c_uint64, c_uint32)
compacted = _function("raftcore_compacted", c_int32, c_void_p, c_uint64)
report_unreachable = _function("raftcore_report_unreachable", c_int32, c_void_p, c_uint64)
report_snapshot = _function("raftcore_report_snapshot", c_int32, c_void_p, c_uint64, c_uint32)
ticks_until_due = _function("raftcore_ticks_until_due", c_int32, c_void_p, c_void_p)
flatten = _function("raftcore_flatten", c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
snapshot_split = _function("raftcore_snapshot_split", c_int32, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)
hello = _function("raftcore_hello", c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
hello_check = _function("raftcore_hello_check", c_int32, c_void_p, c_void_p, c_size_t)
hello_read = _function("raftcore_hello_read", c_int32, c_void_p, c_size_t, c_void_p)
read_index = _function("raftcore_read_index", c_int32, c_void_p, c_uint64)
propose_conf = _function("raftcore_propose_conf", c_int32, c_void_p, c_void_p, c_size_t, c_uint32, Slice, c_uint64)
propose_conf_at = _function(
    "raftcore_propose_conf_at", c_int32, c_void_p, c_uint64, c_void_p, c_size_t, c_uint32, Slice, c_uint64
)
apply_conf = _function("raftcore_apply_conf", c_int32, c_void_p, c_void_p, c_void_p)
skip_conf = _function("raftcore_skip_conf", c_int32, c_void_p, c_uint64, c_void_p)
apply_change = _function("raftcore_apply_change", c_int32, c_void_p, c_uint32, Slice, c_void_p)
conf_encode = _function("raftcore_conf_encode", c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
get_conf = _function("raftcore_get_conf", c_int32, c_void_p, c_void_p)
campaign = _function("raftcore_campaign", c_int32, c_void_p)
transfer = _function("raftcore_transfer", c_int32, c_void_p, c_uint64)
abort_transfer = _function("raftcore_abort_transfer", c_int32, c_void_p)
forget_leader = _function("raftcore_forget_leader", c_int32, c_void_p)
set_electable = _function("raftcore_set_electable", c_int32, c_void_p, c_uint32)
set_priority = _function("raftcore_set_priority", c_int32, c_void_p, c_int32)
set_window = _function("raftcore_set_window", c_int32, c_void_p, c_uint64, c_uint32, c_uint64)
set_commit_group = _function("raftcore_set_commit_group", c_int32, c_void_p, c_uint64, c_uint64)
promote_when_caught_up = _function("raftcore_promote_when_caught_up", c_int32, c_void_p, c_uint64, c_uint32)
request_snapshot = _function("raftcore_request_snapshot", c_int32, c_void_p)
ping = _function("raftcore_ping", c_int32, c_void_p)
set_flags = _function("raftcore_set_flags", c_int32, c_void_p, c_uint64, c_uint64)
trim = _function("raftcore_trim", c_int32, c_void_p)
set_commit_broadcast = _function("raftcore_set_commit_broadcast", c_int32, c_void_p, c_uint32)
set_election_timeout = _function("raftcore_set_election_timeout", c_int32, c_void_p, c_uint32)
persisted = _function("raftcore_persisted", c_int32, c_void_p, c_uint64)
applied = _function("raftcore_applied", c_int32, c_void_p, c_uint64)
release = _function("raftcore_release", c_int32, c_void_p, c_uint64)
step_local = _function("raftcore_step_local", c_int32, c_void_p, c_void_p, c_size_t)
tick_many = _function("raftcore_tick_many", c_size_t, c_void_p, c_size_t, c_uint32, c_void_p, c_size_t)
get_status = _function("raftcore_get_status", c_int32, c_void_p, c_void_p)
get_peers = _function("raftcore_get_peers", c_int32, c_void_p, c_void_p, c_size_t, c_void_p)
next_event = _function("raftcore_next_event", c_int32, c_void_p, c_void_p)
event_text = _function("raftcore_event_text", c_char_p, c_uint32)
reason_text = _function("raftcore_reason_text", c_char_p, c_uint32)
digest = _function("raftcore_digest", c_uint64, c_void_p, c_uint32)
error_detail = _function("raftcore_error_detail", c_size_t, c_void_p, c_void_p, c_size_t)

# The frequent calls once more without argtypes, whose conversion takes time. Pass only ctypes
# objects and bytes: ctypes would pass a plain number as a C int.


def _bare(name: str) -> Any:
    function = library[name]
    function.restype = c_int32
    return function


bare_step_frames = _bare("raftcore_step_frames")
bare_ready_flat = _bare("raftcore_ready_flat")
bare_turn_flat = _bare("raftcore_turn_flat")
bare_advance = _bare("raftcore_advance")


def address_of(data: bytes) -> Optional[int]:
    """Returns the address of bytes. The caller keeps the bytes."""
    return c_void_p.from_buffer(c_char_p(data)).value
