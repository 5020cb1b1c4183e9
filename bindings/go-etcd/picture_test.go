package raft_test

// Texts and counts: describe.go, tracker, quorum, raftpb.

import (
	"bytes"
	"log"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/quorum"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

type acked map[uint64]quorum.Index

func (a acked) AckedIndex(id uint64) (quorum.Index, bool) { index, ok := a[id]; return index, ok }

func voters(ids ...uint64) quorum.MajorityConfig {
	c := quorum.MajorityConfig{}
	for _, id := range ids {
		c[id] = struct{}{}
	}
	return c
}

func TestMajoritiesCount(t *testing.T) {
	for _, c := range []struct {
		conf  quorum.JointConfig
		acked acked
		want  quorum.Index
	}{
		{quorum.JointConfig{}, nil, math.MaxUint64},
		{quorum.JointConfig{voters(1)}, acked{1: 7}, 7},
		{quorum.JointConfig{voters(1, 2)}, acked{1: 7, 2: 5}, 5},
		{quorum.JointConfig{voters(1, 2, 3)}, acked{1: 7, 2: 5}, 5},
		{quorum.JointConfig{voters(1, 2, 3, 4)}, acked{1: 7, 2: 6, 3: 5, 4: 4}, 5},
		{quorum.JointConfig{voters(1, 2, 3), voters(4)}, acked{1: 7, 2: 6, 4: 3}, 3},
	} {
		if got := c.conf.CommittedIndex(c.acked); got != c.want {
			t.Errorf("%v of %v: %v instead of %v", c.acked, c.conf, got, c.want)
		}
	}
	joint := quorum.JointConfig{voters(1, 2, 3), voters(3, 4)}
	for _, c := range []struct {
		votes map[uint64]bool
		want  quorum.VoteResult
	}{
		{nil, quorum.VotePending},
		{map[uint64]bool{1: true, 2: true}, quorum.VotePending},
		{map[uint64]bool{1: true, 2: true, 3: true, 4: true}, quorum.VoteWon},
		{map[uint64]bool{1: true, 2: true, 4: false}, quorum.VoteLost},
		{map[uint64]bool{1: false, 2: false}, quorum.VoteLost},
	} {
		if got := joint.VoteResult(c.votes); got != c.want {
			t.Errorf("%v: %v instead of %v", c.votes, got, c.want)
		}
	}
	if joint.String() != "(1 2 3)&&(3 4)" || len(joint.IDs()) != 4 || !strings.Contains(joint.Describe(acked{4: 9}), "voter 4: 9") {
		t.Error(joint, joint.IDs(), joint.Describe(acked{4: 9}))
	}
}

func TestAPictureOfAMember(t *testing.T) {
	window := tracker.NewInflights(2, 0)
	window.Add(5, 10)
	twin := window.Clone()
	twin.Add(6, 10)
	twin.Add(7, 10) // full
	if window.Count() != 1 || twin.Count() != 2 || !twin.Full() {
		t.Fatal(window.Count(), twin.Count())
	}
	pr := tracker.Progress{Match: 4, Next: 8, State: tracker.StateReplicate, RecentActive: true, Inflights: twin, IsLearner: true}
	if got := pr.String(); got != "StateReplicate match=4 next=8 learner inflight=2[full]" {
		t.Error(got)
	}
	twin.FreeLE(5)
	if twin.Count() != 1 || twin.Full() {
		t.Error(twin.Count())
	}
	if small := tracker.NewInflights(9, 15); true {
		small.Add(1, 20)
		if !small.Full() {
			t.Error("the window takes more bytes than its limit")
		}
	}
	conf := tracker.Config{Voters: quorum.JointConfig{voters(1, 2)}, Learners: voters(3), AutoLeave: true}
	clone := conf.Clone()
	delete(clone.Voters[0], 1)
	if conf.String() != "voters=(1 2) learners=(3) autoleave" {
		t.Error(conf.String())
	}
}

func TestChangesAsTextAndBytes(t *testing.T) {
	changes, err := pb.ConfChangesFromString(" v1 l2  r3 u4 ")
	must(t, err)
	if text := pb.ConfChangesToString(changes); text != "v1 l2 r3 u4" {
		t.Error(text)
	}
	for _, bad := range []string{"x1", "v", "vx", "v-1"} {
		if _, err := pb.ConfChangesFromString(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	v1 := &pb.ConfChange{Type: pb.ConfChangeAddNode.Enum(), NodeId: proto.Uint64(1)}
	v2 := &pb.ConfChangeV2{Changes: changes}
	for _, c := range []struct {
		change pb.ConfChangeI
		kind   pb.EntryType
	}{{nil, pb.EntryConfChangeV2}, {v1, pb.EntryConfChange}, {v2, pb.EntryConfChangeV2}} {
		if kind, _, err := pb.MarshalConfChange(c.change); err != nil || kind != c.kind {
			t.Error(kind, err)
		}
	}
	if auto, joint := v2.EnterJoint(); !auto || !joint {
		t.Error("four changes need a joint configuration that ends by itself")
	}
	if _, joint := v1.AsV2().EnterJoint(); joint || (&pb.ConfChangeV2{}).LeaveJoint() == false || v2.LeaveJoint() {
		t.Error("a single change, or an empty one")
	}
	conf := &pb.ConfState{Voters: []uint64{1, 2}}
	if conf.Equivalent(&pb.ConfState{Voters: []uint64{2, 1}, AutoLeave: proto.Bool(false)}) != nil ||
		conf.Equivalent(&pb.ConfState{Voters: []uint64{1}}) == nil || conf.Equivalent(nil) == nil {
		t.Error("memberships are compared wrongly")
	}
}

func TestTextsForLogs(t *testing.T) {
	e := &pb.Entry{Term: proto.Uint64(2), Index: proto.Uint64(7), Type: pb.EntryNormal.Enum(), Data: []byte("a")}
	m := &pb.Message{Type: pb.MsgApp.Enum(), From: proto.Uint64(1), To: proto.Uint64(raft.LocalAppendThread), Term: proto.Uint64(2),
		LogTerm: proto.Uint64(1), Index: proto.Uint64(6), Entries: []*pb.Entry{e}, Commit: proto.Uint64(5)}
	if got := raft.DescribeMessage(m, nil); got != "1->AppendThread MsgApp Term:2 Log:1/6 Commit:5\n  2/7 EntryNormal \"a\"" {
		t.Errorf("%q", got)
	}
	rd := raft.Ready{SoftState: &raft.SoftState{Lead: 1, RaftState: raft.StateLeader},
		HardState: &pb.HardState{Term: proto.Uint64(2), Commit: proto.Uint64(7)}, Entries: []*pb.Entry{e}, MustSync: true}
	want := "Ready MustSync=true:\nLead:1 State:StateLeader\nHardState Term:2 Commit:7\nEntries:\n2/7 EntryNormal \"a\"\n"
	if got := raft.DescribeReady(rd, nil); got != want {
		t.Errorf("%q", got)
	}
	if got := raft.DescribeReady(raft.Ready{}, nil); got != "<empty Ready>" {
		t.Error(got)
	}
	if raft.StateType(9).String() != "StateUnknown" || raft.MustSync(rd.HardState, &pb.HardState{Term: proto.Uint64(2)}, 0) {
		t.Error("a role, or MustSync")
	}
}

func TestTheDefaultLogger(t *testing.T) {
	var lines bytes.Buffer
	l := &raft.DefaultLogger{Logger: log.New(&lines, "", log.Lshortfile)}
	l.Debugf("hidden")
	l.EnableDebug()
	l.Debug("shown")
	l.Infof("%d", 1)
	l.Warning("careful")
	want := "picture_test.go:"
	if got := lines.String(); strings.Contains(got, "hidden") || strings.Count(got, want) != 3 ||
		!strings.Contains(got, "DEBUG: shown\n") || !strings.Contains(got, "INFO: 1\n") || !strings.Contains(got, "WARN: careful\n") {
		t.Errorf("%q", got)
	}
}
