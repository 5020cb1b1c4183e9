package raft_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

func entry(index, term uint64) *pb.Entry {
	return &pb.Entry{Index: proto.Uint64(index), Term: proto.Uint64(term), Data: fmt.Appendf(nil, "%d at %d", index, term)}
}

// filled has a snapshot at 3 and the entries 4 to 6.
func filled(t *testing.T) *raft.MemoryStorage {
	ms := raft.NewMemoryStorage()
	must(t, ms.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: proto.Uint64(3), Term: proto.Uint64(2),
		ConfState: &pb.ConfState{Voters: []uint64{1}}}}))
	must(t, ms.Append([]*pb.Entry{entry(4, 2), entry(5, 3), entry(6, 3)}))
	return ms
}

func TestMemoryStorageKnowsItsBounds(t *testing.T) {
	ms := filled(t)
	first, _ := ms.FirstIndex()
	last, _ := ms.LastIndex()
	if first != 4 || last != 6 {
		t.Fatalf("%d to %d", first, last)
	}
	for _, c := range []struct {
		index, term uint64
		err         error
	}{{2, 0, raft.ErrCompacted}, {3, 2, nil}, {4, 2, nil}, {6, 3, nil}, {7, 0, raft.ErrUnavailable}} {
		if term, err := ms.Term(c.index); term != c.term || !errors.Is(err, c.err) {
			t.Errorf("term of %d: %d, %v", c.index, term, err)
		}
	}
	for _, c := range []struct {
		lo, hi, size uint64
		n            int
		err          error
	}{
		{3, 5, 1 << 20, 0, raft.ErrCompacted}, {4, 7, 1 << 20, 3, nil}, {4, 8, 1 << 20, 0, raft.ErrUnavailable},
		{4, 7, 0, 1, nil}, {4, 4, 0, 0, nil}, {5, 4, 0, 0, raft.ErrUnavailable},
		{4, 7, uint64(proto.Size(entry(4, 2)) + proto.Size(entry(5, 3))), 2, nil},
	} {
		if got, err := ms.Entries(c.lo, c.hi, c.size); len(got) != c.n || !errors.Is(err, c.err) {
			t.Errorf("%d to %d, %d bytes: %d entries, %v", c.lo, c.hi, c.size, len(got), err)
		}
	}
}

func TestMemoryStorageAppendsReplacesAndRefusesGaps(t *testing.T) {
	raft.SetLogger(quiet(&bytes.Buffer{}))
	defer raft.ResetDefaultLogger()
	ms := filled(t)
	before, _ := ms.Entries(4, 7, 1<<20)
	must(t, ms.Append([]*pb.Entry{entry(2, 2), entry(3, 2), entry(4, 2), entry(5, 4)}))
	if last, _ := ms.LastIndex(); last != 5 {
		t.Fatalf("the log ends at %d", last)
	}
	if term, _ := ms.Term(5); term != 4 || before[1].GetTerm() != 3 {
		t.Fatal("the entry was not replaced, or a list that was handed out changed")
	}
	must(t, ms.Append([]*pb.Entry{entry(1, 1), entry(2, 2)}))
	if err := ms.Append([]*pb.Entry{entry(7, 4)}); err == nil {
		t.Fatal("a gap was taken")
	}
}

func TestMemoryStorageSnapshotsAndCompacts(t *testing.T) {
	ms := filled(t)
	if _, err := ms.CreateSnapshot(3, nil, nil); !errors.Is(err, raft.ErrSnapOutOfDate) {
		t.Error(err)
	}
	if _, err := ms.CreateSnapshot(7, nil, nil); !errors.Is(err, raft.ErrUnavailable) {
		t.Error(err)
	}
	snapshot, err := ms.CreateSnapshot(5, &pb.ConfState{Voters: []uint64{1, 2}}, []byte("state"))
	must(t, err)
	if m := snapshot.GetMetadata(); m.GetIndex() != 5 || m.GetTerm() != 3 || len(m.GetConfState().GetVoters()) != 2 {
		t.Fatalf("%v", snapshot)
	}
	snapshot.Metadata.Index = proto.Uint64(99)
	if again, _ := ms.Snapshot(); again.GetMetadata().GetIndex() != 5 || string(again.GetData()) != "state" {
		t.Fatal("a caller changed the snapshot")
	}
	must(t, ms.Compact(5))
	if err := ms.Compact(5); !errors.Is(err, raft.ErrCompacted) {
		t.Error(err)
	}
	if err := ms.Compact(7); !errors.Is(err, raft.ErrUnavailable) {
		t.Error(err)
	}
	if first, _ := ms.FirstIndex(); first != 6 {
		t.Fatalf("the log begins at %d", first)
	}
	if term, _ := ms.Term(5); term != 3 {
		t.Fatalf("the term before the log is %d", term)
	}
	if err := ms.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: proto.Uint64(5)}}); !errors.Is(err, raft.ErrSnapOutOfDate) {
		t.Error(err)
	}
}

// etcd 3.7 passes the membership of a member without a snapshot like this.
func TestASnapshotAtZeroIsAMembership(t *testing.T) {
	ms := raft.NewMemoryStorage()
	must(t, ms.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{ConfState: &pb.ConfState{Voters: []uint64{1}}}}))
	must(t, ms.SetHardState(&pb.HardState{Term: proto.Uint64(1), Commit: proto.Uint64(1)}))
	must(t, ms.Append([]*pb.Entry{entry(1, 1)}))
	node, err := raft.NewRawNode(&raft.Config{ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: ms, MaxInflightMsgs: 1,
		Logger: quiet(&bytes.Buffer{})})
	must(t, err)
	must(t, node.Campaign())
	for node.HasReady() {
		rd := node.Ready()
		must(t, ms.Append(rd.Entries))
		node.Advance(rd)
	}
	if s := node.BasicStatus(); s.RaftState != raft.StateLeader || s.Applied != 2 {
		t.Fatalf("%v, applied %d", s.RaftState, s.Applied)
	}
}

// A member does not start on a lost log, or on a log that contradicts the commit index.
func TestAStorageThatContradictsItselfIsAnError(t *testing.T) {
	for name, spoil := range map[string]func(*raft.MemoryStorage) error{
		"commit beyond the log": func(ms *raft.MemoryStorage) error {
			return ms.SetHardState(&pb.HardState{Term: proto.Uint64(3), Commit: proto.Uint64(99)})
		},
		"a falling term": func(ms *raft.MemoryStorage) error { return ms.Append([]*pb.Entry{entry(7, 1)}) },
	} {
		ms := filled(t)
		must(t, ms.SetHardState(&pb.HardState{Term: proto.Uint64(3), Commit: proto.Uint64(6)}))
		must(t, spoil(ms))
		_, err := raft.NewRawNode(&raft.Config{ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: ms, MaxInflightMsgs: 1})
		if err == nil {
			t.Errorf("%s: the node starts", name)
		}
	}
}
