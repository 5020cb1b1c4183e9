package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

type histogram map[string]int

func (h histogram) add(what string) { h[what]++ }

// An action is one step of a schedule. Its numbers mean something in whatever state it meets, so that a schedule from which
// actions are taken out is one, too.
type action struct {
	kind    kind
	node    uint8
	a, b, c uint32
}

type kind uint8

const (
	doReady kind = iota
	doFinish
	doAppend
	doApply
	doLocal
	doDeliver
	doDeliverAll
	doDrop
	doDuplicate
	doSettle
	doCut
	doHeal
	doTick
	doCampaign
	doPropose
	doChange
	doTransfer
	doForget
	doRead
	doCompact
	doRestart
	doSnapshot
	doUnreachable
	doSnapshotReport
	doEntry
	doLate
	doApart
	doLongContext
	kinds
)

var weights = [kinds]int{
	doReady: 160, doFinish: 120, doAppend: 60, doApply: 60, doLocal: 40, doDeliver: 300, doDeliverAll: 60, doDrop: 30,
	doDuplicate: 15, doSettle: 12, doCut: 5, doHeal: 5, doTick: 60, doCampaign: 12, doPropose: 60, doChange: 16, doTransfer: 6,
	doForget: 4, doRead: 16, doCompact: 10, doRestart: 8, doSnapshot: 2, doUnreachable: 6, doSnapshotReport: 8,
	doEntry: 12, doLate: 24, doApart: 3, doLongContext: 2,
}

// A schedule is all that decides a run.
type schedule struct {
	setup   setup
	actions []action
}

func newSchedule(seed uint64, length int) *schedule {
	r := rand.New(rand.NewPCG(seed, 0x726166))
	one := func(n int) bool { return r.IntN(n) == 0 }
	s := &schedule{}
	o := &s.setup.options
	o.storage = []storage{storageSync, storageMessages, storageAsync}[r.IntN(3)]
	o.async = o.storage == storageMessages
	o.preVote, o.checkQuorum = one(3), one(3)
	o.leaseReads = o.checkQuorum && one(2)
	o.stepDownOnRemoval, o.noForwarding, o.noConfValidation = one(3), one(8), one(20)
	o.electionTicks = []uint32{4, 10, 1000}[r.IntN(3)]
	o.inflight = []uint64{0, 0, 1, 2, 3}[r.IntN(5)]
	if one(3) {
		o.sizePerMsg = 1
		if one(3) {
			o.inflightBytes = []uint64{1, 40, 300}[r.IntN(3)]
		}
	}
	if one(4) {
		o.committedSize = 1
	}
	if one(10) {
		o.uncommitted = 60
	}
	if s.setup.small = one(3); s.setup.small {
		o.blockSize, o.recentBytes = 4096, 16384
		o.spans = one(3)
		// The payload of what left the recent log is given back early.
		o.uncommitted = 0
		if o.spans {
			o.committedSize = 0 // sizes of entries that left the recent log are not known
		}
		if !one(4) {
			o.sizePerMsg = 1
		}
	}
	o.decoded = one(2)
	s.setup.apart, s.setup.salt = one(2), r.Uint64()
	s.setup.voters = 1 + r.IntN(5)
	s.setup.learners = r.IntN(2)
	s.setup.ids = min(s.setup.voters+s.setup.learners+r.IntN(3), 7)
	s.setup.start = 2 + r.Uint64N(200)

	total := 0
	for _, w := range weights {
		total += w
	}
	for range length {
		x := r.IntN(total)
		k := kind(0)
		for x >= weights[k] {
			x -= weights[k]
			k++
		}
		s.actions = append(s.actions, action{k, uint8(r.IntN(s.setup.ids)), r.Uint32(), r.Uint32(), r.Uint32()})
	}
	// A group that elects nobody shows little.
	s.actions[0] = action{kind: doCampaign}
	s.actions[1] = action{kind: doSettle}
	return s
}

// A world is a schedule's group.
type world struct {
	setup    *setup
	pairs    []*pair
	inbox    [][]packet // for each node, in order of sending
	cut      uint32     // nodes of one side, if the network is cut
	counters histogram
	steps    int
	trace    *strings.Builder
	last     uint64 // proposals so far
}

