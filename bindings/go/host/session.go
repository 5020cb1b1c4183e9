package host

import (
	"container/list"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"raftcore.example/go/host/internal/wire"
)

// An entry's data begin with an envelope: one byte for its kind, and with envelopeSession the
// session (16 bytes) and the number (8 bytes, little-endian). The proposal follows. An entry with
// an unknown kind changes nothing.
const (
	envelopePlain   = 0
	envelopeSession = 1
	envelopeMax     = 25
)

func envelope(session wire.Identity, number uint64, data []byte) []byte {
	b := make([]byte, 0, envelopeMax+len(data))
	if session == (wire.Identity{}) {
		b = append(b, envelopePlain)
	} else {
		b = append(b, envelopeSession)
		b = append(b, session[:]...)
		b = binary.LittleEndian.AppendUint64(b, number)
	}
	return append(b, data...)
}

func openEnvelope(b []byte) (session wire.Identity, number uint64, data []byte, ok bool) {
	switch {
	case len(b) >= 1 && b[0] == envelopePlain:
		return session, 0, b[1:], true
	case len(b) >= envelopeMax && b[0] == envelopeSession:
		copy(session[:], b[1:])
		return session, binary.LittleEndian.Uint64(b[17:]), b[envelopeMax:], session != wire.Identity{}
	}
	return session, 0, nil, false
}

// SessionID identifies a client's session on every member.
type SessionID [16]byte

// Session makes retries safe: the group applies each proposal once, however often it is
// sent. A session has one proposal at a time; calls wait for each other.
type Session struct {
	host   *Host
	id     SessionID
	mu     sync.Mutex
	number uint64
}

// NewSession begins a session. Nothing is sent before the first proposal. The group remembers the
// newest 4,096 sessions.
func (h *Host) NewSession() *Session { return &Session{host: h, id: SessionID(newIdentity())} }

// Propose is [Host.Propose] with retries: an error means that ctx or the host has ended, or that the
// group refuses the proposal. After [ErrUnknown] the session begins anew, since nobody knows whether
// the last number was used.
func (s *Session) Propose(ctx context.Context, data []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		result, err := s.host.ProposeOnce(ctx, s.id, s.number+1, data)
		switch {
		case err == nil:
			s.number++
			return result, nil
		case !errors.Is(err, ErrUnknown): // surely not done: the number is still free
			return nil, err
		case errors.Is(err, ErrSessionGone), errors.Is(err, ErrClosed), ctx.Err() != nil:
			s.id, s.number = SessionID(newIdentity()), 0
			return nil, err
		}
		select {
		case <-time.After(s.host.opt.Tick):
		case <-ctx.Done():
			s.id, s.number = SessionID(newIdentity()), 0
			return nil, with(ErrUnknown, "", ctx.Err())
		}
	}
}

// ProposeOnce proposes the number-th request of a session, from 1 on. A request that the group has
// applied already is not applied again, and its stored result returns. The client chooses the
// session's id, at random, and sends a request again only with the same number and data; the next
// request comes after the outcome of the last one.
//
// Errors are those of [Host.Propose]; [ErrSessionGone].
func (h *Host) ProposeOnce(ctx context.Context, session SessionID, number uint64, data []byte) ([]byte, error) {
	if session == (SessionID{}) || number == 0 {
		return nil, with(ErrRefused, "a session of zeros, or the number 0")
	}
	return h.propose(ctx, wire.Identity(session), number, data)
}

const (
	sessionsMax = 4096
	resultMax   = 16 << 10 // longer results are not kept for a retry
)

// sessions is the group's memory of sessions. The table is part of the replicated state,
// equal on every member.
type sessions struct {
	byID  map[wire.Identity]*list.Element
	order *list.List // the last used session is at the back
}

type session struct {
	id      wire.Identity
	number  uint64
	result  []byte
	dropped bool // the result was too long to keep
	pending bool // the result is still to come, from the batch that is being collected
}

func newSessions() *sessions {
	return &sessions{byID: map[wire.Identity]*list.Element{}, order: list.New()}
}

func (s *sessions) find(id wire.Identity) *session {
	if e := s.byID[id]; e != nil {
		return e.Value.(*session)
	}
	return nil
}

// use moves a session to the back, and forgets the least recently used session. The choice depends on
// the order of entries alone, never on batches.
func (s *sessions) use(id wire.Identity, number uint64) *session {
	e := s.byID[id]
	if e == nil {
		e = s.order.PushBack(&session{id: id})
		s.byID[id] = e
		if s.order.Len() > sessionsMax {
			oldest := s.order.Remove(s.order.Front()).(*session)
			delete(s.byID, oldest.id)
		}
	}
	s.order.MoveToBack(e)
	entry := e.Value.(*session)
	entry.number = number
	return entry
}

// set stores the result of the last request.
func (x *session) set(result []byte) {
	x.pending, x.result, x.dropped = false, slices.Clone(result), false
	if len(result) > resultMax {
		x.result, x.dropped = nil, true
	}
}

const sessionsMagic = "rhS1"

// encode writes the table in front of the machine's snapshot: docs/wire.md, section 9.
func (s *sessions) encode() []byte {
	b := binary.LittleEndian.AppendUint32([]byte(sessionsMagic), uint32(s.order.Len()))
	for e := s.order.Front(); e != nil; e = e.Next() {
		x := e.Value.(*session)
		b = append(b, x.id[:]...)
		b = binary.LittleEndian.AppendUint64(b, x.number)
		size := uint32(len(x.result))
		if x.dropped {
			size = math.MaxUint32
		}
		b = binary.LittleEndian.AppendUint32(b, size)
		b = append(b, x.result...)
	}
	return b
}

// decodeSessions reads the table; read fills a buffer or fails.
func decodeSessions(read func([]byte) error) (*sessions, error) {
	s := newSessions()
	head := make([]byte, 8)
	if err := read(head); err != nil {
		return nil, err
	}
	count := binary.LittleEndian.Uint32(head[4:])
	if string(head[:4]) != sessionsMagic || count > sessionsMax {
		return nil, fmt.Errorf("%w: no table of sessions in front of a snapshot", ErrDamaged)
	}
	fixed := make([]byte, 28)
	for range count {
		if err := read(fixed); err != nil {
			return nil, err
		}
		size := binary.LittleEndian.Uint32(fixed[24:])
		x := s.use(wire.Identity(fixed[:16]), binary.LittleEndian.Uint64(fixed[16:]))
		if x.dropped = size == math.MaxUint32; x.dropped {
			continue
		}
		if size > resultMax {
			return nil, fmt.Errorf("%w: a stored result of %d bytes", ErrDamaged, size)
		}
		x.result = make([]byte, size)
		if err := read(x.result); err != nil {
			return nil, err
		}
	}
	return s, nil
}
