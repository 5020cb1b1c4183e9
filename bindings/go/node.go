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
// #cgo noescape goraft_propose_entry
// #cgo nocallback goraft_propose_entry
// #cgo noescape goraft_propose_in_term
// #cgo nocallback goraft_propose_in_term
// #cgo noescape goraft_propose_with_context
// #cgo nocallback goraft_propose_with_context
// #cgo noescape goraft_propose_flat
// #cgo nocallback goraft_propose_flat
// #cgo noescape goraft_scratch
// #cgo nocallback goraft_scratch
// #cgo noescape goraft_scratch_trim
// #cgo nocallback goraft_scratch_trim
// #cgo noescape raftcore_abort_transfer
// #cgo nocallback raftcore_abort_transfer
// #cgo noescape raftcore_campaign
// #cgo nocallback raftcore_campaign
// #cgo noescape raftcore_digest
// #cgo nocallback raftcore_digest
// #cgo noescape raftcore_forget_leader
// #cgo nocallback raftcore_forget_leader
// #cgo noescape raftcore_get_peers
// #cgo nocallback raftcore_get_peers
// #cgo noescape raftcore_get_status
// #cgo nocallback raftcore_get_status
// #cgo noescape raftcore_has_ready
// #cgo nocallback raftcore_has_ready
// #cgo noescape raftcore_next_event
// #cgo nocallback raftcore_next_event
// #cgo noescape raftcore_propose_many
// #cgo nocallback raftcore_propose_many
// #cgo noescape raftcore_read_index
// #cgo nocallback raftcore_read_index
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
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Node is a member of a group. Make a node with [NewNode], and boot it with [Node.Boot].
//
// Methods may be called from any goroutine: a call waits until the running call has ended. On a
// closed node every method fails with [ErrClosed].
//
// Do not copy a Node: go vet reports copies. A copy is the same node, and [Node.Close] closes the
// original too.
type Node struct {
	_ noCopy
	c *core
}

// noCopy makes go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// core is the state of a Node and of its copies. Views hold the core, so the collector never frees
// memory under a view.
type core struct {
	mu sync.Mutex
	h  *C.goraft_host // C memory, so that no call allocates or pins; nil: closed
	// The views of readies up to this number have ended.
	ended   atomic.Uint64
	cleanup runtime.Cleanup
}

// NewNode makes a node. Then call [Node.Boot], once.
//
// A node holds memory outside of Go's heap, see [Config.Footprint]. Close frees the memory at once;
// the collector frees the memory of a node that nothing refers to.
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
	c := &core{h: h}
	c.cleanup = runtime.AddCleanup(c, func(h *C.goraft_host) { C.goraft_host_free(h) }, h)
	return &Node{c: c}
}

// Clone makes a second node of the same state, for tests and explorers. Equal calls on the two
// nodes have equal results. Views of the original are not views of the clone.
func (n *Node) Clone() (*Node, error) {
	c, h := n.lock()
	if h == nil {
		return nil, closed("Clone")
	}
	twin := C.goraft_host_make()
	if twin == nil {
		c.mu.Unlock()
		return nil, &Error{Op: "Clone", Code: ErrNoMemory}
	}
	if code := C.goraft_clone(h, twin); code < 0 {
		C.goraft_host_free(twin)
		return nil, c.fail("Clone", code)
	}
	c.mu.Unlock()
	return wrap(twin), nil
}

// Close ends the node and all of its views. Close writes and sends nothing: the next node boots
// from what is on disk. A second Close does nothing.
func (n *Node) Close() error {
	c, h := n.lock()
	if h == nil {
		return nil
	}
	c.cleanup.Stop()
	c.h = nil
	c.ended.Store(math.MaxUint64)
	code := C.goraft_host_free(h)
	c.mu.Unlock()
	if code < 0 {
		return failure(nil, "Close", code)
	}
	return nil
}

// lock locks the node and returns its C side. If the node is closed, nothing is locked and h is
// nil.
func (n *Node) lock() (c *core, h *C.goraft_host) {
	c = n.c
	if c == nil {
		return nil, nil
	}
	c.mu.Lock()
	if c.h == nil {
		c.mu.Unlock()
		return nil, nil
	}
	return c, c.h
}

