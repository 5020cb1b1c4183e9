package raft_test

// A group of nodes in one process, driven by calls: the host of these tests.

import (
	"bytes"
	"fmt"
	"log"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
)

// quiet takes the lines of nodes, and keeps them for tests that look.
func quiet(lines *bytes.Buffer) raft.Logger {
	return &raft.DefaultLogger{Logger: log.New(lines, "", 0)}
}

type member struct {
	id      uint64
	node    *raft.RawNode
	storage *raft.MemoryStorage
	config  raft.Config
	lines   bytes.Buffer
	state   []string // data of the applied entries
	applied uint64
	conf    *pb.ConfState
	reads   []raft.ReadState
	soft    raft.SoftState
}

type group struct {
	tb      testing.TB
	members map[uint64]*member
	cut     map[uint64]bool
	sent    []*pb.Message
	// What a host does with a change; nil: applies it.
	change func(m *member, cc pb.ConfChangeI) *pb.ConfState
}

func newGroup(tb testing.TB, edit func(*raft.Config), ids ...uint64) *group {
	g := &group{tb: tb, members: map[uint64]*member{}, cut: map[uint64]bool{}}
	var peers []raft.Peer
	for _, id := range ids {
		peers = append(peers, raft.Peer{ID: id, Context: fmt.Appendf(nil, "address of %d", id)})
	}
	for _, id := range ids {
		m := g.add(id, edit)
		must(tb, m.node.Bootstrap(peers))
	}
	g.work()
	return g
}

// add is a member with an empty storage.
func (g *group) add(id uint64, edit func(*raft.Config)) *member {
	m := &member{id: id, storage: raft.NewMemoryStorage()}
	m.config = raft.Config{ID: id, ElectionTick: 10, HeartbeatTick: 1, Storage: m.storage, MaxSizePerMsg: 1 << 20,
		MaxInflightMsgs: 256, CheckQuorum: true, PreVote: true, Logger: quiet(&m.lines)}
	if edit != nil {
		edit(&m.config)
	}
	g.members[id] = m
	g.restart(id)
	return m
}

// restart makes the node anew from its storage, and the state machine too.
func (g *group) restart(id uint64) *member {
	m := g.members[id]
	node, err := raft.NewRawNode(&m.config)
	must(g.tb, err)
	m.node, m.applied, m.state = node, 0, nil
	if snapshot, _ := m.storage.Snapshot(); !raft.IsEmptySnap(snapshot) {
		m.install(snapshot)
	}
	return m
}

func (m *member) install(snapshot *pb.Snapshot) {
	m.applied, m.conf, m.state = snapshot.GetMetadata().GetIndex(), snapshot.GetMetadata().GetConfState(), nil
	for _, word := range bytes.Split(snapshot.GetData(), []byte{0}) {
		m.state = append(m.state, string(word))
	}
}

// snapshot makes a snapshot of the state, and drops the log that it covers.
func (m *member) snapshot() error {
	data := []byte{}
	for i, word := range m.state {
		if i > 0 {
			data = append(data, 0)
		}
		data = append(data, word...)
	}
	if _, err := m.storage.CreateSnapshot(m.applied, m.conf, data); err != nil {
		return err
	}
	return m.storage.Compact(m.applied)
}

// work drives the members until nobody has work.
func (g *group) work() {
	for busy := true; busy; {
		busy = false
		for _, id := range slices.Sorted(keys(g.members)) {
			for m := g.members[id]; m.node.HasReady(); busy = true {
				g.turn(m)
			}
		}
		sent := g.sent
		g.sent = nil
		for _, message := range sent {
			to := g.members[message.GetTo()]
			if to == nil || g.cut[message.GetTo()] || g.cut[message.GetFrom()] {
				continue
			}
			busy = true
			// As over a network: nothing is shared between members.
			_ = to.node.Step(proto.CloneOf(message))
			if message.GetType() == pb.MsgSnap {
				g.members[message.GetFrom()].node.ReportSnapshot(message.GetTo(), raft.SnapshotFinish)
			}
		}
	}
}

func (g *group) turn(m *member) {
	rd := m.node.Ready()
	if !raft.IsEmptySnap(rd.Snapshot) {
		must(g.tb, m.storage.ApplySnapshot(rd.Snapshot))
		m.install(rd.Snapshot)
	}
	must(g.tb, m.storage.Append(rd.Entries))
	if !raft.IsEmptyHardState(rd.HardState) {
		must(g.tb, m.storage.SetHardState(rd.HardState))
	}
	if rd.SoftState != nil {
		m.soft = *rd.SoftState
	}
	g.sent = append(g.sent, rd.Messages...)
	m.reads = append(m.reads, rd.ReadStates...)
	for _, e := range rd.CommittedEntries {
		if e.GetIndex() != m.applied+1 {
			g.tb.Fatalf("member %d applies %d after %d", m.id, e.GetIndex(), m.applied)
		}
		m.applied = e.GetIndex()
		if change := changeOf(g.tb, e); change == nil {
			if len(e.GetData()) > 0 {
				m.state = append(m.state, string(e.GetData()))
			}
		} else if g.change != nil {
			m.conf = g.change(m, change)
		} else {
			m.conf = m.node.ApplyConfChange(change)
		}
	}
	m.node.Advance(rd)
}

func changeOf(tb testing.TB, e *pb.Entry) pb.ConfChangeI {
	var change interface {
		pb.ConfChangeI
		proto.Message
	}
	switch e.GetType() {
	case pb.EntryNormal:
		return nil
	case pb.EntryConfChange:
		change = &pb.ConfChange{}
	default:
		change = &pb.ConfChangeV2{}
	}
	must(tb, proto.Unmarshal(e.GetData(), change))
	return change
}

func (g *group) ticks(n int) {
	for range n {
		for _, m := range g.members {
			m.node.Tick()
		}
		g.work()
	}
}

// elect makes id the leader.
func (g *group) elect(id uint64) *member {
	g.tb.Helper()
	m := g.members[id]
	must(g.tb, m.node.Campaign())
	g.work()
	if m.soft.RaftState != raft.StateLeader {
		g.tb.Fatalf("member %d is %v:\n%s", id, m.soft, m.lines.String())
	}
	return m
}

// same fails unless the members have the state.
func (g *group) same(state []string, ids ...uint64) {
	g.tb.Helper()
	for _, id := range ids {
		if got := g.members[id].state; !slices.Equal(got, state) {
			g.tb.Fatalf("member %d has %q instead of %q:\n%s", id, got, state, g.members[id].lines.String())
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func keys[V any](m map[uint64]V) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
