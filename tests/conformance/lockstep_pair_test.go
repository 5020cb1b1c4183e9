package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/quorum"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// A setup is what all nodes of a schedule have in common.
type setup struct {
	options
	voters, learners int
	ids              int // nodes, those that are not in the first configuration included
	start            uint64
	small            bool // a recent log so small that catching up goes by fetch
	apart            bool // changes are applied apart from their entries, snapshots are supplied late
	salt             uint64
}

// A pair is one node twice: etcd's and raftcore's, on one disk.
type pair struct {
	id       uint64
	up       bool
	setup    *setup
	disk     *disk
	core     *core
	etcd     *raft.RawNode
	private  reflect.Value // etcd's raft behind the RawNode
	term     uint64        // hard state that etcd's last ready showed
	vote     uint64
	taken    *batch // SYNC: the ready that is not finished
	takenRd  raft.Ready
	appends  []job
	applies  []job
	local    []localResponse
	toFree   []uint64 // ASYNC: numbers taken and not released
	undone   map[uint64]int
	token    uint64
	reads    map[string]uint64 // contexts of reads that raftcore waits for, as etcd's side knows them
	conf     *raftpb.ConfState // in force when the state machine applied last
	tokens   map[uint64]bool   // of proposals that raftcore has taken and not answered
	late     []*raftpb.Entry   // changes that were passed and are not applied
	passed   uint64            // index of the last change that was not applied by raftcore_apply_conf
	own      fetch             // what raftcore last asked of its own log
	fetched  bool              // raftcore was supplied entries for a peer since its last ready
	boots    uint64
	counters histogram
	send     func(packet)
	say      func(format string, args ...any)
}

// A job is write or apply work that was handed out.
type job struct {
	packet                      // MESSAGES
	number    uint64            // ASYNC
	batch     *batch            // ASYNC
	last      uint64            // ASYNC, of apply work
	toPeers   []packet          // ASYNC
	responses []*raftpb.Message // ASYNC: etcd's to itself
}

type localResponse struct {
	packet
}

// Outcomes of a step that end a schedule.
type (
	// They differ.
	mismatch struct{ what string }
	// etcd's raft panicked.
	panicked struct{ text, here string }
	// raftcore refused what etcd's raft took.
	refused struct{ text string }
	// A known departure without a switch.
	departed struct{ what string }
)

func (e mismatch) Error() string { return e.what }
func (e panicked) Error() string { return "etcd panics: " + e.text + "; raftcore: " + e.here }
func (e refused) Error() string  { return "raftcore refuses: " + e.text }
func (e departed) Error() string { return e.what }

type silent struct{}

func (silent) Debug(...any)              {}
func (silent) Debugf(string, ...any)     {}
func (silent) Error(...any)              {}
func (silent) Errorf(string, ...any)     {}
func (silent) Info(...any)               {}
func (silent) Infof(string, ...any)      {}
func (silent) Warning(...any)            {}
func (silent) Warningf(string, ...any)   {}
func (silent) Fatal(v ...any)            { panic(fmt.Sprint(v...)) }
func (silent) Fatalf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }
func (silent) Panic(v ...any)            { panic(fmt.Sprint(v...)) }
func (silent) Panicf(f string, v ...any) { panic(fmt.Sprintf(f, v...)) }

const unlimited = 1 << 40