// done ends a call.
func (c *core) done(op string, code C.raftcore_code) error {
	if code < 0 {
		return c.fail(op, code)
	}
	c.mu.Unlock()
	return nil
}

//go:noinline
func (c *core) fail(op string, code C.raftcore_code) error {
	err := failure(c.h, op, code)
	c.mu.Unlock()
	return err
}

//go:noinline
func closed(op string) error { return &Error{Op: op, Code: ErrClosed} }

// nowhere is the address of no bytes: the library refuses NULL.
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

// ---- time and messages

// Tick tells the node that time has passed. ticks may be more than 1, to catch up in one call. More
// than two election timeouts count as two.
func (n *Node) Tick(ticks uint32) error {
	c, h := n.lock()
	if h == nil {
		return closed("Tick")
	}
	return c.done("Tick", C.raftcore_tick(h.node, C.uint32_t(ticks)))
}

// Step takes a message from a peer: a raftpb message without the header of a frame.
//
// peer is the id that your transport authenticated. A message from another id is refused. 0: do not
// check.
//
// A refused message does no harm, and must not end the program: [ErrDecode] (drop the connection),
// [ErrNotForMe], [ErrNoPeer], [ErrImplausible], [ErrNotLeader], [ErrNoLeader], [ErrFull] (the
// message will come again).
func (n *Node) Step(peer uint64, msg []byte) error {
	c, h := n.lock()
	if h == nil {
		return closed("Step")
	}
	return c.done("Step", C.raftcore_step(h.node, C.uint64_t(peer), pointer(msg), C.size_t(len(msg))))
}

// Stepped says what became of a buffer of frames.
type Stepped struct {
	Consumed int   // bytes of whole frames that were taken: keep the rest, and append to it
	Rejected int   // frames that Step would have refused; each was skipped
	Refused  error // why the first of these was refused: an [*Error]; nil if Rejected is 0
}

// StepFrames takes frames from a peer, as many as a read brought. The last one may be incomplete.
// peer is as in [Node.Step].
//
// [ErrDecode]: the buffer begins with a length that no frame has. Drop the connection.
//
// A snapshot whose data travel beside the core must not be stepped before the data are there. If a
// connection may bring such a snapshot, use [NextFrame], [SplitSnapshot] and [Node.Step] instead.
func (n *Node) StepFrames(peer uint64, buf []byte) (Stepped, error) {
	c, h := n.lock()
	if h == nil {
		return Stepped{}, closed("StepFrames")
	}
	code := C.raftcore_step_frames(h.node, C.uint64_t(peer), pointer(buf), C.size_t(len(buf)), &h.need, &h.word, &h.first)
	if code < 0 {
		return Stepped{}, c.fail("StepFrames", code)
	}
	s := Stepped{Consumed: int(h.need), Rejected: int(h.word)}
	if h.first != 0 {
		s.Refused = failure(h, "StepFrames", h.first)
	}
	c.mu.Unlock()
	return s, nil
}

// StepLocal takes a response of local work. Messages to IDLocalAppend and IDLocalApply carry such
// responses; pass the responses to this node. [StorageMessages] only.
func (n *Node) StepLocal(msg []byte) error {
	c, h := n.lock()
	if h == nil {
		return closed("StepLocal")
	}
	return c.done("StepLocal", C.raftcore_step_local(h.node, pointer(msg), C.size_t(len(msg))))
}

// ReportUnreachable tells the node that messages to peer were lost, or may have been, since the
// connection broke. [ErrNoPeer] is normal: the peer has left the group meanwhile.
func (n *Node) ReportUnreachable(peer uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("ReportUnreachable")
	}
	return c.done("ReportUnreachable", C.raftcore_report_unreachable(h.node, C.uint64_t(peer)))
}

// ---- proposals and reads

