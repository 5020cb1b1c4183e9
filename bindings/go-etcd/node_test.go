package raft_test

// Nodes with a goroutine: waiting proposals, Stop, and hosts with several goroutines.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// host drives a Node as a server does: a goroutine for the log, and messages over channels.
type host struct {
	node    raft.Node
	storage *raft.MemoryStorage
	lines   bytes.Buffer
	in      chan *pb.Message
	send    func(*pb.Message)
	ended   sync.WaitGroup

	mu    sync.Mutex
	state []string
	reads []string
	lead  uint64
}

func startHost(t *testing.T, id uint64, peers []raft.Peer, send func(*pb.Message)) *host {
	h := &host{storage: raft.NewMemoryStorage(), in: make(chan *pb.Message, 1024), send: send}
	config := &raft.Config{ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: h.storage, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true, Logger: quiet(&h.lines)}
	if peers != nil {
		h.node = raft.StartNode(config, peers)
	} else {
		h.node = raft.RestartNode(config)
	}
	stop := make(chan struct{})
	spawn(&h.ended, func() { h.work(t, stop) })
	spawn(&h.ended, func() {
		for {
			select {
			case m := <-h.in:
				_ = h.node.Step(context.Background(), m)
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { h.node.Stop(); close(stop); h.ended.Wait() })
	return h
}

func (h *host) work(t *testing.T, stop chan struct{}) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.node.Tick()
		case rd := <-h.node.Ready():
			h.do(t, rd)
		case <-stop:
			return
		}
	}
}

func (h *host) do(t *testing.T, rd raft.Ready) {
	if err := h.storage.Append(rd.Entries); err != nil {
		t.Error(err)
	}
	for _, m := range rd.Messages {
		h.send(proto.CloneOf(m))
	}
	h.mu.Lock()
	if rd.SoftState != nil {
		h.lead = rd.SoftState.Lead
	}
	for _, read := range rd.ReadStates {
		h.reads = append(h.reads, string(read.RequestCtx))
	}
	h.mu.Unlock()
	h.node.Advance()
	for _, e := range rd.CommittedEntries { // applied later than acknowledged, as in etcd
		if change := changeOf(t, e); change != nil {
			h.node.ApplyConfChange(change)
		} else if len(e.GetData()) > 0 {
			h.mu.Lock()
			h.state = append(h.state, string(e.GetData()))
			h.mu.Unlock()
		}
	}
}

