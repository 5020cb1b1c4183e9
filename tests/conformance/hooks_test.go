//go:build hooks

package conformance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"go.etcd.io/raft/v3/raftpb"
)

func TestConfChange(t *testing.T) {
	suite(t, "confchange", "confchange/testdata", 9, 58, func() script {
		m := &membership{}
		return script{run: m.run, close: func() {}}
	})
}

func TestQuorum(t *testing.T) {
	suite(t, "quorum", "quorum/testdata", 4, 127, func() script {
		return script{run: runQuorum, close: func() {}}
	})
}

// run does one case of the confchange suite. The number of cases before it stands for the log's last index.
func (m *membership) run(d *datadriven.TestData) string {
	defer func() { m.lastIndex++ }()
	changes, err := raftpb.ConfChangesFromString(d.Input)
	if err != nil {
		return err.Error()
	}
	op, ok := map[string]operation{"simple": changeSimple, "enter-joint": enterJoint, "leave-joint": leaveJoint}[d.Cmd]
	if !ok {
		return "unknown command"
	}
	autoLeave := slices.ContainsFunc(d.CmdArgs, func(a datadriven.CmdArg) bool { return a.String() == "autoleave=true" })
	refusal, err := m.change(op, autoLeave, changes)
	if err != nil {
		return err.Error()
	}
	if refusal != "" {
		return refusal
	}
	var s strings.Builder
	s.WriteString("voters=" + idSet(m.voters))
	if len(m.outgoing) != 0 {
		s.WriteString("&&" + idSet(m.outgoing))
	}
	if len(m.learners) != 0 {
		s.WriteString(" learners=" + idSet(m.learners))
	}
	if len(m.next) != 0 {
		s.WriteString(" learners_next=" + idSet(m.next))
	}
	if m.autoLeave {
		s.WriteString(" autoleave")
	}
	for _, p := range m.peers {
		fmt.Fprintf(&s, "\n%d: %s", p.id, p)
	}
	return s.String()
}

func idSet(ids []uint64) string {
	var words []string
	for _, id := range ids {
		words = append(words, fmt.Sprintf("%x", id))
	}
	return "(" + strings.Join(words, " ") + ")"
}

// A quorumCase is what a case of the quorum suite says: one half, or two if it is joint, and a word for each voter, in the
// order in which ids first appear; _ is no word.
type quorumCase struct {
	voters, outgoing []uint64 // outgoing is nil only if the case is not joint
	words            map[uint64]string
}

func parseQuorumCase(d *datadriven.TestData) (*quorumCase, error) {
	q := &quorumCase{words: map[uint64]string{}}
	var words []string
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "cfg", "cfgj":
			half := []uint64{}
			for _, v := range arg.Vals {
				if arg.Key == "cfgj" && v == "zero" && len(arg.Vals) == 1 {
					break
				}
				id, err := strconv.ParseUint(v, 10, 64)
				if err != nil {
					return nil, err
				}
				half = append(half, id)
			}
			if arg.Key == "cfg" {
				q.voters = half
			} else {
				q.outgoing = half
			}
		case "idx", "votes":
			words = append(words, arg.Vals...)
		default:
			return nil, fmt.Errorf("unknown argument %s", arg.Key)
		}
	}
	for i, id := range q.ids() {
		if i >= len(words) {
			return nil, fmt.Errorf("error: mismatched input (explicit or _) for voters %v: %v", q.ids(), words)
		}
		if words[i] != "_" {
			q.words[id] = words[i]
		}
	}
	if n := len(q.ids()); n != len(words) {
		return nil, fmt.Errorf("error: %d voters, %d words", n, len(words))
	}
	return q, nil
}

