package conformance

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// A Mixed is the outcome of TestMixed, for the report.
type Mixed struct {
	Runs      int       `json:"runs"`
	Failed    int       `json:"failed"`
	Exercised histogram `json:"exercised"`
}

var mixed *Mixed

// mixedCluster is a group of which some members are etcd's raft, some raftcore.
type mixedCluster struct {
	seed     uint64
	dice     *rand.Rand
	counters histogram
	members  []member
	seats    []*seat
	up       []bool
	network  []mixedMessage
	cut      uint32
	loss     int               // percent
	log      map[uint64]string // what was applied at an index, by whomever first
	highest  uint64            // index applied anywhere
	leaders  map[uint64]uint64 // who led a term
	asked    map[uint64]uint64 // reads: token to the highest applied index when it was asked
	token    uint64
	data     uint64
}

type mixedMessage struct {
	from, to uint64
	kind     raftpb.MessageType
	entries  int
	wire     []byte
	due      int
}

func newMixed(seed uint64, counters histogram) (*mixedCluster, error) {
	c := &mixedCluster{
		seed: seed, dice: rand.New(rand.NewPCG(seed, 0x6d697865)), counters: counters, log: map[uint64]string{},
		leaders: map[uint64]uint64{}, asked: map[uint64]uint64{},
	}
	voters := []int{3, 5}[c.dice.IntN(2)]
	spare := c.dice.IntN(3)
	conf := &raftpb.ConfState{AutoLeave: new(false)}
	for id := range uint64(voters) {
		conf.Voters = append(conf.Voters, id+1)
	}
	group := options{electionTicks: 10, preVote: c.dice.IntN(2) == 0, checkQuorum: c.dice.IntN(2) == 0}
	group.inflight = []uint64{0, 2, 8}[c.dice.IntN(3)]
	group.stepDownOnRemoval = c.dice.IntN(2) == 0
	cores := 0
	for id := range uint64(voters + spare) {
		snap := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			ConfState: &raftpb.ConfState{AutoLeave: new(false)}, Index: new(uint64(0)), Term: new(uint64(0)),
		}}
		if int(id) < voters {
			snap.Data = []byte("start")
			snap.Metadata = &raftpb.SnapshotMetadata{ConfState: conf, Index: new(uint64(3)), Term: new(uint64(1))}
		}
		s := &seat{id: id + 1, opts: group, disk: newDisk(snap), cluster: c}
		isCore := c.dice.IntN(2) == 0
		if int(id) == voters-1 && (cores == 0 || cores == voters-1) {
			isCore = cores == 0 // at least one of each
		}
		if isCore {
			cores++
			s.opts.ownDefaults = c.dice.IntN(3) != 0
			if s.opts.ownDefaults && c.dice.IntN(2) == 0 {
				s.opts.storage = storageAsync
			}
			c.members = append(c.members, &coreMember{seat: s})
		} else {
			c.members = append(c.members, &etcdMember{seat: s})
		}
		c.seats, c.up = append(c.seats, s), append(c.up, true)
		if err := c.members[id].boot(); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (c *mixedCluster) close() {
	for i, m := range c.members {
		if c.up[i] {
			m.crash()
		}
	}
}

func (c *mixedCluster) who(id uint64) string { return c.members[id-1].name() }

func (c *mixedCluster) send(m *raftpb.Message, wire []byte) {
	to := m.GetTo()
	if to == 0 || to > uint64(len(c.members)) {
		return
	}
	c.network = append(c.network, mixedMessage{
		from: m.GetFrom(), to: to, kind: m.GetType(), entries: len(m.GetEntries()), wire: slices.Clone(wire), due: c.dice.IntN(4),
	})
}

// applied holds what a member applies to what was applied at that index before, by whatever kind of node.
func (c *mixedCluster) applied(s *seat, e *raftpb.Entry) error {
	text := entryText(e)
	if known, ok := c.log[e.GetIndex()]; ok && known != text {
		return fmt.Errorf("node %d (%s) applies %s, another applied %s", s.id, c.who(s.id), text, known)
	}
	c.log[e.GetIndex()] = text
	c.highest = max(c.highest, e.GetIndex())
	return nil
}

func (c *mixedCluster) answered(id, token, index uint64) error {
	from, ok := c.asked[token]
	if !ok {
		return nil
	}
	delete(c.asked, token)
	if index < from {
		return fmt.Errorf("stale read on node %d (%s): index %d, when it was asked %d was applied", id, c.who(id), index, from)
	}
	if leader := c.leader(); leader != 0 {
		c.counters.add("read on " + c.who(id) + ", led by " + c.who(leader))
	}
	return nil
}

