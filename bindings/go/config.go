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
import "C"

import "math/rand/v2"

// Config is a node's configuration. Take [DefaultConfig] or [EtcdConfig], set ID and what shall differ; a Config that was filled by
// hand from nothing is refused.
type Config struct {
	ID    uint64 // this node, 1 to 2^64-17
	Group uint64 // any number; frames of another group are refused
	// Must differ at each start, or an old answer could serve a stale read: DefaultConfig draws one at random. Same seed, same calls:
	// same run.
	Seed    uint64
	Flags   Flags       // default FlagPreVote | FlagCheckQuorum | FlagRetireGracefully | FlagQuietCommit
	Storage StorageMode // how the host says that work is done
	Dialect Dialect
	// Without a leader until an election, up to twice as many by chance; above HeartbeatTicks; default 10.
	ElectionTicks    uint32
	HeartbeatTicks   uint32 // between a leader's heartbeats; default 1
	ReadTimeoutTicks uint32 // until a read that was passed on fails; default 20
	// A peer may stay in snapshot state without a report; 0: for ever; default 600.
	SnapshotTimeoutTicks uint32
	// After a boot in which no vote is granted; default math.MaxUint32: ElectionTicks with FlagLeaseReads, else 0.
	VoteFenceTicks     uint32
	MaxPeers           uint32 // members of a configuration, 1 to 256; default 16
	MaxInflightMsgs    uint32 // appends in flight to one peer, 1 to 65536; default 256
	MaxOutstanding     uint32 // readies outstanding, 1 to 1024; one in SYNC; default 8
	MaxEntriesPerReady uint32 // to store, and to apply, in one ready; default 1024
	MaxMessages        uint32 // in one ready, 16 or more; default 1024
	MaxReads           uint32 // reads waiting; default 1024
	MaxTokens          uint32 // proposals with a token waiting; default 8192
	Priority           int32  // among equal logs the higher wins; default 0
	// ASYNC: entries handed out for apply this far beyond what is durable; default 0.
	MaxApplyUnpersisted      uint32
	RecentBytes              uint64 // entries kept in memory; at least 4 * BlockBytes; default 16 MiB
	CatchupBytes             uint64 // entries supplied for peers far behind, all together; default 8 MiB
	MaxSizePerMsg            uint64 // payload of one append; one entry goes at least; default 1 MiB
	MaxCommittedSizePerReady uint64 // handed out and not yet applied; default 4 MiB
	MaxUncommittedSize       uint64 // payload of a leader's uncommitted entries; default 8 MiB
	MaxInflightBytes         uint64 // in flight to one peer; 0: no limit (default)
	MaxEntryBytes            uint64 // payload of one entry, to 2^30; default 4 MiB
	MaxSnapshotBytes         uint64 // snapshot data that may pass through the core, to 2^31; default 1 MiB
	BlockBytes               uint64 // unit of the memory for entries, 4 KiB to 16 MiB; default 256 KiB
}

// DefaultConfig is the library's default, with a Seed drawn at random. Beside a system library that does not know this package's
// header it is empty, and NewNode says so.
func DefaultConfig() Config {
	var c C.raftcore_config
	if C.raftcore_config_init(&c, C.sizeof_raftcore_config) < 0 {
		return Config{}
	}
	cfg := configFromC(&c)
	cfg.Seed = rand.Uint64()
	return cfg
}

// EtcdConfig is DefaultConfig with the choices of etcd's raft wherever it differs; docs/departures.md names them.
func EtcdConfig() Config {
	cfg := DefaultConfig()
	c := cfg.toC()
	if C.raftcore_config_preset(&c, C.RAFTCORE_PRESET_ETCD) < 0 {
		return Config{}
	}
	return configFromC(&c)
}

// Check says which field is at fault, and what is allowed; nil if [NewNode] would take the configuration.
func (cfg Config) Check() error {
	if text := cfg.fault(); text != "" {
		return &Error{Op: "Check", Code: ErrArg, Detail: text}
	}
	return nil
}

// Footprint is an upper bound of the memory that [NewNode] will take, in bytes.
func (cfg Config) Footprint() (uint64, error) {
	c := cfg.toC()
	var n C.size_t
	if code := C.raftcore_footprint(&c, &n); code < 0 {
		return 0, &Error{Op: "Footprint", Code: Code(code), Detail: cfg.fault()}
	}
	return uint64(n), nil
}

func (cfg Config) fault() string {
	c := cfg.toC()
	var text [256]C.char
	if C.raftcore_config_error(&c, &text[0], C.size_t(len(text))) == 0 {
		return ""
	}
	return C.GoString(&text[0])
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
	}
}
