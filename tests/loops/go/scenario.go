// A printed loop of Go, completed: tests/loops/README.md. The scenes are those of c/scenario.c. The loop is
// the function turn, in a file that tests/loops/run makes.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"sync"

	raftcore "raftcore.example/go"
)

const payloadBytes = 64 << 10

// host is a host in memory: disk, state machine, network.
type host struct {
	node    *raftcore.Node
	disk    raftcore.Stored
	state   []byte            // the data of the applied entries, joined
	arrived map[uint64][]byte // by index: snapshots that came beside the core
	inbox   []raftcore.Message
}

var (
	hosts           = map[uint64]*host{}
	me              *host
	events, answers int

	// With StorageAsync a goroutine stores.
	mu sync.Mutex
)

// ---- functions that the printed loop calls

func supply(n *raftcore.Node, f raftcore.Fetch) {
	mu.Lock()
	defer mu.Unlock()
	var err error
	first := me.disk.BeforeFirst + 1
	switch {
	case f.Kind == raftcore.FetchSnapshot:
		_, err = n.SupplySnapshot(f.ID, me.disk.Applied, *me.disk.Conf, me.state)
		if errors.Is(err, raftcore.ErrTooLarge) {
			hosts[f.Peer].arrived[me.disk.Applied] = bytes.Clone(me.state)
			_, err = n.SupplySnapshot(f.ID, me.disk.Applied, *me.disk.Conf, nil)
		}
	case f.First < first:
		_, err = n.SupplyNone(f.ID, raftcore.SupplyGone)
	default:
		_, err = n.SupplyEntries(f.ID, me.disk.Entries[f.First-first:f.Last+1-first])
	}
	if err != nil {
		_, err = n.SupplyNone(f.ID, raftcore.SupplyLater)
		check(err)
	}
}

func store(rd *raftcore.Ready) {
	mu.Lock()
	defer mu.Unlock()
	d := &me.disk
	if rd.HasSnapshot() {
		if len(rd.SnapshotData) > 0 || me.arrived[rd.SnapshotIndex] == nil {
			log.Fatalf("the snapshot at %d did not come beside the core", rd.SnapshotIndex)
		}
		me.state = bytes.Clone(me.arrived[rd.SnapshotIndex])
		d.BeforeFirst, d.BeforeFirstTerm, d.Entries = rd.SnapshotIndex, rd.SnapshotTerm, nil
		d.Applied, d.Conf = rd.SnapshotIndex, &raftcore.Conf{Bytes: rd.SnapshotConf}
	}
	for _, e := range rd.Entries {
		me.append(e)
	}
	d.Last = d.BeforeFirst + uint64(len(d.Entries))
	if rd.HardStateChanged() {
		d.HardState = rd.HardState
	}
}

func send(rd *raftcore.Ready) {
	for _, m := range rd.Messages {
		if to := hosts[m.To]; to != nil {
			to.inbox = append(to.inbox, m)
		}
	}
}

// with returns the messages that wait for the disk, without the others.
func with(rd *raftcore.Ready) *raftcore.Ready {
	return some(rd, true)
}

func without(rd *raftcore.Ready) *raftcore.Ready {
	return some(rd, false)
}

func some(rd *raftcore.Ready, after bool) *raftcore.Ready {
	var part raftcore.Ready
	for _, m := range rd.Messages {
		if (m.Flags&raftcore.MessageAfter != 0) == after {
			part.Messages = append(part.Messages, m)
		}
	}
	return &part
}

func apply(n *raftcore.Node, rd *raftcore.Ready) {
	mu.Lock()
	defer mu.Unlock()
	for _, e := range rd.CommittedEntries {
		if e.Index != me.disk.Applied+1 {
			log.Fatalf("entry %d is applied behind %d", e.Index, me.disk.Applied)
		}
		if e.Kind == raftcore.EntryNormal {
			me.state = append(me.state, e.Data...)
		} else {
			conf, err := n.ApplyConfChange(e)
			check(err)
			me.disk.Conf = &raftcore.Conf{Bytes: conf.Bytes}
		}
		me.disk.Applied = e.Index
		if e.Token != 0 {
			answers++
		}
	}
}

func answer(rd *raftcore.Ready) {
	answers += len(rd.Reads)
}

// Methods that the loop over Turn calls.

func (h *host) fetches() {
	for {
		f, ok, err := h.node.NextFetch()
		check(err)
		if !ok {
			return
		}
		supply(h.node, f)
	}
}

func (h *host) work(v *raftcore.ReadyView) {
	var rd raftcore.Ready
	v.CopyTo(&rd)
	store(&rd)
	send(&rd)
	apply(h.node, &rd)
	answer(&rd)
}

func (h *host) events() {
	for {
		e, ok, err := h.node.NextEvent()
		check(err)
		if !ok {
			return
		}
		printer{}.Println("event:", e)
	}
}

// printer stands for the packages fmt and log in printed loops, and counts the events.
type printer struct{}

func (printer) Println(words ...any) {
	if _, ok := words[len(words)-1].(raftcore.Event); ok {
		events++
	}
}

