package raftcore_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	raftcore "raftcore.example/go"
)

// host is a node with a disk, a state machine and a network, in memory. A real host does the same,
// in the same order.
type host struct {
	id    uint64
	node  *raftcore.Node
	limit uint64          // of a frame
	disk  raftcore.Stored // log, hard state, applied index and membership
	state []string        // the state machine: the proposed data
	peers map[uint64]*host

	beside  map[uint64][]byte // to each peer: snapshot data that travel beside the core
	arrived map[uint64][]byte // by index: snapshot data that came beside the core
}

// start boots a node from its disk.
func start(id uint64, disk raftcore.Stored, peers map[uint64]*host) *host {
	cfg := raftcore.DefaultConfig()
	cfg.ID = id
	cfg.MaxSnapshotBytes = 16 // so that most snapshots travel beside the core
	limit, err := cfg.FrameLimit()
	check(err)
	node, err := raftcore.NewNode(cfg)
	check(err)
	check(node.Boot(disk))
	peers[id] = &host{id: id, node: node, limit: limit, disk: disk, peers: peers,
		beside: map[uint64][]byte{}, arrived: map[uint64][]byte{}}
	return peers[id]
}

// three founds a group of three nodes and lets node 1 lead.
func three() map[uint64]*host {
	hosts := map[uint64]*host{}
	for id := uint64(1); id <= 3; id++ {
		start(id, raftcore.Founder(1, 2, 3), hosts)
	}
	check(hosts[1].node.Campaign())
	settle(hosts)
	return hosts
}

// work does all work of the node. Call it after Tick, StepFrames, Propose and so on.
func (h *host) work() {
	for h.node.HasReady() {
		h.fetches()
		rd, ok, err := h.node.Ready()
		check(err)
		if !ok {
			continue
		}
		h.store(&rd)
		for _, m := range rd.Messages {
			h.send(m)
		}
		for _, e := range rd.CommittedEntries {
			h.apply(e)
		}
		for _, r := range rd.Reads {
			fmt.Printf("node %d: read %d sees %q\n", h.id, r.Token, h.state)
		}
		for _, d := range rd.Dropped {
			fmt.Printf("node %d: %d is dropped: %v, %v\n", h.id, d.Token, d.What, d.Reason)
		}
		check(h.node.Advance(rd.Number))
	}
	h.events()
}

// events logs the events: they explain why a node stands still.
func (h *host) events() {
	for {
		e, ok, err := h.node.NextEvent()
		check(err)
		if !ok {
			return
		}
		if e.Kind == raftcore.EventAlarm || e.Kind == raftcore.EventApplyWaits { // a real host logs every event
			log.Printf("node %d: %v", h.id, e)
		}
	}
}

// fetches answers what the node lacks. An error concerns a single fetch, and never ends the
// program.
func (h *host) fetches() {
	for {
		f, ok, err := h.node.NextFetch()
		check(err)
		if !ok {
			return
		}
		first := h.disk.BeforeFirst + 1
		switch {
		case f.Kind == raftcore.FetchSnapshot:
			data := encode(h.state)
			_, err = h.node.SupplySnapshot(f.ID, h.disk.Applied, *h.disk.Conf, data)
			if errors.Is(err, raftcore.ErrTooLarge) { // an everyday case
				h.beside[f.Peer] = data
				_, err = h.node.SupplySnapshot(f.ID, h.disk.Applied, *h.disk.Conf, nil)
			}
		case f.Kind == raftcore.FetchEntries && f.First < first:
			_, err = h.node.SupplyNone(f.ID, raftcore.SupplyGone)
		default: // FetchEntries or FetchApply
			_, err = h.node.SupplyEntries(f.ID, h.disk.Entries[f.First-first:f.Last+1-first])
		}
		if err != nil {
			log.Printf("node %d: %v", h.id, err)
			if _, err := h.node.SupplyNone(f.ID, raftcore.SupplyLater); err != nil {
				log.Printf("node %d: %v", h.id, err)
			}
		}
	}
}

