package raftcore

import (
	"errors"
	"fmt"
	"testing"
)

func must(tb testing.TB, err error) {
	if err != nil {
		tb.Helper()
		tb.Fatal(err)
	}
}

func testConfig(id uint64, mode StorageMode) Config {
	cfg := DefaultConfig()
	cfg.ID = id
	cfg.Seed = id
	cfg.Storage = mode
	return cfg
}

// founder is a node that boots as a member of a new group.
func founder(tb testing.TB, cfg Config, voters ...uint64) *Node {
	tb.Helper()
	n, err := NewNode(cfg)
	must(tb, err)
	must(tb, n.Boot(Founder(voters...)))
	tb.Cleanup(func() { n.Close() })
	return n
}

// follower is node 1 of two, and a heartbeat of its leader 2.
func follower(tb testing.TB) (*Node, []byte) {
	tb.Helper()
	n := founder(tb, testConfig(1, StorageSync), 1, 2)
	// raftpb: type 8 (heartbeat), to 1, from 2, term 2.
	beat := []byte{1 << 3, 8, 2 << 3, 1, 3 << 3, 2, 4 << 3, 2}
	must(tb, n.Step(2, beat))
	drain(tb, n)
	return n, beat
}

// host is a node with its disk and state machine, both in memory, in one of the storage modes.
type host struct {
	tb      testing.TB
	id      uint64
	node    *Node
	cfg     Config
	hard    HardState
	before  uint64 // index before log[0]
	terms   uint64 // its term
	log     []Entry
	applied uint64
	conf    Conf
	state   []string
	snaps   int // installed
	tokens  map[uint64]uint64
	dropped []Drop
	reads   []Read
	waiting []job  // readies whose messages wait for the disk
	input   Input  // of the next turn
	start   uint64 // applied at boot
	group   *group
}

type job struct {
	rd Ready
}

type group struct {
	fetches int // found by Turn
	lasts   int
	tb      testing.TB
	mode    StorageMode
	asked   map[FetchKind]int
	hosts   map[uint64]*host
	queue   []Message
	cut     map[uint64]bool
	config  func(*Config)
	// Messages may be refused: a node that left still answers, for example.
	lenient bool
	log     []Message         // everything sent
	lost    MessageKind       // lost messages; MsgHup: no kind
	beside  map[uint64][]byte // by index: snapshots beside the core; nil: not allowed
}

func newGroup(tb testing.TB, mode StorageMode, config func(*Config), ids ...uint64) *group {
	g := &group{tb: tb, mode: mode, asked: map[FetchKind]int{}, hosts: map[uint64]*host{}, cut: map[uint64]bool{}, config: config}
	for _, id := range ids {
		h := g.add(id)
		h.hard = HardState{Commit: 1}
		h.before, h.terms, h.applied = 1, 1, 1
		h.conf = Conf{Voters: ids, Index: 1}
		h.boot()
	}
	return g
}

// add is a host with an empty disk, not booted.
func (g *group) add(id uint64) *host {
	cfg := testConfig(id, g.mode)
	cfg.Flags |= FlagDebugPoisonViews
	if g.config != nil {
		g.config(&cfg)
	}
	h := &host{tb: g.tb, group: g, id: id, cfg: cfg, tokens: map[uint64]uint64{}}
	g.hosts[id] = h
	g.tb.Cleanup(func() {
		if h.node != nil {
			h.node.Close()
		}
	})
	return h
}

// boot makes the node anew from what is on disk, as after a crash.
func (h *host) boot() {
	h.tb.Helper()
	if h.node != nil {
		must(h.tb, h.node.Close())
	}
	h.cfg.Seed += 100
	h.waiting, h.input, h.start = nil, Input{}, h.applied
	n, err := NewNode(h.cfg)
	must(h.tb, err)
	h.node = n
	stored := Stored{HardState: h.hard, Applied: h.applied, BeforeFirst: h.before, BeforeFirstTerm: h.terms,
		Last: h.last(), Entries: h.log}
	if h.hard != (HardState{}) {
		stored.Conf = &h.conf
	}
	must(h.tb, n.Boot(stored))
}