func newWorld(s *setup, counters histogram, trace *strings.Builder) (*world, error) {
	w := &world{setup: s, inbox: make([][]packet, s.ids), counters: counters, trace: trace}
	conf := &raftpb.ConfState{AutoLeave: new(false)}
	for id := range uint64(s.ids) {
		if int(id) < s.voters {
			conf.Voters = append(conf.Voters, id+1)
		} else if int(id) < s.voters+s.learners {
			conf.Learners = append(conf.Learners, id+1)
		}
	}
	for name, on := range map[string]bool{
		"SYNC": s.storage == storageSync, "ASYNC": s.storage == storageAsync, "MESSAGES": s.storage == storageMessages,
		"pre-vote": s.preVote, "check quorum": s.checkQuorum, "lease reads": s.leaseReads,
		"step down on removal": s.stepDownOnRemoval, "small recent log": s.small,
		"committed spans": s.spans, "changes apart from their entries": s.apart,
	} {
		if on {
			counters.add(name)
			w.say("# %s", name)
		}
	}
	w.say("# %d nodes, %+v", s.ids, s.options)
	w.say("add-nodes %d voters=%v learners=%v index=%d", s.voters+s.learners, conf.Voters, conf.Learners, s.start)
	for id := range uint64(s.ids) {
		snap := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			ConfState: &raftpb.ConfState{AutoLeave: new(false)}, Index: new(uint64(0)), Term: new(uint64(0)),
		}}
		if int(id) < s.voters+s.learners {
			snap.Data = []byte("start")
			snap.Metadata = &raftpb.SnapshotMetadata{ConfState: conf, Index: new(s.start), Term: new(uint64(1))}
		}
		p := &pair{id: id + 1, setup: s, disk: newDisk(snap), counters: counters, send: w.send, say: w.say}
		p.disk.lags = s.apart
		w.pairs = append(w.pairs, p)
		if err := p.boot(false, 0); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *world) close() {
	for _, p := range w.pairs {
		if p.up {
			p.crash()
		}
	}
}

func (w *world) say(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, format+"\n", args...)
	}
}

func (w *world) send(m packet) {
	to, from := m.GetTo(), m.GetFrom()
	if to == 0 || to > uint64(len(w.inbox)) {
		return
	}
	if m.GetType() == raftpb.MsgHeartbeatResp && len(m.GetContext()) > longestOwnContext {
		w.counters.add("a long context comes back")
		return // no leader of the group has sent it
	}
	if w.cut>>(to-1)&1 != w.cut>>(from-1)&1 && from <= uint64(len(w.inbox)) {
		w.counters.add("dropped by a cut")
		return
	}
	w.inbox[to-1] = append(w.inbox[to-1], m)
}

func (w *world) step(p *pair, m packet) error {
	w.counters.add("step " + m.GetType().String())
	if m.GetReject() {
		w.counters.add("step " + m.GetType().String() + ", rejects")
	}
	w.say("deliver-msgs %d        # %s", p.id, strings.Split(messageText(m.Message), "\n")[0])
	if m.GetType() == raftpb.MsgSnap {
		// Before a snapshot replaces the state, the state machine ends what it was given earlier.
		if err := p.finish(3); err != nil {
			return err
		}
		for len(p.applies) != 0 {
			if err := p.applyWork(true); err != nil {
				return err
			}
		}
	}
	theirs := proto.Clone(m.Message).(*raftpb.Message)
	pending := uint64(0)
	if m.GetType() == raftpb.MsgAppResp && !m.GetReject() {
		pending = p.snapshotUnderWay(m.GetFrom())
	}
	err := p.both(p.core.step(m.wire), func() error { return p.etcd.Step(theirs) }, m.GetEntries()...)
	if err == nil && pending != 0 && m.GetIndex() > pending && p.snapshotUnderWay(m.GetFrom()) == 0 {
		w.counters.add("snapshot state ended by an acknowledgement beyond it")
	}
	return err
}

func (w *world) ready(p *pair) error {
	w.say("process-ready %d", p.id)
	_, err := p.take()
	return err
}

