package host

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/wire"
)

// Connections dialled by peers.

const (
	connectionsMax = 1024
	hellosMax      = 64 // connections that wait for a hello
)

// guests has the incoming connections.
type guests struct {
	mu      sync.Mutex
	all     map[net.Conn]bool
	byID    map[uint64]*guest // of PEER
	waiting []net.Conn        // for a hello, the oldest first
}

type guest struct {
	*link
	raw      net.Conn // below TLS
	box      *outbox
	requests atomic.Int32 // without an outcome
	used     atomic.Int64 // unix nanoseconds
}

func (h *Host) accept() {
	g := &guests{all: map[net.Conn]bool{}, byID: map[uint64]*guest{}}
	var wg sync.WaitGroup
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			select {
			case <-h.done:
			default:
				if !errors.Is(err, net.ErrClosed) {
					h.log.Warn("accept", "error", err)
					time.Sleep(50 * time.Millisecond)
					continue
				}
			}
			break
		}
		if !g.enter(conn) {
			conn.Close()
			continue
		}
		start(&wg, func() {
			h.serve(g, conn)
			conn.Close()
			g.leave(conn)
		})
	}
	g.closeAll()
	wg.Wait()
}

func (g *guests) enter(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) >= connectionsMax {
		return false
	}
	if len(g.waiting) >= hellosMax {
		g.waiting[0].Close()
		g.waiting = g.waiting[1:]
	}
	g.all[conn] = true
	g.waiting = append(g.waiting, conn)
	return true
}

func (g *guests) greeted(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.waiting {
		if c == conn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
}

func (g *guests) leave(conn net.Conn) {
	g.greeted(conn)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.all, conn)
	for id, x := range g.byID {
		if x.raw == conn {
			delete(g.byID, id)
		}
	}
}

func (g *guests) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.all {
		conn.Close()
	}
}

// seat registers a PEER connection, and closes an older connection of the id.
func (g *guests) seat(h *Host, x *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if old := g.byID[x.id]; old != nil {
		if old.hello.Start != x.hello.Start && time.Since(time.Unix(0, old.used.Load())) < 5*time.Second {
			h.log.Warn("two processes may run under one id", "peer", x.id, "address", x.hello.PeerAddress, "before", old.hello.PeerAddress)
		}
		old.raw.Close()
	}
	g.byID[x.id] = x
}

func (h *Host) serve(g *guests, raw net.Conn) {
	conn := raw
	if h.dialler.server != nil {
		secure := tls.Server(raw, h.dialler.server)
		ctx, cancel := context.WithTimeout(context.Background(), helloTime)
		err := secure.HandshakeContext(ctx)
		cancel()
		if err != nil {
			h.log.Debug("TLS", "from", raw.RemoteAddr(), "error", err)
			return
		}
		conn = secure
	}
	l := newLink(conn, h.opt.Group)
	if !h.welcome(l) {
		return
	}
	g.greeted(raw)
	x := &guest{link: l, raw: raw, box: newOutbox(boxMax)}
	x.used.Store(time.Now().UnixNano())
	if l.hello.Channel == wire.ChannelPeer {
		g.seat(h, x)
	}
	done := make(chan struct{})
	written := make(chan struct{})
	go func() {
		defer close(written)
		writeFrom(conn, x.box, done, nil)
		conn.Close()
	}()
	err := h.listen(x)
	if r := refusal(err); r != nil {
		h.log.Warn("a connection is refused", "peer", l.id, "error", err)
		l.reject(r)
	}
	close(done)
	conn.Close()
	<-written
	x.box.close()
}

// welcome answers a hello.
func (h *Host) welcome(l *link) bool {
	core, err := l.readHello()
	if err != nil {
		var r *rejected
		if !errors.As(err, &r) && (errors.Is(err, errProtocol) || errors.Is(err, wire.ErrMalformed)) {
			l.reject(refusal(err))
		}
		return false
	}
	own, err := h.ownHello()
	if err != nil {
		return false
	}
	r := h.check(l, core, own, 0)
	if c := l.hello.Channel; r == nil && c != wire.ChannelPeer && c != wire.ChannelBulk && c != wire.ChannelJoin {
		r = &wire.Reject{Code: wire.CodeUnknownValue, Words: fmt.Sprintf("channel %d", c)}
	}
	if r == nil && h.view.Load() == nil {
		r = &wire.Reject{Code: wire.CodeBusy, Words: "this member is starting", RetryMS: 200}
	}
	if r != nil {
		h.log.Debug("a hello is refused", "peer", core.ID, "code", r.Code, "words", r.Words)
		l.reject(r)
		return false
	}
	if err := h.sayHello(l, l.hello.Channel, core.ID); err != nil {
		return false
	}
	l.opened(h.frameMax())
	id, address, channel := core.ID, l.hello.PeerAddress, l.hello.Channel
	if channel != wire.ChannelJoin {
		h.inbox.call(func() {
			if wire.IsAddress(address) && address != "" {
				h.hints[id] = address
			}
			if channel == wire.ChannelPeer { // in place of an older one, perhaps with an answer on it
				h.doubt(id)
			}
			if p := h.peers[id]; p != nil {
				select {
				case p.retry <- struct{}{}:
				default:
				}
			}
		})
	}
	return true
}

