package conformance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A host like etcd applies configuration changes apart from their entries, and supplies snapshots that are older than the receiver.

// dice returns a number that depends on the schedule and on the arguments only. So removing actions from a schedule does not change
// the decisions of the rest.
func (s *setup) dice(of ...uint64) uint64 {
	h := fnv.New64a()
	for _, n := range append([]uint64{s.salt}, of...) {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, n))
	}
	// The lowest bits of FNV are the least random.
	return h.Sum64() >> 17
}

// applyCommitted handles a committed change as the host of this schedule does: applies the change or a replacement, now, later or
// never. Mostly all nodes decide alike, so that the group makes progress.
func (p *pair) applyCommitted(e *raftpb.Entry) error {
	all := p.setup.dice(e.GetIndex(), e.GetTerm())
	mine := p.setup.dice(e.GetIndex(), e.GetTerm(), p.id, p.boots)
	switch {
	case all%16 == 0:
		p.counters.add("apart: never applied, on any node")
		p.passed = e.GetIndex()
		return p.same()
	case mine%32 == 0:
		p.counters.add("apart: never applied, on this node")
		p.passed = e.GetIndex()
		return p.same()
	case all%16 == 1:
		p.counters.add("apart: refused by the application, node 0")
		e = refusedByApplication(e)
	case all%16 == 2:
		p.counters.add("apart: another change than the committed one")
		e = p.setup.someChange(all>>8, all>>32, e)
	}
	if len(p.late) != 0 && mine%8 != 1 || mine%2 == 0 {
		p.passed = e.GetIndex()
		p.late = append(p.late, e)
		return p.same()
	}
	p.counters.add("apart: applied on time")
	if st, err := p.core.status(p.id); err != nil {
		return mismatch{err.Error()}
	} else if all%16 > 2 && mine>>8%2 == 0 && p.passed <= st.applied {
		return p.applyConf(e, p.core.applyConf)
	}
	p.passed = e.GetIndex()
	return p.applyApart(e)
}

// applyLate applies a change whose entry was passed, or forgets the change.
func (p *pair) applyLate(at int, forget bool) error {
	e := p.late[at]
	p.late = slices.Delete(slices.Clone(p.late), at, at+1)
	if forget {
		p.counters.add("apart: never applied, after all")
		return nil
	}
	if st, err := p.core.status(p.id); err != nil {
		return mismatch{err.Error()}
	} else if st.applied >= e.GetIndex() {
		p.counters.add("apart: applied late, behind the applied index")
	} else {
		p.counters.add("apart: applied late, before the acknowledgement of its entry")
	}
	if at > 0 {
		p.counters.add("apart: applied out of order")
	}
	return p.applyNow(e)
}

// applyNow applies a change between two entries, and stores the new configuration with the present state.
func (p *pair) applyNow(e *raftpb.Entry) error {
	if err := p.applyApart(e); err != nil {
		return err
	}
	p.disk.setConf(p.conf)
	return nil
}

// applyApart applies a change that belongs to no entry, and counts the kinds.
func (p *pair) applyApart(e *raftpb.Entry) error {
	v2 := changeOf(e).AsV2()
	_, joint := v2.EnterJoint()
	switch {
	case v2.LeaveJoint():
		p.counters.add("apart: leave")
	case joint:
		p.counters.add("apart: joint")
	case e.GetType() == raftpb.EntryConfChange:
		p.counters.add("apart: v1")
	default:
		p.counters.add("apart: v2")
	}
	return p.applyConf(e, func(e *raftpb.Entry) (*raftpb.ConfState, []byte, error) {
		return p.core.applyChange(e.GetType(), e.GetData())
	})
}

// applyConf applies a change on both sides, on raftcore's side by the given call. If the change is invalid, etcd's raft panics before
// the change has any effect, so both nodes can go on.
func (p *pair) applyConf(e *raftpb.Entry, apply func(*raftpb.Entry) (*raftpb.ConfState, []byte, error)) error {
	ours, context, err := apply(e)
	err = p.drained(err)
	change := changeOf(e)
	var theirs *raftpb.ConfState
	there := p.guarded(err, func() error { theirs = p.etcd.ApplyConfChange(change); return nil })
	var died panicked
	if errors.As(there, &died) && codeIs(err, codeConf) && p.setup.apart {
		if !strings.Contains(err.Error(), died.text) {
			return mismatch{fmt.Sprintf("node %d, change %s: etcd panics: %s; raftcore: %v", p.id, entryText(e), died.text, err)}
		}
		p.counters.add("apart: invalid, etcd panics and raftcore answers CONF")
		p.passed = max(p.passed, e.GetIndex())
		return p.same()
	}
	if there != nil {
		return there
	}
	if err != nil {
		return mismatch{fmt.Sprintf("node %d, entry %s: %v", p.id, entryText(e), err)}
	}
	if a, t := confText(ours), confText(theirs); a != t {
		return mismatch{fmt.Sprintf("node %d, entry %s\netcd:     %s\nraftcore: %s", p.id, entryText(e), t, a)}
	}
	if t := change.AsV2().GetContext(); string(t) != string(context) {
		return mismatch{fmt.Sprintf("node %d, entry %s: its context is %x, raftcore gives %x", p.id, entryText(e), t, context)}
	}
	p.conf = ours
	p.forgetRemoved(change.AsV2().Changes)
	if p.confirmsReads() {
		return departed{"a change confirms reads: raftcore answers them at once, etcd's at the next answer to a heartbeat"}
	}
	p.counters.add("change applied: " + kindOf(ours))
	return p.same()
}