// Propose proposes an entry, at the leader. nil means that the leader has taken the entry, not that
// the entry is committed.
//
// token returns exactly once: with the committed entry, or in Ready.Dropped with the outcome. If
// Propose fails, the token does not return. 0: no token.
//
//   - [ErrNotLeader]: propose at [Error.Leader].
//   - [ErrNoLeader]: retry when Ready.Leader changes.
//   - [ErrFull]: MaxUncommittedSize, MaxTokens or RecentBytes is reached. Retry after Advance.
//   - [ErrTooLarge]: the entry is larger than MaxEntryBytes, or than half of RecentBytes.
//
// With [FlagForwarding] a follower passes the entry on to the leader. The follower can't learn the
// outcome: the token returns at once in Ready.Dropped, as [DropUnknown], and the entry may commit
// all the same. To recognize the entry, put an id of your own into data.
func (n *Node) Propose(data []byte, token uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("Propose")
	}
	return c.done("Propose", C.goraft_propose(h.node, pointer(data), C.size_t(len(data)), C.uint64_t(token)))
}

// ProposeInTerm is [Node.Propose] if this node leads in a term, and never forwards the entry: for
// data that were computed from the state as of that term. term is Status.Term at the time.
//
// [ErrNoLeader], [ErrNotLeader]: the term is over, so compute the data anew.
func (n *Node) ProposeInTerm(term uint64, data []byte, token uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("ProposeInTerm")
	}
	return c.done("ProposeInTerm",
		C.goraft_propose_in_term(h.node, C.uint64_t(term), pointer(data), C.size_t(len(data)), C.uint64_t(token)))
}

// ProposeMany proposes several entries, or fails and proposes nothing. tokens has a token for each
// entry, or is nil. Errors are as in [Node.Propose].
//
// [Node.ProposeFlat] copies the data once less.
func (n *Node) ProposeMany(entries [][]byte, tokens []uint64) error {
	if tokens != nil && len(tokens) != len(entries) {
		return &Error{Op: "ProposeMany", Code: ErrArg, Detail: "as many tokens as entries are needed, or nil"}
	}
	c, h := n.lock()
	if h == nil {
		return closed("ProposeMany")
	}
	defer c.mu.Unlock() // a caller that changes entries meanwhile may cause a panic here
	const slice = C.sizeof_raftcore_slice
	size := len(entries) * slice
	for _, e := range entries {
		size += len(e)
	}
	scratch := C.goraft_scratch(h, C.size_t(size))
	if scratch == nil {
		return &Error{Op: "ProposeMany", Code: ErrNoMemory}
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
	if code < 0 {
		return failure(h, "ProposeMany", code)
	}
	return nil
}

// mostScratch is how much memory for copies a node keeps from one call to the next.
const mostScratch = 1 << 20

// ProposeFlat is [Node.ProposeMany] for entries that lie one behind the other in data. lengths has
// the length of each.
func (n *Node) ProposeFlat(data []byte, lengths []uint32, tokens []uint64) error {
	size := uint64(0)
	for _, l := range lengths {
		size += uint64(l)
	}
	if size != uint64(len(data)) || tokens != nil && len(tokens) != len(lengths) {
		return &Error{Op: "ProposeFlat", Code: ErrArg,
			Detail: "lengths must add up to len(data), and as many tokens as lengths are needed, or nil"}
	}
	c, h := n.lock()
	if h == nil {
		return closed("ProposeFlat")
	}
	code := C.goraft_propose_flat(h, pointer(data), (*C.uint32_t)(unsafe.SliceData(lengths)),
		(*C.uint64_t)(unsafe.SliceData(tokens)), C.size_t(len(lengths)))
	return c.done("ProposeFlat", code)
}

// ProposeEntry proposes an entry of any kind as it is, for example a change that was encoded
// elsewhere. A change is checked as in [Node.ProposeConfChange]. Errors are as in [Node.Propose]
// and ProposeConfChange; [ErrDecode], [ErrUnsupported]: data are no change.
func (n *Node) ProposeEntry(kind EntryKind, data []byte, token uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("ProposeEntry")
	}
	return c.done("ProposeEntry",
		C.goraft_propose_entry(h.node, C.uint32_t(kind), pointer(data), C.size_t(len(data)), C.uint64_t(token)))
}

// ProposeWithContext proposes an entry of any kind with a context: bytes beside the data, as raft-rs
// has them. They return in Entry.Context, on every node. MaxEntryBytes counts data and context.
//
// [ErrUnsupported]: Dialect is not [DialectEraftpb]. Other errors are as in [Node.ProposeEntry].
func (n *Node) ProposeWithContext(kind EntryKind, context, data []byte, token uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("ProposeWithContext")
	}
	return c.done("ProposeWithContext", C.goraft_propose_with_context(h.node, C.uint32_t(kind), pointer(context),
		C.size_t(len(context)), pointer(data), C.size_t(len(data)), C.uint64_t(token)))
}

