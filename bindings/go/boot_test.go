package raftcore

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func fresh(tb testing.TB) *Node {
	tb.Helper()
	n, err := NewNode(testConfig(1, StorageSync))
	must(tb, err)
	tb.Cleanup(func() { n.Close() })
	return n
}

// full is what a sole voter has stored that has applied 3 of 5 entries.
func full() Stored {
	return Stored{
		HardState: HardState{Term: 2, Vote: 1, Commit: 5}, Applied: 3, Conf: &Conf{Voters: []uint64{1}, Index: 1},
		BeforeFirst: 1, BeforeFirstTerm: 1, Last: 5,
		Entries: []Entry{{Term: 1, Index: 2}, {Term: 1, Index: 3}, {Term: 2, Index: 4}, {Term: 2, Index: 5, Data: []byte("five")}},
	}
}

func Test_boot_gives_a_node_its_past(t *testing.T) {
	n := fresh(t)

	must(t, n.Boot(full()))

	s, err := n.Status()
	must(t, err)
	if s.Term != 2 || s.Vote != 1 || s.Commit != 5 || s.Applied != 3 || s.LastIndex != 5 || s.FirstIndex != 2 || s.Peers != 1 {
		t.Errorf("%+v", s)
	}
	rd, ok, err := n.Ready()
	must(t, err)
	if !ok || rd.CommittedFirst != 4 || rd.CommittedLast != 5 || string(rd.CommittedEntries[1].Data) != "five" {
		t.Errorf("%+v", rd)
	}
}

