package conformance

// #include "raftcore.h"
import "C"

import (
	"fmt"
	"unsafe"

	"go.etcd.io/raft/v3/raftpb"
)

// What no script needs of the ABI, and the tests that go beyond the scripts do.

func (o options) more(c *C.raftcore_config) {
	if o.seed != 0 {
		c.seed = C.uint64_t(o.seed)
	}
	if o.electionTicks != 0 {
		c.election_ticks = C.uint32_t(o.electionTicks)
	}
	if o.sizePerMsg != 0 {
		c.max_size_per_msg = C.uint64_t(o.sizePerMsg)
	}
	if o.uncommitted != 0 {
		c.max_uncommitted_size = C.uint64_t(o.uncommitted)
	}
	c.max_inflight_bytes = C.uint64_t(o.inflightBytes)
	if o.blockSize != 0 {
		c.block_bytes = C.uint64_t(o.blockSize)
	}
	if o.recentBytes != 0 {
		c.recent_bytes = C.uint64_t(o.recentBytes)
	}
	if o.seed != 0 {
		// A node has its memory from the start; of those nodes there are many.
		c.max_outstanding, c.max_messages = 16, 1024
	}
	c.read_timeout_ticks = 1 << 20 // etcd's raft has none
}

// A stored state is what a disk has for a node: hard state (nil: none yet), the configuration as of applied, the log's
// beginning, terms and entries.
type stored struct {
	hardState      *raftpb.HardState
	conf           *raftpb.ConfState
	base, baseTerm uint64
	terms          bool // give the terms of all entries, and of the entries only those from `from` on
	entries        []*raftpb.Entry
	from           uint64
	applied        uint64
	pieces         bool // by the calls that boot in pieces, not by raftcore_boot
}

func (n *core) bootFrom(s stored) error {
	var a arena
	defer a.free()
	b := (*C.raftcore_stored)(a.alloc(C.sizeof_raftcore_stored))
	b.struct_size = C.sizeof_raftcore_stored
	b.commit = C.uint64_t(s.base)
	if hs := s.hardState; hs != nil {
		b.term, b.vote, b.commit = C.uint64_t(hs.GetTerm()), C.uint64_t(hs.GetVote()), C.uint64_t(hs.GetCommit())
	}
	b.applied, b.before_first, b.before_first_term = C.uint64_t(s.applied), C.uint64_t(s.base), C.uint64_t(s.baseTerm)
	b.last = C.uint64_t(s.base + uint64(len(s.entries)))
	if s.base != 0 || len(s.entries) != 0 || len(s.conf.GetVoters()) != 0 {
		conf, err := a.conf(s.conf)
		if err != nil {
			return err
		}
		b.conf = conf
	}
	entries := s.entries
	if s.terms {
		var runs []C.raftcore_run
		for i, e := range entries {
			if i == 0 || e.GetTerm() != entries[i-1].GetTerm() {
				runs = append(runs, C.raftcore_run{first: C.uint64_t(e.GetIndex()), term: C.uint64_t(e.GetTerm())})
			}
		}
		first := (*C.raftcore_run)(a.alloc(C.size_t(len(runs)) * C.sizeof_raftcore_run))
		copy(unsafe.Slice(first, len(runs)), runs)
		b.runs, b.n_runs = first, C.size_t(len(runs))
		for len(entries) != 0 && entries[0].GetIndex() < s.from {
			entries = entries[1:]
		}
	}
	if len(entries) != 0 {
		b.entries, b.n_entries = a.entries(entries), C.size_t(len(entries))
	}
	if !s.pieces {
		return n.check("raftcore_boot", C.raftcore_boot(n.node, b))
	}
	return n.bootInPieces(b)
}

// bootInPieces makes the calls that raftcore_boot makes, the entries in two goes.
func (n *core) bootInPieces(b *C.raftcore_stored) error {
	if b.term|b.vote|b.commit != 0 {
		if err := n.check("raftcore_boot_state", C.raftcore_boot_state(n.node, b.term, b.vote, b.commit)); err != nil {
			return err
		}
	}
	if b.conf != nil {
		code := C.raftcore_boot_conf(n.node, b.conf, b.before_first, b.before_first_term)
		if err := n.check("raftcore_boot_conf", code); err != nil {
			return err
		}
		code = C.raftcore_boot_terms(n.node, b.runs, b.n_runs, b.last)
		if err := n.check("raftcore_boot_terms", code); err != nil {
			return err
		}
	}
	entries := unsafe.Slice(b.entries, b.n_entries)
	for _, part := range [][]C.raftcore_entry{entries[:len(entries)/2], entries[len(entries)/2:]} {
		if len(part) == 0 {
			continue
		}
		code := C.raftcore_boot_entries(n.node, unsafe.SliceData(part), C.size_t(len(part)))
		if err := n.check("raftcore_boot_entries", code); err != nil {
			return err
		}
	}
	return n.check("raftcore_boot_done", C.raftcore_boot_done(n.node, b.applied))
}