// refusal returns the REJECT for an error of the peer's making.
func refusal(err error) *wire.Reject {
	switch {
	case errors.Is(err, errTooLong):
		return &wire.Reject{Code: wire.CodeTooLarge, Words: err.Error()}
	case errors.Is(err, errProtocol), errors.Is(err, wire.ErrMalformed):
		return &wire.Reject{Code: wire.CodeProtocol, Words: err.Error()}
	}
	return nil
}

// listen takes the frames of a connection.
func (h *Host) listen(x *guest) error {
	if x.hello.Channel == wire.ChannelBulk {
		return h.receive(x)
	}
	var run []byte // frames of the core that go to the loop together
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		frames := run
		run = nil
		if !h.inbox.arrive(arrival{peer: x.id, frames: frames}) {
			return net.ErrClosed
		}
		return nil
	}
	for {
		frame, body, err := x.next()
		if err != nil {
			return err
		}
		switch {
		case wire.IsHost(body):
			if err := flush(); err != nil {
				return err
			}
			if err := h.frameAsked(x, body); err != nil {
				return err
			}
		case x.hello.Channel != wire.ChannelPeer:
			return fmt.Errorf("%w: a message of the core on channel %d", errProtocol, x.hello.Channel)
		default:
			data, index, term, snap, err := raftcore.SplitSnapshot(body)
			if err != nil || len(data) > 0 {
				return fmt.Errorf("%w: a snapshot with data inside, or malformed: %v", errProtocol, err)
			}
			if !snap {
				run = append(run, frame...)
				break
			}
			if err := flush(); err != nil {
				return err
			}
			if !h.inbox.arrive(arrival{peer: x.id, frames: append([]byte(nil), body...), snap: true, index: index, term: term, answer: x.box}) {
				return net.ErrClosed
			}
		}
		if !x.more() || len(run) > 1<<20 {
			if err := flush(); err != nil {
				return err
			}
			x.used.Store(time.Now().UnixNano())
		}
	}
}

// frameAsked takes a host frame on PEER or JOIN.
func (h *Host) frameAsked(x *guest, body []byte) error {
	m, err := parse(body)
	if err != nil {
		return err
	}
	peer := x.hello.Channel == wire.ChannelPeer
	switch m := m.(type) {
	case nil:
		return nil
	case *wire.Ping:
		x.answer(&wire.Pong{Token: m.Token})
		return nil
	case *wire.Request:
		if peer {
			h.requested(x, m)
			return nil
		}
	case *wire.Join:
		if !peer {
			return h.joinAsked(x, m)
		}
	}
	return fmt.Errorf("%w: a frame of type %d on channel %d", errProtocol, wire.Kind(body), x.hello.Channel)
}

func (x *guest) answer(m wire.Message) {
	x.box.add(func(b []byte) []byte { return wire.Append(b, x.group, m) })
}

// requested takes a proposal passed on by a peer.
func (h *Host) requested(x *guest, m *wire.Request) {
	request := m.Request
	reply := func(o outcome) {
		x.requests.Add(-1)
		if o.err != nil && o.words == "" {
			o.words = o.err.Error()
		}
		x.answer(&wire.Outcome{Request: request, Outcome: o.kind, Code: o.code, RetryMS: o.retryMS, Index: o.index, Term: o.term,
			Leader: o.leader, Address: o.address, Words: o.words, Result: o.result})
	}
	if x.requests.Add(1) > wire.RequestsMax {
		reply(outcome{kind: wire.OutcomeRefused, code: wire.CodeBusy, retryMS: 10, words: "too many requests without an outcome"})
		return
	}
	var p *proposal
	switch {
	case m.What == wire.WhatEntry && len(m.Data) > h.opt.MaxEntryBytes:
		reply(outcome{kind: wire.OutcomeRefused, code: wire.CodeTooLarge, words: fmt.Sprintf("an entry of %d bytes, at most %d are taken", len(m.Data), h.opt.MaxEntryBytes)})
		return
	case m.What == wire.WhatEntry:
		p = newProposal(m.Session, m.Number, m.Data)
	case m.What == wire.WhatChange:
		p = &proposal{kind: raftcore.EntryConfChangeV2, entry: append([]byte(nil), m.Data...)}
		p.raw = p.entry
	default:
		reply(outcome{kind: wire.OutcomeRefused, code: wire.CodeUnknownValue, words: fmt.Sprintf("this host does not serve requests of kind %d", m.What)})
		return
	}
	p.reply, p.remote = reply, true
	p.deadline = time.Now().Add(time.Duration(max(m.TimeoutMS, 1)) * time.Millisecond)
	if !h.inbox.propose(p) {
		p.finish(outcome{kind: wire.OutcomeRefused, code: wire.CodeShuttingDown, retryMS: 100, words: "this member ends"})
	}
}
