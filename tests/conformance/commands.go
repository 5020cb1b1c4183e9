package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// run does a command of a script and returns the output. Arguments and output are those of etcd's
// handlers.
func (c *cluster) run(d *datadriven.TestData) string {
	c.out.Reset()
	if err := c.command(d); err != nil {
		if c.out.quiet {
			return err.Error()
		}
		c.out.print(etcdText(err))
	}
	if c.out.Len() == 0 {
		return "ok"
	}
	return c.out.String()
}

// etcdText gives an error the text of etcd's error of the same meaning. Other errors keep their
// text, which no script expects.
func etcdText(err error) string {
	var e *codeError
	if errors.As(err, &e) {
		switch e.meaning() {
		case meansNoPeer:
			return "raft: cannot step as peer not found"
		case meansDropped:
			return "raft proposal dropped"
		}
	}
	return err.Error()
}

func (c *cluster) command(d *datadriven.TestData) error {
	ids, named, err := arguments(d)
	if err != nil {
		return err
	}
	// All commands on a node name the node first.
	one := func(f func(*node) error) error {
		if len(ids) == 0 {
			return errors.New("no node named")
		}
		n, err := c.node(ids[0])
		if err != nil {
			return err
		}
		return f(n)
	}
	switch d.Cmd {
	case "add-nodes":
		return c.addNodes(ids, named)
	case "campaign":
		return one(func(n *node) error { return n.then(n.campaign()) })
	case "compact":
		return one(func(n *node) error { return c.compact(n, ids) })
	case "deliver-msgs":
		return c.deliverAll(ids, named)
	case "forget-leader":
		return one(func(n *node) error { return n.then(n.forgetLeader()) })
	case "log-level":
		return c.logLevel(d.CmdArgs[0].Key)
	case "process-ready":
		return c.each(ids, "handling Ready", c.processReady)
	case "process-append-thread":
		return c.each(ids, "processing append thread", c.processAppend)
	case "process-apply-thread":
		return c.each(ids, "processing apply thread", c.processApply)
	case "propose":
		if len(d.CmdArgs) != 2 || len(d.CmdArgs[1].Vals) != 0 {
			return errors.New("propose takes a node and data")
		}
		return one(func(n *node) error { return n.then(n.propose([]byte(d.CmdArgs[1].Key))) })
	case "propose-conf-change":
		return one(func(n *node) error { return c.proposeConf(n, named, d.Input) })
	case "raft-log":
		return one(func(n *node) error { c.showLog(n); return nil })
	case "raft-state":
		return c.showStates()
	case "report-unreachable":
		if len(ids) != 2 {
			return errors.New("report-unreachable takes two nodes")
		}
		return one(func(n *node) error { return n.then(n.reportUnreachable(ids[1])) })
	case "send-snapshot":
		if len(ids) != 2 {
			return errors.New("send-snapshot takes two nodes")
		}
		return one(func(n *node) error { return c.sendSnapshot(n, ids[1]) })
	case "set-randomized-election-timeout":
		ticks, err := named.number("timeout")
		if err != nil {
			return err
		}
		return one(func(n *node) error { return n.then(n.setElectionTimeout(uint32(ticks))) })
	case "stabilize":
		if level, ok := named.last("log-level"); ok {
			defer func(quiet bool) { c.out.quiet = quiet }(c.out.quiet)
			if err := c.logLevel(level); err != nil {
				return err
			}
		}
		nodes, err := c.named(ids)
		if err != nil {
			return err
		}
		return c.stabilize(nodes)
	case "status":
		return one(c.showProgress)
	case "tick-election":
		return one(func(n *node) error { return n.ticks(electionTicks) })
	case "tick-heartbeat":
		return one(func(n *node) error { return n.ticks(heartbeatTicks) })
	case "transfer-leadership":
		from, err := named.number("from")
		if err != nil {
			return err
		}
		to, err := named.number("to")
		if err != nil {
			return err
		}
		n, err := c.node(from)
		if err != nil {
			return err
		}
		return n.then(n.transfer(to))
	}
	return errors.New("unknown command")
}

// values are the arguments of the form key=value and key=(value,…), in order.
type values []datadriven.CmdArg

// arguments sorts a command's arguments into numbers, which are node ids but for a new first index, and named values.
func arguments(d *datadriven.TestData) (ids []uint64, named values, err error) {
	for i, arg := range d.CmdArgs {
		switch {
		case len(arg.Vals) != 0:
			named = append(named, arg)
		case d.Cmd == "log-level" || d.Cmd == "propose" && i == 1:
		default:
			id, err := strconv.ParseUint(arg.Key, 10, 64)
			if err != nil {
				return nil, nil, err
			}
			ids = append(ids, id)
		}
	}
	return ids, named, nil
}

