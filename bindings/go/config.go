package raftcore

// #include "glue.h"
// #cgo noescape raftcore_config_init
// #cgo nocallback raftcore_config_init
// #cgo noescape raftcore_config_preset
// #cgo nocallback raftcore_config_preset
// #cgo noescape raftcore_config_error
// #cgo nocallback raftcore_config_error
// #cgo noescape raftcore_footprint
// #cgo nocallback raftcore_footprint
// #cgo noescape raftcore_frame_limit
// #cgo nocallback raftcore_frame_limit
import "C"

import (
	"crypto/rand"
	"encoding/binary"
)

// Config has the settings of a node. Start from [DefaultConfig] or [EtcdConfig], set ID, and change
// what you need. (The membership is a [Conf].)
type Config struct {
	ID    uint64 // this node, 1 to 2^64-17
	Group uint64 // any number; frames of another group are refused
	// Must differ at each start: with the same seed an old answer could serve a stale read.
	// DefaultConfig draws a seed from crypto/rand. 0 is refused. Equal seeds and equal calls make
	// equal runs.
	Seed    uint64
	Flags   Flags       // default FlagPreVote | FlagCheckQuorum | FlagRetireGracefully | FlagQuietCommit
	Storage StorageMode // how you acknowledge readies; default StorageSync
	// Equal on all members, for the life of the group; default DialectRaftpb.
	Dialect Dialect

	// Ticks without a leader until an election; a random number up to twice as many. Must be above
	// HeartbeatTicks. Default 10.
	ElectionTicks uint32
	// An election timeout is ElectionTicks and by chance up to so many more, this number excluded,
	// to 2^24; 0: ElectionTicks (default).
	ElectionJitterTicks uint32
	HeartbeatTicks      uint32 // between heartbeats of a leader; default 1
	ReadTimeoutTicks    uint32 // until a read that was passed on fails; default 20
	// Ticks for which a leader waits for a report about a snapshot, see [Node.ReportSnapshot]; 0:
	// for ever; default 600.
	SnapshotTimeoutTicks uint32
	// Ticks after a boot for which the node refuses to vote. Default math.MaxUint32: ElectionTicks
	// with FlagLeaseReads, else 0.
	VoteFenceTicks uint32
	// A leader steps down if its own log has not become durable any further for so many ticks; 0:
	// never; default 100.
	OwnWriteTimeoutTicks uint32
	// Ticks of silence until [EventPeerLags]; 0: ten election timeouts (default).
	PeerLagsTicks uint32
	// Ticks without a leader until [EventNoLeaderLong], again and again; 0: ten election timeouts
	// (default).
	NoLeaderTicks uint32

	MaxPeers           uint32 // members of the group, 1 to 256; default 16
	MaxInflightMsgs    uint32 // appends in flight to a peer, 1 to 65536; default 256
	MaxEntriesPerMsg   uint32 // entries in an append; 0: no limit but MaxSizePerMsg (default)
	CaughtUpEntries    uint32 // entries that a peer may lack with PeerCaughtUp; 0: 16, or its messages in flight (default)
	MaxOutstanding     uint32 // outstanding readies, 1 to 1024; with StorageSync 1; default 8
	MaxEntriesPerReady uint32 // entries to store, and entries to apply, in a ready; default 1024
	MaxMessages        uint32 // messages in a ready, 16 or more; default 1024
	MaxReads           uint32 // waiting reads; default 1024
	MaxTokens          uint32 // waiting proposals with a token; default 8192
	Priority           int32  // among equal logs the higher priority wins; default 0
	// StorageAsync: how far entries to apply may be ahead of the durable log, in entries; default
	// 0.
	MaxApplyUnpersisted uint32

	RecentBytes              uint64 // entries kept in memory; at least 4 * BlockBytes; default 16 MiB
	CatchupBytes             uint64 // supplied entries for peers that are far behind, in total; default 8 MiB
	MaxSizePerMsg            uint64 // payload of an append, except for a single entry; default 1 MiB
	MaxCommittedSizePerReady uint64 // entries to apply that are outstanding; default 4 MiB
	MaxUncommittedSize       uint64 // payload of a leader's uncommitted entries; default 8 MiB
	MaxInflightBytes         uint64 // payload in flight to a peer; 0: no limit (default)
	MaxEntryBytes            uint64 // payload of an entry, to 2^30; default 4 MiB
	// Snapshot data that may pass through the core, to 2^31; default 1 MiB. Send larger data
	// yourself: see [Node.SupplySnapshot].
	MaxSnapshotBytes uint64
	BlockBytes       uint64 // unit of memory for entries, 4 KiB to 16 MiB; default 256 KiB
}

