package conformance

// #cgo !hooks,!faulty LDFLAGS: ${SRCDIR}/../../target/c/libraftcore.a
// #cgo hooks LDFLAGS: ${SRCDIR}/../../target/c/libraftcore_faults.a
// #cgo LDFLAGS: -lm -lpthread -ldl
// #include <stdlib.h>
// #include <string.h>
// #include "raftcore.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"go.etcd.io/raft/v3/raftpb"
)

// Bits of core.hasReady that etcd's HasReady knows. What raftcore has beside them (fetches, events, dropped tokens) is not
// work in etcd's eyes.
const etcdWork = C.RAFTCORE_HAS_HARD_STATE | C.RAFTCORE_HAS_SOFT_STATE | C.RAFTCORE_HAS_SNAPSHOT | C.RAFTCORE_HAS_ENTRIES |
	C.RAFTCORE_HAS_MESSAGES | C.RAFTCORE_HAS_COMMITTED | C.RAFTCORE_HAS_READS

const (
	localAppend = uint64(C.RAFTCORE_ID_LOCAL_APPEND)
	localApply  = uint64(C.RAFTCORE_ID_LOCAL_APPLY)
	group       = 0x636f6e66
)

// A codeError is a negative code of the ABI, with the node's own words for it.
type codeError struct {
	call   string
	code   int32
	detail string
}

// What a code means to a script. etcd has one error for all proposals that are not taken.
type meaning int

const (
	meansOther meaning = iota
	meansNoPeer
	meansDropped
)

func (e *codeError) meaning() meaning {
	switch e.code {
	case C.RAFTCORE_E_NO_PEER:
		return meansNoPeer
	case C.RAFTCORE_E_NO_LEADER, C.RAFTCORE_E_NOT_LEADER, C.RAFTCORE_E_FULL:
		return meansDropped
	}
	return meansOther
}

func (e *codeError) Error() string {
	s := fmt.Sprintf("%s: %d (%s)", e.call, e.code, C.GoString(C.raftcore_strerror(C.raftcore_code(e.code))))
	if e.detail != "" {
		s += ": " + e.detail
	}
	return s
}

// options is what add-nodes can say about a node. The zero value is the base configuration of etcd's scripts.
type options struct {
	async, preVote, checkQuorum, leaseReads bool
	stepDownOnRemoval, noConfValidation     bool
	inflight, committedSize                 uint64

	// What no script says. Zero is the scripts' choice.
	storage                                                        storage
	ownDefaults                                                    bool // raftcore's defaults instead of etcd's choices
	noForwarding                                                   bool
	spans                                                          bool // committed entries that left the recent log come as spans
	decoded                                                        bool // messages carry their entries decoded
	seed                                                           uint64
	electionTicks                                                  uint32
	sizePerMsg, uncommitted, inflightBytes, recentBytes, blockSize uint64
}

// A storage is a way to write and apply: raftcore_config.storage.
type storage C.uint32_t

const (
	storageSync     storage = C.RAFTCORE_STORAGE_SYNC
	storageAsync    storage = C.RAFTCORE_STORAGE_ASYNC
	storageMessages storage = C.RAFTCORE_STORAGE_MESSAGES
)

const (
	electionTicks  = 3
	heartbeatTicks = 1
	plenty         = 1 << 20 // bytes, for limits that no script is to reach; the longest entry has a dozen
)

// core is one raftcore node. Only this type calls C.
type core struct {
	node  *C.raftcore_node
	ready *C.raftcore_ready // in C memory: it holds C pointers for longer than a call
	mode  C.uint32_t

	decoded bool // messages carry their entries decoded, too
}

