// Package raftcore is a Raft consensus core: elections, replication, membership, linearizable reads and snapshots as one state
// machine without a goroutine, clock, socket or file of its own. Who knows RawNode of etcd's raft knows [Node]: tell it that time has
// passed (Tick), that bytes came from a peer (Step, StepFrames), that something shall be replicated (Propose); take out batches of work
// (Ready), do them with your disk and your network, and say so (Advance).
//
// # The loop
//
// After every Tick, Step, Propose and so on (this is [StorageSync], the default):
//
//	for {
//		for { // rare: a peer is far behind
//			f, ok, err := n.NextFetch()
//			if err != nil { return err }
//			if !ok { break }
//			n.SupplyEntries(f.ID, ...) // or SupplySnapshot, or SupplyNone
//		}
//		rd, ok, err := n.Ready()
//		if err != nil { return err }
//		if !ok { break }
//		// 1. Store: first the snapshot, which replaces everything; then rd.Entries, which replace all from Entries[0].Index on; then
//		//    rd.HardState. Make it durable if rd.MustSync().
//		// 2. Send rd.Messages, each Frame to the peer named To.
//		// 3. Apply rd.CommittedEntries in order; a configuration entry goes to n.ApplyConfChange; an empty normal entry is a
//		//    leader's own: nothing to do. State stored as applied = i is stored together with the configuration of the last
//		//    configuration entry up to i. If the span CommittedFirst to CommittedLast comes without entries, read your own log.
//		// 4. Answer rd.Reads and rd.Dropped.
//		if err := n.Advance(rd.Number); err != nil { return err } // 5
//	}
//
// No hard state may outlive the entries it commits: write a ready as one transaction, or in the order above. A write that failed has no
// call: close the node, and boot another from what is on disk. examples/kv is a whole host: bbolt, HTTP, three processes.
//
// # Copies and views
//
// What a call returns is a copy, and the caller's own. [Node.ReadyView] gives a batch as it lies in the node's memory instead, without
// copying or allocating: all of it ends with Advance or Release of that batch, and with Close. [Node.Turn] does Advance, the look for
// fetches and ReadyView in one crossing, which is the quickest loop. [FlagDebugPoisonViews] overwrites what
// has ended, so that a stale read shows in tests. What is passed in is borrowed for the call.
//
// # Errors
//
// A call that failed left the node as it was, and returns an [*Error]: errors.Is(err, raftcore.ErrFull) asks for a code, and its Detail
// has the numbers. Poisoned nodes ([ErrPanic]: a bug of the library was caught) still work for Status, Events and Close.
//
// # Goroutines
//
// A node may be used by any goroutines; calls wait for each other, and none takes long. Different nodes are independent.
//
// # Linking
//
// The archive and its header are put into this folder by `make go-lib` at the top of the repository; programs link it statically, also
// with -ldflags '-extldflags "-static"'. The build tag raftcore_static takes the archive of an installed library instead, as pkg-config
// says; the tag raftcore_system takes the shared library.
package raftcore
