package raftcore

// #include "glue.h"
import "C"

import (
	"iter"
	"runtime"
	"unsafe"
)

// Entry is an entry of the log.
type Entry struct {
	Term  uint64 // of the leader that made the entry
	Index uint64 // position in the log, from 1
	Kind  EntryKind
	Data  []byte // the proposal; empty: a leader's first entry
	Token uint64 // of a committed entry, on the node that took the proposal; 0 elsewhere
	// Bytes beside the data: see [Node.ProposeWithContext]. Store them with the entry. Empty
	// without DialectEraftpb.
	Context []byte
}

// Message is a message to send. If you have a stream for each peer, write Frame to the peer named
// To, and look at nothing else but MessageAfter in Flags.
type Message struct {
	MessageHead
	Frame        []byte // u32 length of the message, u64 group (little-endian), the raftpb message
	Context      []byte // of a heartbeat, an answer, a vote; empty for most messages
	SnapshotConf []byte // of [MsgSnap]: the membership as of Index, as Conf.Bytes
}

// MessageHead has the numbers of a message.
type MessageHead struct {
	To         uint64 // peer
	From       uint64 // this node
	Term       uint64 // 0 in a forwarded proposal
	LogTerm    uint64 // term of the entry at Index, in most kinds
	Index      uint64 // as in raftpb; of [MsgSnap]: the index of the snapshot
	Commit     uint64 // sender's commit index
	RejectHint uint64 // of a refused append: where to try next
	Vote       uint64 // of a local storage message
	Flags      MessageFlags
	Kind       MessageKind
}

// Read is a read that you may serve now, from a state that has applied Index. Where a ready has a
// read, the state has.
type Read struct {
	Token uint64
	Index uint64
}

// Drop is a failed proposal or read.
type Drop struct {
	Token  uint64
	What   DropKind // the outcome, as far as the node knows
	Reason Reason
}

// Done is a proposal that was committed in a span without entries: see [FlagCommittedSpans].
type Done struct {
	Token uint64
	Index uint64 // of the entry
}

// HardState is the state that must survive a crash.
type HardState struct {
	Term   uint64
	Vote   uint64 // 0: nobody
	Commit uint64
}

// ReadyHead has the numbers of [Ready] and [ReadyView].
type ReadyHead struct {
	Number         uint64 // 1, 2, 3, ... since boot: the argument of Advance
	Flags          ReadyFlags
	HardState      // as of this ready, changed or not
	Role           Role
	Leader         uint64 // 0: unknown
	SnapshotIndex  uint64 // of a snapshot: the index up to which it covers the log
	SnapshotTerm   uint64 // term of the entry at SnapshotIndex
	CommittedFirst uint64 // to apply: the first index
	CommittedLast  uint64 // to apply: the last index; 0, 0: nothing
}

// HardStateChanged reports whether term, vote or commit must be stored.
func (h *ReadyHead) HardStateChanged() bool { return h.Flags&ReadyHardState != 0 }

// MustSync reports whether the writes must be durable before you go on.
func (h *ReadyHead) MustSync() bool { return h.Flags&ReadyMustSync != 0 }

// SoftStateChanged reports whether role or leader have changed.
func (h *ReadyHead) SoftStateChanged() bool { return h.Flags&ReadySoftState != 0 }

// HasSnapshot reports whether there is a snapshot to install.
func (h *ReadyHead) HasSnapshot() bool { return h.Flags&ReadySnapshot != 0 }

// Ready is one unit of work. A Ready is yours. See [Node.Ready].
type Ready struct {
	ReadyHead
	SnapshotConf     []byte    // membership of the snapshot, as Conf.Bytes
	SnapshotData     []byte    // empty if the data travel beside the core
	Entries          []Entry   // to store: replace all from Entries[0].Index on
	CommittedEntries []Entry   // to apply, all from CommittedFirst to CommittedLast
	Messages         []Message // to send, in order
	Reads            []Read    // reads to serve
	Dropped          []Drop    // failed proposals and reads
	Done             []Done    // tokens of a span without entries: see [FlagCommittedSpans]

	bytes []byte // holds the bytes of the slices above
}

// ReadyView is a ready in the node's memory, with the fields of [Ready].
//
// A view, and every []byte from it, ends with [Node.Advance] or [Node.Release] of its Number, and
// with [Node.Close]. Until then nothing moves or changes, whatever else you call. Do not write
// through a view.
//
// The lists and entries of a view that has ended panic. A []byte can't: FlagDebugPoisonViews
// overwrites its bytes, so that a stale read shows in your tests. If you keep a []byte, keep the
// Node or the view as well: the collector closes a node that nothing refers to.
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

	life life
}

// life is the time in which a view is valid: while the ready is outstanding.
type life struct {
	core  *core
	ready uint64
}

