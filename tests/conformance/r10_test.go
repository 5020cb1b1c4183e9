package conformance

import (
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// a request for votes that leaves before term, vote and log tail are durable. With etcd's choice the fault shows, in
// etcd's raft and in raftcore alike; with raftcore's own it can't.

// A lateNode is a node whose disk the test holds back.
type lateNode interface {
	campaign() error
	propose(data string) error
	stepWire(m packet) error
	takeAll() error  // takes readies; what may leave at once does, writes wait
	writeAll() error // the disk does all that waits, and what waited for it leaves; then the state machine
	reboot() error   // from what is on disk
	leads() (bool, error)
	onDisk() *disk
}

// A pairNode is etcd's raft and raftcore with etcd's choices in lock-step: any difference is an error.
type pairNode struct {
	*pair
	w *world
}

func (n pairNode) campaign() error {
	return n.both(n.core.campaign(), func() error { return n.etcd.Campaign() })
}

func (n pairNode) propose(data string) error {
	return n.both(n.core.propose([]byte(data)), func() error { return n.etcd.Propose([]byte(data)) })
}

func (n pairNode) stepWire(m packet) error { return n.w.step(n.pair, m) }

func (n pairNode) takeAll() error {
	for {
		if more, err := n.take(); err != nil || !more {
			return err
		}
	}
}

func (n pairNode) writeAll() error {
	for len(n.appends)+len(n.applies) != 0 {
		if err := n.append(true); err != nil {
			return err
		}
		if err := n.applyWork(true); err != nil {
			return err
		}
		if err := n.takeAll(); err != nil {
			return err
		}
	}
	return nil
}

func (n pairNode) reboot() error {
	n.crash()
	return n.boot(false, 0)
}

func (n pairNode) leads() (bool, error) {
	st, err := n.core.status(n.id)
	return st.leads, err
}

func (n pairNode) onDisk() *disk { return n.disk }

// A soloNode is raftcore alone, as a host with its own choices runs it.
type soloNode struct {
	*core
	id              uint64
	opts            options
	disk            *disk
	writes, applies []*batch
	w               *world
}

func (n *soloNode) propose(data string) error { return n.core.propose([]byte(data)) }
func (n *soloNode) stepWire(m packet) error   { return n.core.step(m.wire) }

func (n *soloNode) takeAll() error {
	for {
		b, err := n.takeReady()
		if err != nil || b == nil {
			return err
		}
		for _, m := range b.messages {
			if !m.after {
				n.w.send(m)
			}
		}
		n.writes = append(n.writes, b)
		if len(b.committed) != 0 {
			n.applies = append(n.applies, b)
		}
	}
}

func (n *soloNode) writeAll() error {
	for len(n.writes)+len(n.applies) != 0 {
		for _, b := range n.writes {
			if err := n.disk.store(b.hardState, b.snapshot, b.entries); err != nil {
				return err
			}
			for _, m := range b.messages {
				if m.after {
					n.w.send(m)
				}
			}
			if err := n.persisted(b.number); err != nil {
				return err
			}
		}
		for _, b := range n.applies {
			for _, e := range b.committed {
				n.disk.add(e, n.disk.newest().GetMetadata().GetConfState())
			}
			if err := n.applied(b.last); err != nil {
				return err
			}
		}
		n.writes, n.applies = nil, nil
		if err := n.takeAll(); err != nil {
			return err
		}
	}
	return nil
}

func (n *soloNode) reboot() (err error) {
	if n.core != nil {
		n.core.free()
	}
	n.writes, n.applies = nil, nil
	n.opts.seed++
	if n.core, err = newCore(n.id, n.opts); err != nil {
		return err
	}
	return n.bootFrom(stored{
		hardState: n.disk.hardState, conf: n.disk.newest().GetMetadata().GetConfState(), base: n.disk.base,
		baseTerm: n.disk.baseTerm, entries: n.disk.entries, applied: n.disk.applied(),
	})
}

func (n *soloNode) leads() (bool, error) {
	st, err := n.status(n.id)
	return st.leads, err
}

func (n *soloNode) onDisk() *disk { return n.disk }

// A lateGroup is a group of nodes with slow disks and a network that delivers what the test names.
type lateGroup struct {
	*testing.T
	w     *world
	nodes []lateNode
}

// newLateGroup makes voters 1 to n, booted at index 4, term 1.
func newLateGroup(t *testing.T, n int, ownDefaults bool) *lateGroup {
	s := &setup{voters: n, ids: n, start: 4}
	s.storage, s.electionTicks = storageAsync, 10
	g := &lateGroup{T: t}
	if !ownDefaults {
		w, err := newWorld(s, histogram{}, nil)
		g.must(err)
		t.Cleanup(w.close)
		g.w = w
		for _, p := range w.pairs {
			g.nodes = append(g.nodes, pairNode{p, w})
		}
		g.inTerm1()
		return g
	}
	g.w = &world{setup: s, inbox: make([][]packet, n), counters: histogram{}}
	conf := &raftpb.ConfState{AutoLeave: new(false)}
	for id := range uint64(n) {
		conf.Voters = append(conf.Voters, id+1)
	}
	for id := range uint64(n) {
		o := s.options
		// All that is asked of the default here is when a request for votes leaves: no pre-vote, no lease.
		o.ownDefaults, o.seed = true, id+1
		node := &soloNode{id: id + 1, opts: o, w: g.w, disk: newDisk(&raftpb.Snapshot{
			Data: []byte("start"), Metadata: &raftpb.SnapshotMetadata{ConfState: conf, Index: new(s.start), Term: new(uint64(1))},
		})}
		g.must(node.reboot())
		t.Cleanup(func() { node.core.free() })
		g.nodes = append(g.nodes, node)
	}
	g.inTerm1()
	return g
}

// inTerm1 boots the founders again as nodes that have been in term 1.
func (g *lateGroup) inTerm1() {
	for _, n := range g.nodes {
		n.onDisk().hardState = &raftpb.HardState{Term: new(uint64(1)), Vote: new(uint64(0)), Commit: new(g.w.setup.start)}
		g.must(n.reboot())
	}
}

func (g *lateGroup) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

// run lets the named nodes work and talk to each other until nothing is left; what goes to others waits.
func (g *lateGroup) run(ids ...int) {
	g.Helper()
	for idle := 0; idle < 2; idle++ {
		for _, id := range ids {
			g.must(g.nodes[id-1].takeAll())
			g.must(g.nodes[id-1].writeAll())
			if g.deliver(id, ids...) {
				idle = -1
			}
		}
	}
}

// deliver gives a node what came from the named ones.
func (g *lateGroup) deliver(to int, from ...int) (any bool) {
	g.Helper()
	var left []packet
	list := g.w.inbox[to-1]
	g.w.inbox[to-1] = nil
	for _, m := range list {
		named := false
		for _, id := range from {
			named = named || m.GetFrom() == uint64(id)
		}
		if !named {
			left = append(left, m)
			continue
		}
		any = true
		err := g.nodes[to-1].stepWire(m)
		var no refused
		if codeIs(err, codeImplausible) || errors.As(err, &no) {
			g.Logf("node %d refuses %s", to, messageText(m.Message))
			err = nil
		}
		g.must(err)
	}
	g.w.inbox[to-1] = append(g.w.inbox[to-1], left...)
	return any
}

func (g *lateGroup) leads(id int) bool {
	g.Helper()
	leads, err := g.nodes[id-1].leads()
	g.must(err)
	return leads
}

// entry shows what a disk has at an index.
func (g *lateGroup) entry(id int, index uint64) string {
	list := g.nodes[id-1].onDisk().slice(index, index)
	if len(list) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("(%d,t%d,%q)", index, list[0].GetTerm(), list[0].GetData())
}

// A leader that lacks a committed entry. C leads term 2; its entry 6 is durable on B and C, and applied there; A has it in
// memory only. A asks for votes of term 3, boasting of entry 6, and crashes; B's answer meets A's second try in term 3.
func r10LostEntry(t *testing.T, ownDefaults bool) (leadsWithout bool) {
	const a, b, c = 1, 2, 3
	g := newLateGroup(t, 3, ownDefaults)
	g.must(g.nodes[c-1].campaign())
	g.run(a, b, c)
	if !g.leads(c) {
		t.Fatal("C does not lead")
	}
	g.must(g.nodes[c-1].propose("X"))
	g.run(b, c)
	g.run(b, c)
	if g.entry(b, 6) != `(6,t2,"X")` || g.nodes[b-1].onDisk().applied() != 6 || g.nodes[c-1].onDisk().applied() != 6 {
		t.Fatalf("entry 6 is not committed: %s on B, applied %d and %d", g.entry(b, 6), g.nodes[b-1].onDisk().applied(), g.nodes[c-1].onDisk().applied())
	}
	// A hears of entry 6; its disk does not get to it.
	g.deliver(a, c)
	g.must(g.nodes[a-1].takeAll())
	g.must(g.nodes[a-1].campaign())
	g.must(g.nodes[a-1].takeAll())
	g.deliver(b, a)
	g.must(g.nodes[b-1].takeAll())
	g.must(g.nodes[b-1].writeAll())
	// A crashes: its disk says term 2, last 5.
	g.must(g.nodes[a-1].reboot())
	if g.entry(a, 6) != "nothing" {
		t.Fatal("A's disk has entry 6")
	}
	g.must(g.nodes[a-1].campaign())
	g.must(g.nodes[a-1].takeAll())
	g.must(g.nodes[a-1].writeAll())
	g.deliver(a, b)
	if !g.leads(a) {
		g.run(a, b)
	}
	return g.leads(a)
}

func TestR10LostEntry(t *testing.T) {
	t.Run("etcd's choice", func(t *testing.T) {
		if !r10LostEntry(t, false) {
			t.Error("the fault of etcd's raft does not show: A does not lead without the committed entry")
		}
	})
	t.Run("default", func(t *testing.T) {
		if r10LostEntry(t, true) {
			t.Error("A leads without the committed entry")
		}
	})
}

// Two entries at one place. A is elected by B, C, D before its own disk wrote the term, appends X, which E gets, and crashes; it
// is elected in the same term again and appends Y.
func r10TwoEntries(t *testing.T, ownDefaults bool) (onA, onE string) {
	const a, b, c, d, e = 1, 2, 3, 4, 5
	g := newLateGroup(t, 5, ownDefaults)
	g.must(g.nodes[a-1].campaign())
	g.must(g.nodes[a-1].takeAll())
	for _, id := range []int{b, c, d} {
		g.deliver(id, a)
		g.must(g.nodes[id-1].takeAll())
		g.must(g.nodes[id-1].writeAll())
	}
	g.deliver(a, b, c, d)
	if g.leads(a) {
		g.must(g.nodes[a-1].takeAll())
		g.must(g.nodes[a-1].propose("X"))
		g.must(g.nodes[a-1].takeAll())
		// E follows step by step what A sends; A's disk still does nothing.
		for range 4 {
			g.deliver(e, a)
			g.must(g.nodes[e-1].takeAll())
			g.must(g.nodes[e-1].writeAll())
			g.deliver(a, e)
			g.must(g.nodes[a-1].takeAll())
		}
	}
	for i := range g.w.inbox {
		g.w.inbox[i] = nil
	}
	g.must(g.nodes[a-1].reboot())
	g.must(g.nodes[a-1].campaign())
	g.run(a, b, c, d)
	if !g.leads(a) {
		t.Fatal("A does not lead after its restart")
	}
	g.must(g.nodes[a-1].propose("Y"))
	g.run(a, b, c, d)
	return g.entry(a, 6), g.entry(e, 6)
}

func TestR10TwoEntries(t *testing.T) {
	t.Run("etcd's choice", func(t *testing.T) {
		if onA, onE := r10TwoEntries(t, false); onA != `(6,t2,"Y")` || onE != `(6,t2,"X")` {
			t.Errorf("the fault of etcd's raft does not show: A has %s, E has %s", onA, onE)
		} else {
			t.Logf("A has %s, E has %s", onA, onE)
		}
	})
	t.Run("default", func(t *testing.T) {
		onA, onE := r10TwoEntries(t, true)
		if onE != "nothing" {
			t.Errorf("A has %s, E has %s: nobody may have an entry of a leader whose term is not durable", onA, onE)
		}
	})
}
