package conformance

import (
	"fmt"
	"reflect"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A member is one node of a mixed cluster with its host: etcd's raft or raftcore. Messages are bytes.
type member interface {
	name() string
	boot() error
	crash()
	step(wire []byte) error
	tick() error
	campaign() error
	propose(data []byte) error
	change(list []*raftpb.ConfChangeSingle, way transition) error
	transfer(to uint64) error
	read(token uint64) error
	unreachable(peer uint64) error
	snapshotSent(peer uint64, arrived bool) error
	compacted(index uint64) error
	// work does some of what is to be done: disk, network, state machine.
	work() error
	state() (memberState, error)
}

type memberState struct {
	leads                         bool
	term, commit, applied, leader uint64
	conf                          *raftpb.ConfState
}

// A seat is what a member shares with its cluster, whatever it is made of.
type seat struct {
	id      uint64
	opts    options
	disk    *disk
	cluster *mixedCluster
}

// applied feeds the state machine and tells the cluster.
func (s *seat) add(e *raftpb.Entry, conf *raftpb.ConfState) error {
	if e.GetIndex() != s.disk.applied()+1 {
		return fmt.Errorf("node %d is to apply %d after %d", s.id, e.GetIndex(), s.disk.applied())
	}
	s.disk.add(e, conf)
	return s.cluster.applied(s, e)
}

// ---- etcd's raft

type etcdMember struct {
	*seat
	node *raft.RawNode
}

func (m *etcdMember) name() string { return "etcd" }

func (m *etcdMember) boot() error {
	node, err := raft.NewRawNode(&raft.Config{
		ID: m.id, ElectionTick: int(m.opts.electionTicks), HeartbeatTick: heartbeatTicks, Storage: diskView{m.disk},
		Applied: m.disk.applied(), MaxSizePerMsg: or(m.opts.sizePerMsg, unlimited), MaxCommittedSizePerReady: unlimited,
		MaxInflightMsgs: int(or(m.opts.inflight, 256)), CheckQuorum: m.opts.checkQuorum, PreVote: m.opts.preVote,
		Logger: silent{}, StepDownOnRemoval: m.opts.stepDownOnRemoval,
	})
	m.node = node
	m.roll()
	return err
}

// roll throws the dice for etcd's raft, so that a run can be repeated.
func (m *etcdMember) roll() {
	f := reflect.ValueOf(m.node).Elem().FieldByName("raft").Elem().FieldByName("randomizedElectionTimeout")
	ticks := int(m.opts.electionTicks)
	reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().SetInt(int64(ticks + m.cluster.dice.IntN(ticks)))
}

func (m *etcdMember) crash() { m.node = nil }

// guarded makes a call; a panic of etcd's raft is a crash of that node.
func (m *etcdMember) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panicked{text: fmt.Sprint(r)}
		}
	}()
	return f()
}

func (m *etcdMember) step(wire []byte) error {
	msg := &raftpb.Message{}
	if err := proto.Unmarshal(wire, msg); err != nil {
		return err
	}
	return m.guarded(func() error {
		term := m.node.BasicStatus().GetTerm()
		_ = m.node.Step(msg)
		if m.node.BasicStatus().GetTerm() != term {
			m.roll()
		}
		return nil
	})
}

func (m *etcdMember) tick() error {
	return m.guarded(func() error {
		state := m.node.BasicStatus().RaftState
		m.node.Tick()
		if m.node.BasicStatus().RaftState != state {
			m.roll()
		}
		return nil
	})
}

func (m *etcdMember) campaign() error           { return m.guarded(m.node.Campaign) }
func (m *etcdMember) propose(data []byte) error { return m.node.Propose(data) }

func (m *etcdMember) change(list []*raftpb.ConfChangeSingle, way transition) error {
	if way == transitionV1 {
		return m.node.ProposeConfChange(&raftpb.ConfChange{Type: list[0].Type, NodeId: list[0].NodeId})
	}
	return m.node.ProposeConfChange(&raftpb.ConfChangeV2{
		Changes: list, Transition: raftpb.ConfChangeTransition(way).Enum(),
	})
}

