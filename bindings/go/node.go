package raftcore

// #include "glue.h"
// #cgo noescape goraft_clone
// #cgo nocallback goraft_clone
// #cgo noescape goraft_host_free
// #cgo nocallback goraft_host_free
// #cgo noescape goraft_host_make
// #cgo nocallback goraft_host_make
// #cgo noescape goraft_new
// #cgo nocallback goraft_new
// #cgo noescape goraft_propose
// #cgo nocallback goraft_propose
// #cgo noescape goraft_propose_flat
// #cgo nocallback goraft_propose_flat
// #cgo noescape goraft_scratch
// #cgo nocallback goraft_scratch
// #cgo noescape goraft_scratch_trim
// #cgo nocallback goraft_scratch_trim
// #cgo noescape raftcore_abort_transfer
// #cgo nocallback raftcore_abort_transfer
// #cgo noescape raftcore_advance
// #cgo nocallback raftcore_advance
// #cgo noescape raftcore_applied
// #cgo nocallback raftcore_applied
// #cgo noescape raftcore_campaign
// #cgo nocallback raftcore_campaign
// #cgo noescape raftcore_compacted
// #cgo nocallback raftcore_compacted
// #cgo noescape raftcore_digest
// #cgo nocallback raftcore_digest
// #cgo noescape raftcore_forget_leader
// #cgo nocallback raftcore_forget_leader
// #cgo noescape raftcore_get_peers
// #cgo nocallback raftcore_get_peers
// #cgo noescape goraft_get_ready
// #cgo nocallback goraft_get_ready
// #cgo noescape goraft_has_ready
// #cgo nocallback goraft_has_ready
// #cgo noescape goraft_turn
// #cgo nocallback goraft_turn
// #cgo noescape raftcore_get_status
// #cgo nocallback raftcore_get_status
// #cgo noescape raftcore_has_ready
// #cgo nocallback raftcore_has_ready
// #cgo noescape raftcore_next_event
// #cgo nocallback raftcore_next_event
// #cgo noescape raftcore_persisted
// #cgo nocallback raftcore_persisted
// #cgo noescape raftcore_propose_many
// #cgo nocallback raftcore_propose_many
// #cgo noescape raftcore_read_index
// #cgo nocallback raftcore_read_index
// #cgo noescape raftcore_ready_flat
// #cgo nocallback raftcore_ready_flat
// #cgo noescape raftcore_release
// #cgo nocallback raftcore_release
// #cgo noescape raftcore_report_snapshot
// #cgo nocallback raftcore_report_snapshot
// #cgo noescape raftcore_report_unreachable
// #cgo nocallback raftcore_report_unreachable
// #cgo noescape raftcore_set_commit_broadcast
// #cgo nocallback raftcore_set_commit_broadcast
// #cgo noescape raftcore_set_electable
// #cgo nocallback raftcore_set_electable
// #cgo noescape raftcore_set_election_timeout
// #cgo nocallback raftcore_set_election_timeout
// #cgo noescape raftcore_set_priority
// #cgo nocallback raftcore_set_priority
// #cgo noescape raftcore_set_window
// #cgo nocallback raftcore_set_window
// #cgo noescape raftcore_step
// #cgo nocallback raftcore_step
// #cgo noescape raftcore_step_frames
// #cgo nocallback raftcore_step_frames
// #cgo noescape raftcore_step_local
// #cgo nocallback raftcore_step_local
// #cgo noescape raftcore_tick
// #cgo nocallback raftcore_tick
// #cgo noescape raftcore_ticks_until_due
// #cgo nocallback raftcore_ticks_until_due
// #cgo noescape raftcore_transfer
// #cgo nocallback raftcore_transfer
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// Node is one member of a group. Make it with [NewNode].
//
// All methods may be called from any goroutine; one waits for the other. On a closed node they answer [ErrClosed].
type Node struct {
	mu      sync.Mutex
	h       *C.goraft_host // nil: closed. C memory, so that no call allocates or pins anything
	cleanup runtime.Cleanup
}

