package raftcore

import (
	"testing"
)

// solo is a sole voter that leads and has no work.
func solo(tb testing.TB) *Node {
	tb.Helper()
	n := founder(tb, testConfig(1, StorageSync), 1)
	must(tb, n.Campaign())
	drain(tb, n)
	return n
}

// drain does the work of all readies by views, and stores nothing.
func drain(tb testing.TB, n *Node) (committed int) {
	for {
		rd, ok, err := n.ReadyView()
		if err != nil {
			tb.Fatal(err)
		}
		if !ok {
			return committed
		}
		committed += rd.CommittedEntries.Len()
		if err := n.Advance(rd.Number); err != nil {
			tb.Fatal(err)
		}
	}
}

func BenchmarkTick(b *testing.B) {
	n := solo(b)
	b.ReportAllocs()
	for b.Loop() {
		must(b, n.Tick(1))
	}
}

func BenchmarkHasReady(b *testing.B) {
	n := solo(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = n.HasReady()
	}
}

func BenchmarkReadyViewNone(b *testing.B) {
	n := solo(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := n.ReadyView()
		must(b, err)
	}
}

func BenchmarkStatus(b *testing.B) {
	n := solo(b)
	b.ReportAllocs()
	for b.Loop() {
		_, err := n.Status()
		must(b, err)
	}
}

// A heartbeat that a follower takes.
func BenchmarkStep(b *testing.B) {
	n, beat := follower(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		must(b, n.Step(2, beat))
		if i%512 == 511 {
			b.StopTimer()
			drain(b, n)
			b.StartTimer()
		}
	}
}

// Sixteen heartbeats in one buffer: per frame.
func BenchmarkStepFrames16(b *testing.B) {
	n, beat := follower(b)
	frames := make([]byte, 0, 16*(12+len(beat)))
	for range 16 {
		frames = append(frames, byte(len(beat)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		frames = append(frames, beat...)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		_, err := n.StepFrames(2, frames)
		must(b, err)
		if i%32 == 31 {
			b.StopTimer()
			drain(b, n)
			b.StartTimer()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/frame")
}

// An entry from Propose to its commit on a sole voter: the calls of a host's loop, without a disk.
func BenchmarkEntry(b *testing.B) {
	data := make([]byte, 64)
	b.Run("Turn", func(b *testing.B) {
		n := solo(b)
		var in Input
		var v ReadyView
		b.ReportAllocs()
		for b.Loop() {
			must(b, n.Propose(data, 0))
			for found := FoundReady; found == FoundReady; in.Done = v.Number {
				var err error
				found, err = n.Turn(&in, &v)
				must(b, err)
			}
		}
	})
	var reused Ready
	for name, next := range map[string]func(*Node) (uint64, bool, error){
		"ReadyView": func(n *Node) (uint64, bool, error) { v, ok, err := n.ReadyView(); return v.Number, ok, err },
		"Ready":     func(n *Node) (uint64, bool, error) { rd, ok, err := n.Ready(); return rd.Number, ok, err },
		"ReadyInto": func(n *Node) (uint64, bool, error) { ok, err := n.ReadyInto(&reused); return reused.Number, ok, err },
	} {
		b.Run(name, func(b *testing.B) {
			n := solo(b)
			b.ReportAllocs()
			for b.Loop() {
				must(b, n.Propose(data, 0))
				for {
					number, ok, err := next(n)
					must(b, err)
					if !ok {
						break
					}
					must(b, n.Advance(number))
				}
			}
		})
	}
}

// 64 entries of 64 bytes, proposed together, committed on three nodes of one process: per entry,
// all three together.
func BenchmarkGroup64(b *testing.B) {
	const batch = 64
	for _, call := range []string{"ProposeFlat", "ProposeMany", "Propose"} {
		b.Run(call, func(b *testing.B) {
			g := newWire(b)
			flat := make([]byte, batch*64)
			lengths := make([]uint32, batch)
			entries := make([][]byte, batch)
			for i := range entries {
				lengths[i] = 64
				entries[i] = flat[i*64 : (i+1)*64]
			}
			leader := g.nodes[0]
			b.ReportAllocs()
			for b.Loop() {
				switch call {
				case "ProposeFlat":
					must(b, leader.ProposeFlat(flat, lengths, nil))
				case "ProposeMany":
					must(b, leader.ProposeMany(entries, nil))
				default:
					for _, e := range entries {
						must(b, leader.Propose(e, 0))
					}
				}
				g.turn(b)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/entry")
		})
	}
}

func BenchmarkTickMany(b *testing.B) {
	nodes := make([]*Node, 1000)
	cfg := testConfig(1, StorageSync)
	cfg.RecentBytes, cfg.BlockBytes = 1<<16, 1<<12
	cfg.MaxEntriesPerReady, cfg.MaxMessages, cfg.MaxReads, cfg.MaxTokens = 16, 16, 16, 16
	cfg.MaxEntryBytes, cfg.MaxSizePerMsg = 1<<10, 1<<10
	for i := range nodes {
		nodes[i] = founder(b, cfg, 1)
		must(b, nodes[i].SetElectable(false))
		drain(b, nodes[i])
	}
	b.Run("Ticker", func(b *testing.B) {
		ticker := NewTicker(nodes)
		var found []int
		b.ReportAllocs()
		for b.Loop() {
			found = ticker.Tick(1, found[:0])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(nodes)), "ns/node")
	})
	b.Run("Tick", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, n := range nodes {
				must(b, n.Tick(1))
				_ = n.HasReady()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(nodes)), "ns/node")
	})
}

// wire is a group of three nodes whose frames travel through reused buffers.
type wire struct {
	nodes [3]*Node
	inbox [3][]byte
	apply int
}

func newWire(tb testing.TB) *wire {
	g := &wire{}
	for i := range g.nodes {
		g.nodes[i] = founder(tb, testConfig(uint64(i+1), StorageSync), 1, 2, 3)
	}
	must(tb, g.nodes[0].Campaign())
	g.turn(tb)
	return g
}

// turn works until no node has work.
func (g *wire) turn(tb testing.TB) {
	for busy := true; busy; {
		busy = false
		for i, n := range g.nodes {
			if len(g.inbox[i]) > 0 {
				_, err := n.StepFrames(0, g.inbox[i])
				must(tb, err)
				g.inbox[i] = g.inbox[i][:0]
				busy = true
			}
			for {
				rd, ok, err := n.ReadyView()
				must(tb, err)
				if !ok {
					break
				}
				busy = true
				for k := range rd.Messages.Len() {
					m := rd.Messages.At(k)
					g.inbox[m.To-1] = m.AppendFrame(g.inbox[m.To-1])
				}
				g.apply += rd.CommittedEntries.Len()
				must(tb, n.Advance(rd.Number))
			}
		}
	}
}