// ReadIndex starts a linearizable read, on any node. Such a read sees every write that completed
// before the read began, and costs no log entry.
//
// token returns exactly once: in Ready.Reads, when the state may be read, or in Ready.Dropped.
// Tokens of reads need not be unique.
//
// [ErrNoLeader]: retry when Ready.Leader changes. [ErrFull]: MaxReads reads are waiting, retry
// after Advance.
func (n *Node) ReadIndex(token uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("ReadIndex")
	}
	return c.done("ReadIndex", C.raftcore_read_index(h.node, C.uint64_t(token)))
}

// ---- leadership

// Campaign starts an election now. If the node may not campaign (a learner, a pending snapshot or
// change), nothing happens, and an event has the reason.
func (n *Node) Campaign() error {
	c, h := n.lock()
	if h == nil {
		return closed("Campaign")
	}
	return c.done("Campaign", C.raftcore_campaign(h.node))
}

// TransferLeader hands leadership over to a voter. 0: to the voter with the longest log. Proposals
// are refused meanwhile. Without success the leader goes on after ElectionTicks.
func (n *Node) TransferLeader(to uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("TransferLeader")
	}
	return c.done("TransferLeader", C.raftcore_transfer(h.node, C.uint64_t(to)))
}

// AbortTransfer ends a transfer of leadership. If the target has started an election, the election
// goes on. [ErrState]: no transfer is in progress.
func (n *Node) AbortTransfer() error {
	c, h := n.lock()
	if h == nil {
		return closed("AbortTransfer")
	}
	return c.done("AbortTransfer", C.raftcore_abort_transfer(h.node))
}

// ForgetLeader makes a follower forget its leader, so that the follower may vote at once. On other
// nodes, and with lease reads, nothing happens.
func (n *Node) ForgetLeader() error {
	c, h := n.lock()
	if h == nil {
		return closed("ForgetLeader")
	}
	return c.done("ForgetLeader", C.raftcore_forget_leader(h.node))
}

// SetElectable sets whether the node starts elections: false for maintenance. The node still votes
// and follows, and a leader still leads.
func (n *Node) SetElectable(electable bool) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetElectable")
	}
	return c.done("SetElectable", C.raftcore_set_electable(h.node, bit(electable)))
}

// SetPriority changes Config.Priority: among equal logs the higher priority wins.
func (n *Node) SetPriority(priority int32) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetPriority")
	}
	return c.done("SetPriority", C.raftcore_set_priority(h.node, C.int32_t(priority)))
}

// SetWindow changes the window of a peer, until the peer leaves the group: maxInflightMsgs appends,
// 0 to 65536, and maxInflightBytes of payload, 0 for no limit. 0 messages pause the peer: no entries
// and no snapshots, only heartbeats, until the window opens again.
//
// [ErrNoPeer]: not a member. [ErrArg]: maxInflightMsgs is out of range.
func (n *Node) SetWindow(peer uint64, maxInflightMsgs uint32, maxInflightBytes uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetWindow")
	}
	return c.done("SetWindow",
		C.raftcore_set_window(h.node, C.uint64_t(peer), C.uint32_t(maxInflightMsgs), C.uint64_t(maxInflightBytes)))
}

// SetCommitBroadcast sets whether a leader reports a higher commit index at once (true, the
// default) or with the next append or heartbeat.
func (n *Node) SetCommitBroadcast(on bool) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetCommitBroadcast")
	}
	return c.done("SetCommitBroadcast", C.raftcore_set_commit_broadcast(h.node, bit(on)))
}

// SetElectionTimeout sets the random election timeout, until the node draws the next one. For tests
// and explorers.
func (n *Node) SetElectionTimeout(ticks uint32) error {
	c, h := n.lock()
	if h == nil {
		return closed("SetElectionTimeout")
	}
	return c.done("SetElectionTimeout", C.raftcore_set_election_timeout(h.node, C.uint32_t(ticks)))
}

// ---- looking inside

