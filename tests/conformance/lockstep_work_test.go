package conformance

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// What a host does with a ready, in each storage mode, for both nodes of a pair at once.

// dispatch hands out the work of a ready that was taken and compared.
func (p *pair) dispatch(b *batch, rd raft.Ready, has bool) error {
	if b.snapshot != nil {
		p.counters.add("snapshot: received")
	}
	if len(b.entries) != 0 && b.entries[0].GetIndex() <= p.disk.last() {
		p.counters.add("log truncated")
	}
	switch p.setup.storage {
	case storageSync:
		p.taken, p.takenRd = b, rd
		if !has {
			return p.finish(3)
		}
		return p.same()
	case storageMessages:
		for _, m := range b.messages {
			switch m.GetTo() {
			case localAppend:
				p.appends = append(p.appends, job{packet: m})
			case localApply:
				p.applies = append(p.applies, job{packet: m})
			default:
				p.post(m)
			}
		}
		if b.number != 0 {
			if err := p.drained(p.core.release(b.number)); err != nil {
				return mismatch{err.Error()}
			}
		}
		return p.same()
	}
	for _, m := range b.messages {
		if !m.after {
			p.post(m)
		}
	}
	_, appends, applies := storageWork(rd.Messages)
	j := job{number: b.number, batch: b, responses: own(appends, p.id)}
	for _, m := range b.messages {
		if m.after {
			j.toPeers = append(j.toPeers, m)
		}
	}
	if b.number != 0 {
		p.toFree = append(p.toFree, b.number)
		p.undone[b.number]++
		p.appends = append(p.appends, j)
	}
	if len(b.committed) != 0 {
		p.undone[b.number]++
		p.applies = append(p.applies, job{number: b.number, batch: b, last: b.last, responses: own(applies, p.id)})
	}
	return p.same()
}

// finish ends a ready of SYNC: stages 1 written, 2 sent, 3 applied and acknowledged.
func (p *pair) finish(stages int) error {
	b, rd := p.taken, p.takenRd
	if b == nil {
		return nil
	}
	if stages >= 1 {
		if err := p.store(b.hardState, b.snapshot, b.entries); err != nil {
			return err
		}
	}
	if stages >= 2 {
		for _, m := range b.messages {
			p.post(m)
		}
	}
	if stages < 3 {
		return nil
	}
	if err := p.apply(b.committed); err != nil {
		return err
	}
	p.taken = nil
	if p.countsItsVote() {
		return departed{"a candidate that a change removed counts its own vote at Advance"}
	}
	if b.number == 0 {
		return p.after(nil, func() error { p.etcd.Advance(rd); return nil })
	}
	if b.bare {
		// It must be confirmed on its own.
		if err := p.core.advance(b.number); !codeIs(err, codeState) {
			return mismatch{fmt.Sprintf("node %d: a span without entries is advanced over unconfirmed: %v", p.id, err)}
		}
		if err := p.core.applied(b.last); err != nil {
			return mismatch{err.Error()}
		}
	}
	return p.after(p.core.advance(b.number), func() error { p.etcd.Advance(rd); return nil })
}

// countsItsVote tells whether Advance counts the vote of etcd's node for itself though the node is no member any more. With
// AsyncStorageWrites etcd's raft refuses such a vote, and raftcore always does.
func (p *pair) countsItsVote() bool {
	steps := reflect.ValueOf(p.etcd).Elem().FieldByName("stepsOnAdvance")
	own := reflect.NewAt(steps.Type(), unsafe.Pointer(steps.UnsafeAddr())).Elem().Interface().([]*raftpb.Message)
	return p.tracker().Progress[p.id] == nil && slices.ContainsFunc(own, func(m *raftpb.Message) bool {
		return m.GetType() == raftpb.MsgVoteResp || m.GetType() == raftpb.MsgPreVoteResp
	})
}

// store does the writes of a ready. A snapshot brings its configuration; what was applied apart since it came is in force beyond that.
func (p *pair) store(hs *raftpb.HardState, snap *raftpb.Snapshot, entries []*raftpb.Entry) (err error) {
	if err := p.disk.store(hs, snap, entries); err != nil {
		return mismatch{err.Error()}
	}
	if snap == nil {
		return nil
	}
	p.conf = snap.GetMetadata().GetConfState()
	if p.setup.apart {
		if p.conf, err = p.core.conf(); err != nil {
			return mismatch{err.Error()}
		}
	}
	return nil
}

// after is both, for acknowledgements: raftcore's must succeed.
func (p *pair) after(ours error, theirs func() error) error {
	ours = p.drained(ours)
	if err := p.guarded(ours, theirs); err != nil {
		return err
	}
	if ours != nil {
		return mismatch{fmt.Sprintf("node %d: %v", p.id, ours)}
	}
	return p.same()
}