func newCore(id uint64, o options) (*core, error) {
	var c C.raftcore_config
	if err := check("raftcore_config_init", C.raftcore_config_init(&c, C.uint32_t(unsafe.Sizeof(c)))); err != nil {
		return nil, err
	}
	if !o.ownDefaults {
		code := C.raftcore_config_preset(&c, C.RAFTCORE_PRESET_ETCD)
		if err := check("raftcore_config_preset", code); err != nil {
			return nil, err
		}
	}
	set := func(flag C.uint64_t, on bool) {
		c.flags &^= flag
		if on {
			c.flags |= flag
		}
	}
	set(C.RAFTCORE_FLAG_PRE_VOTE, o.preVote)
	set(C.RAFTCORE_FLAG_CHECK_QUORUM, o.checkQuorum)
	set(C.RAFTCORE_FLAG_LEASE_READS, o.leaseReads)
	set(C.RAFTCORE_FLAG_STAY_WHEN_REMOVED, !o.stepDownOnRemoval)
	set(C.RAFTCORE_FLAG_NO_CONF_VALIDATION, o.noConfValidation)
	set(C.RAFTCORE_FLAG_FORWARDING, !o.noForwarding)
	set(C.RAFTCORE_FLAG_COMMITTED_SPANS, o.spans)
	set(C.RAFTCORE_FLAG_DECODED_MSGS, o.decoded)
	c.storage = C.uint32_t(o.storage)
	if o.async {
		c.storage = C.RAFTCORE_STORAGE_MESSAGES
	}
	c.id, c.group, c.seed = C.uint64_t(id), group, C.uint64_t(id)
	c.election_ticks, c.heartbeat_ticks = electionTicks, heartbeatTicks
	c.vote_fence_ticks = 0 // etcd's raft has none, nor a preset for it
	c.max_peers, c.max_outstanding = 16, 64
	c.max_inflight_msgs, c.max_messages, c.max_entries_per_ready = 1024, 4096, 1024
	c.recent_bytes, c.catchup_bytes = plenty, plenty
	c.max_size_per_msg, c.max_committed_size_per_ready = plenty, plenty
	if o.inflight != 0 {
		c.max_inflight_msgs = C.uint32_t(o.inflight)
	}
	if o.committedSize != 0 {
		c.max_committed_size_per_ready = C.uint64_t(o.committedSize)
	}
	o.more(&c)

	n := &core{mode: c.storage, decoded: o.decoded}
	if err := check("raftcore_new", C.raftcore_new(&c, &n.node)); err != nil {
		return nil, err
	}
	n.ready = (*C.raftcore_ready)(C.calloc(1, C.sizeof_raftcore_ready))
	return n, nil
}

func (n *core) free() {
	_ = C.raftcore_free(n.node)
	C.free(unsafe.Pointer(n.ready))
	n.node, n.ready = nil, nil
}

func check(call string, code C.raftcore_code) error {
	if code >= 0 {
		return nil
	}
	return &codeError{call: call, code: int32(code)}
}

func (n *core) check(call string, code C.raftcore_code) error {
	if code >= 0 {
		return nil
	}
	var buf [512]C.char
	size := C.raftcore_error_detail(n.node, &buf[0], C.size_t(len(buf)))
	detail := ""
	if size > 0 {
		detail = C.GoString(&buf[0])
	}
	return &codeError{call: call, code: int32(code), detail: detail}
}

// boot starts the node from a snapshot, as a host does that stored one and nothing else; from nothing if its index is 0.
func (n *core) boot(snap *raftpb.Snapshot) error {
	index, term := C.uint64_t(snap.GetMetadata().GetIndex()), C.uint64_t(snap.GetMetadata().GetTerm())
	var a arena
	defer a.free()
	s := (*C.raftcore_stored)(a.alloc(C.sizeof_raftcore_stored))
	s.struct_size = C.sizeof_raftcore_stored
	if index != 0 || len(snap.GetMetadata().GetConfState().GetVoters()) != 0 {
		conf, err := a.conf(snap.GetMetadata().GetConfState())
		if err != nil {
			return err
		}
		s.commit, s.applied, s.before_first, s.before_first_term, s.last, s.conf = index, index, index, term, index, conf
	}
	return n.check("raftcore_boot", C.raftcore_boot(n.node, s))
}

func (n *core) tick() error { return n.check("raftcore_tick", C.raftcore_tick(n.node, 1)) }

// step gives the node a message that came over the network. The network is the driver's own, so no sender is checked.
func (n *core) step(wire []byte) error {
	return n.check("raftcore_step", C.raftcore_step(n.node, 0, bytesPtr(wire), C.size_t(len(wire))))
}

// stepLocal gives the node one of its own responses back, now that storage has done what it waited for.
func (n *core) stepLocal(wire []byte) error {
	return n.check("raftcore_step_local", C.raftcore_step_local(n.node, bytesPtr(wire), C.size_t(len(wire))))
}

