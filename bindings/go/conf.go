package raftcore

// #include "glue.h"
// #cgo noescape goraft_apply_conf
// #cgo nocallback goraft_apply_conf
// #cgo noescape goraft_boot_conf
// #cgo nocallback goraft_boot_conf
// #cgo noescape goraft_propose_conf
// #cgo nocallback goraft_propose_conf
// #cgo noescape goraft_scratch
// #cgo nocallback goraft_scratch
// #cgo noescape goraft_scratch_trim
// #cgo nocallback goraft_scratch_trim
// #cgo noescape goraft_supply_snapshot
// #cgo nocallback goraft_supply_snapshot
// #cgo noescape raftcore_boot_done
// #cgo nocallback raftcore_boot_done
// #cgo noescape raftcore_boot_entries
// #cgo nocallback raftcore_boot_entries
// #cgo noescape raftcore_boot_state
// #cgo nocallback raftcore_boot_state
// #cgo noescape raftcore_boot_terms
// #cgo nocallback raftcore_boot_terms
// #cgo noescape raftcore_get_conf
// #cgo nocallback raftcore_get_conf
// #cgo noescape goraft_next_fetch
// #cgo nocallback goraft_next_fetch
// #cgo noescape raftcore_skip_conf
// #cgo nocallback raftcore_skip_conf
// #cgo noescape raftcore_supply_entries
// #cgo nocallback raftcore_supply_entries
// #cgo noescape raftcore_supply_none
// #cgo nocallback raftcore_supply_none
import "C"

import (
	"slices"
	"unsafe"
)

// Conf is a configuration: who votes, who learns.
//
// Into a call: Bytes if there are any, else the ids. Out of one: both.
type Conf struct {
	Voters       []uint64 // in a joint configuration: the incoming half
	Outgoing     []uint64 // the outgoing half; empty unless joint
	Learners     []uint64
	LearnersNext []uint64 // learners once the joint configuration is left
	AutoLeave    bool     // a joint configuration is left by itself
	Bytes        []byte   // as raftpb ConfState: what a host stores
	Context      []byte   // out of ApplyConfChange: the change's own context, an address for example
}

// Change is one step of a configuration change.
type Change struct {
	Kind ChangeKind
	ID   uint64 // whom it concerns
}

// ConfChange is what [Node.ProposeConfChange] proposes.
type ConfChange struct {
	Changes    []Change // 1 to 64; none at all leaves a joint configuration
	Transition Transition
	Context    []byte // travels with the change and comes out of ApplyConfChange on every node: the new node's address, say
}

// Fetch is a request to read the host's log, or to make a snapshot, for a peer that is far behind.
type Fetch struct {
	Kind     FetchKind
	ID       uint64 // goes into the answer
	Peer     uint64 // for whom
	First    uint64 // entries: from this index; snapshot: at least up to First - 1
	Last     uint64 // entries: to this index, both included
	MaxBytes uint64 // entries: more than this is not of use now
}

// ProposeConfChange proposes a change of the configuration. One at a time: the next may come when this one is applied. token as in
// [Node.Propose].
//
// [ErrConfBusy]: another change is in flight. [ErrConf]: invalid here, the detail says why. [ErrNoLeader], [ErrFull] as in Propose.
// [ErrArg]: an unknown kind or transition, a reserved id, or more than 64 changes.
func (n *Node) ProposeConfChange(cc ConfChange, token uint64) error {
	flat := make([]uint64, 0, 2*len(cc.Changes)+1)
	for _, c := range cc.Changes {
		flat = append(flat, c.ID, uint64(c.Kind))
	}
	h := n.lock()
	if h == nil {
		return closed("ProposeConfChange")
	}
	code := C.goraft_propose_conf(h, (*C.uint64_t)(unsafe.SliceData(flat)), C.size_t(len(cc.Changes)), C.uint32_t(cc.Transition),
		pointer(cc.Context), C.size_t(len(cc.Context)), C.uint64_t(token))
	return n.unlock("ProposeConfChange", code)
}

// ApplyConfChange applies a committed configuration entry, as handed out or as read from the host's log; lowest index first. From here
// on the new configuration, which it returns, is in force on this node. Store it (Conf.Bytes) together with the applied index.
//
// [ErrStale]: applied or skipped before. [ErrConf], [ErrDecode], [ErrUnsupported]: it can't be applied; a member that does not
// understand a change must stop rather than differ.
func (n *Node) ApplyConfChange(e Entry) (Conf, error) {
	h := n.lock()
	if h == nil {
		return Conf{}, closed("ApplyConfChange")
	}
	code := C.goraft_apply_conf(h, C.uint64_t(e.Term), C.uint64_t(e.Index), C.uint32_t(e.Kind), pointer(e.Data),
		C.size_t(len(e.Data)))
	if code < 0 {
		return Conf{}, n.fail("ApplyConfChange", code)
	}
	conf := confFromC(&h.conf)
	n.mu.Unlock()
	return conf, nil
}