// NewNode makes a node. It then wants its stored state: BootState, BootConf, BootTerms, BootEntries as far as there is any, and
// BootDone in any case. A node with an empty disk that joins a group boots by BootDone(0) alone.
func NewNode(cfg Config) (*Node, error) {
	h := C.goraft_host_make()
	if h == nil {
		return nil, &Error{Op: "NewNode", Code: ErrNoMemory}
	}
	c := cfg.toC()
	if code := C.goraft_new(h, &c); code < 0 {
		C.goraft_host_free(h)
		return nil, &Error{Op: "NewNode", Code: Code(code), Detail: cfg.fault()}
	}
	return wrap(h), nil
}

func wrap(h *C.goraft_host) *Node {
	n := &Node{h: h}
	n.cleanup = runtime.AddCleanup(n, func(h *C.goraft_host) { C.goraft_host_free(h) }, h)
	return n
}

// Clone makes a second node of the same state, for tests and explorers: the same calls on both give the same answers. Views of the
// original are not the clone's. Not in the middle of a boot.
func (n *Node) Clone() (*Node, error) {
	h := n.lock()
	if h == nil {
		return nil, closed("Clone")
	}
	twin := C.goraft_host_make()
	if twin == nil {
		n.mu.Unlock()
		return nil, &Error{Op: "Clone", Code: ErrNoMemory}
	}
	if code := C.goraft_clone(h, twin); code < 0 {
		C.goraft_host_free(twin)
		return nil, n.fail("Clone", code)
	}
	n.mu.Unlock()
	return wrap(twin), nil
}

// Close ends the node and all its views. Nothing is written or sent; what is on disk boots the next one. Closing again does nothing. A
// node that nobody holds any more is closed by the collector, some time.
func (n *Node) Close() error {
	h := n.lock()
	if h == nil {
		return nil
	}
	n.cleanup.Stop()
	n.h = nil
	code := C.goraft_host_free(h)
	n.mu.Unlock()
	if code < 0 {
		return failure(nil, "Close", code)
	}
	return nil
}

// lock gives the node's C side, locked; nil, and not locked, if the node is closed.
func (n *Node) lock() *C.goraft_host {
	n.mu.Lock()
	if n.h == nil {
		n.mu.Unlock()
		return nil
	}
	return n.h
}

// unlock ends a call.
func (n *Node) unlock(op string, code C.raftcore_code) error {
	if code < 0 {
		return n.fail(op, code)
	}
	n.mu.Unlock()
	return nil
}

//go:noinline
func (n *Node) fail(op string, code C.raftcore_code) error {
	err := failure(n.h, op, code)
	n.mu.Unlock()
	return err
}

//go:noinline
func closed(op string) error { return &Error{Op: op, Code: ErrClosed} }

// nowhere stands for the place of no bytes: the library takes NULL for a mistake.
var nowhere [1]C.uint8_t

func pointer(b []byte) *C.uint8_t {
	if len(b) == 0 {
		return &nowhere[0]
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b)))
}

func bit(b bool) C.uint32_t {
	if b {
		return 1
	}
	return 0
}

// ---- in

// Tick says that time has passed: how many ticks, more than 1 to catch up in one call. More than two election timeouts count as two.
func (n *Node) Tick(ticks uint32) error {
	h := n.lock()
	if h == nil {
		return closed("Tick")
	}
	return n.unlock("Tick", C.raftcore_tick(h.node, C.uint32_t(ticks)))
}