func (v values) last(key string) (value string, ok bool) {
	for _, arg := range v {
		if arg.Key == key {
			value, ok = arg.Vals[len(arg.Vals)-1], true
		}
	}
	return value, ok
}

func (v values) number(key string) (uint64, error) {
	s, ok := v.last(key)
	if !ok {
		return 0, fmt.Errorf("%s is missing", key)
	}
	return strconv.ParseUint(s, 10, 64)
}

// named finds nodes by id; without an id, all nodes.
func (c *cluster) named(ids []uint64) ([]*node, error) {
	if len(ids) == 0 {
		return c.nodes, nil
	}
	var list []*node
	for _, id := range ids {
		n, err := c.node(id)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

// each does something on nodes in turn, with a headline if there are several nodes.
func (c *cluster) each(ids []uint64, headline string, f func(*node) error) error {
	for _, id := range ids {
		n, err := c.node(id)
		if err != nil {
			return err
		}
		if len(ids) == 1 {
			return f(n)
		}
		c.out.print(fmt.Sprintf("> %d %s\n", id, headline))
		if err := c.out.indented(func() error { return f(n) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) addNodes(ids []uint64, named values) error {
	if len(ids) != 1 {
		return errors.New("add-nodes takes a number of nodes")
	}
	o := options{ownDefaults: c.own, noForwarding: c.own, stepDownOnRemoval: c.own}
	conf := &raftpb.ConfState{AutoLeave: new(false)}
	snap := &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{ConfState: conf, Index: new(uint64(0)), Term: new(uint64(0))}}
	flags := map[string]*bool{
		"async-storage-writes": &o.async, "prevote": &o.preVote, "checkquorum": &o.checkQuorum,
		"disable-conf-change-validation": &o.noConfValidation, "step-down-on-removal": &o.stepDownOnRemoval,
	}
	numbers := map[string]*uint64{
		"inflight": &o.inflight, "index": snap.Metadata.Index, "max-committed-size-per-ready": &o.committedSize,
		"max-size-per-msg": &o.sizePerMsg,
	}
	idLists := map[string]*[]uint64{"voters": &conf.Voters, "learners": &conf.Learners}
	bootstrap := false
	for _, arg := range named {
		for _, value := range arg.Vals {
			var err error
			switch {
			case flags[arg.Key] != nil:
				*flags[arg.Key], err = strconv.ParseBool(value)
			case numbers[arg.Key] != nil:
				*numbers[arg.Key], err = strconv.ParseUint(value, 10, 64)
			case idLists[arg.Key] != nil:
				var id uint64
				id, err = strconv.ParseUint(value, 10, 64)
				*idLists[arg.Key] = append(*idLists[arg.Key], id)
			case arg.Key == "content":
				snap.Data = []byte(value)
			case arg.Key == "read-only" && (value == "safe" || value == "lease-based"):
				o.leaseReads = value == "lease-based"
			default:
				return fmt.Errorf("add-nodes: %s=%s", arg.Key, value)
			}
			if err != nil {
				return err
			}
		}
		bootstrap = bootstrap || slices.Contains([]string{"voters", "learners", "index", "content"}, arg.Key)
	}
	if bootstrap {
		founds := c.own && snap.Metadata.GetIndex() == 0 // a story begins with empty logs
		if !founds && snap.Metadata.GetIndex() <= 1 {
			return errors.New("index must be specified as > 1 due to bootstrap")
		}
		if !founds {
			snap.Metadata.Term = new(uint64(1))
		}
	}
	for range ids[0] {
		if err := c.addNode(o, snap); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) compact(n *node, args []uint64) error {
	if len(args) != 2 {
		return errors.New("compact takes a node and an index")
	}
	if err := n.log.compact(args[1]); err != nil {
		return err
	}
	if err := n.then(n.compacted(args[1])); err != nil {
		return err
	}
	c.showLog(n)
	return nil
}

// deliverAll delivers to the named nodes, and drops messages to the nodes named in drop=.
func (c *cluster) deliverAll(ids []uint64, named values) error {
	kind := raftpb.MessageType(-1)
	if s, ok := named.last("type"); ok {
		value, ok := raftpb.MessageType_value[s]
		if !ok {
			return fmt.Errorf("unknown message type %s", s)
		}
		kind = raftpb.MessageType(value)
	}
	handled := 0
	for _, id := range ids {
		n, err := c.deliver(id, kind, false)
		if err != nil {
			return err
		}
		handled += n
	}
	for _, arg := range named {
		if arg.Key != "drop" {
			continue
		}
		for _, value := range arg.Vals {
			id, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return err
			}
			n, err := c.deliver(id, kind, true)
			if err != nil {
				return err
			}
			handled += n
		}
	}
	if handled == 0 {
		c.out.print("no messages\n")
	}
	return nil
}

// logLevel knows etcd's levels. The driver has no logger, so only none matters: none hides all
// output except errors.
func (c *cluster) logLevel(name string) error {
	levels := []string{"DEBUG", "INFO", "WARN", "ERROR", "FATAL", "NONE"}
	if !slices.Contains(levels, strings.ToUpper(name)) {
		return fmt.Errorf("log levels must be either of %v", levels)
	}
	c.out.quiet = strings.EqualFold(name, "none")
	return nil
}

func (c *cluster) proposeConf(n *node, named values, input string) error {
	changes, err := raftpb.ConfChangesFromString(input)
	if err != nil {
		return err
	}
	way, v1 := transitionAuto, false
	if s, ok := named.last("v1"); ok {
		if v1, err = strconv.ParseBool(s); err != nil {
			return err
		}
	}
	if s, ok := named.last("transition"); ok {
		if way, ok = map[string]transition{
			"auto": transitionAuto, "implicit": transitionImplicit, "explicit": transitionExplicit,
		}[s]; !ok {
			return fmt.Errorf("unknown transition %s", s)
		}
	}
	if v1 {
		if len(changes) != 1 || way != transitionAuto {
			return errors.New("v1 conf change can only have one operation and no transition")
		}
		way = transitionV1
	}
	return n.then(n.proposeConfChange(changes, way))
}

// ticks lets time pass one tick at a time, as hosts do.
func (n *node) ticks(count int) error {
	for range count {
		if err := n.then(n.tick()); err != nil {
			return err
		}
	}
	return nil
}

// sendSnapshot sends a node's newest state to another node, unasked.
func (c *cluster) sendSnapshot(n *node, to uint64) error {
	st, err := n.status(n.id)
	if err != nil {
		return err
	}
	m := &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), Term: new(st.term), From: new(n.id), To: new(to), Snapshot: n.snapshot(),
	}
	wire, err := encode(m)
	if err != nil {
		return err
	}
	c.network = append(c.network, envelope{packet: packet{Message: m, wire: wire}})
	c.out.print(raft.DescribeMessage(m, nil))
	return nil
}

func (c *cluster) showLog(n *node) {
	if len(n.log.entries) == 0 {
		c.out.print(fmt.Sprintf("log is empty: first index=%d, last index=%d", n.log.first(), n.log.last()))
		return
	}
	c.out.print(raft.DescribeEntries(n.log.entries, quoted))
}

func (c *cluster) showStates() error {
	for _, n := range c.nodes {
		st, err := n.status(n.id)
		if err != nil {
			return err
		}
		kind := "Non-Voter"
		if st.voter {
			kind = "Voter"
		}
		c.out.print(fmt.Sprintf("%d: %s (%s) Term:%d Lead:%d\n", n.id, raft.StateType(st.role), kind, st.term, st.leader))
	}
	return nil
}

// showProgress shows a leader's view of all nodes, a line each; other nodes have no such view.
func (c *cluster) showProgress(n *node) error {
	st, err := n.status(n.id)
	if err != nil || !st.leads {
		return err
	}
	peers, err := n.peers()
	if err != nil {
		return err
	}
	for _, p := range peers {
		c.out.print(fmt.Sprintf("%d: %s\n", p.id, p))
	}
	return nil
}

// String has the form of etcd's tracker.Progress.
func (p peer) String() string {
	s := fmt.Sprintf("%s match=%d next=%d", p.flow, p.match, p.next)
	if p.learner {
		s += " learner"
	}
	if p.paused {
		s += " paused"
	}
	if p.pendingSnapshot != 0 {
		s += fmt.Sprintf(" pendingSnap=%d", p.pendingSnapshot)
	}
	if !p.active {
		s += " inactive"
	}
	if p.inflight != 0 {
		s += fmt.Sprintf(" inflight=%d", p.inflight)
		if p.full {
			s += "[full]"
		}
	}
	return s
}