// settle lets the nodes that are up work until nothing is left, or for a while; late tells whether they apply changes that they put
// off, too.
func (w *world) settle(rounds int, late bool) error {
	for range rounds {
		idle := true
		for i, p := range w.pairs {
			if p.etcd.HasReady() || p.busy() || len(w.inbox[i]) != 0 {
				idle = false
			}
			if p.taken == nil {
				if err := w.ready(p); err != nil {
					return err
				}
			}
			if err := p.finish(3); err != nil {
				return err
			}
			for len(p.appends) != 0 {
				if err := p.append(true); err != nil {
					return err
				}
			}
			for len(p.applies) != 0 {
				if err := p.applyWork(true); err != nil {
					return err
				}
			}
			for len(p.local) != 0 {
				if err := p.takeLocal(); err != nil {
					return err
				}
			}
			if late && len(p.late) != 0 {
				if err := w.applyLate(p, 0, false); err != nil {
					return err
				}
			}
		}
		for i, p := range w.pairs {
			list := w.inbox[i]
			w.inbox[i] = nil
			for _, m := range list {
				if err := w.step(p, m); err != nil {
					return err
				}
			}
		}
		if idle {
			return nil
		}
	}
	return nil
}

func (w *world) applyLate(p *pair, at int, forget bool) error {
	w.say("# apply a change late on %d, forget it %t: %s", p.id, forget, entryText(p.late[at]))
	return p.applyLate(at, forget)
}

func (w *world) leader() *pair {
	var found *pair
	for _, p := range w.pairs {
		st := p.etcd.BasicStatus()
		if st.RaftState == raft.StateLeader && (found == nil || st.GetTerm() > found.etcd.BasicStatus().GetTerm()) {
			found = p
		}
	}
	return found
}

func (w *world) do(a action) error {
	w.steps++
	p := w.pairs[a.node]
	inbox := &w.inbox[a.node]
	at := func() int {
		n := len(*inbox)
		if a.a%4 != 0 {
			return 0
		}
		return int(a.b) % n
	}
	take := func(i int) packet {
		m := (*inbox)[i]
		if i > 0 {
			w.counters.add("delivered out of order")
		}
		*inbox = append((*inbox)[:i:i], (*inbox)[i+1:]...)
		return m
	}
	if len(*inbox) == 0 && (a.kind == doDeliver || a.kind == doDrop || a.kind == doDuplicate) {
		return nil
	}
	// What mostly makes sense at a leader mostly goes there.
	switch a.kind {
	case doPropose, doEntry, doChange, doTransfer, doUnreachable, doSnapshotReport, doSnapshot:
		if l := w.leader(); l != nil && a.c%8 != 0 {
			p = l
		}
	}
	peer := 1 + uint64(a.b)%uint64(len(w.pairs))
	switch a.kind {
	case doReady:
		if err := w.ready(p); err != nil || a.a%2 == 0 {
			return err
		}
		return p.finish(3)
	case doFinish:
		return p.finish(3)
	case doAppend:
		w.say("process-append-thread %d", p.id)
		return p.append(a.a%2 == 0)
	case doApply:
		w.say("process-apply-thread %d", p.id)
		return p.applyWork(a.a%2 == 0)
	case doLocal:
		return p.takeLocal()
	case doDeliver:
		return w.step(p, take(at()))
	case doDeliverAll:
		list := *inbox
		*inbox = nil
		for _, m := range list {
			if err := w.step(p, m); err != nil {
				return err
			}
		}
	case doDrop:
		m := take(at())
		w.say("deliver-msgs drop=(%d)    # %s", p.id, strings.Split(messageText(m.Message), "\n")[0])
		w.counters.add("dropped")
	case doDuplicate:
		w.counters.add("duplicated")
		return w.step(p, (*inbox)[at()])
	case doSettle:
		w.say("# stabilize, %d rounds at most", 3+a.a%20)
		return w.settle(3+int(a.a%20), a.b%3 == 0)
	case doCut:
		w.cut = a.a
		w.say("# cut %b", w.cut&(1<<len(w.pairs)-1))
	case doHeal:
		w.cut = 0
		w.say("# heal")
	case doTick:
		ticks := 1 + int(a.a%3)
		if a.b%8 == 0 {
			ticks = int(w.setup.electionTicks) % 50
		}
		w.say("tick %d %d", p.id, ticks)
		for range ticks {
			if err := p.both(p.core.tick(), func() error { p.etcd.Tick(); return nil }); err != nil {
				return err
			}
		}
	case doCampaign:
		w.say("campaign %d", p.id)
		return p.both(p.core.campaign(), func() error { return p.etcd.Campaign() })
	case doPropose:
		return w.propose(p, a)
	case doChange:
		return w.change(p, a)
	case doEntry:
		return w.proposeEntry(p, a)
	case doLate:
		if len(p.late) == 0 {
			return nil
		}
		at := 0
		if a.b%2 == 0 {
			at = int(a.c) % len(p.late)
		}
		return w.applyLate(p, at, a.a%6 == 0)
	case doApart:
		if !w.setup.apart {
			return nil
		}
		return p.outOfTheBlue(a)
	case doLongContext:
		return w.longContext(p, a)
	case doTransfer:
		return w.transfer(p, peer)
	case doForget:
		w.counters.add("forget leader")
		w.say("forget-leader %d", p.id)
		return p.both(p.core.forgetLeader(), func() error { return p.etcd.ForgetLeader() })
	case doRead:
		w.say("read-index %d", p.id)
		w.counters.add("read")
		return p.read()
	case doCompact:
		return w.compact(p, a)
	case doRestart:
		return w.restart(p, a)
	case doSnapshot:
		return w.sendSnapshot(p, peer)
	case doUnreachable:
		w.counters.add("report unreachable")
		w.say("report-unreachable %d %d", p.id, peer)
		return p.quiet(p.core.reportUnreachable(peer), func() { p.etcd.ReportUnreachable(peer) })
	case doSnapshotReport:
		status := raft.SnapshotFinish
		if a.a%2 == 0 {
			status = raft.SnapshotFailure
		}
		w.counters.add("report snapshot")
		w.say("report-snapshot %d %d %d", p.id, peer, status)
		return p.quiet(p.core.reportSnapshot(peer, status == raft.SnapshotFinish), func() { p.etcd.ReportSnapshot(peer, status) })
	}
	return nil
}

