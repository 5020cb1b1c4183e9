package raft_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

func TestFoundersStoreTheSameEntriesWithTheirContexts(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	for id := range uint64(3) {
		entries, err := g.members[id+1].storage.Entries(1, 4, 1<<20)
		must(t, err)
		for i, e := range entries {
			change := changeOf(t, e).(*pb.ConfChange)
			want := "address of " + string(rune('1'+i))
			if e.GetTerm() != 1 || e.GetIndex() != uint64(i)+1 || string(change.GetContext()) != want {
				t.Fatalf("entry %v, context %q", e, change.GetContext())
			}
		}
		state, _, _ := g.members[id+1].storage.InitialState()
		if state.GetTerm() != 1 || state.GetCommit() != 3 {
			t.Fatalf("the founder stores %v", state)
		}
	}
	if err := g.members[1].node.Bootstrap([]raft.Peer{{ID: 1}}); err == nil {
		t.Fatal("a group was founded twice")
	}
}

func TestProposalsReachAllMembersAndSurviveRestarts(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	must(t, leader.node.Propose([]byte("a")))
	must(t, g.members[2].node.Propose([]byte("passed on by a follower")))
	g.work()
	state := []string{"a", "passed on by a follower"}
	g.same(state, 1, 2, 3)

	for id := range uint64(3) {
		g.restart(id + 1)
	}
	g.work()
	g.elect(3)
	g.same(state, 1, 2, 3)
	must(t, g.members[3].node.Propose([]byte("b")))
	g.work()
	g.same(append(state, "b"), 1, 2, 3)
}

func TestEntriesAreSharedFromProposalToApplication(t *testing.T) {
	g := newGroup(t, nil, 1, 2)
	leader := g.elect(1)
	data := []byte("a value that nobody copies")
	must(t, leader.node.Propose(data))
	rd := leader.node.Ready()
	if len(rd.Entries) != 1 || &rd.Entries[0].Data[0] != &data[0] {
		t.Fatal("the entry has a copy of the data")
	}
	for _, m := range rd.Messages {
		if len(m.GetEntries()) == 1 && m.GetEntries()[0] != rd.Entries[0] {
			t.Fatal("a message has a copy of the entry")
		}
	}
	must(t, leader.storage.Append(rd.Entries))
	g.sent = append(g.sent, rd.Messages...)
	leader.node.Advance(rd)
	applied := false
	follower := g.members[2]
	for range 3 {
		for _, m := range g.sent {
			from, to := g.members[m.GetFrom()], g.members[m.GetTo()]
			must(t, to.node.Step(m))
			for _, who := range []*member{from, to} {
				for who.node.HasReady() {
					got := who.node.Ready()
					if who == follower && len(got.Entries) == 1 && got.Entries[0] != rd.Entries[0] {
						t.Fatal("the follower has a copy of the message's entry")
					}
					for _, e := range got.CommittedEntries {
						applied = true
						if e != rd.Entries[0] {
							t.Fatal("the entry to apply is a copy")
						}
					}
					must(t, who.storage.Append(got.Entries))
					g.sent = append(g.sent, got.Messages...)
					who.node.Advance(got)
				}
			}
		}
	}
	if !applied {
		t.Fatal("nothing was applied")
	}
}

func TestChangesAddPromoteAndRemove(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	must(t, leader.node.Propose([]byte("a")))
	g.add(4, nil)
	steps := []struct {
		kind pb.ConfChangeType
		id   uint64
		want *pb.ConfState
	}{
		{pb.ConfChangeAddLearnerNode, 4, &pb.ConfState{Voters: []uint64{1, 2, 3}, Learners: []uint64{4}}},
		{pb.ConfChangeAddNode, 4, &pb.ConfState{Voters: []uint64{1, 2, 3, 4}}},
		{pb.ConfChangeUpdateNode, 4, &pb.ConfState{Voters: []uint64{1, 2, 3, 4}}},
		{pb.ConfChangeRemoveNode, 2, &pb.ConfState{Voters: []uint64{1, 3, 4}}},
	}
	for _, step := range steps {
		change := &pb.ConfChange{Id: proto.Uint64(77), Type: step.kind.Enum(), NodeId: proto.Uint64(step.id), Context: []byte("where")}
		must(t, leader.node.ProposeConfChange(change))
		g.work()
		must(t, leader.conf.Equivalent(step.want))
	}
	g.same([]string{"a"}, 1, 3, 4)

	last, _ := leader.storage.LastIndex()
	entries, err := leader.storage.Entries(last, last+1, 0)
	must(t, err)
	if change := changeOf(t, entries[0]).(*pb.ConfChange); change.GetId() != 77 || string(change.GetContext()) != "where" {
		t.Fatalf("the change was stored as %v", change)
	}
	both := &pb.ConfChangeV2{Changes: []*pb.ConfChangeSingle{
		{Type: pb.ConfChangeAddNode.Enum(), NodeId: proto.Uint64(2)}, {Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(3)}}}
	must(t, leader.node.ProposeConfChange(both))
	g.work()
	must(t, leader.conf.Equivalent(&pb.ConfState{Voters: []uint64{1, 2, 4}}))
}