func (h *host) last() uint64 { return h.before + uint64(len(h.log)) }

func (h *host) entry(index uint64) Entry { return h.log[index-h.before-1] }

func (h *host) store(rd *Ready) {
	if rd.HasSnapshot() {
		h.snaps++
		h.before, h.terms, h.log = rd.SnapshotIndex, rd.SnapshotTerm, nil
		h.applied = rd.SnapshotIndex
		h.conf = Conf{Bytes: rd.SnapshotConf}
		h.state = unpack(rd.SnapshotData)
		if len(rd.SnapshotData) == 0 {
			h.state = unpack(h.group.beside[rd.SnapshotIndex])
		}
	}
	if len(rd.Entries) > 0 {
		keep := rd.Entries[0].Index - h.before - 1
		h.log = append(h.log[:keep:keep], rd.Entries...)
	}
	if rd.HardStateChanged() {
		h.hard = rd.HardState
	}
}

func (h *host) apply(rd *Ready) {
	list := rd.CommittedEntries
	if rd.CommittedLast != 0 && len(list) == 0 {
		for i := rd.CommittedFirst; i <= rd.CommittedLast; i++ {
			list = append(list, h.entry(i))
		}
	}
	if h.cfg.Flags&FlagCommittedSpans == 0 && uint64(len(rd.CommittedEntries)) != span(rd) {
		h.tb.Fatalf("%d committed entries in a span of %d", len(rd.CommittedEntries), span(rd))
	}
	for _, e := range list {
		switch {
		case e.Kind != EntryNormal:
			conf, err := h.node.ApplyConfChange(e)
			must(h.tb, err)
			h.conf = conf
		case len(e.Data) > 0:
			h.state = append(h.state, string(e.Data))
		}
		if e.Token != 0 {
			h.tokens[e.Token] = e.Index
		}
		h.applied = e.Index
	}
	for _, d := range rd.Done {
		h.tokens[d.Token] = d.Index
	}
	h.dropped = append(h.dropped, rd.Dropped...)
	h.reads = append(h.reads, rd.Reads...)
}

func span(rd *Ready) uint64 {
	if rd.CommittedLast == 0 {
		return 0
	}
	return rd.CommittedLast - rd.CommittedFirst + 1
}