// quiet is both for calls of which etcd's have no answer.
func (p *pair) quiet(ours error, theirs func()) error {
	here := p.drained(ours)
	if err := p.guarded(here, func() error { theirs(); return nil }); err != nil {
		return err
	}
	return p.same()
}

func (w *world) propose(p *pair, a action) error {
	count := 1
	if a.a%3 == 0 {
		count = 1 + int(a.a>>8)%5
	}
	if w.setup.sizePerMsg != 0 && p.etcd.BasicStatus().RaftState != raft.StateLeader {
		count = 1 // raftcore passes a batch on in as many messages as max_size_per_msg needs; etcd's has no batches
	}
	var data [][]byte
	m := &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(p.id)}
	for range count {
		w.last++
		d := fmt.Appendf(nil, "%d", w.last)
		if w.setup.small {
			d = append(d, strings.Repeat("x", 200+int(a.b)%600)...)
		}
		data = append(data, d)
		m.Entries = append(m.Entries, &raftpb.Entry{Data: d})
	}
	w.counters.add("propose")
	w.say("propose %d %s             # %d entries", p.id, strings.TrimRight(string(data[0]), "x"), count)
	return p.both(p.core.proposeMany(data, 0), func() error { return p.etcd.Step(m) })
}

// longestOwnContext is the longest context of a heartbeat of either kind of leader.
const longestOwnContext = 16

// longContext has a follower hear a heartbeat whose context is longer than any that etcd's raft and raftcore send: it comes back.
func (w *world) longContext(p *pair, a action) error {
	st := p.etcd.BasicStatus()
	if st.RaftState != raft.StateFollower || st.Lead == 0 || st.Lead == p.id {
		return nil
	}
	m := &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), To: new(p.id), From: new(st.Lead), Term: new(st.GetTerm()),
		Context: []byte(strings.Repeat("c", longestOwnContext+1+int(a.a)%100)),
	}
	wire, err := encode(m)
	if err != nil {
		return mismatch{err.Error()}
	}
	return w.step(p, packet{Message: m, wire: wire})
}

