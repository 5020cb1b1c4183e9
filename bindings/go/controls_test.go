package raftcore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func eraftpb(c *Config) { c.Dialect = DialectEraftpb }

// contexts are those of a host's log.
func (h *host) contexts() (list []string) {
	for _, e := range h.log {
		if len(e.Context) > 0 {
			list = append(list, string(e.Context))
		}
	}
	return list
}

func Test_a_context_stays_with_its_entry(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, eraftpb, 1, 2, 3)
		leader := g.lead(1)
		g.cut[3] = true
		must(t, leader.node.ProposeWithContext(EntryNormal, []byte("who"), []byte("data"), 1))
		must(t, leader.node.ProposeWithContext(EntryNormal, []byte("alone"), nil, 2))
		must(t, leader.node.ProposeWithContext(EntryNormal, nil, []byte("plain"), 3))
		must(t, leader.node.ProposeWithContext(EntryConfChange, []byte("change"), []byte{2 << 3, 2, 3 << 3, 4}, 4))
		g.settle()
		want := []string{"who", "alone", "change"}
		if got := leader.contexts(); !reflect.DeepEqual(got, want) || len(leader.tokens) != 4 {
			t.Errorf("%q %v", got, leader.tokens)
		}
		if conf, err := leader.node.Conf(); err != nil || conf.Dialect != DialectEraftpb || !reflect.DeepEqual(conf.Learners, []uint64{4}) {
			t.Errorf("%+v %v", conf, err)
		}

		// Over a restart, and from a log on disk to a peer that lacks the entries.
		for _, h := range g.hosts {
			h.boot()
		}
		delete(g.cut, 3)
		g.lead(1)
		for range 5 {
			must(t, leader.node.Tick(1))
			g.settle()
		}
		for id, h := range g.hosts {
			if got := h.contexts(); !reflect.DeepEqual(got, want) {
				t.Errorf("%d: %q", id, got)
			}
		}
		g.same([]string{"data", "plain"})
	})
}

func Test_views_and_copies_have_contexts(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	eraftpb(&cfg)
	n := founder(t, cfg, 1)
	must(t, n.Campaign())
	drain(t, n)
	must(t, n.ProposeWithContext(EntryNormal, []byte("who"), []byte("data"), 1))

	v, ok, err := n.ReadyView()

	must(t, err)
	var rd Ready
	v.CopyTo(&rd)
	if !ok || string(v.Entries.At(0).Context) != "who" || string(v.Entries.View(0).Context()) != "who" ||
		string(rd.Entries[0].Context) != "who" || string(rd.Entries[0].Data) != "data" {
		t.Errorf("%+v", rd.Entries)
	}
	must(t, n.Advance(rd.Number))
}

func Test_contexts_belong_to_one_dialect(t *testing.T) {
	n := solo(t)
	err := n.ProposeWithContext(EntryNormal, []byte("who"), []byte("data"), 1)
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "eraftpb") {
		t.Error(err)
	}
	bytes, err := Conf{Voters: []uint64{1}, Index: 1, Dialect: DialectEraftpb}.Encode()
	must(t, err)
	s := Founder(1)
	s.Conf = &Conf{Bytes: bytes}
	if err := fresh(t).Boot(s); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "written in eraftpb") {
		t.Error(err)
	}
	if _, err := (Conf{Voters: []uint64{1}, Dialect: 9}).Encode(); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}

	// The frame that opens a connection tells it.
	cfg := testConfig(2, StorageSync)
	same := founder(t, cfg, 1, 2)
	eraftpb(&cfg)
	other := founder(t, cfg, 1, 2)
	hello, err := same.Hello()
	must(t, err)
	must(t, n.CheckHello(hello))
	hello, err = other.Hello()
	must(t, err)
	if info, err := ReadHello(hello); err != nil || info.Features&HelloEraftpb == 0 {
		t.Errorf("%+v %v", info, err)
	}
	if err := n.CheckHello(hello); !errors.Is(err, ErrNotForMe) || !strings.Contains(err.Error(), "eraftpb") {
		t.Error(err)
	}
	if err := n.CheckHello(hello[:7]); !errors.Is(err, ErrDecode) {
		t.Error(err)
	}
}

