// The Go face: does what a schedule says through the Go binding, and writes what came back: see ../README.md.
//
//	faces SCHEDULE OUT ABI_OUT
package main

import (
	"bufio"
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	raftcore "raftcore.example/go"
)

const places = 16

// face is the nodes, and where it writes.
type face struct {
	nodes [places]*raftcore.Node
	out   *bufio.Writer
	abi   *bufio.Writer
	line  int
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("faces SCHEDULE OUT ABI_OUT")
	}
	text, err := os.ReadFile(os.Args[1])
	check(err)
	out, err := os.Create(os.Args[2])
	check(err)
	abi, err := os.Create(os.Args[3])
	check(err)
	f := face{out: bufio.NewWriter(out), abi: bufio.NewWriter(abi)}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if !strings.HasPrefix(lines[0], "raftcore schedule 1 ") {
		log.Fatal("no schedule of version 1")
	}
	for _, line := range lines[1:] {
		f.line++
		f.run(line)
	}
	check(errors.Join(f.out.Flush(), f.abi.Flush(), out.Close(), abi.Close()))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func (f *face) run(line string) {
	w := &words{rest: strings.Split(line, " ")}
	call, place := w.word(), w.word()
	var text text
	var code int
	var err error
	var node *raftcore.Node
	if place == "-" {
		code, err = f.withoutNode(call, w, &text)
	} else {
		at, bad := strconv.Atoi(place)
		check(bad)
		switch call {
		case "new", "free", "try_clone":
			err = f.life(call, at, w, &text)
		default:
			code, err = f.withNode(call, f.nodes[at], w, &text)
		}
		node = f.nodes[at]
	}
	if len(w.rest) > 0 {
		log.Fatalf("line %d: words are left over", f.line)
	}
	if err != nil {
		var failed *raftcore.Error
		if !errors.As(err, &failed) {
			log.Fatal(err)
		}
		code = int(failed.Code)
		text = nil
		if node != nil {
			text = append(text, inC(failed.Detail)...)
		}
	}
	digests := "- -"
	if node != nil {
		digests = fmt.Sprintf("%016x %016x", node.Digest(false), node.Digest(true))
	}
	gap := ""
	if len(text) > 0 {
		gap = " "
	}
	fmt.Fprintf(f.out, "%s %d %s%s%s\n", call, code, digests, gap, text)
}

func (f *face) life(call string, at int, w *words, text *text) error {
	switch call {
	case "new":
		n, err := raftcore.NewNode(w.config())
		if err == nil {
			f.nodes[at] = n
		}
		return err
	case "free":
		err := f.nodes[at].Close()
		f.nodes[at] = nil
		return err
	}
	twin, err := f.nodes[at].Clone()
	if err == nil {
		f.nodes[w.num()] = twin
		text.putf("%016x %016x", twin.Digest(false), twin.Digest(true))
	}
	return err
}

