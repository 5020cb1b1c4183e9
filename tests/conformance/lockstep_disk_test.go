package conformance

import (
	"encoding/binary"
	"hash/fnv"
	"slices"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A disk is what survives a crash of one node: log and hard state, and the state machine with its configuration. Both nodes
// of a pair live from the same disk: etcd's reads it through raft.Storage, raftcore's asks for what it lacks.
type disk struct {
	mirror
	history []*raftpb.Snapshot // the state after each applied entry, from some index on
	lags    bool               // the snapshot to supply is an older state, as of taken; else the newest
	taken   uint64
}

func newDisk(snap *raftpb.Snapshot) *disk {
	d := &disk{history: []*raftpb.Snapshot{snap}}
	d.base, d.baseTerm = snap.GetMetadata().GetIndex(), snap.GetMetadata().GetTerm()
	return d
}

func (d *disk) newest() *raftpb.Snapshot { return d.history[len(d.history)-1] }
func (d *disk) applied() uint64          { return d.newest().GetMetadata().GetIndex() }

// snapshot is the one to supply: no older than the log's beginning.
func (d *disk) snapshot() *raftpb.Snapshot {
	if !d.lags {
		return d.newest()
	}
	first := d.history[0].GetMetadata().GetIndex()
	return d.history[min(max(d.taken, d.base), d.applied())-first]
}

// setConf gives the newest state another configuration.
func (d *disk) setConf(conf *raftpb.ConfState) {
	old := d.newest()
	d.history = append(slices.Clone(d.history[:len(d.history)-1]), &raftpb.Snapshot{
		Data: old.GetData(),
		Metadata: &raftpb.SnapshotMetadata{
			ConfState: conf, Index: new(old.GetMetadata().GetIndex()), Term: new(old.GetMetadata().GetTerm()),
		},
	})
}

// commit is the stored commit index.
func (d *disk) commit() uint64 { return max(d.hardState.GetCommit(), d.base) }

// store does one write job; a snapshot is the state machine's, too.
func (d *disk) store(hs *raftpb.HardState, snap *raftpb.Snapshot, entries []*raftpb.Entry) error {
	if err := d.mirror.store(hs, snap, nil); err != nil {
		return err
	}
	if snap != nil {
		d.history = []*raftpb.Snapshot{snap}
	}
	return d.mirror.store(nil, nil, entries)
}

// add applies an entry, after which conf is in force. The state is a digest of all that was applied.
func (d *disk) add(e *raftpb.Entry, conf *raftpb.ConfState) {
	h := fnv.New64a()
	_, _ = h.Write(d.newest().GetData())
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, e.GetTerm()))
	_, _ = h.Write(e.GetData())
	d.history = append(d.history, &raftpb.Snapshot{
		Data:     h.Sum(nil),
		Metadata: &raftpb.SnapshotMetadata{ConfState: conf, Index: new(e.GetIndex()), Term: new(e.GetTerm())},
	})
}

// forget goes back to an earlier state of the state machine: what it applied later was not on the disk.
func (d *disk) forget(applied uint64) {
	first := d.history[0].GetMetadata().GetIndex()
	if applied >= first && applied <= d.applied() {
		d.history = d.history[:applied-first+1]
	}
}

// trim drops states that no restart may begin with any more.
func (d *disk) trim() {
	for len(d.history) > 1 && d.history[0].GetMetadata().GetIndex() < d.base {
		d.history = d.history[1:]
	}
}

func (d *disk) term(index uint64) (uint64, error) {
	switch {
	case index < d.base:
		return 0, raft.ErrCompacted
	case index == d.base:
		return d.baseTerm, nil
	case index > d.last():
		return 0, raft.ErrUnavailable
	}
	return d.entries[index-d.first()].GetTerm(), nil
}

// diskView shows a disk to etcd's raft.
type diskView struct{ *disk }

func (v diskView) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return v.hardState, raftpb.EnsureConfState(v.newest().GetMetadata().GetConfState()), nil
}

func (v diskView) Entries(lo, hi, limit uint64) ([]*raftpb.Entry, error) {
	if lo <= v.base {
		return nil, raft.ErrCompacted
	}
	if hi > v.last()+1 {
		return nil, raft.ErrUnavailable
	}
	list := v.slice(lo, hi-1)
	size := uint64(0)
	for i, e := range list {
		size += uint64(proto.Size(e))
		if size > limit && i > 0 {
			list = list[:i]
			break
		}
	}
	return list[:len(list):len(list)], nil
}

func (v diskView) Term(index uint64) (uint64, error) { return v.term(index) }
func (v diskView) FirstIndex() (uint64, error)       { return v.first(), nil }
func (v diskView) LastIndex() (uint64, error)        { return v.last(), nil }
func (v diskView) Snapshot() (*raftpb.Snapshot, error) {
	return proto.Clone(v.snapshot()).(*raftpb.Snapshot), nil
}
