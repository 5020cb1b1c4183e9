package raft_test

// What etcd's raft panics on: each row of the README's table is an error, a line of the log, or nothing.

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

func TestAProposalWithoutEntriesIsAnError(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	for name, from := range map[string]uint64{"own": 1, "without a sender": 0, "of a peer": 2} {
		err := leader.node.Step(&pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(from), To: proto.Uint64(1)})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	must(t, leader.node.Propose([]byte("a")))
	g.work()
	g.same([]string{"a"}, 1, 2, 3)
}

func TestAProposalOfSeveralEntriesIsTakenWholeOrNotAtAll(t *testing.T) {
	g := newGroup(t, func(c *raft.Config) { c.MaxUncommittedEntriesSize = 64 }, 1, 2, 3)
	leader := g.elect(1)
	g.cut[2], g.cut[3] = true, true
	proposal := &pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(1), To: proto.Uint64(1)}
	for _, word := range []string{"a", "b", strings.Repeat("c", 100)} {
		proposal.Entries = append(proposal.Entries, &pb.Entry{Data: []byte(word)})
	}
	must(t, leader.node.Propose([]byte("first")))
	if err := leader.node.Step(proposal); !errors.Is(err, raft.ErrProposalDropped) {
		t.Fatalf("a proposal beyond the limit: %v", err)
	}
	g.work()
	g.cut = map[uint64]bool{}
	g.ticks(5)
	g.same([]string{"first"}, 1, 2, 3)
}

func TestAChangeThatNobodyCanReadIsRefused(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	for _, kind := range []pb.EntryType{pb.EntryConfChange, pb.EntryConfChangeV2} {
		for _, from := range []uint64{1, 2} {
			err := leader.node.Step(&pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(from), To: proto.Uint64(1),
				Entries: []*pb.Entry{{Type: kind.Enum(), Data: []byte("no change")}}})
			if err == nil {
				t.Errorf("%v from %d: taken", kind, from)
			}
		}
	}
	g.work()
	must(t, leader.node.Propose([]byte("a")))
	g.work()
	g.same([]string{"a"}, 1, 2, 3)
}

func TestASnapshotWithAnImpossibleMembershipIsRefused(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	follower := g.members[2]
	for name, conf := range map[string]*pb.ConfState{
		"a learner that votes":          {Voters: []uint64{1, 2}, Learners: []uint64{2}},
		"a leaver that is not outgoing": {Voters: []uint64{1, 2}, LearnersNext: []uint64{3}},
	} {
		term := leader.node.BasicStatus().GetTerm()
		_ = follower.node.Step(&pb.Message{Type: pb.MsgSnap.Enum(), From: proto.Uint64(1), To: proto.Uint64(2), Term: proto.Uint64(term),
			Snapshot: &pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: proto.Uint64(99), Term: proto.Uint64(term), ConfState: conf}}})
		if rd := follower.node.Ready(); rd.Snapshot != nil {
			t.Errorf("%s: installed", name)
		} else {
			follower.node.Advance(rd)
		}
	}
	must(t, leader.node.Propose([]byte("a")))
	g.work()
	g.same([]string{"a"}, 1, 2, 3)
}

func TestASecondReadyBeforeAdvanceIsEmpty(t *testing.T) {
	g := newGroup(t, nil, 1)
	m := g.elect(1)
	must(t, m.node.Propose([]byte("a")))
	rd := m.node.Ready()
	must(t, m.node.Propose([]byte("b")))
	if second := m.node.Ready(); len(second.Entries)+len(second.CommittedEntries)+len(second.Messages) > 0 {
		t.Fatalf("a second Ready:\n%s", raft.DescribeReady(second, nil))
	}
	must(t, m.storage.Append(rd.Entries))
	m.node.Advance(rd)
	m.node.Advance(rd) // once too often
	for range 3 {
		g.work()
	}
	if got := strings.Join(m.state, " "); !strings.HasSuffix(got, "b") {
		t.Fatalf("the state is %q:\n%s", got, m.lines.String())
	}
}

