package raftcore

// #include "glue.h"
// #cgo noescape raftcore_ping
// #cgo nocallback raftcore_ping
// #cgo noescape raftcore_promote_when_caught_up
// #cgo nocallback raftcore_promote_when_caught_up
// #cgo noescape raftcore_request_snapshot
// #cgo nocallback raftcore_request_snapshot
// #cgo noescape raftcore_set_commit_group
// #cgo nocallback raftcore_set_commit_group
// #cgo noescape raftcore_set_flags
// #cgo nocallback raftcore_set_flags
// #cgo noescape raftcore_trim
// #cgo nocallback raftcore_trim
import "C"

// What a host may ask of a running node, beside its Config.

// SetCommitGroup puts a peer into a commit group, such as a data centre; 0: into none. While a peer
// has a group, a leader commits what a quorum and members of two groups have stored.
//
// If all voters are in one group, the quorum decides alone. If some have no group, and no two groups
// are there, all voters must have the entry (raft-rs's group commit). The setting is this node's
// own: make it on every member that may lead, and after a change of membership again. [ErrNoPeer]:
// not a member.
func (n *Node) SetCommitGroup(peer, group uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetCommitGroup")
	}
	return c.done("SetCommitGroup", C.raftcore_set_commit_group(h.node, C.uint64_t(peer), C.uint64_t(group)))
}

// PromoteWhenCaughtUp lets the leader propose a learner as a voter by itself, once the learner has
// PeerCaughtUp. The wish is this node's own, and ends with the learner's membership: tell every
// member that may lead. [ErrNoPeer]: not a member.
func (n *Node) PromoteWhenCaughtUp(peer uint64, on bool) error {
	c, h := n.lock()
	if h == nil {
		return closed("PromoteWhenCaughtUp")
	}
	return c.done("PromoteWhenCaughtUp", C.raftcore_promote_when_caught_up(h.node, C.uint64_t(peer), bit(on)))
}

// SetFlags changes flags of a running node: the flags in mask become as in values.
//
// These can change: FlagPreVote, FlagCheckQuorum, FlagForwarding, FlagBatchAppend,
// FlagNominateSuccessor, FlagRetireGracefully, FlagQuietCommit, FlagTransferFence,
// FlagCommitInVotes, FlagReportCommit, FlagSpareHeartbeats, FlagYieldToPriority. If all members must
// know a flag, update all members first.
//
// [ErrArg]: a fixed flag in mask, or FlagLeaseReads without FlagCheckQuorum.
func (n *Node) SetFlags(mask, values Flags) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetFlags")
	}
	return c.done("SetFlags", C.raftcore_set_flags(h.node, C.uint64_t(mask), C.uint64_t(values)))
}

// Ping sends a heartbeat to every peer now, at the leader: to wake sleeping peers, or to ask who is
// there. On other nodes nothing happens.
func (n *Node) Ping() error {
	c, h := n.lock()
	if h == nil {
		return closed("Ping")
	}
	return c.done("Ping", C.raftcore_ping(h.node))
}

// RequestSnapshot asks the leader for a snapshot, for a follower that cannot trust its own state.
//
// The snapshot covers the node's whole log, arrives in a ready as any snapshot, and replaces state
// and log. Until then the node takes no entries. The request is repeated with every heartbeat, and
// ends with the snapshot, with a campaign of this node, or after SnapshotTimeoutTicks, with
// [EventSnapshotEnded]. A leader of etcd's raft knows no such requests.
//
//   - [ErrNoLeader]: this node leads, or no leader is known.
//   - [ErrState]: asked already, a snapshot waits to be stored, or the log has no entry of the
//     leader's term yet. Retry later.
func (n *Node) RequestSnapshot() error {
	c, h := n.lock()
	if h == nil {
		return closed("RequestSnapshot")
	}
	return c.done("RequestSnapshot", C.raftcore_request_snapshot(h.node))
}

// Trim gives back memory that the node does not need now, for a group that has become quiet. Later
// calls may allocate again. The arrays of readies stay.
func (n *Node) Trim() error {
	c, h := n.lock()
	if h == nil {
		return closed("Trim")
	}
	return c.done("Trim", C.raftcore_trim(h.node))
}
