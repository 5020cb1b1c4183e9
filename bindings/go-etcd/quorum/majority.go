// Package quorum counts votes and acknowledgements, for programs that show or check what a group
// decides. The nodes of this module count in raftcore.
package quorum

import (
	"maps"
	"math"
	"slices"
	"strconv"
)

// Index is a position in the log.
type Index uint64

// String returns the index; "∞" for the index that an empty set of voters has committed.
func (i Index) String() string {
	if i == math.MaxUint64 {
		return "∞"
	}
	return strconv.FormatUint(uint64(i), 10)
}

// AckedIndexer knows up to which index each voter has acknowledged the log.
type AckedIndexer interface {
	AckedIndex(voterID uint64) (idx Index, found bool)
}

// VoteResult is the state of an election.
type VoteResult uint8

const (
	VotePending VoteResult = 1 + iota // votes that are missing decide
	VoteLost                          // a majority can't be reached any more
	VoteWon                           // a majority has agreed
)

// String returns the name of the constant.
func (i VoteResult) String() string {
	switch i {
	case VotePending:
		return "VotePending"
	case VoteLost:
		return "VoteLost"
	case VoteWon:
		return "VoteWon"
	}
	return "VoteResult(" + strconv.Itoa(int(i)) + ")"
}

// MajorityConfig is a set of voters that decides by majority. An empty set agrees to everything, so
// that one half of a [JointConfig] may be empty.
type MajorityConfig map[uint64]struct{}

// Slice returns the voters by id.
func (c MajorityConfig) Slice() []uint64 { return slices.Sorted(maps.Keys(c)) }

// String returns the voters as "(1 2 3)".
func (c MajorityConfig) String() string {
	b := []byte{'('}
	for i, id := range c.Slice() {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, id, 10)
	}
	return string(append(b, ')'))
}

// CommittedIndex returns the highest index that a majority has acknowledged. For an empty set the
// result is the highest of all numbers.
func (c MajorityConfig) CommittedIndex(l AckedIndexer) Index {
	if len(c) == 0 {
		return math.MaxUint64
	}
	acked := make([]Index, 0, len(c))
	for id := range c {
		index, _ := l.AckedIndex(id)
		acked = append(acked, index)
	}
	slices.Sort(acked)
	// As many voters have the index in the middle, or a higher one, as a majority needs.
	return acked[(len(acked)-1)/2]
}

// VoteResult counts votes: true grants, false refuses. A voter that is not in votes has not
// answered yet. An empty set has won.
func (c MajorityConfig) VoteResult(votes map[uint64]bool) VoteResult {
	granted, refused := 0, 0
	for id := range c {
		if granting, answered := votes[id]; answered && granting {
			granted++
		} else if answered {
			refused++
		}
	}
	majority := len(c)/2 + 1
	switch {
	case len(c) == 0 || granted >= majority:
		return VoteWon
	case len(c)-refused < majority:
		return VoteLost
	}
	return VotePending
}
