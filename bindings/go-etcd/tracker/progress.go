// How far a member is, and how the leader sends to it.

package tracker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// StateType is how a leader sends to a member.
type StateType uint64

const (
	StateProbe     StateType = iota // an append at a time, to find where the logs meet
	StateReplicate                  // a stream of appends
	StateSnapshot                   // a snapshot is in flight, and nothing else is sent
)

// String returns the name of the constant.
func (st StateType) String() string {
	switch st {
	case StateProbe:
		return "StateProbe"
	case StateReplicate:
		return "StateReplicate"
	case StateSnapshot:
		return "StateSnapshot"
	}
	return "StateType(" + strconv.FormatUint(uint64(st), 10) + ")"
}

// Progress is a member as a leader sees it.
type Progress struct {
	Match            uint64 // highest index that is known to be in the member's log
	Next             uint64 // next index to send
	State            StateType
	PendingSnapshot  uint64     // index of the snapshot in flight; 0: none
	RecentActive     bool       // heard from since the last check of the quorum
	MsgAppFlowPaused bool       // nothing is sent before the member answers
	Inflights        *Inflights // appends in flight
	IsLearner        bool
}

// IsPaused reports whether the leader waits before it sends entries.
func (pr *Progress) IsPaused() bool { return pr.State == StateSnapshot || pr.MsgAppFlowPaused }

// String returns the progress in a line.
func (pr *Progress) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s match=%d next=%d", pr.State, pr.Match, pr.Next)
	if pr.IsLearner {
		b.WriteString(" learner")
	}
	if pr.IsPaused() {
		b.WriteString(" paused")
	}
	if pr.PendingSnapshot > 0 {
		fmt.Fprintf(&b, " pendingSnap=%d", pr.PendingSnapshot)
	}
	if !pr.RecentActive {
		b.WriteString(" inactive")
	}
	if pr.Inflights != nil && pr.Inflights.Count() > 0 {
		fmt.Fprintf(&b, " inflight=%d", pr.Inflights.Count())
		if pr.Inflights.Full() {
			b.WriteString("[full]")
		}
	}
	return b.String()
}

// ProgressMap has the progress of each member, by id.
type ProgressMap map[uint64]*Progress

// String returns a line for each member, by id.
func (m ProgressMap) String() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%d: %s\n", id, m[id])
	}
	return b.String()
}