// Step says that a message has come: a raftpb message, without the header of a frame. peer is whom the transport authenticated, and
// a message from another id is refused; 0: unchecked.
//
// The errors of a message that may come and does no harm: [ErrDecode] (the connection is suspect), [ErrNotForMe], [ErrNoPeer],
// [ErrImplausible], [ErrNoLeader] (a proposal that was passed on), [ErrFull] (it may be dropped, it will come again).
func (n *Node) Step(peer uint64, msg []byte) error {
	h := n.lock()
	if h == nil {
		return closed("Step")
	}
	return n.unlock("Step", C.raftcore_step(h.node, C.uint64_t(peer), pointer(msg), C.size_t(len(msg))))
}

// StepFrames says that frames have come, the last of which may be incomplete: point it at the receive buffer. It returns the bytes of
// whole frames that were taken (keep the rest and append to it), and how many frames among them Step would have refused, each counted
// and skipped. [ErrDecode]: the buffer begins with a length that no frame has; drop the connection.
func (n *Node) StepFrames(peer uint64, buf []byte) (consumed int, rejected int, err error) {
	h := n.lock()
	if h == nil {
		return 0, 0, closed("StepFrames")
	}
	code := C.raftcore_step_frames(h.node, C.uint64_t(peer), pointer(buf), C.size_t(len(buf)), &h.need, &h.word)
	if code < 0 {
		return 0, 0, n.fail("StepFrames", code)
	}
	consumed, rejected = int(h.need), int(h.word)
	n.mu.Unlock()
	return consumed, rejected, nil
}

// StepLocal says that a response of local work has come: one of those that a message to IDLocalAppend or IDLocalApply carries and
// that is addressed to this node. [StorageMessages] only.
func (n *Node) StepLocal(msg []byte) error {
	h := n.lock()
	if h == nil {
		return closed("StepLocal")
	}
	return n.unlock("StepLocal", C.raftcore_step_local(h.node, pointer(msg), C.size_t(len(msg))))
}

// Propose proposes one entry; a follower passes it on to the leader. token comes back exactly once if there is no error: with the
// committed entry, or in Ready.Dropped. 0: none.
//
// [ErrNoLeader]: retry when Ready.Leader changes. [ErrFull]: a limit is reached, retry after Advance. [ErrArg]: larger than
// MaxEntryBytes.
func (n *Node) Propose(data []byte, token uint64) error {
	h := n.lock()
	if h == nil {
		return closed("Propose")
	}
	return n.unlock("Propose", C.goraft_propose(h.node, pointer(data), C.size_t(len(data)), C.uint64_t(token)))
}

// ProposeMany proposes several entries, all or none. tokens has one for each entry, or is nil. Errors as in [Node.Propose].
//
// The data are copied once more than in [Node.ProposeFlat].
func (n *Node) ProposeMany(entries [][]byte, tokens []uint64) error {
	if tokens != nil && len(tokens) != len(entries) {
		return &Error{Op: "ProposeMany", Code: ErrArg, Detail: "as many tokens as entries, or nil"}
	}
	h := n.lock()
	if h == nil {
		return closed("ProposeMany")
	}
	const slice = C.sizeof_raftcore_slice
	size := len(entries) * slice
	for _, e := range entries {
		size += len(e)
	}
	scratch := C.goraft_scratch(h, C.size_t(size))
	if scratch == nil {
		return n.fail("ProposeMany", C.RAFTCORE_E_NOMEM)
	}
	slices := unsafe.Slice((*C.raftcore_slice)(scratch), len(entries))
	data := unsafe.Slice((*byte)(unsafe.Add(scratch, len(entries)*slice)), size-len(entries)*slice)
	for i, e := range entries {
		slices[i].ptr = pointer(data)
		slices[i].len = C.size_t(copy(data, e))
		data = data[len(e):]
	}
	code := C.raftcore_propose_many(h.node, (*C.raftcore_slice)(scratch), (*C.uint64_t)(unsafe.SliceData(tokens)),
		C.size_t(len(entries)))
	C.goraft_scratch_trim(h, mostScratch)
	return n.unlock("ProposeMany", code)
}