// proposeEntry proposes an entry as it is, of any kind, with a token: a change with an id and a context, mostly.
func (w *world) proposeEntry(p *pair, a action) error {
	leads := p.etcd.BasicStatus().RaftState == raft.StateLeader
	w.last++
	e := &raftpb.Entry{Data: fmt.Appendf(nil, "raw %d", w.last)}
	switch x := a.a % 16; {
	case x == 0 && leads:
		e = &raftpb.Entry{Type: raftpb.EntryConfChange.Enum(), Data: []byte{0x18}} // an id is missing
		return w.proposeNonsense(p, e)
	case x < 13:
		e = w.setup.someChange(uint64(a.a>>4), uint64(a.b), nil)
		e.Term, e.Index = nil, nil
	}
	where := ", elsewhere"
	if leads {
		where = ", on a leader"
	}
	w.counters.add("propose entry: " + e.GetType().String() + where)
	if e.GetType() != raftpb.EntryNormal {
		c := changeOf(e)
		if v1, ok := c.AsV1(); ok && v1.GetId() != 0 {
			w.counters.add("propose entry: with an id")
		}
		if len(c.AsV2().GetContext()) != 0 {
			w.counters.add("propose entry: with a context")
		}
	}
	w.say("# propose an entry on %d: %s", p.id, entryText(e))
	token := 1<<40 + w.last
	err := p.core.proposeEntry(e.GetType(), e.GetData(), token)
	if err == nil {
		p.tokens[token] = true
	}
	return p.both(err, func() error {
		if e.GetType() == raftpb.EntryNormal {
			return p.etcd.Propose(e.GetData())
		}
		return p.etcd.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(p.id), Entries: []*raftpb.Entry{e}})
	}, e)
}

// proposeNonsense proposes a change that is none: etcd's raft panics before it has done anything, so both can go on.
func (w *world) proposeNonsense(p *pair, e *raftpb.Entry) error {
	w.say("# propose nonsense on %d", p.id)
	here := p.drained(p.core.proposeEntry(e.GetType(), e.GetData(), 1))
	there := p.guarded(here, func() error {
		return p.etcd.Step(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(p.id), Entries: []*raftpb.Entry{e}})
	})
	var died panicked
	if errors.As(there, &died) && codeIs(here, codeDecode) {
		w.counters.add("propose entry: no change, etcd panics and raftcore answers DECODE")
		return p.same()
	}
	if a, b := etcdWord(here), etcdWord(there); a != b {
		return mismatch{fmt.Sprintf("node %d: etcd answers %q, raftcore %q", p.id, b, a)}
	}
	return p.same()
}

// change proposes a change of some kind: mostly one that can be applied.
func (w *world) change(p *pair, a action) error {
	count := 1
	if a.a%3 == 0 {
		count = 1 + int(a.a>>8)%3
	}
	kindOf := func(x uint32) raftpb.ConfChangeType {
		switch x % 8 {
		case 0, 1, 2:
			return raftpb.ConfChangeAddNode
		case 3, 4:
			return raftpb.ConfChangeAddLearnerNode
		case 5, 6:
			return raftpb.ConfChangeRemoveNode
		}
		return raftpb.ConfChangeUpdateNode
	}
	way := []transition{transitionAuto, transitionAuto, transitionImplicit, transitionExplicit, transitionV1}[a.a>>4%5]
	conf, err := p.core.conf()
	if err != nil {
		return mismatch{err.Error()}
	}
	leave := len(conf.GetVotersOutgoing()) != 0 && !conf.GetAutoLeave() && a.a%4 != 0 || a.a%32 == 0
	var list []*raftpb.ConfChangeSingle
	x := a.b
	for range count {
		c := &raftpb.ConfChangeSingle{NodeId: new(1 + uint64(x)%uint64(len(w.pairs)))}
		if t := kindOf(x >> 8); t != raftpb.ConfChangeAddNode {
			c.Type = t.Enum()
		}
		// A change that leaves no voter makes etcd's raft panic on every node.
		if c.GetType() != raftpb.ConfChangeAddNode && len(conf.GetVoters()) <= 1+len(list) {
			c.Type = nil
		}
		list = append(list, c)
		x = x*1664525 + 1013904223
	}
	if leave {
		list, way = nil, transitionAuto
	}
	if way == transitionV1 {
		list = list[:1]
	}
	var cc raftpb.ConfChangeI
	if way == transitionV1 {
		cc = &raftpb.ConfChange{Type: list[0].Type, NodeId: list[0].NodeId}
	} else {
		v2 := &raftpb.ConfChangeV2{Changes: list}
		if way != transitionAuto {
			v2.Transition = raftpb.ConfChangeTransition(way).Enum()
		}
		cc = v2
	}
	name := map[transition]string{
		transitionAuto: "auto", transitionImplicit: "implicit", transitionExplicit: "explicit", transitionV1: "v1",
	}[way]
	if leave {
		name = "leave"
	}
	w.counters.add("propose change: " + name)
	w.say("propose-conf-change %d transition=%s    # %s", p.id, name, raftpb.ConfChangesToString(list))
	return p.both(p.core.proposeConfChange(list, way), func() error { return p.etcd.ProposeConfChange(cc) },
		&raftpb.Entry{Type: raftpb.EntryConfChangeV2.Enum()})
}

