package raftcore_test

import (
	"fmt"
	"log"

	raftcore "raftcore.example/go"
)

func Example() {
	cfg := raftcore.DefaultConfig() // EtcdConfig() for the choices of etcd's raft
	cfg.ID = 1
	n, err := raftcore.NewNode(cfg)
	check(err)
	defer n.Close()
	check(n.Boot(raftcore.Founder(1))) // a new group with one voter

	check(n.Campaign()) // a node with peers is elected by Tick
	work(n)
	check(n.Propose([]byte("hello"), 7))
	work(n)
	// Output:
	// event: became follower (term 0)
	// event: became pre-candidate (term 0)
	// event: became candidate (term 1)
	// event: became leader (term 1, index 2)
	// event: leader has applied its term's first entry (term 1, index 2)
	// entry 3 of term 1 is committed: "hello", token 7
}

// work does all work of the node. Call it after Tick, StepFrames, Propose and so on. Before you sleep,
// HasReady must be false.
func work(n *raftcore.Node) {
	for n.HasReady() {
		for {
			f, ok, err := n.NextFetch()
			check(err)
			if !ok {
				break
			}
			supply(n, f) // rare: old entries or a snapshot, from your log
		}
		rd, ok, err := n.Ready()
		check(err)
		if !ok {
			continue
		}
		store(&rd)                  // 1. snapshot, entries, hard state; durable if rd.MustSync()
		send(&rd)                   // 2. each Frame to the peer named To
		apply(n, &rd)               // 3. committed entries, in order
		answer(&rd)                 // 4. rd.Reads and rd.Dropped
		check(n.Advance(rd.Number)) // 5.
	}
	for {
		e, ok, err := n.NextEvent()
		check(err)
		if !ok {
			return
		}
		fmt.Println("event:", e)
	}
}

// store writes to the disk, in one transaction: first the snapshot, which replaces everything; then
// rd.Entries, which replace the log from Entries[0].Index on; then rd.HardState. If a write or a flush
// fails, end the process.
func store(rd *raftcore.Ready) {}

// send writes rd.Messages to connections. A group of one has none.
func send(rd *raftcore.Ready) {}

// apply gives committed entries to the state machine. Store the applied index and the membership with
// your data, in one transaction.
func apply(n *raftcore.Node, rd *raftcore.Ready) {
	for _, e := range rd.CommittedEntries {
		if e.Kind != raftcore.EntryNormal {
			_, err := n.ApplyConfChange(e)
			check(err)
		} else if len(e.Data) > 0 { // an empty entry is a leader's first
			fmt.Printf("entry %d of term %d is committed: %q, token %d\n", e.Index, e.Term, e.Data, e.Token)
		}
	}
}

// answer serves reads, and reports what was dropped.
func answer(rd *raftcore.Ready) {}

// supply answers a fetch. This node has no log, and so nothing to supply. An error concerns this
// one fetch, and never ends the program.
func supply(n *raftcore.Node, f raftcore.Fetch) {
	if _, err := n.SupplyNone(f.ID, raftcore.SupplyLater); err != nil {
		log.Print(err)
	}
}

// check ends the process: the next one boots from what is on disk.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
