// A Storage in memory.

package raft

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	pb "go.etcd.io/raft/v3/raftpb"
)

// MemoryStorage is a [Storage] in memory, for any goroutines. Entries are shared between the
// callers: nobody may change an entry.
type MemoryStorage struct {
	sync.Mutex // held by each method; callers need no lock

	state    *pb.HardState
	snapshot *pb.Snapshot
	// The log begins behind this entry.
	before, beforeTerm uint64
	entries            []*pb.Entry
}

// NewMemoryStorage returns an empty storage.
func NewMemoryStorage() *MemoryStorage {
	return &MemoryStorage{state: &pb.HardState{}, snapshot: pb.EnsureSnapshot(nil)}
}

func (ms *MemoryStorage) last() uint64 { return ms.before + uint64(len(ms.entries)) }

// InitialState returns the hard state, and the membership of the snapshot.
func (ms *MemoryStorage) InitialState() (*pb.HardState, *pb.ConfState, error) {
	ms.Lock()
	defer ms.Unlock()
	return ms.state, ms.snapshot.GetMetadata().GetConfState(), nil
}

// SetHardState replaces the hard state.
func (ms *MemoryStorage) SetHardState(st *pb.HardState) error {
	ms.Lock()
	defer ms.Unlock()
	ms.state = st
	return nil
}

// FirstIndex returns the index of the first entry.
func (ms *MemoryStorage) FirstIndex() (uint64, error) {
	ms.Lock()
	defer ms.Unlock()
	return ms.before + 1, nil
}

// LastIndex returns the index of the last entry.
func (ms *MemoryStorage) LastIndex() (uint64, error) {
	ms.Lock()
	defer ms.Unlock()
	return ms.last(), nil
}

// Term returns the term of an entry, or of the entry before the first.
func (ms *MemoryStorage) Term(i uint64) (uint64, error) {
	ms.Lock()
	defer ms.Unlock()
	switch {
	case i < ms.before:
		return 0, ErrCompacted
	case i > ms.last():
		return 0, ErrUnavailable
	case i == ms.before:
		return ms.beforeTerm, nil
	}
	return ms.entries[i-ms.before-1].GetTerm(), nil
}

// Entries returns the entries from lo to hi-1, as [Storage] says.
func (ms *MemoryStorage) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	ms.Lock()
	defer ms.Unlock()
	switch {
	case lo <= ms.before:
		return nil, ErrCompacted
	case hi > ms.last()+1 || lo > hi:
		return nil, ErrUnavailable
	}
	list := ms.entries[lo-ms.before-1 : hi-ms.before-1]
	size := uint64(0)
	for i, e := range list {
		size += uint64(proto.Size(e))
		if i > 0 && size > maxSize {
			list = list[:i]
			break
		}
	}
	// Without spare capacity: an append of the caller must not reach the log.
	return list[:len(list):len(list)], nil
}

// Append adds entries, and replaces the log from the first of them on. Entries that are compacted
// away already are left out. An error: the entries do not follow the log; nothing was done, and the
// host has lost entries.
func (ms *MemoryStorage) Append(entries []*pb.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	ms.Lock()
	defer ms.Unlock()
	first := entries[0].GetIndex()
	if first > ms.last()+1 {
		err := fmt.Errorf("raft: entries from %d on do not follow a log that ends at %d", first, ms.last())
		defaultLogger().Error(err)
		return err
	}
	if first <= ms.before {
		gone := ms.before + 1 - first
		if gone >= uint64(len(entries)) {
			return nil
		}
		entries = entries[gone:]
		first += gone
	}
	keep := first - ms.before - 1
	if keep < uint64(len(ms.entries)) {
		// Lists of earlier callers must not change.
		ms.entries = ms.entries[:keep:keep]
	}
	ms.entries = append(ms.entries, entries...)
	return nil
}

// Compact drops the entries up to compactIndex. ErrCompacted: they are gone already. ErrUnavailable:
// the log ends before.
func (ms *MemoryStorage) Compact(compactIndex uint64) error {
	ms.Lock()
	defer ms.Unlock()
	switch {
	case compactIndex <= ms.before:
		return ErrCompacted
	case compactIndex > ms.last():
		return ErrUnavailable
	}
	drop := compactIndex - ms.before
	ms.before, ms.beforeTerm = compactIndex, ms.entries[drop-1].GetTerm()
	// A new list, so that the dropped entries can be collected.
	ms.entries = append(make([]*pb.Entry, 0, uint64(len(ms.entries))-drop), ms.entries[drop:]...)
	return nil
}

// Snapshot returns the newest snapshot. The data are shared.
func (ms *MemoryStorage) Snapshot() (*pb.Snapshot, error) {
	ms.Lock()
	defer ms.Unlock()
	return shareSnapshot(ms.snapshot), nil
}

// CreateSnapshot makes a snapshot that covers the log up to i, and returns it. cs is the membership
// as of i; nil: as in the snapshot before. ErrSnapOutOfDate: a newer one is there. ErrUnavailable:
// the log ends before. ErrCompacted: the log begins behind i.
func (ms *MemoryStorage) CreateSnapshot(i uint64, cs *pb.ConfState, data []byte) (*pb.Snapshot, error) {
	ms.Lock()
	defer ms.Unlock()
	switch {
	case i <= ms.snapshot.GetMetadata().GetIndex():
		return nil, ErrSnapOutOfDate
	case i > ms.last():
		return nil, ErrUnavailable
	case i < ms.before:
		return nil, ErrCompacted
	}
	term := ms.beforeTerm
	if i > ms.before {
		term = ms.entries[i-ms.before-1].GetTerm()
	}
	if cs == nil {
		cs = ms.snapshot.GetMetadata().GetConfState()
	}
	ms.snapshot = &pb.Snapshot{Data: data, Metadata: &pb.SnapshotMetadata{
		ConfState: proto.CloneOf(cs), Index: proto.Uint64(i), Term: proto.Uint64(term)}}
	return shareSnapshot(ms.snapshot), nil
}

// ApplySnapshot replaces everything by a snapshot. ErrSnapOutOfDate: one as new is there. A snapshot
// at index 0 sets the first membership.
func (ms *MemoryStorage) ApplySnapshot(snap *pb.Snapshot) error {
	ms.Lock()
	defer ms.Unlock()
	present := ms.snapshot.GetMetadata().GetIndex()
	if present != 0 && snap.GetMetadata().GetIndex() <= present {
		return ErrSnapOutOfDate
	}
	ms.snapshot = shareSnapshot(pb.EnsureSnapshot(snap))
	ms.before, ms.beforeTerm = snap.GetMetadata().GetIndex(), snap.GetMetadata().GetTerm()
	ms.entries = nil
	return nil
}

// shareSnapshot returns a snapshot with metadata of its own and the same data.
func shareSnapshot(s *pb.Snapshot) *pb.Snapshot {
	return &pb.Snapshot{Data: s.GetData(), Metadata: proto.CloneOf(s.GetMetadata())}
}
