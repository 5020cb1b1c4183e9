package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	raftcore "raftcore.example/go"
)

// Two kinds of connections begin with a hello. On one, frames follow. On the other follows a frame
// of snapshotGroup, whose message has an index and a length; then so many bytes, the data of a
// snapshot that is too large for a message; then one byte comes back.
const (
	snapshotGroup  = ^uint64(0)
	snapshotHeader = raftcore.FrameHeader + 16
	patience       = 10 * time.Second // without progress, for a snapshot
)

// inbound is a connection that a peer has opened.
type inbound struct {
	conn net.Conn
	peer uint64
	rest []byte // the beginning of a frame; the loop's
}

// arrival is what came from a peer: frames, cut anywhere; or the data of a snapshot.
type arrival struct {
	from     *inbound
	frames   []byte
	snapshot *snapshot
}

// snapshot is the state up to an index, on its way beside the core.
type snapshot struct {
	index uint64
	data  []byte
	taken chan struct{} // closed by the loop of the receiver
}

// progress is what a sender reports to the loop.
type progress struct {
	peer     uint64
	lost     bool              // messages did not get there
	snapshot bool              // one of them was a snapshot
	underWay bool              // a snapshot is still being sent
	arrived  bool              // the message of a snapshot is queued: all later messages travel behind
	next     *raftcore.Message // a snapshot whose data have arrived: send the message
}

// listen accepts connections of peers, a goroutine for each.
func listen(l net.Listener, group uint64, arrivals chan<- arrival) {
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			if err := receive(conn, group, arrivals); err != nil && !errors.Is(err, io.EOF) {
				log.Printf("%v: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

func receive(conn net.Conn, group uint64, arrivals chan<- arrival) error {
	r := bufio.NewReaderSize(conn, 64<<10)
	hello := make([]byte, raftcore.FrameHeader, 256)
	if _, err := io.ReadFull(r, hello); err != nil {
		return err
	}
	size := binary.LittleEndian.Uint32(hello)
	if size > uint32(cap(hello)-len(hello)) {
		return fmt.Errorf("a hello of %d bytes", size)
	}
	hello = hello[:raftcore.FrameHeader+size]
	if _, err := io.ReadFull(r, hello[raftcore.FrameHeader:]); err != nil {
		return err
	}
	info, err := raftcore.ReadHello(hello)
	if err != nil {
		return err
	}
	if info.Group != group {
		return fmt.Errorf("node %d is of group %d, not %d", info.ID, info.Group, group)
	}
	from := &inbound{conn: conn, peer: info.ID}

	if head, err := r.Peek(raftcore.FrameHeader); err != nil {
		return err
	} else if binary.LittleEndian.Uint64(head[4:]) == snapshotGroup {
		return receiveSnapshot(r, from, arrivals)
	}
	for {
		data := make([]byte, 64<<10)
		n, err := r.Read(data)
		if n > 0 {
			arrivals <- arrival{from: from, frames: data[:n]}
		}
		if err != nil {
			return err
		}
	}
}

func receiveSnapshot(r io.Reader, from *inbound, arrivals chan<- arrival) error {
	head := make([]byte, snapshotHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	s := &snapshot{index: binary.LittleEndian.Uint64(head[raftcore.FrameHeader:]), taken: make(chan struct{})}
	size := binary.LittleEndian.Uint64(head[raftcore.FrameHeader+8:])
	var data bytes.Buffer
	for uint64(data.Len()) < size {
		from.conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.CopyN(&data, r, int64(min(1<<20, size-uint64(data.Len())))); err != nil {
			return err
		}
	}
	s.data = data.Bytes()
	arrivals <- arrival{from: from, snapshot: s}
	<-s.taken
	_, err := from.conn.Write([]byte{1})
	return err
}

// outbound is a peer to send to.
type outbound struct {
	peer     uint64
	address  string
	hello    []byte
	queue    chan raftcore.Message
	progress chan<- progress
}

// send queues a message. false: the message is lost, since the peer takes nothing.
func (o *outbound) send(m raftcore.Message) bool {
	select {
	case o.queue <- m:
		return true
	default:
		return false
	}
}

// run sends what is queued, until the queue is closed. After a connection broke, the next message
// opens another one.
func (o *outbound) run() {
	for m := range o.queue {
		conn, err := net.DialTimeout("tcp", o.address, time.Second)
		if err != nil {
			o.lose(m)
			continue
		}
		w := bufio.NewWriterSize(conn, 64<<10)
		w.Write(o.hello) // w keeps an error
		for {
			if _, err = w.Write(m.Frame); err == nil && len(o.queue) == 0 {
				err = w.Flush()
			}
			if err != nil {
				break
			}
			var more bool
			if m, more = <-o.queue; !more {
				w.Flush()
				conn.Close()
				return
			}
		}
		conn.Close()
		o.lose(m)
	}
}

// lose drops what is queued, and reports so.
func (o *outbound) lose(m raftcore.Message) {
	p := progress{peer: o.peer, lost: true, snapshot: m.Kind == raftcore.MsgSnap}
	for len(o.queue) > 0 {
		m := <-o.queue
		p.snapshot = p.snapshot || m.Kind == raftcore.MsgSnap
	}
	o.progress <- p
}

// sendSnapshot sends the data of a snapshot over a connection of their own. Then m may go.
func (o *outbound) sendSnapshot(m raftcore.Message, data []byte) {
	err := o.trySnapshot(m.Index, data)
	if err != nil {
		log.Printf("snapshot to node %d: %v", o.peer, err)
		o.progress <- progress{peer: o.peer, lost: true, snapshot: true}
		return
	}
	o.progress <- progress{peer: o.peer, next: &m}
}

func (o *outbound) trySnapshot(index uint64, data []byte) error {
	conn, err := net.DialTimeout("tcp", o.address, time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	head := binary.LittleEndian.AppendUint32(bytes.Clone(o.hello), snapshotHeader-raftcore.FrameHeader)
	head = binary.LittleEndian.AppendUint64(head, snapshotGroup)
	head = binary.LittleEndian.AppendUint64(head, index)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(data)))
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(head); err != nil {
		return err
	}
	for len(data) > 0 {
		o.progress <- progress{peer: o.peer, underWay: true}
		conn.SetDeadline(time.Now().Add(patience))
		n, err := conn.Write(data[:min(1<<20, len(data))])
		if err != nil {
			return err
		}
		data = data[n:]
	}
	_, err = io.ReadFull(conn, make([]byte, 1))
	return err
}
