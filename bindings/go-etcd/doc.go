// Package raft is etcd's raft with raftcore inside: the names of go.etcd.io/raft/v3 v3.7.0, so that a
// program written for that module runs on raftcore without a change. See README.md for the two lines
// that replace the module, and for the names and habits that differ.
//
// A [Node] is driven from any goroutine, and returns its work through a channel. A [RawNode] is
// driven by one goroutine, by calls. Both return a [Ready] at a time. For each one:
//
//  1. Write Snapshot, then Entries, then HardState to the disk; flush, if MustSync.
//  2. Append Entries to the [Storage], or apply Snapshot to it.
//  3. Send Messages. A leader may send them before the disk has finished.
//  4. Apply CommittedEntries. Pass each change to ApplyConfChange.
//  5. Call Advance.
//
// # How it works
//
// The package is an example of a host of raftcore. The type engine owns a raftcore node and
// translates: boot.go reads the Storage, turn.go makes a Ready, step.go takes messages, fetch.go
// reads the Storage for what the node lacks, events.go logs. node.go and rawnode.go are the two faces.
//
// Entries are shared. The node copies an entry once into its own memory; a Ready has the very entry
// that a caller proposed or that a message brought, and messages to peers have the same one. The data
// of a snapshot never enter the node.
package raft