// boot starts both nodes from the disk; from says from where on raftcore gets the entries themselves.
func (p *pair) boot(terms bool, from uint64) error {
	p.boots++
	o := p.setup.options
	o.seed = p.id<<32 + p.boots
	var err error
	if p.core, err = newCore(p.id, o); err != nil {
		return err
	}
	p.up = true
	p.taken, p.appends, p.applies, p.local, p.toFree, p.undone = nil, nil, nil, nil, nil, map[uint64]int{}
	p.reads, p.tokens = map[string]uint64{}, map[uint64]bool{}
	p.late, p.passed, p.own, p.fetched = nil, 0, fetch{}, false
	p.conf = p.disk.newest().GetMetadata().GetConfState()
	err = p.core.bootFrom(stored{
		hardState: p.disk.hardState, conf: p.disk.newest().GetMetadata().GetConfState(), base: p.disk.base,
		baseTerm: p.disk.baseTerm, terms: terms, entries: p.disk.entries, from: from, applied: p.disk.applied(),
		pieces: p.boots%2 == 0,
	})
	if codeIs(err, codeFull) && p.setup.small {
		return departed{"raftcore does not boot: what is not applied is larger than its small recent log"}
	}
	if err != nil {
		return mismatch{fmt.Sprintf("raftcore does not boot from what its readies said: %v", err)}
	}
	c := &raft.Config{
		ID: p.id, ElectionTick: int(o.electionTicks), HeartbeatTick: heartbeatTicks, Storage: diskView{p.disk},
		Applied: p.disk.applied(), AsyncStorageWrites: o.storage != storageSync,
		MaxSizePerMsg: or(o.sizePerMsg, unlimited), MaxCommittedSizePerReady: or(o.committedSize, unlimited),
		MaxUncommittedEntriesSize: o.uncommitted, MaxInflightMsgs: int(or(o.inflight, 1024)),
		MaxInflightBytes: o.inflightBytes, CheckQuorum: o.checkQuorum, PreVote: o.preVote,
		Logger: silent{}, DisableProposalForwarding: o.noForwarding,
		DisableConfChangeValidation: o.noConfValidation, StepDownOnRemoval: o.stepDownOnRemoval,
	}
	if o.leaseReads {
		c.ReadOnlyOption = raft.ReadOnlyLeaseBased
	}
	err = p.guarded(nil, func() error {
		p.etcd, err = raft.NewRawNode(c)
		return err
	})
	if err != nil {
		return err
	}
	p.private = reflect.ValueOf(p.etcd).Elem().FieldByName("raft").Elem()
	p.term, p.vote = p.disk.hardState.GetTerm(), p.disk.hardState.GetVote()
	return p.same()
}

func or(a, b uint64) uint64 {
	if a == 0 {
		return b
	}
	return a
}

// field is a field of etcd's raft that nothing exported shows or sets.
func (p *pair) field(name string) reflect.Value {
	f := p.private.FieldByName(name)
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

// tracker is where etcd's raft keeps its configuration; a copy out of Status lacks AutoLeave.
func (p *pair) tracker() *tracker.ProgressTracker {
	return p.field("trk").Addr().Interface().(*tracker.ProgressTracker)
}

func (p *pair) crash() {
	p.core.free()
	p.core, p.etcd, p.up = nil, nil, false
}

// guarded calls etcd's raft; a panic is an outcome. here is what raftcore answered to the same.
func (p *pair) guarded(here error, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			text := fmt.Sprint(r)
			said := "took it"
			var e *codeError
			if errors.As(here, &e) {
				said = fmt.Sprintf("%s answers %d", e.call, e.code)
			}
			err = panicked{text, said}
		}
	}()
	return f()
}

// both holds raftcore's answer to a call, and all that can be seen afterwards, to what etcd's does on the same call.
// change are the entries that it proposes, if it does.
func (p *pair) both(here error, theirs func() error, change ...*raftpb.Entry) error {
	changes := 0
	for _, e := range change {
		if e.GetType() != raftpb.EntryNormal {
			changes++
		}
	}
	here = p.drained(here)
	var e *codeError
	if errors.As(here, &e) && e.code == codeFull && p.setup.uncommitted == 0 {
		p.counters.add("raftcore is full")
		return nil // nothing happened: the call was not made
	}
	there := p.guarded(here, theirs)
	var died panicked
	if errors.As(there, &died) {
		return died
	}
	if e != nil && e.code == codeImplausible {
		return refused{here.Error()}
	}
	if p.setup.uncommitted != 0 && e != nil && e.code == codeFull && changes != 0 && there != nil {
		return departed{"etcd's raft keeps the mark of a change that its limit dropped, and refuses the next one"}
	}
	if a, b := etcdWord(here), etcdWord(there); a != b {
		return mismatch{fmt.Sprintf("node %d: etcd answers %q, raftcore %q", p.id, b, a)}
	}
	return p.same()
}