// HasReady reports whether the node has work for you: a ready or a fetch. Before you sleep,
// HasReady must be false. Status.LateTicks counts the ticks for which a host forgot this rule.
//
// HasReady is false on a closed node.
func (n *Node) HasReady() bool {
	c, h := n.lock()
	if h == nil {
		return false
	}
	bits := C.raftcore_has_ready(h.node)
	c.mu.Unlock()
	return bits > 0 && Pending(bits)&^HasEvents != 0
}

// Pending returns the contents of the next ready, and whether fetches and events wait. 0: nothing.
func (n *Node) Pending() (Pending, error) {
	c, h := n.lock()
	if h == nil {
		return 0, closed("Pending")
	}
	bits := C.raftcore_has_ready(h.node)
	if bits < 0 {
		return 0, c.fail("Pending", bits)
	}
	c.mu.Unlock()
	return Pending(bits), nil
}

// TicksUntilDue returns how many ticks may pass before the node does something automatically: at
// least 1, math.MaxUint32 for never. A host with nothing else to do may sleep so long, and then
// calls Tick once with all ticks that have passed.
func (n *Node) TicksUntilDue() (uint32, error) {
	c, h := n.lock()
	if h == nil {
		return 0, closed("TicksUntilDue")
	}
	code := C.raftcore_ticks_until_due(h.node, &h.word)
	ticks := uint32(h.word)
	return ticks, c.done("TicksUntilDue", code)
}

// Status returns the state of the node. Status, Peers, NextEvent and Digest also work on a poisoned
// node, and before Boot.
func (n *Node) Status() (Status, error) {
	c, h := n.lock()
	if h == nil {
		return Status{}, closed("Status")
	}
	code := C.raftcore_get_status(h.node, &h.status)
	if code < 0 {
		return Status{}, c.fail("Status", code)
	}
	s := statusFromC(&h.status)
	c.mu.Unlock()
	return s, nil
}

// Peers returns the members as a leader sees them, by id, the leader included. On other nodes only
// ID and the membership flags have a meaning.
func (n *Node) Peers() ([]Peer, error) {
	c, h := n.lock()
	if h == nil {
		return nil, closed("Peers")
	}
	if code := C.raftcore_get_peers(h.node, nil, 0, &h.need); code < 0 {
		return nil, c.fail("Peers", code)
	}
	count := int(h.need)
	room := C.goraft_scratch(h, h.need*C.sizeof_raftcore_peer)
	if room == nil {
		return nil, c.fail("Peers", C.RAFTCORE_E_NOMEM)
	}
	if code := C.raftcore_get_peers(h.node, (*C.raftcore_peer)(room), C.size_t(count), &h.need); code < 0 {
		return nil, c.fail("Peers", code)
	}
	peers := make([]Peer, count)
	for i := range peers {
		peers[i] = peerFromC((*C.raftcore_peer)(unsafe.Add(room, i*C.sizeof_raftcore_peer)))
	}
	c.mu.Unlock()
	return peers, nil
}

// NextEvent takes the oldest event; false: no more. Events explain why a node stands still, so log
// them. If nobody takes events, later ones are lost, and Status.EventsLost counts them.
func (n *Node) NextEvent() (Event, bool, error) {
	c, h := n.lock()
	if h == nil {
		return Event{}, false, closed("NextEvent")
	}
	code := C.raftcore_next_event(h.node, &h.event)
	if code < 0 {
		return Event{}, false, c.fail("NextEvent", code)
	}
	var e Event
	if code == C.RAFTCORE_OK {
		v := &h.event
		e = Event{EventKind(v.kind), Reason(v.reason), uint64(v.peer), uint64(v.term), uint64(v.index), uint64(v.a), uint64(v.b)}
	}
	c.mu.Unlock()
	return e, code == C.RAFTCORE_OK, nil
}

// Digest returns a number that is equal for nodes of equal state, for tests and explorers.
// withRandom includes the random state. Do not store a digest: the number may change with the
// version. 0 on a closed node.
func (n *Node) Digest(withRandom bool) uint64 {
	c, h := n.lock()
	if h == nil {
		return 0
	}
	digest := C.raftcore_digest(h.node, bit(withRandom))
	c.mu.Unlock()
	return uint64(digest)
}
