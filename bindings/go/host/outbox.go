package host

import (
	"net"
	"sync"
	"time"

	raftcore "raftcore.example/go"
)

// outbox is bytes on their way to a connection. Any goroutine appends; one writes.
type outbox struct {
	mu     sync.Mutex
	buf    []byte
	spare  []byte
	limit  int
	closed bool
	wake   chan struct{}
}

func newOutbox(limit int) *outbox { return &outbox{limit: limit, wake: make(chan struct{}, 1)} }

// add calls fill to append to the buffer. false: the box is full or closed, and nothing was added.
func (o *outbox) add(fill func([]byte) []byte) bool {
	o.mu.Lock()
	if o.closed || len(o.buf) > o.limit {
		o.mu.Unlock()
		return false
	}
	o.buf = fill(o.buf)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return true
}

func (o *outbox) addBytes(b []byte) bool {
	return o.add(func(buf []byte) []byte { return append(buf, b...) })
}

func (o *outbox) addFrame(m *raftcore.MessageView) bool { return o.add(m.AppendFrame) }

// take returns what is there, until the next take.
func (o *outbox) take() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf
	if cap(o.spare) > 4<<20 {
		o.spare = nil
	}
	o.buf, o.spare = o.spare[:0], b
	return b
}

func (o *outbox) close() {
	o.mu.Lock()
	o.closed, o.buf = true, nil
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

const (
	helloTime  = 3 * time.Second
	pingTime   = 5 * time.Second
	silentTime = 15 * time.Second
)

// writeFrom writes what comes into the box until done is closed or the connection fails. ping, if
// not nil, returns what to send every pingTime: its answer is all that a busy writer may hear, and
// silence ends a connection.
func writeFrom(conn net.Conn, o *outbox, done <-chan struct{}, ping func() []byte) error {
	var due <-chan time.Time
	if ping != nil {
		ticker := time.NewTicker(pingTime)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		b := o.take()
		select {
		case <-due:
			b = append(b, ping()...)
		default:
		}
		if len(b) == 0 {
			select {
			case <-o.wake:
				continue
			case <-done:
				return net.ErrClosed
			case <-due:
				b = ping()
			}
		}
		conn.SetWriteDeadline(time.Now().Add(silentTime))
		if _, err := conn.Write(b); err != nil {
			return err
		}
	}
}