func (printer) Fatal(words ...any) {
	log.Fatal(words...)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// ---- the group

func (h *host) append(e raftcore.Entry) {
	keep := e.Index - h.disk.BeforeFirst - 1
	h.disk.Entries = append(h.disk.Entries[:keep], e)
	h.disk.Last = e.Index
}

func (h *host) boot(id uint64) {
	if h.node != nil {
		check(h.node.Close())
	}
	cfg := config()
	cfg.ID = id
	var err error
	h.node, err = raftcore.NewNode(cfg)
	check(err)
	check(h.node.Boot(h.disk))
	h.inbox = nil
	hosts[id] = h
}

func config() raftcore.Config {
	cfg := raftcore.DefaultConfig()
	cfg.Storage = storage
	return cfg
}

// payload returns the data of proposal k, different for each k.
func payload(k int) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, uint64(k)*1000003), payloadBytes/8)
}

// settle runs the loops until no node has work.
func settle() {
	for busy := true; busy; {
		busy = false
		for id := uint64(1); id <= 2; id++ {
			h := hosts[id]
			if h == nil {
				continue
			}
			me = h
			for _, m := range h.inbox {
				stepped, err := h.node.StepFrames(m.From, m.Frame)
				check(err)
				check(stepped.Refused)
			}
			h.inbox = nil
			turn(h.node)
			pending, err := h.node.Pending()
			check(err)
			if pending != 0 {
				log.Fatalf("node %d: the loop ends though %v is left", id, pending)
			}
		}
		for _, h := range hosts {
			busy = busy || len(h.inbox) > 0
		}
	}
}

// until ticks until all have applied count proposals and a node leads. until returns the leader.
func until(count int, when string) *host {
	var want []byte
	for k := range count {
		want = append(want, payload(k)...)
	}
	for range 500 {
		var leader *host
		behind := false
		for _, h := range hosts {
			s, err := h.node.Status()
			check(err)
			if s.Role == raftcore.RoleLeader && s.Applied == s.LastIndex {
				leader = h
			}
			behind = behind || len(h.state) < len(want)
		}
		if leader != nil && !behind {
			for id, h := range hosts {
				if !bytes.Equal(h.state, want) {
					log.Fatalf("%s: node %d applied something else", when, id)
				}
			}
			return leader
		}
		for _, h := range hosts {
			check(h.node.Tick(1))
		}
		settle()
	}
	for id, h := range hosts {
		log.Printf("%s: node %d applied %d of %d proposals", when, id, len(h.state)/payloadBytes, count)
	}
	log.Fatal("the loop stands still")
	return nil
}

func expectMembers(h *host, voters, learners int) {
	conf, err := h.node.Conf()
	check(err)
	if len(conf.Voters) != voters || len(conf.Learners) != learners {
		log.Fatalf("the membership is %+v", conf)
	}
}

func main() {
	log.SetFlags(0)

	// A voter restarts with twice RecentBytes of committed log to apply, with a membership change in the middle.
	count := 2 * int(config().RecentBytes) / payloadBytes
	first, second := &host{disk: raftcore.Founder(1)}, &host{arrived: map[uint64][]byte{}}
	for k := range count {
		if k == count/2 {
			learner2 := []byte{0x10, byte(raftcore.ChangeAddLearner), 0x18, 2} // a raftpb ConfChange
			first.append(raftcore.Entry{Term: 1, Index: first.disk.Last + 1, Kind: raftcore.EntryConfChange, Data: learner2})
		}
		first.append(raftcore.Entry{Term: 1, Index: first.disk.Last + 1, Data: payload(k)})
	}
	first.disk.HardState = raftcore.HardState{Term: 1, Vote: 1, Commit: first.disk.Last}
	first.boot(1)
	until(count, "after the restart")
	expectMembers(first, 1, 1)

	// The log is compacted, so the new member needs a snapshot. The state is larger than MaxSnapshotBytes.
	d := &first.disk
	d.BeforeFirst, d.BeforeFirstTerm, d.Entries = d.Applied, d.Entries[len(d.Entries)-1].Term, nil
	check(first.node.Compacted(d.Applied))
	second.boot(2)
	until(count, "after the join")

	// The new member becomes a voter. Both nodes restart, and the group goes on.
	check(first.node.ProposeConfChange(raftcore.ConfChange{
		Changes: []raftcore.Change{{Kind: raftcore.ChangeAddNode, ID: 2}},
	}, 99))
	settle()
	for id := uint64(1); id <= 2; id++ {
		expectMembers(hosts[id], 2, 0)
		hosts[id].boot(id)
		leader := until(count, "after a restart")
		check(leader.node.Propose(payload(count), uint64(count)))
		check(leader.node.ReadIndex(uint64(count)))
		count++
		until(count, "after a proposal")
	}
	if events == 0 || answers != 5 {
		log.Fatalf("%d events were logged, %d of 5 tokens came back", events, answers)
	}
	fmt.Println(count, "proposals,", events, "events,", len(second.arrived), "snapshots beside the core")
}