func (c *mixedCluster) leader() (id uint64) {
	best := uint64(0)
	for i, m := range c.members {
		if !c.up[i] {
			continue
		}
		if st, err := m.state(); err == nil && st.leads && st.term >= best {
			id, best = uint64(i+1), st.term
		}
	}
	return id
}

// handle lets an error pass that is not one of the group: a panic of etcd's raft stops that node only.
func (c *mixedCluster) handle(i int, err error) error {
	var died panicked
	if !errors.As(err, &died) {
		if err != nil {
			return fmt.Errorf("node %d (%s): %w", i+1, c.members[i].name(), err)
		}
		return nil
	}
	// Known: a transfer that a follower passes on is sent with a term, and the next one to pass it on panics.
	if !strings.HasPrefix(died.text, "term should not be set when sending MsgTransferLeader") {
		return fmt.Errorf("node %d (%s): %w", i+1, c.members[i].name(), err)
	}
	c.counters.add("etcd's panics: " + family(died.text))
	return c.restart(i)
}

func (c *mixedCluster) restart(i int) error {
	c.members[i].crash()
	d := c.seats[i].disk
	d.forget(min(d.applied(), d.commit()))
	d.trim()
	c.up[i] = true
	return c.members[i].boot()
}

// round lets one unit of time pass.
func (c *mixedCluster) round() error {
	for i, m := range c.members {
		if !c.up[i] {
			continue
		}
		if err := c.handle(i, m.tick()); err != nil {
			return err
		}
		if err := c.handle(i, m.work()); err != nil {
			return err
		}
		if core, ok := m.(*coreMember); ok {
			if err := core.workAside(); err != nil {
				return c.handle(i, err)
			}
		}
		st, err := m.state()
		if err != nil {
			return err
		}
		if st.leads {
			if other, ok := c.leaders[st.term]; ok && other != uint64(i+1) {
				return fmt.Errorf("term %d has two leaders: %d and %d", st.term, other, i+1)
			} else if !ok {
				c.counters.add("elected: " + m.name())
			}
			c.leaders[st.term] = uint64(i + 1)
		}
	}
	now := c.network
	c.network = nil
	for _, m := range now {
		if m.due > 0 {
			m.due--
			c.network = append(c.network, m)
			continue
		}
		if err := c.deliver(m); err != nil {
			return err
		}
	}
	return nil
}

func (c *mixedCluster) deliver(m mixedMessage) error {
	to := int(m.to - 1)
	sender := m.from
	lost := !c.up[to] || c.dice.IntN(100) < c.loss
	if sender >= 1 && sender <= uint64(len(c.members)) {
		lost = lost || c.cut>>(sender-1)&1 != c.cut>>to&1
	}
	fromUp := sender >= 1 && sender <= uint64(len(c.members)) && c.up[sender-1]
	if m.kind == raftpb.MsgSnap && fromUp {
		if err := c.handle(int(sender-1), c.members[sender-1].snapshotSent(m.to, !lost)); err != nil {
			return err
		}
	}
	if lost {
		if fromUp && c.dice.IntN(4) == 0 {
			return c.handle(int(sender-1), c.members[sender-1].unreachable(m.to))
		}
		return nil
	}
	way := c.who(sender) + " to " + c.who(m.to)
	if c.who(sender) != c.who(m.to) {
		switch {
		case m.kind == raftpb.MsgSnap, m.kind == raftpb.MsgTimeoutNow, m.kind == raftpb.MsgVoteResp, m.kind == raftpb.MsgProp,
			m.kind == raftpb.MsgReadIndex, m.kind == raftpb.MsgReadIndexResp, m.kind == raftpb.MsgPreVoteResp,
			m.kind == raftpb.MsgTransferLeader, m.kind == raftpb.MsgApp && m.entries > 0:
			c.counters.add(fmt.Sprintf("%s, %s", m.kind, way))
		}
	}
	times := 1
	if c.dice.IntN(50) == 0 {
		times = 2
	}
	for range times {
		if err := c.handle(to, c.members[to].step(m.wire)); err != nil {
			return err
		}
	}
	return nil
}