func (n *core) propose(data []byte) error {
	var a arena
	defer a.free()
	part := (*C.raftcore_slice)(a.alloc(C.sizeof_raftcore_slice))
	*part = a.slice(data)
	return n.check("raftcore_propose", C.raftcore_propose(n.node, part, 1, 0))
}

// A transition says how a configuration change takes effect.
type transition C.uint32_t

const (
	transitionAuto     transition = C.RAFTCORE_TRANSITION_AUTO
	transitionImplicit transition = C.RAFTCORE_TRANSITION_JOINT_IMPLICIT
	transitionExplicit transition = C.RAFTCORE_TRANSITION_JOINT_EXPLICIT
	transitionV1       transition = C.RAFTCORE_TRANSITION_V1
)

func (n *core) proposeConfChange(changes []*raftpb.ConfChangeSingle, way transition) error {
	var a arena
	defer a.free()
	code := C.raftcore_propose_conf(
		n.node, a.changes(changes), C.size_t(len(changes)), C.uint32_t(way), C.raftcore_slice{}, 0,
	)
	return n.check("raftcore_propose_conf", code)
}

func (n *core) campaign() error {
	return n.check("raftcore_campaign", C.raftcore_campaign(n.node))
}

func (n *core) transfer(to uint64) error {
	return n.check("raftcore_transfer", C.raftcore_transfer(n.node, C.uint64_t(to)))
}

func (n *core) forgetLeader() error {
	return n.check("raftcore_forget_leader", C.raftcore_forget_leader(n.node))
}

func (n *core) reportUnreachable(peer uint64) error {
	return n.check("raftcore_report_unreachable", C.raftcore_report_unreachable(n.node, C.uint64_t(peer)))
}

func (n *core) setElectionTimeout(ticks uint32) error {
	return n.check("raftcore_set_election_timeout", C.raftcore_set_election_timeout(n.node, C.uint32_t(ticks)))
}

func (n *core) compacted(index uint64) error {
	return n.check("raftcore_compacted", C.raftcore_compacted(n.node, C.uint64_t(index)))
}

// hasReady answers etcd's question of that name.
func (n *core) hasReady() (bool, error) {
	bits := C.raftcore_has_ready(n.node)
	return bits&etcdWork != 0, n.check("raftcore_has_ready", C.raftcore_code(bits))
}

// A batch is a ready, copied out of the node, in etcd's types.
type batch struct {
	number             uint64
	softState          bool
	role               uint32
	leader             uint64
	hardState          *raftpb.HardState // nil: unchanged
	mustSync           bool
	snapshot           *raftpb.Snapshot // nil: none
	entries, committed []*raftpb.Entry
	first, last        uint64 // what is committed; with COMMITTED_SPANS the entries may be missing
	bare               bool   // they are: for the host to note
	messages           []packet
	reads              []answered
	dropped            []uint64 // tokens
	tokens             []uint64 // of proposals that are among what is committed
}

// A packet is a message as raftcore wrote it, and decoded.
type packet struct {
	*raftpb.Message
	wire  []byte
	after bool // waits until its ready is durable
}

