// A node without a goroutine: a host drives the node by calls.

package raft

import (
	"errors"

	"go.etcd.io/raft/v3/tracker"
	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// ProgressType is a kind of member: see [RawNode.WithProgress].
type ProgressType byte

const (
	ProgressTypePeer    ProgressType = iota // a voter
	ProgressTypeLearner                     // a learner
)

// RawNode is a member of a group, for one goroutine at a time.
type RawNode struct{ engine *engine }

// NewRawNode makes a node from its storage. An empty storage is that of a node that joins a group, or
// founds one with [RawNode.Bootstrap].
func NewRawNode(config *Config) (*RawNode, error) {
	e, err := newEngine(config)
	if err != nil {
		return nil, err
	}
	e.logStart()
	return &RawNode{e}, nil
}

// Bootstrap makes a new node a founder of a group: see [StartNode]. An error: the storage is not
// empty, or there is no peer.
func (rn *RawNode) Bootstrap(peers []Peer) error { return rn.engine.found(peers) }

// Tick tells the node that a unit of time has passed.
func (rn *RawNode) Tick() { rn.engine.tick() }

// Campaign starts an election.
func (rn *RawNode) Campaign() error { return rn.engine.core.Campaign() }

// Propose proposes data for the log. ErrProposalDropped: propose again later.
func (rn *RawNode) Propose(data []byte) error { return rn.engine.propose(data) }

// ProposeConfChange proposes a change of the membership. A change that can't be made now becomes an
// empty entry. ErrProposalDropped: propose again later.
func (rn *RawNode) ProposeConfChange(cc pb.ConfChangeI) error { return rn.engine.proposeChange(cc) }

// ApplyConfChange puts a committed change in force on this node: see [Node].
func (rn *RawNode) ApplyConfChange(cc pb.ConfChangeI) *pb.ConfState {
	return rn.engine.applyChange(cc)
}

// Step takes a message from a peer. An error concerns this message: ErrStepLocalMsg,
// ErrStepPeerNotFound, ErrProposalDropped, or one of raftcore's.
func (rn *RawNode) Step(m *pb.Message) error {
	if m == nil {
		return errors.New("raft: Step without a message")
	}
	if IsLocalMsg(m.GetType()) && !IsLocalMsgTarget(m.GetFrom()) {
		return ErrStepLocalMsg
	}
	return rn.engine.step(m)
}

// HasReady reports whether there is work. While a Ready waits for Advance there is none.
func (rn *RawNode) HasReady() bool { return rn.engine.hasReady() }

// Ready returns the work; an empty Ready if there is none. Do it, and call Advance.
func (rn *RawNode) Ready() Ready {
	rd, _ := rn.engine.next()
	return rd
}

// Advance reports that the host has done the last Ready. Not with Config.AsyncStorageWrites.
func (rn *RawNode) Advance(_ Ready) { rn.engine.acknowledge() }

// ReadIndex starts a linearizable read: see [Node].
func (rn *RawNode) ReadIndex(rctx []byte) { _ = rn.engine.readIndex(rctx) }

// TransferLeader hands leadership over to transferee.
func (rn *RawNode) TransferLeader(transferee uint64) { _ = rn.engine.transfer(transferee) }

// ForgetLeader makes a follower forget who leads.
func (rn *RawNode) ForgetLeader() error { return rn.engine.core.ForgetLeader() }

// ReportUnreachable reports that messages to a peer were lost.
func (rn *RawNode) ReportUnreachable(id uint64) { _ = rn.engine.core.ReportUnreachable(id) }

// ReportSnapshot reports what became of a snapshot for a peer.
func (rn *RawNode) ReportSnapshot(id uint64, status SnapshotStatus) {
	_ = rn.engine.reportSnapshot(id, status)
}

// Status returns the state of the node.
func (rn *RawNode) Status() Status { return rn.engine.status() }

// BasicStatus returns the state of the node without the members.
func (rn *RawNode) BasicStatus() BasicStatus { return rn.engine.basicStatus() }

// WithProgress calls visitor for each member, by id. The Progress has no Inflights. On a node that
// does not lead, only the kind of the members means something.
func (rn *RawNode) WithProgress(visitor func(id uint64, typ ProgressType, pr tracker.Progress)) {
	peers, err := rn.engine.core.Peers()
	if err != nil {
		return
	}
	for _, peer := range peers {
		kind := ProgressTypePeer
		if peer.Flags&raftcore.PeerLearner != 0 {
			kind = ProgressTypeLearner
		}
		visitor(peer.ID, kind, progressFromCore(peer))
	}
}
