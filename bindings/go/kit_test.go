package raftcore

import (
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
	must(tb, n.BootState(HardState{Commit: 1}))
	must(tb, n.BootConf(Conf{Voters: voters}, 1, 1))
	must(tb, n.BootDone(1))
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
	waiting []job // batches whose messages wait for the disk
}

type job struct {
	rd Ready
}

type group struct {
	fetches int // found by Turn
	tb      testing.TB
	mode    StorageMode
	hosts   map[uint64]*host
	queue   []Message
	cut     map[uint64]bool
	config  func(*Config)
	// Messages may be refused: a node that left still answers, for example.
	lenient bool
}

func newGroup(tb testing.TB, mode StorageMode, config func(*Config), ids ...uint64) *group {
	g := &group{tb: tb, mode: mode, hosts: map[uint64]*host{}, cut: map[uint64]bool{}, config: config}
	for _, id := range ids {
		h := g.add(id)
		h.hard = HardState{Commit: 1}
		h.before, h.terms, h.applied = 1, 1, 1
		h.conf = Conf{Voters: ids}
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
	h := &host{tb: g.tb, id: id, cfg: cfg, tokens: map[uint64]uint64{}}
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
	h.waiting = nil
	n, err := NewNode(h.cfg)
	must(h.tb, err)
	h.node = n
	if h.hard != (HardState{}) {
		must(h.tb, n.BootState(h.hard))
		must(h.tb, n.BootConf(h.conf, h.before, h.terms))
		if len(h.log) > 0 {
			must(h.tb, n.BootEntries(h.log))
		}
	}
	must(h.tb, n.BootDone(h.applied))
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
		switch {
		case f.Kind == FetchSnapshot:
			_, err = n.SupplySnapshot(f.ID, h.applied, h.conf, pack(h.state))
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
	for done := uint64(0); ; busy = true {
		found, err := h.node.Turn(done, &v)
		must(g.tb, err)
		done = 0
		switch found {
		case FoundNothing:
			return busy
		case FoundFetch:
			if pending, err := h.node.Pending(); err != nil || pending&HasFetch == 0 {
				g.tb.Fatalf("Turn found a fetch, and there is none pending: %v, %v", pending, err)
			}
			twin, err := h.node.Clone()
			must(g.tb, err)
			_, ok, err := twin.NextFetch()
			must(g.tb, err)
			if must(g.tb, twin.Close()); !ok {
				g.tb.Fatal("a clone lacks the fetch that Turn found")
			}
			g.fetches++
			if !g.serve(h) {
				g.tb.Fatal("Turn found a fetch that NextFetch does not have")
			}
		case FoundReady:
			var rd Ready
			v.CopyTo(&rd)
			h.store(&rd)
			g.queue = append(g.queue, rd.Messages...)
			h.apply(&rd)
			done = v.Number
		}
	}
}

// work does one turn of a host; whether there was anything to do. In StorageSync every second host uses Turn.
func (g *group) work(h *host) bool {
	if g.mode == StorageSync && h.id%2 == 1 {
		return g.turns(h)
	}
	n, busy := h.node, g.serve(h)
	for {
		rd, ok, err := n.Ready()
		if err != nil && g.mode != StorageSync && err.(*Error).Code == ErrFull {
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
			for _, m := range rd.Messages {
				if m.Flags&MessageAfter == 0 {
					g.queue = append(g.queue, m)
				}
			}
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
	// The disk is done with all of them at once, in order.
	for _, j := range h.waiting {
		h.store(&j.rd)
		for _, m := range j.rd.Messages {
			if m.Flags&MessageAfter != 0 {
				g.queue = append(g.queue, m)
			}
		}
	}
	if k := len(h.waiting); k > 0 {
		rd := &h.waiting[k-1].rd
		must(g.tb, n.Persisted(rd.Number))
		for _, j := range h.waiting {
			if j.rd.CommittedLast != 0 {
				must(g.tb, n.Applied(j.rd.CommittedLast))
			}
		}
		must(g.tb, n.Release(rd.Number))
		h.waiting = nil
	}
	return busy
}

// respond sends what a message to local storage carries: to the node itself, or to its peers.
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
		for _, m := range queue {
			to := g.hosts[m.To]
			if to == nil || g.cut[m.To] || g.cut[m.From] {
				continue
			}
			busy = true
			used, rejected, err := to.node.StepFrames(m.From, m.Frame)
			must(g.tb, err)
			if used != len(m.Frame) || rejected > 0 && !g.lenient {
				g.tb.Fatalf("node %d took %d of %d bytes, rejected %d of %+v", m.To, used, len(m.Frame), rejected, m.MessageHead)
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

// same fails unless all hosts that are not cut off have applied the same.
func (g *group) same(want []string) {
	g.tb.Helper()
	for id, h := range g.hosts {
		if !g.cut[id] && fmt.Sprint(h.state) != fmt.Sprint(want) {
			g.tb.Errorf("node %d: state is %v, want %v", id, h.state, want)
		}
	}
}
