package raftcore

import (
	"errors"
	"testing"
)

// This file tests options that are off or neutral by default.

func status(tb testing.TB, h *host) Status {
	tb.Helper()
	s, err := h.node.Status()
	must(tb, err)
	return s
}

// taken returns the messages of a kind to a node since the last call, and forgets all others.
func (g *group) taken(to uint64, kind MessageKind) (found []Message) {
	for _, m := range g.log {
		if m.To == to && m.Kind == kind {
			found = append(found, m)
		}
	}
	g.log = nil
	return found
}

// ticks lets all nodes tick.
func (g *group) ticks(count int) {
	g.tb.Helper()
	for range count {
		for _, h := range g.hosts {
			must(g.tb, h.node.Tick(1))
		}
		g.settle()
	}
}

func Test_the_election_timeout_lies_in_its_range(t *testing.T) {
	for _, c := range []struct {
		jitter uint32
		drawn  int
	}{{0, 10}, {3, 3}, {1, 1}} {
		cfg := testConfig(1, StorageSync)
		cfg.ElectionJitterTicks = c.jitter
		cfg.Flags &^= FlagPreVote
		n := founder(t, cfg, 1, 2, 3)
		drawn := map[uint32]bool{}
		for range 300 {
			must(t, n.Campaign())
			drain(t, n)
			s, err := n.Status()
			must(t, err)
			drawn[s.ElectionTimeout] = true
		}
		for ticks := range drawn {
			if ticks < 10 || ticks >= 10+uint32(c.drawn) {
				t.Errorf("jitter %d: a timeout of %d ticks", c.jitter, ticks)
			}
		}
		if len(drawn) != c.drawn {
			t.Errorf("jitter %d: %d timeouts, not %d", c.jitter, len(drawn), c.drawn)
		}
	}
	cfg := testConfig(1, StorageSync)
	cfg.ElectionJitterTicks = 1<<24 + 1
	if _, err := NewNode(cfg); !errors.Is(err, ErrArg) {
		t.Error(err)
	}
}

func Test_an_append_has_no_more_entries_than_allowed(t *testing.T) {
	for _, limit := range []uint32{0, 2} {
		g := newGroup(t, StorageSync, func(c *Config) { c.MaxEntriesPerMsg = limit }, 1, 2, 3)
		leader := g.lead(1)
		g.cut[3] = true
		var want []string
		for range 7 {
			must(t, leader.node.Propose([]byte("x"), 0))
			want = append(want, "x")
		}
		g.settle()
		must(t, leader.node.ReportUnreachable(3))
		delete(g.cut, 3)
		g.log = nil
		g.ticks(2)
		g.same(want)
		most, count := 0, 0
		for _, m := range g.taken(3, MsgApp) {
			entries := 0
			scan(m.Frame[12:], func(number, _ uint64, _ []byte) {
				if number == 7 {
					entries++
				}
			})
			most, count = max(most, entries), count+1
		}
		if limit == 0 && most != 7 || limit == 2 && (most != 2 || count < 4) {
			t.Errorf("limit %d: %d appends, the largest of %d entries", limit, count, most)
		}
	}
}

// told returns after how many ticks the node reports an event; 0: not within the limit.
func (g *group) told(h *host, kind EventKind, limit int) int {
	g.tb.Helper()
	next := func() (Event, bool) {
		e, ok, err := h.node.NextEvent()
		must(g.tb, err)
		return e, ok
	}
	for _, ok := next(); ok; _, ok = next() {
	}
	for ticks := 1; ticks <= limit; ticks++ {
		must(g.tb, h.node.Tick(1))
		g.settle()
		for e, ok := next(); ok; e, ok = next() {
			if e.Kind == kind {
				return ticks
			}
		}
	}
	return 0
}

func Test_silence_is_reported_after_so_many_ticks(t *testing.T) {
	soon := func(c *Config) {
		c.PeerLagsTicks, c.NoLeaderTicks = 7, 23
		c.Flags &^= FlagCheckQuorum
	}
	g := newGroup(t, StorageSync, soon, 1, 2, 3)
	leader := g.lead(1)
	g.cut[3] = true
	if ticks := g.told(leader, EventPeerLags, 100); ticks != 7 {
		t.Errorf("a silent peer is reported after %d ticks", ticks)
	}
	if g.told(g.hosts[3], EventBecamePreCandidate, 100) == 0 {
		t.Error("the follower misses nobody")
	}
	for range 2 {
		if ticks := g.told(g.hosts[3], EventNoLeaderLong, 100); ticks != 23 {
			t.Errorf("the lack of a leader is reported after %d ticks", ticks)
		}
	}

	g = newGroup(t, StorageSync, nil, 1, 2, 3)
	leader = g.lead(1)
	g.cut[3] = true
	if ticks := g.told(g.hosts[3], EventNoLeaderLong, 99); ticks != 0 {
		t.Errorf("by default, the lack of a leader is reported after %d ticks", ticks)
	}
	if ticks := g.told(leader, EventPeerLags, 200); ticks != 100 {
		t.Errorf("by default, a silent peer is reported after %d ticks", ticks)
	}
}

