package raftcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func Test_frames_are_walked(t *testing.T) {
	frame := func(group uint64, msg string) []byte {
		b := binary.LittleEndian.AppendUint32(nil, uint32(len(msg)))
		return append(binary.LittleEndian.AppendUint64(b, group), msg...)
	}
	buf := append(append(frame(7, "first"), frame(8, "")...), frame(9, "third")[:14]...)

	var seen []Frame
	for {
		f, ok, err := NextFrame(buf, 100)
		must(t, err)
		if !ok {
			if f.Bytes != FrameHeader+5 || f.Message != nil {
				t.Errorf("incomplete: %+v", f)
			}
			break
		}
		if cap(f.Message) != len(f.Message) {
			t.Error("an append would overwrite the next frame")
		}
		seen, buf = append(seen, f), buf[f.Bytes:]
	}

	if want := []Frame{{7, []byte("first"), 17}, {8, []byte{}, 12}}; !reflect.DeepEqual(seen, want) {
		t.Errorf("%+v", seen)
	}
	if f, ok, err := NextFrame(buf[:11], 100); ok || err != nil || f.Bytes != 0 {
		t.Error(f, ok, err)
	}
	if f, ok, err := NextFrame(nil, 100); ok || err != nil || f.Bytes != 0 {
		t.Error(f, ok, err)
	}
	if _, _, err := NextFrame(buf, 16); !errors.Is(err, ErrDecode) { // 17 bytes
		t.Error(err)
	}
}

func Test_a_frame_as_large_as_the_limit_is_taken(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	limit, err := cfg.FrameLimit()
	must(t, err)
	if limit < cfg.MaxEntryBytes || limit < cfg.MaxSizePerMsg || limit < cfg.MaxSnapshotBytes {
		t.Fatalf("limit %d", limit)
	}
	cfg.MaxSnapshotBytes = 1 << 30
	if larger, err := cfg.FrameLimit(); err != nil || larger <= 1<<30 {
		t.Error(larger, err)
	}
	n := founder(t, testConfig(1, StorageSync), 1, 2)
	header := make([]byte, FrameHeader)
	binary.LittleEndian.PutUint32(header, uint32(limit)-FrameHeader)
	if took, err := n.StepFrames(2, header); err != nil || took.Consumed != 0 {
		t.Error(took, err)
	}
	binary.LittleEndian.PutUint32(header, uint32(limit)-FrameHeader+1)
	if _, err := n.StepFrames(2, header); !errors.Is(err, ErrDecode) {
		t.Error(err)
	}
}

// sent records what a group sends.
func (g *group) sent(kind MessageKind) *Message {
	for i := range g.log {
		if g.log[i].Kind == kind {
			return &g.log[i]
		}
	}
	return nil
}

func Test_a_snapshot_message_says_what_it_covers(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		g := newGroup(t, mode, nil, 1, 2, 3)
		leader := g.lead(1)
		g.cut[3] = true
		must(t, leader.node.Propose([]byte("a"), 0))
		g.settle()
		leader.before, leader.terms, leader.log = leader.applied, leader.log[len(leader.log)-1].Term, nil
		must(t, leader.node.Compacted(leader.applied))
		delete(g.cut, 3)
		for range 5 {
			must(t, leader.node.Tick(1))
			g.settle()
		}

		m := g.sent(MsgSnap)
		if m == nil {
			t.Fatal("no snapshot")
		}
		data, index, term, ok, err := SplitSnapshot(m.Frame[FrameHeader:])
		must(t, err)
		if !ok || m.Index != index || m.LogTerm != term || m.Index != leader.before || m.LogTerm != leader.terms || len(data) == 0 {
			t.Errorf("%+v, %d %d", m.MessageHead, index, term)
		}
		n := fresh(t)
		must(t, n.Boot(Stored{HardState: HardState{Term: 9, Commit: index}, Applied: index, Conf: &Conf{Bytes: m.SnapshotConf},
			BeforeFirst: index, BeforeFirstTerm: term, Last: index}))
		if conf, err := n.Conf(); err != nil || !reflect.DeepEqual(conf.Voters, []uint64{1, 2, 3}) || conf.Index != index {
			t.Errorf("%+v %v", conf, err)
		}
	})
}

func Test_messages_have_their_context(t *testing.T) {
	g := newGroup(t, StorageSync, nil, 1, 2, 3)
	leader := g.lead(1)
	must(t, leader.node.ReadIndex(5))
	v, ok, err := leader.node.ReadyView()
	must(t, err)
	var rd Ready
	v.CopyTo(&rd)
	if !ok || len(rd.Messages) == 0 {
		t.Fatalf("%+v", rd)
	}
	for i, m := range rd.Messages {
		view := v.Messages.At(i)
		if m.Kind != MsgHeartbeat || len(m.Context) == 0 || !bytes.Equal(m.Context, view.ContextView()) ||
			!bytes.Contains(m.Frame, m.Context) || m.SnapshotConf != nil || view.SnapshotConfView() != nil {
			t.Errorf("%+v", m)
		}
	}
}

