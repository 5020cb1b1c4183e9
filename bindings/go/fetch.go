package raftcore

// #include "glue.h"
// #cgo noescape goraft_next_fetch
// #cgo nocallback goraft_next_fetch
// #cgo noescape goraft_scratch_trim
// #cgo nocallback goraft_scratch_trim
// #cgo noescape goraft_supply_snapshot
// #cgo nocallback goraft_supply_snapshot
// #cgo noescape raftcore_compacted
// #cgo nocallback raftcore_compacted
// #cgo noescape raftcore_report_snapshot
// #cgo nocallback raftcore_report_snapshot
// #cgo noescape raftcore_supply_entries
// #cgo nocallback raftcore_supply_entries
// #cgo noescape raftcore_supply_none
// #cgo nocallback raftcore_supply_none
import "C"

import "unsafe"

// Fetch is a request to read your log, or to make a snapshot.
type Fetch struct {
	Kind     FetchKind
	ID       uint64 // for the answer
	Peer     uint64 // the node in need; with [FetchApply] this node
	First    uint64 // entries: first index; snapshot: must cover the log up to First - 1, at least
	Last     uint64 // entries: last index
	MaxBytes uint64 // entries: more bytes are not taken now, except for one entry
}

// NextFetch takes the next request for what the node lacks; false: nothing. Answer each one with
// [Node.SupplyEntries], [Node.SupplySnapshot] or [Node.SupplyNone].
//
//   - [FetchApply]: entries of the node's own log, which left memory unapplied. After a boot with
//     more than RecentBytes of unapplied log this is normal. Nothing is applied before you answer;
//     all else goes on.
//   - [FetchEntries]: old entries for a peer that is far behind.
//   - [FetchSnapshot]: a snapshot for a peer that is behind the beginning of the log.
//
// Each peer has at most one open fetch; so has this node. NextFetch may be called at any time, also
// while a ready is outstanding.
func (n *Node) NextFetch() (Fetch, bool, error) {
	c, h := n.lock()
	if h == nil {
		return Fetch{}, false, closed("NextFetch")
	}
	code := C.goraft_next_fetch(C.uintptr_t(uintptr(unsafe.Pointer(h))))
	if code < 0 {
		return Fetch{}, false, c.fail("NextFetch", code)
	}
	var f Fetch
	if code == C.RAFTCORE_OK {
		v := &h.fetch
		f = Fetch{FetchKind(v.kind), uint64(v.id), uint64(v.peer), uint64(v.first), uint64(v.last), uint64(v.max_bytes)}
	}
	c.mu.Unlock()
	return f, code == C.RAFTCORE_OK, nil
}

// SupplyEntries answers a fetch of entries, for a peer or to apply: one entry or more, from
// Fetch.First on, without a gap. Entries that do not fit are not taken.
//
// wanted is false if the fetch has ended meanwhile; then nothing was done. After an error the fetch
// is still open: answer again, or with [Node.SupplyNone]. Errors of supplies concern this one
// fetch, and must not end the program.
func (n *Node) SupplyEntries(id uint64, entries []Entry) (wanted bool, err error) {
	c, h := n.lock()
	if h == nil {
		return false, closed("SupplyEntries")
	}
	defer c.mu.Unlock()
	list := entriesToC(h, entries)
	if list == nil {
		return false, &Error{Op: "SupplyEntries", Code: ErrNoMemory}
	}
	code := C.raftcore_supply_entries(h.node, C.uint64_t(id), list, C.size_t(len(entries)))
	C.goraft_scratch_trim(h, mostScratch)
	if code < 0 {
		return false, failure(h, "SupplyEntries", code)
	}
	return code == C.RAFTCORE_OK, nil
}

// SupplySnapshot answers a fetch of a snapshot. index is what the snapshot covers: at least
// Fetch.First - 1, at most what is committed. conf is the membership as of index, with the peer in
// it. data is the state. Encode an empty state in at least one byte: empty data travel beside the
// core.
//
// [ErrTooLarge]: data are larger than MaxSnapshotBytes (1 MiB by default). This is an everyday
// case: call SupplySnapshot again with nil, and send the data over a connection of your own. A
// message of kind [MsgSnap] then has the Index and LogTerm of the snapshot. The peer must have the
// data before the peer steps this message; see [SplitSnapshot]. While the data travel, call
// [Node.ReportSnapshot].
//
// [ErrConf]: conf is no valid membership. [ErrArg]: conf lacks the peer, or index can't be used.
// Results are as in [Node.SupplyEntries].
func (n *Node) SupplySnapshot(id, index uint64, conf Conf, data []byte) (wanted bool, err error) {
	ids, members := conf.flat()
	c, h := n.lock()
	if h == nil {
		return false, closed("SupplySnapshot")
	}
	code := C.goraft_supply_snapshot(h, C.uint64_t(id), C.uint64_t(index), (*C.uint64_t)(&ids[0]), &members,
		pointer(conf.Bytes), C.size_t(len(conf.Bytes)), pointer(data), C.size_t(len(data)))
	return code == C.RAFTCORE_OK, c.done("SupplySnapshot", code)
}

// SupplyNone answers a fetch with nothing. [SupplyGone]: the entries are compacted away, so the
// node asks for a snapshot. [SupplyLater]: the node asks again later. Results are as in
// [Node.SupplyEntries].
//
// [ErrCorrupt]: SupplyGone for [FetchApply]. Committed entries that are not applied can't be gone.
func (n *Node) SupplyNone(id uint64, why SupplyNone) (wanted bool, err error) {
	c, h := n.lock()
	if h == nil {
		return false, closed("SupplyNone")
	}
	code := C.raftcore_supply_none(h.node, C.uint64_t(id), C.uint32_t(why))
	return code == C.RAFTCORE_OK, c.done("SupplyNone", code)
}

// ReportSnapshot reports on the snapshot to peer. If you do not report, the leader waits for the
// peer's acknowledgement, at most SnapshotTimeoutTicks. While a long snapshot is being sent, report
// [SnapshotUnderWay] more often than that. [ErrNoPeer] is normal: the peer has left the group.
func (n *Node) ReportSnapshot(peer uint64, how SnapshotReport) error {
	c, h := n.lock()
	if h == nil {
		return closed("ReportSnapshot")
	}
	return c.done("ReportSnapshot", C.raftcore_report_snapshot(h.node, C.uint64_t(peer), C.uint32_t(how)))
}

// Compacted reports that you have dropped the entries up to index from your log, at most up to what
// is applied. The state as of index or later must be on disk before. [ErrStale]: dropped before;
// harmless.
func (n *Node) Compacted(index uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("Compacted")
	}
	return c.done("Compacted", C.raftcore_compacted(h.node, C.uint64_t(index)))
}
