// Entries are shared: one object in the Ready that stores an entry, in messages to peers, and in the
// Ready that applies it.

package raft

import (
	"bytes"

	"raftcore.example/go"

	pb "go.etcd.io/raft/v3/raftpb"
)

// ownedEntry is an entry with room for its numbers: one allocation.
type ownedEntry struct {
	pb.Entry
	term, index uint64
	kind        pb.EntryType
}

func newEntry(from raftcore.Entry, data []byte) *pb.Entry {
	e := &ownedEntry{term: from.Term, index: from.Index, kind: pb.EntryType(from.Kind)}
	e.Entry.Term, e.Entry.Index, e.Entry.Type, e.Entry.Data = &e.term, &e.index, &e.kind, data
	return &e.Entry
}

func entriesToCore(entries []*pb.Entry) []raftcore.Entry {
	list := make([]raftcore.Entry, len(entries))
	for i, e := range entries {
		list[i] = raftcore.Entry{Term: e.GetTerm(), Index: e.GetIndex(), Kind: raftcore.EntryKind(e.GetType()), Data: e.GetData()}
	}
	return list
}

// shelf has a part of the log, without a gap.
type shelf struct {
	first   uint64 // index of entries[0]
	entries []*pb.Entry
}

// put adds entries, and replaces the shelf from the first of them on.
func (s *shelf) put(entries []*pb.Entry) {
	if len(entries) == 0 {
		return
	}
	at := entries[0].GetIndex()
	if len(s.entries) == 0 || at < s.first || at > s.first+uint64(len(s.entries)) {
		s.first, s.entries = at, append([]*pb.Entry(nil), entries...)
		return
	}
	s.entries = append(s.entries[:at-s.first], entries...)
}

// get returns an entry, or nil.
func (s *shelf) get(index, term uint64) *pb.Entry {
	if at := index - s.first; index >= s.first && at < uint64(len(s.entries)) && s.entries[at].GetTerm() == term {
		return s.entries[at]
	}
	return nil
}

// drop removes the entries up to index.
func (s *shelf) drop(index uint64) {
	if index < s.first || len(s.entries) == 0 {
		return
	}
	n := min(index-s.first+1, uint64(len(s.entries)))
	clear(s.entries[:n])
	s.first, s.entries = s.first+n, s.entries[n:]
}

// arrivals has the entries that came since the last Ready: proposals of this node, in order, and the
// entries of messages. Most of them are in the next Ready.
type arrivals struct {
	proposed [][]byte
	appended []*pb.Entry
}

// mostArrivals is how many entries of messages are kept. More come only while a host does not take a
// Ready for long; those are copied.
const mostArrivals = 1 << 14

func (a *arrivals) append(entries []*pb.Entry) {
	if len(a.appended) < mostArrivals {
		a.appended = append(a.appended, entries...)
	}
}

// take returns the object of an entry of the node, if the entry is one that came, else a copy. The
// contents are compared, so a mistaken guess costs a copy and nothing else.
func (a *arrivals) take(e raftcore.Entry) *pb.Entry {
	for at, came := range a.appended {
		if came.GetIndex() == e.Index && came.GetTerm() == e.Term {
			a.appended = a.appended[at+1:]
			if came.GetType() == pb.EntryType(e.Kind) && bytes.Equal(came.GetData(), e.Data) {
				return came
			}
			break
		}
		if at == maxLook {
			break
		}
	}
	for at, data := range a.proposed {
		if bytes.Equal(data, e.Data) {
			a.proposed = a.proposed[at+1:]
			return newEntry(e, data)
		}
		if at == maxLook {
			break
		}
	}
	return newEntry(e, bytes.Clone(e.Data))
}

// maxLook is how many arrivals are passed over, to find one.
const maxLook = 16

func (a *arrivals) clear() {
	clear(a.proposed)
	clear(a.appended)
	a.proposed, a.appended = a.proposed[:0], a.appended[:0]
}

// list returns the objects of entries of the node that go into a message or are to be applied.
func (e *engine) list(view raftcore.EntriesView) []*pb.Entry {
	if view.Len() == 0 {
		return nil
	}
	list := make([]*pb.Entry, view.Len())
	for i := range list {
		at := view.At(i)
		if list[i] = e.unapplied.get(at.Index, at.Term); list[i] == nil {
			list[i] = newEntry(at, bytes.Clone(at.Data))
		}
	}
	return list
}