// disturb does something to the group that a real one meets.
func (c *mixedCluster) disturb() error {
	i := c.dice.IntN(len(c.members))
	m := c.members[i]
	leader := c.leader()
	switch x := c.dice.IntN(100); {
	case x < 45:
		if leader != 0 && c.dice.IntN(4) != 0 {
			i = int(leader - 1)
		}
		if c.up[i] {
			c.data++
			_ = c.members[i].propose(fmt.Appendf(nil, "data %d", c.data))
		}
	case x < 60:
		if c.up[i] {
			c.token++
			c.asked[c.token] = c.highest
			return c.handle(i, m.read(c.token))
		}
	case x < 68:
		return c.change(leader)
	case x < 72:
		if leader != 0 {
			from := leader
			if c.dice.IntN(4) == 0 && c.up[i] {
				from = uint64(i + 1)
			}
			return c.handle(int(from-1), c.members[from-1].transfer(1+c.dice.Uint64N(uint64(len(c.members)))))
		}
	case x < 78:
		c.cut = c.dice.Uint32()
	case x < 84:
		c.cut = 0
	case x < 90:
		if c.up[i] && c.count() > len(c.members)/2+1 {
			m.crash()
			c.up[i] = false
			c.counters.add("crash of " + m.name())
		}
	case x < 96:
		if !c.up[i] {
			d := c.seats[i].disk
			d.forget(min(d.applied(), d.commit()))
			d.trim()
			c.up[i] = true
			return m.boot()
		}
	default:
		return c.compact(i)
	}
	return nil
}

func (c *mixedCluster) count() (n int) {
	for _, up := range c.up {
		if up {
			n++
		}
	}
	return n
}

func (c *mixedCluster) compact(i int) error {
	if !c.up[i] {
		return nil
	}
	st, err := c.members[i].state()
	if err != nil {
		return err
	}
	d := c.seats[i].disk
	index := min(st.applied, d.commit(), d.applied(), d.last())
	if index <= d.base {
		return nil
	}
	if err := d.compact(index); err != nil {
		return err
	}
	d.trim()
	c.counters.add("compact on " + c.members[i].name())
	return c.handle(i, c.members[i].compacted(index))
}

func (c *mixedCluster) change(leader uint64) error {
	if leader == 0 {
		return nil
	}
	m := c.members[leader-1]
	st, err := m.state()
	if err != nil {
		return err
	}
	conf := st.conf
	if len(conf.GetVotersOutgoing()) != 0 {
		if conf.GetAutoLeave() {
			return nil
		}
		c.counters.add("leave joint, led by " + m.name())
		return c.handle(int(leader-1), dropped(m.change(nil, transitionAuto)))
	}
	one := func() *raftpb.ConfChangeSingle {
		id := 1 + c.dice.Uint64N(uint64(len(c.members)))
		kind := raftpb.ConfChangeAddNode
		switch {
		case c.dice.IntN(3) == 0:
			kind = raftpb.ConfChangeAddLearnerNode
		case c.dice.IntN(3) == 0:
			kind = raftpb.ConfChangeRemoveNode
		}
		if id == leader || len(conf.GetVoters()) <= 3 && slices.Contains(conf.GetVoters(), id) {
			kind = raftpb.ConfChangeAddNode
		}
		return &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(id)}
	}
	way := []transition{transitionV1, transitionAuto, transitionImplicit, transitionExplicit}[c.dice.IntN(4)]
	list := []*raftpb.ConfChangeSingle{one()}
	if second := one(); way >= transitionImplicit && way != transitionV1 && second.GetNodeId() != list[0].GetNodeId() && len(conf.GetVoters()) > 4 {
		list = append(list, second)
	}
	what := "simple change"
	if way == transitionImplicit || way == transitionExplicit {
		what = "joint change"
	}
	c.counters.add(what + ", led by " + m.name())
	return c.handle(int(leader-1), dropped(m.change(list, way)))
}

// dropped lets pass that a proposal is not taken.
func dropped(err error) error {
	var died panicked
	if errors.As(err, &died) {
		return err
	}
	return nil
}

// heal ends all faults; the group must then commit something new on all members of its configuration.
func (c *mixedCluster) heal() error {
	c.cut, c.loss = 0, 0
	for i, m := range c.members {
		if !c.up[i] {
			d := c.seats[i].disk
			d.forget(min(d.applied(), d.commit()))
			d.trim()
			c.up[i] = true
			if err := m.boot(); err != nil {
				return err
			}
		}
	}
	goal := ""
	for round := range 2000 {
		if err := c.round(); err != nil {
			return err
		}
		leader := c.leader()
		if leader == 0 {
			continue
		}
		if st, err := c.members[leader-1].state(); err == nil && !slices.Contains(
			slices.Concat(st.conf.GetVoters(), st.conf.GetVotersOutgoing(), st.conf.GetLearners()), leader) {
			// etcd's raft goes on leading without being a member; its host stops a node that is removed.
			c.members[leader-1].crash()
			c.up[leader-1] = false
			continue
		}
		if round%100 == 60 {
			c.data++
			goal = fmt.Sprintf("goal %d", c.data)
			_ = c.members[leader-1].propose([]byte(goal))
		}
		if goal != "" && c.everybodyHas(leader, goal) {
			return nil
		}
		if st, err := c.members[leader-1].state(); err == nil && round%50 == 0 && len(st.conf.GetVotersOutgoing()) != 0 && !st.conf.GetAutoLeave() {
			_ = c.members[leader-1].change(nil, transitionAuto)
		}
	}
	return errors.New("no progress after the faults have ended: " + c.describe())
}