func pack(state []string) []byte {
	var b []byte
	for _, s := range state {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	return b
}

func unpack(b []byte) (state []string) {
	for len(b) > 0 {
		state = append(state, string(b[1:1+b[0]]))
		b = b[1+b[0]:]
	}
	return state
}

// serve answers fetches; whether there were any.
func (g *group) serve(h *host) (busy bool) {
	n := h.node
	for {
		f, ok, err := n.NextFetch()
		must(g.tb, err)
		if !ok {
			return busy
		}
		busy = true
		g.asked[f.Kind]++
		switch {
		case f.Kind == FetchSnapshot:
			_, err = n.SupplySnapshot(f.ID, h.applied, h.conf, pack(h.state))
			if errors.Is(err, ErrTooLarge) && g.beside != nil {
				g.beside[h.applied] = pack(h.state)
				_, err = n.SupplySnapshot(f.ID, h.applied, h.conf, nil)
			}
		case f.First <= h.before:
			_, err = n.SupplyNone(f.ID, SupplyGone)
		default:
			_, err = n.SupplyEntries(f.ID, h.log[f.First-h.before-1:f.Last-h.before])
		}
		must(g.tb, err)
	}
}

// turns is work with StorageSync, by Turn.
func (g *group) turns(h *host) (busy bool) {
	var v ReadyView
	for {
		found, err := h.node.Turn(&h.input, &v)
		must(g.tb, err)
		switch found {
		case FoundNothing:
			return busy
		case FoundFetch:
			if pending, err := h.node.Pending(); err != nil || pending&HasFetch == 0 {
				g.tb.Fatalf("Turn found a fetch, and none is pending: %v, %v", pending, err)
			}
			g.fetches++
			if !g.serve(h) {
				g.tb.Fatal("Turn found a fetch that NextFetch does not have")
			}
		case FoundReady, FoundLast:
			var rd Ready
			v.CopyTo(&rd)
			h.store(&rd)
			g.queue = append(g.queue, rd.Messages...)
			h.apply(&rd)
			h.input.Done = v.Number
			if found == FoundLast {
				g.lasts++
				if h.id == 1 { // half of the hosts leave the acknowledgement to their next turn
					return true
				}
			}
		}
		busy = true
	}
}

// turnsAsync is work with StorageAsync, by Turn: the next turn has what the disk has done.
func (g *group) turnsAsync(h *host) (busy bool) {
	var v ReadyView
	for {
		found, err := h.node.Turn(&h.input, &v)
		if errors.Is(err, ErrFull) || err == nil && found == FoundNothing {
			rd := g.disk(h)
			if rd == nil {
				return busy
			}
			h.input = Input{Persisted: rd.Number, Released: rd.Number}
			if h.applied > h.start {
				h.input.Applied = h.applied
			}
			continue
		}
		must(g.tb, err)
		busy = true
		if found == FoundFetch {
			g.fetches++
			g.serve(h)
			continue
		}
		var rd Ready
		v.CopyTo(&rd)
		g.sendEarly(&rd)
		h.apply(&rd)
		h.waiting = append(h.waiting, job{rd})
	}
}

// sendEarly sends what need not wait for the disk.
func (g *group) sendEarly(rd *Ready) {
	for _, m := range rd.Messages {
		if m.Flags&MessageAfter == 0 {
			g.queue = append(g.queue, m)
		}
	}
}

// disk does the waiting writes in order, then sends the waiting messages. The newest ready is
// returned.
func (g *group) disk(h *host) (newest *Ready) {
	for i := range h.waiting {
		newest = &h.waiting[i].rd
		h.store(newest)
		for _, m := range newest.Messages {
			if m.Flags&MessageAfter != 0 {
				g.queue = append(g.queue, m)
			}
		}
	}
	h.waiting = nil
	return newest
}

// work does one turn of a host, and reports whether there was anything to do. Every second host
// uses Turn.
func (g *group) work(h *host) bool {
	switch {
	case g.mode == StorageSync && h.id%2 == 1:
		return g.turns(h)
	case g.mode == StorageAsync && h.id%2 == 1:
		return g.turnsAsync(h)
	}
	n, busy := h.node, g.serve(h)
	for {
		rd, ok, err := n.Ready()
		if err != nil && g.mode != StorageSync && errors.Is(err, ErrFull) {
			break
		}
		must(g.tb, err)
		if !ok {
			break
		}
		busy = true
		switch g.mode {
		case StorageSync:
			h.store(&rd)
			g.queue = append(g.queue, rd.Messages...)
			h.apply(&rd)
			must(g.tb, n.Advance(rd.Number))
		case StorageAsync:
			g.sendEarly(&rd)
			h.apply(&rd)
			h.waiting = append(h.waiting, job{rd})
		case StorageMessages:
			h.apply(&rd) // configuration entries are applied where they come out
			for _, m := range rd.Messages {
				switch m.To {
				case IDLocalAppend:
					h.store(&rd)
					g.respond(h, m)
				case IDLocalApply:
					g.respond(h, m)
				default:
					g.queue = append(g.queue, m)
				}
			}
			must(g.tb, n.Release(rd.Number))
		}
	}
	last := uint64(0)
	for _, j := range h.waiting {
		last = max(last, j.rd.CommittedLast)
	}
	if rd := g.disk(h); rd != nil {
		must(g.tb, n.Persisted(rd.Number))
		if last != 0 {
			must(g.tb, n.Applied(last))
		}
		must(g.tb, n.Release(rd.Number))
	}
	return busy
}

// respond sends the responses in a message to local storage, to the node or to peers.
func (g *group) respond(h *host, m Message) {
	for _, r := range responses(m.Frame[12:]) {
		if to := field(r, 2); to == h.id {
			must(g.tb, h.node.StepLocal(r))
		} else {
			frame := append([]byte{byte(len(r)), byte(len(r) >> 8), byte(len(r) >> 16), 0, 0, 0, 0, 0, 0, 0, 0, 0}, r...)
			g.queue = append(g.queue, Message{MessageHead: MessageHead{To: to, From: h.id}, Frame: frame})
		}
	}
}

// responses are the messages in field 14 of a raftpb message.
func responses(msg []byte) (list [][]byte) {
	scan(msg, func(number, value uint64, data []byte) {
		if number == 14 {
			list = append(list, data)
		}
	})
	return list
}

func field(msg []byte, wanted uint64) (found uint64) {
	scan(msg, func(number, value uint64, _ []byte) {
		if number == wanted {
			found = value
		}
	})
	return found
}

// scan calls f for each field of a protobuf message with varints and bytes.
func scan(msg []byte, f func(number, value uint64, data []byte)) {
	varint := func() (v uint64) {
		for shift := 0; ; shift += 7 {
			b := msg[0]
			msg = msg[1:]
			v |= uint64(b&0x7f) << shift
			if b < 0x80 {
				return v
			}
		}
	}
	for len(msg) > 0 {
		tag := varint()
		value := varint()
		if tag&7 == 2 {
			f(tag>>3, 0, msg[:value])
			msg = msg[value:]
		} else {
			f(tag>>3, value, nil)
		}
	}
}

// settle works until nobody has anything to do.
func (g *group) settle() {
	g.tb.Helper()
	for turns, busy := 0, true; busy; turns++ {
		if turns > 10000 {
			g.tb.Fatal("the group does not come to rest")
		}
		busy = false
		for id := uint64(1); id <= 9; id++ {
			if h := g.hosts[id]; h != nil {
				busy = g.work(h) || busy
			}
		}
		queue := g.queue
		g.queue = nil
		g.log = append(g.log, queue...)
		for _, m := range queue {
			to := g.hosts[m.To]
			if to == nil || g.cut[m.To] || g.cut[m.From] || g.lost != MsgHup && g.lost == m.Kind {
				continue
			}
			busy = true
			took, err := to.node.StepFrames(m.From, m.Frame)
			must(g.tb, err)
			if took.Consumed != len(m.Frame) || (took.Rejected > 0) != (took.Refused != nil) || took.Rejected > 0 && !g.lenient {
				g.tb.Fatalf("node %d: %+v of %d bytes, %+v", m.To, took, len(m.Frame), m.MessageHead)
			}
		}
	}
}

// lead makes a node the leader.
func (g *group) lead(id uint64) *host {
	g.tb.Helper()
	h := g.hosts[id]
	for range 50 {
		must(g.tb, h.node.Campaign())
		g.settle()
		if s, _ := h.node.Status(); s.Role == RoleLeader {
			return h
		}
		for _, other := range g.hosts {
			must(g.tb, other.node.Tick(1))
		}
		g.settle()
	}
	g.tb.Fatalf("node %d does not lead", id)
	return nil
}

// same fails unless every connected host has applied want.
func (g *group) same(want []string) {
	g.tb.Helper()
	for id, h := range g.hosts {
		if !g.cut[id] && fmt.Sprint(h.state) != fmt.Sprint(want) {
			g.tb.Errorf("node %d: state is %v, want %v", id, h.state, want)
		}
	}
}
