package conformance

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// cluster is the host of a script's nodes. Node i of the list has id i+1.
type cluster struct {
	nodes   []*node
	network []envelope // sent and not delivered yet, in order
	out     output
	own     bool            // the nodes have raftcore's defaults instead of etcd's choices, and clients read
	cut     map[uint64]bool // nodes that can't talk to the rest
}

// isCut tells whether a message is lost between the two sides of a parted network.
func (c *cluster) isCut(e envelope) bool { return !e.local() && c.cut[e.GetFrom()] != c.cut[e.GetTo()] }

// send puts a message into the network.
func (c *cluster) send(e envelope) {
	if !c.isCut(e) {
		c.network = append(c.network, e)
	}
}

// An envelope is a message in flight. Responses of storage to the node itself share the queue with
// the network's messages, since scripts deliver both by the same command, but use a different call
// of the node.
type envelope struct {
	packet
	response bool
}

// A node is a raftcore node with the storage and the state machine of its host.
type node struct {
	*core
	id         uint64
	opts       options
	log        mirror
	history    []*raftpb.Snapshot // one per applied entry; the first is the node's beginning
	term, vote uint64             // as of the last hard state
	appendWork []envelope         // MsgStorageAppend to be done
	applyWork  []envelope         // MsgStorageApply to be done
}

func (c *cluster) close() {
	for _, n := range c.nodes {
		n.free()
	}
}

// node finds a node by its id.
func (c *cluster) node(id uint64) (*node, error) {
	if id == 0 || id > uint64(len(c.nodes)) {
		return nil, fmt.Errorf("no node %d", id)
	}
	return c.nodes[id-1], nil
}

// addNode makes a node that begins with a snapshot; with an empty disk if the snapshot's index is
// 0.
func (c *cluster) addNode(o options, snap *raftpb.Snapshot) error {
	id := uint64(len(c.nodes) + 1)
	k, err := newCore(id, o)
	if err != nil {
		return err
	}
	n := &node{core: k, id: id, opts: o, history: []*raftpb.Snapshot{snap}}
	n.log.base, n.log.baseTerm = snap.GetMetadata().GetIndex(), snap.GetMetadata().GetTerm()
	c.nodes = append(c.nodes, n)
	return n.then(k.boot(snap))
}

// then follows each call into the node: then answers the fetches of the call at once, as if the
// node had read its storage inside the call, so that a message made from storage has the place that
// etcd's raft gives to the message. err is the error of the call, and is returned.
func (n *node) then(err error) error {
	for {
		f, e := n.nextFetch()
		if e != nil {
			return errors.Join(err, e)
		}
		if f == nil {
			return err
		}
		if e := n.supply(f); e != nil {
			return errors.Join(err, e)
		}
	}
}

func (n *node) supply(f *fetch) error {
	if f.snapshot {
		return n.supplySnapshot(f.id, n.snapshot())
	}
	if entries := n.log.slice(f.first, f.last); len(entries) != 0 {
		return n.supplyEntries(f.id, entries)
	}
	return n.supplyGone(f.id)
}

// snapshot is the one to send: the newest state of the state machine.
func (n *node) snapshot() *raftpb.Snapshot { return n.history[len(n.history)-1] }

// apply feeds the state machine, which appends the data of every entry to its own data.
func (n *node) apply(entries []*raftpb.Entry) error {
	for _, e := range entries {
		conf, data := n.snapshot().GetMetadata().GetConfState(), e.GetData()
		if e.GetType() != raftpb.EntryNormal {
			var err error
			conf, data, err = n.applyConf(e)
			if err := n.then(err); err != nil {
				return err
			}
		}
		n.history = append(n.history, &raftpb.Snapshot{
			Data: append(append([]byte(nil), n.snapshot().GetData()...), data...),
			Metadata: &raftpb.SnapshotMetadata{
				ConfState: conf, Index: new(e.GetIndex()), Term: new(e.GetTerm()),
			},
		})
	}
	return nil
}

