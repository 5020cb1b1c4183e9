// Memberships and snapshots: comparison, and values for missing parts.

package raftpb

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
)

// Equivalent returns nil if the memberships are equal. The order of members does not count. An error
// shows the two memberships.
func (cs *ConfState) Equivalent(cs2 *ConfState) error {
	if cs == nil || cs2 == nil {
		return errors.New("raftpb: a membership to compare is nil")
	}
	same := sameIDs(cs.Voters, cs2.Voters) && sameIDs(cs.Learners, cs2.Learners) &&
		sameIDs(cs.VotersOutgoing, cs2.VotersOutgoing) && sameIDs(cs.LearnersNext, cs2.LearnersNext) &&
		cs.GetAutoLeave() == cs2.GetAutoLeave()
	if !same {
		return fmt.Errorf("raftpb: the memberships differ: (%v) and (%v)", cs, cs2)
	}
	return nil
}

func sameIDs(a, b []uint64) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// EnsureConfState returns cs with every missing field set to its zero; a new one for nil.
func EnsureConfState(cs *ConfState) *ConfState {
	if cs == nil {
		cs = new(ConfState)
	}
	if cs.AutoLeave == nil {
		cs.AutoLeave = proto.Bool(false)
	}
	return cs
}

// EnsureSnapshotMetadata returns m with every missing field set to its zero; a new one for nil.
func EnsureSnapshotMetadata(m *SnapshotMetadata) *SnapshotMetadata {
	if m == nil {
		m = new(SnapshotMetadata)
	}
	// Complete metadata are only read, since other goroutines may read them too.
	if conf := EnsureConfState(m.ConfState); m.ConfState == nil {
		m.ConfState = conf
	}
	if m.Index == nil {
		m.Index = proto.Uint64(0)
	}
	if m.Term == nil {
		m.Term = proto.Uint64(0)
	}
	return m
}

// EnsureSnapshot returns s with every missing field of its metadata set to its zero; a new one for
// nil.
func EnsureSnapshot(s *Snapshot) *Snapshot {
	if s == nil {
		s = new(Snapshot)
	}
	if metadata := EnsureSnapshotMetadata(s.Metadata); s.Metadata == nil {
		s.Metadata = metadata
	}
	return s
}
