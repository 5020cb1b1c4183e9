// Messages, in and out.

package raft

import (
	"bytes"
	"errors"

	"google.golang.org/protobuf/proto"
	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

var (
	// ErrStepLocalMsg: messages of this kind never travel between nodes.
	ErrStepLocalMsg = errors.New("raft: a local message can't be stepped")
	// ErrStepPeerNotFound: the sender of an answer is no member.
	ErrStepPeerNotFound = errors.New("raft: an answer of a node that is no member")
	// ErrProposalDropped: nobody takes the proposal now. Propose again later.
	ErrProposalDropped = errors.New("raft: the proposal was dropped")
)

// mostBytes is how much memory for encoded messages is kept from one message to the next.
const mostBytes = 1 << 20

// ---- in

// step takes a message.
func (e *engine) step(m *pb.Message) error {
	own := m.GetFrom() == None || m.GetFrom() == e.id
	switch m.GetType() {
	case pb.MsgProp:
		if own {
			return e.proposeEntries(m.GetEntries())
		}
	case pb.MsgReadIndex:
		if own && len(m.GetEntries()) == 1 {
			return e.readIndex(m.GetEntries()[0].GetData())
		}
	case pb.MsgForgetLeader:
		return e.core.ForgetLeader()
	}
	return e.stepBytes(m, own)
}

// stepBytes encodes a message for the core, and keeps the entries and the snapshot of the message
// for the next Ready.
func (e *engine) stepBytes(m *pb.Message, own bool) error {
	snapshot := m.GetSnapshot()
	if m.GetType() == pb.MsgSnap {
		m = withoutData(m)
	}
	bytes, err := proto.MarshalOptions{}.MarshalAppend(e.bytes[:0], m)
	if err != nil {
		return err
	}
	if cap(bytes) <= mostBytes {
		e.bytes = bytes
	}
	if e.async && (own || IsLocalMsgTarget(m.GetFrom())) {
		return e.core.StepLocal(bytes)
	}
	switch err = e.core.Step(0, bytes); {
	case errors.Is(err, raftcore.ErrNoPeer):
		return ErrStepPeerNotFound
	case err != nil && m.GetType() == pb.MsgProp:
		return proposed(err)
	case err != nil:
		return err
	}
	switch m.GetType() {
	case pb.MsgApp:
		e.came.append(m.GetEntries())
	case pb.MsgSnap:
		e.received = append(e.received, snapshot)
	}
	return nil
}

// withoutData returns a copy of a snapshot's message that shares all except the data.
func withoutData(m *pb.Message) *pb.Message {
	return &pb.Message{Type: m.Type, To: m.To, From: m.From, Term: m.Term, LogTerm: m.LogTerm, Index: m.Index,
		Commit: m.Commit, Context: m.Context, Snapshot: &pb.Snapshot{Metadata: m.GetSnapshot().GetMetadata()}}
}

func (e *engine) propose(data []byte) error {
	err := e.core.Propose(data, 0)
	if err == nil {
		e.came.proposed = append(e.came.proposed, data)
	}
	return proposed(err)
}

// proposeEntries proposes all entries of a message of this node, or none.
func (e *engine) proposeEntries(entries []*pb.Entry) (err error) {
	if len(entries) == 1 {
		err = proposed(e.core.ProposeEntry(raftcore.EntryKind(entries[0].GetType()), entries[0].GetData(), 0))
	} else {
		m := &pb.Message{Type: pb.MsgProp.Enum(), From: proto.Uint64(e.id), To: proto.Uint64(e.id), Entries: entries}
		err = e.stepBytes(m, false)
	}
	if err == nil {
		for _, entry := range entries {
			e.came.proposed = append(e.came.proposed, entry.GetData())
		}
	}
	return err
}

func (e *engine) proposeChange(change pb.ConfChangeI) error {
	kind, data, err := pb.MarshalConfChange(change)
	if err != nil {
		return err
	}
	return proposed(e.core.ProposeEntry(raftcore.EntryKind(kind), data, 0))
}

// proposed returns the error of a proposal as this package names it.
func proposed(err error) error {
	for _, code := range []raftcore.Code{raftcore.ErrNoLeader, raftcore.ErrNotLeader, raftcore.ErrFull, raftcore.ErrTooLarge} {
		if errors.Is(err, code) {
			return ErrProposalDropped
		}
	}
	return err
}

// readIndex starts a read. Without a leader the read is dropped, as callers expect.
func (e *engine) readIndex(context []byte) error {
	e.lastRead++
	err := e.core.ReadIndex(e.lastRead)
	if err == nil {
		e.reads[e.lastRead] = context
		return nil
	}
	e.logger.Infof("raft: %x drops a read: %v", e.id, err)
	return nil
}

func (e *engine) tick() {
	if err := e.core.Tick(1); err != nil {
		e.logger.Panicf("raft: %x stops: %v", e.id, err)
	}
	e.showCompaction()
	e.drainEvents()
}

// ---- out

// outMessage is a message with room for its numbers.
type outMessage struct {
	pb.Message
	kind                          pb.MessageType
	to, from, term, logTerm       uint64
	index, commit, hint, votedFor uint64
	reject                        bool
}

// messages returns the messages of the view. A leader's host may send before its disk has finished,
// so a leader's promises about its own disk wait for the next Ready.
func (e *engine) messages(leads bool) (send, wait []*pb.Message) {
	n := e.view.Messages.Len()
	if n == 0 {
		return nil, nil
	}
	out := make([]outMessage, n)
	send = make([]*pb.Message, 0, n)
	for i := range out {
		view := e.view.Messages.At(i)
		m := e.message(&out[i], &view)
		if leads && view.Flags&raftcore.MessageAfter != 0 {
			wait = append(wait, m)
		} else {
			send = append(send, m)
		}
	}
	return send, wait
}

func (e *engine) message(out *outMessage, view *raftcore.MessageView) *pb.Message {
	switch {
	case IsLocalMsgTarget(view.To):
		m := e.whole(view)
		if m.Snapshot != nil {
			m.Snapshot = e.kept(m.GetSnapshot())
		}
		return m
	case view.Kind == raftcore.MsgReadIndex || view.Kind == raftcore.MsgReadIndexResp:
		// The context of a read travels as data of an entry.
		return e.whole(view)
	}
	m := &out.Message
	out.kind, out.to, out.from, out.term = pb.MessageType(view.Kind), view.To, view.From, view.Term
	m.Type, m.To, m.From, m.Term = &out.kind, &out.to, &out.from, &out.term
	set := func(field **uint64, room *uint64, value uint64) {
		if value != 0 {
			*room = value
			*field = room
		}
	}
	if view.Kind == raftcore.MsgSnap {
		m.Snapshot = e.outgoing(view)
		return m
	}
	set(&m.LogTerm, &out.logTerm, view.LogTerm)
	set(&m.Index, &out.index, view.Index)
	set(&m.Commit, &out.commit, view.Commit)
	set(&m.RejectHint, &out.hint, view.RejectHint)
	set(&m.Vote, &out.votedFor, view.Vote)
	if view.Flags&raftcore.MessageReject != 0 {
		out.reject = true
		m.Reject = &out.reject
	}
	m.Context = bytes.Clone(view.ContextView())
	m.Entries = e.list(view.Entries)
	return m
}

// whole decodes the frame of a message.
func (e *engine) whole(view *raftcore.MessageView) *pb.Message {
	m := &pb.Message{}
	if err := proto.Unmarshal(view.AppendFrame(nil)[raftcore.FrameHeader:], m); err != nil {
		e.logger.Panicf("raft: %x stops: %v", e.id, err)
	}
	return m
}