func (h *host) has(words ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Equal(h.state, words)
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// trio is three hosts. Messages are lost while *open is false.
func trio(t *testing.T) map[uint64]*host {
	hosts := map[uint64]*host{}
	ready := make(chan struct{})
	send := func(m *pb.Message) {
		<-ready
		select {
		case hosts[m.GetTo()].in <- m:
		default: // a full line loses messages
		}
	}
	peers := []raft.Peer{{ID: 1}, {ID: 2}, {ID: 3}}
	for _, peer := range peers {
		hosts[peer.ID] = startHost(t, peer.ID, peers, send)
	}
	close(ready)
	return hosts
}

func TestProposalsOfManyGoroutinesReachAllNodes(t *testing.T) {
	hosts := trio(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	const each, all = 200, 4 * 200
	var group sync.WaitGroup
	for w := range 4 {
		spawn(&group, func() {
			for i := range each {
				node := hosts[uint64(i%3)+1].node
				err := node.Propose(ctx, fmt.Appendf(nil, "%d-%d", w, i))
				for errors.Is(err, raft.ErrProposalDropped) {
					time.Sleep(time.Millisecond)
					err = node.Propose(ctx, fmt.Appendf(nil, "%d-%d", w, i))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for id, h := range hosts {
		eventually(t, fmt.Sprintf("node %d has all entries", id), func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return len(h.state) >= all-10 // a passed-on entry may be lost with a leader
		})
	}
	if !slices.Equal(hosts[1].state[:all-10], hosts[2].state[:all-10]) {
		t.Fatal("two nodes applied different entries")
	}
	hosts[2].node.ReadIndex(ctx, []byte("read"))
	eventually(t, "a follower's read is answered", func() bool {
		hosts[2].mu.Lock()
		defer hosts[2].mu.Unlock()
		return slices.Contains(hosts[2].reads, "read")
	})
}

func TestAProposalWaitsForALeader(t *testing.T) {
	h := startHost(t, 1, []raft.Peer{{ID: 1}, {ID: 2}}, func(*pb.Message) {})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := h.node.Propose(ctx, []byte("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a proposal without a leader: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- h.node.Propose(context.Background(), []byte("b")) }()
	// The only other member leaves: the node leads then, and takes the proposal.
	h.node.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(2)})
	select {
	case err := <-waiting:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the proposal waits, though the node leads")
	}
	eventually(t, "the entry is applied", func() bool { return h.has("b") })
}

func TestAProposalOfAPeerWaitsForALeader(t *testing.T) {
	h := startHost(t, 1, []raft.Peer{{ID: 1}, {ID: 2}}, func(*pb.Message) {})
	passedOn := func(word string) *pb.Message {
		return &pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(2), To: proto.Uint64(1), Entries: []*pb.Entry{{Data: []byte(word)}}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := h.node.Step(ctx, passedOn("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a proposal without a leader: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- h.node.Step(context.Background(), passedOn("b")) }()
	h.node.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeRemoveNode.Enum(), NodeId: proto.Uint64(2)})
	select {
	case err := <-waiting:
		must(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("the proposal waits, though the node leads")
	}
	eventually(t, "the entry is applied", func() bool { return h.has("b") })
	must(t, h.node.Step(context.Background(), &pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(2), To: proto.Uint64(1)}))
}

func TestAStoppedNodeAnswersAndKeepsItsMembership(t *testing.T) {
	h := startHost(t, 1, []raft.Peer{{ID: 1}}, func(*pb.Message) {})
	waiting := make(chan error)
	lonely := startHost(t, 2, []raft.Peer{{ID: 2}, {ID: 3}}, func(*pb.Message) {})
	go func() { waiting <- lonely.node.Propose(context.Background(), []byte("a")) }()
	time.Sleep(10 * time.Millisecond)
	lonely.node.Stop()
	if err := <-waiting; !errors.Is(err, raft.ErrStopped) {
		t.Fatalf("a proposal that waited: %v", err)
	}

	h.node.Stop()
	h.node.Stop()
	ctx := context.Background()
	for name, err := range map[string]error{
		"Propose":   h.node.Propose(ctx, []byte("a")),
		"Campaign":  h.node.Campaign(ctx),
		"ReadIndex": h.node.ReadIndex(ctx, []byte("a")),
		"Step":      h.node.Step(ctx, &pb.Message{Type: pb.MsgApp.Enum()}),
	} {
		if !errors.Is(err, raft.ErrStopped) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.node.Tick()
	h.node.Advance()
	h.node.ReportUnreachable(2)
	if s := h.node.Status(); s.HardState != nil {
		t.Errorf("status %v", s)
	}
	// A server that ends may still apply: a lost membership would be stored.
	conf := h.node.ApplyConfChange(&pb.ConfChange{Type: pb.ConfChangeAddLearnerNode.Enum(), NodeId: proto.Uint64(7)})
	must(t, conf.Equivalent(&pb.ConfState{Voters: []uint64{1}, Learners: []uint64{7}}))
}

// brittle is a storage that panics in a Tick, as a host's may after a fault of its own.
type brittle struct {
	*raft.MemoryStorage
	broken atomic.Bool
}

func (b *brittle) FirstIndex() (uint64, error) {
	if b.broken.Load() {
		panic("the storage is broken")
	}
	return b.MemoryStorage.FirstIndex()
}

func TestANodeWorksAfterACallerHasRecovered(t *testing.T) {
	storage := &brittle{MemoryStorage: raft.NewMemoryStorage()}
	node := raft.StartNode(&raft.Config{ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: storage, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, Logger: quiet(&bytes.Buffer{})}, []raft.Peer{{ID: 1}})
	storage.broken.Store(true)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic reached the caller")
			}
		}()
		node.Tick()
	}()
	storage.broken.Store(false)
	seen := make(chan raft.Status, 1)
	go func() { node.Tick(); seen <- node.Status() }()
	select {
	case s := <-seen:
		if s.ID != 1 {
			t.Fatalf("%v", s)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the node hangs, since a call that panicked holds its lock")
	}
	node.Stop()
}

func TestMessagesOutOfPlaceAreIgnored(t *testing.T) {
	h := startHost(t, 1, []raft.Peer{{ID: 1}}, func(*pb.Message) {})
	eventually(t, "the node leads", func() bool { return h.node.Status().RaftState == raft.StateLeader })
	term := h.node.Status().GetTerm()
	for _, m := range []*pb.Message{
		{Type: pb.MsgHup.Enum()},
		{Type: pb.MsgAppResp.Enum(), From: proto.Uint64(9), To: proto.Uint64(1), Term: proto.Uint64(term)},
		{Type: pb.MsgApp.Enum(), From: proto.Uint64(9), To: proto.Uint64(2), Term: proto.Uint64(term + 1)},
		{Type: pb.MessageType(99).Enum(), From: proto.Uint64(9), To: proto.Uint64(1)},
		{Type: pb.MsgSnap.Enum(), From: proto.Uint64(9), To: proto.Uint64(1), Term: proto.Uint64(term)},
	} {
		must(t, h.node.Step(context.Background(), m))
	}
	if h.node.Step(context.Background(), nil) == nil {
		t.Fatal("no message was taken")
	}
	if s := h.node.Status(); s.RaftState != raft.StateLeader || s.GetTerm() != term {
		t.Fatalf("%v", s)
	}
}

func TestBadSettingsPanicByTheLogger(t *testing.T) {
	for name, start := range map[string]func(){
		"no peers":    func() { raft.StartNode(&raft.Config{}, nil) },
		"no settings": func() { raft.RestartNode(&raft.Config{}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			start()
		}()
	}
}

// spawn runs a function that the group waits for: Go 1.24 has no WaitGroup.Go.
func spawn(group *sync.WaitGroup, work func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		work()
	}()
}