func (f *face) withoutNode(call string, w *words, text *text) (code int, err error) {
	switch call {
	case "version_string":
		fmt.Fprintf(f.abi, "%d %s\n", f.line, raftcore.Version())
	case "abi_version":
		fmt.Fprintf(f.abi, "%d %d\n", f.line, raftcore.ABIVersion())
	case "features":
		fmt.Fprintf(f.abi, "%d %d\n", f.line, raftcore.Features())
	case "footprint":
		size, err := w.config().Footprint()
		fmt.Fprintf(f.abi, "%d footprint %d\n", f.line, size)
		return 0, err
	case "frame_limit":
		limit, err := w.config().FrameLimit()
		text.num(limit)
		return 0, err
	case "frame_next":
		limit := w.num()
		frame, ok, err := raftcore.NextFrame(w.bytes(), limit)
		if err != nil || !ok {
			return 1, err
		}
		text.num(frame.Group)
		text.bytes(frame.Message)
		text.num(uint64(frame.Bytes))
	case "conf_encode":
		encoded, err := w.conf().Encode()
		text.bytes(encoded)
		return 0, err
	case "config_init":
		cfg := raftcore.DefaultConfig()
		cfg.Seed = 0 // drawn at random by this face
		text.config(cfg)
	case "config_preset":
		if w.num() != 1 {
			log.Fatal("no such preset here")
		}
		cfg := raftcore.EtcdConfig()
		cfg.Seed = 0
		text.config(cfg)
	case "config_error":
		if err := w.config().Check(); err != nil {
			var failed *raftcore.Error
			errors.As(err, &failed)
			text.putf("%s", inC(failed.Detail))
		}
	case "strerror":
		text.putf("%s", wordsOf(raftcore.Code(w.int())))
	case "event_text":
		text.putf("%s", raftcore.EventKind(w.num()))
	case "reason_text":
		text.putf("%s", raftcore.Reason(w.num()))
	case "hello_read":
		hello, err := raftcore.ReadHello(w.bytes())
		if err != nil {
			return 0, err
		}
		text.num(uint64(hello.Version), hello.Features, hello.Group, hello.ID)
	case "snapshot_split":
		data, index, term, ok, err := raftcore.SplitSnapshot(w.bytes())
		if err != nil || !ok {
			return 1, err
		}
		text.num(index, term)
		text.bytes(data)
	case "tick_many":
		ticks := w.num()
		nodes := list(w, func(w *words) *raftcore.Node { return f.nodes[w.num()] })
		found := raftcore.NewTicker(nodes).Tick(uint32(ticks), nil)
		text.num(uint64(len(found)))
		for _, at := range found {
			text.num(uint64(at))
		}
		for _, n := range nodes {
			text.putf(" %016x", n.Digest(true))
		}
	default:
		log.Fatalf("no such call: %s", call)
	}
	return 0, nil
}

// some is the code of a call that may have nothing.
func some(ok bool) int {
	if ok {
		return 0
	}
	return 1
}

func wanted(ok bool, err error) (int, error) {
	if ok {
		return 0, err
	}
	return 2, err
}