func Test_a_follower_gets_the_snapshot_that_it_asks_for(t *testing.T) {
	g := newGroup(t, StorageSync, eraftpb, 1, 2, 3)
	leader := g.lead(1)
	must(t, leader.node.Propose([]byte("a"), 0))
	g.settle()
	must(t, leader.node.Tick(1))
	g.settle()
	g.hosts[3].state = []string{"rotten"}

	must(t, g.hosts[3].node.RequestSnapshot())

	if err := g.hosts[3].node.RequestSnapshot(); !errors.Is(err, ErrState) {
		t.Error(err)
	}
	if err := leader.node.RequestSnapshot(); !errors.Is(err, ErrNoLeader) {
		t.Error(err)
	}
	for range 3 {
		must(t, leader.node.Tick(1))
		g.settle()
	}
	g.same([]string{"a"})
	peers, err := leader.node.Peers()
	must(t, err)
	if status, _ := leader.node.Status(); g.hosts[3].snaps != 1 || peers[1].Commit != status.Commit {
		t.Errorf("%d snapshots, %+v", g.hosts[3].snaps, peers)
	}
}

func Test_proposals_may_be_bound_to_what_was_seen(t *testing.T) {
	g := newGroup(t, StorageSync, func(c *Config) { c.Flags |= FlagForwarding }, 1, 2)
	leader := g.lead(1)
	status, err := leader.node.Status()
	must(t, err)
	must(t, leader.node.ProposeInTerm(status.Term, []byte("x"), 1))
	if err := leader.node.ProposeInTerm(status.Term+1, []byte("y"), 2); !errors.Is(err, ErrNoLeader) {
		t.Error(err)
	}
	if err := g.hosts[2].node.ProposeInTerm(status.Term, []byte("y"), 2); !errors.Is(err, ErrNotLeader) {
		t.Error(err)
	}
	g.settle()
	g.same([]string{"x"})

	seen, err := leader.node.Conf()
	must(t, err)
	must(t, leader.node.ProposeConfChangeAt(seen.Index, ConfChange{Changes: []Change{{ChangeAddLearner, 4}}}, 3))
	g.settle()
	err = leader.node.ProposeConfChangeAt(seen.Index, ConfChange{Changes: []Change{{ChangeAddLearner, 5}}}, 4)
	if !errors.Is(err, ErrStale) || !strings.Contains(err.Error(), "as of index") {
		t.Error(err)
	}
}

func Test_a_running_node_is_controlled(t *testing.T) {
	g := newGroup(t, StorageSync, nil, 1, 2, 3)
	leader := g.lead(1)
	last := g.hosts[3].last()
	must(t, leader.node.SetWindow(3, 0, 0))
	must(t, leader.node.Propose([]byte("x"), 0))
	g.settle()
	if g.hosts[3].last() != last {
		t.Error("a paused peer got entries")
	}
	must(t, leader.node.SetWindow(3, 8, 0))
	g.settle()
	g.same([]string{"x"})

	for id := range uint64(3) {
		must(t, leader.node.SetCommitGroup(id+1, 1+id/2))
	}
	peers, err := leader.node.Peers()
	must(t, err)
	if peers[2].Group != 2 || peers[1].Group != 1 {
		t.Errorf("%+v", peers)
	}
	g.cut[3] = true
	before, _ := leader.node.Status()
	must(t, leader.node.Propose([]byte("y"), 0))
	g.settle()
	if now, _ := leader.node.Status(); now.Commit != before.Commit {
		t.Error("one group decided alone")
	}
	delete(g.cut, 3)
	must(t, leader.node.Ping())
	g.settle()
	g.same([]string{"x", "y"})

	must(t, leader.node.ProposeConfChange(ConfChange{Changes: []Change{{ChangeAddLearner, 4}}}, 0))
	g.add(4).boot()
	g.settle()
	must(t, leader.node.PromoteWhenCaughtUp(4, true))
	for range 10 {
		must(t, leader.node.Tick(1))
		g.settle()
	}
	if conf, _ := leader.node.Conf(); !reflect.DeepEqual(conf.Voters, []uint64{1, 2, 3, 4}) {
		t.Errorf("%+v", conf)
	}

	if err := leader.node.SetFlags(FlagConfApart, FlagConfApart); !errors.Is(err, ErrArg) {
		t.Error(err)
	}
	must(t, leader.node.SetFlags(FlagCheckQuorum, 0))
	for range 40 {
		must(t, leader.node.Tick(1))
		drain(t, leader.node)
	}
	now, _ := leader.node.Status()
	must(t, leader.node.Trim())
	after, _ := leader.node.Status()
	if now.Role != RoleLeader || after.MemoryBytes >= now.MemoryBytes {
		t.Errorf("%v, %d bytes, then %d", now.Role, now.MemoryBytes, after.MemoryBytes)
	}
}
