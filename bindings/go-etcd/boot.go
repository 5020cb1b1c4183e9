// The beginning of a node: from the Storage, or as a founder of a group.

package raft

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// bootPiece is how many bytes of entries are read at a time.
const bootPiece = 4 << 20

// newEngine makes a node from what Storage has.
func newEngine(c *Config) (*engine, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	e := &engine{
		id:       c.ID,
		storage:  c.Storage,
		logger:   c.Logger,
		settings: c.core(),
		async:    c.AsyncStorageWrites,
		inflight: c.MaxInflightMsgs,
		reads:    map[uint64][]byte{},
		fetched:  map[uint64]*pb.Snapshot{},
	}
	e.inflightBytes = c.MaxInflightBytes
	if e.logger == nil {
		e.logger = defaultLogger()
	}
	stored, err := readStored(c)
	if err != nil {
		return nil, err
	}
	if err := e.boot(stored); err != nil {
		return nil, fmt.Errorf("raft: the stored state can't be used: %w", err)
	}
	return e, nil
}

// stored is what is on the disk of a node, except for the entries.
type stored struct {
	raftcore.HardState
	conf             *pb.ConfState
	applied          uint64
	before, beforeAt uint64 // the log begins behind this index; the term there
	last             uint64
}

func readStored(c *Config) (s stored, err error) {
	state, conf, err := c.Storage.InitialState()
	first, firstErr := c.Storage.FirstIndex()
	last, lastErr := c.Storage.LastIndex()
	if err = errors.Join(err, firstErr, lastErr); err != nil {
		return s, err
	}
	s.conf, s.before, s.last = conf, first-1, last
	if s.beforeAt, err = c.Storage.Term(s.before); err != nil {
		return s, err
	}
	s.HardState = raftcore.HardState{Term: state.GetTerm(), Vote: state.GetVote(), Commit: state.GetCommit()}
	if IsEmptyHardState(state) {
		// A snapshot that came from elsewhere: what it covers is committed.
		s.Commit = s.before
	}
	s.applied = max(c.Applied, s.before)
	return s, nil
}

// boot makes the raftcore node. The unapplied entries are read in pieces.
func (e *engine) boot(s stored) error {
	core, err := raftcore.NewNode(e.settings)
	if err != nil {
		return err
	}
	e.core = core
	if s.last == 0 && s.Commit == 0 && len(s.conf.GetVoters())+len(s.conf.GetLearners()) == 0 && s.Term == 0 {
		return core.BootDone(0)
	}
	if err := core.BootState(s.HardState); err != nil {
		return err
	}
	if err := core.BootConf(confToCore(s.conf), s.before, s.beforeAt); err != nil {
		return err
	}
	if s.last > s.before {
		if err := e.bootEntries(s); err != nil {
			return err
		}
	}
	return core.BootDone(s.applied)
}

func (e *engine) bootEntries(s stored) error {
	if err := e.core.BootTerms(nil, s.last); err != nil {
		return err
	}
	for next := s.before + 1; next <= s.last; {
		entries, err := e.storage.Entries(next, s.last+1, bootPiece)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("entry %d: %w", next, ErrUnavailable)
		}
		if err := e.core.BootEntries(entriesToCore(entries)); err != nil {
			return err
		}
		e.unapplied.put(entries)
		next += uint64(len(entries))
	}
	e.unapplied.drop(s.applied)
	return nil
}

// found makes this node a founder: the log begins with a change for each peer, which the first Ready
// has, committed. The membership is in force at once.
func (e *engine) found(peers []Peer) error {
	if len(peers) == 0 {
		return errors.New("raft: a group needs a founder")
	}
	last, err := e.storage.LastIndex()
	if err != nil {
		return err
	}
	if last != 0 {
		return errors.New("raft: a group can't be founded on a storage with entries")
	}
	conf := &pb.ConfState{}
	entries := make([]*pb.Entry, len(peers))
	for i, peer := range peers {
		change := &pb.ConfChange{Type: pb.ConfChangeAddNode.Enum(), NodeId: proto.Uint64(peer.ID), Context: peer.Context}
		data, err := proto.Marshal(change)
		if err != nil {
			return err
		}
		entries[i] = newEntry(raftcore.Entry{Term: 1, Index: uint64(i) + 1, Kind: raftcore.EntryConfChange}, data)
		conf.Voters = append(conf.Voters, peer.ID)
	}
	if err := e.core.Close(); err != nil {
		return err
	}
	n := uint64(len(peers))
	e.founding = &founding{entries: entries, state: &pb.HardState{Term: proto.Uint64(1), Vote: proto.Uint64(None), Commit: proto.Uint64(n)}}
	e.unapplied = shelf{}
	return e.bootFounder(conf, entries)
}

func (e *engine) bootFounder(conf *pb.ConfState, entries []*pb.Entry) (err error) {
	if e.core, err = raftcore.NewNode(e.settings); err != nil {
		return err
	}
	n := uint64(len(entries))
	steps := []func() error{
		func() error { return e.core.BootState(raftcore.HardState{Term: 1, Commit: n}) },
		func() error { return e.core.BootConf(confToCore(conf), 0, 0) },
		func() error { return e.core.BootTerms(nil, n) },
		func() error { return e.core.BootEntries(entriesToCore(entries)) },
		func() error { return e.core.BootDone(0) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	e.unapplied.put(entries)
	return nil
}

// founding is what a founder must store first, with the first Ready.
type founding struct {
	entries []*pb.Entry
	state   *pb.HardState
}

func confToCore(conf *pb.ConfState) raftcore.Conf {
	return raftcore.Conf{Voters: conf.GetVoters(), Outgoing: conf.GetVotersOutgoing(), Learners: conf.GetLearners(),
		LearnersNext: conf.GetLearnersNext(), AutoLeave: conf.GetAutoLeave()}
}

func confFromCore(conf raftcore.Conf) *pb.ConfState {
	return &pb.ConfState{Voters: conf.Voters, VotersOutgoing: conf.Outgoing, Learners: conf.Learners,
		LearnersNext: conf.LearnersNext, AutoLeave: proto.Bool(conf.AutoLeave)}
}

// noLimit is a limit for Storage.Entries.
const noLimit = math.MaxUint64
