package conformance

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// errCompacted has the text that etcd's storage gives.
var errCompacted = errors.New("requested index is unavailable due to compaction")

// mirror is what a node's disk holds: a snapshot's place, then the log.
type mirror struct {
	base, baseTerm uint64          // index and term before the first entry
	entries        []*raftpb.Entry // contiguous from base+1
	hardState      *raftpb.HardState
}

func (m *mirror) first() uint64 { return m.base + 1 }
func (m *mirror) last() uint64  { return m.base + uint64(len(m.entries)) }

// store does one write job: hard state, then either a snapshot, which replaces the whole log, or entries, which replace all
// from the first one's index on.
func (m *mirror) store(hs *raftpb.HardState, snap *raftpb.Snapshot, entries []*raftpb.Entry) error {
	if hs != nil {
		m.hardState = hs
	}
	if snap != nil {
		if len(entries) != 0 {
			return errors.New("can't apply snapshot and entries at the same time")
		}
		index := snap.GetMetadata().GetIndex()
		if m.base != 0 && m.base >= index {
			return errors.New("requested index is older than the existing snapshot")
		}
		m.base, m.baseTerm, m.entries = index, snap.GetMetadata().GetTerm(), nil
		return nil
	}
	for len(entries) != 0 && entries[0].GetIndex() <= m.base {
		entries = entries[1:] // compacted meanwhile
	}
	if len(entries) == 0 {
		return nil
	}
	at := entries[0].GetIndex()
	if at > m.last()+1 {
		return fmt.Errorf("log ends at %d, entries begin at %d", m.last(), at)
	}
	kept := at - m.first()
	m.entries = append(m.entries[:kept:kept], entries...)
	return nil
}

// slice answers the entries first..=last that are there, from the first on; none if first is gone or not written.
func (m *mirror) slice(first, last uint64) []*raftpb.Entry {
	last = min(last, m.last())
	if first < m.first() || first > last {
		return nil
	}
	return m.entries[first-m.first() : last-m.base]
}

// compact drops the entries up to index.
func (m *mirror) compact(index uint64) error {
	if index <= m.base {
		return errCompacted
	}
	if index > m.last() {
		return fmt.Errorf("compact %d is out of bound lastindex(%d)", index, m.last())
	}
	cut := index - m.base
	m.base, m.baseTerm = index, m.entries[cut-1].GetTerm()
	m.entries = append([]*raftpb.Entry(nil), m.entries[cut:]...)
	return nil
}
