package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/datadriven"

	"go.etcd.io/raft/v3/raftpb"
)

// The commands of tests/stories beyond the commands of etcd's scripts. tests/stories/README.md
// lists both kinds.

// A story is a cluster with raftcore's own choices, in which nodes crash, the network parts, and
// clients read.
type story struct{ cluster }

func newStory() *story {
	s := &story{}
	s.own = true
	return s
}

// run does a command of a story and returns the output.
func (s *story) run(d *datadriven.TestData) string {
	s.out.Reset()
	if err := s.command(d); err != nil {
		s.out.print(err.Error() + "\n")
	}
	if s.out.Len() == 0 {
		return "ok\n"
	}
	return strings.TrimSuffix(s.out.String(), "\n") + "\n"
}

func (s *story) command(d *datadriven.TestData) error {
	ids, named, err := arguments(d)
	if err != nil {
		return err
	}
	one := func(f func(*node) error) error {
		if len(ids) != 1 {
			return fmt.Errorf("%s takes a node", d.Cmd)
		}
		n, err := s.node(ids[0])
		if err != nil {
			return err
		}
		return f(n)
	}
	switch d.Cmd {
	case "boot":
		return one(func(n *node) error { return s.bootWith(n, named) })
	case "crash":
		return one(s.crash)
	case "cut":
		return s.cutOff(ids)
	case "heal":
		s.cut = nil
		return nil
	case "logs":
		return s.showLogs()
	case "members":
		return s.showMembers()
	case "propose":
		return s.proposeWithToken(d, ids, named)
	case "read":
		token, err := named.number("token")
		if err != nil {
			return err
		}
		return one(func(n *node) error { return n.then(n.readIndex(token)) })
	}
	return s.cluster.command(d)
}

// bootWith boots a node from a disk whose log has entries of the given terms, from index 1 on. The
// node's term is given, or the last entry's.
func (s *story) bootWith(n *node, named values) error {
	var terms []uint64
	for _, arg := range named {
		if arg.Key != "log" {
			continue
		}
		for _, value := range arg.Vals {
			var term uint64
			if _, err := fmt.Sscan(value, &term); err != nil {
				return err
			}
			terms = append(terms, term)
		}
	}
	if len(terms) == 0 {
		return errors.New("boot takes log=(term,…)")
	}
	term := terms[len(terms)-1]
	if _, ok := named.last("term"); ok {
		var err error
		if term, err = named.number("term"); err != nil {
			return err
		}
	}
	n.log = mirror{hardState: &raftpb.HardState{Term: new(term), Vote: new(uint64(0)), Commit: new(uint64(0))}}
	n.history = n.history[:1]
	for i, t := range terms {
		n.log.entries = append(n.log.entries, &raftpb.Entry{
			Term: new(t), Index: new(uint64(i + 1)), Type: raftpb.EntryNormal.Enum(), Data: fmt.Appendf(nil, "%d", t),
		})
	}
	return s.restart(n)
}

// crash forgets everything that is not on the node's disk, and boots the node again.
func (s *story) crash(n *node) error {
	n.appendWork, n.applyWork = nil, nil
	// A response of the node's own storage is in memory, not in the network.
	s.network = slices.DeleteFunc(s.network, func(e envelope) bool { return e.local() && e.GetTo() == n.id })
	if err := s.restart(n); err != nil {
		return err
	}
	hs := n.log.hardState
	s.out.print(fmt.Sprintf("disk of %d: term %d, vote %d, commit %d, log %s\n", n.id, hs.GetTerm(), hs.GetVote(),
		hs.GetCommit(), n.log.terms()))
	return nil
}

func (s *story) restart(n *node) error {
	n.free()
	n.opts.seed++
	k, err := newCore(n.id, n.opts)
	if err != nil {
		return err
	}
	n.core = k
	n.term, n.vote = n.log.hardState.GetTerm(), n.log.hardState.GetVote()
	meta := n.snapshot().GetMetadata()
	return n.then(k.bootFrom(stored{
		hardState: n.log.hardState, conf: meta.GetConfState(), base: n.log.base, baseTerm: n.log.baseTerm,
		entries: n.log.entries, applied: meta.GetIndex(),
	}))
}

// cutOff parts the named nodes from the others: messages between the two sides get lost, until
// heal.
func (s *story) cutOff(ids []uint64) error {
	if len(ids) == 0 {
		return errors.New("cut takes nodes")
	}
	s.cut = map[uint64]bool{}
	for _, id := range ids {
		s.cut[id] = true
	}
	s.network = slices.DeleteFunc(s.network, s.isCut)
	return nil
}

// proposeWithToken proposes data; a token is reported when the outcome is known.
func (s *story) proposeWithToken(d *datadriven.TestData, ids []uint64, named values) error {
	if _, ok := named.last("token"); !ok {
		return s.cluster.command(d)
	}
	token, err := named.number("token")
	if err != nil {
		return err
	}
	n, err := s.node(ids[0])
	if err != nil {
		return err
	}
	return n.then(n.proposeMany([][]byte{[]byte(d.CmdArgs[1].Key)}, token))
}

// answers shows the results for the clients of the node, a line each.
func (b *batch) answers() (text string) {
	for _, token := range b.tokens {
		text += fmt.Sprintf("Proposal %d: committed\n", token)
	}
	for _, r := range b.reads {
		text += fmt.Sprintf("Read %d: serve once index %d is applied\n", r.token, r.index)
	}
	for _, token := range b.dropped {
		text += fmt.Sprintf("Request %d: failed\n", token)
	}
	return text
}

// showLogs shows the terms of the entries on each disk, as the figures of the Raft paper do, and
// the commit index.
func (s *story) showLogs() error {
	for _, n := range s.nodes {
		st, err := n.status(n.id)
		if err != nil {
			return err
		}
		s.out.print(fmt.Sprintf("%d: log %s, commit %d\n", n.id, n.log.terms(), st.commit))
	}
	return nil
}

// showMembers shows the membership in force on each node.
func (s *story) showMembers() error {
	for _, n := range s.nodes {
		conf, err := n.conf()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%d: voters %v", n.id, conf.GetVoters())
		if list := conf.GetVotersOutgoing(); len(list) != 0 {
			text += fmt.Sprintf(" and outgoing %v", list)
		}
		if list := conf.GetLearners(); len(list) != 0 {
			text += fmt.Sprintf(", learners %v", list)
		}
		s.out.print(text + "\n")
	}
	return nil
}

// terms shows the term of each entry.
func (m *mirror) terms() string {
	text := "empty"
	if len(m.entries) != 0 {
		text = "of terms"
	}
	for _, e := range m.entries {
		text += fmt.Sprintf(" %d", e.GetTerm())
	}
	if m.base != 0 {
		text += fmt.Sprintf(" from index %d", m.first())
	}
	return text
}