func Test_snapshots_are_reported(t *testing.T) {
	const timeout = 4
	events := func(n *Node) (ended []Event) {
		for {
			e, ok, err := n.NextEvent()
			must(t, err)
			if !ok {
				return ended
			}
			if e.Kind == EventSnapshotEnded {
				ended = append(ended, e)
			}
		}
	}
	sending := func(t *testing.T) *host {
		g := newGroup(t, StorageSync, func(c *Config) { c.SnapshotTimeoutTicks = timeout }, 1, 2, 3)
		leader := g.lead(1)
		g.cut[3] = true
		must(t, leader.node.Propose([]byte("a"), 0))
		g.settle()
		leader.before, leader.terms, leader.log = leader.applied, leader.log[len(leader.log)-1].Term, nil
		must(t, leader.node.Compacted(leader.applied))
		delete(g.cut, 3)
		g.lost = MsgSnap
		for range 3 {
			must(t, leader.node.Tick(1))
			g.settle()
		}
		if g.asked[FetchSnapshot] == 0 {
			t.Fatal("no snapshot")
		}
		events(leader.node)
		return leader
	}
	tick := func(n *Node, ticks int) {
		for range ticks {
			must(t, n.Tick(1))
			drain(t, n)
			for _, peer := range []uint64{2, 3} { // a heartbeat's answer: they live
				must(t, n.Step(peer, []byte{1 << 3, 9, 2 << 3, 1, 3 << 3, byte(peer), 4 << 3, 1}))
			}
		}
	}

	leader := sending(t)
	for range 5 {
		must(t, leader.node.ReportSnapshot(3, SnapshotUnderWay))
		tick(leader.node, timeout-1)
	}
	if ended := events(leader.node); ended != nil {
		t.Errorf("reported as being sent: %v", ended)
	}
	tick(leader.node, timeout+1)
	if ended := events(leader.node); len(ended) != 1 || ended[0].Reason != ReasonSnapshotTimeout || ended[0].A != 0 {
		t.Errorf("without a report: %v", ended)
	}

	for how, a := range map[SnapshotReport]uint64{SnapshotFailed: 0, SnapshotArrived: 1} {
		leader := sending(t)
		must(t, leader.node.ReportSnapshot(3, how))
		if ended := events(leader.node); len(ended) != 1 || ended[0].A != a || ended[0].Peer != 3 {
			t.Errorf("%d: %v", how, ended)
		}
	}
	if err := leader.node.ReportSnapshot(9, SnapshotFailed); !errors.Is(err, ErrNoPeer) {
		t.Error(err)
	}
}

func Test_snapshot_data_that_are_too_large_travel_beside_the_core(t *testing.T) {
	g := newGroup(t, StorageSync, func(c *Config) { c.MaxSnapshotBytes = 10 }, 1, 2)
	leader := g.lead(1)
	must(t, leader.node.Propose([]byte(strings.Repeat("x", 100)), 0))
	g.settle()
	leader.before, leader.terms, leader.log = leader.applied, leader.log[len(leader.log)-1].Term, nil
	must(t, leader.node.Compacted(leader.applied))
	must(t, leader.node.ProposeConfChange(ConfChange{Changes: []Change{{ChangeAddLearner, 3}}}, 0))
	joins := g.add(3)
	joins.boot()
	g.beside = map[uint64][]byte{}

	g.settle()

	m := g.sent(MsgSnap)
	if m == nil {
		t.Fatal("no snapshot")
	}
	if data, _, _, ok, err := SplitSnapshot(m.Frame[FrameHeader:]); !ok || err != nil || len(data) != 0 {
		t.Errorf("%d bytes of data, %v %v", len(data), ok, err)
	}
	g.same([]string{strings.Repeat("x", 100)})
}

// changeEntry is a committed change, as a leader encodes it.
func changeEntry(tb testing.TB, cc ConfChange) Entry {
	tb.Helper()
	n := solo(tb)
	must(tb, n.ProposeConfChange(cc, 0))
	rd, _, err := n.Ready()
	must(tb, err)
	return rd.Entries[0]
}