func (m *etcdMember) transfer(to uint64) error { m.node.TransferLeader(to); return nil }

func (m *etcdMember) read(token uint64) error {
	m.node.ReadIndex(fmt.Appendf(nil, "%d of %d", token, m.id))
	return nil
}

func (m *etcdMember) unreachable(peer uint64) error { m.node.ReportUnreachable(peer); return nil }

func (m *etcdMember) snapshotSent(peer uint64, arrived bool) error {
	status := raft.SnapshotFailure
	if arrived {
		status = raft.SnapshotFinish
	}
	m.node.ReportSnapshot(peer, status)
	return nil
}

func (m *etcdMember) compacted(uint64) error { return nil }

func (m *etcdMember) work() error {
	return m.guarded(func() error {
		for m.node.HasReady() {
			rd := m.node.Ready()
			var snap *raftpb.Snapshot
			if !raft.IsEmptySnap(rd.Snapshot) {
				snap = rd.Snapshot
			}
			if err := m.disk.store(rd.HardState, snap, rd.Entries); err != nil {
				return err
			}
			for _, msg := range rd.Messages {
				wire, err := encode(msg)
				if err != nil {
					return err
				}
				m.cluster.send(msg, wire)
			}
			for _, e := range rd.CommittedEntries {
				conf := m.disk.newest().GetMetadata().GetConfState()
				if e.GetType() != raftpb.EntryNormal {
					conf = m.node.ApplyConfChange(changeOf(e))
				}
				if err := m.add(e, conf); err != nil {
					return err
				}
			}
			for _, rs := range rd.ReadStates {
				var token, id uint64
				if n, _ := fmt.Sscanf(string(rs.RequestCtx), "%d of %d", &token, &id); n == 2 && id == m.id {
					if err := m.cluster.answered(m.id, token, rs.Index); err != nil {
						return err
					}
				}
			}
			m.node.Advance(rd)
		}
		return nil
	})
}

func (m *etcdMember) state() (memberState, error) {
	st := m.node.Status()
	return memberState{
		leads: st.RaftState == raft.StateLeader, term: st.GetTerm(), commit: st.GetCommit(), applied: st.Applied, leader: st.Lead,
		conf: m.disk.newest().GetMetadata().GetConfState(),
	}, nil
}

// ---- raftcore

type coreMember struct {
	*seat
	core    *core
	boots   uint64
	writes  []*batch // ASYNC: not stored yet
	applies []*batch // ASYNC: not applied yet
	left    map[uint64]int
	numbers []uint64
}

func (m *coreMember) name() string { return "raftcore" }

func (m *coreMember) boot() (err error) {
	m.boots++
	m.opts.seed = m.cluster.seed<<20 + m.id<<16 + m.boots
	m.writes, m.applies, m.left, m.numbers = nil, nil, map[uint64]int{}, nil
	if m.core, err = newCore(m.id, m.opts); err != nil {
		return err
	}
	return m.core.bootFrom(stored{
		hardState: m.disk.hardState, conf: m.disk.newest().GetMetadata().GetConfState(), base: m.disk.base,
		baseTerm: m.disk.baseTerm, entries: m.disk.entries, applied: m.disk.applied(),
	})
}

func (m *coreMember) crash() { m.core.free(); m.core = nil }

// then answers the asks that a call leaves.
func (m *coreMember) then(err error) error {
	for err == nil {
		f, e := m.core.nextFetch()
		if e != nil || f == nil {
			return e
		}
		if f.snapshot {
			err = m.core.supplySnapshot(f.id, m.disk.newest())
		} else if list := m.disk.slice(f.first, f.last); len(list) != 0 {
			err = m.core.supplyEntries(f.id, list)
		} else {
			err = m.core.supplyGone(f.id)
		}
	}
	return err
}

func (m *coreMember) step(wire []byte) error {
	err := m.core.step(wire)
	if codeIs(err, codeImplausible) {
		return err
	}
	return m.then(nil)
}