// check panics if the view has ended. The panic is a constant, so that the compiler inlines
// accessors.
func (l life) check() {
	if l.core.ended.Load() >= l.ready {
		panic("raftcore: a view was used after its ready, or its node, had ended")
	}
}

// EntriesView is a list of entries. See [ReadyView] for how long it is valid.
type EntriesView struct {
	first     unsafe.Pointer
	n, stride uint32
	life      life
}

// MessagesView is a list of messages. See [ReadyView] for how long it is valid.
type MessagesView struct {
	first     unsafe.Pointer
	n, stride uint32
	life      life
}

// ListView is a list of small records. See [ReadyView] for how long it is valid.
type ListView[T Read | Drop | Done] struct {
	first     unsafe.Pointer
	n, stride uint32
	life      life
}

// MessageView is a message in the node's memory. See [ReadyView] for how long it is valid.
type MessageView struct {
	MessageHead
	Bytes   int         // length of the frame
	Entries EntriesView // of an append or a proposal, to look at; empty without FlagDecodedMsgs

	c    *C.raftcore_msg
	life life
}

// record returns the i-th of n records. As with a slice, an index beyond the end panics.
func record(first unsafe.Pointer, n, stride uint32, i int) unsafe.Pointer {
	if uint(i) >= uint(n) {
		panic("raftcore: index out of range in a view")
	}
	return unsafe.Add(first, uintptr(i)*uintptr(stride))
}

// bytesOf returns a C slice as a Go slice without spare capacity.
func bytesOf(s *C.raftcore_slice) []byte {
	if s.len == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(s.ptr)), int(s.len))
}

// Len returns the number of entries.
func (v EntriesView) Len() int { return int(v.n) }

// At returns the i-th entry. Its Data and Context are views.
func (v EntriesView) At(i int) Entry {
	e := (*C.raftcore_entry)(record(v.first, v.n, v.stride, i))
	v.life.check()
	entry := Entry{uint64(e.term), uint64(e.index), EntryKind(e.kind), bytesOf(&e.data), uint64(e.token), bytesOf(&e.context)}
	runtime.KeepAlive(v.life.core)
	return entry
}

// View returns the i-th entry in place: quicker than At if you look at a field or two.
func (v EntriesView) View(i int) EntryView {
	return EntryView{(*C.raftcore_entry)(record(v.first, v.n, v.stride, i)), v.life}
}

// EntryView is an entry in the node's memory, with the fields of [Entry]. See [ReadyView] for how
// long it is valid.
type EntryView struct {
	c    *C.raftcore_entry
	life life
}

// Term returns the term of the leader that made the entry.
func (e EntryView) Term() uint64 {
	e.life.check()
	x := uint64(e.c.term)
	runtime.KeepAlive(e.life.core)
	return x
}

// Index returns the position in the log.
func (e EntryView) Index() uint64 {
	e.life.check()
	x := uint64(e.c.index)
	runtime.KeepAlive(e.life.core)
	return x
}

// Kind returns the kind.
func (e EntryView) Kind() EntryKind {
	e.life.check()
	x := EntryKind(e.c.kind)
	runtime.KeepAlive(e.life.core)
	return x
}

// Data returns the data, as a view.
func (e EntryView) Data() []byte {
	e.life.check()
	x := bytesOf(&e.c.data)
	runtime.KeepAlive(e.life.core)
	return x
}

// Context returns the bytes beside the data, as a view.
func (e EntryView) Context() []byte {
	e.life.check()
	x := bytesOf(&e.c.context)
	runtime.KeepAlive(e.life.core)
	return x
}

// DataLen returns the length of Data.
func (e EntryView) DataLen() int {
	e.life.check()
	x := int(e.c.data.len)
	runtime.KeepAlive(e.life.core)
	return x
}

// Token returns the token of the proposal, on the node that took the proposal.
func (e EntryView) Token() uint64 {
	e.life.check()
	x := uint64(e.c.token)
	runtime.KeepAlive(e.life.core)
	return x
}

