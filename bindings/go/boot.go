package raftcore

// #include "glue.h"
// #cgo noescape goraft_boot
// #cgo nocallback goraft_boot
// #cgo noescape goraft_boot_conf
// #cgo nocallback goraft_boot_conf
// #cgo noescape goraft_scratch
// #cgo nocallback goraft_scratch
// #cgo noescape goraft_scratch_trim
// #cgo nocallback goraft_scratch_trim
// #cgo noescape raftcore_boot_done
// #cgo nocallback raftcore_boot_done
// #cgo noescape raftcore_boot_entries
// #cgo nocallback raftcore_boot_entries
// #cgo noescape raftcore_boot_state
// #cgo nocallback raftcore_boot_state
// #cgo noescape raftcore_boot_terms
// #cgo nocallback raftcore_boot_terms
import "C"

import "unsafe"

// Stored is the stored state of a node. The zero value is an empty disk, of a node that joins a
// group.
type Stored struct {
	HardState // as last stored

	Applied uint64 // the index up to which the state machine has applied the log
	Conf    *Conf  // the membership as of Applied; nil: none was ever stored

	// Where the log begins: the index before its first entry, and the term there. A snapshot or a
	// compaction covers the log up to this index. Founders: 1 and 1.
	BeforeFirst     uint64
	BeforeFirstTerm uint64

	Last    uint64  // index of the last entry of the log; BeforeFirst if there is none
	Runs    []Run   // the term of each part of the log; nil where Entries begin at the first entry
	Entries []Entry // the entries above Applied, at least, up to Last; tokens are ignored
}

// Run is a part of the log with a single term. A run ends where the next run begins.
type Run struct {
	First uint64 // first index
	Term  uint64
}

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Run{})-C.sizeof_raftcore_run]
	_ = [1]struct{}{}[unsafe.Offsetof(Run{}.Term)-unsafe.Offsetof(C.raftcore_run{}.term)]
)

// Founder returns the data that each founder of a group stores before its first boot. Every founder
// must name equal voters. Found a group once: a node with an emptied disk must not found again.
func Founder(voters ...uint64) Stored {
	return Stored{
		HardState:       HardState{Commit: 1},
		Applied:         1,
		Conf:            &Conf{Voters: voters, Index: 1},
		BeforeFirst:     1,
		BeforeFirstTerm: 1,
		Last:            1,
	}
}

// Boot gives the node what is stored of it. Then the node runs.
//
// Boot checks that the data are complete and fit together. After an error the node can only be
// closed. The first ready has what had to be repaired, if anything.
//
// Never boot an emptied disk under the id that it had: the node may have voted, and acknowledged
// entries. Give the node another id, and add it to the group.
//
//   - [ErrCorrupt]: the stored data contradict themselves, or are incomplete.
//   - [ErrConf], [ErrDecode]: Conf is no valid membership, or has more than MaxPeers members.
//   - [ErrState]: booted before; or Conf is nil though there is a log.
//   - [ErrFull]: [StorageMessages], and the entries above Applied are larger than RecentBytes.
//
// If the entries above Applied do not fit into memory, call [Node.BootState], [Node.BootConf],
// [Node.BootTerms], [Node.BootEntries] and [Node.BootDone] instead.
func (n *Node) Boot(s Stored) error {
	var conf Conf
	has := C.int(0)
	if s.Conf != nil {
		conf, has = *s.Conf, 1
	} else if s.Commit > 0 || s.Applied > 0 || s.Last > 0 || len(s.Entries) > 0 {
		return &Error{Op: "Boot", Code: ErrState, Detail: "Conf is nil, though there is a log: " +
			"store and give the membership as of Applied (&Conf{}, if no membership was ever stored)"}
	}
	ids, members := conf.flat()
	c, h := n.lock()
	if h == nil {
		return closed("Boot")
	}
	defer c.mu.Unlock()
	entries := entriesToC(h, s.Entries)
	if entries == nil {
		return &Error{Op: "Boot", Code: ErrNoMemory}
	}
	numbers := C.raftcore_stored{
		term:              C.uint64_t(s.Term),
		vote:              C.uint64_t(s.Vote),
		commit:            C.uint64_t(s.Commit),
		applied:           C.uint64_t(s.Applied),
		before_first:      C.uint64_t(s.BeforeFirst),
		before_first_term: C.uint64_t(s.BeforeFirstTerm),
		last:              C.uint64_t(s.Last),
		n_runs:            C.size_t(len(s.Runs)),
		n_entries:         C.size_t(len(s.Entries)),
	}
	code := C.goraft_boot(h, &numbers, has, (*C.uint64_t)(&ids[0]), &members, pointer(conf.Bytes),
		C.size_t(len(conf.Bytes)), (*C.raftcore_run)(unsafe.Pointer(unsafe.SliceData(s.Runs))), entries)
	C.goraft_scratch_trim(h, mostScratch)
	if code < 0 {
		return failure(h, "Boot", code)
	}
	return nil
}

