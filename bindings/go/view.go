package raftcore

// #include "glue.h"
import "C"

import (
	"iter"
	"unsafe"
)

// Entry is an entry of the log.
type Entry struct {
	Term  uint64 // of the leader that made it
	Index uint64 // position in the log, from 1
	Kind  EntryKind
	Data  []byte // the proposal; empty: a leader's first entry
	Token uint64 // in committed entries, on the node that took the proposal: the proposer's. 0 elsewhere
}

// Message is a message to send. Hosts with a stream per peer write Frame to the peer named To, and look at nothing else but
// MessageAfter in Flags.
type Message struct {
	MessageHead
	Frame []byte // u32 length of the message, u64 group (little-endian), the raftpb message
}

// MessageHead is what a message says beside its bytes.
type MessageHead struct {
	To         uint64 // peer
	From       uint64 // this node
	Term       uint64 // 0 in a proposal that is passed on
	LogTerm    uint64 // term of the entry at Index, in most kinds
	Index      uint64 // what it is about; see raftpb
	Commit     uint64 // sender's commit index
	RejectHint uint64 // of a refused append: where to try next
	Vote       uint64 // of a local storage message
	Flags      MessageFlags
	Kind       MessageKind
}

// Read is a read that may be served now: from a state that has applied Index.
type Read struct {
	Token uint64
	Index uint64
}

// Drop is a proposal or read that has failed.
type Drop struct {
	Token  uint64
	What   DropKind
	Reason Reason
}

// Done is a proposal committed in a span that comes without entries.
type Done struct {
	Token uint64
	Index uint64 // of its entry
}

// HardState is what a node must find again after a crash.
type HardState struct {
	Term   uint64
	Vote   uint64 // 0: none
	Commit uint64
}

// ReadyHead is what [Ready] and [ReadyView] have in common.
type ReadyHead struct {
	Number         uint64 // 1, 2, 3, ... since boot: what Advance and its parts take
	Flags          ReadyFlags
	HardState      // as of this batch, changed or not
	Role           Role
	Leader         uint64 // 0: none known
	SnapshotIndex  uint64 // with a snapshot: covers the log up to here
	SnapshotTerm   uint64 // term of the entry at SnapshotIndex
	CommittedFirst uint64 // to apply: from here
	CommittedLast  uint64 // to here, both included; 0, 0: nothing
}

// HardStateChanged says that term, vote or commit are to be stored.
func (h *ReadyHead) HardStateChanged() bool { return h.Flags&ReadyHardState != 0 }

// MustSync says that what is written must be durable before the host goes on.
func (h *ReadyHead) MustSync() bool { return h.Flags&ReadyMustSync != 0 }

// SoftStateChanged says that role or leader have changed.
func (h *ReadyHead) SoftStateChanged() bool { return h.Flags&ReadySoftState != 0 }

// HasSnapshot says that there is a snapshot to install.
func (h *ReadyHead) HasSnapshot() bool { return h.Flags&ReadySnapshot != 0 }

// Ready is one batch of work; the caller's own. See [Node.Ready].
type Ready struct {
	ReadyHead
	SnapshotConf     []byte    // configuration of the snapshot, as raftpb ConfState
	SnapshotData     []byte    // empty if the data travel the host's way
	Entries          []Entry   // to store: replace everything from Entries[0].Index on
	CommittedEntries []Entry   // to apply; empty although the span is not: read the host's log
	Messages         []Message // to send, in order
	Reads            []Read    // reads to serve
	Dropped          []Drop    // proposals and reads that failed
	Done             []Done    // tokens of a span that comes without entries

	bytes []byte // what the slices above lie in
}

// ReadyView is one batch of work as it lies in the node's memory, with the same fields as [Ready].
//
// All that it gives out, every []byte above all, ends with [Node.Advance] or [Node.Release] of its Number, and with [Node.Close]; until
// then it stays where and as it is, whatever else is called. Nothing may be written through it. Who keeps a []byte and not the view must
// keep the Node, too: one that nobody holds any more is closed.
type ReadyView struct {
	ReadyHead
	SnapshotConf     []byte
	SnapshotData     []byte
	Entries          EntriesView
	CommittedEntries EntriesView
	Messages         MessagesView
	Reads            ListView[Read]
	Dropped          ListView[Drop]
	Done             ListView[Done]

	node *Node // not closed by the collector as long as the view is held
}

// EntriesView is a list of entries in the node's memory: see [ReadyView] for how long.
type EntriesView struct {
	first     unsafe.Pointer
	n, stride uint32
}

// MessagesView is a list of messages in the node's memory: see [ReadyView] for how long.
type MessagesView struct {
	first     unsafe.Pointer
	n, stride uint32
}

// ListView is a list of small records in the node's memory: see [ReadyView] for how long.
type ListView[T Read | Drop | Done] struct {
	first     unsafe.Pointer
	n, stride uint32
}

