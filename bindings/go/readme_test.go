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

// work does all work of the node. Call it after Tick, StepFrames, Propose and so on.
func work(n *raftcore.Node) {
	for n.HasReady() { // must be false before you sleep
		for {
			f, ok, err := n.NextFetch()
			check(err)
			if !ok {
				break
			}
			// With a log: SupplyEntries, SupplySnapshot, or SupplyNone. An error concerns a single
			// fetch.
			if _, err := n.SupplyNone(f.ID, raftcore.SupplyLater); err != nil {
				log.Print(err)
			}
		}
		rd, ok, err := n.Ready()
		check(err)
		if !ok {
			continue
		}
		// 1. Store: first the snapshot, which replaces everything; then rd.Entries, which replace
		//    all from Entries[0].Index on; then rd.HardState. Make them durable if rd.MustSync().
		//    If a write or a flush fails, end the process.
		// 2. Send rd.Messages, each Frame to the peer named To.
		// 3. Apply. Store the applied index and the membership (ApplyConfChange) with your data, in
		//    one transaction.
		for _, e := range rd.CommittedEntries {
			if e.Kind != raftcore.EntryNormal {
				_, err := n.ApplyConfChange(e)
				check(err)
			} else if len(e.Data) > 0 { // an empty entry is a leader's first
				fmt.Printf("entry %d of term %d is committed: %q, token %d\n", e.Index, e.Term, e.Data, e.Token)
			}
		}
		// 4. Answer rd.Reads and rd.Dropped.
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

// check ends the process. The next process boots from the disk.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
