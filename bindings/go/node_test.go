package raftcore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var modes = map[string]StorageMode{"sync": StorageSync, "async": StorageAsync, "messages": StorageMessages}

func eachMode(t *testing.T, test func(*testing.T, StorageMode)) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) { test(t, mode) })
	}
}

func Test_three_nodes_agree(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, nil, 1, 2, 3)
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

func Test_errors_have_a_code_and_a_detail(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1, 2, 3)

	err := n.Propose([]byte("x"), 1)

	var e *Error
	var code Code
	if !errors.Is(err, ErrNoLeader) || errors.Is(err, ErrFull) || !errors.As(err, &e) || !errors.As(err, &code) {
		t.Fatalf("%T %v", err, err)
	}
	if e.Op != "Propose" || e.Code != ErrNoLeader || code != ErrNoLeader || e.Detail == "" || !strings.Contains(e.Error(), e.Detail) {
		t.Errorf("%+v", e)
	}
	for op, err := range map[string]error{
		"advance":  n.Advance(9),
		"big":      n.Propose(make([]byte, 5<<20), 0),
		"decode":   n.Step(2, []byte{0xff}),
		"empty":    n.Step(2, nil),
		"async":    n.Persisted(1),
		"local":    n.StepLocal([]byte{1}),
		"boot":     n.BootDone(0),
		"nobody":   n.ReportUnreachable(99),
		"compact":  n.Compacted(99),
		"tokens":   n.ProposeMany([][]byte{nil, nil}, []uint64{1}),
		"lengths":  n.ProposeFlat([]byte("abc"), []uint32{4}, nil),
		"conf":     n.ProposeConfChange(ConfChange{Changes: []Change{{77, 1}}}, 0),
		"not conf": func() error { _, err := n.ApplyConfChange(Entry{Index: 5}); return err }(),
		"fetch":    func() error { _, err := n.SupplyNone(5, SupplyGone); return err }(),
		"entries":  func() error { _, err := n.SupplyEntries(5, []Entry{{Term: 1, Index: 1}}); return err }(),
		"snapshot": func() error { _, err := n.SupplySnapshot(5, 1, Conf{Voters: []uint64{1}}, nil); return err }(),
	} {
		if !errors.As(err, &e) || e.Code >= 0 || e.Code.Error() == "" {
			t.Errorf("%s: %T %v", op, err, err)
		}
	}
}

func Test_an_unknown_code_keeps_its_number(t *testing.T) {
	for _, number := range []Code{-99, -12345, 77, math.MinInt32} {
		err := error(&Error{Op: "Tick", Code: number})

		var code Code
		if !errors.As(err, &code) || code != number || !strings.Contains(err.Error(), fmt.Sprint(int32(number))) {
			t.Errorf("%d: %v", number, err)
		}
	}
	if EventKind(9999).String() == "" || Reason(9999).String() == "" || Role(9).String() != "role 9" {
		t.Error("unknown kinds have no text")
	}
}

