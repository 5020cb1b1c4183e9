package raftcore

// #include "glue.h"
import "C"

// Status is a node as it is now.
type Status struct {
	Role             Role   // what it is
	ID               uint64 // this node
	Group            uint64 // its group
	Term             uint64 // current term
	Vote             uint64 // whom it voted for in term; 0: nobody
	Commit           uint64 // highest index known to be committed
	Applied          uint64 // highest index the host has applied
	Durable          uint64 // highest index on this node's disk, of this log
	Leader           uint64 // 0: none known
	Transferee       uint64 // who is to lead next; 0: nobody
	FirstIndex       uint64 // of the log after the snapshot
	LastIndex        uint64 // end of the log
	LastTerm         uint64 // its term
	RecentFirst      uint64 // first entry still in memory
	SafeToCompact    uint64 // entries up to here are applied, and on every member that a leader knows
	MemoryBytes      uint64 // held by the node
	MessagesDropped  uint64 // outgoing ones lost because a limit was reached
	MessagesRefused  uint64 // incoming ones answered with an error
	MessagesIgnored  uint64 // incoming ones that had no effect
	ProposalsRefused uint64 // proposals answered with an error
	ReadsFailed      uint64 // reads in Ready.Dropped
	EventsLost       uint64 // events that came while too many were waiting
	Implausible      uint64 // messages that contradict what is committed here: look into these
	Peers            uint32 // members, this node included
	Outstanding      uint32 // readies handed out and not ended
	Promotable       bool   // could lead
	Electable        bool   // as SetElectable left it
	ElectionElapsed  uint32 // ticks since the election timer was reset
	ElectionTimeout  uint32 // ticks at which it fires
	Reads            uint32 // reads waiting
	Tokens           uint32 // tokens waiting
}

// Peer is a leader's view of one member.
type Peer struct {
	ID              uint64 // whom
	Match           uint64 // highest index known to be in its log
	Next            uint64 // next index to send
	PendingSnapshot uint64 // index of the snapshot under way; 0: none
	InflightBytes   uint64 // payload in flight
	InflightMsgs    uint32 // appends in flight
	Flow            Flow
	Flags           PeerFlags
	SilentTicks     uint32 // since it was last heard
}

func peerFromC(c *C.raftcore_peer) Peer {
	return Peer{
		ID:              uint64(c.id),
		Match:           uint64(c.match_index),
		Next:            uint64(c.next_index),
		PendingSnapshot: uint64(c.pending_snapshot),
		InflightBytes:   uint64(c.inflight_bytes),
		InflightMsgs:    uint32(c.inflight_msgs),
		Flow:            Flow(c.flow),
		Flags:           PeerFlags(c.flags),
		SilentTicks:     uint32(c.silent_ticks),
	}
}

// Event is something that happened, for logs, traces and tests.
type Event struct {
	Kind   EventKind
	Reason Reason
	Peer   uint64 // whom it concerns; 0: nobody
	Term   uint64 // the node's term then
	Index  uint64 // 0: none
	A, B   uint64 // see the Event… constants
}

func statusFromC(c *C.raftcore_status) Status {
	return Status{
		Role:             Role(c.role),
		ID:               uint64(c.id),
		Group:            uint64(c.group),
		Term:             uint64(c.term),
		Vote:             uint64(c.vote),
		Commit:           uint64(c.commit),
		Applied:          uint64(c.applied),
		Durable:          uint64(c.durable),
		Leader:           uint64(c.leader),
		Transferee:       uint64(c.transferee),
		FirstIndex:       uint64(c.first_index),
		LastIndex:        uint64(c.last_index),
		LastTerm:         uint64(c.last_term),
		RecentFirst:      uint64(c.recent_first),
		SafeToCompact:    uint64(c.safe_to_compact),
		MemoryBytes:      uint64(c.memory_bytes),
		MessagesDropped:  uint64(c.messages_dropped),
		MessagesRefused:  uint64(c.messages_refused),
		MessagesIgnored:  uint64(c.messages_ignored),
		ProposalsRefused: uint64(c.proposals_refused),
		ReadsFailed:      uint64(c.reads_failed),
		EventsLost:       uint64(c.events_lost),
		Implausible:      uint64(c.implausible),
		Peers:            uint32(c.n_peers),
		Outstanding:      uint32(c.n_outstanding),
		Promotable:       c.promotable != 0,
		Electable:        c.electable != 0,
		ElectionElapsed:  uint32(c.election_elapsed),
		ElectionTimeout:  uint32(c.election_timeout),
		Reads:            uint32(c.n_reads),
		Tokens:           uint32(c.n_tokens),
	}
}