// mostScratch is how much memory for copies a node keeps from one call to the next.
const mostScratch = 1 << 20

// ProposeFlat is [Node.ProposeMany] for entries that lie one behind the other in data, as long as lengths says.
func (n *Node) ProposeFlat(data []byte, lengths []uint32, tokens []uint64) error {
	size := uint64(0)
	for _, l := range lengths {
		size += uint64(l)
	}
	if size != uint64(len(data)) || tokens != nil && len(tokens) != len(lengths) {
		return &Error{Op: "ProposeFlat", Code: ErrArg, Detail: "lengths add up to the data, as many tokens as lengths, or nil"}
	}
	h := n.lock()
	if h == nil {
		return closed("ProposeFlat")
	}
	code := C.goraft_propose_flat(h, pointer(data), (*C.uint32_t)(unsafe.SliceData(lengths)),
		(*C.uint64_t)(unsafe.SliceData(tokens)), C.size_t(len(lengths)))
	return n.unlock("ProposeFlat", code)
}

// ReadIndex starts a linearizable read: one that sees every write completed before it began. token comes back exactly once: in
// Ready.Reads, when the state may be read, or in Ready.Dropped. It need not be unique.
//
// [ErrNoLeader]: retry when Ready.Leader changes. [ErrFull]: MaxReads are waiting, retry after Advance.
func (n *Node) ReadIndex(token uint64) error {
	h := n.lock()
	if h == nil {
		return closed("ReadIndex")
	}
	return n.unlock("ReadIndex", C.raftcore_read_index(h.node, C.uint64_t(token)))
}

// Campaign starts an election now. It is no error if the node may not (a learner, a pending snapshot or change): an event tells why.
func (n *Node) Campaign() error {
	h := n.lock()
	if h == nil {
		return closed("Campaign")
	}
	return n.unlock("Campaign", C.raftcore_campaign(h.node))
}

// TransferLeader hands leadership over to a voter; 0: to the one that is furthest and alive. Proposals are refused meanwhile; after
// ElectionTicks without success the leader goes on.
func (n *Node) TransferLeader(to uint64) error {
	h := n.lock()
	if h == nil {
		return closed("TransferLeader")
	}
	return n.unlock("TransferLeader", C.raftcore_transfer(h.node, C.uint64_t(to)))
}

// AbortTransfer ends a transfer that is under way. If its target has started its election already, that goes on.
func (n *Node) AbortTransfer() error {
	h := n.lock()
	if h == nil {
		return closed("AbortTransfer")
	}
	return n.unlock("AbortTransfer", C.raftcore_abort_transfer(h.node))
}

// ForgetLeader makes a follower forget who leads, so that it may vote at once. It does nothing on others, and with lease reads.
func (n *Node) ForgetLeader() error {
	h := n.lock()
	if h == nil {
		return closed("ForgetLeader")
	}
	return n.unlock("ForgetLeader", C.raftcore_forget_leader(h.node))
}

// ReportUnreachable says that messages to peer were lost, or may have been: the connection broke.
func (n *Node) ReportUnreachable(peer uint64) error {
	h := n.lock()
	if h == nil {
		return closed("ReportUnreachable")
	}
	return n.unlock("ReportUnreachable", C.raftcore_report_unreachable(h.node, C.uint64_t(peer)))
}

// ReportSnapshot says how a snapshot to peer ended: whether it arrived with all its data. Without a report its acknowledgement ends it,
// or SnapshotTimeoutTicks.
func (n *Node) ReportSnapshot(peer uint64, arrived bool) error {
	h := n.lock()
	if h == nil {
		return closed("ReportSnapshot")
	}
	return n.unlock("ReportSnapshot", C.raftcore_report_snapshot(h.node, C.uint64_t(peer), bit(arrived)))
}

// Compacted says that the host has dropped the entries up to index from its log: at most what is applied.
func (n *Node) Compacted(index uint64) error {
	h := n.lock()
	if h == nil {
		return closed("Compacted")
	}
	return n.unlock("Compacted", C.raftcore_compacted(h.node, C.uint64_t(index)))
}

