package host

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/wire"
)

// peer is a connection dialled here: messages of the core, and requests. The host dials when there is
// something to send.
type peer struct {
	h       *Host
	id      uint64
	address string
	box     *outbox
	done    chan struct{}
	close   func()
	retry   chan struct{} // an incoming connection ends the wait before a dial
	used    time.Time     // of the loop: last use

	mu       sync.Mutex
	requests map[uint64]*proposal
	next     uint64
	said     map[uint16]bool // codes of logged refusals
}

// boxMax bounds the bytes that wait for a connection.
const boxMax = 16 << 20

func newPeer(h *Host, id uint64, address string) *peer {
	p := &peer{h: h, id: id, address: address, box: newOutbox(boxMax), done: make(chan struct{}), retry: make(chan struct{}, 1),
		requests: map[uint64]*proposal{}, said: map[uint16]bool{}}
	p.close = sync.OnceFunc(func() { close(p.done) })
	return p
}

// request asks the peer for a proposal. false: it can't be taken now.
func (p *peer) request(h *Host, x *proposal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.requests) >= wire.RequestsMax || !x.state.CompareAndSwap(proposalQueued, proposalTaken) {
		return x.state.Load() == proposalOver
	}
	p.next++
	if !p.box.add(func(b []byte) []byte { return wire.Append(b, h.opt.Group, x.request(p.next)) }) {
		x.state.CompareAndSwap(proposalTaken, proposalQueued)
		return false
	}
	p.requests[p.next] = x
	return true
}

// take ends the wait for an outcome.
func (p *peer) take(request uint64) *proposal {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.requests[request]
	delete(p.requests, request)
	return x
}

// run dials while there is something to send.
func (p *peer) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the host or the peer
		select {
		case <-p.done:
		case <-p.h.done:
		}
		p.close()
		cancel()
	}()
	defer p.close()
	wait := time.Duration(0)
	for {
		select {
		case <-p.box.wake:
		case <-ctx.Done():
			p.lost(true, nil)
			p.box.close()
			return
		}
		began := time.Now()
		sent, err := p.connect(ctx)
		if ctx.Err() != nil {
			err = nil
		}
		p.lost(sent, err)
		if time.Since(began) > 2*time.Second {
			wait = 0
		}
		wait = min(max(50*time.Millisecond, 2*wait), 2*time.Second)
		pause := wait
		var r *rejected
		if errors.As(err, &r) {
			pause = max(pause, time.Duration(r.RetryMS)*time.Millisecond)
		}
		select {
		case <-time.After(pause + rand.N(pause/4)):
		case <-p.retry:
			wait = 0
		case <-ctx.Done():
		}
	}
}

// connect dials, and sends until the connection fails. sent: something may have reached the peer.
func (p *peer) connect(ctx context.Context) (sent bool, err error) {
	l, err := p.h.dial(ctx, p.address, wire.ChannelPeer, p.id)
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()
	p.h.log.Debug("connected", "peer", p.id, "address", p.address)
	broken := make(chan struct{})
	var readError error
	go func() {
		readError = p.read(l)
		l.conn.Close()
		close(broken)
	}()
	ping := wire.Append(nil, p.h.opt.Group, &wire.Ping{})
	err = writeFrom(l.conn, p.box, broken, func() []byte { return ping })
	l.conn.Close()
	<-broken
	if readError != nil {
		err = readError
	}
	return true, err
}

// read takes the answers of the peer.
func (p *peer) read(l *link) error {
	for {
		m, err := l.message()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Outcome:
			if x := p.take(m.Request); x != nil {
				o := outcome{kind: m.Outcome, code: m.Code, retryMS: m.RetryMS, index: m.Index, term: m.Term, leader: m.Leader,
					address: m.Address, words: m.Words, result: append([]byte(nil), m.Result...)}
				p.h.inbox.call(func() { p.h.answered(x, o) })
			}
		case *wire.Abort:
			id := p.id
			p.h.inbox.call(func() { p.h.snapshotRefused(id, m) })
		}
	}
}

// lost ends the waiting requests. sent: the peer may have a part.
func (p *peer) lost(sent bool, err error) {
	p.mu.Lock()
	requests := p.requests
	p.requests = map[uint64]*proposal{}
	p.box.take()
	p.mu.Unlock()
	id := p.id
	p.h.inbox.call(func() {
		p.h.unreachable(id)
		p.h.doubt(id)
		if !sent {
			for _, x := range requests {
				p.h.putBack(x, "no connection to the leader")
			}
		}
	})
	if sent {
		for _, x := range requests {
			x.finish(outcome{kind: wire.OutcomeUnknown, words: "the connection to the leader broke"})
		}
	}
	p.complain(err)
}

// complain logs a refusal once, and ends the host if there is no sense in going on.
func (p *peer) complain(err error) {
	var r *rejected
	if !errors.As(err, &r) {
		if err != nil {
			p.h.log.Debug("connection lost", "peer", p.id, "address", p.address, "error", err)
		}
		return
	}
	p.mu.Lock()
	first := !p.said[r.Code]
	p.said[r.Code] = true
	p.mu.Unlock()
	if first {
		p.h.log.Warn("a peer refuses this member, or is refused", "peer", p.id, "address", p.address, "code", r.Code, "words", r.Words)
	}
	if r.Code == wire.CodeDisk {
		p.h.fail(with(ErrRefused, r.Words))
	}
}

// caretake is what the loop looks after from time to time.
func (h *Host) caretake(now time.Time) {
	for id, p := range h.peers {
		if now.Sub(p.used) > 10*time.Second && !h.isMember(id) {
			p.close()
			delete(h.peers, id)
		}
	}
	if h.role == raftcore.RoleLeader {
		h.promoteLearners()
	}
	h.endWaits()
	if now.Sub(h.asked) > time.Second {
		h.asked = now
		h.askForSelf()
	}
}

func (h *Host) isMember(id uint64) bool { return h.view.Load().isMember(id) }