// takeReady takes the next batch; nil if there is none.
func (n *core) takeReady() (*batch, error) {
	rd := n.ready
	rd.struct_size = C.sizeof_raftcore_ready
	code := C.raftcore_get_ready(n.node, rd)
	if code == C.RAFTCORE_NONE {
		return nil, nil
	}
	if err := n.check("raftcore_get_ready", code); err != nil {
		return nil, err
	}
	b := &batch{
		number:    uint64(rd.number),
		softState: rd.flags&C.RAFTCORE_RF_SOFT_STATE != 0,
		role:      uint32(rd.role),
		leader:    uint64(rd.leader),
		mustSync:  rd.flags&C.RAFTCORE_RF_MUST_SYNC != 0,
		first:     uint64(rd.committed_first),
		last:      uint64(rd.committed_last),
	}
	if rd.flags&C.RAFTCORE_RF_HARD_STATE != 0 {
		b.hardState = &raftpb.HardState{
			Term: new(uint64(rd.term)), Vote: new(uint64(rd.vote)), Commit: new(uint64(rd.commit)),
		}
	}
	if rd.flags&C.RAFTCORE_RF_SNAPSHOT != 0 {
		conf, err := storedConf(rd.snapshot_conf, uint64(rd.snapshot_index))
		if err != nil {
			return nil, fmt.Errorf("configuration of a snapshot: %w", err)
		}
		b.snapshot = &raftpb.Snapshot{
			Data: goBytes(rd.snapshot_data),
			Metadata: &raftpb.SnapshotMetadata{
				ConfState: conf, Index: new(uint64(rd.snapshot_index)), Term: new(uint64(rd.snapshot_term)),
			},
		}
	}
	for e := range strided(rd.entries, rd.n_entries, rd.entry_stride) {
		b.entries = append(b.entries, goEntry(e))
	}
	for e := range strided(rd.committed, rd.n_committed, rd.entry_stride) {
		b.committed = append(b.committed, goEntry(e))
		if e.token != 0 {
			b.tokens = append(b.tokens, uint64(e.token))
		}
	}
	for d := range strided(rd.done, rd.n_done, rd.done_stride) {
		b.tokens = append(b.tokens, uint64(d.token))
	}
	if err := checkSpan(b.committed, b.first, b.last); err != nil {
		return nil, err
	}
	for m := range strided(rd.msgs, rd.n_msgs, rd.msg_stride) {
		p, err := n.goMessage(m)
		if err != nil {
			return nil, err
		}
		b.messages = append(b.messages, p)
	}
	for r := range strided(rd.reads, rd.n_reads, rd.read_stride) {
		b.reads = append(b.reads, answered{uint64(r.token), uint64(r.index)})
	}
	for d := range strided(rd.dropped, rd.n_dropped, rd.drop_stride) {
		b.dropped = append(b.dropped, uint64(d.token))
	}
	return b, nil
}

// An answered read may be served once the index is applied.
type answered struct{ token, index uint64 }

// checkSpan holds the committed entries to the span that the ready names: all of it or, if they left the recent log, nothing.
func checkSpan(committed []*raftpb.Entry, first, last uint64) error {
	if len(committed) == 0 && first <= last && (first == 0) == (last == 0) {
		return nil
	}
	n := uint64(len(committed))
	if n == 0 || committed[0].GetIndex() != first || committed[n-1].GetIndex() != last || last-first+1 != n {
		return fmt.Errorf("span %d..=%d of committed entries comes with %d of them", first, last, n)
	}
	return nil
}

// goMessage flattens and decodes a message, and holds the struct beside it to the same contents.
func (n *core) goMessage(m *C.raftcore_msg) (packet, error) {
	const header = C.RAFTCORE_FRAME_HEADER
	var frame []byte
	for s := range strided(m.frame, m.n_frame, C.sizeof_raftcore_slice) {
		frame = append(frame, goBytes(*s)...)
	}
	if len(frame) != int(m.frame_bytes) || len(frame) < header ||
		binary.LittleEndian.Uint32(frame) != uint32(len(frame)-header) || binary.LittleEndian.Uint64(frame[4:]) != group {
		return packet{}, fmt.Errorf("frame of %d bytes, frame_bytes %d, begins with %x", len(frame), m.frame_bytes, frame[:min(header, len(frame))])
	}
	p, err := decode(frame[header:])
	if err != nil {
		return packet{}, err
	}
	type fields struct {
		kind                                               int32
		to, from, term, logTerm, index, commit, hint, vote uint64
		reject                                             bool
		context, conf, entries                             string
	}
	inStruct := fields{
		int32(m.kind), uint64(m.to), uint64(m.from), uint64(m.term), uint64(m.log_term), uint64(m.index), uint64(m.commit),
		uint64(m.reject_hint), uint64(m.vote), m.flags&C.RAFTCORE_MF_REJECT != 0, string(goBytes(m.context)), "", "",
	}
	inBytes := fields{
		int32(p.GetType()), p.GetTo(), p.GetFrom(), p.GetTerm(), p.GetLogTerm(), p.GetIndex(), p.GetCommit(),
		p.GetRejectHint(), p.GetVote(), p.GetReject(), string(p.GetContext()), "", "",
	}
	if p.GetType() == raftpb.MsgSnap {
		meta := p.GetSnapshot().GetMetadata()
		if p.GetIndex() != 0 || p.GetLogTerm() != 0 {
			return packet{}, fmt.Errorf("MsgSnap has index %d and logTerm %d on the wire", p.GetIndex(), p.GetLogTerm())
		}
		inBytes.index, inBytes.logTerm, inBytes.conf = meta.GetIndex(), meta.GetTerm(), meta.GetConfState().String()
		conf, err := storedConf(m.snapshot_conf, 0)
		if err != nil {
			return packet{}, fmt.Errorf("snapshot_conf: %w", err)
		}
		inStruct.conf = conf.String()
	} else if m.snapshot_conf.len != 0 {
		return packet{}, fmt.Errorf("%s has snapshot_conf", p.GetType())
	}
	if n.decoded && (p.GetType() == raftpb.MsgApp || p.GetType() == raftpb.MsgProp) {
		for e := range strided(m.entries, m.n_entries, m.entry_stride) {
			entry := goEntry(e)
			inStruct.entries += fmt.Sprintf(" %d/%d %s %x", entry.GetTerm(), entry.GetIndex(), entry.GetType(), entry.GetData())
		}
		for _, e := range p.GetEntries() {
			inBytes.entries += fmt.Sprintf(" %d/%d %s %x", e.GetTerm(), e.GetIndex(), e.GetType(), e.GetData())
		}
	}
	if inStruct != inBytes {
		return packet{}, fmt.Errorf("raftcore_msg says %+v, its bytes say %+v", inStruct, inBytes)
	}
	p.after = m.flags&C.RAFTCORE_MF_AFTER != 0
	return p, nil
}