// ids are the voters of both halves, each once, in order of appearance.
func (q *quorumCase) ids() (list []uint64) {
	for _, id := range slices.Concat(q.voters, q.outgoing) {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// runQuorum does one case of the quorum suite. Like etcd's harness it also asks in other ways that must give the same, and
// prints what differs, which no script expects.
func runQuorum(d *datadriven.TestData) string {
	q, err := parseQuorumCase(d)
	if err != nil {
		return err.Error()
	}
	var text string
	switch d.Cmd {
	case "committed":
		text, err = q.committed()
	case "vote":
		text, err = q.vote()
	default:
		return "unknown command"
	}
	if err != nil {
		return err.Error()
	}
	return text
}

func (q *quorumCase) vote() (string, error) {
	votes := map[uint64]bool{}
	for id, word := range q.words {
		if word != "y" && word != "n" {
			return "", fmt.Errorf("unknown vote: %s", word)
		}
		votes[id] = word == "y"
	}
	result, err := quorumVote(q.voters, q.outgoing, votes)
	if err != nil || q.outgoing == nil {
		return result, err
	}
	swapped, err := quorumVote(q.outgoing, q.voters, votes)
	if swapped != result {
		result = swapped + " <-- via symmetry\n" + result
	}
	return result, err
}

func (q *quorumCase) committed() (string, error) {
	acked := map[uint64]uint64{}
	for id, word := range q.words {
		index, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return "", err
		}
		acked[id] = index
	}
	index, err := quorumCommitted(q.voters, q.outgoing, acked)
	if err != nil {
		return "", err
	}
	text := table(q.ids(), acked)
	same := func(how string, voters, outgoing []uint64, acked map[uint64]uint64) {
		other, e := quorumCommitted(voters, outgoing, acked)
		if e != nil {
			err = e
		}
		if other != index {
			text += fmt.Sprintf("%s <-- %s\n", indexText(other), how)
		}
	}
	if q.outgoing != nil {
		same("via symmetry", q.outgoing, q.voters, acked)
		return text + indexText(index), err
	}
	if plain := majority(q.voters, acked); plain != index {
		text += fmt.Sprintf("%s <-- via alternative computation\n", indexText(plain))
	}
	same("via zero-joint quorum", q.voters, []uint64{}, acked)
	same("via self-joint quorum", q.voters, q.voters, acked)
	// Who is below the committed index anyhow may fall further.
	for _, id := range q.voters {
		if was := acked[id]; 0 < was && was < index {
			for _, lower := range []uint64{was - 1, 0} {
				with := map[uint64]uint64{}
				for other, i := range acked {
					with[other] = i
				}
				with[id] = lower
				same(fmt.Sprintf("overlaying %d->%d", id, lower), q.voters, nil, with)
			}
		}
	}
	return text + indexText(index), err
}

// majority is the slow and obvious rule: the highest index that more than half of the voters have reached.
func majority(voters []uint64, acked map[uint64]uint64) uint64 {
	if len(voters) == 0 {
		return math.MaxUint64
	}
	best := uint64(0)
	for _, candidate := range acked {
		reached := 0
		for _, v := range voters {
			if index, ok := acked[v]; ok && index >= candidate {
				reached++
			}
		}
		if reached > len(voters)/2 {
			best = max(best, candidate)
		}
	}
	return best
}

// table draws each voter's index as a bar as long as the number of voters with a lower one. Equal indexes, equal bars.
func table(ids []uint64, acked map[uint64]uint64) string {
	if len(ids) == 0 {
		return "<empty majority quorum>"
	}
	n := len(ids)
	s := strings.Repeat(" ", n) + "    idx\n"
	for _, id := range slices.Sorted(slices.Values(ids)) {
		index, known := acked[id]
		bar := "?" + strings.Repeat(" ", n)
		if known {
			lower := 0
			for _, other := range ids {
				if acked[other] < index {
					lower++
				}
			}
			bar = strings.Repeat("x", lower) + ">" + strings.Repeat(" ", n-lower)
		}
		s += fmt.Sprintf("%s %5d    (id=%x)\n", bar, index, id)
	}
	return s
}

func indexText(index uint64) string {
	if index == math.MaxUint64 {
		return "∞"
	}
	return strconv.FormatUint(index, 10)
}