func (f *face) withNode(call string, n *raftcore.Node, w *words, text *text) (int, error) {
	switch call {
	case "boot_state":
		return 0, n.BootState(raftcore.HardState{Term: w.num(), Vote: w.num(), Commit: w.num()})
	case "boot_conf":
		return 0, n.BootConf(w.conf(), w.num(), w.num())
	case "boot_terms":
		return 0, n.BootTerms(w.runs(), w.num())
	case "boot":
		s := raftcore.Stored{
			HardState: raftcore.HardState{Term: w.num(), Vote: w.num(), Commit: w.num()},
			Applied:   w.num(), BeforeFirst: w.num(), BeforeFirstTerm: w.num(), Last: w.num(),
		}
		conf := w.conf()
		s.Conf, s.Runs, s.Entries = &conf, w.runs(), list(w, (*words).entry)
		return 0, n.Boot(s)
	case "boot_entries":
		return 0, n.BootEntries(list(w, (*words).entry))
	case "boot_done":
		return 0, n.BootDone(w.num())
	case "tick":
		return 0, n.Tick(uint32(w.num()))
	case "step":
		return 0, n.Step(w.num(), w.bytes())
	case "step_local":
		return 0, n.StepLocal(w.bytes())
	case "step_frames":
		took, err := n.StepFrames(w.num(), w.bytes())
		text.stepped(took)
		return 0, err
	case "turn", "turn_flat":
		return f.turn(n, w, text)
	case "propose_entry":
		return 0, n.ProposeEntry(raftcore.EntryKind(w.num()), w.bytes(), w.num())
	case "propose":
		var data []byte
		for _, part := range list(w, (*words).bytes) {
			data = append(data, part...)
		}
		return 0, n.Propose(data, w.num())
	case "propose_many":
		var tokens []uint64
		entries := list(w, func(w *words) []byte {
			data := w.bytes()
			tokens = append(tokens, w.num())
			return data
		})
		return 0, n.ProposeMany(entries, tokens)
	case "propose_conf":
		changes := list(w, func(w *words) raftcore.Change {
			return raftcore.Change{Kind: raftcore.ChangeKind(w.num()), ID: w.num()}
		})
		change := raftcore.ConfChange{Changes: changes, Transition: raftcore.Transition(w.num()), Context: w.bytes()}
		return 0, n.ProposeConfChange(change, w.num())
	case "propose_conf_at":
		index := w.num()
		changes := list(w, func(w *words) raftcore.Change {
			return raftcore.Change{Kind: raftcore.ChangeKind(w.num()), ID: w.num()}
		})
		change := raftcore.ConfChange{Changes: changes, Transition: raftcore.Transition(w.num()), Context: w.bytes()}
		return 0, n.ProposeConfChangeAt(index, change, w.num())
	case "propose_in_term":
		term := w.num()
		var data []byte
		for _, part := range list(w, (*words).bytes) {
			data = append(data, part...)
		}
		return 0, n.ProposeInTerm(term, data, w.num())
	case "propose_with_context":
		return 0, n.ProposeWithContext(raftcore.EntryKind(w.num()), w.bytes(), w.bytes(), w.num())
	case "set_commit_group":
		return 0, n.SetCommitGroup(w.num(), w.num())
	case "promote_when_caught_up":
		return 0, n.PromoteWhenCaughtUp(w.num(), w.num() != 0)
	case "request_snapshot":
		return 0, n.RequestSnapshot()
	case "ping":
		return 0, n.Ping()
	case "set_flags":
		return 0, n.SetFlags(raftcore.Flags(w.num()), raftcore.Flags(w.num()))
	case "trim":
		return 0, n.Trim()
	case "hello_check":
		return 0, n.CheckHello(w.bytes())
	case "read_index":
		return 0, n.ReadIndex(w.num())
	case "campaign":
		return 0, n.Campaign()
	case "transfer":
		return 0, n.TransferLeader(w.num())
	case "abort_transfer":
		return 0, n.AbortTransfer()
	case "forget_leader":
		return 0, n.ForgetLeader()
	case "set_electable":
		return 0, n.SetElectable(w.num() != 0)
	case "set_priority":
		return 0, n.SetPriority(int32(w.int()))
	case "set_window":
		return 0, n.SetWindow(w.num(), uint32(w.num()), w.num())
	case "set_commit_broadcast":
		return 0, n.SetCommitBroadcast(w.num() != 0)
	case "set_election_timeout":
		return 0, n.SetElectionTimeout(uint32(w.num()))
	case "report_unreachable":
		return 0, n.ReportUnreachable(w.num())
	case "report_snapshot":
		return 0, n.ReportSnapshot(w.num(), raftcore.SnapshotReport(w.num()))
	case "compacted":
		return 0, n.Compacted(w.num())
	case "advance":
		return 0, n.Advance(w.num())
	case "persisted":
		return 0, n.Persisted(w.num())
	case "applied":
		return 0, n.Applied(w.num())
	case "release":
		return 0, n.Release(w.num())
	case "skip_conf":
		conf, err := n.SkipConfChange(w.num())
		text.conf(conf)
		return 0, err
	case "apply_change":
		conf, err := n.ApplyChange(raftcore.EntryKind(w.num()), w.bytes())
		text.conf(conf)
		return 0, err
	case "supply_entries":
		return wanted(n.SupplyEntries(w.num(), list(w, (*words).entry)))
	case "supply_snapshot":
		return wanted(n.SupplySnapshot(w.num(), w.num(), w.conf(), w.bytes()))
	case "supply_none":
		return wanted(n.SupplyNone(w.num(), raftcore.SupplyNone(w.num())))
	}
	return f.looks(call, n, w, text)
}

