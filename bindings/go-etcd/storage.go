// The log as a node reads it.

package raft

import (
	"errors"

	pb "go.etcd.io/raft/v3/raftpb"
)

var (
	// ErrCompacted: the entry is older than the log.
	ErrCompacted = errors.New("raft: the entry is compacted away")
	// ErrUnavailable: the entry is newer than the log.
	ErrUnavailable = errors.New("raft: the entry is beyond the end of the log")
	// ErrSnapOutOfDate: a snapshot that is as new, or newer, is there already.
	ErrSnapOutOfDate = errors.New("raft: the snapshot is older than the present one")
	// ErrSnapshotTemporarilyUnavailable: no snapshot can be made now. The node asks again later.
	ErrSnapshotTemporarilyUnavailable = errors.New("raft: no snapshot is available now")
)

// Storage is the log as a node reads it. The host writes the log: see [Ready]. A node reads at its
// start, for peers that are far behind, and for entries to apply that have left memory.
//
// Methods are called while the node is locked, and must not call the node.
type Storage interface {
	// InitialState returns the stored hard state, and the membership of the snapshot.
	InitialState() (*pb.HardState, *pb.ConfState, error)
	// Entries returns the entries from lo to hi-1, at least the first, and no more than maxSize bytes of
	// others. ErrCompacted: lo is gone. ErrUnavailable: an entry is missing.
	Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error)
	// Term returns the term of an entry, from FirstIndex()-1 to LastIndex().
	Term(i uint64) (uint64, error)
	// LastIndex returns the index of the last entry.
	LastIndex() (uint64, error)
	// FirstIndex returns the index of the first entry, behind what is compacted away.
	FirstIndex() (uint64, error)
	// Snapshot returns the newest snapshot.
	Snapshot() (*pb.Snapshot, error)
}
