// What a node lacks, from the Storage. Snapshots travel beside the core.

package raft

import (
	"errors"

	"google.golang.org/protobuf/proto"
	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// supply answers what the node asks for; whether there was anything. An error concerns one answer:
// the node asks again later.
func (e *engine) supply() bool {
	any := false
	for {
		f, ok, err := e.core.NextFetch()
		if err != nil || !ok {
			return any
		}
		any = true
		if err := e.answer(f); err != nil {
			if !errors.Is(err, ErrSnapshotTemporarilyUnavailable) {
				e.logger.Warningf("raft: %x has nothing for %x now: %v", e.id, f.Peer, err)
			}
			_, _ = e.core.SupplyNone(f.ID, raftcore.SupplyLater)
		}
	}
}

func (e *engine) answer(f raftcore.Fetch) error {
	if f.Kind == raftcore.FetchSnapshot {
		return e.supplySnapshot(f)
	}
	entries, err := e.storage.Entries(f.First, f.Last+1, f.MaxBytes)
	if errors.Is(err, ErrCompacted) && f.Kind == raftcore.FetchEntries {
		_, err = e.core.SupplyNone(f.ID, raftcore.SupplyGone)
		return err
	}
	if err == nil && len(entries) == 0 {
		err = ErrUnavailable
	}
	if err == nil {
		_, err = e.core.SupplyEntries(f.ID, entriesToCore(entries))
	}
	return err
}

func (e *engine) supplySnapshot(f raftcore.Fetch) error {
	snapshot, err := e.storage.Snapshot()
	if err != nil {
		return err
	}
	metadata := snapshot.GetMetadata()
	if metadata.GetIndex() == 0 {
		return ErrSnapshotTemporarilyUnavailable
	}
	wanted, err := e.core.SupplySnapshot(f.ID, metadata.GetIndex(), confToCore(metadata.GetConfState()), nil)
	if wanted && err == nil {
		e.fetched[f.Peer] = snapshot
	}
	return err
}

// outgoing returns the snapshot of a message to a peer.
func (e *engine) outgoing(view *raftcore.MessageView) *pb.Snapshot {
	snapshot := e.fetched[view.To]
	delete(e.fetched, view.To)
	if snapshot.GetMetadata().GetIndex() != view.Index {
		e.logger.Errorf("raft: %x has lost the snapshot at %d for %x", e.id, view.Index, view.To)
		return &pb.Snapshot{}
	}
	return snapshot
}

// installed returns the snapshot of the view.
func (e *engine) installed() *pb.Snapshot {
	conf := &pb.ConfState{}
	if err := proto.Unmarshal(e.view.SnapshotConf, conf); err != nil {
		e.logger.Panicf("raft: %x stops: the membership of a snapshot: %v", e.id, err)
	}
	return e.kept(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{
		ConfState: conf, Index: proto.Uint64(e.view.SnapshotIndex), Term: proto.Uint64(e.view.SnapshotTerm)}})
}

// kept returns the snapshot that came from a peer, with its data.
func (e *engine) kept(bare *pb.Snapshot) *pb.Snapshot {
	for _, came := range e.received {
		if came.GetMetadata().GetIndex() == bare.GetMetadata().GetIndex() && came.GetMetadata().GetTerm() == bare.GetMetadata().GetTerm() {
			return came
		}
	}
	return bare
}

// showCompaction tells the core what the host has dropped from the log.
func (e *engine) showCompaction() {
	first, err := e.storage.FirstIndex()
	if err != nil || first-1 <= e.compacted {
		return
	}
	// While a Ready is not acknowledged this may be too early: the next tick tries again.
	if err := e.core.Compacted(first - 1); err == nil || errors.Is(err, raftcore.ErrStale) {
		e.compacted = first - 1
	}
}
