package raftcore

// #include "glue.h"
import "C"

import "fmt"

// Status is the state of a node.
type Status struct {
	Role             Role
	ID               uint64 // the id of the node
	Group            uint64 // the group of the node
	Term             uint64 // current term
	Vote             uint64 // the candidate with the node's vote in Term; 0: nobody
	Commit           uint64 // highest index known to be committed
	Applied          uint64 // highest index that you have applied
	Durable          uint64 // highest durable index on this node's disk
	Leader           uint64 // 0: unknown
	Transferee       uint64 // target of a transfer of leadership; 0: no transfer
	FirstIndex       uint64 // first index of the log, behind the snapshot
	LastIndex        uint64 // last index of the log
	LastTerm         uint64 // the term of the last entry
	RecentFirst      uint64 // first entry still in memory
	SafeToCompact    uint64 // the node has applied, and each member known to a leader has stored, all entries up to here
	MemoryBytes      uint64 // held by the node
	MessagesDropped  uint64 // outgoing messages lost at a limit
	MessagesRefused  uint64 // incoming messages refused with an error
	MessagesIgnored  uint64 // incoming messages without effect
	ProposalsRefused uint64 // proposals refused with an error
	ReadsFailed      uint64 // reads in Ready.Dropped
	EventsLost       uint64 // events lost, since nobody took them
	Implausible      uint64 // messages that contradict committed entries: investigate
	Peers            uint32 // members, including this node
	Outstanding      uint32 // outstanding readies
	Promotable       bool   // could lead
	Electable        bool   // set by SetElectable
	ElectionElapsed  uint32 // ticks since the election timer was reset
	ElectionTimeout  uint32 // ticks until a campaign
	Reads            uint32 // waiting reads
	Tokens           uint32 // waiting tokens
	LastReady        uint64 // number of the newest ready; 0: none yet
	LateTicks        uint64 // ticks that came while a ready waited for the host; 0 if the host is never late
	ApplyWaits       uint64 // first entry of an unanswered FetchApply; 0: none
}

// Peer is a member as seen by a leader.
type Peer struct {
	ID              uint64
	Match           uint64 // highest index known to be in the peer's log
	Next            uint64 // next index to send
	PendingSnapshot uint64 // index of the snapshot in flight; 0: no snapshot
	InflightBytes   uint64 // payload in flight
	InflightMsgs    uint32 // appends in flight
	Flow            Flow
	Flags           PeerFlags
	SilentTicks     uint32 // since the leader last heard from the peer
	Commit          uint64 // highest commit index that the peer told of, see FlagReportCommit; 0: none
	Group           uint64 // of [Node.SetCommitGroup]; 0: none
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
		Commit:          uint64(c.commit),
		Group:           uint64(c.group),
	}
}

// Event is a record for logs and tests.
type Event struct {
	Kind   EventKind
	Reason Reason
	Peer   uint64 // the node concerned; 0: none
	Term   uint64 // the node's term at the time
	Index  uint64 // 0: none
	A, B   uint64 // see the constants of EventKind
}

// String returns the event as a line for a log.
func (e Event) String() string {
	s := e.Kind.String()
	if e.Reason != ReasonNone {
		s += ": " + e.Reason.String()
	}
	s += fmt.Sprintf(" (term %d", e.Term)
	for _, field := range [...]struct {
		name  string
		value uint64
	}{{"node", e.Peer}, {"index", e.Index}, {"a", e.A}, {"b", e.B}} {
		if field.value != 0 {
			s += fmt.Sprintf(", %s %d", field.name, field.value)
		}
	}
	return s + ")"
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
		LastReady:        uint64(c.last_ready),
		LateTicks:        uint64(c.late_ticks),
		ApplyWaits:       uint64(c.apply_waits),
	}
}