// MessageView is a message in the node's memory: see [ReadyView] for how long.
type MessageView struct {
	MessageHead
	Bytes   int         // length of the frame
	Entries EntriesView // what an append or a proposal carries, to look at; empty without FlagDecodedMsgs

	pieces unsafe.Pointer
	n      uint32
}

// record is the i-th of n; as with a slice, a place beyond the end is the caller's fault and panics.
func record(first unsafe.Pointer, n, stride uint32, i int) unsafe.Pointer {
	if uint(i) >= uint(n) {
		panic("raftcore: a place beyond the end of a list")
	}
	return unsafe.Add(first, uintptr(i)*uintptr(stride))
}

// bytesOf is a slice of C's as one of Go's, with no room to append in place.
func bytesOf(s *C.raftcore_slice) []byte {
	if s.len == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(s.ptr)), int(s.len))
}

// Len is the number of entries.
func (v EntriesView) Len() int { return int(v.n) }

// At is the i-th entry, its Data a view.
func (v EntriesView) At(i int) Entry {
	e := (*C.raftcore_entry)(record(v.first, v.n, v.stride, i))
	return Entry{uint64(e.term), uint64(e.index), EntryKind(e.kind), bytesOf(&e.data), uint64(e.token)}
}

// View is the i-th entry where it lies: for who looks at a field or two.
func (v EntriesView) View(i int) EntryView {
	return EntryView{(*C.raftcore_entry)(record(v.first, v.n, v.stride, i))}
}

// EntryView is an entry in the node's memory: see [ReadyView] for how long. Its fields are those of [Entry].
type EntryView struct{ c *C.raftcore_entry }

// Term is that of the leader that made the entry.
func (e EntryView) Term() uint64 { return uint64(e.c.term) }

// Index is its position in the log.
func (e EntryView) Index() uint64 { return uint64(e.c.index) }

// Kind is what it is for.
func (e EntryView) Kind() EntryKind { return EntryKind(e.c.kind) }

// Data is a view.
func (e EntryView) Data() []byte { return bytesOf(&e.c.data) }

// DataLen is how many bytes Data has.
func (e EntryView) DataLen() int { return int(e.c.data.len) }

// Token is the proposer's, on the node that took the proposal.
func (e EntryView) Token() uint64 { return uint64(e.c.token) }