func Test_raw_entries_are_proposed(t *testing.T) {
	g := newGroup(t, StorageSync, nil, 1, 2)
	leader := g.lead(1)
	change := changeEntry(t, ConfChange{Changes: []Change{{ChangeAddLearner, 4}}, Context: []byte("address")})

	must(t, leader.node.ProposeEntry(EntryNormal, []byte("data"), 5))
	must(t, leader.node.ProposeEntry(change.Kind, change.Data, 6))
	g.settle()

	g.same([]string{"data"})
	if leader.tokens[5] == 0 || leader.tokens[6] != leader.tokens[5]+1 || !reflect.DeepEqual(leader.conf.Learners, []uint64{4}) {
		t.Errorf("%v %+v", leader.tokens, leader.conf)
	}
	if leader.conf.Index != leader.tokens[6] || string(leader.conf.Context) != "address" {
		t.Errorf("%+v", leader.conf)
	}
	if err := leader.node.ProposeEntry(EntryConfChangeV2, []byte{0xff}, 0); !errors.Is(err, ErrDecode) {
		t.Error(err)
	}
	if err := leader.node.ProposeEntry(EntryNormal, make([]byte, 5<<20), 0); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

func Test_a_skipped_change_gives_what_to_store(t *testing.T) {
	n := solo(t)
	must(t, n.ProposeConfChange(ConfChange{Changes: []Change{{ChangeAddLearner, 4}}, Context: []byte("address")}, 0))
	var conf Conf
	for {
		rd, ok, err := n.Ready()
		must(t, err)
		if !ok {
			break
		}
		for _, e := range rd.CommittedEntries {
			if err := n.Advance(rd.Number); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "call ApplyConfChange or SkipConfChange") {
				t.Error(err)
			}
			conf, err = n.SkipConfChange(e.Index)
			must(t, err)
		}
		must(t, n.Advance(rd.Number))
	}

	if !reflect.DeepEqual(conf.Voters, []uint64{1}) || conf.Learners != nil || conf.Index != 3 || len(conf.Bytes) == 0 {
		t.Errorf("%+v", conf)
	}
}

func Test_changes_are_applied_apart_from_their_entries(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	cfg.Flags |= FlagConfApart
	n := founder(t, cfg, 1)
	must(t, n.Campaign())
	drain(t, n)
	change := changeEntry(t, ConfChange{Changes: []Change{{ChangeAddLearner, 4}}})

	conf, err := n.ApplyChange(change.Kind, change.Data)

	must(t, err)
	if !reflect.DeepEqual(conf.Learners, []uint64{4}) || conf.Index != 0 {
		t.Errorf("%+v", conf)
	}
	must(t, n.ProposeConfChange(ConfChange{Changes: []Change{{ChangeAddLearner, 5}}}, 0))
	drain(t, n) // applied passes the entry
	if now, _ := n.Status(); now.Applied != 3 {
		t.Errorf("%+v", now)
	}
}

// The event says from where on the entries were this node's own: proposals that may be lost.
func Test_an_overwritten_leader_says_what_was_its_own(t *testing.T) {
	g := newGroup(t, StorageSync, nil, 1, 2, 3)
	old := g.lead(1)
	g.cut[1] = true
	must(t, old.node.Propose([]byte("lost"), 9))
	g.settle()
	for range 30 { // CheckQuorum: the old leader steps down; another is elected
		for _, h := range g.hosts {
			must(t, h.node.Tick(1))
		}
		g.settle()
	}
	g.lead(2)
	for {
		if _, ok, err := old.node.NextEvent(); err != nil || !ok {
			break
		}
	}
	delete(g.cut, 1)
	for range 5 {
		must(t, g.hosts[2].node.Tick(1))
		g.settle()
	}

	for {
		e, ok, err := old.node.NextEvent()
		must(t, err)
		if !ok {
			t.Fatal("no event")
		}
		if e.Kind == EventTruncated {
			if e.Index != 3 || e.A != 3 || e.B != 3 {
				t.Errorf("%+v", e)
			}
			break
		}
	}
	if want := []Drop{{9, DropNotCommitted, ReasonOverwritten}}; !reflect.DeepEqual(old.dropped, want) {
		t.Errorf("%v", old.dropped)
	}
}

func Test_a_follower_refuses_and_with_a_flag_forwards(t *testing.T) {
	for _, flags := range []Flags{0, FlagForwarding} {
		g := newGroup(t, StorageSync, func(c *Config) { c.Flags |= flags }, 1, 2, 3)
		g.lead(1)

		err := g.hosts[2].node.Propose([]byte("x"), 7)
		g.settle()

		if flags == 0 {
			if !errors.Is(err, ErrNotLeader) || g.hosts[2].dropped != nil {
				t.Error(err, g.hosts[2].dropped)
			}
			g.same(nil)
			continue
		}
		must(t, err)
		if want := []Drop{{7, DropUnknown, ReasonForwarded}}; !reflect.DeepEqual(g.hosts[2].dropped, want) {
			t.Errorf("%v", g.hosts[2].dropped)
		}
		g.same([]string{"x"})
	}
}
