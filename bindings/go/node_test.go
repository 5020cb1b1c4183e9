package raftcore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"testing"
)

var modes = map[string]StorageMode{"sync": StorageSync, "async": StorageAsync, "messages": StorageMessages}

func eachMode(t *testing.T, test func(*testing.T, StorageMode)) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) { test(t, mode) })
	}
}

func Test_three_nodes_agree(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, func(c *Config) { c.Flags |= FlagForwarding }, 1, 2, 3)
		leader := g.lead(1)

		must(t, leader.node.Propose([]byte("one"), 7))
		must(t, leader.node.ProposeMany([][]byte{[]byte("two"), []byte("three")}, []uint64{8, 9}))
		must(t, leader.node.ProposeFlat([]byte("fourfive"), []uint32{4, 4}, nil))
		must(t, leader.node.ReadIndex(77))
		g.settle()
		must(t, g.hosts[2].node.Propose([]byte("passed on"), 10))
		must(t, g.hosts[2].node.ReadIndex(78))
		g.settle()

		g.same([]string{"one", "two", "three", "four", "five", "passed on"})
		for i, token := range []uint64{7, 8, 9} {
			if leader.tokens[token] != uint64(i)+3 {
				t.Errorf("token %d came back with entry %d", token, leader.tokens[token])
			}
		}
		if want := []Drop{{10, DropUnknown, ReasonForwarded}}; !reflect.DeepEqual(g.hosts[2].dropped, want) {
			t.Errorf("dropped: %v", g.hosts[2].dropped)
		}
		for id, token := range map[uint64]uint64{1: 77, 2: 78} {
			if r := g.hosts[id].reads; len(r) != 1 || r[0].Token != token || r[0].Index == 0 {
				t.Errorf("node %d: reads %v", id, r)
			}
		}
	})
}

func Test_nodes_boot_from_what_they_stored(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, nil, 1, 2, 3)
		must(t, g.lead(1).node.Propose([]byte("before"), 0))
		g.settle()

		for _, h := range g.hosts {
			h.boot()
		}
		must(t, g.lead(2).node.Propose([]byte("after"), 0))
		g.settle()

		g.same([]string{"before", "after"})
	})
}

func Test_a_node_joins_by_snapshot_and_another_leaves(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, nil, 1, 2, 3)
		leader := g.lead(1)
		must(t, leader.node.Propose([]byte("old"), 0))
		g.settle()

		joins := g.add(4)
		joins.boot()
		g.lenient = true
		must(t, leader.node.ProposeConfChange(ConfChange{
			Changes: []Change{{ChangeAddNode, 4}, {ChangeRemoveNode, 3}}, Context: []byte("address of 4"),
		}, 5))
		g.settle()
		must(t, leader.node.Propose([]byte("new"), 0))
		g.settle()

		if joins.snaps == 0 {
			t.Error("node 4 came without a snapshot")
		}
		delete(g.hosts, 3)
		g.same([]string{"old", "new"})
		conf, err := leader.node.Conf()
		must(t, err)
		if !reflect.DeepEqual(conf.Voters, []uint64{1, 2, 4}) || conf.Outgoing != nil || len(conf.Bytes) == 0 {
			t.Errorf("configuration %+v", conf)
		}
		peers, err := leader.node.Peers()
		must(t, err)
		if len(peers) != 3 || peers[2].ID != 4 || peers[2].Match != leader.last() || peers[2].Flags&PeerVoter == 0 {
			t.Errorf("peers %+v", peers)
		}
	})
}

func Test_who_lags_gets_old_entries_from_the_hosts_log(t *testing.T) {
	small := func(c *Config) {
		c.BlockBytes, c.RecentBytes = 4096, 4*4096
		c.MaxEntryBytes, c.MaxSizePerMsg = 1024, 2048
		c.MaxInflightMsgs = 4
	}
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, small, 1, 2, 3)
		leader := g.lead(1)
		g.cut[3] = true
		var want []string
		for i := range 300 {
			want = append(want, fmt.Sprintf("%0200d", i))
			must(t, leader.node.Propose([]byte(want[i]), 0))
			g.settle()
		}
		s, err := leader.node.Status()
		must(t, err)
		if s.RecentFirst < 10 {
			t.Fatalf("nothing has left memory: %+v", s)
		}

		delete(g.cut, 3)
		for range 50 {
			must(t, leader.node.Tick(1))
			g.settle()
		}

		g.same(want)
		if g.hosts[3].snaps != 0 {
			t.Error("a snapshot was not called for")
		}
	})
}

