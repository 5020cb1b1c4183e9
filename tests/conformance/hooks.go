//go:build hooks

package conformance

// #include "raftcore_test_hooks.h"
import "C"

import (
	"unsafe"

	"go.etcd.io/raft/v3/raftpb"
)

// No pointers are inside the arrays of these functions, so Go memory may be passed as it is.

func ids(list []uint64) (*C.uint64_t, C.size_t) {
	return (*C.uint64_t)(unsafe.SliceData(list)), C.size_t(len(list))
}

// quorumCommitted is the majority rule if outgoing is nil, else the joint one.
func quorumCommitted(voters, outgoing []uint64, acked map[uint64]uint64) (uint64, error) {
	var list []C.raftcore_test_acked
	for id, index := range acked {
		list = append(list, C.raftcore_test_acked{id: C.uint64_t(id), index: C.uint64_t(index)})
	}
	v, nv := ids(voters)
	o, no := ids(outgoing)
	var index C.uint64_t
	code := C.raftcore_test_quorum_committed(v, nv, o, no, unsafe.SliceData(list), C.size_t(len(list)), &index)
	return uint64(index), check("raftcore_test_quorum_committed", code)
}

// quorumVote is the majority rule if outgoing is nil, else the joint one; it answers etcd's word for the result.
func quorumVote(voters, outgoing []uint64, votes map[uint64]bool) (string, error) {
	var list []C.raftcore_test_vote
	for id, granted := range votes {
		vote := C.raftcore_test_vote{id: C.uint64_t(id)}
		if granted {
			vote.granted = 1
		}
		list = append(list, vote)
	}
	v, nv := ids(voters)
	o, no := ids(outgoing)
	var result C.uint32_t
	code := C.raftcore_test_quorum_vote(v, nv, o, no, unsafe.SliceData(list), C.size_t(len(list)), &result)
	word := map[C.uint32_t]string{
		C.RAFTCORE_TEST_VOTE_PENDING: "VotePending", C.RAFTCORE_TEST_VOTE_LOST: "VoteLost", C.RAFTCORE_TEST_VOTE_WON: "VoteWon",
	}[result]
	return word, check("raftcore_test_quorum_vote", code)
}

// A membership is a configuration with a leader's peers.
type membership struct {
	c         C.raftcore_test_membership
	lastIndex uint64
	voters    []uint64
	outgoing  []uint64
	learners  []uint64
	next      []uint64
	autoLeave bool
	peers     []peer
}

type operation C.uint32_t

const (
	changeSimple operation = C.RAFTCORE_TEST_CHANGE_SIMPLE
	enterJoint   operation = C.RAFTCORE_TEST_CHANGE_ENTER_JOINT
	leaveJoint   operation = C.RAFTCORE_TEST_CHANGE_LEAVE_JOINT
)

// change applies changes; if they are refused, it answers why, in etcd's words.
func (m *membership) change(op operation, autoLeave bool, changes []*raftpb.ConfChangeSingle) (refusal string, err error) {
	list := make([]C.raftcore_change, len(changes))
	for i, c := range changes {
		list[i].id, list[i].kind = C.uint64_t(c.GetNodeId()), C.uint32_t(c.GetType())
	}
	var auto, why C.uint32_t
	if autoLeave {
		auto = 1
	}
	code := C.raftcore_test_confchange(
		&m.c, C.uint32_t(op), auto, unsafe.SliceData(list), C.size_t(len(list)), C.uint64_t(m.lastIndex), &why,
	)
	if err := check("raftcore_test_confchange", code); err != nil {
		return "", err
	}
	if why != C.RAFTCORE_TEST_CONF_TAKEN {
		return map[C.uint32_t]string{
			C.RAFTCORE_TEST_CONF_ALREADY_JOINT:   "config is already joint",
			C.RAFTCORE_TEST_CONF_NO_VOTERS:       "can't make a zero-voter config joint",
			C.RAFTCORE_TEST_CONF_NOT_JOINT:       "can't leave a non-joint config",
			C.RAFTCORE_TEST_CONF_SIMPLE_IN_JOINT: "can't apply simple config change in joint config",
			C.RAFTCORE_TEST_CONF_MANY_VOTERS:     "more than one voter changed without entering joint config",
			C.RAFTCORE_TEST_CONF_ALL_REMOVED:     "removed all voters",
			C.RAFTCORE_TEST_CONF_OTHER:           "a refusal of raftcore's own",
		}[why], nil
	}
	copied := func(list [C.RAFTCORE_TEST_IDS_MAX]C.uint64_t, count C.uint32_t) (out []uint64) {
		for _, id := range list[:count] {
			out = append(out, uint64(id))
		}
		return out
	}
	m.voters, m.outgoing = copied(m.c.voters, m.c.n_voters), copied(m.c.outgoing, m.c.n_outgoing)
	m.learners, m.next = copied(m.c.learners, m.c.n_learners), copied(m.c.learners_next, m.c.n_learners_next)
	m.autoLeave, m.peers = m.c.auto_leave != 0, nil
	for _, p := range m.c.peers[:m.c.n_peers] {
		m.peers = append(m.peers, peer{
			id: uint64(p.id), match: uint64(p.match_index), next: uint64(p.next_index), flow: flow(p.flow),
			learner: p.flags&C.RAFTCORE_PF_LEARNER != 0, active: true,
		})
	}
	return "", nil
}