// encode encodes the state, in at least one byte: empty data would be data that travel beside the
// core.
func encode(state []string) []byte { return []byte("state " + strings.Join(state, " ")) }

func decode(data []byte) []string { return strings.Fields(string(data))[1:] }

func (h *host) store(rd *raftcore.Ready) {
	d := &h.disk
	if rd.HasSnapshot() {
		data := rd.SnapshotData
		if len(data) == 0 {
			data = h.arrived[rd.SnapshotIndex]
		}
		h.state = decode(data)
		d.BeforeFirst, d.BeforeFirstTerm, d.Entries = rd.SnapshotIndex, rd.SnapshotTerm, nil
		d.Applied, d.Conf = rd.SnapshotIndex, &raftcore.Conf{Bytes: rd.SnapshotConf}
	}
	if len(rd.Entries) > 0 {
		keep := rd.Entries[0].Index - d.BeforeFirst - 1
		d.Entries = append(d.Entries[:keep:keep], rd.Entries...)
	}
	d.Last = d.BeforeFirst + uint64(len(d.Entries))
	if rd.HardStateChanged() {
		d.HardState = rd.HardState
	}
}

func (h *host) apply(e raftcore.Entry) {
	if e.Kind != raftcore.EntryNormal {
		conf, err := h.node.ApplyConfChange(e)
		check(err)
		h.disk.Conf = &conf
		if len(conf.Context) > 0 {
			fmt.Printf("node %d: voters %v, learners %v; %s\n", h.id, conf.Voters, conf.Learners, conf.Context)
		}
	} else if len(e.Data) > 0 {
		h.state = append(h.state, string(e.Data))
	}
	if e.Token != 0 {
		fmt.Printf("node %d: token %d came back with entry %d\n", h.id, e.Token, e.Index)
	}
	h.disk.Applied = e.Index
}

// compact drops the applied entries from the log. The state is on disk.
func (h *host) compact() {
	d := &h.disk
	d.BeforeFirstTerm = d.Entries[d.Applied-d.BeforeFirst-1].Term
	d.Entries = d.Entries[d.Applied-d.BeforeFirst:]
	d.BeforeFirst = d.Applied
	check(h.node.Compacted(d.Applied))
}

// send sends a message. Snapshot data beside the core go first.
func (h *host) send(m raftcore.Message) {
	peer := h.peers[m.To]
	if peer == nil {
		return
	}
	if data := h.beside[m.To]; m.Kind == raftcore.MsgSnap && data != nil {
		check(h.node.ReportSnapshot(m.To, raftcore.SnapshotUnderWay)) // more often, if this takes long
		fmt.Printf("node %d: %d bytes go to node %d beside the core\n", h.id, len(data), m.To)
		peer.arrived[m.Index] = data
	}
	peer.receive(h.id, m.Frame)
}

// receive steps frames. A snapshot without data must wait for its data.
func (h *host) receive(from uint64, buf []byte) {
	for {
		f, ok, err := raftcore.NextFrame(buf, h.limit)
		check(err) // drop the connection
		if !ok {
			return // keep buf: the rest is to come
		}
		buf = buf[f.Bytes:]
		data, index, _, snapshot, err := raftcore.SplitSnapshot(f.Message)
		if err == nil && snapshot && len(data) == 0 && h.arrived[index] == nil {
			continue // not stepped: the leader sends it again
		}
		if err := h.node.Step(from, f.Message); err != nil { // a refused message does no harm
			log.Printf("node %d: %v", h.id, err)
		}
	}
}

// settle works until no node has work.
func settle(hosts map[uint64]*host) {
	for busy := true; busy; {
		busy = false
		for id := uint64(1); id <= 9; id++ {
			if h := hosts[id]; h != nil && h.node.HasReady() {
				h.work()
				busy = true
			}
		}
	}
}