// DefaultConfig returns the defaults, with another Seed at each call. Tests that must repeat a run
// set the Seed.
//
// If the linked library does not know the header of this package, the result is empty, and NewNode
// fails.
func DefaultConfig() Config {
	var c C.raftcore_config
	if C.raftcore_config_init(&c, C.sizeof_raftcore_config) < 0 {
		return Config{}
	}
	cfg := configFromC(&c)
	for cfg.Seed == 0 {
		var b [8]byte
		rand.Read(b[:]) // never fails
		cfg.Seed = binary.LittleEndian.Uint64(b[:])
	}
	return cfg
}

// EtcdConfig returns DefaultConfig with the choices of etcd's raft where they differ, as
// docs/departures.md lists them.
func EtcdConfig() Config {
	cfg := DefaultConfig()
	c := cfg.toC()
	if C.raftcore_config_preset(&c, C.RAFTCORE_PRESET_ETCD) < 0 {
		return Config{}
	}
	return configFromC(&c)
}

// Check returns the first setting that is out of range, and what is allowed; nil if [NewNode] takes
// the settings.
func (cfg Config) Check() error {
	if text := cfg.fault(); text != "" {
		return &Error{Op: "Check", Code: ErrArg, Detail: text}
	}
	return nil
}

// Footprint returns how many bytes of memory [NewNode] takes, at most.
func (cfg Config) Footprint() (uint64, error) {
	c := cfg.toC()
	var n C.size_t
	if code := C.raftcore_footprint(&c, &n); code < 0 {
		return 0, &Error{Op: "Footprint", Code: Code(code), Detail: cfg.fault()}
	}
	return uint64(n), nil
}

// FrameLimit returns the length of the largest frame that a peer with the same settings sends, its
// header included. A receive buffer must hold as much. See [NextFrame].
func (cfg Config) FrameLimit() (uint64, error) {
	if text := cfg.fault(); text != "" {
		return 0, &Error{Op: "FrameLimit", Code: ErrArg, Detail: text}
	}
	c := cfg.toC()
	var n C.uint64_t
	if code := C.raftcore_frame_limit(&c, &n); code < 0 {
		return 0, &Error{Op: "FrameLimit", Code: Code(code), Detail: cfg.fault()}
	}
	return uint64(n), nil
}

// fault returns the setting at fault, as Check shows it.
func (cfg Config) fault() string {
	c := cfg.toC()
	var text [256]C.char
	if C.raftcore_config_error(&c, &text[0], C.size_t(len(text))) == 0 {
		return ""
	}
	if cfg.madeByHand() {
		return "these settings do not come from DefaultConfig() or EtcdConfig(): start from one of them, then set ID"
	}
	return inGo(C.GoString(&text[0]))
}

// madeByHand reports whether several settings are zero that DefaultConfig sets and no node may have
// at zero. A single such setting was rather set to zero on purpose.
func (cfg Config) madeByHand() bool {
	lacking := 0
	for _, setting := range []uint64{
		cfg.Seed, uint64(cfg.ElectionTicks), uint64(cfg.HeartbeatTicks), uint64(cfg.MaxPeers), uint64(cfg.MaxInflightMsgs),
		uint64(cfg.MaxOutstanding), uint64(cfg.MaxReads), cfg.RecentBytes, cfg.BlockBytes,
	} {
		if setting == 0 {
			lacking++
		}
	}
	return lacking > 1
}

