package raftcore

// #include "glue.h"
// #cgo noescape goraft_snapshot_split
// #cgo nocallback goraft_snapshot_split
// #cgo noescape raftcore_abi_version
// #cgo nocallback raftcore_abi_version
// #cgo noescape raftcore_features
// #cgo nocallback raftcore_features
// #cgo noescape raftcore_hello
// #cgo nocallback raftcore_hello
// #cgo noescape raftcore_hello_read
// #cgo nocallback raftcore_hello_read
// #cgo noescape goraft_tick_many
// #cgo nocallback goraft_tick_many
// #cgo noescape raftcore_version_string
// #cgo nocallback raftcore_version_string
import "C"

import "unsafe"

// FrameHeader is how many bytes stand before the message in a frame: u32 its length, u64 the group, both little-endian.
const FrameHeader = 12

// HelloInfo is what a peer says when a connection opens. Whether version, group and id suit is the host's to judge.
type HelloInfo struct {
	Version  uint32 // of the wire format
	Features uint64 // what it is able to do
	Group    uint64
	ID       uint64
}

// Hello is the frame that opens a connection: version, features, group and id of this node.
func (n *Node) Hello() ([]byte, error) {
	h := n.lock()
	if h == nil {
		return nil, closed("Hello")
	}
	buf := make([]byte, 64)
	code := C.raftcore_hello(h.node, pointer(buf), C.size_t(len(buf)), &h.need)
	if code == C.RAFTCORE_E_TOO_SMALL {
		buf = make([]byte, h.need)
		code = C.raftcore_hello(h.node, pointer(buf), C.size_t(len(buf)), &h.need)
	}
	if code < 0 {
		return nil, n.fail("Hello", code)
	}
	buf = buf[:h.need]
	n.mu.Unlock()
	return buf, nil
}

// ReadHello reads the frame that opened a connection: one whole frame, header included.
func ReadHello(frame []byte) (HelloInfo, error) {
	info := C.raftcore_hello_info{struct_size: C.sizeof_raftcore_hello_info}
	if code := C.raftcore_hello_read(pointer(frame), C.size_t(len(frame)), &info); code < 0 {
		return HelloInfo{}, failure(nil, "ReadHello", code)
	}
	return HelloInfo{uint32(info.version), uint64(info.features), uint64(info.group), uint64(info.id)}, nil
}

// SplitSnapshot looks into an incoming message, without a frame's header, before it is stepped: is it a snapshot (else ok is false), up
// to which index and term, and where are its data? data is a part of msg; empty if they travel the host's way.
func SplitSnapshot(msg []byte) (data []byte, index, term uint64, ok bool, err error) {
	var out [4]C.uint64_t
	code := C.goraft_snapshot_split(pointer(msg), C.size_t(len(msg)), &out[0])
	if code < 0 {
		return nil, 0, 0, false, failure(nil, "SplitSnapshot", code)
	}
	if code != C.RAFTCORE_OK {
		return nil, 0, 0, false, nil
	}
	at, end := int(out[0]), int(out[0]+out[1])
	return msg[at:end:end], uint64(out[2]), uint64(out[3]), true, nil
}

// Ticker tells many nodes of passing time, each time in one crossing. It is for one goroutine at a time.
type Ticker struct {
	nodes   []*Node
	handles []C.uintptr_t
	locked  []bool
	found   []C.uint32_t
}

// NewTicker makes a ticker for these nodes.
func NewTicker(nodes []*Node) *Ticker {
	return &Ticker{
		nodes:   nodes,
		handles: make([]C.uintptr_t, len(nodes)+1),
		locked:  make([]bool, len(nodes)),
		found:   make([]C.uint32_t, len(nodes)+1),
	}
}

// Tick is [Node.Tick] for every node. It appends to found the positions of those that have a ready or fetch, or answered with an error:
// the node's own Tick or Ready will say which. A node that is closed or in use by another goroutine counts as one with an error, and
// was not ticked.
func (t *Ticker) Tick(ticks uint32, found []int) []int {
	for i, n := range t.nodes {
		t.handles[i] = 0
		if t.locked[i] = n.mu.TryLock(); t.locked[i] && n.h != nil {
			t.handles[i] = C.uintptr_t(uintptr(unsafe.Pointer(n.h.node)))
		}
	}
	count := C.goraft_tick_many(&t.handles[0], C.size_t(len(t.nodes)), C.uint32_t(ticks), &t.found[0], C.size_t(len(t.nodes)))
	for i, n := range t.nodes {
		if t.locked[i] {
			n.mu.Unlock()
		}
	}
	for _, at := range t.found[:min(int(count), len(t.nodes))] {
		found = append(found, int(at))
	}
	return found
}

// ABIVersion is the ABI of the library that runs.
func ABIVersion() uint32 { return uint32(C.raftcore_abi_version()) }

// Version is the version of the library that runs, as "0.1.0".
func Version() string { return C.GoString(C.raftcore_version_string()) }

// Features is what the library that runs is able to do.
func Features() uint64 { return uint64(C.raftcore_features()) }