func Test_who_lags_behind_the_log_gets_a_snapshot(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, nil, 1, 2, 3)
		leader := g.lead(1)
		g.cut[3] = true
		for _, s := range []string{"a", "b", "c"} {
			must(t, leader.node.Propose([]byte(s), 0))
			g.settle()
		}
		leader.before, leader.terms, leader.log = leader.applied, leader.log[len(leader.log)-1].Term, nil
		must(t, leader.node.Compacted(leader.applied))

		delete(g.cut, 3)
		for range 5 {
			must(t, leader.node.Tick(1))
			g.settle()
		}

		g.same([]string{"a", "b", "c"})
		if g.hosts[3].snaps != 1 {
			t.Errorf("%d snapshots", g.hosts[3].snaps)
		}
		if g.mode == StorageSync && g.fetches == 0 {
			t.Error("Turn found no fetch")
		}
	})
}

func Test_leadership_is_handed_over(t *testing.T) {
	g := newGroup(t, StorageSync, nil, 1, 2, 3)
	leader := g.lead(1)

	must(t, leader.node.TransferLeader(3))
	g.settle()

	s, err := g.hosts[3].node.Status()
	must(t, err)
	if s.Role != RoleLeader || s.Leader != 3 || s.Peers != 3 || s.Role.String() != "leader" {
		t.Errorf("status of 3: %+v", s)
	}
	seen := map[EventKind]string{}
	for {
		e, ok, err := g.hosts[3].node.NextEvent()
		must(t, err)
		if !ok {
			break
		}
		seen[e.Kind] = e.Kind.String()
	}
	if seen[EventBecameLeader] == "" {
		t.Errorf("events of 3: %v", seen)
	}
}

func Test_every_field_of_a_configuration_reaches_the_library(t *testing.T) {
	var cfg Config
	v := reflect.ValueOf(&cfg).Elem()
	for i := range v.NumField() {
		if v.Field(i).CanInt() {
			v.Field(i).SetInt(int64(i) + 1)
		} else {
			v.Field(i).SetUint(uint64(i) + 1)
		}
	}
	c := cfg.toC()
	if back := configFromC(&c); back != cfg {
		t.Errorf("%+v came back as %+v", cfg, back)
	}
	etcd := EtcdConfig()
	if etcd.Flags&FlagVoteRequestEarly == 0 || etcd.Flags&FlagPreVote != 0 {
		t.Errorf("etcd's choices: %x", etcd.Flags)
	}
}

func Test_views_show_what_copies_show_and_end_with_advance(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	cfg.Flags |= FlagDebugPoisonViews | FlagDecodedMsgs
	n := founder(t, cfg, 1, 2)
	must(t, n.Campaign())
	drain(t, n)
	// raftpb: grant the pre-vote and the vote; from 2, to 1.
	for _, kind := range []byte{18, 6} {
		must(t, n.Step(2, []byte{1 << 3, kind, 2 << 3, 1, 3 << 3, 2, 4 << 3, 1}))
		drain(t, n)
	}
	must(t, n.Propose([]byte("first"), 0))
	must(t, n.Step(2, []byte{1 << 3, 4, 2 << 3, 1, 3 << 3, 2, 4 << 3, 1, 6 << 3, 2})) // it has entry 2

	view, ok, err := n.ReadyView()
	must(t, err)
	again, _, err := n.Ready() // in this mode the same one until it is advanced
	must(t, err)
	if !ok || view.Entries.Len() == 0 || view.Messages.Len() == 0 || view.ReadyHead != again.ReadyHead {
		t.Fatalf("%+v", view)
	}

	var carried []string
	for i := range view.Messages.Len() {
		m := view.Messages.At(i)
		if !bytes.Equal(m.AppendFrame(nil), again.Messages[i].Frame) || m.MessageHead != again.Messages[i].MessageHead {
			t.Errorf("message %d differs", i)
		}
		if joined := bytes.Join(m.AppendPiecesView(nil), nil); !bytes.Equal(joined, again.Messages[i].Frame) || len(joined) != m.Bytes {
			t.Errorf("the pieces of message %d differ", i)
		}
		for e := range m.Entries.All() {
			carried = append(carried, string(e.Data))
		}
	}
	if fmt.Sprint(carried) != fmt.Sprint([]string{"first"}) {
		t.Errorf("messages carry %q", carried)
	}
	i := 0
	for e := range view.Entries.All() {
		if !reflect.DeepEqual(e, again.Entries[i]) {
			t.Errorf("entry %d differs: %+v", i, e)
		}
		i++
	}
	stale := view.Entries.At(0).Data
	copied := again.Entries[0].Data
	if string(stale) != "first" || cap(stale) != len(stale) {
		t.Fatalf("%q", stale)
	}
	if digest := n.Digest(true); digest == 0 { // other calls leave a view alone
		t.Error("no digest")
	}
	must(t, n.Tick(1))
	if string(stale) != "first" {
		t.Errorf("a tick changed a view: %q", stale)
	}

	must(t, n.Advance(view.Number))

	if string(copied) != "first" {
		t.Errorf("after Advance the copy is %q", copied)
	}
	// With FlagDebugPoisonViews the records turn to 0xDD, under a view that does not panic; the
	// bytes of entries do when the recent log gives up their block.
	if record := (*[64]byte)(view.Messages.first); *record != [64]byte(bytes.Repeat([]byte{0xdd}, 64)) {
		t.Errorf("after Advance a message is %x", *record)
	}
}