func Test_a_heartbeat_is_spared_beside_an_append(t *testing.T) {
	for _, flag := range []Flags{0, FlagSpareHeartbeats} {
		g := newGroup(t, StorageSync, func(c *Config) { c.Flags |= flag }, 1, 2, 3)
		leader := g.lead(1)
		g.ticks(2)
		g.log = nil
		g.ticks(1)
		idle := len(g.taken(3, MsgHeartbeat))
		must(t, leader.node.Propose([]byte("x"), 0))
		g.settle()
		g.ticks(1)
		busy := len(g.taken(3, MsgHeartbeat))
		g.ticks(1)
		after := len(g.taken(3, MsgHeartbeat))
		if idle != 1 || after != 1 || (busy == 0) != (flag != 0) {
			t.Errorf("flags %x: %d heartbeats, %d beside an append, then %d", uint64(flag), idle, busy, after)
		}
	}
}

func Test_leadership_goes_to_the_highest_priority(t *testing.T) {
	for _, flag := range []Flags{0, FlagYieldToPriority} {
		g := newGroup(t, StorageSync, func(c *Config) { c.Flags |= flag }, 1, 2, 3)
		g.lead(1)
		g.ticks(2)
		must(t, g.hosts[3].node.SetPriority(5))
		g.ticks(40)
		want := uint64(1)
		if flag != 0 {
			want = 3
		}
		if s := status(t, g.hosts[2]); s.Leader != want {
			t.Errorf("flags %x: node %d leads", uint64(flag), s.Leader)
		}
	}
}

func Test_a_leader_without_a_lease_refuses_proposals(t *testing.T) {
	leased := func(c *Config) { c.Flags |= FlagLeaseReads | FlagLeasedProposals }
	g := newGroup(t, StorageSync, leased, 1, 2, 3)
	g.ticks(60)
	leader := g.hosts[status(t, g.hosts[1]).Leader]
	if leader == nil {
		t.Fatal("nobody leads after 60 ticks")
	}
	must(t, leader.node.Propose([]byte("x"), 0))
	g.settle()
	g.same([]string{"x"})
	g.cut[leader.id] = true
	refused := 0
	for range 40 {
		must(t, leader.node.Tick(1))
		g.settle()
		if status(t, leader).Role == RoleLeader && errors.Is(leader.node.Propose([]byte("y"), 0), ErrNoLeader) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("a leader without a lease took all proposals until the quorum check")
	}
	cfg := testConfig(1, StorageSync)
	cfg.Flags |= FlagLeasedProposals
	if _, err := NewNode(cfg); !errors.Is(err, ErrArg) {
		t.Error(err)
	}
}

func Test_a_reads_answer_brings_the_commit_index(t *testing.T) {
	g := newGroup(t, StorageSync, func(c *Config) { c.Flags |= FlagNoCommitBroadcast }, 1, 2, 3)
	leader, reader := g.lead(1), g.hosts[2]
	g.ticks(2)
	must(t, leader.node.Propose([]byte("x"), 0))
	g.settle()
	now := status(t, leader)
	if known := status(t, reader).Commit; known != now.Commit-1 {
		t.Fatalf("the follower knows index %d of %d without any broadcast", known, now.Commit)
	}
	// MsgReadIndexResp from 1 to 2 with term, index, and an entry that has a context of 16 bytes.
	answer := append([]byte{8, 16, 16, 2, 24, 1, 32, byte(now.Term), 48, byte(now.Commit), 58, 18, 34, 16}, make([]byte, 16)...)

	must(t, reader.node.Step(1, answer))

	if s := status(t, reader); s.Commit != now.Commit {
		t.Errorf("the follower knows index %d of %d", s.Commit, now.Commit)
	}
	g.settle()
	if len(reader.state) != 1 {
		t.Errorf("%q", reader.state)
	}
}
