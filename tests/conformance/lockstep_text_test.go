package conformance

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
)

// Every field of what is compared, as text. A field that is absent and one that is zero are the same.

func messageText(m *raftpb.Message) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%x->%x %s term %d logterm %d index %d commit %d vote %d reject %t hint %d context %x",
		m.GetFrom(), m.GetTo(), m.GetType(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), m.GetVote(), m.GetReject(),
		m.GetRejectHint(), m.GetContext())
	for _, e := range m.GetEntries() {
		s.WriteString(" [" + entryText(e) + "]")
	}
	if m.Snapshot != nil {
		s.WriteString(" " + snapshotText(m.Snapshot))
	}
	for _, r := range m.GetResponses() {
		s.WriteString("\n    response " + messageText(r))
	}
	return s.String()
}

func entryText(e *raftpb.Entry) string {
	data := fmt.Sprintf("%x", e.GetData())
	if len(data) > 64 {
		data = fmt.Sprintf("%d bytes %x", len(e.GetData()), sha256.Sum256(e.GetData()))[:32]
	}
	return fmt.Sprintf("%d/%d %s %s", e.GetTerm(), e.GetIndex(), e.GetType(), data)
}

func snapshotText(s *raftpb.Snapshot) string {
	meta := s.GetMetadata()
	return fmt.Sprintf("snapshot %d/%d %s data %x", meta.GetTerm(), meta.GetIndex(), confText(meta.GetConfState()), s.GetData())
}

func confText(c *raftpb.ConfState) string {
	sorted := func(list []uint64) []uint64 { return slices.Sorted(slices.Values(list)) }
	return fmt.Sprintf("voters %d outgoing %d learners %d next %d auto %t", sorted(c.GetVoters()), sorted(c.GetVotersOutgoing()),
		sorted(c.GetLearners()), sorted(c.GetLearnersNext()), c.GetAutoLeave())
}

func entriesText(name string, list []*raftpb.Entry) string {
	var s strings.Builder
	for _, e := range list {
		s.WriteString("  " + name + " " + entryText(e) + "\n")
	}
	return s.String()
}

func messagesText(name string, list []*raftpb.Message) string {
	var s strings.Builder
	for _, m := range list {
		s.WriteString("  " + name + " " + messageText(m) + "\n")
	}
	return s.String()
}

func hardStateText(hs *raftpb.HardState) string {
	if hs == nil {
		return ""
	}
	return fmt.Sprintf("  hard state term %d vote %d commit %d\n", hs.GetTerm(), hs.GetVote(), hs.GetCommit())
}
