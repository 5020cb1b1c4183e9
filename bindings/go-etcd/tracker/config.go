// Package tracker describes the members of a group as a leader sees them. The values are pictures:
// the nodes of this module keep their own in raftcore, and a change of a picture changes no node.
package tracker

import (
	"fmt"
	"maps"
	"strings"

	"go.etcd.io/raft/v3/quorum"
)

// Config is a membership.
type Config struct {
	Voters       quorum.JointConfig
	AutoLeave    bool                // the leader leaves the joint configuration automatically
	Learners     map[uint64]struct{} // nil if there are none
	LearnersNext map[uint64]struct{} // outgoing voters that become learners; nil if there are none
}

// Clone returns a copy that shares nothing with c.
func (c *Config) Clone() Config {
	return Config{
		Voters:       quorum.JointConfig{maps.Clone(c.Voters[0]), maps.Clone(c.Voters[1])},
		AutoLeave:    c.AutoLeave,
		Learners:     maps.Clone(c.Learners),
		LearnersNext: maps.Clone(c.LearnersNext),
	}
}

// String returns the membership in a line.
func (c Config) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "voters=%s", c.Voters)
	if c.Learners != nil {
		fmt.Fprintf(&b, " learners=%s", quorum.MajorityConfig(c.Learners))
	}
	if c.LearnersNext != nil {
		fmt.Fprintf(&b, " learners_next=%s", quorum.MajorityConfig(c.LearnersNext))
	}
	if c.AutoLeave {
		b.WriteString(" autoleave")
	}
	return b.String()
}