// processReady takes a ready, shows the ready, and does the work in the order of the host's
// contract.
func (c *cluster) processReady(n *node) error {
	b, err := n.takeReady()
	if err != nil {
		return err
	}
	if b == nil {
		c.out.print(raft.DescribeReady(raft.Ready{}, quoted))
		return nil
	}
	if !c.own && len(b.reads)+len(b.dropped)+len(b.tokens) != 0 {
		return fmt.Errorf("ready %d answers tokens that nobody gave", b.number)
	}
	if len(b.committed) == 0 && b.last != 0 {
		return fmt.Errorf("ready %d: no script's log is longer than the recent log", b.number)
	}
	shown, err := n.describe(b)
	if err != nil {
		return err
	}
	if answers := b.answers(); c.own && answers != "" {
		shown = strings.Replace(shown, "<empty Ready>", "Ready MustSync=false:\n", 1) + answers
	}
	c.out.print(shown)
	if !n.opts.async {
		if err := n.log.store(b.hardState, b.snapshot, b.entries); err != nil {
			return err
		}
		if err := n.apply(b.committed); err != nil {
			return err
		}
	}
	for _, m := range b.messages {
		switch {
		case m.GetTo() == localAppend && n.opts.async && m.GetType() == raftpb.MsgStorageAppend:
			n.appendWork = append(n.appendWork, envelope{packet: m})
		case m.GetTo() == localApply && n.opts.async && m.GetType() == raftpb.MsgStorageApply:
			n.applyWork = append(n.applyWork, envelope{packet: m})
		case m.GetTo() == localAppend || m.GetTo() == localApply:
			return fmt.Errorf("%s to a storage thread", m.GetType())
		default:
			c.send(envelope{packet: m})
		}
	}
	if n.opts.async {
		return n.then(n.release(b.number))
	}
	return n.then(n.advance(b.number))
}

// describe shows a ready in etcd's words. MustSync is etcd's, computed from the contents; raftcore's own asks for a sync
// also where there is a snapshot, and is held to that.
func (n *node) describe(b *batch) (string, error) {
	rd := raft.Ready{Entries: b.entries, Snapshot: b.snapshot, CommittedEntries: b.committed, HardState: b.hardState}
	rd.MustSync = len(b.entries) != 0
	if hs := b.hardState; hs != nil {
		rd.MustSync = rd.MustSync || hs.GetTerm() != n.term || hs.GetVote() != n.vote
		n.term, n.vote = hs.GetTerm(), hs.GetVote()
	}
	if want := rd.MustSync || b.snapshot != nil; want != b.mustSync {
		return "", fmt.Errorf("ready %d has MUST_SYNC %t, by its contents it is %t", b.number, b.mustSync, want)
	}
	if b.softState {
		rd.SoftState = &raft.SoftState{Lead: b.leader, RaftState: raft.StateType(b.role)}
	}
	for _, m := range b.messages {
		rd.Messages = append(rd.Messages, m.Message)
	}
	return raft.DescribeReady(rd, quoted), nil
}

// processWork does the oldest job of a storage thread and sends its responses.
func (c *cluster) processWork(n *node, work *[]envelope, name string, do func(*raftpb.Message) error) error {
	if len(*work) == 0 {
		c.out.print("no " + name + " work to perform")
		return nil
	}
	job := (*work)[0]
	*work = (*work)[1:]
	responses, err := responsesOf(job.wire)
	if err != nil {
		return err
	}
	if len(responses) != len(job.GetResponses()) {
		return fmt.Errorf("%d responses in the bytes, %d decoded", len(responses), len(job.GetResponses()))
	}
	job.Responses = nil
	c.out.print("Processing:\n" + raft.DescribeMessage(job.Message, quoted) + "\n")
	if err := do(job.Message); err != nil {
		return err
	}
	c.out.print("Responses:\n")
	for _, r := range responses {
		c.out.print(raft.DescribeMessage(r.Message, quoted) + "\n")
		c.send(envelope{packet: r, response: r.GetTo() == n.id})
	}
	return nil
}

func (c *cluster) processAppend(n *node) error {
	return c.processWork(n, &n.appendWork, "append", func(m *raftpb.Message) error {
		var hs *raftpb.HardState
		if m.GetTerm() != 0 || m.GetVote() != 0 || m.GetCommit() != 0 {
			hs = &raftpb.HardState{Term: new(m.GetTerm()), Vote: new(m.GetVote()), Commit: new(m.GetCommit())}
		}
		return n.log.store(hs, m.GetSnapshot(), m.GetEntries())
	})
}

func (c *cluster) processApply(n *node) error {
	return c.processWork(n, &n.applyWork, "apply", func(m *raftpb.Message) error { return n.apply(m.GetEntries()) })
}

