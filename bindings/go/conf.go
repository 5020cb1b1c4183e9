package raftcore

// #include "glue.h"
// #cgo noescape goraft_apply_change
// #cgo nocallback goraft_apply_change
// #cgo noescape goraft_apply_conf
// #cgo nocallback goraft_apply_conf
// #cgo noescape goraft_conf_encode
// #cgo nocallback goraft_conf_encode
// #cgo noescape goraft_propose_conf
// #cgo nocallback goraft_propose_conf
// #cgo noescape goraft_skip_conf
// #cgo nocallback goraft_skip_conf
// #cgo noescape raftcore_get_conf
// #cgo nocallback raftcore_get_conf
import "C"

import (
	"slices"
	"unsafe"
)

// Conf is a membership: the voters and learners of a group.
//
// A call takes Bytes if present, else the ids and Index. A call returns both.
type Conf struct {
	Voters       []uint64 // in a joint configuration: the incoming half
	Outgoing     []uint64 // the outgoing half; empty unless joint
	Learners     []uint64
	LearnersNext []uint64 // learners once the joint configuration is left
	AutoLeave    bool     // a joint configuration is left automatically
	Index        uint64   // the index of the membership; 0: unknown
	Dialect      Dialect  // of the log; Bytes have the dialect, too
	Bytes        []byte   // to store: a raftpb ConfState with Index
	Context      []byte   // from ApplyConfChange: the context of the change, for example an address
}

// Encode returns the bytes of a membership from its ids and Index. For example, a founder stores
// them. Encode needs no node. [ErrUnsupported]: an unknown Dialect.
func (conf Conf) Encode() ([]byte, error) {
	ids, members := conf.flat()
	buf := make([]byte, 64+10*len(ids))
	var need C.size_t
	code := C.goraft_conf_encode((*C.uint64_t)(&ids[0]), &members, pointer(buf), C.size_t(len(buf)), &need)
	if code == C.RAFTCORE_E_TOO_SMALL {
		buf = make([]byte, need)
		code = C.goraft_conf_encode((*C.uint64_t)(&ids[0]), &members, pointer(buf), C.size_t(len(buf)), &need)
	}
	if code < 0 {
		return nil, failure(nil, "Encode", code)
	}
	return buf[:need:need], nil
}

// Change is a step of a membership change.
type Change struct {
	Kind ChangeKind
	ID   uint64 // the node to add or remove
}

// ConfChange is the argument of [Node.ProposeConfChange].
type ConfChange struct {
	Changes    []Change // 1 to 64; none: leave a joint membership
	Transition Transition
	Context    []byte // ApplyConfChange returns it on every node; for example the new node's address
}

// ProposeConfChange proposes a change of the membership, at the leader. Propose a single change at
// a time: the next one after the last one is applied. token is as in [Node.Propose].
//
// To add a node, add a learner ([ChangeAddLearner]), wait until [Peer] has PeerCaughtUp, then
// promote the learner ([ChangeAddNode]). A voter that nobody can reach counts in every quorum: a
// few of them stop the group for ever.
//
//   - [ErrConfBusy]: another change is in progress. Retry after it is applied.
//   - [ErrConf]: the change is invalid here, or the group would have more than MaxPeers members.
//   - [ErrNotLeader], [ErrNoLeader], [ErrFull]: as in Propose.
//   - [ErrArg]: an unknown kind or transition, a reserved id, or more than 64 changes.
//   - [ErrUnsupported]: [ChangeUpdateNode], with [DialectEraftpb].
func (n *Node) ProposeConfChange(cc ConfChange, token uint64) error {
	return n.proposeConf("ProposeConfChange", 0, 0, cc, token)
}

// ProposeConfChangeAt is [Node.ProposeConfChange], if the membership is the one that the author of
// the change has seen: index is the Index of that [Conf].
//
// [ErrStale]: another membership is in force, or its index is unknown. Look again. Other errors
// are as in ProposeConfChange.
func (n *Node) ProposeConfChangeAt(index uint64, cc ConfChange, token uint64) error {
	return n.proposeConf("ProposeConfChangeAt", 1, index, cc, token)
}