func (w *world) transfer(p *pair, to uint64) error {
	w.counters.add("transfer")
	w.say("transfer-leadership from=%d to=%d", p.id, to)
	err := p.core.transfer(to)
	if codeIs(err, codeNoPeer) {
		return nil // raftcore says so at once; etcd's takes it and does nothing, but for ending another transfer
	}
	return p.quiet(err, func() { p.etcd.TransferLeader(to) })
}

func (w *world) compact(p *pair, a action) error {
	st, err := p.core.status(p.id)
	if err != nil {
		return mismatch{err.Error()}
	}
	limit := min(st.applied, p.disk.commit(), p.disk.last(), p.disk.applied())
	if limit <= p.disk.base {
		return nil
	}
	index := p.disk.base + 1 + uint64(a.a)%(limit-p.disk.base)
	w.say("compact %d %d", p.id, index)
	w.counters.add("compact")
	if p.disk.taken < index {
		// A snapshot is taken first; what is applied later is not in it.
		p.disk.taken = index + uint64(a.c)%2*(limit-index)
	}
	if err := p.disk.compact(index); err != nil {
		return mismatch{err.Error()}
	}
	p.disk.trim()
	err = p.core.compacted(index)
	if codeIs(err, codeStale) {
		err = nil // a snapshot that is not stored yet has replaced the log already
	}
	return p.both(err, func() error { return nil })
}

// restart crashes a node, in the middle of its work maybe, and boots it from what is on its disk.
func (w *world) restart(p *pair, a action) error {
	if p.taken != nil {
		if err := p.finish(int(a.a>>8) % 3); err != nil {
			return err
		}
		w.counters.add("crash within a ready")
	}
	if p.busy() {
		w.counters.add("crash with work under way")
	}
	p.crash()
	// The state machine may have lost what it applied last, as far as the log has it.
	first, last := max(p.disk.history[0].GetMetadata().GetIndex(), p.disk.base), min(p.disk.applied(), p.disk.commit())
	applied := last
	if (a.a%4 == 0 || w.setup.small && a.a%4 != 3) && last > first {
		applied = first + uint64(a.b)%(last-first+1)
		if w.setup.small && a.c%2 == 0 {
			applied = first // more than the recent log holds is to be applied, maybe
		}
	}
	p.disk.forget(applied)
	p.disk.trim()
	terms := a.a%2 == 0 || w.setup.small
	from := uint64(0)
	if terms {
		from = p.disk.applied() + 1
		if back := uint64(a.c) % 5; !w.setup.small && from > p.disk.base+back {
			from -= back
		}
	}
	w.counters.add("restart")
	w.say("# restart %d: applied %d, entries from %d", p.id, p.disk.applied(), from)
	return p.boot(terms, from)
}

// sendSnapshot sends the newest state of a leader, unasked.
func (w *world) sendSnapshot(p *pair, to uint64) error {
	st := p.etcd.BasicStatus()
	if st.RaftState != raft.StateLeader || to == p.id || p.disk.applied() == 0 {
		return nil
	}
	w.say("send-snapshot %d %d", p.id, to)
	m := &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), Term: new(st.GetTerm()), From: new(p.id), To: new(to), Snapshot: p.disk.newest(),
	}
	wire, err := encode(m)
	if err != nil {
		return mismatch{err.Error()}
	}
	w.send(packet{Message: m, wire: wire})
	return nil
}

// run runs a schedule. It answers how far it came, and why it ended early, if it did.
func (s *schedule) run(counters histogram, trace *strings.Builder) (steps int, err error) {
	w, err := newWorld(&s.setup, counters, trace)
	defer w.close()
	if err != nil {
		return 0, err
	}
	for _, a := range s.actions {
		if err := w.do(a); err != nil {
			return w.steps, err
		}
	}
	return w.steps, nil
}

func isMismatch(err error) bool {
	var m mismatch
	return errors.As(err, &m)
}
