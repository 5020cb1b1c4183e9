package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"log"
	"net"
	"time"

	raftcore "raftcore.example/go"
)

// chunk is what has come from a peer: frames, cut anywhere.
type chunk struct {
	from *inbound
	data []byte
}

// inbound is a connection that a peer has opened.
type inbound struct {
	conn net.Conn
	peer uint64
	rest []byte // the beginning of a frame; the loop's
}

// lost says that messages to a peer did not get there.
type lost struct {
	peer     uint64
	snapshot bool // one of them was a snapshot
}

// listen takes what peers send, each connection in its own goroutine, into chunks.
func listen(l net.Listener, group uint64, chunks chan<- chunk) {
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go receive(conn, group, chunks)
	}
}

func receive(conn net.Conn, group uint64, chunks chan<- chunk) {
	defer conn.Close()
	hello := make([]byte, 12, 256)
	if _, err := io.ReadFull(conn, hello); err != nil {
		return
	}
	size := binary.LittleEndian.Uint32(hello)
	if size > uint32(cap(hello)-12) {
		return
	}
	hello = hello[:12+size]
	if _, err := io.ReadFull(conn, hello[12:]); err != nil {
		return
	}
	info, err := raftcore.ReadHello(hello)
	if err != nil || info.Group != group {
		log.Printf("%v is no peer: %+v %v", conn.RemoteAddr(), info, err)
		return
	}
	from := &inbound{conn: conn, peer: info.ID}
	for {
		data := make([]byte, 64<<10)
		n, err := conn.Read(data)
		if n > 0 {
			chunks <- chunk{from, data[:n]}
		}
		if err != nil {
			return
		}
	}
}

// outbound is a peer to send to.
type outbound struct {
	peer  uint64
	queue chan raftcore.Message
}

// send queues a message; false: it is lost, since the peer takes nothing.
func (o *outbound) send(m raftcore.Message) bool {
	select {
	case o.queue <- m:
		return true
	default:
		return false
	}
}

// run sends what is queued. A connection that breaks is opened again with the next message.
func (o *outbound) run(address string, hello []byte, losses chan<- lost) {
	for {
		m := <-o.queue
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			o.lose(m, losses)
			continue
		}
		w := bufio.NewWriterSize(conn, 64<<10)
		w.Write(hello) // an error stays in w
		for {
			if _, err = w.Write(m.Frame); err == nil && len(o.queue) == 0 {
				err = w.Flush()
			}
			if err != nil {
				break
			}
			m = <-o.queue
		}
		conn.Close()
		o.lose(m, losses)
	}
}

// lose drops what is queued, and says so.
func (o *outbound) lose(m raftcore.Message, losses chan<- lost) {
	l := lost{o.peer, m.Kind == raftcore.MsgSnap}
	for len(o.queue) > 0 {
		m := <-o.queue
		l.snapshot = l.snapshot || m.Kind == raftcore.MsgSnap
	}
	losses <- l
}
