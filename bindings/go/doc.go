// Package raftcore is a Raft consensus core: elections, replication, membership, linearizable reads
// and snapshots. The core is a state machine without a goroutine, clock, socket or file of its own.
//
// If you know RawNode of etcd's raft, you know [Node]: call Tick on a timer, Step for each message
// received (or StepFrames for each read from a connection), Propose to replicate data. Ready
// returns work for your disk and your network. Advance acknowledges the work.
//
// # Start
//
// To found a group, store [Founder] on each founder's disk, once, and boot from it. To join a
// group, boot from an empty disk ([Stored]{}) under an id that was never used, and add the node as
// a learner: see [Node.ProposeConfChange]. To restart, boot from what is stored: see [Node.Boot].
//
// # The loop
//
// After every Tick, StepFrames, Propose and so on, with [StorageSync], the default:
//
//	for n.HasReady() {
//		for {
//			f, ok, err := n.NextFetch()
//			check(err)
//			if !ok {
//				break
//			}
//			supply(n, f) // rare: old entries or a snapshot, from your log
//		}
//		rd, ok, err := n.Ready()
//		check(err)
//		if !ok {
//			continue
//		}
//		store(&rd)                  // 1. snapshot, entries, hard state; durable if rd.MustSync()
//		send(&rd)                   // 2. each Frame to the peer named To
//		apply(n, &rd)               // 3. committed entries, in order
//		answer(&rd)                 // 4. rd.Reads and rd.Dropped
//		check(n.Advance(rd.Number)) // 5.
//	}
//	for {
//		e, ok, err := n.NextEvent()
//		check(err)
//		if !ok {
//			return
//		}
//		fmt.Println("event:", e)
//	}
//
// Before you sleep, HasReady must be false. Events are no work, but only events explain why a node
// stands still: log them.
//
// The five functions are yours:
//
//   - supply answers a fetch, with SupplyEntries, SupplySnapshot or SupplyNone: see [Node.NextFetch].
//   - store writes, in one transaction: first the snapshot, which replaces everything; then rd.Entries,
//     which replace all from Entries[0].Index on; then rd.HardState.
//   - send writes each Frame to the peer named To.
//   - apply gives rd.CommittedEntries to the state machine, in order, and each membership change to
//     [Node.ApplyConfChange]. An empty normal entry is a leader's first: ignore it.
//   - answer serves rd.Reads, and reports rd.Dropped.
//
// The package example is this loop as a program. [Node.Turn] is the loop with one crossing into C for
// each ready. examples/kv is a server: bbolt, TCP, HTTP, three processes.
//
// # Rules
//
//   - Store the applied index, the membership ([Conf].Bytes) and your data in one transaction.
//   - Never let a commit index reach the disk before the entries that it covers: write a ready as
//     one transaction, or in the order of the loop.
//   - A failed write or flush is final. You cannot report it, and you must not retry it: after a
//     failed fsync the kernel may have dropped the data, and the next fsync succeeds. End the
//     process. The next process boots from the disk.
//   - Never boot an emptied disk under its old id, and never found a group twice.
//   - Acknowledge every ready, even an empty one.
//   - Errors of Step, StepFrames and of all Supply calls concern one message or one peer: log them.
//     Data above MaxSnapshotBytes are [ErrTooLarge] in SupplySnapshot: supply the snapshot without
//     data, and send the data over a connection of your own.
//   - Propose at the leader. Other nodes return [ErrNotLeader], with the leader in [Error.Leader].
//     A proposal whose token returns as [DropUnknown] may have been committed: before you retry,
//     read, or put an id of your own into the data.
//
// # Copies and views
//
// Results are yours. [Node.ReadyView] and [Node.Turn] return a ready in the node's memory instead,
// and neither copy nor allocate: see [ReadyView]. Arguments are borrowed for the call.
//
// # Errors
//
// A call that failed left the node unchanged, and returns an [*Error]: errors.Is(err,
// raftcore.ErrFull) tests for a code, and Error.Detail has the numbers. A poisoned node
// ([ErrPanic]: a bug of the library was caught) still answers Status, Peers, NextEvent and Close.
//
// # Goroutines
//
// A node may be used by any goroutines. Calls wait for the running call, and no call takes long.
// Different nodes are independent.
//
// # Memory
//
// A node's memory lies outside of Go's heap. Of the C functions, raftcore_set_heap has no place here:
// such functions of a host run inside each call, and a call that enters Go again costs more than
// the memory. A C program that links this package may set them before the first node.
//
// # Linking
//
// `make go-lib` at the top of the repository puts the archive and its header into this folder. Programs
// link the archive statically. With the build tag raftcore_static the archive is that of an installed
// library, which `pkg-config` names; with raftcore_system the library is the shared one.
package raftcore