// All gives the entries in order, their Data views.
func (v EntriesView) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range int(v.n) {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// Len is the number of messages.
func (v MessagesView) Len() int { return int(v.n) }

// At is the i-th message.
func (v MessagesView) At(i int) MessageView {
	m := (*C.raftcore_msg)(record(v.first, v.n, v.stride, i))
	return MessageView{
		MessageHead: MessageHead{
			To:         uint64(m.to),
			From:       uint64(m.from),
			Term:       uint64(m.term),
			LogTerm:    uint64(m.log_term),
			Index:      uint64(m.index),
			Commit:     uint64(m.commit),
			RejectHint: uint64(m.reject_hint),
			Vote:       uint64(m.vote),
			Flags:      MessageFlags(m.flags),
			Kind:       MessageKind(m.kind),
		},
		Bytes:   int(m.frame_bytes),
		Entries: EntriesView{unsafe.Pointer(m.entries), uint32(m.n_entries), uint32(m.entry_stride)},
		pieces:  unsafe.Pointer(m.frame),
		n:       uint32(m.n_frame),
	}
}

// All gives the messages in order.
func (v MessagesView) All() iter.Seq[MessageView] {
	return func(yield func(MessageView) bool) {
		for i := range int(v.n) {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// AppendFrame appends the whole frame to buf: a copy, the caller's own.
func (m *MessageView) AppendFrame(buf []byte) []byte {
	for i := range int(m.n) {
		buf = append(buf, m.pieceView(i)...)
	}
	return buf
}

// AppendPiecesView appends the frame's pieces to list, as net.Buffers takes them; each one is a view.
func (m *MessageView) AppendPiecesView(list [][]byte) [][]byte {
	for i := range int(m.n) {
		list = append(list, m.pieceView(i))
	}
	return list
}

func (m *MessageView) pieceView(i int) []byte {
	return bytesOf((*C.raftcore_slice)(record(m.pieces, m.n, C.sizeof_raftcore_slice, i)))
}

// Len is the number of records.
func (v ListView[T]) Len() int { return int(v.n) }

// At is the i-th record.
func (v ListView[T]) At(i int) T { return *(*T)(record(v.first, v.n, v.stride, i)) }

// All gives the records in order.
func (v ListView[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range int(v.n) {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// Go's records are C's, byte for byte: a difference in size or place does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Read{})-C.sizeof_raftcore_read]
	_ = [1]struct{}{}[unsafe.Sizeof(Drop{})-C.sizeof_raftcore_drop]
	_ = [1]struct{}{}[unsafe.Sizeof(Done{})-C.sizeof_raftcore_done]
	_ = [1]struct{}{}[unsafe.Offsetof(Read{}.Index)-unsafe.Offsetof(C.raftcore_read{}.index)]
	_ = [1]struct{}{}[unsafe.Offsetof(Drop{}.What)-unsafe.Offsetof(C.raftcore_drop{}.what)]
	_ = [1]struct{}{}[unsafe.Offsetof(Drop{}.Reason)-unsafe.Offsetof(C.raftcore_drop{}.reason)]
	_ = [1]struct{}{}[unsafe.Offsetof(Done{}.Index)-unsafe.Offsetof(C.raftcore_done{}.index)]
)

func (v *ReadyView) fill(n *Node, c *C.raftcore_ready) {
	v.ReadyHead = ReadyHead{
		Number:         uint64(c.number),
		Flags:          ReadyFlags(c.flags),
		HardState:      HardState{Term: uint64(c.term), Vote: uint64(c.vote), Commit: uint64(c.commit)},
		Role:           Role(c.role),
		Leader:         uint64(c.leader),
		SnapshotIndex:  uint64(c.snapshot_index),
		SnapshotTerm:   uint64(c.snapshot_term),
		CommittedFirst: uint64(c.committed_first),
		CommittedLast:  uint64(c.committed_last),
	}
	v.SnapshotConf = bytesOf(&c.snapshot_conf)
	v.SnapshotData = bytesOf(&c.snapshot_data)
	v.Entries = EntriesView{unsafe.Pointer(c.entries), uint32(c.n_entries), uint32(c.entry_stride)}
	v.CommittedEntries = EntriesView{unsafe.Pointer(c.committed), uint32(c.n_committed), uint32(c.entry_stride)}
	v.Messages = MessagesView{unsafe.Pointer(c.msgs), uint32(c.n_msgs), uint32(c.msg_stride)}
	v.Reads = ListView[Read]{unsafe.Pointer(c.reads), uint32(c.n_reads), uint32(c.read_stride)}
	v.Dropped = ListView[Drop]{unsafe.Pointer(c.dropped), uint32(c.n_dropped), uint32(c.drop_stride)}
	v.Done = ListView[Done]{unsafe.Pointer(c.done), uint32(c.n_done), uint32(c.done_stride)}
	v.node = n
}

// CopyTo makes rd a copy that is the caller's own. What rd held before is reused, and so no longer valid; a rd that is used again and
// again soon costs no allocation.
func (v *ReadyView) CopyTo(rd *Ready) {
	size := len(v.SnapshotConf) + len(v.SnapshotData)
	for i := range v.Entries.Len() {
		size += len(v.Entries.At(i).Data)
	}
	for i := range v.CommittedEntries.Len() {
		size += len(v.CommittedEntries.At(i).Data)
	}
	for i := range v.Messages.Len() {
		size += v.Messages.At(i).Bytes
	}
	if cap(rd.bytes) < size {
		rd.bytes = make([]byte, 0, size)
	}
	b := rd.bytes[:0]
	keep := func(data []byte) []byte {
		if len(data) == 0 {
			return nil
		}
		at := len(b)
		b = append(b, data...)
		return b[at:len(b):len(b)]
	}

	rd.ReadyHead = v.ReadyHead
	rd.SnapshotConf = keep(v.SnapshotConf)
	rd.SnapshotData = keep(v.SnapshotData)
	rd.Entries = room(rd.Entries, v.Entries.Len())
	for i := range v.Entries.Len() {
		e := v.Entries.At(i)
		e.Data = keep(e.Data)
		rd.Entries = append(rd.Entries, e)
	}
	rd.CommittedEntries = room(rd.CommittedEntries, v.CommittedEntries.Len())
	for i := range v.CommittedEntries.Len() {
		e := v.CommittedEntries.At(i)
		e.Data = keep(e.Data)
		rd.CommittedEntries = append(rd.CommittedEntries, e)
	}
	rd.Messages = room(rd.Messages, v.Messages.Len())
	for i := range v.Messages.Len() {
		m := v.Messages.At(i)
		at := len(b)
		b = m.AppendFrame(b)
		rd.Messages = append(rd.Messages, Message{MessageHead: m.MessageHead, Frame: b[at:len(b):len(b)]})
	}
	rd.Reads = copyList(rd.Reads, v.Reads)
	rd.Dropped = copyList(rd.Dropped, v.Dropped)
	rd.Done = copyList(rd.Done, v.Done)
	rd.bytes = b
}

// room is list emptied, with place for n.
func room[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, 0, n)
	}
	return list[:0]
}

func copyList[T Read | Drop | Done](to []T, from ListView[T]) []T {
	to = room(to, from.Len())
	for i := range from.Len() {
		to = append(to, from.At(i))
	}
	return to
}
