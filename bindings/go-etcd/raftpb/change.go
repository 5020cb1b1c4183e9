// Changes of the membership: the two encodings as one type, and a short text form.

package raftpb

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
)

// ConfChangeI is a change in one of two encodings: a [ConfChange] or a [ConfChangeV2].
type ConfChangeI interface {
	// AsV2 returns the change as a ConfChangeV2, never nil.
	AsV2() *ConfChangeV2
	// AsV1 returns the change as a ConfChange; false if the change is no ConfChange.
	AsV1() (*ConfChange, bool)
}

// AsV1 returns c itself.
func (c *ConfChange) AsV1() (*ConfChange, bool) { return c, true }

// AsV2 returns the change as a list of one.
func (c *ConfChange) AsV2() *ConfChangeV2 {
	return &ConfChangeV2{
		Changes: []*ConfChangeSingle{{Type: c.GetType().Enum(), NodeId: proto.Uint64(c.GetNodeId())}},
		Context: c.GetContext(),
	}
}

// AsV1 returns false. Even a ConfChangeV2 with a single step is no ConfChange.
func (c *ConfChangeV2) AsV1() (*ConfChange, bool) { return nil, false }

// AsV2 returns c itself.
func (c *ConfChangeV2) AsV2() *ConfChangeV2 { return c }

// EnterJoint reports whether the change leads through a joint configuration (ok), and whether the
// leader then leaves the joint configuration automatically. An unknown transition counts as
// explicit here; a node refuses such a change.
func (c *ConfChangeV2) EnterJoint() (autoLeave bool, ok bool) {
	transition := c.GetTransition()
	if transition == ConfChangeTransitionAuto && len(c.GetChanges()) <= 1 {
		return false, false
	}
	return transition == ConfChangeTransitionAuto || transition == ConfChangeTransitionJointImplicit, true
}

// LeaveJoint reports whether the change ends a joint configuration. Such a change has no content,
// except perhaps a context.
func (c *ConfChangeV2) LeaveJoint() bool {
	return len(c.GetChanges()) == 0 && c.GetTransition() == ConfChangeTransitionAuto
}

// MarshalConfChange encodes a change as data of an entry, and returns the kind of this entry. nil
// is the change that ends a joint configuration.
func MarshalConfChange(c ConfChangeI) (EntryType, []byte, error) {
	if c == nil {
		return EntryConfChangeV2, nil, nil
	}
	if v1, ok := c.AsV1(); ok {
		data, err := proto.Marshal(v1)
		return EntryConfChange, data, err
	}
	data, err := proto.Marshal(c.AsV2())
	return EntryConfChangeV2, data, err
}

// changeLetters has the letter of each kind in the text form: "v1 l2 r3 u4".
var changeLetters = map[ConfChangeType]string{
	ConfChangeAddNode:        "v",
	ConfChangeAddLearnerNode: "l",
	ConfChangeRemoveNode:     "r",
	ConfChangeUpdateNode:     "u",
}

// ConfChangesToString returns changes as a text: "v1 l2 r3 u4" makes node 1 a voter and node 2 a
// learner, removes node 3, and updates node 4.
func ConfChangesToString(ccs []*ConfChangeSingle) string {
	words := make([]string, len(ccs))
	for i, cc := range ccs {
		letter, ok := changeLetters[cc.GetType()]
		if !ok {
			letter = "unknown"
		}
		words[i] = letter + strconv.FormatUint(cc.GetNodeId(), 10)
	}
	return strings.Join(words, " ")
}

// ConfChangesFromString returns the changes of a text as [ConfChangesToString] writes it.
func ConfChangesFromString(s string) ([]*ConfChangeSingle, error) {
	var ccs []*ConfChangeSingle
	for _, word := range strings.Fields(s) {
		cc, err := changeFromString(word)
		if err != nil {
			return nil, err
		}
		ccs = append(ccs, cc)
	}
	return ccs, nil
}

func changeFromString(word string) (*ConfChangeSingle, error) {
	for kind, letter := range changeLetters {
		number, ok := strings.CutPrefix(word, letter)
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("raftpb: the change %q has no number of a node: %w", word, err)
		}
		return &ConfChangeSingle{Type: kind.Enum(), NodeId: proto.Uint64(id)}, nil
	}
	return nil, fmt.Errorf("raftpb: the change %q does not begin with v, l, r or u", word)
}