// All iterates over the entries in order. Their Data and Contexts are views.
func (v EntriesView) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range int(v.n) {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// Len returns the number of messages.
func (v MessagesView) Len() int { return int(v.n) }

// At returns the i-th message.
func (v MessagesView) At(i int) MessageView {
	m := (*C.raftcore_msg)(record(v.first, v.n, v.stride, i))
	v.life.check()
	view := MessageView{
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
		Entries: EntriesView{unsafe.Pointer(m.entries), uint32(m.n_entries), uint32(m.entry_stride), v.life},
		c:       m,
		life:    v.life,
	}
	runtime.KeepAlive(v.life.core)
	return view
}

// All iterates over the messages in order.
func (v MessagesView) All() iter.Seq[MessageView] {
	return func(yield func(MessageView) bool) {
		for i := range int(v.n) {
			if !yield(v.At(i)) {
				return
			}
		}
	}
}

// AppendFrame appends the frame to buf: a copy, which is yours.
func (m *MessageView) AppendFrame(buf []byte) []byte {
	for _, piece := range m.pieces() {
		buf = append(buf, bytesOf(&piece)...)
	}
	runtime.KeepAlive(m.life.core)
	return buf
}

// AppendPiecesView appends the pieces of the frame to list, as net.Buffers takes pieces. The pieces
// are views.
func (m *MessageView) AppendPiecesView(list [][]byte) [][]byte {
	for _, piece := range m.pieces() {
		list = append(list, bytesOf(&piece))
	}
	runtime.KeepAlive(m.life.core)
	return list
}

func (m *MessageView) pieces() []C.raftcore_slice {
	m.life.check()
	return unsafe.Slice(m.c.frame, int(m.c.n_frame))
}

// ContextView returns the context of a heartbeat, its answer or a vote, as a view.
func (m *MessageView) ContextView() []byte {
	m.life.check()
	x := bytesOf(&m.c.context)
	runtime.KeepAlive(m.life.core)
	return x
}

// SnapshotConfView returns the membership of a [MsgSnap] as of Index, as a view.
func (m *MessageView) SnapshotConfView() []byte {
	m.life.check()
	x := bytesOf(&m.c.snapshot_conf)
	runtime.KeepAlive(m.life.core)
	return x
}

// Len returns the number of records.
func (v ListView[T]) Len() int { return int(v.n) }

// At returns the i-th record.
func (v ListView[T]) At(i int) T {
	at := (*T)(record(v.first, v.n, v.stride, i))
	v.life.check()
	x := *at
	runtime.KeepAlive(v.life.core)
	return x
}

// All iterates over the records in order.
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

func (v *ReadyView) fill(core *core, c *C.raftcore_ready) {
	l := life{core, uint64(c.number)}
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
	v.Entries = EntriesView{unsafe.Pointer(c.entries), uint32(c.n_entries), uint32(c.entry_stride), l}
	v.CommittedEntries = EntriesView{unsafe.Pointer(c.committed), uint32(c.n_committed), uint32(c.entry_stride), l}
	v.Messages = MessagesView{unsafe.Pointer(c.msgs), uint32(c.n_msgs), uint32(c.msg_stride), l}
	v.Reads = ListView[Read]{unsafe.Pointer(c.reads), uint32(c.n_reads), uint32(c.read_stride), l}
	v.Dropped = ListView[Drop]{unsafe.Pointer(c.dropped), uint32(c.n_dropped), uint32(c.drop_stride), l}
	v.Done = ListView[Done]{unsafe.Pointer(c.done), uint32(c.n_done), uint32(c.done_stride), l}
	v.life = l
}

// CopyTo makes rd a copy that is yours. The former contents of rd end, since their memory is used
// again: a loop with one Ready soon allocates nothing.
func (v *ReadyView) CopyTo(rd *Ready) {
	if v.life.core != nil {
		v.life.check()
	}
	size := len(v.SnapshotConf) + len(v.SnapshotData)
	for i := range v.Entries.Len() {
		e := v.Entries.At(i)
		size += len(e.Data) + len(e.Context)
	}
	for i := range v.CommittedEntries.Len() {
		e := v.CommittedEntries.At(i)
		size += len(e.Data) + len(e.Context)
	}
	for i := range v.Messages.Len() {
		m := v.Messages.At(i)
		size += m.Bytes + len(m.ContextView()) + len(m.SnapshotConfView())
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
		e.Data, e.Context = keep(e.Data), keep(e.Context)
		rd.Entries = append(rd.Entries, e)
	}
	rd.CommittedEntries = room(rd.CommittedEntries, v.CommittedEntries.Len())
	for i := range v.CommittedEntries.Len() {
		e := v.CommittedEntries.At(i)
		e.Data, e.Context = keep(e.Data), keep(e.Context)
		rd.CommittedEntries = append(rd.CommittedEntries, e)
	}
	rd.Messages = room(rd.Messages, v.Messages.Len())
	for i := range v.Messages.Len() {
		m := v.Messages.At(i)
		at := len(b)
		b = m.AppendFrame(b)
		frame := b[at:len(b):len(b)]
		rd.Messages = append(rd.Messages, Message{m.MessageHead, frame, keep(m.ContextView()), keep(m.SnapshotConfView())})
	}
	rd.Reads = copyList(rd.Reads, v.Reads)
	rd.Dropped = copyList(rd.Dropped, v.Dropped)
	rd.Done = copyList(rd.Done, v.Done)
	rd.bytes = b
	runtime.KeepAlive(v.life.core)
}

// room returns list emptied, with capacity for n.
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