func (n *core) proposeMany(data [][]byte, token uint64) error {
	var a arena
	defer a.free()
	first := (*C.raftcore_slice)(a.alloc(C.size_t(len(data)) * C.sizeof_raftcore_slice))
	tokens := make([]C.uint64_t, len(data))
	list := unsafe.Slice(first, len(data))
	for i, d := range data {
		list[i], tokens[i] = a.slice(d), C.uint64_t(token)
	}
	return n.check("raftcore_propose_many", C.raftcore_propose_many(n.node, first, unsafe.SliceData(tokens), C.size_t(len(data))))
}

func (n *core) readIndex(token uint64) error {
	return n.check("raftcore_read_index", C.raftcore_read_index(n.node, C.uint64_t(token)))
}

func (n *core) reportSnapshot(peer uint64, arrived bool) error {
	how := C.uint32_t(C.RAFTCORE_SNAPSHOT_FAILED)
	if arrived {
		how = C.RAFTCORE_SNAPSHOT_ARRIVED
	}
	return n.check("raftcore_report_snapshot", C.raftcore_report_snapshot(n.node, C.uint64_t(peer), how))
}

// proposeEntry proposes an entry of any kind as it is.
func (n *core) proposeEntry(kind raftpb.EntryType, data []byte, token uint64) error {
	var a arena
	defer a.free()
	code := C.raftcore_propose_entry(n.node, C.uint32_t(kind), a.slice(data), C.uint64_t(token))
	return n.check("raftcore_propose_entry", code)
}

// applyChange applies a change that belongs to no entry.
func (n *core) applyChange(kind raftpb.EntryType, data []byte) (*raftpb.ConfState, []byte, error) {
	var a arena
	defer a.free()
	out := a.confOut()
	code := C.raftcore_apply_change(n.node, C.uint32_t(kind), a.slice(data), out)
	if err := n.check("raftcore_apply_change", code); err != nil {
		return nil, nil, err
	}
	return goConf(out)
}

func (n *core) persisted(number uint64) error {
	return n.check("raftcore_persisted", C.raftcore_persisted(n.node, C.uint64_t(number)))
}

func (n *core) applied(index uint64) error {
	return n.check("raftcore_applied", C.raftcore_applied(n.node, C.uint64_t(index)))
}

// conf is the configuration in force.
func (n *core) conf() (*raftpb.ConfState, error) {
	var a arena
	defer a.free()
	out := a.confOut()
	if err := n.check("raftcore_get_conf", C.raftcore_get_conf(n.node, out)); err != nil {
		return nil, err
	}
	conf, _, err := goConf(out)
	return conf, err
}

// Codes that the tests tell apart.
const (
	codeFull        = int32(C.RAFTCORE_E_FULL)
	codeImplausible = int32(C.RAFTCORE_E_IMPLAUSIBLE)
	codeNoLeader    = int32(C.RAFTCORE_E_NO_LEADER)
	codeStale       = int32(C.RAFTCORE_E_STALE)
	codeNoPeer      = int32(C.RAFTCORE_E_NO_PEER)
	codeConf        = int32(C.RAFTCORE_E_CONF)
	codeDecode      = int32(C.RAFTCORE_E_DECODE)
	codeState       = int32(C.RAFTCORE_E_STATE)
)

// lastEvents takes all events, as texts.
func (n *core) lastEvents() (texts []string) {
	var e C.raftcore_event
	for C.raftcore_next_event(n.node, &e) == C.RAFTCORE_OK {
		texts = append(texts, fmt.Sprintf("%s (%s) peer %d term %d index %d a %d b %d", C.GoString(C.raftcore_event_text(e.kind)),
			C.GoString(C.raftcore_reason_text(e.reason)), e.peer, e.term, e.index, e.a, e.b))
	}
	return texts
}