// looks is the calls that give something.
func (f *face) looks(call string, n *raftcore.Node, w *words, text *text) (int, error) {
	switch call {
	case "has_ready":
		pending, err := n.Pending()
		return int(pending), err
	case "get_ready":
		v, ok, err := n.ReadyView()
		if err != nil || !ok {
			return 1, err
		}
		f.decoded(&v)
		f.ready(&v, text)
	case "view", "view_flat":
		v, ok, err := n.View(w.num())
		if err != nil || !ok {
			return 1, err
		}
		f.ready(&v, text)
	case "ready_flat":
		flat, ok, err := n.ReadyFlat(nil)
		if err != nil || !ok {
			return 1, err
		}
		fmt.Fprintf(f.abi, "%d x%x\n", f.line, flat)
		text.flat(flat)
	case "next_fetch":
		fetch, ok, err := n.NextFetch()
		if err != nil || !ok {
			return 1, err
		}
		text.num(uint64(fetch.Kind), fetch.ID, fetch.Peer, fetch.First, fetch.Last, fetch.MaxBytes)
	case "apply_conf":
		conf, err := n.ApplyConfChange(w.entry())
		text.conf(conf)
		return 0, err
	case "get_conf":
		conf, err := n.Conf()
		text.conf(conf)
		return 0, err
	case "ticks_until_due":
		ticks, err := n.TicksUntilDue()
		text.num(uint64(ticks))
		return 0, err
	case "hello":
		frame, err := n.Hello()
		text.bytes(frame)
		return 0, err
	case "get_status":
		status, err := n.Status()
		text.status(status)
		return 0, err
	case "get_peers":
		peers, err := n.Peers()
		text.peers(peers)
		return 0, err
	case "next_event":
		e, ok, err := n.NextEvent()
		if err != nil || !ok {
			return 1, err
		}
		text.num(uint64(e.Kind), uint64(e.Reason), e.Peer, e.Term, e.Index, e.A, e.B)
	default:
		log.Fatalf("no such call: %s", call)
	}
	return 0, nil
}

// ready writes a view, and a copy that must be equal.
func (f *face) ready(v *raftcore.ReadyView, text *text) {
	var rd raftcore.Ready
	v.CopyTo(&rd)
	text.ready(&rd)
	for i, m := range rd.Messages {
		view := v.Messages.At(i)
		if string(view.AppendFrame(nil)) != string(m.Frame) || view.MessageHead != m.MessageHead {
			log.Fatalf("line %d: a message's view and copy differ", f.line)
		}
	}
}

// decoded writes the entries of the messages, which are there with FlagDecodedMsgs.
func (f *face) decoded(v *raftcore.ReadyView) {
	var text text
	some := false
	for i := range v.Messages.Len() {
		view := v.Messages.At(i).Entries
		entries := make([]raftcore.Entry, view.Len())
		for j := range entries {
			entries[j] = view.At(j)
		}
		some = some || len(entries) > 0
		text.entries(entries)
	}
	if some {
		fmt.Fprintf(f.abi, "%d decoded %s\n", f.line, text)
	}
}

// turn writes what became of the frames, and the ready. The codes of a turn are those of C.
func (f *face) turn(n *raftcore.Node, w *words, text *text) (int, error) {
	in := raftcore.Input{
		Ticks: uint32(w.num()), Done: w.num(), Persisted: w.num(), Applied: w.num(), Released: w.num(), Peer: w.num(), Frames: w.bytes(),
	}
	var v raftcore.ReadyView
	found, err := n.Turn(&in, &v)
	if err != nil {
		return 0, err
	}
	text.stepped(in.Stepped)
	if found == raftcore.FoundReady || found == raftcore.FoundLast {
		f.ready(&v, text)
	}
	codes := map[raftcore.Found]int{raftcore.FoundReady: 0, raftcore.FoundNothing: 1, raftcore.FoundLast: 3, raftcore.FoundFetch: 4}
	return codes[found], nil
}

func (t *text) stepped(took raftcore.Stepped) {
	first := raftcore.Code(0)
	errors.As(took.Refused, &first)
	t.putf("%d %d %d", took.Consumed, took.Rejected, first)
}