// ---- boot in pieces

// BootState restores the hard state. BootState is the first of the calls that boot in pieces.
//
// They come in the order BootState, BootConf, BootTerms, BootEntries, BootDone, each at most once
// (BootEntries as often as needed), and only those for which there is something. For arguments and
// errors see [Stored] and [Node.Boot].
func (n *Node) BootState(state HardState) error {
	c, h := n.lock()
	if h == nil {
		return closed("BootState")
	}
	return c.done("BootState",
		C.raftcore_boot_state(h.node, C.uint64_t(state.Term), C.uint64_t(state.Vote), C.uint64_t(state.Commit)))
}

// BootConf restores the membership as of the applied index, and where the log begins.
func (n *Node) BootConf(conf Conf, beforeFirst, term uint64) error {
	ids, members := conf.flat()
	c, h := n.lock()
	if h == nil {
		return closed("BootConf")
	}
	return c.done("BootConf", C.goraft_boot_conf(h, (*C.uint64_t)(&ids[0]), &members, pointer(conf.Bytes),
		C.size_t(len(conf.Bytes)), C.uint64_t(beforeFirst), C.uint64_t(term)))
}

// BootTerms restores the terms of the log, and where the log ends: forgotten entries show then.
// runs may be nil where BootEntries starts at the first entry.
func (n *Node) BootTerms(runs []Run, last uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("BootTerms")
	}
	return c.done("BootTerms", C.raftcore_boot_terms(h.node, (*C.raftcore_run)(unsafe.Pointer(unsafe.SliceData(runs))),
		C.size_t(len(runs)), C.uint64_t(last)))
}

// BootEntries restores entries, in order: at least the unapplied ones.
func (n *Node) BootEntries(entries []Entry) error {
	c, h := n.lock()
	if h == nil {
		return closed("BootEntries")
	}
	defer c.mu.Unlock()
	list := entriesToC(h, entries)
	if list == nil {
		return &Error{Op: "BootEntries", Code: ErrNoMemory}
	}
	code := C.raftcore_boot_entries(h.node, list, C.size_t(len(entries)))
	C.goraft_scratch_trim(h, mostScratch)
	if code < 0 {
		return failure(h, "BootEntries", code)
	}
	return nil
}

// BootDone ends the boot. Then the node runs.
func (n *Node) BootDone(applied uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("BootDone")
	}
	return c.done("BootDone", C.raftcore_boot_done(h.node, C.uint64_t(applied)))
}

// entriesToC copies entries and their data into C memory. nil: no memory.
func entriesToC(h *C.goraft_host, entries []Entry) *C.raftcore_entry {
	const record = C.sizeof_raftcore_entry
	size := len(entries) * record
	for _, e := range entries {
		size += len(e.Data) + len(e.Context)
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
		list[i].context.ptr = pointer(data)
		list[i].context.len = C.size_t(copy(data, e.Context))
		data = data[len(e.Context):]
	}
	return (*C.raftcore_entry)(scratch)
}
