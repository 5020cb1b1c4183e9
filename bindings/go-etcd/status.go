// The state of a node, to look at.

package raft

import (
	"fmt"
	"strings"

	"encoding/json"

	"go.etcd.io/raft/v3/quorum"
	"go.etcd.io/raft/v3/tracker"
	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// BasicStatus is the state of a node without the members.
type BasicStatus struct {
	ID uint64

	*pb.HardState
	SoftState

	Applied uint64 // the log up to here is applied

	LeadTransferee uint64 // who is about to become leader; None: nobody
}

// Status is the state of a node. Config is the membership in force; Progress has the members as a
// leader sees them, and is nil on other nodes.
type Status struct {
	BasicStatus
	Config   tracker.Config
	Progress map[uint64]tracker.Progress
}

func (e *engine) knowsLeader() bool {
	s, err := e.core.Status()
	return err == nil && s.Leader != None
}

func (e *engine) basicStatus() BasicStatus {
	e.flush()
	s, err := e.core.Status()
	if err != nil {
		return BasicStatus{ID: e.id}
	}
	return BasicStatus{
		ID:             e.id,
		HardState:      hardStateFromCore(raftcore.HardState{Term: s.Term, Vote: s.Vote, Commit: s.Commit}),
		SoftState:      SoftState{Lead: s.Leader, RaftState: stateFromCore(s.Role)},
		Applied:        s.Applied,
		LeadTransferee: s.Transferee,
	}
}

func (e *engine) status() Status {
	s := Status{BasicStatus: e.basicStatus()}
	conf, err := e.core.Conf()
	if err != nil {
		return s
	}
	s.Config = tracker.Config{
		Voters:       quorum.JointConfig{majority(conf.Voters), outgoing(conf.Outgoing)},
		AutoLeave:    conf.AutoLeave,
		Learners:     outgoing(conf.Learners),
		LearnersNext: outgoing(conf.LearnersNext),
	}
	if s.RaftState != StateLeader {
		return s
	}
	peers, err := e.core.Peers()
	if err != nil {
		return s
	}
	s.Progress = make(map[uint64]tracker.Progress, len(peers))
	for _, peer := range peers {
		progress := progressFromCore(peer)
		progress.Inflights = e.window(peer)
		s.Progress[peer.ID] = progress
	}
	return s
}

func majority(ids []uint64) quorum.MajorityConfig {
	set := make(quorum.MajorityConfig, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return set
}

// outgoing returns a set, or nil for no ids.
func outgoing(ids []uint64) map[uint64]struct{} {
	if len(ids) == 0 {
		return nil
	}
	return majority(ids)
}

func progressFromCore(peer raftcore.Peer) tracker.Progress {
	return tracker.Progress{
		Match:            peer.Match,
		Next:             peer.Next,
		State:            tracker.StateType(peer.Flow),
		PendingSnapshot:  peer.PendingSnapshot,
		RecentActive:     peer.Flags&raftcore.PeerActive != 0,
		MsgAppFlowPaused: peer.Flags&raftcore.PeerPaused != 0,
		IsLearner:        peer.Flags&raftcore.PeerLearner != 0,
	}
}

// window returns a window as full as the peer's. How the payload is spread over the appends is not
// known.
func (e *engine) window(peer raftcore.Peer) *tracker.Inflights {
	window := tracker.NewInflights(e.inflight, e.inflightBytes)
	rest := peer.InflightBytes
	for i := range peer.InflightMsgs {
		bytes := rest / uint64(peer.InflightMsgs-i)
		rest -= bytes
		window.Add(peer.Next-1, bytes)
	}
	return window
}

// logStart logs from what the node starts.
func (e *engine) logStart() {
	s, err := e.core.Status()
	conf, confErr := e.core.Conf()
	if err != nil || confErr != nil {
		return
	}
	voters := make([]string, len(conf.Voters))
	for i, id := range conf.Voters {
		voters[i] = fmt.Sprintf("%x", id)
	}
	e.logger.Infof("newRaft %x [peers: [%s], term: %d, commit: %d, applied: %d, lastindex: %d, lastterm: %d] raftcore %s",
		e.id, strings.Join(voters, ","), s.Term, s.Commit, s.Applied, s.LastIndex, s.LastTerm, raftcore.Version())
}

// The JSON form of a Status: ids are hexadecimal.
type statusJSON struct {
	ID         string                  `json:"id"`
	Term       uint64                  `json:"term"`
	Vote       string                  `json:"vote"`
	Commit     uint64                  `json:"commit"`
	Lead       string                  `json:"lead"`
	RaftState  StateType               `json:"raftState"`
	Applied    uint64                  `json:"applied"`
	Progress   map[string]progressJSON `json:"progress"`
	Transferee string                  `json:"leadtransferee"`
}

type progressJSON struct {
	Match uint64 `json:"match"`
	Next  uint64 `json:"next"`
	State string `json:"state"`
}

// MarshalJSON returns the state as tools for etcd read it.
func (s Status) MarshalJSON() ([]byte, error) {
	hex := func(id uint64) string { return fmt.Sprintf("%x", id) }
	progress := make(map[string]progressJSON, len(s.Progress))
	for id, pr := range s.Progress {
		progress[hex(id)] = progressJSON{pr.Match, pr.Next, pr.State.String()}
	}
	return json.Marshal(statusJSON{
		ID: hex(s.ID), Term: s.GetTerm(), Vote: hex(s.GetVote()), Commit: s.GetCommit(), Lead: hex(s.Lead),
		RaftState: s.RaftState, Applied: s.Applied, Progress: progress, Transferee: hex(s.LeadTransferee)})
}

// String returns the JSON form.
func (s Status) String() string {
	text, err := s.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(text)
}
