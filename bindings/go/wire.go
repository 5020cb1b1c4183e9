package raftcore

// #include "glue.h"
// #cgo noescape goraft_frame_next
// #cgo nocallback goraft_frame_next
// #cgo noescape goraft_snapshot_split
// #cgo nocallback goraft_snapshot_split
// #cgo noescape raftcore_abi_version
// #cgo nocallback raftcore_abi_version
// #cgo noescape raftcore_features
// #cgo nocallback raftcore_features
// #cgo noescape raftcore_hello
// #cgo nocallback raftcore_hello
// #cgo noescape raftcore_hello_check
// #cgo nocallback raftcore_hello_check
// #cgo noescape raftcore_hello_read
// #cgo nocallback raftcore_hello_read
// #cgo noescape goraft_tick_many
// #cgo nocallback goraft_tick_many
// #cgo noescape raftcore_version_string
// #cgo nocallback raftcore_version_string
import "C"

import "unsafe"

// FrameHeader is the length of a frame's header: u32 length of the message, u64 group, both
// little-endian.
const FrameHeader = C.RAFTCORE_FRAME_HEADER

// Frame is a frame in a buffer.
type Frame struct {
	Group   uint64
	Message []byte // for Step; a part of the buffer
	Bytes   int    // length of the whole frame: the next one begins there
}

// NextFrame returns the first frame of buf, and does not step it. If ok is false, the frame is
// incomplete, and f.Bytes is its length, or 0 if not even the header is there.
//
// limit is the largest frame that you expect, from [Config.FrameLimit]. [ErrDecode]: the frame is
// longer. Drop the connection.
func NextFrame(buf []byte, limit uint64) (f Frame, ok bool, err error) {
	var out [4]C.uint64_t
	code := C.goraft_frame_next(pointer(buf), C.size_t(len(buf)), C.uint64_t(limit), &out[0])
	if code < 0 {
		return Frame{}, false, failure(nil, "NextFrame", code)
	}
	f = Frame{Group: uint64(out[0]), Bytes: int(out[1])}
	if code != C.RAFTCORE_OK {
		return f, false, nil
	}
	at, end := int(out[2]), int(out[2]+out[3])
	f.Message = buf[at:end:end]
	return f, true, nil
}

// SplitSnapshot looks into a message before you step it. ok reports whether the message is a
// snapshot. data are the snapshot's data, a part of msg, and index and term what the snapshot
// covers.
//
// If data is empty, the data travel beside the core: step the message only when you have them.
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

// HelloEraftpb is a bit of HelloInfo.Features: the sender's group speaks [DialectEraftpb].
const HelloEraftpb uint64 = C.RAFTCORE_HELLO_ERAFTPB

// HelloInfo is what a peer says when a connection opens. Your transport decides whether version,
// group and id are acceptable.
type HelloInfo struct {
	Version  uint32 // of the wire format
	Features uint64 // what the peer can do, such as HelloEraftpb
	Group    uint64
	ID       uint64
}

// Hello returns the frame that opens a connection: version, features, group and id of this node.
func (n *Node) Hello() ([]byte, error) {
	c, h := n.lock()
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
		return nil, c.fail("Hello", code)
	}
	buf = buf[:h.need]
	c.mu.Unlock()
	return buf, nil
}

// ReadHello reads the frame that opened a connection: a whole frame with its header.
func ReadHello(frame []byte) (HelloInfo, error) {
	info := C.raftcore_hello_info{struct_size: C.sizeof_raftcore_hello_info}
	if code := C.raftcore_hello_read(pointer(frame), C.size_t(len(frame)), &info); code < 0 {
		return HelloInfo{}, failure(nil, "ReadHello", code)
	}
	return HelloInfo{uint32(info.version), uint64(info.features), uint64(info.group), uint64(info.id)}, nil
}

// CheckHello judges the frame that opened a peer's connection: version, group, dialect and id.
//
// [ErrNotForMe]: close the connection; the error says what differs. [ErrDecode]: frame is no hello
// frame, so close the connection, too.
func (n *Node) CheckHello(frame []byte) error {
	c, h := n.lock()
	if h == nil {
		return closed("CheckHello")
	}
	return c.done("CheckHello", C.raftcore_hello_check(h.node, pointer(frame), C.size_t(len(frame))))
}

// Ticker ticks many nodes in one crossing. A Ticker is for one goroutine at a time.
type Ticker struct {
	nodes   []*Node
	handles []C.uintptr_t
	locked  []*core
	found   []C.uint32_t
}

// NewTicker makes a ticker for these nodes.
func NewTicker(nodes []*Node) *Ticker {
	return &Ticker{
		nodes:   nodes,
		handles: make([]C.uintptr_t, len(nodes)+1),
		locked:  make([]*core, len(nodes)),
		found:   make([]C.uint32_t, len(nodes)+1),
	}
}

func coreOf(n *Node) *core {
	if n == nil {
		return nil
	}
	return n.c
}

// Tick is [Node.Tick] for every node. Tick appends to found the positions of nodes with a ready, a
// fetch or an error; the node's own Tick or Ready returns the error. A node that is closed, or in
// use by another goroutine, counts as a node with an error, and was not ticked.
func (t *Ticker) Tick(ticks uint32, found []int) []int {
	for i, n := range t.nodes {
		t.handles[i], t.locked[i] = 0, nil
		if c := coreOf(n); c != nil && c.mu.TryLock() {
			t.locked[i] = c
			if c.h != nil {
				t.handles[i] = C.uintptr_t(uintptr(unsafe.Pointer(c.h.node)))
			}
		}
	}
	count := C.goraft_tick_many(&t.handles[0], C.size_t(len(t.nodes)), C.uint32_t(ticks), &t.found[0], C.size_t(len(t.nodes)))
	for _, c := range t.locked {
		if c != nil {
			c.mu.Unlock()
		}
	}
	for _, at := range t.found[:min(int(count), len(t.nodes))] {
		found = append(found, int(at))
	}
	return found
}

// ABIVersion returns the ABI of the linked library.
func ABIVersion() uint32 { return uint32(C.raftcore_abi_version()) }

// Version returns the version of the linked library, for example "0.1.0".
func Version() string { return C.GoString(C.raftcore_version_string()) }

// Features returns what the linked library can do.
func Features() uint64 { return uint64(C.raftcore_features()) }