func TestAChangeMayBeRefusedReplacedOrOutOfTheBlue(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	g.change = func(m *member, cc pb.ConfChangeI) *pb.ConfState {
		return m.node.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(raft.None)})
	}
	must(t, leader.node.ProposeConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(3)}))
	g.work()
	must(t, leader.conf.Equivalent(&pb.ConfState{Voters: []uint64{1, 2, 3}}))

	conf := leader.node.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: proto.Uint64(9)})
	must(t, conf.Equivalent(&pb.ConfState{Voters: []uint64{1, 2, 3}, Learners: []uint64{9}}))
}

func TestAChangeThatIsNotAllowedIsLoggedAndChangesNothing(t *testing.T) {
	g := newGroup(t, nil, 1)
	m := g.elect(1)
	conf := m.node.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(1)})
	must(t, conf.Equivalent(&pb.ConfState{Voters: []uint64{1}}))
	if !strings.Contains(m.lines.String(), "ERROR: raft: 1 does not apply the change") {
		t.Fatalf("no line about it:\n%s", m.lines.String())
	}
}

func TestReadsAreAnsweredOnAnyMember(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	g.elect(1)
	for id := range uint64(3) {
		m := g.members[id+1]
		m.node.ReadIndex([]byte{byte(id)})
		g.work()
		if len(m.reads) != 1 || !bytes.Equal(m.reads[0].RequestCtx, []byte{byte(id)}) || m.reads[0].Index != m.applied {
			t.Fatalf("member %d: %v", id+1, m.reads)
		}
	}
}

func TestASnapshotOfAnySizeReachesAMemberThatItDoesNotName(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	must(t, leader.node.Propose(bytes.Repeat([]byte("x"), 5<<20)))
	g.work()
	must(t, leader.snapshot())
	newer := []string{leader.state[0], "b"}
	g.add(4, nil)
	must(t, leader.node.ProposeConfChange(&pb.ConfChange{Type: pb.ConfChangeAddNode.Enum(), NodeId: proto.Uint64(4)}))
	must(t, leader.node.Propose([]byte("b")))
	g.work()
	// The snapshot is of three voters. A host sends a newer one in its place, as etcd does.
	g.same(newer, 1, 2, 3)
	must(t, leader.snapshot())
	g.ticks(30)
	g.same(newer, 4)
	if pr := leader.node.Status().Progress[4]; pr.State != tracker.StateReplicate || pr.Match != leader.applied {
		t.Fatalf("the leader sees %v", pr.String())
	}
}

func TestALaggardIsServedFromTheStorage(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	g.cut[3] = true
	var state []string
	for i := range 100 {
		data := strings.Repeat(string(rune('a'+i%26)), 1<<20)
		state = append(state, data)
		must(t, leader.node.Propose([]byte(data)))
		g.work()
	}
	g.cut = map[uint64]bool{}
	g.ticks(60)
	g.same(state, 1, 2, 3)
	g.restart(3)
	g.work()
	g.ticks(3)
	g.same(state, 3)
}

func TestLeadershipIsTransferred(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	g.elect(1)
	g.members[1].node.TransferLeader(2)
	g.work()
	g.members[1].node.TransferLeader(3) // a follower passes the wish on
	g.work()
	if lead := g.members[3].soft; lead.RaftState != raft.StateLeader {
		t.Fatalf("member 3 is %v", lead)
	}
	if err := g.members[1].node.ForgetLeader(); err != nil || g.members[1].node.BasicStatus().Lead != raft.None {
		t.Fatalf("%v, leader %x", err, g.members[1].node.BasicStatus().Lead)
	}
}