func Test_boot_takes_the_terms_in_place_of_applied_entries(t *testing.T) {
	s := full()
	s.Runs, s.Entries = []Run{{2, 1}, {4, 2}}, s.Entries[2:]

	must(t, fresh(t).Boot(s))

	s.Runs = s.Runs[:1]
	if err := fresh(t).Boot(s); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func Test_boot_in_pieces_is_boot(t *testing.T) {
	whole, pieces := fresh(t), fresh(t)
	s := full()

	must(t, whole.Boot(s))
	must(t, pieces.BootState(s.HardState))
	must(t, pieces.BootConf(*s.Conf, s.BeforeFirst, s.BeforeFirstTerm))
	must(t, pieces.BootTerms(s.Runs, s.Last))
	must(t, pieces.BootEntries(s.Entries[:1]))
	must(t, pieces.BootEntries(s.Entries[1:]))
	must(t, pieces.BootDone(s.Applied))

	if whole.Digest(true) != pieces.Digest(true) {
		t.Error("the nodes differ")
	}
}

func Test_an_empty_disk_boots_and_waits(t *testing.T) {
	n := fresh(t)

	must(t, n.Boot(Stored{}))

	must(t, n.Tick(1000))
	if s, err := n.Status(); err != nil || s.Promotable || s.Term != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// A joiner may have a term, and later a log from index 1, before it has a membership.
func Test_a_disk_without_a_membership_boots(t *testing.T) {
	must(t, fresh(t).Boot(Stored{HardState: HardState{Term: 7}}))
	must(t, fresh(t).Boot(Stored{HardState: HardState{Term: 7}, Conf: &Conf{}, Last: 1, Entries: []Entry{{Term: 7, Index: 1}}}))
}

func Test_boot_refuses_what_was_forgotten(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Stored)
		code   Code
		words  string
	}{
		"the membership":        {func(s *Stored) { s.Conf = nil }, ErrState, "Conf is nil"},
		"an entry":              {func(s *Stored) { s.Commit, s.Entries = 4, s.Entries[:3] }, ErrCorrupt, "the log ends at 5, entries were given up to 4"},
		"all entries":           {func(s *Stored) { s.Entries = nil }, ErrCorrupt, "the entries from 4 to 5 are missing: applied is 3"},
		"a gap":                 {func(s *Stored) { s.Entries[1].Index = 9 }, ErrCorrupt, "index 9, where 3 is expected"},
		"a membership of later": {func(s *Stored) { s.Conf.Index = 4 }, ErrCorrupt, "store both in one write"},
		"a membership of before": {func(s *Stored) { s.Entries[0].Kind = EntryConfChangeV2 }, ErrCorrupt,
			"the configuration is as of index 1, older than the change at index 2; applied is 3"},
		"a voter twice": {func(s *Stored) { s.Conf.Voters = []uint64{1, 1, 2} }, ErrConf,
			"the stored configuration can't be in force: id 1 is named twice in one set"},
		"bytes of nothing": {func(s *Stored) { s.Conf.Bytes = []byte{0xff} }, ErrDecode, "no configuration"},
		"a commit index":   {func(s *Stored) { s.Commit = 11 }, ErrCorrupt, "commit 11 is beyond the last entry 5"},
		"an applied index": {func(s *Stored) { s.Applied = 6 }, ErrCorrupt, "Applied 6 is beyond the last entry 5"},
	} {
		s := full()
		c.change(&s)

		err := fresh(t).Boot(s)

		if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n := fresh(t)
	must(t, n.Boot(full()))
	if err := n.Boot(full()); !errors.Is(err, ErrState) {
		t.Error("booted twice:", err)
	}
}

func Test_a_membership_is_encoded_without_a_node(t *testing.T) {
	conf := Conf{
		Voters: []uint64{1, 2, 1 << 60}, Outgoing: []uint64{1, 3}, Learners: []uint64{4}, LearnersNext: []uint64{3},
		AutoLeave: true, Index: 1,
	}
	b, err := conf.Encode()
	must(t, err)

	n := fresh(t)
	must(t, n.Boot(Stored{HardState: HardState{Commit: 1}, Applied: 1, Conf: &Conf{Bytes: b}, BeforeFirst: 1, BeforeFirstTerm: 1, Last: 1}))

	got, err := n.Conf()
	must(t, err)
	if !reflect.DeepEqual(got.Bytes, b) {
		t.Errorf("%x came back as %x", b, got.Bytes)
	}
	conf.Bytes = b
	if !reflect.DeepEqual(got, conf) {
		t.Errorf("%+v came back as %+v", conf, got)
	}
	many := Conf{Index: 1 << 60}
	for id := range uint64(250) {
		many.Voters = append(many.Voters, 1<<63+id)
	}
	if b, err := many.Encode(); err != nil || len(b) < 2500 {
		t.Error(len(b), err)
	}
}

// After a boot with more unapplied log than memory, the node asks for its own log, and nothing is
// skipped.
func Test_a_long_log_is_applied_through_fetches(t *testing.T) {
	eachMode(t, func(t *testing.T, mode StorageMode) {
		if mode == StorageMessages {
			t.Skip("unapplied entries must fit into memory there")
		}
		g := newGroup(t, mode, func(c *Config) {
			c.BlockBytes, c.RecentBytes = 4096, 4*4096
			c.MaxEntryBytes = 1024
		}, 1)
		h := g.lead(1)
		h.log, h.applied, h.state = h.log[:1], 2, nil
		var want []string
		for i := uint64(3); i <= 300; i++ {
			data := strings.Repeat("x", 200)
			want = append(want, data)
			h.log = append(h.log, Entry{Term: 1, Index: i, Data: []byte(data)})
		}
		h.hard.Commit = 300
		h.conf.Index = 2

		h.boot()
		g.settle()

		g.same(want)
		if g.asked[FetchApply] == 0 {
			t.Error("nothing was asked for")
		}
	})
}

func Test_a_host_that_does_not_answer_is_told_so(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	cfg.BlockBytes, cfg.RecentBytes, cfg.MaxEntryBytes = 4096, 4*4096, 1024
	n, err := NewNode(cfg)
	must(t, err)
	defer n.Close()
	s := Founder(1)
	s.Term, s.Commit, s.Last = 1, 100, 100
	for i := uint64(2); i <= 100; i++ {
		s.Entries = append(s.Entries, Entry{Term: 1, Index: i, Data: make([]byte, 1000)})
	}
	must(t, n.Boot(s))
	if !n.HasReady() {
		t.Error("a fetch is work, and the host would sleep")
	}
	f, ok, err := n.NextFetch()
	must(t, err)
	if !ok || f.Kind != FetchApply || f.Peer != 1 || f.First != 2 || f.Last < 2 || f.MaxBytes == 0 {
		t.Fatalf("%+v", f)
	}
	drain(t, n)

	must(t, n.Tick(cfg.ElectionTicks))

	if now, _ := n.Status(); now.ApplyWaits != 2 || now.Applied != 1 {
		t.Errorf("%+v", now)
	}
	for {
		e, ok, err := n.NextEvent()
		must(t, err)
		if !ok {
			t.Fatal("no event")
		}
		if e.Kind == EventApplyWaits {
			if e.Index != 2 || e.A != uint64(cfg.ElectionTicks) {
				t.Errorf("%+v", e)
			}
			break
		}
	}
	if _, err := n.SupplyNone(f.ID, SupplyGone); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if wanted, err := n.SupplyEntries(f.ID, s.Entries[:5]); err != nil || !wanted {
		t.Fatal(wanted, err)
	}
	rd, _, err := n.Ready()
	must(t, err)
	if rd.CommittedFirst != 2 || rd.CommittedLast != 6 || len(rd.CommittedEntries) != 5 {
		t.Errorf("%+v", rd.ReadyHead)
	}
}

func Test_a_span_without_entries_must_be_confirmed(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	cfg.BlockBytes, cfg.RecentBytes, cfg.MaxEntryBytes = 4096, 4*4096, 1024
	cfg.Flags |= FlagCommittedSpans
	n, err := NewNode(cfg)
	must(t, err)
	defer n.Close()
	s := Founder(1)
	s.Term, s.Commit, s.Last = 1, 100, 100
	for i := uint64(2); i <= 100; i++ {
		s.Entries = append(s.Entries, Entry{Term: 1, Index: i, Data: make([]byte, 1000)})
	}
	must(t, n.Boot(s))
	rd, ok, err := n.Ready()
	must(t, err)
	if !ok || rd.CommittedFirst != 2 || rd.CommittedLast == 0 || len(rd.CommittedEntries) != 0 {
		t.Fatalf("%+v", rd)
	}

	err = n.Advance(rd.Number)

	if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "call Applied(") {
		t.Errorf("a span was forgotten: %v", err)
	}
	must(t, n.Applied(rd.CommittedLast))
	must(t, n.Advance(rd.Number))
}