func (n *Node) proposeConf(op string, bound C.int, index uint64, cc ConfChange, token uint64) error {
	flat := make([]uint64, 0, 2*len(cc.Changes)+1)
	for _, step := range cc.Changes {
		flat = append(flat, step.ID, uint64(step.Kind))
	}
	c, h := n.lock()
	if h == nil {
		return closed(op)
	}
	code := C.goraft_propose_conf(h, bound, C.uint64_t(index), (*C.uint64_t)(unsafe.SliceData(flat)), C.size_t(len(cc.Changes)), C.uint32_t(cc.Transition),
		pointer(cc.Context), C.size_t(len(cc.Context)), C.uint64_t(token))
	return c.done(op, code)
}

// ApplyConfChange applies a committed configuration entry, from Ready.CommittedEntries or from your
// log, the lowest index first. The new membership is in force on this node from now on. Store its
// Bytes in the same transaction as the applied index.
//
// [ErrStale]: applied or skipped before. [ErrConf], [ErrDecode], [ErrUnsupported]: the entry can't
// be applied. A member that does not understand a change must stop, or its state would differ.
func (n *Node) ApplyConfChange(e Entry) (Conf, error) {
	c, h := n.lock()
	if h == nil {
		return Conf{}, closed("ApplyConfChange")
	}
	code := C.goraft_apply_conf(h, C.uint64_t(e.Term), C.uint64_t(e.Index), C.uint32_t(e.Kind), pointer(e.Data),
		C.size_t(len(e.Data)))
	return c.conf("ApplyConfChange", code)
}

// SkipConfChange skips a committed membership change as if the entry were empty. SkipConfChange
// returns the unchanged membership as of index; store the membership as after
// [Node.ApplyConfChange]. Every member must skip the same entries.
func (n *Node) SkipConfChange(index uint64) (Conf, error) {
	c, h := n.lock()
	if h == nil {
		return Conf{}, closed("SkipConfChange")
	}
	return c.conf("SkipConfChange", C.goraft_skip_conf(h, C.uint64_t(index)))
}

// ApplyChange applies a change that belongs to no entry, at any time, like ApplyConfChange of
// etcd's raft. The Index of the result is 0. [ErrState]: [FlagConfApart] is not set.
func (n *Node) ApplyChange(kind EntryKind, data []byte) (Conf, error) {
	c, h := n.lock()
	if h == nil {
		return Conf{}, closed("ApplyChange")
	}
	return c.conf("ApplyChange", C.goraft_apply_change(h, C.uint32_t(kind), pointer(data), C.size_t(len(data))))
}

// Conf returns the membership in force. Its Context is empty.
func (n *Node) Conf() (Conf, error) {
	c, h := n.lock()
	if h == nil {
		return Conf{}, closed("Conf")
	}
	return c.conf("Conf", C.raftcore_get_conf(h.node, &h.conf))
}

// conf ends a call that returns a membership.
func (c *core) conf(op string, code C.raftcore_code) (Conf, error) {
	if code < 0 {
		return Conf{}, c.fail(op, code)
	}
	conf := confFromC(&c.h.conf)
	c.mu.Unlock()
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
		Index:        uint64(c.index),
		Dialect:      Dialect(c.dialect),
		Bytes:        slices.Clone(bytesOf(&c.bytes)),
		Context:      slices.Clone(bytesOf(&c.context)),
	}
}

// flat returns the ids of the four lists in one, and the rest. There is always a first id to point
// at.
func (conf *Conf) flat() ([]uint64, C.goraft_members) {
	ids := slices.Concat(conf.Voters, conf.Outgoing, conf.Learners, conf.LearnersNext, []uint64{0})
	return ids, C.goraft_members{
		index:      C.uint64_t(conf.Index),
		dialect:    C.uint32_t(conf.Dialect),
		auto_leave: bit(conf.AutoLeave),
		n: [4]C.uint32_t{C.uint32_t(len(conf.Voters)), C.uint32_t(len(conf.Outgoing)), C.uint32_t(len(conf.Learners)),
			C.uint32_t(len(conf.LearnersNext))},
	}
}