// SkipConfChange passes over a committed configuration entry, as if it were empty. Right only if every member does the same.
func (n *Node) SkipConfChange(index uint64) error {
	h := n.lock()
	if h == nil {
		return closed("SkipConfChange")
	}
	return n.unlock("SkipConfChange", C.raftcore_skip_conf(h.node, C.uint64_t(index)))
}

// Conf is the configuration in force; its Context is empty.
func (n *Node) Conf() (Conf, error) {
	h := n.lock()
	if h == nil {
		return Conf{}, closed("Conf")
	}
	if code := C.raftcore_get_conf(h.node, &h.conf); code < 0 {
		return Conf{}, n.fail("Conf", code)
	}
	conf := confFromC(&h.conf)
	n.mu.Unlock()
	return conf, nil
}

func confFromC(c *C.raftcore_conf) Conf {
	ids := func(p *C.uint64_t, n C.uint32_t) []uint64 {
		if n == 0 {
			return nil
		}
		return slices.Clone(unsafe.Slice((*uint64)(p), int(n)))
	}
	return Conf{
		Voters:       ids(c.voters, c.n_voters),
		Outgoing:     ids(c.outgoing, c.n_outgoing),
		Learners:     ids(c.learners, c.n_learners),
		LearnersNext: ids(c.learners_next, c.n_learners_next),
		AutoLeave:    c.auto_leave != 0,
		Bytes:        slices.Clone(bytesOf(&c.bytes)),
		Context:      slices.Clone(bytesOf(&c.context)),
	}
}

// flat gives all ids one behind the other, and how many each list has; there is always a first one to point at.
func (c *Conf) flat() ([]uint64, [4]uint32) {
	counts := [4]uint32{uint32(len(c.Voters)), uint32(len(c.Outgoing)), uint32(len(c.Learners)), uint32(len(c.LearnersNext))}
	ids := slices.Concat(c.Voters, c.Outgoing, c.Learners, c.LearnersNext, []uint64{0})
	return ids, counts
}

// ---- boot

// BootState restores the hard state: what the last stored ready with HardStateChanged said.
//
// Boot calls come in the order of this page, each at most once (BootEntries as often as it takes), and only those for which there is
// something. After one that fails the node can only be closed. Founders of a group store, then boot from: the state {0, 0, 1}, the
// configuration with beforeFirst 1 of term 1, applied 1.
func (n *Node) BootState(state HardState) error {
	h := n.lock()
	if h == nil {
		return closed("BootState")
	}
	code := C.raftcore_boot_state(h.node, C.uint64_t(state.Term), C.uint64_t(state.Vote), C.uint64_t(state.Commit))
	return n.unlock("BootState", code)
}

// BootConf restores the configuration as of the applied index: what the last ApplyConfChange or snapshot gave. beforeFirst is where the
// log begins: the index before its first entry, which the last snapshot or compaction covers, and its term; 1 and 1 for founders.
func (n *Node) BootConf(conf Conf, beforeFirst, term uint64) error {
	ids, counts := conf.flat()
	h := n.lock()
	if h == nil {
		return closed("BootConf")
	}
	code := C.goraft_boot_conf(h, (*C.uint64_t)(&ids[0]), (*C.uint32_t)(&counts[0]), bit(conf.AutoLeave), pointer(conf.Bytes),
		C.size_t(len(conf.Bytes)), C.uint64_t(beforeFirst), C.uint64_t(term))
	return n.unlock("BootConf", code)
}

// Run is a stretch of the log that has one term, up to the next run.
type Run struct {
	First uint64 // first index
	Term  uint64
}

// BootTerms restores which term each part of the log has: runs in order, the first from beforeFirst + 1; the last reaches to the end of
// the log. Left out where BootEntries starts at the first entry.
func (n *Node) BootTerms(runs []Run) error {
	h := n.lock()
	if h == nil {
		return closed("BootTerms")
	}
	code := C.raftcore_boot_terms(h.node, (*C.raftcore_run)(unsafe.Pointer(unsafe.SliceData(runs))), C.size_t(len(runs)))
	return n.unlock("BootTerms", code)
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Run{})-C.sizeof_raftcore_run]
	_ = [1]struct{}{}[unsafe.Offsetof(Run{}.Term)-unsafe.Offsetof(C.raftcore_run{}.term)]
)

// BootEntries restores entries of the log, in order, in as many calls as it takes: at least all that are not yet applied.
func (n *Node) BootEntries(entries []Entry) error {
	h := n.lock()
	if h == nil {
		return closed("BootEntries")
	}
	c := entriesToC(h, entries)
	if c == nil {
		return n.fail("BootEntries", C.RAFTCORE_E_NOMEM)
	}
	code := C.raftcore_boot_entries(h.node, c, C.size_t(len(entries)))
	C.goraft_scratch_trim(h, mostScratch)
	return n.unlock("BootEntries", code)
}

