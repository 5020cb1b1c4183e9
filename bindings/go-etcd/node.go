// A node with a goroutine of its own, which returns its work through a channel.

package raft

import (
	"context"
	"errors"
	"sync"

	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// ErrStopped: the node was stopped.
var ErrStopped = errors.New("raft: the node was stopped")

// Node is a member of a group. Methods may be called from any goroutine. Calls with a context
// return early if the context ends.
type Node interface {
	// Tick tells the node that a unit of time has passed: see Config.ElectionTick.
	Tick()
	// Campaign starts an election.
	Campaign(ctx context.Context) error
	// Propose proposes data for the log, and waits while no leader is known. nil means that the node has
	// taken the proposal, or has passed it on to the leader, and not that it is committed.
	// ErrProposalDropped: propose again later.
	Propose(ctx context.Context, data []byte) error
	// ProposeConfChange proposes a change of the membership. A change that can't be made now, since
	// another one is under way, becomes an empty entry.
	ProposeConfChange(ctx context.Context, cc pb.ConfChangeI) error
	// Step takes a message from a peer. Messages that are out of place are ignored. Messages with
	// proposals wait while no leader is known; a proposal that is refused then is ignored as well.
	Step(ctx context.Context, msg *pb.Message) error
	// Ready returns the channel with the node's work. For each Ready call Advance, before the next.
	Ready() <-chan Ready
	// Advance reports that the host has stored the last Ready and has sent its messages. Applying may go
	// on, in order. Not with Config.AsyncStorageWrites.
	Advance()
	// ApplyConfChange puts a committed change in force on this node, and returns the membership. To
	// refuse a change, apply a change with the node id None instead.
	ApplyConfChange(cc pb.ConfChangeI) *pb.ConfState
	// TransferLeadership asks the leader lead to hand over to transferee.
	TransferLeadership(ctx context.Context, lead, transferee uint64)
	// ForgetLeader makes a follower forget the leader, so that the follower may vote at once.
	ForgetLeader(ctx context.Context) error
	// ReadIndex starts a linearizable read. The answer is a ReadState with rctx. There may be none: then
	// ask again.
	ReadIndex(ctx context.Context, rctx []byte) error
	// Status returns the state of the node; empty after Stop.
	Status() Status
	// ReportUnreachable reports that messages to a peer were lost.
	ReportUnreachable(id uint64)
	// ReportSnapshot reports what became of a snapshot for a peer. The leader sends nothing else to the
	// peer before.
	ReportSnapshot(id uint64, status SnapshotStatus)
	// Stop ends the goroutine.
	Stop()
}

// StartNode makes a node that founds a group together with the other peers. Every founder must name
// the same peers. The storage must be empty. Bad settings panic by the Logger.
func StartNode(c *Config, peers []Peer) Node {
	if len(peers) == 0 {
		panic("raft: StartNode without peers; to join a group, or after a restart, call RestartNode")
	}
	e := mustEngine(c)
	if err := e.found(peers); err != nil {
		e.logger.Warningf("raft: %x can't found a group: %v", c.ID, err)
	}
	return startNode(e)
}

// RestartNode makes a node from its storage. An empty storage is that of a node that joins a group.
// Bad settings, or a storage that contradicts itself, panic by the Logger.
func RestartNode(c *Config) Node { return startNode(mustEngine(c)) }

func mustEngine(c *Config) *engine {
	e, err := newEngine(c)
	if err != nil {
		logger := c.Logger
		if logger == nil {
			logger = defaultLogger()
		}
		logger.Panicf("raft: %x does not start: %v", c.ID, err)
		panic(err) // a logger that does not panic
	}
	return e
}

// node is an engine with a lock. Callers drive the engine themselves; the goroutine only takes each
// Ready, once the host waits for one.
type node struct {
	mu     sync.Mutex
	engine *engine
	idle   bool          // the goroutine has no Ready to offer, and waits for input
	leader chan struct{} // closed when a leader may be known; nil: nobody waits

	input   chan struct{} // something may have to be done
	ready   chan Ready
	advance chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

func startNode(e *engine) Node {
	n := &node{
		engine:  e,
		input:   make(chan struct{}, 1),
		ready:   make(chan Ready),
		advance: make(chan struct{}),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	e.logStart()
	go n.run()
	return n
}

// run offers one Ready after another.
func (n *node) run() {
	defer close(n.done)
	var rd Ready
	var offer chan Ready      // nil: there is nothing to offer
	var advance chan struct{} // nil: the host has nothing
	for {
		if offer == nil && advance == nil {
			var ok bool
			if rd, ok = n.next(); ok {
				offer = n.ready
			}
		}
		select {
		case offer <- rd:
			rd, offer = Ready{}, nil
			if !n.engine.async {
				advance = n.advance
			}
		case <-advance:
			n.locked(n.engine.acknowledge)
			advance = nil
		case <-n.input:
		case <-n.stop:
			return
		}
	}
}

func (n *node) next() (Ready, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	rd, ok := n.engine.next()
	n.idle = !ok
	n.wakeProposals()
	return rd, ok
}

func (n *node) locked(call func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	call()
}

// drive calls the engine, and wakes the goroutine if it waits for input.
func (n *node) drive(call func() error) error {
	select {
	case <-n.done:
		return ErrStopped
	default:
	}
	n.mu.Lock()
	// Also after a panic of the host's Storage or Logger: callers may recover, as HTTP servers do.
	defer n.unlock()
	return call()
}

// unlock ends a call that may have given the goroutine work.
func (n *node) unlock() {
	wake := n.idle
	n.idle = false
	n.wakeProposals()
	n.mu.Unlock()
	if wake {
		n.input <- struct{}{} // never blocks: idle is set once for each element
	}
}

// ---- proposals

// wakeProposals lets proposals try again if a leader is known.
func (n *node) wakeProposals() {
	if n.leader != nil && n.engine.knowsLeader() {
		close(n.leader)
		n.leader = nil
	}
}

// proposal drives a proposal, and waits while no leader is known.
func (n *node) proposal(ctx context.Context, propose func() error) error {
	for {
		var wait chan struct{}
		err := n.drive(func() error {
			err := propose()
			if errors.Is(err, ErrProposalDropped) && !n.engine.knowsLeader() {
				if n.leader == nil {
					n.leader = make(chan struct{})
				}
				wait = n.leader
			}
			return err
		})
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.done:
			return ErrStopped
		}
	}
}

func (n *node) Propose(ctx context.Context, data []byte) error {
	return n.proposal(ctx, func() error { return n.engine.propose(data) })
}

func (n *node) ProposeConfChange(ctx context.Context, cc pb.ConfChangeI) error {
	return n.proposal(ctx, func() error { return n.engine.proposeChange(cc) })
}

func (n *node) Step(ctx context.Context, m *pb.Message) error {
	switch {
	case m == nil:
		return errors.New("raft: Step without a message")
	case IsLocalMsg(m.GetType()) && !IsLocalMsgTarget(m.GetFrom()):
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	step := func() error { return n.engine.step(m) }
	var err error
	if m.GetType() == pb.MsgProp {
		err = n.proposal(ctx, step)
	} else {
		err = n.drive(step)
	}
	if err == nil || errors.Is(err, ErrStopped) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	// A refused message does no harm. Important refusals are events of the core, and are logged.
	n.engine.logger.Debugf("raft: %x ignores %v from %x: %v", n.engine.id, m.GetType(), m.GetFrom(), err)
	return nil
}

// ---- all else

func (n *node) Ready() <-chan Ready { return n.ready }

func (n *node) Advance() {
	select {
	case n.advance <- struct{}{}:
	case <-n.done:
	}
}

func (n *node) Tick() {
	_ = n.drive(func() error { n.engine.tick(); return nil })
}

func (n *node) Campaign(ctx context.Context) error {
	return n.asked(ctx, func() error { return n.engine.core.Campaign() })
}

func (n *node) ForgetLeader(ctx context.Context) error {
	return n.asked(ctx, func() error { return n.engine.core.ForgetLeader() })
}

func (n *node) ReadIndex(ctx context.Context, rctx []byte) error {
	return n.asked(ctx, func() error { return n.engine.readIndex(rctx) })
}

// asked drives a call that a caller may have given up already.
func (n *node) asked(ctx context.Context, call func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return n.drive(call)
}

func (n *node) TransferLeadership(ctx context.Context, lead, transferee uint64) {
	_ = n.asked(ctx, func() error { return n.engine.transfer(transferee) })
}

// ApplyConfChange works on a stopped node as well, since applying may end later.
func (n *node) ApplyConfChange(cc pb.ConfChangeI) (conf *pb.ConfState) {
	apply := func() error { conf = n.engine.applyChange(cc); return nil }
	if n.drive(apply) != nil {
		n.locked(func() { conf = n.engine.applyChange(cc) })
	}
	return conf
}

func (n *node) Status() (s Status) {
	select {
	case <-n.done:
	default:
		n.locked(func() { s = n.engine.status() })
	}
	return s
}

func (n *node) ReportUnreachable(id uint64) {
	// A peer that has left is normal.
	_ = n.drive(func() error { return n.engine.core.ReportUnreachable(id) })
}

func (n *node) ReportSnapshot(id uint64, status SnapshotStatus) {
	_ = n.drive(func() error { return n.engine.reportSnapshot(id, status) })
}

func (n *node) Stop() {
	select {
	case n.stop <- struct{}{}:
		<-n.done
	case <-n.done:
	}
}

// ---- calls of the engine that both faces have

func (e *engine) reportSnapshot(id uint64, status SnapshotStatus) error {
	how := raftcore.SnapshotArrived
	if status == SnapshotFailure {
		how = raftcore.SnapshotFailed
	}
	return e.core.ReportSnapshot(id, how)
}

// transfer hands leadership over, or asks the leader to. Whoever can't be a leader is logged.
func (e *engine) transfer(to uint64) error {
	err := e.core.TransferLeader(to)
	if err != nil {
		e.logger.Infof("raft: %x does not transfer leadership to %x: %v", e.id, to, err)
	}
	return err
}
