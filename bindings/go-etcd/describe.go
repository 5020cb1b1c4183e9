// Texts for logs and tests.

package raft

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	pb "go.etcd.io/raft/v3/raftpb"
)

// EntryFormatter returns the data of a normal entry as a text.
type EntryFormatter func([]byte) string

// DescribeConfChange returns the steps of a change, for example "v1 l2".
func DescribeConfChange(cc pb.ConfChangeI) string {
	return pb.ConfChangesToString(cc.AsV2().GetChanges())
}

// DescribeConfState returns a membership as a text.
func DescribeConfState(state *pb.ConfState) string {
	return fmt.Sprintf("Voters:%v VotersOutgoing:%v Learners:%v LearnersNext:%v AutoLeave:%v",
		state.GetVoters(), state.GetVotersOutgoing(), state.GetLearners(), state.GetLearnersNext(), state.GetAutoLeave())
}

// DescribeSnapshot returns what a snapshot covers as a text.
func DescribeSnapshot(snap *pb.Snapshot) string {
	m := snap.GetMetadata()
	return fmt.Sprintf("Index:%d Term:%d ConfState:%s", m.GetIndex(), m.GetTerm(), DescribeConfState(m.GetConfState()))
}

// DescribeHardState returns a hard state as a text. A vote for nobody is left out.
func DescribeHardState(hs *pb.HardState) string {
	text := fmt.Sprintf("Term:%d", hs.GetTerm())
	if hs.GetVote() != None {
		text += fmt.Sprintf(" Vote:%d", hs.GetVote())
	}
	return text + fmt.Sprintf(" Commit:%d", hs.GetCommit())
}

// DescribeSoftState returns a soft state as a text.
func DescribeSoftState(ss SoftState) string {
	return fmt.Sprintf("Lead:%d State:%s", ss.Lead, ss.RaftState)
}

// DescribeEntry returns an entry as a text. f nil: data are quoted.
func DescribeEntry(e *pb.Entry, f EntryFormatter) string {
	text := fmt.Sprintf("%d/%d %s", e.GetTerm(), e.GetIndex(), e.GetType())
	if data := describeData(e, f); data != "" {
		text += " " + data
	}
	return text
}

func describeData(e *pb.Entry, f EntryFormatter) string {
	var change interface {
		pb.ConfChangeI
		proto.Message
	}
	switch e.GetType() {
	case pb.EntryConfChange:
		change = &pb.ConfChange{}
	case pb.EntryConfChangeV2:
		change = &pb.ConfChangeV2{}
	default:
		if f != nil {
			return f(e.GetData())
		}
		return fmt.Sprintf("%q", e.GetData())
	}
	if err := proto.Unmarshal(e.GetData(), change); err != nil {
		return err.Error()
	}
	return DescribeConfChange(change)
}

// DescribeEntries returns a line for each entry.
func DescribeEntries(ents []*pb.Entry, f EntryFormatter) string {
	var b strings.Builder
	for _, e := range ents {
		b.WriteString(DescribeEntry(e, f) + "\n")
	}
	return b.String()
}

// DescribeMessage returns a message as a text.
func DescribeMessage(m *pb.Message, f EntryFormatter) string { return describeMessage("", m, f) }

func describeMessage(indent string, m *pb.Message, f EntryFormatter) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s->%s %v Term:%d Log:%d/%d", indent, describeTarget(m.GetFrom()), describeTarget(m.GetTo()),
		m.GetType(), m.GetTerm(), m.GetLogTerm(), m.GetIndex())
	if m.GetReject() {
		fmt.Fprintf(&b, " Rejected (Hint: %d)", m.GetRejectHint())
	}
	if m.GetCommit() != 0 {
		fmt.Fprintf(&b, " Commit:%d", m.GetCommit())
	}
	if m.GetVote() != None {
		fmt.Fprintf(&b, " Vote:%d", m.GetVote())
	}
	for _, e := range m.GetEntries() {
		fmt.Fprintf(&b, "\n%s  %s", indent, DescribeEntry(e, f))
	}
	if !IsEmptySnap(m.GetSnapshot()) {
		fmt.Fprintf(&b, "\n%s  Snapshot: %s", indent, DescribeSnapshot(m.GetSnapshot()))
	}
	for _, response := range m.GetResponses() {
		b.WriteString("\n" + describeMessage(indent+"  ", response, f))
	}
	return b.String()
}

func describeTarget(id uint64) string {
	switch id {
	case None:
		return "None"
	case LocalAppendThread:
		return "AppendThread"
	case LocalApplyThread:
		return "ApplyThread"
	}
	return fmt.Sprintf("%x", id)
}

// DescribeReady returns a Ready as a text of several lines.
func DescribeReady(rd Ready, f EntryFormatter) string {
	var b strings.Builder
	if rd.SoftState != nil {
		b.WriteString(DescribeSoftState(*rd.SoftState) + "\n")
	}
	if !IsEmptyHardState(rd.HardState) {
		b.WriteString("HardState " + DescribeHardState(rd.HardState) + "\n")
	}
	if len(rd.ReadStates) > 0 {
		fmt.Fprintf(&b, "ReadStates %v\n", rd.ReadStates)
	}
	if len(rd.Entries) > 0 {
		b.WriteString("Entries:\n" + DescribeEntries(rd.Entries, f))
	}
	if !IsEmptySnap(rd.Snapshot) {
		b.WriteString("Snapshot " + DescribeSnapshot(rd.Snapshot) + "\n")
	}
	if len(rd.CommittedEntries) > 0 {
		b.WriteString("CommittedEntries:\n" + DescribeEntries(rd.CommittedEntries, f))
	}
	if len(rd.Messages) > 0 {
		b.WriteString("Messages:\n")
	}
	for _, m := range rd.Messages {
		b.WriteString(DescribeMessage(m, f) + "\n")
	}
	if b.Len() == 0 {
		return "<empty Ready>"
	}
	return fmt.Sprintf("Ready MustSync=%t:\n%s", rd.MustSync, b.String())
}
