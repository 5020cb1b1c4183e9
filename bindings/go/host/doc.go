// Package host makes a replicated service out of a state machine: it has the log on disk, the
// connections between members, snapshots, membership and the loop around the Raft core raftcore.
//
// You write a [StateMachine]: Apply, Snapshot, Restore. [Found] makes the first member of a group,
// once. [Open] starts a member, at every start; a member with an empty directory joins the group of
// Options.Join.
//
//	err := host.Found("data/1", 1, options) // once
//	h, err := host.Open(ctx, "data/1", 1, options)
//	result, err := h.Propose(ctx, []byte("apple")) // replicated, durable, applied
//	err = h.Read(ctx)                              // then read your state: nothing acknowledged is missing
//
// Propose and Read work on every member; nobody needs to look for the leader. [Host.Transfer],
// [Host.Promote], [Host.Remove] and [Host.Members] manage the group.
//
// # Outcomes
//
// nil from Propose: the entry is on the disks of a majority, and applied. [ErrNotCommitted]: surely
// not done. [ErrUnknown]: done or not. [ErrRefused]: surely not done, and a retry would not help. A
// [Session] makes retries safe: the group applies each proposal once.
//
// # The disk
//
// A write costs a single flush, and a flush covers all waiting writes. The state is in memory; a
// start restores the newest snapshot and applies the log behind it. If bytes on the disk have
// changed, Open fails with [ErrDamaged], and a running host ends. Remove the member, and add a new
// member with a new id and an empty directory.
//
// # Operations
//
// [Host.Backup] and [FoundFrom] copy a group's state; [Recover] is for a group whose majority is
// lost. [Host.WriteMetrics] writes Prometheus' text format, [Host.Expvar] is for package expvar.
// The host logs with package slog.
package host
