package host

import (
	"expvar"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	raftcore "raftcore.example/go"
)

// Status is how a member is.
type Status struct {
	raftcore.Status                 // status of the core
	Peers           []raftcore.Peer `json:",omitempty"` // on the leader: progress of the members
	Snapshot        uint64          // index of the newest snapshot
	LogBytes        int64           // of the log on the disk
}

// Status returns how the member is.
func (h *Host) Status() (Status, error) {
	core, err := h.node.Status()
	if err != nil {
		return Status{}, h.closedError()
	}
	s := Status{Status: core, Snapshot: h.saved.Load(), LogBytes: h.store.Bytes()}
	if core.Role == raftcore.RoleLeader {
		s.Peers, err = h.node.Peers()
	}
	return s, err
}

// ID returns the member's id.
func (h *Host) ID() uint64 { return h.id }

// Address returns the address for peers.
func (h *Host) Address() string { return h.address }

// Leader returns the member that leads, as far as the member knows; 0: none is known.
func (h *Host) Leader() uint64 { return h.view.Load().leader }

// metrics counts, from any goroutine.
type metrics struct {
	proposals, proposalsFailed, reads, readsRepeated, applied, flushes, framesRefused atomic.Uint64
	snapshotsMade, snapshotsSent, snapshotsInstalled                                  atomic.Uint64
	snapshotBytesSent, snapshotBytesReceived                                          atomic.Uint64
	proposeSeconds, flushSeconds, applySeconds                                        histogram
}

// bounds are the upper ends of the buckets of a histogram, in microseconds.
var bounds = [...]int64{100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000}

type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
}

func (g *histogram) since(begin time.Time) {
	took := time.Since(begin)
	g.sum.Add(int64(took))
	for i, bound := range bounds {
		if took.Microseconds() <= bound {
			g.buckets[i].Add(1)
			return
		}
	}
	g.buckets[len(bounds)].Add(1)
}

func (g *histogram) write(w io.Writer, name, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name)
	sum := uint64(0)
	for i, bound := range bounds {
		sum += g.buckets[i].Load()
		fmt.Fprintf(w, "%s_bucket{le=\"%g\"} %d\n", name, float64(bound)/1e6, sum)
	}
	sum += g.buckets[len(bounds)].Load()
	fmt.Fprintf(w, "%s_bucket{le=\"+Inf\"} %d\n%s_sum %g\n%s_count %d\n", name, sum, name, time.Duration(g.sum.Load()).Seconds(), name, sum)
}

type metric struct {
	name, kind, help string
	value            uint64
}

func (h *Host) list(s *Status) []metric {
	flag := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	m := &h.metrics
	return []metric{
		{"leader", "gauge", "Id of the leader; 0: none is known. Alert: 0 for ten election timeouts.", s.Leader},
		{"is_leader", "gauge", "1 on the leader.", flag(s.Role == raftcore.RoleLeader)},
		{"term", "counter", "Term of this member. Alert: it grows by more than a few in an hour.", s.Term},
		{"commit_index", "counter", "Highest index known to be committed.", s.Commit},
		{"applied_index", "counter", "Highest index that the machine has applied. Alert: it stays behind commit_index.", s.Applied},
		{"durable_index", "counter", "Highest index on this member's disk.", s.Durable},
		{"last_index", "counter", "Last index of the log.", s.LastIndex},
		{"snapshot_index", "counter", "Index of the newest snapshot.", s.Snapshot},
		{"log_bytes", "gauge", "Bytes of the log on the disk.", uint64(s.LogBytes)},
		{"memory_bytes", "gauge", "Bytes that the core holds.", s.MemoryBytes},
		{"members", "gauge", "Members of the group.", uint64(s.Status.Peers)},
		{"implausible_total", "counter", "Messages that contradict committed entries. Alert: any.", s.Implausible},
		{"messages_dropped_total", "counter", "Outgoing messages lost at a limit.", s.MessagesDropped},
		{"messages_refused_total", "counter", "Incoming messages that failed.", s.MessagesRefused},
		{"late_ticks_total", "counter", "Ticks that came while work waited. Alert: it grows: the machine is overloaded.", s.LateTicks},
		{"proposals_total", "counter", "Proposals of this member that were committed.", m.proposals.Load()},
		{"proposals_failed_total", "counter", "Proposals of this member with another outcome.", m.proposalsFailed.Load()},
		{"reads_total", "counter", "Linearizable reads served.", m.reads.Load()},
		{"reads_repeated_total", "counter", "Questions to the leader that had to be asked again.", m.readsRepeated.Load()},
		{"entries_applied_total", "counter", "Entries that the machine has applied since the start.", m.applied.Load()},
		{"frames_refused_total", "counter", "Buffers of frames with one that the core refused.", m.framesRefused.Load()},
		{"snapshots_made_total", "counter", "Snapshots made.", m.snapshotsMade.Load()},
		{"snapshots_sent_total", "counter", "Snapshots sent to other members.", m.snapshotsSent.Load()},
		{"snapshots_installed_total", "counter", "Snapshots installed.", m.snapshotsInstalled.Load()},
		{"snapshot_bytes_sent_total", "counter", "Bytes of snapshots sent.", m.snapshotBytesSent.Load()},
		{"snapshot_bytes_received_total", "counter", "Bytes of snapshots received.", m.snapshotBytesReceived.Load()},
	}
}

// WriteMetrics writes the metrics in Prometheus' text format, version 0.0.4.
func (h *Host) WriteMetrics(w io.Writer) error {
	s, err := h.Status()
	if err != nil {
		return err
	}
	for _, m := range h.list(&s) {
		name := "raftcore_" + m.name
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", name, m.help, name, m.kind, name, m.value)
	}
	if len(s.Peers) > 0 {
		fmt.Fprint(w, "# HELP raftcore_peer_match_index Highest index known to be in a member's log.\n# TYPE raftcore_peer_match_index gauge\n")
		for _, p := range s.Peers {
			fmt.Fprintf(w, "raftcore_peer_match_index{peer=\"%d\"} %d\n", p.ID, p.Match)
		}
	}
	h.metrics.proposeSeconds.write(w, "raftcore_propose_seconds", "Time of a proposal of this member.")
	h.metrics.flushSeconds.write(w, "raftcore_flush_seconds", "Time of a write and flush of the log.")
	h.metrics.applySeconds.write(w, "raftcore_apply_seconds", "Time of a batch in the machine.")
	return nil
}

// Expvar returns the metrics for [expvar.Publish].
func (h *Host) Expvar() expvar.Var {
	return expvar.Func(func() any {
		s, err := h.Status()
		if err != nil {
			return map[string]string{"error": err.Error()}
		}
		values := map[string]uint64{}
		for _, m := range h.list(&s) {
			values[m.name] = m.value
		}
		return values
	})
}
