package raftcore

// #include "glue.h"
// #cgo noescape goraft_ended
// #cgo nocallback goraft_ended
// #cgo noescape goraft_get_ready
// #cgo nocallback goraft_get_ready
// #cgo noescape goraft_turn
// #cgo nocallback goraft_turn
// #cgo noescape goraft_turn_done
// #cgo nocallback goraft_turn_done
// #cgo noescape goraft_view
// #cgo nocallback goraft_view
// #cgo noescape raftcore_advance
// #cgo nocallback raftcore_advance
// #cgo noescape raftcore_applied
// #cgo nocallback raftcore_applied
// #cgo noescape raftcore_persisted
// #cgo nocallback raftcore_persisted
// #cgo noescape raftcore_ready_flat
// #cgo nocallback raftcore_ready_flat
// #cgo noescape raftcore_release
// #cgo nocallback raftcore_release
import "C"

import "unsafe"

// ---- readies

// Ready takes the next ready, as a copy that is yours. false: there is no work. With [StorageSync]
// Ready returns the same ready until Advance. [ErrFull]: MaxOutstanding readies are outstanding.
func (n *Node) Ready() (Ready, bool, error) {
	var rd Ready
	ok, err := n.ReadyInto(&rd)
	return rd, ok, err
}

// ReadyInto is [Node.Ready] with the memory of rd used again: the former contents of rd end.
func (n *Node) ReadyInto(rd *Ready) (bool, error) {
	c, h := n.lock()
	if h == nil {
		return false, closed("Ready")
	}
	defer c.mu.Unlock() // under the lock, so that no other goroutine ends the ready
	code := C.goraft_get_ready(C.uintptr_t(uintptr(unsafe.Pointer(h))))
	if code < 0 {
		return false, failure(h, "Ready", code)
	}
	if code != C.RAFTCORE_OK {
		return false, nil
	}
	var v ReadyView
	v.fill(c, &h.ready)
	v.CopyTo(rd)
	return true, nil
}

// ReadyView takes the next ready as [Node.Ready] does. ReadyView copies and allocates nothing: see
// the type [ReadyView] for how long the view is valid.
func (n *Node) ReadyView() (v ReadyView, ok bool, err error) {
	c, h := n.lock()
	if h == nil {
		return v, false, closed("ReadyView")
	}
	code := C.goraft_get_ready(C.uintptr_t(uintptr(unsafe.Pointer(h))))
	if code < 0 {
		return v, false, c.fail("ReadyView", code)
	}
	if code == C.RAFTCORE_OK {
		v.fill(c, &h.ready)
	}
	c.mu.Unlock()
	return v, code == C.RAFTCORE_OK, nil
}

// View returns an outstanding ready once more, for example a ready that a panic kept from you.
// Status.LastReady has the number of the newest one. false: no ready of this number is outstanding.
func (n *Node) View(number uint64) (v ReadyView, ok bool, err error) {
	c, h := n.lock()
	if h == nil {
		return v, false, closed("View")
	}
	code := C.goraft_view(C.uintptr_t(uintptr(unsafe.Pointer(h))), C.uint64_t(number))
	if code < 0 {
		return v, false, c.fail("View", code)
	}
	if code == C.RAFTCORE_OK {
		v.fill(c, &h.ready)
	}
	c.mu.Unlock()
	return v, code == C.RAFTCORE_OK, nil
}

// ReadyFlat takes the next ready as one run of bytes, in the layout of raftcore_flat in raftcore.h.
// The bytes go into buf if they fit, else into a new buffer, and are yours. The ready is
// outstanding then.
func (n *Node) ReadyFlat(buf []byte) ([]byte, bool, error) {
	c, h := n.lock()
	if h == nil {
		return buf[:0], false, closed("ReadyFlat")
	}
	buf = buf[:cap(buf)]
	code := C.raftcore_ready_flat(h.node, pointer(buf), C.size_t(len(buf)), &h.need)
	if code == C.RAFTCORE_E_TOO_SMALL {
		buf = make([]byte, h.need)
		code = C.raftcore_ready_flat(h.node, pointer(buf), C.size_t(len(buf)), &h.need)
	}
	if code < 0 {
		return buf[:0], false, c.fail("ReadyFlat", code)
	}
	if code != C.RAFTCORE_OK {
		c.mu.Unlock()
		return buf[:0], false, nil
	}
	buf = buf[:h.need]
	c.mu.Unlock()
	return buf, true, nil
}

// ---- acknowledgements

// Advance acknowledges a ready: its work is done, and the work of earlier readies. The views of
// these readies end.
//
// Acknowledge every ready, even an empty one: the node's own vote and acknowledgement count only
// then.
//
// [ErrStale]: acknowledged before; harmless. [ErrState]: a configuration entry in the ready was
// neither applied nor skipped, or the mode is [StorageMessages].
func (n *Node) Advance(number uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("Advance")
	}
	code := C.raftcore_advance(h.node, C.uint64_t(number))
	if code == C.RAFTCORE_OK {
		c.end(number)
	}
	return c.done("Advance", code)
}