// responsesOf cuts the responses out of the bytes of a storage message, so that the node gets its
// own bytes back.
func responsesOf(wire []byte) ([]packet, error) {
	const responses = 14 // Message.responses in raftpb
	var list []packet
	for len(wire) != 0 {
		field, kind, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		whole := size + protowire.ConsumeFieldValue(field, kind, wire[size:])
		if whole < size {
			return nil, protowire.ParseError(whole - size)
		}
		if field == responses && kind == protowire.BytesType {
			body, _ := protowire.ConsumeBytes(wire[size:])
			p, err := decode(body)
			if err != nil {
				return nil, err
			}
			list = append(list, p)
		}
		wire = wire[whole:]
	}
	return list, nil
}

// split takes a node's messages from the network: all kinds if kind is negative. A message that
// never left its node can't be lost, so such a message stays if the rest is dropped.
func split(network []envelope, to uint64, kind raftpb.MessageType, drop bool) (taken, left []envelope) {
	for _, e := range network {
		if e.GetTo() == to && (kind < 0 || e.GetType() == kind) && !(drop && e.local()) {
			taken = append(taken, e)
		} else {
			left = append(left, e)
		}
	}
	return taken, left
}

func (e envelope) local() bool {
	thread := func(id uint64) bool { return id == localAppend || id == localApply }
	return e.GetFrom() == e.GetTo() || thread(e.GetFrom()) || thread(e.GetTo())
}

// deliver shows the messages for a node and steps or drops them; returns their number.
func (c *cluster) deliver(to uint64, kind raftpb.MessageType, drop bool) (int, error) {
	var taken []envelope
	taken, c.network = split(c.network, to, kind, drop)
	for _, e := range taken {
		text := raft.DescribeMessage(e.Message, quoted) + "\n"
		if drop {
			c.out.print("dropped: " + text)
			continue
		}
		c.out.print(text)
		n, err := c.node(to)
		if err != nil {
			return len(taken), err
		}
		if e.response {
			err = n.stepLocal(e.wire)
		} else {
			err = n.step(e.wire)
		}
		if err := n.then(err); err != nil {
			c.out.print(etcdText(err) + "\n")
		}
	}
	return len(taken), nil
}

// stabilize does all readies, then all messages, then all storage work, until the nodes have
// nothing to do.
func (c *cluster) stabilize(nodes []*node) error {
	for done := false; !done; {
		done = true
		for _, n := range nodes {
			ready, err := n.hasReady()
			if err != nil {
				return err
			}
			if ready {
				done = false
				c.out.print(fmt.Sprintf("> %d handling Ready\n", n.id))
				if err := c.out.indented(func() error { return c.processReady(n) }); err != nil {
					return err
				}
			}
		}
		for _, n := range nodes {
			if taken, _ := split(c.network, n.id, -1, false); len(taken) != 0 {
				done = false
				c.out.print(fmt.Sprintf("> %d receiving messages\n", n.id))
				if err := c.out.indented(func() error { _, err := c.deliver(n.id, -1, false); return err }); err != nil {
					return err
				}
			}
		}
		for _, thread := range threads {
			for _, n := range nodes {
				if len(*thread.work(n)) == 0 {
					continue
				}
				done = false
				c.out.print(fmt.Sprintf("> %d processing %s thread\n", n.id, thread.name))
				for len(*thread.work(n)) != 0 {
					if err := c.out.indented(func() error { return thread.process(c, n) }); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

var threads = []struct {
	name    string
	work    func(*node) *[]envelope
	process func(*cluster, *node) error
}{
	{"append", func(n *node) *[]envelope { return &n.appendWork }, (*cluster).processAppend},
	{"apply", func(n *node) *[]envelope { return &n.applyWork }, (*cluster).processApply},
}

// output collects the output of a command.
type output struct {
	strings.Builder
	quiet bool // log-level none: only errors are shown
}

func (o *output) print(s string) {
	if !o.quiet {
		o.WriteString(s)
	}
}

// indented runs f and moves each printed line two columns to the right.
func (o *output) indented(f func() error) error {
	before := o.String()
	o.Reset()
	err := f()
	inner := o.String()
	o.Reset()
	o.WriteString(before)
	for line := range strings.Lines(inner) {
		o.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
	return err
}

func quoted(data []byte) string { return fmt.Sprintf("%q", data) }