func TestErrorsHaveTheirNames(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	node := g.members[1].node
	if err := node.Propose([]byte("a")); !errors.Is(err, raft.ErrProposalDropped) {
		t.Fatalf("a proposal without a leader: %v", err)
	}
	if err := node.Step(&pb.Message{Type: pb.MsgHup.Enum()}); !errors.Is(err, raft.ErrStepLocalMsg) {
		t.Fatalf("a local message: %v", err)
	}
	answer := &pb.Message{Type: pb.MsgAppResp.Enum(), From: proto.Uint64(9), To: proto.Uint64(1), Term: proto.Uint64(1)}
	if err := node.Step(answer); !errors.Is(err, raft.ErrStepPeerNotFound) {
		t.Fatalf("an answer of a stranger: %v", err)
	}
	for _, edit := range []func(*raft.Config){
		func(c *raft.Config) { c.ID = raft.None },
		func(c *raft.Config) { c.ID = raft.LocalApplyThread },
		func(c *raft.Config) { c.HeartbeatTick = 0 },
		func(c *raft.Config) { c.ElectionTick = 1 },
		func(c *raft.Config) { c.Storage = nil },
		func(c *raft.Config) { c.MaxInflightMsgs = 0 },
		func(c *raft.Config) { c.MaxInflightBytes = 1 },
		func(c *raft.Config) { c.ReadOnlyOption, c.CheckQuorum = raft.ReadOnlyLeaseBased, false },
	} {
		config := g.members[1].config
		edit(&config)
		if _, err := raft.NewRawNode(&config); err == nil {
			t.Fatalf("%+v was taken", config)
		}
	}
}

func TestStatusHasTheMembersAndItsJSON(t *testing.T) {
	g := newGroup(t, nil, 10, 11, 12)
	leader := g.elect(10)
	status := leader.node.Status()
	if got := status.Config.String(); got != "voters=(10 11 12)" {
		t.Fatal(got)
	}
	var decoded struct {
		ID, Lead, RaftState string
		Progress            map[string]struct {
			Match uint64
			State string
		}
	}
	must(t, json.Unmarshal([]byte(status.String()), &decoded))
	if decoded.ID != "a" || decoded.Lead != "a" || decoded.RaftState != "StateLeader" || len(decoded.Progress) != 3 ||
		decoded.Progress["b"].Match != leader.applied || decoded.Progress["b"].State != "StateReplicate" {
		t.Fatal(status.String())
	}
	if other := g.members[11].node.Status(); other.Progress != nil {
		t.Fatal("a follower knows the progress of others")
	}
	var ids []uint64
	leader.node.WithProgress(func(id uint64, kind raft.ProgressType, pr tracker.Progress) { ids = append(ids, id) })
	if !slices.Equal(ids, []uint64{10, 11, 12}) {
		t.Fatal(ids)
	}
}

func TestASilentLeaderStepsDownAndIsLogged(t *testing.T) {
	g := newGroup(t, nil, 1, 2, 3)
	leader := g.elect(1)
	g.cut[1] = true
	g.ticks(60)
	if leader.soft.RaftState == raft.StateLeader {
		t.Fatal("a leader without a majority leads on")
	}
	for _, line := range []string{"1 became leader at term 2", "raft.node: 1 elected leader 1 at term 2", "raft.node: 1 lost leader 1 at term 2"} {
		if !strings.Contains(leader.lines.String(), line) {
			t.Fatalf("no line %q:\n%s", line, leader.lines.String())
		}
	}
}

// busyStorage has no snapshot for a while.
type busyStorage struct {
	*raft.MemoryStorage
	refuse int
}

func (b *busyStorage) Snapshot() (*pb.Snapshot, error) {
	if b.refuse--; b.refuse >= 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	return b.MemoryStorage.Snapshot()
}

func TestASnapshotThatIsNotThereYetIsAskedForAgain(t *testing.T) {
	busy := &busyStorage{}
	g := newGroup(t, func(c *raft.Config) {
		if c.ID == 1 {
			busy.MemoryStorage = c.Storage.(*raft.MemoryStorage)
			c.Storage = busy
		}
	}, 1, 2, 3)
	leader := g.elect(1)
	g.cut[3] = true
	must(t, leader.node.Propose([]byte("a")))
	g.work()
	must(t, leader.snapshot())
	busy.refuse = 3
	g.cut = map[uint64]bool{}
	for range 60 {
		g.ticks(1)
	}
	g.same([]string{"a"}, 3)
	if busy.refuse >= 0 {
		t.Fatal("the storage was not asked")
	}
}