// storedConf decodes a configuration for the host to store, which carries the index that it is as of in a field of its own, beyond
// etcd's. index is what that must say; 0: nothing.
func storedConf(s C.raftcore_slice, index uint64) (*raftpb.ConfState, error) {
	const tag = 15 << 3 // varint
	conf := &raftpb.ConfState{}
	if err := proto.Unmarshal(goBytes(s), conf); err != nil {
		return nil, err
	}
	var own []byte
	if index != 0 {
		own = binary.AppendUvarint([]byte{tag}, index)
	}
	if unknown := conf.ProtoReflect().GetUnknown(); !bytes.Equal(unknown, own) {
		return nil, fmt.Errorf("fields beyond etcd's are %x, not %x", []byte(unknown), own)
	}
	conf.ProtoReflect().SetUnknown(nil)
	return conf, nil
}

// decode reads a message with etcd's types. A field that these do not know is an error: nothing of what raftcore sends may
// be lost on an etcd peer.
func decode(wire []byte) (packet, error) {
	m := &raftpb.Message{}
	if err := proto.Unmarshal(wire, m); err != nil {
		return packet{}, fmt.Errorf("message %x: %w", wire, err)
	}
	unknown := m.ProtoReflect().GetUnknown()
	if conf := m.GetSnapshot().GetMetadata().GetConfState(); conf != nil {
		unknown = append(unknown[:len(unknown):len(unknown)], conf.ProtoReflect().GetUnknown()...)
	}
	if len(unknown) != 0 {
		return packet{}, fmt.Errorf("message %x: unknown fields %x", wire, []byte(unknown))
	}
	return packet{Message: m, wire: wire}, nil
}

func encode(m *raftpb.Message) ([]byte, error) { return proto.Marshal(m) }

func (n *core) advance(number uint64) error {
	return n.check("raftcore_advance", C.raftcore_advance(n.node, C.uint64_t(number)))
}

func (n *core) release(number uint64) error {
	return n.check("raftcore_release", C.raftcore_release(n.node, C.uint64_t(number)))
}

// applyConf applies a committed change; it answers the new configuration and the context that the change carried.
func (n *core) applyConf(e *raftpb.Entry) (*raftpb.ConfState, []byte, error) {
	var a arena
	defer a.free()
	out := a.confOut()
	code := C.raftcore_apply_conf(n.node, a.entries([]*raftpb.Entry{e}), out)
	if err := n.check("raftcore_apply_conf", code); err != nil {
		return nil, nil, err
	}
	return goConf(out)
}

// goConf decodes a configuration that the node gave, and the context of the change that led to it.
func goConf(out *C.raftcore_conf) (*raftpb.ConfState, []byte, error) {
	conf, err := storedConf(out.bytes, uint64(out.index))
	if err != nil {
		return nil, nil, fmt.Errorf("a configuration as of %d: %w", uint64(out.index), err)
	}
	return conf, goBytes(out.context), nil
}