// Persisted reports that the writes of readies up to number are durable. Messages with MessageAfter
// of these readies may leave now. Persisted is independent of Applied and Release. [StorageAsync]
// only.
//
// You cannot report a failed write. If a write or a flush fails, end the process. The next process
// boots from the disk.
func (n *Node) Persisted(number uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("Persisted")
	}
	return c.done("Persisted", C.raftcore_persisted(h.node, C.uint64_t(number)))
}

// Applied reports that the state machine has applied all entries up to index, and has stored so.
// [StorageAsync]; with [StorageSync] only for a span without entries, see [FlagCommittedSpans].
func (n *Node) Applied(index uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("Applied")
	}
	return c.done("Applied", C.raftcore_applied(h.node, C.uint64_t(index)))
}

// Release ends the views of readies up to number. Not with [StorageSync].
func (n *Node) Release(number uint64) error {
	c, h := n.lock()
	if h == nil {
		return closed("Release")
	}
	code := C.raftcore_release(h.node, C.uint64_t(number))
	if code == C.RAFTCORE_OK {
		c.end(number)
	}
	return c.done("Release", code)
}

// end marks the views of readies up to number as ended. The node is locked.
func (c *core) end(number uint64) {
	if number > c.ended.Load() {
		c.ended.Store(number)
	}
}

// ---- a turn of the loop

// Input collects what has happened since the last turn. Set only the fields for which there is
// something.
type Input struct {
	Ticks uint32 // ticks that passed
	Done  uint64 // number of a ready: [Node.Advance]

	Persisted uint64 // number of a ready: [Node.Persisted]
	Applied   uint64 // index of an entry: [Node.Applied]
	Released  uint64 // number of a ready: [Node.Release]

	Peer   uint64 // sender of Frames: see [Node.Step]
	Frames []byte // see [Node.StepFrames]

	Stepped // result: what became of the Frames of the last turn that had some
}

// Found is the result of [Node.Turn].
type Found int

const (
	FoundNothing Found = iota // no work
	FoundReady                // a ready
	FoundLast                 // a ready, and no other follows before something happens
	FoundFetch                // no ready, since a fetch comes first: NextFetch, supply, and the next turn
)

// Turn is one turn of the loop in one crossing into C. Turn acknowledges, ticks, steps frames,
// looks for a fetch, and takes the next ready into v, in this order.
//
// Turn empties in, also if it fails, except for the result in.Stepped. A refused frame is no error
// of the turn, nor is a repeated acknowledgement. If in.Refused is [ErrDecode] and in.Consumed is
// 0, drop the connection: no frame has the length with which the buffer begins.
//
// After FoundLast you may sleep without another turn. Set Done in the input of the next turn; until
// then the ready counts as not applied, for Compacted too.
//
// An error of an acknowledgement: nothing after it was done. [ErrFull]: MaxOutstanding readies are
// outstanding; all else was done.
func (n *Node) Turn(in *Input, v *ReadyView) (Found, error) {
	given := *in
	_ = *v // a nil pointer must panic before the lock
	c, h := n.lock()
	if h == nil {
		return FoundNothing, closed("Turn")
	}
	host := C.uintptr_t(uintptr(unsafe.Pointer(h)))
	var code C.raftcore_code
	*in = Input{Stepped: given.Stepped}
	if len(given.Frames) == 0 && given.Ticks == 0 && given.Persisted|given.Applied|given.Released == 0 {
		code = C.goraft_turn_done(host, C.uint64_t(given.Done))
	} else {
		code = C.goraft_turn(host, C.uint32_t(given.Ticks), C.uint64_t(given.Done), C.uint64_t(given.Persisted),
			C.uint64_t(given.Applied), C.uint64_t(given.Released), C.uint64_t(given.Peer), pointer(given.Frames),
			C.size_t(len(given.Frames)))
		if len(given.Frames) > 0 {
			in.Stepped = Stepped{Consumed: int(h.need), Rejected: int(h.word)}
			if h.first != 0 {
				in.Refused = refused(h, code)
			}
		}
	}
	if code < 0 {
		return FoundNothing, c.failedTurn(&given, code)
	}
	if ended := max(given.Done, given.Released); ended > 0 {
		c.end(ended)
	}
	found := FoundNothing
	switch code {
	case C.RAFTCORE_OK:
		v.fill(c, &h.ready)
		found = FoundReady
	case C.RAFTCORE_LAST:
		v.fill(c, &h.ready)
		found = FoundLast
	case C.RAFTCORE_FETCH_FIRST:
		found = FoundFetch
	}
	c.mu.Unlock()
	return found, nil
}

// refused returns the reason of the first refused frame. The detail of a failed turn is not the
// frame's.
//
//go:noinline
func refused(h *C.goraft_host, turn C.raftcore_code) error {
	if turn < 0 {
		return failure(nil, "Turn", h.first)
	}
	return failure(h, "Turn", h.first)
}

//go:noinline
func (c *core) failedTurn(given *Input, code C.raftcore_code) error {
	err := failure(c.h, "Turn", code)
	host := C.uintptr_t(uintptr(unsafe.Pointer(c.h)))
	for _, number := range [...]uint64{given.Done, given.Released} {
		if number > 0 && C.goraft_ended(host, C.uint64_t(number)) != 0 {
			c.end(number)
		}
	}
	c.mu.Unlock()
	return err
}
