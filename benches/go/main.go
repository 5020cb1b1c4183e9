// W1 through the Go binding, as a host with StorageSync does it: the work of ../w1/w1.c, with Turn.
//
//	w1-go ROUNDS BATCH SIZE [REPS]
//
// REPS 0: one run without timing, for callgrind. ALIKE=1 in the environment: entries of one length, without tokens.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	raftcore "raftcore.example/go"
)

const (
	nodes = 3
	cycle = 1024 // lengths before they repeat
)

// inbox is the messages that arrived at a node, back to back in one buffer.
type inbox struct {
	bytes   []byte
	arrived []arrival
}

type arrival struct {
	from uint64
	end  int
}

type host struct {
	node         *raftcore.Node
	input        raftcore.Input // of the next turn
	state        raftcore.HardState
	applied      uint64
	stored, done uint64 // stand for the disk and the state machine: so much of each entry is looked at
	answered     uint64 // clients: committed entries with a token
	mustSync     bool
	pieces       [][]byte
}

type group struct {
	hosts   [nodes]host
	in      [nodes]*inbox
	reading *inbox // what is being read, while others write to the reader's
	shadow  []byte // where the second copy goes, if its cost is to be seen
	twice   bool
	keep    uint64
	batch   int
	data    []byte   // as much as a round takes at most
	lengths []uint32 // of cycle entries, then the first again, so that each round is a part
	sizes   []int    // of the data of a round that begins at an entry
	tokens  []uint64 // nil: none
	at      int
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

//go:noinline
func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// hold stops the program unless the condition holds.
func hold(holds bool, what string) {
	if !holds {
		broken(what)
	}
}

//go:noinline
func broken(what string) { fail(fmt.Errorf("does not hold: %s", what)) }

// w1_network is the network: a host's gather list, as for writev, arrives in one piece. On a real host
// the kernel does this work on both ends. A separate function keeps the cost apart (callgrind
// --toggle-collect).
//
//go:noinline
func w1_network(g *group, to *inbox, from uint64, pieces [][]byte) {
	if g.twice {
		g.shadow = g.shadow[:0]
		for _, piece := range pieces {
			g.shadow = append(g.shadow, piece...)
		}
	}
	for _, piece := range pieces {
		to.bytes = append(to.bytes, piece...)
	}
	to.arrived = append(to.arrived, arrival{from, len(to.bytes)})
}

// work does the work of every ready: store, send, apply, answer. The last acknowledgement goes with the
// next turn.
func (g *group) work(h *host) {
	var rd raftcore.ReadyView
	for found := raftcore.FoundReady; found != raftcore.FoundLast; {
		var err error
		found, err = h.node.Turn(&h.input, &rd)
		must(err)
		if found == raftcore.FoundNothing {
			return
		}
		hold(found != raftcore.FoundFetch && !rd.HasSnapshot(), "no fetch, no snapshot")
		entries := rd.Entries
		for i := range entries.Len() {
			e := entries.View(i)
			h.stored += e.Index() ^ uint64(e.DataLen())
		}
		if rd.HardStateChanged() {
			h.state = rd.HardState
		}
		h.mustSync = rd.MustSync()

		for i := range rd.Messages.Len() {
			m := rd.Messages.At(i)
			h.pieces = m.AppendPiecesView(h.pieces[:0])
			w1_network(g, g.in[m.To-1], m.From, h.pieces)
		}

		committed := rd.CommittedEntries
		for i := range committed.Len() {
			e := committed.View(i)
			hold(e.Kind() == raftcore.EntryNormal, "no configuration entry")
			h.applied = e.Index()
			h.done += e.Index() ^ uint64(e.DataLen())
			if e.Token() != 0 {
				h.answered++
			}
		}
		hold(rd.Reads.Len() == 0 && rd.Dropped.Len() == 0, "nothing to answer")
		h.input.Done = rd.Number
	}
}

// settle lets the leader's host work, then every host with messages, until no messages are left.
func (g *group) settle() {
	g.work(&g.hosts[0])
	for busy := true; busy; {
		busy = false
		for i := range g.hosts {
			h, mine := &g.hosts[i], g.in[i]
			if len(mine.arrived) == 0 {
				continue
			}
			g.in[i], g.reading = g.reading, mine
			start := 0
			for i, m := range mine.arrived {
				if i == len(mine.arrived)-1 {
					h.input.Peer, h.input.Frames = m.from, mine.bytes[start:]
					break
				}
				must(h.node.Step(m.from, mine.bytes[start+raftcore.FrameHeader:m.end]))
				start = m.end
			}
			size := len(mine.bytes) - start
			g.work(h)
			hold(h.input.Consumed == size && h.input.Refused == nil, "all frames are taken")
			mine.bytes, mine.arrived = mine.bytes[:0], mine.arrived[:0]
			busy = true
		}
	}
}

func (g *group) run(rounds uint64) {
	for round := uint64(1); round <= rounds; round++ {
		end := g.at + g.batch
		var tokens []uint64
		if g.tokens != nil {
			tokens = g.tokens[g.at:end]
		}
		must(g.hosts[0].node.ProposeFlat(g.data[:g.sizes[g.at]], g.lengths[g.at:end], tokens))
		g.at = end % cycle
		g.settle()
		if round%g.keep == 0 {
			for i := range g.hosts {
				g.work(&g.hosts[i]) // the last acknowledgement
				must(g.hosts[i].node.Compacted(g.hosts[i].applied))
			}
		}
	}
}

func blockBytes() uint64 {
	if bytes, err := strconv.ParseUint(os.Getenv("BLOCK_BYTES"), 10, 64); err == nil {
		return bytes
	}
	return raftcore.DefaultConfig().BlockBytes
}

func (g *group) found(i, size int) {
	cfg := raftcore.DefaultConfig()
	cfg.ID, cfg.Seed = uint64(i+1), uint64(i+1)
	cfg.BlockBytes = blockBytes()
	// The whole log between two compactions stays in memory, as in the compared programs.
	cfg.RecentBytes = (g.keep+4)*uint64(g.batch*(size+48)) + 8*cfg.BlockBytes
	cfg.MaxSizePerMsg = 16 << 20
	node, err := raftcore.NewNode(cfg)
	must(err)
	must(node.Boot(raftcore.Founder(1, 2, 3)))
	g.hosts[i] = host{node: node, applied: 1}
}

// nsOf is the time of an entry.
func (g *group) nsOf(rounds uint64, twice bool) float64 {
	var before [nodes]uint64
	for i := range g.hosts {
		before[i] = g.hosts[i].applied
	}
	g.twice = twice
	entries := rounds * uint64(g.batch)
	begin := time.Now()
	g.run(rounds)
	took := time.Since(begin)
	for i := range g.hosts {
		hold(g.hosts[i].applied-before[i] == entries, "all applied all")
	}
	hold(g.tokens == nil || g.hosts[0].answered == g.hosts[0].applied-2, "each client is answered")
	return float64(took.Nanoseconds()) / float64(entries)
}

// prepare makes the proposals of all rounds, as benches/kit/src/proposals.rs has them.
func (g *group) prepare(size int) {
	alike := os.Getenv("ALIKE") == "1"
	for i := range g.data {
		g.data[i] = 7
	}
	state := uint32(1)
	for i := range cycle / 2 {
		state = state*1664525 + 1013904223
		apart := state >> 16 % uint32(size/2+1)
		if alike {
			apart = 0
		}
		g.lengths = append(g.lengths, uint32(size)-apart, uint32(size)+apart)
		if !alike {
			g.tokens = append(g.tokens, uint64(2*i+1), uint64(2*i+2))
		}
	}
	g.lengths = append(g.lengths, slices.Repeat(g.lengths, (g.batch+cycle-1)/cycle)[:g.batch]...)
	if !alike {
		g.tokens = append(g.tokens, slices.Repeat(g.tokens, (g.batch+cycle-1)/cycle)[:g.batch]...)
	}
	for at := range cycle {
		sum := 0
		for _, length := range g.lengths[at : at+g.batch] {
			sum += int(length)
		}
		g.sizes = append(g.sizes, sum)
	}
}

func argument(at int, otherwise uint64) uint64 {
	if len(os.Args) <= at {
		return otherwise
	}
	n, err := strconv.ParseUint(os.Args[at], 10, 32)
	must(err)
	return n
}

func main() {
	// One thread, and no collector: there is no garbage, and callgrind would count the wake-ups.
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	rounds, batch, size, reps := argument(1, 1024), int(argument(2, 1)), int(argument(3, 256)), argument(4, 7)
	hold(batch > 0 && size > 0, "arguments")

	room := 4*batch*(size+size/2+48) + 4096
	g := &group{
		keep:    min(max(uint64(64<<20/(batch*size)), 1), 64),
		batch:   batch,
		data:    make([]byte, batch*(size+size/2)),
		shadow:  make([]byte, 0, room),
		reading: &inbox{make([]byte, 0, room), make([]arrival, 0, 64)},
	}
	g.prepare(size)
	for i := range g.hosts {
		g.in[i] = &inbox{make([]byte, 0, room), make([]arrival, 0, 64)}
		g.found(i, size)
	}
	must(g.hosts[0].node.Campaign())
	g.settle()

	g.run(max(8*g.keep, 3*blockBytes()/uint64(batch*size)))
	if reps == 0 {
		g.nsOf(rounds, false)
		return
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.Mallocs
	plain, doubled := make([]float64, reps), make([]float64, reps)
	for i := range plain {
		plain[i] = g.nsOf(rounds, false)
		doubled[i] = g.nsOf(rounds, true)
	}
	runtime.ReadMemStats(&stats)
	slices.Sort(plain)
	slices.Sort(doubled)
	fmt.Printf("who=go-host batch=%d size=%d ns_min=%.2f ns_median=%.2f ns_network=%.2f allocs=%.4f\n", batch, size, plain[0],
		plain[reps/2], max(doubled[0]-plain[0], 0), float64(stats.Mallocs-before)/float64(2*reps*rounds)/float64(batch))
}