// Every founder of a group stores the same data, and boots from them.
func ExampleFounder() {
	disk := raftcore.Founder(1, 2, 3)
	bytes, err := disk.Conf.Encode() // what goes to the disk in place of disk.Conf
	check(err)
	disk.Conf = &raftcore.Conf{Bytes: bytes}

	hosts := map[uint64]*host{}
	for id := uint64(1); id <= 3; id++ {
		start(id, disk, hosts)
	}
	conf, err := hosts[2].node.Conf()
	check(err)
	fmt.Println("voters", conf.Voters, "as of index", conf.Index)
	// Output:
	// voters [1 2 3] as of index 1
}

// After a crash a node boots from what it has stored, and loses nothing that was acknowledged.
func ExampleNode_Boot() {
	hosts := three()
	check(hosts[1].node.Propose([]byte("before"), 0))
	settle(hosts)

	disk, state := hosts[1].disk, hosts[1].state
	check(hosts[1].node.Close())
	again := start(1, disk, hosts)
	again.state = state // as of disk.Applied

	check(hosts[2].node.Campaign())
	settle(hosts)
	check(hosts[2].node.Propose([]byte("after"), 0))
	settle(hosts)
	fmt.Println(again.state)
	// Output:
	// [before after]
}

// A proposal goes to the leader. A follower refuses the proposal, and names the leader.
func ExampleNode_Propose() {
	hosts := three()

	err := hosts[3].node.Propose([]byte("x"), 7)

	var e *raftcore.Error
	if errors.As(err, &e) && e.Code == raftcore.ErrNotLeader {
		fmt.Println(err)
		check(hosts[e.Leader].node.Propose([]byte("x"), 7))
	}
	settle(hosts)
	// Output:
	// raftcore: Propose: node 1 leads in term 1, not this one: propose there
	// node 1: token 7 came back with entry 3
}

// Any node serves linearizable reads. A read sees every write that completed before.
func ExampleNode_ReadIndex() {
	hosts := three()
	check(hosts[1].node.Propose([]byte("x"), 0))
	settle(hosts)

	check(hosts[3].node.ReadIndex(8))
	settle(hosts)
	// Output:
	// node 3: read 8 sees ["x"]
}

// A new node joins as a learner, and becomes a voter when it has caught up.
func ExampleNode_ProposeConfChange() {
	hosts := three()
	leader := hosts[1]
	start(4, raftcore.Stored{}, hosts) // an empty disk, and an id that was never used

	check(leader.node.ProposeConfChange(raftcore.ConfChange{
		Changes: []raftcore.Change{{Kind: raftcore.ChangeAddLearner, ID: 4}},
		Context: []byte("4 is at example.com:7004"),
	}, 0))
	settle(hosts)

	caughtUp := func() bool {
		peers, err := leader.node.Peers()
		check(err)
		for _, p := range peers {
			if p.ID == 4 {
				return p.Flags&raftcore.PeerCaughtUp != 0
			}
		}
		return false
	}
	for !caughtUp() {
		check(leader.node.Tick(1))
		settle(hosts)
	}
	check(leader.node.ProposeConfChange(raftcore.ConfChange{
		Changes: []raftcore.Change{{Kind: raftcore.ChangeAddNode, ID: 4}},
	}, 0))
	settle(hosts)
	conf, err := hosts[4].node.Conf()
	check(err)
	fmt.Println("node 4: voters", conf.Voters)
	// Output:
	// node 1: voters [1 2 3], learners [4]; 4 is at example.com:7004
	// node 2: voters [1 2 3], learners [4]; 4 is at example.com:7004
	// node 3: voters [1 2 3], learners [4]; 4 is at example.com:7004
	// node 4: voters [1 2 3 4]
}

// Snapshot data above MaxSnapshotBytes travel beside the core, over a connection of your own.
func ExampleNode_SupplySnapshot() {
	hosts := three()
	leader := hosts[1]
	for i := range 9 {
		check(leader.node.Propose(fmt.Appendf(nil, "entry%d", i), 0))
	}
	settle(hosts)
	leader.compact() // so that the new node needs a snapshot

	start(4, raftcore.Stored{}, hosts)
	check(leader.node.ProposeConfChange(raftcore.ConfChange{
		Changes: []raftcore.Change{{Kind: raftcore.ChangeAddLearner, ID: 4}},
	}, 0))
	settle(hosts)
	fmt.Println("node 4:", hosts[4].state)
	// Output:
	// node 1: 68 bytes go to node 4 beside the core
	// node 4: [entry0 entry1 entry2 entry3 entry4 entry5 entry6 entry7 entry8]
}