// A fetch asks the host for entries of its log or for a snapshot.
type fetch struct {
	snapshot        bool
	own             bool // entries of this node's own log, to apply
	id, first, last uint64
	bytes, peer     uint64
}

// nextFetch answers what the node asks for next; nil if nothing.
func (n *core) nextFetch() (*fetch, error) {
	var f C.raftcore_fetch
	f.struct_size = C.sizeof_raftcore_fetch
	code := C.raftcore_next_fetch(n.node, &f)
	if code == C.RAFTCORE_NONE {
		return nil, nil
	}
	if err := n.check("raftcore_next_fetch", code); err != nil {
		return nil, err
	}
	return &fetch{
		snapshot: f.kind == C.RAFTCORE_FETCH_SNAPSHOT, own: f.kind == C.RAFTCORE_FETCH_APPLY, id: uint64(f.id), first: uint64(f.first), last: uint64(f.last),
		bytes: uint64(f.max_bytes), peer: uint64(f.peer),
	}, nil
}

func (n *core) supplyEntries(id uint64, entries []*raftpb.Entry) error {
	var a arena
	defer a.free()
	code := C.raftcore_supply_entries(n.node, C.uint64_t(id), a.entries(entries), C.size_t(len(entries)))
	return n.check("raftcore_supply_entries", code)
}

func (n *core) supplySnapshot(id uint64, snap *raftpb.Snapshot) error {
	var a arena
	defer a.free()
	conf, err := a.conf(snap.GetMetadata().GetConfState())
	if err != nil {
		return err
	}
	index := C.uint64_t(snap.GetMetadata().GetIndex())
	code := C.raftcore_supply_snapshot(n.node, C.uint64_t(id), index, conf, a.slice(snap.GetData()))
	return n.check("raftcore_supply_snapshot", code)
}

// supplyGone says that the log no longer holds what was asked for.
func (n *core) supplyGone(id uint64) error {
	code := C.raftcore_supply_none(n.node, C.uint64_t(id), C.RAFTCORE_SUPPLY_GONE)
	return n.check("raftcore_supply_none", code)
}

type nodeStatus struct {
	role                              uint32
	leads                             bool
	term, leader                      uint64
	voter                             bool // in either half of the configuration
	vote, commit, applied, transferee uint64
	lastIndex                         uint64
	electionElapsed, electionTimeout  uint32
	conf                              *raftpb.ConfState
}

func (n *core) status(id uint64) (nodeStatus, error) {
	var st C.raftcore_status
	st.struct_size = C.sizeof_raftcore_status
	if err := n.check("raftcore_get_status", C.raftcore_get_status(n.node, &st)); err != nil {
		return nodeStatus{}, err
	}
	var a arena
	defer a.free()
	conf := a.confOut()
	if err := n.check("raftcore_get_conf", C.raftcore_get_conf(n.node, conf)); err != nil {
		return nodeStatus{}, err
	}
	s := nodeStatus{
		role: uint32(st.role), leads: st.role == C.RAFTCORE_ROLE_LEADER, term: uint64(st.term), leader: uint64(st.leader),
		vote: uint64(st.vote), commit: uint64(st.commit), applied: uint64(st.applied), transferee: uint64(st.transferee),
		lastIndex: uint64(st.last_index), electionElapsed: uint32(st.election_elapsed),
		electionTimeout: uint32(st.election_timeout),
	}
	var err error
	if s.conf, _, err = goConf(conf); err != nil {
		return nodeStatus{}, err
	}
	for _, half := range [][]C.uint64_t{
		unsafe.Slice(conf.voters, conf.n_voters), unsafe.Slice(conf.outgoing, conf.n_outgoing),
	} {
		for _, v := range half {
			s.voter = s.voter || uint64(v) == id
		}
	}
	return s, nil
}

// A flow is how a leader replicates to a node.
type flow C.uint32_t

func (f flow) String() string {
	switch f {
	case C.RAFTCORE_FLOW_PROBE:
		return "StateProbe"
	case C.RAFTCORE_FLOW_REPLICATE:
		return "StateReplicate"
	case C.RAFTCORE_FLOW_SNAPSHOT:
		return "StateSnapshot"
	}
	return fmt.Sprintf("flow %d", uint32(f))
}

