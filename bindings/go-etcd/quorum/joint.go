// Joint configurations: decisions need two majorities. A group has a joint configuration while the
// voters change.

package quorum

import (
	"fmt"
	"maps"
	"strings"
)

// JointConfig has the incoming voters, and the outgoing ones. The second set is empty unless the
// group is in a joint configuration.
type JointConfig [2]MajorityConfig

// String returns the voters as "(1 2 3)", or "(1 2 3)&&(3 4)" in a joint configuration.
func (c JointConfig) String() string {
	if len(c[1]) == 0 {
		return c[0].String()
	}
	return c[0].String() + "&&" + c[1].String()
}

// IDs returns the voters of both halves as a new set.
func (c JointConfig) IDs() map[uint64]struct{} {
	ids := make(map[uint64]struct{}, len(c[0])+len(c[1]))
	maps.Copy(ids, c[0])
	maps.Copy(ids, c[1])
	return ids
}

// CommittedIndex returns the highest index that the two majorities have acknowledged.
func (c JointConfig) CommittedIndex(l AckedIndexer) Index {
	return min(c[0].CommittedIndex(l), c[1].CommittedIndex(l))
}

// VoteResult counts votes. A candidate needs the two majorities, and loses with the first lost one.
func (c JointConfig) VoteResult(votes map[uint64]bool) VoteResult {
	first, second := c[0].VoteResult(votes), c[1].VoteResult(votes)
	switch {
	case first == VoteLost || second == VoteLost:
		return VoteLost
	case first == VoteWon && second == VoteWon:
		return VoteWon
	}
	return VotePending
}

// Describe returns a line for each voter with the index that the voter has acknowledged.
func (c JointConfig) Describe(l AckedIndexer) string { return MajorityConfig(c.IDs()).Describe(l) }

// Describe returns a line for each voter with the index that the voter has acknowledged.
func (c MajorityConfig) Describe(l AckedIndexer) string {
	if len(c) == 0 {
		return "no voters\n"
	}
	var b strings.Builder
	for _, id := range c.Slice() {
		if index, found := l.AckedIndex(id); found {
			fmt.Fprintf(&b, "voter %d: %v\n", id, index)
		} else {
			fmt.Fprintf(&b, "voter %d: unknown\n", id)
		}
	}
	return b.String()
}