func (cfg Config) toC() C.raftcore_config {
	return C.raftcore_config{
		struct_size:                  C.sizeof_raftcore_config,
		abi_version:                  C.RAFTCORE_ABI_VERSION,
		id:                           C.uint64_t(cfg.ID),
		group:                        C.uint64_t(cfg.Group),
		seed:                         C.uint64_t(cfg.Seed),
		flags:                        C.uint64_t(cfg.Flags),
		storage:                      C.uint32_t(cfg.Storage),
		dialect:                      C.uint32_t(cfg.Dialect),
		election_ticks:               C.uint32_t(cfg.ElectionTicks),
		heartbeat_ticks:              C.uint32_t(cfg.HeartbeatTicks),
		read_timeout_ticks:           C.uint32_t(cfg.ReadTimeoutTicks),
		snapshot_timeout_ticks:       C.uint32_t(cfg.SnapshotTimeoutTicks),
		vote_fence_ticks:             C.uint32_t(cfg.VoteFenceTicks),
		max_peers:                    C.uint32_t(cfg.MaxPeers),
		max_inflight_msgs:            C.uint32_t(cfg.MaxInflightMsgs),
		max_outstanding:              C.uint32_t(cfg.MaxOutstanding),
		max_entries_per_ready:        C.uint32_t(cfg.MaxEntriesPerReady),
		max_messages:                 C.uint32_t(cfg.MaxMessages),
		max_reads:                    C.uint32_t(cfg.MaxReads),
		max_tokens:                   C.uint32_t(cfg.MaxTokens),
		priority:                     C.int32_t(cfg.Priority),
		max_apply_unpersisted:        C.uint32_t(cfg.MaxApplyUnpersisted),
		recent_bytes:                 C.uint64_t(cfg.RecentBytes),
		catchup_bytes:                C.uint64_t(cfg.CatchupBytes),
		max_size_per_msg:             C.uint64_t(cfg.MaxSizePerMsg),
		max_committed_size_per_ready: C.uint64_t(cfg.MaxCommittedSizePerReady),
		max_uncommitted_size:         C.uint64_t(cfg.MaxUncommittedSize),
		max_inflight_bytes:           C.uint64_t(cfg.MaxInflightBytes),
		max_entry_bytes:              C.uint64_t(cfg.MaxEntryBytes),
		max_snapshot_bytes:           C.uint64_t(cfg.MaxSnapshotBytes),
		block_bytes:                  C.uint64_t(cfg.BlockBytes),
		own_write_timeout_ticks:      C.uint32_t(cfg.OwnWriteTimeoutTicks),
		election_jitter_ticks:        C.uint32_t(cfg.ElectionJitterTicks),
		peer_lags_ticks:              C.uint32_t(cfg.PeerLagsTicks),
		no_leader_ticks:              C.uint32_t(cfg.NoLeaderTicks),
		max_entries_per_msg:          C.uint32_t(cfg.MaxEntriesPerMsg),
		caught_up_entries:            C.uint32_t(cfg.CaughtUpEntries),
	}
}

func configFromC(c *C.raftcore_config) Config {
	return Config{
		ID:                       uint64(c.id),
		Group:                    uint64(c.group),
		Seed:                     uint64(c.seed),
		Flags:                    Flags(c.flags),
		Storage:                  StorageMode(c.storage),
		Dialect:                  Dialect(c.dialect),
		ElectionTicks:            uint32(c.election_ticks),
		HeartbeatTicks:           uint32(c.heartbeat_ticks),
		ReadTimeoutTicks:         uint32(c.read_timeout_ticks),
		SnapshotTimeoutTicks:     uint32(c.snapshot_timeout_ticks),
		VoteFenceTicks:           uint32(c.vote_fence_ticks),
		MaxPeers:                 uint32(c.max_peers),
		MaxInflightMsgs:          uint32(c.max_inflight_msgs),
		MaxOutstanding:           uint32(c.max_outstanding),
		MaxEntriesPerReady:       uint32(c.max_entries_per_ready),
		MaxMessages:              uint32(c.max_messages),
		MaxReads:                 uint32(c.max_reads),
		MaxTokens:                uint32(c.max_tokens),
		Priority:                 int32(c.priority),
		MaxApplyUnpersisted:      uint32(c.max_apply_unpersisted),
		RecentBytes:              uint64(c.recent_bytes),
		CatchupBytes:             uint64(c.catchup_bytes),
		MaxSizePerMsg:            uint64(c.max_size_per_msg),
		MaxCommittedSizePerReady: uint64(c.max_committed_size_per_ready),
		MaxUncommittedSize:       uint64(c.max_uncommitted_size),
		MaxInflightBytes:         uint64(c.max_inflight_bytes),
		MaxEntryBytes:            uint64(c.max_entry_bytes),
		MaxSnapshotBytes:         uint64(c.max_snapshot_bytes),
		BlockBytes:               uint64(c.block_bytes),
		OwnWriteTimeoutTicks:     uint32(c.own_write_timeout_ticks),
		ElectionJitterTicks:      uint32(c.election_jitter_ticks),
		PeerLagsTicks:            uint32(c.peer_lags_ticks),
		NoLeaderTicks:            uint32(c.no_leader_ticks),
		MaxEntriesPerMsg:         uint32(c.max_entries_per_msg),
		CaughtUpEntries:          uint32(c.caught_up_entries),
	}
}
