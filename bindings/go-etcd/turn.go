// A Ready: what a node wants done.

package raft

import (
	"google.golang.org/protobuf/proto"
	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// SoftState is what need not be stored.
type SoftState struct {
	Lead      uint64 // None: not known
	RaftState StateType
}

// ReadState answers a ReadIndex: a state that has applied Index is new enough for the read.
type ReadState struct {
	Index      uint64
	RequestCtx []byte // argument of ReadIndex
}

// Ready is work for the host, in the order of the package's comment. All fields are the host's, and
// entries and snapshots are shared: nobody may change them.
type Ready struct {
	*SoftState    // nil: not changed
	*pb.HardState // nil: not changed
	ReadStates    []ReadState
	Entries       []*pb.Entry // to store; they replace the log from the first of them on
	Snapshot      *pb.Snapshot
	// To apply. All are committed, and stored once this Ready is stored.
	CommittedEntries []*pb.Entry
	Messages         []*pb.Message // to send
	MustSync         bool          // the writes must be durable before the messages of a follower leave
}

// engine is a raftcore node and its translation. An engine has no lock.
type engine struct {
	id            uint64
	storage       Storage
	logger        Logger
	settings      raftcore.Config
	async         bool
	inflight      int
	inflightBytes uint64

	core  *raftcore.Node
	view  raftcore.ReadyView
	taken uint64 // number of the Ready that the host has; 0: none
	done  uint64 // number of a Ready that the host has done, and the core does not know of yet

	founding  *founding     // stored with the first Ready
	held      []*pb.Message // sent with the next Ready
	unapplied shelf         // entries that the host has, or is about to have, and has not applied
	came      arrivals
	received  []*pb.Snapshot          // came since the last Ready: the data are not in the core
	fetched   map[uint64]*pb.Snapshot // by peer: to be sent
	reads     map[uint64][]byte       // waiting reads
	lastRead  uint64
	compacted uint64 // the core knows that the log begins behind
	lead      uint64
	bytes     []byte // for encoded messages
}

// next returns the next Ready. false: there is no work, or the host still has the last Ready.
func (e *engine) next() (rd Ready, ok bool) {
	if e.taken != 0 {
		return Ready{}, false
	}
	in := raftcore.Input{Done: e.done}
	e.done = 0
	for {
		found, err := e.core.Turn(&in, &e.view)
		switch {
		case err != nil:
			e.logger.Panicf("raft: %x stops: %v", e.id, err)
			return Ready{}, false
		case found == raftcore.FoundFetch:
			if e.supply() {
				continue
			}
			return Ready{}, false
		case found == raftcore.FoundNothing:
			return e.own()
		}
		rd = e.ready()
		if e.async {
			// The host answers by messages. The view is translated, so the core may reuse its memory.
			e.taken = 0
			if err := e.core.Release(e.view.Number); err != nil {
				e.logger.Panicf("raft: %x stops: %v", e.id, err)
			}
		}
		return rd, true
	}
}

// own returns a Ready without work of the core: the first entries of a founder, or held messages.
func (e *engine) own() (rd Ready, ok bool) {
	if e.founding == nil && len(e.held) == 0 {
		return Ready{}, false
	}
	e.taken = 0
	e.addOwn(&rd)
	return rd, true
}

func (e *engine) addOwn(rd *Ready) {
	if e.founding != nil {
		rd.Entries = append(e.founding.entries, rd.Entries...)
		if rd.HardState == nil {
			rd.HardState = e.founding.state
		}
		rd.MustSync = true
		e.founding = nil
	}
	rd.Messages = append(e.held, rd.Messages...)
	e.held = nil
}

// ready translates the view.
func (e *engine) ready() (rd Ready) {
	v := &e.view
	e.taken = v.Number
	if v.SoftStateChanged() {
		rd.SoftState = &SoftState{Lead: v.Leader, RaftState: stateFromCore(v.Role)}
	}
	if v.HardStateChanged() {
		rd.HardState = hardStateFromCore(v.HardState)
	}
	rd.MustSync = v.MustSync()
	if v.HasSnapshot() {
		rd.Snapshot = e.installed()
		e.unapplied = shelf{}
	}
	if n := v.Entries.Len(); n > 0 {
		rd.Entries = make([]*pb.Entry, n)
		for i := range rd.Entries {
			rd.Entries[i] = e.came.take(v.Entries.At(i))
		}
		e.unapplied.put(rd.Entries)
	}
	e.came.clear()
	e.received = nil

	// Messages first, since applied entries leave the shelf below, and messages may share them.
	var wait []*pb.Message
	rd.Messages, wait = e.messages(v.Role == raftcore.RoleLeader)
	if n := v.CommittedEntries.Len(); n > 0 {
		rd.CommittedEntries = e.list(v.CommittedEntries)
		e.unapplied.drop(v.CommittedLast)
	}
	for read := range v.Reads.All() {
		rd.ReadStates = append(rd.ReadStates, ReadState{Index: read.Index, RequestCtx: e.reads[read.Token]})
		delete(e.reads, read.Token)
	}
	for dropped := range v.Dropped.All() {
		// Callers of ReadIndex wait for no answer, and ask again.
		delete(e.reads, dropped.Token)
	}
	e.addOwn(&rd)
	e.held = wait
	if rd.SoftState != nil {
		e.drainEvents()
		e.showLeader(v.Leader, v.HardState.Term)
	}
	return rd
}

// acknowledge tells that the host has done the last Ready. The core hears of it with the next turn.
func (e *engine) acknowledge() { e.done, e.taken = max(e.done, e.taken), 0 }

// flush tells the core at once.
func (e *engine) flush() {
	if e.done == 0 {
		return
	}
	if err := e.core.Advance(e.done); err != nil {
		e.logger.Panicf("raft: %x stops: %v", e.id, err)
	}
	e.done = 0
}

// hasReady reports whether next would return something.
func (e *engine) hasReady() bool {
	if e.taken != 0 {
		return false
	}
	e.flush()
	if e.founding != nil || len(e.held) > 0 {
		return true
	}
	e.supply()
	pending, err := e.core.Pending()
	return err == nil && pending&^(raftcore.HasEvents|raftcore.HasFetch) != 0
}

// applyChange puts a change in force, and returns the membership. A change that this membership does
// not allow is logged, and changes nothing.
func (e *engine) applyChange(change pb.ConfChangeI) *pb.ConfState {
	kind, data, err := pb.MarshalConfChange(change)
	var conf raftcore.Conf
	if err == nil {
		conf, err = e.core.ApplyChange(raftcore.EntryKind(kind), data)
	}
	if err != nil {
		e.logger.Errorf("raft: %x does not apply the change (%v): %v", e.id, change, err)
		if conf, err = e.core.Conf(); err != nil {
			e.logger.Panicf("raft: %x stops: %v", e.id, err)
		}
	}
	e.drainEvents()
	return confFromCore(conf)
}

func stateFromCore(role raftcore.Role) StateType {
	switch role {
	case raftcore.RoleLeader:
		return StateLeader
	case raftcore.RoleCandidate:
		return StateCandidate
	case raftcore.RolePreCandidate:
		return StatePreCandidate
	}
	return StateFollower
}

func hardStateFromCore(state raftcore.HardState) *pb.HardState {
	return &pb.HardState{Term: proto.Uint64(state.Term), Vote: proto.Uint64(state.Vote), Commit: proto.Uint64(state.Commit)}
}