func (m *coreMember) tick() error               { return m.then(m.core.tick()) }
func (m *coreMember) campaign() error           { return m.then(m.core.campaign()) }
func (m *coreMember) propose(data []byte) error { _ = m.core.propose(data); return m.then(nil) }

func (m *coreMember) change(list []*raftpb.ConfChangeSingle, way transition) error {
	_ = m.core.proposeConfChange(list, way)
	return m.then(nil)
}

func (m *coreMember) transfer(to uint64) error { _ = m.core.transfer(to); return m.then(nil) }
func (m *coreMember) read(token uint64) error  { _ = m.core.readIndex(token); return m.then(nil) }

func (m *coreMember) unreachable(peer uint64) error {
	_ = m.core.reportUnreachable(peer)
	return m.then(nil)
}

func (m *coreMember) snapshotSent(peer uint64, arrived bool) error {
	_ = m.core.reportSnapshot(peer, arrived)
	return m.then(nil)
}

func (m *coreMember) compacted(index uint64) error {
	if err := m.core.compacted(index); !codeIs(err, codeStale) {
		return m.then(err)
	}
	return nil
}

func (m *coreMember) work() error {
	async := m.opts.storage == storageAsync
	for {
		if async && m.cluster.dice.IntN(2) == 0 {
			if err := m.workAside(); err != nil {
				return err
			}
		}
		b, err := m.core.takeReady()
		if err != nil {
			return err
		}
		if b == nil {
			return nil
		}
		for _, r := range b.reads {
			if err := m.cluster.answered(m.id, r.token, r.index); err != nil {
				return err
			}
		}
		if async {
			m.sendAll(b, false)
			m.writes, m.numbers = append(m.writes, b), append(m.numbers, b.number)
			m.left[b.number]++
			if len(b.committed) != 0 {
				m.applies = append(m.applies, b)
				m.left[b.number]++
			}
			continue
		}
		if err := m.disk.store(b.hardState, b.snapshot, b.entries); err != nil {
			return err
		}
		m.sendAll(b, false, true)
		if err := m.apply(b.committed); err != nil {
			return err
		}
		if err := m.then(m.core.advance(b.number)); err != nil {
			return err
		}
	}
}

func (m *coreMember) sendAll(b *batch, after ...bool) {
	for _, p := range b.messages {
		for _, a := range after {
			if p.after == a {
				m.cluster.send(p.Message, p.wire)
			}
		}
	}
}

func (m *coreMember) apply(list []*raftpb.Entry) error {
	for _, e := range list {
		conf := m.disk.newest().GetMetadata().GetConfState()
		if e.GetType() != raftpb.EntryNormal {
			next, _, err := m.core.applyConf(e)
			if err := m.then(err); err != nil {
				return err
			}
			conf = next
		}
		if err := m.add(e, conf); err != nil {
			return err
		}
	}
	return nil
}

// workAside does a job of the disk and one of the state machine.
func (m *coreMember) workAside() error {
	if len(m.writes) != 0 {
		b := m.writes[0]
		m.writes = m.writes[1:]
		if err := m.disk.store(b.hardState, b.snapshot, b.entries); err != nil {
			return err
		}
		m.sendAll(b, true)
		if err := m.then(m.core.persisted(b.number)); err != nil {
			return err
		}
		m.left[b.number]--
	}
	if len(m.applies) != 0 {
		b := m.applies[0]
		m.applies = m.applies[1:]
		if err := m.apply(b.committed); err != nil {
			return err
		}
		if err := m.then(m.core.applied(b.last)); err != nil {
			return err
		}
		m.left[b.number]--
	}
	for len(m.numbers) != 0 && m.left[m.numbers[0]] == 0 {
		if err := m.core.release(m.numbers[0]); err != nil {
			return err
		}
		delete(m.left, m.numbers[0])
		m.numbers = m.numbers[1:]
	}
	return nil
}

func (m *coreMember) state() (memberState, error) {
	st, err := m.core.status(m.id)
	return memberState{
		leads: st.leads, term: st.term, commit: st.commit, applied: st.applied, leader: st.leader,
		conf: m.disk.newest().GetMetadata().GetConfState(),
	}, err
}