func Test_a_configuration_at_fault_is_named(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ID = 1
	cfg.HeartbeatTicks = cfg.ElectionTicks

	_, err := NewNode(cfg)

	if !errors.Is(err, ErrArg) || !strings.Contains(err.Error(), "heartbeat_ticks") || cfg.Check() == nil {
		t.Error(err)
	}
	if _, err := NewNode(Config{}); !errors.Is(err, ErrArg) {
		t.Error(err)
	}
	cfg.HeartbeatTicks = 1
	must(t, cfg.Check())
	if size, err := cfg.Footprint(); err != nil || size == 0 {
		t.Error(size, err)
	}
	if a, b := DefaultConfig(), DefaultConfig(); a.Seed == b.Seed {
		t.Error("two configurations with one seed")
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

func Test_a_closed_node_says_so_and_closing_twice_is_harmless(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1)
	must(t, n.Close())
	must(t, n.Close())

	// Every method that has an error as its last result.
	v := reflect.ValueOf(n)
	tried := 0
	for i := range v.NumMethod() {
		m, name := v.Method(i), v.Type().Method(i).Name
		if name == "Close" || m.Type().NumOut() == 0 {
			continue
		}
		args := make([]reflect.Value, m.Type().NumIn())
		for k := range args {
			args[k] = reflect.Zero(m.Type().In(k))
		}
		out := m.Call(args)
		err, ok := out[len(out)-1].Interface().(error)
		if !ok && name != "HasReady" && name != "Digest" || ok && !errors.Is(err, ErrClosed) {
			t.Errorf("%s answers %v", name, out)
		}
		tried++
	}
	if tried < 40 {
		t.Errorf("only %d methods", tried)
	}
	if found := NewTicker([]*Node{n}).Tick(1, nil); !reflect.DeepEqual(found, []int{0}) {
		t.Errorf("ticker: %v", found)
	}
	if _, err := (&Node{}).Status(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func Test_a_node_that_nobody_holds_is_closed(t *testing.T) {
	ended := make(chan struct{})
	n, err := NewNode(testConfig(1, StorageSync))
	must(t, err)
	runtime.AddCleanup(n, func(c chan struct{}) { close(c) }, ended)
	n = nil
	_ = n

	for range 100 {
		runtime.GC()
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the node is held by something")
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
	// With FlagDebugPoisonViews the records turn to 0xDD; the bytes of entries do when the recent log gives up their block.
	if m := view.Messages.At(0); m.Kind != 0xdddddddd {
		t.Errorf("after Advance the view of a message has kind %d", m.Kind)
	}
	defer func() {
		if recover() == nil {
			t.Error("a place beyond a list's end was answered")
		}
	}()
	view.Reads.At(view.Reads.Len())
}

// Constants that a host may name; the rest of the header's are this package's own business.
func Test_every_constant_of_the_header_has_a_name_here(t *testing.T) {
	header, err := os.ReadFile("../../include/raftcore.h")
	must(t, err)
	var source []byte
	for _, name := range []string{"constants.go", "errors.go", "config.go"} {
		text, err := os.ReadFile(name)
		must(t, err)
		source = append(source, text...)
	}
	groups := "FLAG|ENTRY|MSG|CHANGE|TRANSITION|ROLE|STORAGE|DIALECT|RF|MF|HAS|DROP|FETCH|SUPPLY|FLOW|PF|EVENT|REASON|E"
	defined := regexp.MustCompile(`(?m)^#define (RAFTCORE_(?:`+groups+`)_[A-Z0-9_]+)`).FindAllSubmatch(header, -1)
	if len(defined) < 150 {
		t.Fatalf("only %d constants found", len(defined))
	}
	for _, d := range defined {
		if !regexp.MustCompile(`C\.` + string(d[1]) + `\b`).Match(source) {
			t.Errorf("%s has no name in this package", d[1])
		}
	}
}

func Test_nothing_needs_no_memory(t *testing.T) {
	n, err := NewNode(testConfig(1, StorageSync))
	must(t, err)
	defer n.Close()

	must(t, n.BootEntries(nil))
	must(t, n.BootDone(0))
	if peers, err := n.Peers(); err != nil || len(peers) != 0 {
		t.Errorf("peers %v, %v", peers, err)
	}
	if err := n.ProposeConfChange(ConfChange{}, 0); !errors.Is(err, ErrNoLeader) {
		t.Error(err)
	}
	must(t, n.ProposeMany(nil, nil))
	must(t, n.ProposeFlat(nil, nil, nil))
}

func Test_a_turn_ends_a_batch_and_takes_the_next(t *testing.T) {
	n := solo(t)
	must(t, n.Propose([]byte("first"), 7))
	var v ReadyView
	var found []Found
	var seen []Entry
	for done := uint64(0); ; done = v.Number {
		what, err := n.Turn(done, &v)
		must(t, err)
		if found = append(found, what); what == FoundNothing {
			break
		}
		for i := range v.CommittedEntries.Len() {
			e := v.CommittedEntries.View(i)
			at := v.CommittedEntries.At(i)
			if e.Term() != at.Term || e.Index() != at.Index || e.Kind() != at.Kind || e.Token() != at.Token ||
				!bytes.Equal(e.Data(), at.Data) || e.DataLen() != len(at.Data) {
				t.Errorf("an entry and its view differ: %v", at)
			}
			seen = append(seen, Entry{Index: e.Index(), Token: e.Token(), Data: bytes.Clone(e.Data())})
		}
	}

	if len(found) < 2 || len(seen) != 1 || string(seen[0].Data) != "first" || seen[0].Token != 7 {
		t.Errorf("found %v, seen %v", found, seen)
	}
	if s, _ := n.Status(); s.Applied != seen[0].Index || s.Outstanding != 0 {
		t.Errorf("the last batch did not end: %+v", s)
	}
	if _, err := n.Turn(999, &v); !errors.Is(err, ErrArg) {
		t.Errorf("a number never handed out: %v", err)
	}
	must(t, n.Close())
	if _, err := n.Turn(0, &v); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
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

func Test_goroutines_wait_for_each_other(t *testing.T) {
	n := solo(t)
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 2000 {
				err = errors.Join(err, n.Tick(1), n.Propose([]byte("x"), 0))
				if _, e := n.Status(); e != nil {
					err = e
				}
				n.Digest(false)
				if errors.Is(err, ErrFull) {
					err = nil
				}
			}
			done <- err
		}()
	}
	for range 8 {
		must(t, <-done)
	}
	must(t, n.Close())
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

	for name, call := range map[string]func(){
		"Tick":        func() { must(t, n.Tick(1)) },
		"Step":        func() { must(t, listens.Step(2, beat)) },
		"StepFrames":  func() { _, _, err := listens.StepFrames(2, frame); must(t, err) },
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
			for done := uint64(0); ; done = turn.Number {
				found, err := n.Turn(done, &turn)
				must(t, err)
				if found != FoundReady {
					break
				}
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