// A peer is a leader's view of one node.
type peer struct {
	id, match, next, pendingSnapshot, inflight uint64
	flow                                       flow
	learner, paused, active, full              bool
}

func (n *core) peers() ([]peer, error) {
	var buf [16]C.raftcore_peer
	var count C.size_t
	code := C.raftcore_get_peers(n.node, &buf[0], C.size_t(len(buf)), &count)
	if err := n.check("raftcore_get_peers", code); err != nil {
		return nil, err
	}
	var out []peer
	for _, p := range buf[:count] {
		out = append(out, peer{
			id: uint64(p.id), match: uint64(p.match_index), next: uint64(p.next_index),
			pendingSnapshot: uint64(p.pending_snapshot), inflight: uint64(p.inflight_msgs), flow: flow(p.flow),
			learner: p.flags&C.RAFTCORE_PF_LEARNER != 0, paused: p.flags&C.RAFTCORE_PF_PAUSED != 0,
			active: p.flags&C.RAFTCORE_PF_ACTIVE != 0, full: p.flags&C.RAFTCORE_PF_WINDOW_FULL != 0,
		})
	}
	return out, nil
}

// An arena is C memory for the arguments of one call: Go memory that holds pointers may not be passed.
type arena struct{ blocks []unsafe.Pointer }

func (a *arena) alloc(size C.size_t) unsafe.Pointer {
	p := C.calloc(1, max(size, 1))
	a.blocks = append(a.blocks, p)
	return p
}

func (a *arena) free() {
	for _, p := range a.blocks {
		C.free(p)
	}
}

func (a *arena) slice(b []byte) C.raftcore_slice {
	if len(b) == 0 {
		return C.raftcore_slice{}
	}
	p := C.CBytes(b)
	a.blocks = append(a.blocks, p)
	return C.raftcore_slice{ptr: (*C.uint8_t)(p), len: C.size_t(len(b))}
}

func (a *arena) entries(list []*raftpb.Entry) *C.raftcore_entry {
	first := (*C.raftcore_entry)(a.alloc(C.size_t(len(list)) * C.sizeof_raftcore_entry))
	out := unsafe.Slice(first, len(list))
	for i, e := range list {
		out[i].term, out[i].index = C.uint64_t(e.GetTerm()), C.uint64_t(e.GetIndex())
		out[i].kind, out[i].data = C.uint32_t(e.GetType()), a.slice(e.GetData())
	}
	return first
}

func (a *arena) changes(list []*raftpb.ConfChangeSingle) *C.raftcore_change {
	first := (*C.raftcore_change)(a.alloc(C.size_t(len(list)) * C.sizeof_raftcore_change))
	out := unsafe.Slice(first, len(list))
	for i, c := range list {
		out[i].id, out[i].kind = C.uint64_t(c.GetNodeId()), C.uint32_t(c.GetType())
	}
	return first
}

func (a *arena) conf(cs *raftpb.ConfState) (*C.raftcore_conf, error) {
	bytes, err := proto.Marshal(cs)
	if err != nil {
		return nil, err
	}
	conf := a.confOut()
	conf.bytes = a.slice(bytes)
	return conf, nil
}

func (a *arena) confOut() *C.raftcore_conf {
	conf := (*C.raftcore_conf)(a.alloc(C.sizeof_raftcore_conf))
	conf.struct_size = C.sizeof_raftcore_conf
	return conf
}

func bytesPtr(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }

func goBytes(s C.raftcore_slice) []byte {
	if s.len == 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(s.ptr), C.int(s.len))
}

func goEntry(e *C.raftcore_entry) *raftpb.Entry {
	return &raftpb.Entry{
		Term: new(uint64(e.term)), Index: new(uint64(e.index)), Type: raftpb.EntryType(e.kind).Enum(), Data: goBytes(e.data),
	}
}

// strided walks an array whose elements may be larger than this header knows.
func strided[T any](first *T, count, stride C.uint32_t) func(yield func(*T) bool) {
	return func(yield func(*T) bool) {
		for i := range uintptr(count) {
			if !yield((*T)(unsafe.Add(unsafe.Pointer(first), i*uintptr(stride)))) {
				return
			}
		}
	}
}