func (c *mixedCluster) everybodyHas(leader uint64, goal string) bool {
	st, err := c.members[leader-1].state()
	if err != nil {
		return false
	}
	newest := c.seats[leader-1].disk
	for _, id := range slices.Concat(st.conf.GetVoters(), st.conf.GetVotersOutgoing(), st.conf.GetLearners()) {
		d := c.seats[id-1].disk
		if d.applied() != newest.applied() || string(d.newest().GetData()) != string(newest.newest().GetData()) {
			return false
		}
	}
	last := newest.slice(newest.last(), newest.last())
	return len(last) == 1 && (string(last[0].GetData()) == goal || newest.applied() > 0 && c.has(goal))
}

func (c *mixedCluster) has(goal string) bool {
	want := fmt.Sprintf("%x", goal)
	for index := c.highest; index > 0 && index+50 > c.highest; index-- {
		if strings.HasSuffix(c.log[index], want) {
			return true
		}
	}
	return false
}

func (c *mixedCluster) describe() string {
	var s strings.Builder
	for i, m := range c.members {
		if !c.up[i] {
			continue
		}
		st, err := m.state()
		fmt.Fprintf(&s, "\n  %d %s %v leads %t term %d leader %d commit %d applied %d last %d %s", i+1, m.name(), err, st.leads,
			st.term, st.leader, st.commit, st.applied, c.seats[i].disk.last(), confText(st.conf))
	}
	return s.String()
}

func runMixed(seed uint64, counters histogram) error {
	c, err := newMixed(seed, counters)
	defer c.close()
	if err != nil {
		return err
	}
	for range 3 {
		c.loss = c.dice.IntN(15)
		for range 300 {
			if err := c.round(); err != nil {
				return err
			}
			if c.dice.IntN(2) == 0 {
				if err := c.disturb(); err != nil {
					return err
				}
			}
		}
		if err := c.heal(); err != nil {
			return err
		}
	}
	return nil
}

// TestMixed runs groups of etcd's raft and raftcore under faults: MIXED_SECONDS (10), or the run MIXED_ONE alone.
func TestMixed(t *testing.T) {
	seed := envNumber(t, "MIXED_SEED", rand.Uint64N(1<<32))
	seconds := envNumber(t, "MIXED_SECONDS", 10)
	one := envNumber(t, "MIXED_ONE", 0)
	out := &Mixed{Exercised: histogram{}}
	mixed = out
	begin := time.Now()
	for n := max(one, 1); time.Since(begin) < time.Duration(seconds)*time.Second; n++ {
		out.Runs++
		if err := runMixed(seed<<20+n, out.Exercised); err != nil {
			out.Failed++
			t.Errorf("run %d of seed %d: %v\nrepeat it: MIXED_SEED=%d MIXED_ONE=%d go test -run TestMixed", n, seed, err, seed, n)
		}
		if one != 0 || out.Failed >= 3 {
			break
		}
	}
	t.Logf("seed %d: %d runs, %d failed\n%s", seed, out.Runs, out.Failed, classes("exercised", out.Exercised))
	if one != 0 || out.Failed != 0 || seconds < 10 {
		return
	}
	for _, class := range []string{
		"elected: etcd", "elected: raftcore", "crash of etcd", "crash of raftcore", "compact on etcd", "compact on raftcore",
		"simple change, led by etcd", "simple change, led by raftcore", "joint change, led by etcd", "joint change, led by raftcore",
		"leave joint, led by etcd", "leave joint, led by raftcore", "read on etcd, led by raftcore", "read on raftcore, led by etcd",
		"MsgSnap, etcd to raftcore", "MsgSnap, raftcore to etcd", "MsgTimeoutNow, etcd to raftcore", "MsgTimeoutNow, raftcore to etcd",
		"MsgApp, etcd to raftcore", "MsgApp, raftcore to etcd", "MsgVoteResp, etcd to raftcore", "MsgVoteResp, raftcore to etcd",
		"MsgPreVoteResp, etcd to raftcore", "MsgPreVoteResp, raftcore to etcd", "MsgProp, etcd to raftcore", "MsgProp, raftcore to etcd",
	} {
		if out.Exercised[class] == 0 {
			t.Errorf("nothing of this was exercised: %s", class)
		}
	}
}