// The constants that a host may need; the rest of the header's are this package's own.
func Test_every_constant_of_the_header_has_a_name_here(t *testing.T) {
	header := header(t)
	var source []byte
	for _, name := range []string{"constants.go", "errors.go", "config.go"} {
		text, err := os.ReadFile(name)
		must(t, err)
		source = append(source, text...)
	}
	groups := "SNAPSHOT|FLAG|ENTRY|MSG|CHANGE|TRANSITION|ROLE|STORAGE|DIALECT|RF|MF|HAS|DROP|FETCH|SUPPLY|FLOW|PF|EVENT|REASON|E"
	defined := regexp.MustCompile(`(?m)^#define (RAFTCORE_(?:`+groups+`)_[A-Z0-9_]+)`).FindAllSubmatch(header, -1)
	if len(defined) < 150 {
		t.Fatalf("only %d constants found", len(defined))
	}
	for _, d := range defined {
		if string(d[1]) == "RAFTCORE_FETCH_FIRST" { // a result of turn: FoundFetch
			continue
		}
		if !regexp.MustCompile(`C\.` + string(d[1]) + `\b`).Match(source) {
			t.Errorf("%s has no name in this package", d[1])
		}
	}
}

func Test_nothing_needs_no_memory(t *testing.T) {
	n, err := NewNode(testConfig(1, StorageSync))
	must(t, err)
	defer n.Close()

	must(t, n.Boot(Stored{}))
	if peers, err := n.Peers(); err != nil || len(peers) != 0 {
		t.Errorf("peers %v, %v", peers, err)
	}
	if err := n.ProposeConfChange(ConfChange{}, 0); !errors.Is(err, ErrNoLeader) {
		t.Error(err)
	}
	must(t, n.ProposeMany(nil, nil))
	must(t, n.ProposeFlat(nil, nil, nil))
}

func Test_a_flat_ready_holds_the_same_bytes(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1, 2)
	must(t, n.Campaign())
	rd, _, err := n.Ready()
	must(t, err)

	flat, ok, err := n.ReadyFlat(make([]byte, 0, 8))

	must(t, err)
	if !ok || len(rd.Messages) == 0 || !bytes.Contains(flat, rd.Messages[0].Frame) {
		t.Errorf("%x", flat)
	}
	must(t, n.Advance(rd.Number))
	for ok {
		flat, ok, err = n.ReadyFlat(flat)
		must(t, err)
	}
}

func Test_a_clone_is_a_node_of_its_own(t *testing.T) {
	n := solo(t)
	twin, err := n.Clone()
	must(t, err)
	defer twin.Close()

	if a, b := n.Digest(true), twin.Digest(true); a != b {
		t.Errorf("%x and %x", a, b)
	}
	must(t, n.Close())
	must(t, twin.Propose([]byte("alone"), 3))
	if drain(t, twin) != 1 {
		t.Error("the clone did not commit")
	}
}

func Test_a_connection_opens_with_a_hello(t *testing.T) {
	cfg := testConfig(3, StorageSync)
	cfg.Group = 42
	n := founder(t, cfg, 3)

	frame, err := n.Hello()
	must(t, err)
	info, err := ReadHello(frame)

	must(t, err)
	if info.ID != 3 || info.Group != 42 || info.Version == 0 {
		t.Errorf("%+v", info)
	}
	if _, err := ReadHello(frame[:5]); !errors.Is(err, ErrDecode) {
		t.Error(err)
	}
}

func Test_a_snapshot_is_found_in_a_message(t *testing.T) {
	// raftpb: MsgSnap with {data "state", {conf {voters 1}, index 7, term 2}} in field 9.
	snapshot := []byte{1<<3 | 2, 5, 's', 't', 'a', 't', 'e', 2<<3 | 2, 8, 1<<3 | 2, 2, 1 << 3, 1, 2 << 3, 7, 3 << 3, 2}
	msg := append([]byte{1 << 3, 7, 2 << 3, 1, 3 << 3, 2, 4 << 3, 2, 9<<3 | 2, byte(len(snapshot))}, snapshot...)

	data, index, term, ok, err := SplitSnapshot(msg)

	if string(data) != "state" || index != 7 || term != 2 || !ok || err != nil {
		t.Errorf("%q %d %d %v %v", data, index, term, ok, err)
	}
	if _, _, _, ok, err := SplitSnapshot([]byte{1 << 3, 8}); ok || err != nil {
		t.Error(ok, err)
	}
	if _, _, _, _, err := SplitSnapshot([]byte{0xff}); !errors.Is(err, ErrDecode) {
		t.Error(err)
	}
}