// forgetRemoved deletes, on etcd's side, the votes and read confirmations of removed members. raftcore forgets these together with the
// member's progress: a member that is added again may have another disk.
func (p *pair) forgetRemoved(changes []*raftpb.ConfChangeSingle) {
	t := p.tracker()
	removed := func(id uint64) bool {
		if t.Progress[id] == nil {
			return true
		}
		_, stays := t.Voters[1][id]
		return !stays && slices.ContainsFunc(changes, func(c *raftpb.ConfChangeSingle) bool {
			return c.GetType() == raftpb.ConfChangeRemoveNode && c.GetNodeId() == id
		})
	}
	acks := p.readAcks()
	for id := range acks {
		if id != p.id && removed(id) {
			delete(acks, id)
			p.counters.add("etcd: confirmations of reads by removed members, taken away")
		}
	}
	for id := range t.Votes {
		if removed(id) {
			delete(t.Votes, id)
			p.counters.add("etcd: votes of removed members, taken away")
		}
	}
}

// readAcks returns, for each node, the newest read of etcd's leader that the node has confirmed.
func (p *pair) readAcks() map[uint64]uint64 {
	f := p.field("readOnly").Elem().FieldByName("acks")
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Interface().(map[uint64]uint64)
}

// outOfTheBlue applies a change that no entry contains.
func (p *pair) outOfTheBlue(a action) error {
	e := p.setup.someChange(uint64(a.a), uint64(a.b), nil)
	p.say("# apply a change of no entry on %d: %s", p.id, raftpb.ConfChangesToString(changeOf(e).AsV2().Changes))
	p.counters.add("apart: out of the blue")
	return p.applyNow(e)
}

// refusedByApplication returns the change with node 0 in place of each id: etcd applies that for a change that it refuses.
func refusedByApplication(e *raftpb.Entry) *raftpb.Entry {
	switch c := changeOf(e).(type) {
	case *raftpb.ConfChange:
		c.NodeId = new(uint64(0))
		return changed(e, c)
	case *raftpb.ConfChangeV2:
		for _, single := range c.Changes {
			single.NodeId = new(uint64(0))
		}
		return changed(e, c)
	}
	return e
}

// changed returns an entry with the given change, at the place of e.
func changed(e *raftpb.Entry, c raftpb.ConfChangeI) *raftpb.Entry {
	kind, data, err := raftpb.MarshalConfChange(c)
	if err != nil {
		panic(err)
	}
	return &raftpb.Entry{Term: new(e.GetTerm()), Index: new(e.GetIndex()), Type: kind.Enum(), Data: data}
}

// someChange draws a change of any kind, valid or not. Most of them leave the group able to make progress.
func (s *setup) someChange(x, y uint64, at *raftpb.Entry) *raftpb.Entry {
	single := func(kind raftpb.ConfChangeType, id uint64) *raftpb.ConfChangeSingle {
		return &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(id)}
	}
	kinds := []raftpb.ConfChangeType{
		raftpb.ConfChangeAddNode, raftpb.ConfChangeAddNode, raftpb.ConfChangeAddLearnerNode, raftpb.ConfChangeUpdateNode,
		raftpb.ConfChangeRemoveNode,
	}
	id := 1 + y%uint64(s.ids)
	first := single(kinds[x>>8%uint64(len(kinds))], id)
	second := single(kinds[x>>16%uint64(len(kinds))], 1+y>>8%uint64(s.ids))
	context := fmt.Appendf(nil, "apart %d", x%100)
	switch x % 12 {
	case 0, 1:
		return changed(at, &raftpb.ConfChange{Type: first.Type, NodeId: new(uint64(0)), Id: new(y)})
	case 2, 3, 4, 5:
		return changed(at, &raftpb.ConfChange{Type: first.Type, NodeId: first.NodeId, Context: context})
	case 6, 7:
		return changed(at, &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{first}, Context: context})
	case 8:
		return changed(at, &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{first, second}})
	case 9:
		way := raftpb.ConfChangeTransitionJointExplicit
		return changed(at, &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{first}, Transition: way.Enum(), Context: context})
	}
	return changed(at, &raftpb.ConfChangeV2{})
}

// post sends a message. As etcd does, the host replaces a snapshot of a lagging storage by the state machine's before sending.
func (p *pair) post(m packet) {
	if meta := m.GetSnapshot().GetMetadata(); m.GetType() == raftpb.MsgSnap && p.setup.apart {
		if !hasMember(meta.GetConfState(), m.GetTo()) {
			p.counters.add("snapshot: its configuration lacks its receiver")
		}
		if p.setup.dice(meta.GetIndex(), m.GetTo(), p.disk.applied())%8 != 0 && meta.GetIndex() < p.disk.applied() {
			p.counters.add("snapshot: rewritten by the host")
			other := proto.Clone(m.Message).(*raftpb.Message)
			other.Snapshot = proto.Clone(p.disk.newest()).(*raftpb.Snapshot)
			wire, err := encode(other)
			if err != nil {
				panic(err)
			}
			m = packet{Message: other, wire: wire, after: m.after}
		}
	}
	p.send(m)
}

func hasMember(c *raftpb.ConfState, id uint64) bool {
	return slices.Contains(slices.Concat(c.GetVoters(), c.GetVotersOutgoing(), c.GetLearners(), c.GetLearnersNext()), id)
}

// snapshotUnderWay returns the index of the snapshot in flight to a peer; 0: none.
func (p *pair) snapshotUnderWay(peer uint64) uint64 {
	if st := p.etcd.BasicStatus(); st.RaftState != raft.StateLeader {
		return 0
	}
	pr := p.tracker().Progress[peer]
	if pr == nil {
		return 0
	}
	return pr.PendingSnapshot
}
