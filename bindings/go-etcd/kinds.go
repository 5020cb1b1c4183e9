// Ids and kinds of messages, and small questions about states.

package raft

import (
	"math"

	pb "go.etcd.io/raft/v3/raftpb"
)

const (
	// None is no node.
	None uint64 = 0
	// LocalAppendThread is the receiver of MsgStorageAppend: see Config.AsyncStorageWrites.
	LocalAppendThread uint64 = math.MaxUint64
	// LocalApplyThread is the receiver of MsgStorageApply.
	LocalApplyThread uint64 = math.MaxUint64 - 1
)

// StateType is the role of a node.
type StateType uint64

const (
	StateFollower StateType = iota
	StateCandidate
	StateLeader
	StatePreCandidate // asks whether an election could be won: see Config.PreVote
)

var stateNames = [...]string{"StateFollower", "StateCandidate", "StateLeader", "StatePreCandidate"}

// String returns the name of the constant.
func (st StateType) String() string {
	if st >= StateType(len(stateNames)) {
		return "StateUnknown"
	}
	return stateNames[st]
}

// MarshalJSON returns the name of the constant as a JSON string.
func (st StateType) MarshalJSON() ([]byte, error) { return []byte(`"` + st.String() + `"`), nil }

// SnapshotStatus is what became of a snapshot that was sent.
type SnapshotStatus int

const (
	SnapshotFinish  SnapshotStatus = 1 // the snapshot arrived
	SnapshotFailure SnapshotStatus = 2 // the snapshot did not arrive: the leader sends another
)

// IsLocalMsgTarget reports whether id is a part of this node, and no peer.
func IsLocalMsgTarget(id uint64) bool { return id == LocalAppendThread || id == LocalApplyThread }

// IsLocalMsg reports whether messages of this kind never travel between nodes.
func IsLocalMsg(msgt pb.MessageType) bool {
	switch msgt {
	case pb.MsgHup, pb.MsgBeat, pb.MsgUnreachable, pb.MsgSnapStatus, pb.MsgCheckQuorum, pb.MsgStorageAppend,
		pb.MsgStorageAppendResp, pb.MsgStorageApply, pb.MsgStorageApplyResp:
		return true
	}
	return false
}

// IsResponseMsg reports whether messages of this kind are answers or reports.
func IsResponseMsg(msgt pb.MessageType) bool {
	switch msgt {
	case pb.MsgAppResp, pb.MsgVoteResp, pb.MsgHeartbeatResp, pb.MsgPreVoteResp, pb.MsgReadIndexResp,
		pb.MsgUnreachable, pb.MsgStorageAppendResp, pb.MsgStorageApplyResp:
		return true
	}
	return false
}

// IsEmptyHardState reports whether st says nothing: nil, or all zero.
func IsEmptyHardState(st *pb.HardState) bool {
	return st.GetTerm() == 0 && st.GetVote() == 0 && st.GetCommit() == 0
}

// IsEmptySnap reports whether sp is nil, or covers no entry.
func IsEmptySnap(sp *pb.Snapshot) bool { return sp.GetMetadata().GetIndex() == 0 }

// MustSync reports whether writes must be flushed: there are entries, or the term or the vote
// changed from prevst to st.
func MustSync(st, prevst *pb.HardState, entsnum int) bool {
	return entsnum > 0 || st.GetTerm() != prevst.GetTerm() || st.GetVote() != prevst.GetVote()
}