// Turn is the loop with one crossing into C for each ready. Nothing is copied or allocated. Before you
// sleep, HasReady must be false.
func ExampleNode_Turn() {
	h := start(1, raftcore.Founder(1), map[uint64]*host{})
	check(h.node.Campaign())
	check(h.node.Tick(1))

	var in raftcore.Input // Ticks, and Frames of a peer, go in here too
	var rd raftcore.ReadyView
	for {
		found, err := h.node.Turn(&in, &rd)
		check(err)
		if found == raftcore.FoundNothing {
			break
		}
		if found == raftcore.FoundFetch {
			h.fetches()
			continue
		}
		// Store, send, apply and answer, as in the package example. The views end with the next
		// turn.
		for e := range rd.CommittedEntries.All() {
			fmt.Println("entry", e.Index, "of term", e.Term)
		}
		in.Done = rd.Number
	}
	h.events()
	// Output:
	// entry 2 of term 1
}

// A ready that a panic kept from the host can be had again.
func ExampleNode_View() {
	h := start(1, raftcore.Founder(1, 2), map[uint64]*host{})
	check(h.node.Campaign())
	func() {
		defer func() { fmt.Println("recovered:", recover()) }()
		_, _, err := h.node.Ready()
		check(err)
		panic("a bug in the host")
	}()

	s, err := h.node.Status()
	check(err)
	rd, ok, err := h.node.View(s.LastReady)
	check(err)
	fmt.Println(ok, rd.Messages.Len(), "message to node", rd.Messages.At(0).To)
	// Output:
	// recovered: a bug in the host
	// true 1 message to node 2
}

// With StorageAsync a goroutine writes to the disk, and the node goes on: several readies are
// outstanding. Before you sleep, HasReady must be false.
func ExampleNode_Persisted() {
	cfg := raftcore.DefaultConfig()
	cfg.ID, cfg.Storage = 1, raftcore.StorageAsync
	n, err := raftcore.NewNode(cfg)
	check(err)
	defer n.Close()
	check(n.Boot(raftcore.Founder(1)))

	disk := make(chan raftcore.Ready, cfg.MaxOutstanding)
	written := make(chan raftcore.Ready, cfg.MaxOutstanding)
	go func() {
		for rd := range disk {
			store(&rd) // if a write or a flush fails, end the process
			written <- rd
		}
	}()
	defer close(disk)

	outstanding := 0
	work := func() {
		for n.HasReady() || outstanding > 0 {
			for {
				f, ok, err := n.NextFetch()
				check(err)
				if !ok {
					break
				}
				supply(n, f)
			}
			rd, ok, err := n.Ready()
			if err != nil && !errors.Is(err, raftcore.ErrFull) {
				log.Fatal(err)
			}
			if ok { // send the messages without MessageAfter
				apply(n, &rd)
				answer(&rd)
				disk <- rd
				outstanding++
				continue
			}
			if outstanding == 0 {
				continue
			}
			rd = <-written // send the messages with MessageAfter
			outstanding--
			check(n.Persisted(rd.Number))
			if rd.CommittedLast != 0 {
				check(n.Applied(rd.CommittedLast))
			}
			check(n.Release(rd.Number))
		}
		for {
			e, ok, err := n.NextEvent()
			check(err)
			if !ok {
				return
			}
			log.Println(e)
		}
	}

	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	check(n.Campaign())
	work()
	check(n.Propose([]byte("hello"), 7))
	check(n.Propose([]byte("again"), 8))
	work()
	// Output:
	// entry 3 of term 1 is committed: "hello", token 7
	// entry 4 of term 1 is committed: "again", token 8
}