// SetElectable says whether the node starts elections: off for maintenance. It votes and follows all the same; a leader goes on.
func (n *Node) SetElectable(electable bool) error {
	h := n.lock()
	if h == nil {
		return closed("SetElectable")
	}
	return n.unlock("SetElectable", C.raftcore_set_electable(h.node, bit(electable)))
}

// SetPriority changes Config.Priority: among equal logs the higher wins.
func (n *Node) SetPriority(priority int32) error {
	h := n.lock()
	if h == nil {
		return closed("SetPriority")
	}
	return n.unlock("SetPriority", C.raftcore_set_priority(h.node, C.int32_t(priority)))
}

// SetWindow changes the window of one peer, until it leaves the configuration: appends, 1 to 65536, and payload, 0: no limit.
func (n *Node) SetWindow(peer uint64, maxInflightMsgs uint32, maxInflightBytes uint64) error {
	h := n.lock()
	if h == nil {
		return closed("SetWindow")
	}
	return n.unlock("SetWindow",
		C.raftcore_set_window(h.node, C.uint64_t(peer), C.uint32_t(maxInflightMsgs), C.uint64_t(maxInflightBytes)))
}

// SetCommitBroadcast says whether a leader tells of a moved commit index at once, or with the next append or heartbeat.
func (n *Node) SetCommitBroadcast(on bool) error {
	h := n.lock()
	if h == nil {
		return closed("SetCommitBroadcast")
	}
	return n.unlock("SetCommitBroadcast", C.raftcore_set_commit_broadcast(h.node, bit(on)))
}

// SetElectionTimeout sets the randomized election timeout, until the node draws the next: for tests and explorers.
func (n *Node) SetElectionTimeout(ticks uint32) error {
	h := n.lock()
	if h == nil {
		return closed("SetElectionTimeout")
	}
	return n.unlock("SetElectionTimeout", C.raftcore_set_election_timeout(h.node, C.uint32_t(ticks)))
}

// ---- out

// HasReady says whether [Node.Ready] has something beside what is outstanding. It is false on a closed node.
func (n *Node) HasReady() bool {
	h := n.lock()
	if h == nil {
		return false
	}
	bits := C.raftcore_has_ready(h.node)
	n.mu.Unlock()
	return bits > 0 && Pending(bits)&^(HasFetch|HasEvents) != 0
}

// Pending says what the next ready would hold beside one that is outstanding, and whether fetches and events wait; 0: nothing.
func (n *Node) Pending() (Pending, error) {
	h := n.lock()
	if h == nil {
		return 0, closed("Pending")
	}
	bits := C.goraft_has_ready(h)
	if bits < 0 {
		return 0, n.fail("Pending", bits)
	}
	n.mu.Unlock()
	return Pending(bits), nil
}

// Ready takes the next batch of work, as a copy that is the caller's own; false: there is nothing to do. With [StorageSync] it is the
// same one until it is advanced. [ErrFull]: MaxOutstanding batches are outstanding.
func (n *Node) Ready() (Ready, bool, error) {
	var rd Ready
	ok, err := n.ReadyInto(&rd)
	return rd, ok, err
}

// ReadyInto is [Node.Ready] into rd, whose memory is used again: what it held before is no longer valid.
func (n *Node) ReadyInto(rd *Ready) (bool, error) {
	var v ReadyView
	ok, err := n.readyView(&v, rd)
	return ok, err
}

// ReadyView takes the next batch of work as [Node.Ready] does, but copies nothing and allocates nothing: see [ReadyView] for how long
// it lives.
func (n *Node) ReadyView() (v ReadyView, ok bool, err error) {
	ok, err = n.readyView(&v, nil)
	return v, ok, err
}