// apply feeds the state machine.
func (p *pair) apply(entries []*raftpb.Entry) error {
	for _, e := range entries {
		if e.GetType() != raftpb.EntryNormal {
			err := error(nil)
			if p.setup.apart {
				err = p.applyCommitted(e)
			} else {
				err = p.applyConf(e, p.core.applyConf)
			}
			if err != nil {
				return err
			}
		}
		if e.GetIndex() != p.disk.applied()+1 {
			return mismatch{fmt.Sprintf("node %d is to apply %d after %d", p.id, e.GetIndex(), p.disk.applied())}
		}
		p.disk.add(e, p.conf)
	}
	return nil
}

func kindOf(c *raftpb.ConfState) string {
	switch {
	case len(c.GetVotersOutgoing()) == 0:
		return "simple or left"
	case c.GetAutoLeave():
		return "joint, left by itself"
	}
	return "joint, left when asked"
}

func changeOf(e *raftpb.Entry) raftpb.ConfChangeI {
	if e.GetType() == raftpb.EntryConfChange {
		c := &raftpb.ConfChange{}
		if err := proto.Unmarshal(e.GetData(), c); err != nil {
			panic(err)
		}
		return c
	}
	c := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(e.GetData(), c); err != nil {
		panic(err)
	}
	return c
}

// append does the oldest write job; its answers to this node come back at once or stay in the queue.
func (p *pair) append(atOnce bool) error {
	if len(p.appends) == 0 {
		return nil
	}
	j := p.appends[0]
	p.appends = p.appends[1:]
	if p.setup.storage == storageMessages {
		var hs *raftpb.HardState
		if m := j.Message; m.GetTerm() != 0 || m.GetVote() != 0 || m.GetCommit() != 0 {
			hs = &raftpb.HardState{Term: new(m.GetTerm()), Vote: new(m.GetVote()), Commit: new(m.GetCommit())}
		}
		if err := p.store(hs, j.GetSnapshot(), j.GetEntries()); err != nil {
			return err
		}
		return p.respond(j, atOnce)
	}
	b := j.batch
	if err := p.store(b.hardState, b.snapshot, b.entries); err != nil {
		return err
	}
	for _, m := range j.toPeers {
		p.send(m)
	}
	return p.done(j, p.core.persisted(j.number))
}

// respond sends the responses of storage work of MESSAGES.
func (p *pair) respond(j job, atOnce bool) error {
	responses, err := responsesOf(j.wire)
	if err != nil {
		return mismatch{err.Error()}
	}
	for _, r := range responses {
		if r.GetTo() == p.id {
			p.local = append(p.local, localResponse{r})
		} else {
			p.send(r)
		}
	}
	for atOnce && len(p.local) != 0 {
		if err := p.takeLocal(); err != nil {
			return err
		}
	}
	return nil
}

// takeLocal steps the oldest response of storage.
func (p *pair) takeLocal() error {
	if len(p.local) == 0 {
		return nil
	}
	r := p.local[0]
	p.local = p.local[1:]
	p.counters.add("step " + r.GetType().String())
	p.say("deliver-msgs %d        # %s", p.id, messageText(r.Message))
	m := proto.Clone(r.Message).(*raftpb.Message)
	return p.after(p.core.stepLocal(r.wire), func() error {
		// A node that is no member any more does not know itself: etcd's says so, raftcore has nobody to say it to.
		if err := p.etcd.Step(m); !errors.Is(err, raft.ErrStepPeerNotFound) {
			return err
		}
		return nil
	})
}

// applyWork does the oldest apply job.
func (p *pair) applyWork(atOnce bool) error {
	if len(p.applies) == 0 {
		return nil
	}
	j := p.applies[0]
	p.applies = p.applies[1:]
	if p.setup.storage == storageMessages {
		if err := p.apply(j.GetEntries()); err != nil {
			return err
		}
		return p.respond(j, atOnce)
	}
	if err := p.apply(j.batch.committed); err != nil {
		return err
	}
	return p.done(j, p.core.applied(j.last))
}

// done acknowledges a job of ASYNC, which is what etcd's node learns from the responses to itself.
func (p *pair) done(j job, ours error) error {
	p.undone[j.number]--
	err := p.after(ours, func() error {
		for _, r := range j.responses {
			// A node that is no member any more does not know itself: etcd's says so, raftcore has nobody to say it to.
			if err := p.etcd.Step(r); err != nil && !errors.Is(err, raft.ErrStepPeerNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for len(p.toFree) != 0 && p.undone[p.toFree[0]] == 0 {
		if err := p.core.release(p.toFree[0]); err != nil {
			return mismatch{err.Error()}
		}
		delete(p.undone, p.toFree[0])
		p.toFree = p.toFree[1:]
	}
	return nil
}

// busy tells whether there is storage work.
func (p *pair) busy() bool {
	return p.taken != nil || len(p.appends)+len(p.applies)+len(p.local) != 0
}