func etcdWord(err error) string {
	if err == nil {
		return "ok"
	}
	return etcdText(err)
}

// drained answers what raftcore asks of its storage, as etcd's raft reads it inside the call.
func (p *pair) drained(err error) error {
	for {
		f, e := p.core.nextFetch()
		if e != nil || f == nil {
			return errors.Join(err, e)
		}
		if f.snapshot {
			p.counters.add("fetch: snapshot")
			e = p.core.supplySnapshot(f.id, p.disk.snapshot())
		} else if entries := p.disk.slice(f.first, f.last); len(entries) != 0 {
			if f.own {
				p.counters.add("fetch: own log, to apply")
				p.own = *f
			} else {
				p.counters.add("fetch: entries")
				p.fetched = true
			}
			e = p.core.supplyEntries(f.id, entries)
		} else {
			p.counters.add("fetch: entries gone")
			e = p.core.supplyGone(f.id)
		}
		if e != nil {
			return errors.Join(err, e)
		}
	}
}

// same compares the states of both nodes.
func (p *pair) same() error {
	if err := p.drained(nil); err != nil {
		return mismatch{err.Error()}
	}
	st, err := p.core.status(p.id)
	if err != nil {
		return mismatch{err.Error()}
	}
	// Neither can be told the other's dice: etcd's gets raftcore's.
	p.field("randomizedElectionTimeout").SetInt(int64(st.electionTimeout))

	unstable := p.field("raftLog").Elem().FieldByName("unstable")
	last := unstable.FieldByName("offset").Uint() + uint64(unstable.FieldByName("entries").Len()) - 1
	if p.setup.small && st.lastIndex < last {
		return departed{"raftcore takes an append in part: its small recent log is full"}
	}

	full := p.etcd.Status()
	ours := fmt.Sprintf("%s term %d vote %d commit %d last %d lead %d applied %d transferee %d elapsed %d %s",
		raft.StateType(st.role), st.term, st.vote, st.commit, st.lastIndex, st.leader, st.applied, st.transferee, st.electionElapsed,
		confText(st.conf))
	theirs := fmt.Sprintf("%s term %d vote %d commit %d last %d lead %d applied %d transferee %d elapsed %d %s",
		full.RaftState, full.GetTerm(), full.GetVote(), full.GetCommit(), last, full.Lead, full.Applied, full.LeadTransferee,
		p.field("electionElapsed").Int(), confText(p.tracker().ConfState()))
	if full.RaftState == raft.StateLeader {
		peers, err := p.core.peers()
		if err != nil {
			return mismatch{err.Error()}
		}
		for _, q := range peers {
			ours += fmt.Sprintf("\n  %d: %s", q.id, q)
		}
		ids := make([]uint64, 0, len(full.Progress))
		for id := range full.Progress {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		for _, id := range ids {
			pr := full.Progress[id]
			theirs += fmt.Sprintf("\n  %d: %s", id, pr.String())
		}
	} else if n := p.field("pendingReadIndexMessages").Len(); n != 0 {
		// etcd's raft keeps reads of a leadership that is over, for the next one; raftcore drops them.
		p.field("pendingReadIndexMessages").SetZero()
		p.counters.add("etcd: reads kept across leaderships, taken away")
	}
	if ours != theirs {
		return mismatch{fmt.Sprintf("node %d\netcd:     %s\nraftcore: %s", p.id, theirs, ours)}
	}
	has, err := p.core.hasReady()
	if err != nil {
		return mismatch{err.Error()}
	}
	if want := p.etcd.HasReady(); has != want && !(want && p.onlyOldReads()) {
		return mismatch{fmt.Sprintf("node %d: etcd HasReady %t, raftcore %t", p.id, want, has)}
	}
	return nil
}

// onlyOldReads tells whether etcd's side answers reads that raftcore has given up, or answered before: a repeated answer.
func (p *pair) onlyOldReads() bool {
	states := p.field("readStates").Interface().([]raft.ReadState)
	if len(states) == 0 {
		return false
	}
	for _, rs := range states {
		if _, waits := p.reads[string(rs.RequestCtx)]; waits {
			return false
		}
	}
	return true
}

// acks shows how far each node has acknowledged the reads of etcd's leader.
type acks map[uint64]uint64

func (a acks) AckedIndex(id uint64) (quorum.Index, bool) {
	index, ok := a[id]
	return quorum.Index(index), ok
}

// confirmsReads tells whether the configuration in force now confirms reads that etcd's leader holds back: until the next answer to a
// heartbeat, or, if the reads wait for the first commit of the term at a sole voter, for ever. raftcore answers such reads.
func (p *pair) confirmsReads() bool {
	reads := p.field("readOnly").Elem()
	if p.etcd.BasicStatus().RaftState != raft.StateLeader {
		return false
	}
	if p.tracker().IsSingleton() && p.field("pendingReadIndexMessages").Len() != 0 {
		return true
	}
	return reads.FieldByName("unconfirmedReads").Len() != 0 &&
		uint64(p.tracker().Voters.CommittedIndex(acks(p.readAcks()))) > reads.FieldByName("confirmedReads").Uint()
}

const ownRead, askedRead = "own read", "asked read"

func readContext(kind string, token uint64) []byte { return fmt.Appendf(nil, "%s %d", kind, token) }

func (p *pair) read() error {
	p.token++
	token := p.token
	role := p.etcd.BasicStatus().RaftState
	err := p.drained(p.core.readIndex(token))
	ctx := readContext(askedRead, token)
	if role == raft.StateLeader {
		ctx = readContext(ownRead, token)
	}
	if err == nil {
		p.reads[string(ctx)] = token
	} else if !codeIs(err, codeNoLeader) {
		return mismatch{err.Error()}
	}
	there := p.guarded(err, func() error { p.etcd.ReadIndex(ctx); return nil })
	if there != nil {
		return there
	}
	return p.same()
}

func codeIs(err error, code int32) bool {
	var e *codeError
	return errors.As(err, &e) && e.code == code
}

// take takes the next ready of both and compares them. Nothing to do: false.
func (p *pair) take() (bool, error) {
	if p.taken != nil {
		return false, nil
	}
	has := p.etcd.HasReady()
	b, err := p.core.takeReady()
	if codeIs(err, codeFull) {
		return false, nil
	}
	if err != nil {
		return false, mismatch{err.Error()}
	}
	if b == nil && !has {
		return false, nil
	}
	if b != nil {
		if b.last != 0 && len(b.committed) == 0 {
			b.committed, b.bare = p.disk.slice(b.first, b.last), true
			p.counters.add("ready: committed span read from the log")
		}
	} else {
		b = &batch{}
	}
	if err := p.takeTokens(b); err != nil {
		return false, err
	}
	var rd raft.Ready
	if has {
		if err := p.guarded(nil, func() error { rd = p.etcd.Ready(); return nil }); err != nil {
			return false, err
		}
	}
	asked := b.first != 0 && b.first == p.own.first && b.last == p.own.last
	if list := rd.CommittedEntries; (b.bare || asked) && len(list) != len(b.committed) {
		return false, departed{"committed entries that left the recent log come apart from those that are in it"}
	}
	if err := p.compare(b, &rd); err != nil {
		return false, err
	}
	return true, p.dispatch(b, rd, has)
}

// takeTokens takes back the tokens in a ready: each that was given, once.
func (p *pair) takeTokens(b *batch) error {
	for _, token := range b.tokens {
		if !p.tokens[token] {
			return mismatch{fmt.Sprintf("node %d: ready %d commits token %d, which nobody waits for", p.id, b.number, token)}
		}
		delete(p.tokens, token)
		p.counters.add("token: committed")
	}
	for _, token := range b.dropped {
		if p.tokens[token] {
			delete(p.tokens, token)
			p.counters.add("token: dropped")
			continue
		}
		waits := false
		for ctx, t := range p.reads {
			if t == token {
				delete(p.reads, ctx)
				p.counters.add("read: dropped")
				waits = true
			}
		}
		if !waits {
			return mismatch{fmt.Sprintf("node %d: ready %d drops token %d, which nobody waits for", p.id, b.number, token)}
		}
	}
	for _, m := range b.messages {
		if len(m.GetContext()) != 0 {
			p.counters.add("raftcore_msg with a context")
		}
		if m.GetType() == raftpb.MsgSnap {
			p.counters.add("raftcore_msg with a snapshot's configuration")
		}
		if p.setup.decoded && m.GetType() == raftpb.MsgApp && len(m.GetEntries()) != 0 {
			p.counters.add("raftcore_msg with its entries")
		}
	}
	return nil
}

// compare holds a ready to etcd's.
func (p *pair) compare(b *batch, rd *raft.Ready) error {
	p.nameReads(b, rd)
	var ours, theirs strings.Builder
	if b.softState {
		fmt.Fprintf(&ours, "  soft state lead %d %s\n", b.leader, raft.StateType(b.role))
	}
	if rd.SoftState != nil {
		fmt.Fprintf(&theirs, "  soft state lead %d %s\n", rd.Lead, rd.RaftState)
	}
	ours.WriteString(hardStateText(b.hardState))
	theirs.WriteString(hardStateText(rd.HardState))

	sync := len(b.entries) != 0 || b.snapshot != nil
	if hs := b.hardState; hs != nil {
		sync = sync || hs.GetTerm() != p.term || hs.GetVote() != p.vote
	}
	if b.number != 0 && sync != b.mustSync {
		return mismatch{fmt.Sprintf("node %d: MUST_SYNC is %t, by the contents of ready %d it is %t", p.id, b.mustSync, b.number, sync)}
	}
	if hs := rd.HardState; hs != nil {
		p.term, p.vote = hs.GetTerm(), hs.GetVote()
	}
	fmt.Fprintf(&ours, "  sync %t\n", sync)
	fmt.Fprintf(&theirs, "  sync %t\n", rd.MustSync || !raft.IsEmptySnap(rd.Snapshot))

	var states []answered
	for _, rs := range rd.ReadStates {
		if token, waits := p.reads[string(rs.RequestCtx)]; waits {
			states = append(states, answered{token, rs.Index})
			delete(p.reads, string(rs.RequestCtx))
			p.counters.add("read: answered")
		}
	}
	byToken := func(a, b answered) int { return int(a.token) - int(b.token) }
	slices.SortFunc(states, byToken)
	slices.SortFunc(b.reads, byToken)
	fmt.Fprintf(&ours, "  reads %v\n", b.reads)
	fmt.Fprintf(&theirs, "  reads %v\n", states)

	if b.snapshot != nil {
		ours.WriteString("  " + snapshotText(b.snapshot) + "\n")
	}
	if !raft.IsEmptySnap(rd.Snapshot) {
		theirs.WriteString("  " + snapshotText(rd.Snapshot) + "\n")
	}
	ours.WriteString(entriesText("entry", b.entries) + entriesText("committed", b.committed))
	theirs.WriteString(entriesText("entry", rd.Entries) + entriesText("committed", rd.CommittedEntries))

	if p.setup.storage == storageAsync {
		ours.WriteString(messagesText("message", sent(b.messages, false)) + messagesText("after", sent(b.messages, true)))
		now, appends, _ := storageWork(rd.Messages)
		theirs.WriteString(messagesText("message", now) + messagesText("after", others(appends, p.id)))
	} else {
		ours.WriteString(messagesText("message", sent(b.messages, false, true)))
		theirs.WriteString(messagesText("message", rd.Messages))
	}
	fetched := p.fetched
	p.fetched = false
	if a, t := ours.String(), theirs.String(); a != t {
		if fetched && withoutCommit(a) == withoutCommit(t) {
			return departed{"an append of fetched entries tells the commit index as of the supply, later in the same call"}
		}
		return mismatch{fmt.Sprintf("node %d, ready %d\n%s", p.id, b.number, sideBySide(t, a))}
	}
	return nil
}

var appendWithEntries = regexp.MustCompile(`(?m)( MsgApp .*) commit \d+ (.*\[.*)$`)

// withoutCommit takes the commit index out of appends that carry entries.
func withoutCommit(s string) string { return appendWithEntries.ReplaceAllString(s, "$1 $2") }

// sideBySide shows what differs between two texts.
func sideBySide(theirs, ours string) string {
	var s strings.Builder
	a, b := strings.Split(theirs, "\n"), strings.Split(ours, "\n")
	for len(a) != 0 || len(b) != 0 {
		switch {
		case len(a) != 0 && len(b) != 0 && a[0] == b[0]:
			s.WriteString("  both     " + a[0] + "\n")
			a, b = a[1:], b[1:]
		case len(b) == 0 || len(a) != 0 && !slices.Contains(b, a[0]):
			s.WriteString("  etcd     " + a[0] + "\n")
			a = a[1:]
		default:
			s.WriteString("  raftcore " + b[0] + "\n")
			b = b[1:]
		}
	}
	return s.String()
}

// nameReads gives etcd's requests the contexts that raftcore chose.
func (p *pair) nameReads(b *batch, rd *raft.Ready) {
	for i, m := range rd.Messages {
		if m.GetType() != raftpb.MsgReadIndex || len(m.GetEntries()) != 1 || i >= len(b.messages) {
			continue
		}
		ctx := m.GetEntries()[0].GetData()
		other := b.messages[i]
		if !bytes.HasPrefix(ctx, []byte(askedRead)) || other.GetType() != raftpb.MsgReadIndex || len(other.GetEntries()) != 1 {
			continue
		}
		m = proto.Clone(m).(*raftpb.Message)
		chosen := other.GetEntries()[0].GetData()
		m.Entries[0].Data = chosen
		rd.Messages[i] = m
		if token, waits := p.reads[string(ctx)]; waits {
			delete(p.reads, string(ctx))
			p.reads[string(chosen)] = token
		}
	}
}

func sent(list []packet, after ...bool) (out []*raftpb.Message) {
	for _, m := range list {
		if slices.Contains(after, m.after) {
			out = append(out, m.Message)
		}
	}
	return out
}

// storageWork takes storage work out of the messages of a ready of etcd's.
func storageWork(list []*raftpb.Message) (now []*raftpb.Message, appends, applies *raftpb.Message) {
	for _, m := range list {
		switch m.GetType() {
		case raftpb.MsgStorageAppend:
			appends = m
		case raftpb.MsgStorageApply:
			applies = m
		default:
			now = append(now, m)
		}
	}
	return now, appends, applies
}

// others are the responses that go to other nodes.
func others(work *raftpb.Message, self uint64) (out []*raftpb.Message) {
	for _, r := range work.GetResponses() {
		if r.GetTo() != self {
			out = append(out, r)
		}
	}
	return out
}

func own(work *raftpb.Message, self uint64) (out []*raftpb.Message) {
	for _, r := range work.GetResponses() {
		if r.GetTo() == self {
			out = append(out, r)
		}
	}
	return out
}