func (n *Node) readyView(v *ReadyView, rd *Ready) (bool, error) {
	h := n.lock()
	if h == nil {
		return false, closed("Ready")
	}
	code := C.goraft_get_ready(C.uintptr_t(uintptr(unsafe.Pointer(h))))
	if code < 0 {
		return false, n.fail("Ready", code)
	}
	if code == C.RAFTCORE_OK {
		v.fill(n, &h.ready)
		if rd != nil { // before another goroutine can end the batch
			v.CopyTo(rd)
		}
	}
	n.mu.Unlock()
	return code == C.RAFTCORE_OK, nil
}

// Found is what [Node.Turn] found.
type Found int

const (
	FoundNothing Found = iota // there is nothing to do
	FoundReady                // a batch
	FoundFetch                // NextFetch has something: answer it, and ask again
)

// Turn is a turn of a host's loop in one crossing: [Node.Advance] of batch done (0: there is none), a look for fetches, and, if there
// is none, the next batch into v, as [Node.ReadyView] gives it. After an error the batch is not ended, or ended and no other taken: as
// the first of those calls that failed leaves it.
//
//	for done := uint64(0); ; done = v.Number {
//		found, err := n.Turn(done, &v)
//		...
//	}
func (n *Node) Turn(done uint64, v *ReadyView) (Found, error) {
	h := n.lock()
	if h == nil {
		return FoundNothing, closed("Turn")
	}
	code := C.goraft_turn(C.uintptr_t(uintptr(unsafe.Pointer(h))), C.uint64_t(done))
	if code < 0 {
		return FoundNothing, n.fail("Turn", code)
	}
	found := FoundNothing
	switch code {
	case C.RAFTCORE_OK:
		v.fill(n, &h.ready)
		found = FoundReady
	case C.GORAFT_FETCH:
		found = FoundFetch
	}
	n.mu.Unlock()
	return found, nil
}

// ReadyFlat takes the next batch of work as one run of bytes, laid out as raftcore_flat in raftcore.h says, into buf if it fits and
// else into a new one. The bytes are the caller's; the batch is outstanding as any other.
func (n *Node) ReadyFlat(buf []byte) ([]byte, bool, error) {
	h := n.lock()
	if h == nil {
		return buf[:0], false, closed("ReadyFlat")
	}
	buf = buf[:cap(buf)]
	code := C.raftcore_ready_flat(h.node, pointer(buf), C.size_t(len(buf)), &h.need)
	if code == C.RAFTCORE_E_TOO_SMALL {
		buf = make([]byte, h.need)
		code = C.raftcore_ready_flat(h.node, pointer(buf), C.size_t(len(buf)), &h.need)
	}
	if code < 0 {
		return buf[:0], false, n.fail("ReadyFlat", code)
	}
	if code != C.RAFTCORE_OK {
		n.mu.Unlock()
		return buf[:0], false, nil
	}
	buf = buf[:h.need]
	n.mu.Unlock()
	return buf, true, nil
}

// Advance says that all work of a batch is done: it and those before it are persisted, applied and released in one. Their views end.
// [ErrStale]: acknowledged before; harmless. [ErrState]: a configuration entry in it was neither applied nor skipped, or
// [StorageMessages].
func (n *Node) Advance(number uint64) error {
	h := n.lock()
	if h == nil {
		return closed("Advance")
	}
	return n.unlock("Advance", C.raftcore_advance(h.node, C.uint64_t(number)))
}

// Persisted says that the writes of batches up to number are durable: their messages with MessageAfter may go now. Cumulative, and
// independent of Applied and Release. [StorageAsync] only.
func (n *Node) Persisted(number uint64) error {
	h := n.lock()
	if h == nil {
		return closed("Persisted")
	}
	return n.unlock("Persisted", C.raftcore_persisted(h.node, C.uint64_t(number)))
}