func Test_a_host_may_sleep_until_something_is_due(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1, 2)
	ticks, err := n.TicksUntilDue()
	must(t, err)
	if ticks < 1 || ticks == math.MaxUint32 || n.HasReady() {
		t.Fatalf("%d ticks", ticks)
	}

	must(t, n.Tick(ticks))

	pending, err := n.Pending()
	must(t, err)
	if !n.HasReady() || pending&(HasMessages|HasEvents) != HasMessages|HasEvents {
		t.Errorf("pending: %b", pending)
	}
}

func Test_a_ticker_tells_who_has_work(t *testing.T) {
	a := founder(t, testConfig(1, StorageSync), 1)
	b := founder(t, testConfig(2, StorageSync), 1, 2, 3)
	must(t, b.SetElectable(false))
	drain(t, b)
	ticker := NewTicker([]*Node{b, a, b})

	found := ticker.Tick(30, []int{-1})

	// Whoever stands in the list twice is in use the second time.
	if !reflect.DeepEqual(found, []int{-1, 1, 2}) {
		t.Error(found)
	}
}

func Test_the_hot_path_allocates_nothing(t *testing.T) {
	n := solo(t)
	listens, beat := follower(t)
	frame := append([]byte{byte(len(beat)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, beat...)
	data := make([]byte, 64)
	entries, tokens := [][]byte{data, data, data}, []uint64{1, 2, 3}
	flat, lengths := make([]byte, 192), []uint32{64, 64, 64}
	var buf []byte
	var rd Ready
	ticker := NewTicker([]*Node{n, listens})
	var found []int
	var turn ReadyView
	var in Input

	for name, call := range map[string]func(){
		"Tick":        func() { must(t, n.Tick(1)) },
		"Step":        func() { must(t, listens.Step(2, beat)) },
		"StepFrames":  func() { _, err := listens.StepFrames(2, frame); must(t, err) },
		"Propose":     func() { must(t, n.Propose(data, 0)) },
		"ProposeMany": func() { must(t, n.ProposeMany(entries, tokens)) },
		"ProposeFlat": func() { must(t, n.ProposeFlat(flat, lengths, tokens)) },
		"ReadIndex":   func() { must(t, n.ReadIndex(1)) },
		"HasReady":    func() { n.HasReady() },
		"Status":      func() { _, err := n.Status(); must(t, err) },
		"NextFetch":   func() { _, _, err := n.NextFetch(); must(t, err) },
		"NextEvent":   func() { _, _, err := n.NextEvent(); must(t, err) },
		"TicksUntil":  func() { _, err := n.TicksUntilDue(); must(t, err) },
		"Digest":      func() { n.Digest(true) },
		"Ticker":      func() { found = ticker.Tick(1, found[:0]) },
		"ReadyView and Advance": func() {
			must(t, listens.Step(2, beat))
			rd, ok, err := listens.ReadyView()
			must(t, err)
			for i := range rd.Messages.Len() {
				m := rd.Messages.At(i)
				buf = m.AppendFrame(buf[:0])
			}
			if ok {
				must(t, listens.Advance(rd.Number))
			}
		},
		"Turn": func() {
			must(t, n.Propose(data, 9))
			size := 0
			for {
				found, err := n.Turn(&in, &turn)
				must(t, err)
				if found == FoundNothing {
					break
				}
				in.Done = turn.Number
				for i := range turn.Entries.Len() {
					size += len(turn.Entries.View(i).Data())
				}
			}
		},
		"views of entries": func() {
			must(t, n.Propose(data, 9))
			for range 3 {
				rd, ok, err := n.ReadyView()
				must(t, err)
				size := 0
				for e := range rd.Entries.All() {
					size += len(e.Data)
				}
				for e := range rd.CommittedEntries.All() {
					size += len(e.Data)
				}
				if ok {
					must(t, n.Advance(rd.Number))
				}
			}
		},
		"ReadyInto": func() {
			must(t, n.Propose(data, 9))
			for range 3 {
				if ok, err := n.ReadyInto(&rd); ok && err == nil {
					must(t, n.Advance(rd.Number))
				}
			}
		},
	} {
		if allocs := testing.AllocsPerRun(200, call); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
		drain(t, n)
		drain(t, listens)
	}
}

func Test_the_library_is_the_one_of_the_header(t *testing.T) {
	if ABIVersion() != 1 || Version() == "" || Features()&^1 != 0 {
		t.Error(ABIVersion(), Version(), Features())
	}
}