// broken is a storage whose reads fail for a while.
type broken struct {
	*raft.MemoryStorage
	fails bool
	asked int
}

func (b *broken) Entries(lo, hi, maxSize uint64) ([]*pb.Entry, error) {
	if b.asked++; b.fails {
		return nil, errors.New("the disk is broken")
	}
	return b.MemoryStorage.Entries(lo, hi, maxSize)
}

func (b *broken) Snapshot() (*pb.Snapshot, error) {
	if b.asked++; b.fails {
		return nil, errors.New("the disk is broken")
	}
	return b.MemoryStorage.Snapshot()
}

func TestAStorageThatFailsIsLoggedAndAskedAgain(t *testing.T) {
	for _, compact := range []bool{false, true} {
		storage := &broken{}
		g := newGroup(t, func(c *raft.Config) {
			if c.ID == 1 {
				storage.MemoryStorage = c.Storage.(*raft.MemoryStorage)
				c.Storage = storage
			}
		}, 1, 2, 3)
		leader := g.elect(1)
		g.cut[3] = true
		for range 70 { // more than the node keeps in memory
			must(t, leader.node.Propose(bytes.Repeat([]byte("x"), 1<<20)))
			g.work()
		}
		if compact {
			must(t, leader.snapshot())
		}
		storage.fails, storage.asked = true, 0
		g.cut = map[uint64]bool{}
		g.ticks(20)
		if storage.asked == 0 || !strings.Contains(leader.lines.String(), "WARN: raft: 1 has nothing for 3 now: the disk is broken") {
			t.Fatalf("asked %d times, and no line about it:\n%s", storage.asked, leader.lines.String())
		}
		if lines := strings.Count(leader.lines.String(), "the disk is broken"); lines > 100 {
			t.Fatalf("%d lines in 20 ticks", lines)
		}
		storage.fails = false
		g.ticks(40)
		g.same(leader.state, 2, 3)
	}
}

func TestACommitIndexBelowTheSnapshotIsRaised(t *testing.T) {
	ms := filled(t)
	must(t, ms.ApplySnapshot(&pb.Snapshot{Metadata: &pb.SnapshotMetadata{Index: proto.Uint64(9), Term: proto.Uint64(3),
		ConfState: &pb.ConfState{Voters: []uint64{1}}}}))
	must(t, ms.SetHardState(&pb.HardState{Term: proto.Uint64(3), Commit: proto.Uint64(4)}))
	node, err := raft.NewRawNode(&raft.Config{ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: ms, MaxInflightMsgs: 1,
		Logger: quiet(&bytes.Buffer{})})
	must(t, err)
	if s := node.BasicStatus(); s.GetCommit() != 9 || s.Applied != 9 {
		t.Fatalf("commit %d, applied %d", s.GetCommit(), s.Applied)
	}
}

func TestAFullWindowTakesNoMore(t *testing.T) {
	window := tracker.NewInflights(1, 0)
	window.Add(1, 10)
	window.Add(2, 10)
	if window.Count() != 1 {
		t.Fatalf("%d appends", window.Count())
	}
}

func TestAdvanceWithAsyncStorageWritesHasNoEffect(t *testing.T) {
	node, err := raft.NewRawNode(&raft.Config{ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: filled(t), MaxInflightMsgs: 1,
		AsyncStorageWrites: true, Logger: quiet(&bytes.Buffer{})})
	must(t, err)
	must(t, node.Campaign())
	if rd := node.Ready(); len(rd.Messages) == 0 || rd.Messages[0].GetTo() != raft.LocalAppendThread {
		t.Fatalf("no message to the disk:\n%s", raft.DescribeReady(rd, nil))
	} else {
		node.Advance(rd)
	}
	if s := node.BasicStatus(); s.RaftState == raft.StateLeader {
		t.Fatal("a vote counts before it is stored")
	}
}