// Applied says that the state machine has applied all entries up to index, and that what it stores says so. [StorageAsync] only.
func (n *Node) Applied(index uint64) error {
	h := n.lock()
	if h == nil {
		return closed("Applied")
	}
	return n.unlock("Applied", C.raftcore_applied(h.node, C.uint64_t(index)))
}

// Release says that nobody reads the views of batches up to number any more: they end. Not with [StorageSync].
func (n *Node) Release(number uint64) error {
	h := n.lock()
	if h == nil {
		return closed("Release")
	}
	return n.unlock("Release", C.raftcore_release(h.node, C.uint64_t(number)))
}

// TicksUntilDue is how many ticks may pass before the node does something by itself: so long a host may sleep, if nothing else comes.
// The ticks that have passed are then told in one Tick. At least 1; math.MaxUint32: nothing will happen.
func (n *Node) TicksUntilDue() (uint32, error) {
	h := n.lock()
	if h == nil {
		return 0, closed("TicksUntilDue")
	}
	code := C.raftcore_ticks_until_due(h.node, &h.word)
	ticks := uint32(h.word)
	return ticks, n.unlock("TicksUntilDue", code)
}

// ---- looking inside

// Status is the node as it is now. Works on a poisoned node and before BootDone; so do Peers, NextEvent and Digest.
func (n *Node) Status() (Status, error) {
	h := n.lock()
	if h == nil {
		return Status{}, closed("Status")
	}
	code := C.raftcore_get_status(h.node, &h.status)
	if code < 0 {
		return Status{}, n.fail("Status", code)
	}
	s := statusFromC(&h.status)
	n.mu.Unlock()
	return s, nil
}

// Peers is a leader's view of the members, itself included, by id. On others only ID and membership mean something.
func (n *Node) Peers() ([]Peer, error) {
	h := n.lock()
	if h == nil {
		return nil, closed("Peers")
	}
	if code := C.raftcore_get_peers(h.node, nil, 0, &h.need); code < 0 {
		return nil, n.fail("Peers", code)
	}
	count := int(h.need)
	room := C.goraft_scratch(h, h.need*C.sizeof_raftcore_peer)
	if room == nil {
		return nil, n.fail("Peers", C.RAFTCORE_E_NOMEM)
	}
	if code := C.raftcore_get_peers(h.node, (*C.raftcore_peer)(room), C.size_t(count), &h.need); code < 0 {
		return nil, n.fail("Peers", code)
	}
	peers := make([]Peer, count)
	for i := range unsafe.Slice((*C.raftcore_peer)(room), count) {
		peers[i] = peerFromC((*C.raftcore_peer)(unsafe.Add(room, i*C.sizeof_raftcore_peer)))
	}
	n.mu.Unlock()
	return peers, nil
}

// NextEvent takes the oldest event; false: no more. If nobody does, later ones are lost, and counted in Status.EventsLost.
func (n *Node) NextEvent() (Event, bool, error) {
	h := n.lock()
	if h == nil {
		return Event{}, false, closed("NextEvent")
	}
	code := C.raftcore_next_event(h.node, &h.event)
	if code < 0 {
		return Event{}, false, n.fail("NextEvent", code)
	}
	var e Event
	if code == C.RAFTCORE_OK {
		c := &h.event
		e = Event{EventKind(c.kind), Reason(c.reason), uint64(c.peer), uint64(c.term), uint64(c.index), uint64(c.a), uint64(c.b)}
	}
	n.mu.Unlock()
	return e, code == C.RAFTCORE_OK, nil
}

// Digest is a number that is equal for nodes of equal meaning: for tests and explorers. withRandom: what is random counts, too. It is
// not for storing, and may change with the version. 0 on a closed node.
func (n *Node) Digest(withRandom bool) uint64 {
	h := n.lock()
	if h == nil {
		return 0
	}
	digest := C.raftcore_digest(h.node, bit(withRandom))
	n.mu.Unlock()
	return uint64(digest)
}