// BootDone ends the boot: the node runs. applied is what the state machine has applied, as stored with it. The first ready tells what
// had to be repaired, if anything.
func (n *Node) BootDone(applied uint64) error {
	h := n.lock()
	if h == nil {
		return closed("BootDone")
	}
	return n.unlock("BootDone", C.raftcore_boot_done(h.node, C.uint64_t(applied)))
}

// entriesToC copies entries with their data into C memory; nil: there is none.
func entriesToC(h *C.goraft_host, entries []Entry) *C.raftcore_entry {
	const record = C.sizeof_raftcore_entry
	size := len(entries) * record
	for _, e := range entries {
		size += len(e.Data)
	}
	scratch := C.goraft_scratch(h, C.size_t(size))
	if scratch == nil {
		return nil
	}
	list := unsafe.Slice((*C.raftcore_entry)(scratch), len(entries))
	data := unsafe.Slice((*byte)(unsafe.Add(scratch, len(entries)*record)), size-len(entries)*record)
	for i, e := range entries {
		list[i] = C.raftcore_entry{term: C.uint64_t(e.Term), index: C.uint64_t(e.Index), kind: C.uint32_t(e.Kind)}
		list[i].data.ptr = pointer(data)
		list[i].data.len = C.size_t(copy(data, e.Data))
		data = data[len(e.Data):]
	}
	return (*C.raftcore_entry)(scratch)
}

// ---- what peers far behind need

// NextFetch asks what the node lacks: old entries, or a snapshot, for a peer that is far behind; false: nothing. At most one for each
// peer; each is handed out once and waits for its answer, while nothing else waits. Answer with [Node.SupplyEntries],
// [Node.SupplySnapshot] or [Node.SupplyNone].
func (n *Node) NextFetch() (Fetch, bool, error) {
	h := n.lock()
	if h == nil {
		return Fetch{}, false, closed("NextFetch")
	}
	code := C.goraft_next_fetch(C.uintptr_t(uintptr(unsafe.Pointer(h))))
	if code < 0 {
		return Fetch{}, false, n.fail("NextFetch", code)
	}
	var f Fetch
	if code == C.RAFTCORE_OK {
		c := &h.fetch
		f = Fetch{FetchKind(c.kind), uint64(c.id), uint64(c.peer), uint64(c.first), uint64(c.last), uint64(c.max_bytes)}
	}
	n.mu.Unlock()
	return f, code == C.RAFTCORE_OK, nil
}

// SupplyEntries answers a fetch: one entry or more, from Fetch.First on, without a gap. What does not fit is not taken. wanted is false
// if the answer is no longer of use; nothing is done then. After an error the fetch is still open.
func (n *Node) SupplyEntries(id uint64, entries []Entry) (wanted bool, err error) {
	h := n.lock()
	if h == nil {
		return false, closed("SupplyEntries")
	}
	c := entriesToC(h, entries)
	if c == nil {
		return false, n.fail("SupplyEntries", C.RAFTCORE_E_NOMEM)
	}
	code := C.raftcore_supply_entries(h.node, C.uint64_t(id), c, C.size_t(len(entries)))
	C.goraft_scratch_trim(h, mostScratch)
	return code == C.RAFTCORE_OK, n.unlock("SupplyEntries", code)
}

// SupplySnapshot answers a fetch: a snapshot that covers the log up to index (at least Fetch.First - 1, at most what is committed), the
// configuration as of there, the peer in it, and the state. No data: they travel the host's way, which must bring them to the peer
// before that steps the message. Results as in [Node.SupplyEntries].
func (n *Node) SupplySnapshot(id, index uint64, conf Conf, data []byte) (wanted bool, err error) {
	ids, counts := conf.flat()
	h := n.lock()
	if h == nil {
		return false, closed("SupplySnapshot")
	}
	code := C.goraft_supply_snapshot(h, C.uint64_t(id), C.uint64_t(index), (*C.uint64_t)(&ids[0]), (*C.uint32_t)(&counts[0]),
		bit(conf.AutoLeave), pointer(conf.Bytes), C.size_t(len(conf.Bytes)), pointer(data), C.size_t(len(data)))
	return code == C.RAFTCORE_OK, n.unlock("SupplySnapshot", code)
}

// SupplyNone answers a fetch with nothing: [SupplyGone], and a snapshot is asked for, or [SupplyLater].
func (n *Node) SupplyNone(id uint64, why SupplyNone) (wanted bool, err error) {
	h := n.lock()
	if h == nil {
		return false, closed("SupplyNone")
	}
	code := C.raftcore_supply_none(h.node, C.uint64_t(id), C.uint32_t(why))
	return code == C.RAFTCORE_OK, n.unlock("SupplyNone", code)
}
