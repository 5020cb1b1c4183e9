// The settings of a node, and what they are in raftcore.

package raft

import (
	"errors"
	"math"

	"raftcore.example/go"
)

// ReadOnlyOption is how a leader makes sure that it still leads before it serves a read.
type ReadOnlyOption int

const (
	ReadOnlySafe       ReadOnlyOption = iota // by a round of heartbeats
	ReadOnlyLeaseBased                       // by clocks of bounded drift; needs CheckQuorum
)

// Peer is a founder of a group: see [StartNode].
type Peer struct {
	ID      uint64
	Context []byte // of the change that adds the founder
}

// Config has the settings of a node. ID, ElectionTick, HeartbeatTick, Storage and MaxInflightMsgs
// must be set.
type Config struct {
	ID            uint64 // this node, 1 to 2^64-17
	ElectionTick  int    // ticks without a leader until an election, at least; above HeartbeatTick
	HeartbeatTick int    // ticks between heartbeats of a leader
	Storage       Storage
	Applied       uint64 // the index up to which the log is applied; 0: up to the beginning of Storage

	// Writes and applies are messages to LocalAppendThread and LocalApplyThread, Advance is not called,
	// and responses are stepped.
	AsyncStorageWrites bool

	MaxSizePerMsg             uint64 // bytes of entries in a message, except for a single entry; 0: one entry
	MaxCommittedSizePerReady  uint64 // bytes of entries to apply in a Ready; 0: MaxSizePerMsg
	MaxUncommittedEntriesSize uint64 // bytes of a leader's uncommitted entries; 0: no limit but memory
	MaxInflightMsgs           int    // appends in flight to a peer, up to 65536
	MaxInflightBytes          uint64 // bytes in flight to a peer, at least MaxSizePerMsg; 0: no limit

	CheckQuorum    bool // a leader that hears no majority steps down
	PreVote        bool // a node asks whether an election could be won before the term rises
	ReadOnlyOption ReadOnlyOption
	Logger         Logger // nil: see [SetLogger]

	DisableProposalForwarding   bool // followers refuse proposals
	DisableConfChangeValidation bool // changes are not checked when proposed; on all nodes or on none
	StepDownOnRemoval           bool // a leader that is removed, or made a learner, steps down

	TraceLogger TraceLogger // not used
}

// Bounds of the memory of a node. Entries that left the recent log are read from the Storage.
const (
	recentBytes = 64 << 20 // an entry may have half of it
	maxPeers    = 64
	unlimited   = 1 << 40
)

func (c *Config) validate() error {
	switch {
	case c.ID == None || c.ID > math.MaxUint64-16:
		return errors.New("raft: Config.ID must be 1 to 2^64-17")
	case c.HeartbeatTick <= 0:
		return errors.New("raft: Config.HeartbeatTick must be above 0")
	case c.ElectionTick <= c.HeartbeatTick:
		return errors.New("raft: Config.ElectionTick must be above HeartbeatTick")
	case c.Storage == nil:
		return errors.New("raft: Config.Storage is missing")
	case c.MaxInflightMsgs <= 0:
		return errors.New("raft: Config.MaxInflightMsgs must be above 0")
	case c.MaxInflightBytes != 0 && c.MaxInflightBytes < c.MaxSizePerMsg:
		return errors.New("raft: Config.MaxInflightBytes must not be below MaxSizePerMsg")
	case c.ReadOnlyOption == ReadOnlyLeaseBased && !c.CheckQuorum:
		return errors.New("raft: Config.ReadOnlyOption ReadOnlyLeaseBased needs CheckQuorum")
	}
	return nil
}

// core returns the settings of the raftcore node: etcd's choices, with the limits of c.
func (c *Config) core() raftcore.Config {
	cfg := raftcore.EtcdConfig()
	cfg.ID = c.ID
	cfg.ElectionTicks, cfg.HeartbeatTicks = uint32(c.ElectionTick), uint32(c.HeartbeatTick)
	cfg.Flags |= raftcore.FlagDecodedMsgs
	if !c.AsyncStorageWrites {
		cfg.Storage = raftcore.StorageSync
	} else {
		cfg.Storage = raftcore.StorageMessages
	}

	set := func(flag raftcore.Flags, on bool) {
		cfg.Flags &^= flag
		if on {
			cfg.Flags |= flag
		}
	}
	set(raftcore.FlagCheckQuorum, c.CheckQuorum)
	set(raftcore.FlagPreVote, c.PreVote)
	set(raftcore.FlagLeaseReads, c.ReadOnlyOption == ReadOnlyLeaseBased)
	set(raftcore.FlagForwarding, !c.DisableProposalForwarding)
	set(raftcore.FlagNoConfValidation, c.DisableConfChangeValidation)
	set(raftcore.FlagStayWhenRemoved, !c.StepDownOnRemoval)
	// A request for a vote waits until the vote is on the disk: without it, a crash may elect two.
	set(raftcore.FlagVoteRequestEarly, false)

	committed := c.MaxCommittedSizePerReady
	if committed == 0 {
		committed = c.MaxSizePerMsg
	}
	uncommitted := c.MaxUncommittedEntriesSize
	if uncommitted == 0 {
		uncommitted = unlimited
	}
	cfg.MaxSizePerMsg = min(c.MaxSizePerMsg, unlimited)
	cfg.MaxCommittedSizePerReady = min(max(committed, 1), unlimited) // of 0 bytes no entry is ever applied
	cfg.MaxUncommittedSize = min(uncommitted, unlimited)
	cfg.MaxInflightMsgs = uint32(min(c.MaxInflightMsgs, 1<<16))
	cfg.MaxInflightBytes = min(c.MaxInflightBytes, unlimited)
	cfg.RecentBytes, cfg.MaxEntryBytes, cfg.MaxPeers = recentBytes, recentBytes/2, maxPeers
	cfg.MaxMessages, cfg.MaxReads, cfg.MaxEntriesPerReady = 1<<14, 1<<16, 1<<14
	return cfg
}
