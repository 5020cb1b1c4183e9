// The window of appends in flight to a member.

package tracker

import "slices"

// Inflights is a window of appends that are in flight, the oldest first.
type Inflights struct {
	size     int
	maxBytes uint64 // 0: no limit
	bytes    uint64
	appends  []inflight
}

type inflight struct {
	index uint64 // of the last entry
	bytes uint64
}

// NewInflights returns an empty window for size appends and maxBytes of payload; 0: no limit by
// bytes.
func NewInflights(size int, maxBytes uint64) *Inflights {
	return &Inflights{size: size, maxBytes: maxBytes}
}

// Clone returns a copy that shares nothing with in.
func (in *Inflights) Clone() *Inflights {
	twin := *in
	twin.appends = slices.Clone(in.appends)
	return &twin
}

// Add adds an append whose last entry is at index. A full window takes no more.
func (in *Inflights) Add(index, bytes uint64) {
	if in.Full() {
		return
	}
	in.appends = append(in.appends, inflight{index, bytes})
	in.bytes += bytes
}

// FreeLE removes the appends up to index.
func (in *Inflights) FreeLE(to uint64) {
	for len(in.appends) > 0 && in.appends[0].index <= to {
		in.bytes -= in.appends[0].bytes
		in.appends = in.appends[1:]
	}
}

// Full reports whether the window takes no more.
func (in *Inflights) Full() bool {
	return len(in.appends) >= in.size || in.maxBytes != 0 && in.bytes >= in.maxBytes
}

// Count returns how many appends are in flight.
func (in *Inflights) Count() int { return len(in.appends) }
