package host

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/wire"
)

// outcome is the end of a proposal.
type outcome struct {
	kind        uint8 // wire.Outcome…
	code        uint16
	retryMS     uint32
	index, term uint64
	leader      uint64
	address     string
	words       string
	result      []byte
	err         error
}

// States of a proposal.
const (
	proposalQueued = iota // only the host knows the proposal: giving up leaves no trace
	proposalTaken         // passed to the core, or to the leader
	proposalOver
)

// proposal is an entry to be committed: from a caller here, or passed on by a peer.
type proposal struct {
	kind    raftcore.EntryKind
	session wire.Identity // with number and raw data: the fields of a REQUEST
	number  uint64
	entry   []byte // the data of the entry, with an envelope unless it is a membership change
	raw     []byte // the part of entry behind the envelope

	state       atomic.Int32
	done        chan outcome  // with room for an outcome
	reply       func(outcome) // in place of done
	remote      bool          // passed on by a peer
	deadline    time.Time     // of a proposal passed on by a peer
	retryAt     time.Time
	words       atomic.Pointer[string] // why the proposal still waits
	index, term uint64
}

// finish ends a proposal. nil is no proposal, but an entry that nobody here waits for.
func (p *proposal) finish(o outcome) {
	if p == nil || p.state.Swap(proposalOver) == proposalOver {
		return
	}
	if p.reply != nil {
		p.reply(o)
		return
	}
	p.done <- o
}

// newProposal copies the data: the caller may go on before the loop has read them.
func newProposal(session wire.Identity, number uint64, data []byte) *proposal {
	p := &proposal{session: session, number: number, entry: envelope(session, number, data), done: make(chan outcome, 1)}
	p.raw = p.entry[len(p.entry)-len(data):]
	return p
}

// Propose replicates data, and returns the Result of Apply once the entry is on the disks of a
// majority and applied where it was led. Every member may be asked; a member that does not lead
// passes the proposal on. Propose waits for a leader, and proposes again what is surely not
// committed, until ctx ends.
//
//   - [ErrNotCommitted]: surely not done. ctx has ended, or the host.
//   - [ErrUnknown]: done or not. ctx or the host has ended, or the leader was lost meanwhile.
//     To be able to repeat such a proposal, use a [Session].
//   - [ErrRefused]: surely not done, and not worth a retry; with [ErrTooLarge], for example.
func (h *Host) Propose(ctx context.Context, data []byte) ([]byte, error) {
	return h.propose(ctx, wire.Identity{}, 0, data)
}

func (h *Host) propose(ctx context.Context, session wire.Identity, number uint64, data []byte) ([]byte, error) {
	if len(data) > h.opt.MaxEntryBytes {
		return nil, with(ErrRefused, fmt.Sprintf("an entry of %d bytes, at most %d are taken", len(data), h.opt.MaxEntryBytes), ErrTooLarge)
	}
	begin := time.Now()
	p := newProposal(session, number, data)
	o, err := h.await(ctx, p)
	if err != nil {
		h.metrics.proposalsFailed.Add(1)
		return nil, err
	}
	h.metrics.proposals.Add(1)
	h.metrics.proposeSeconds.since(begin)
	return o.result, nil
}

// await hands a proposal to the loop, and waits for its outcome.
func (h *Host) await(ctx context.Context, p *proposal) (outcome, error) {
	if err := ctx.Err(); err != nil {
		return outcome{}, with(ErrNotCommitted, "", err)
	}
	if !h.inbox.propose(p) {
		return outcome{}, with(ErrNotCommitted, "", h.closedError())
	}
	select {
	case o := <-p.done:
		return o, o.error()
	case <-ctx.Done():
		return p.give(ctx.Err())
	case <-h.done:
		return p.give(h.closedError())
	}
}

// give gives a proposal up.
func (p *proposal) give(cause error) (outcome, error) {
	switch p.state.Swap(proposalOver) {
	case proposalQueued:
		words := cause.Error()
		if why := p.words.Load(); why != nil {
			words += "; " + *why
		}
		return outcome{}, with(ErrNotCommitted, words, cause)
	case proposalTaken:
		return outcome{}, with(ErrUnknown, "", cause)
	}
	o := <-p.done // finished concurrently
	return o, o.error()
}

func (o *outcome) error() error {
	switch o.kind {
	case wire.OutcomeDone:
		return nil
	case wire.OutcomeNotCommitted, wire.OutcomeNotLeader:
		return with(ErrNotCommitted, o.words, o.err)
	case wire.OutcomeRefused:
		if o.code == wire.CodeTooLarge {
			return with(ErrRefused, o.words, ErrTooLarge)
		}
		return with(ErrRefused, o.words, o.err)
	}
	if o.err == nil && strings.HasPrefix(o.words, ErrSessionGone.Error()) { // in every language
		o.err = ErrSessionGone
	}
	return with(ErrUnknown, o.words, o.err)
}

// ---- in the loop

// bytes a single call to the core takes at most, and entries.
const (
	proposeBytes = 256 << 10
	proposeCount = 512
)

// proposeAll gives what waits to the core, or to the leader. Refused proposals stay.
func (h *Host) proposeAll() {
	if len(h.waiting) == 0 {
		return
	}
	if h.leader == 0 || h.leader != h.id {
		h.passOn()
		return
	}
	now := time.Now()
	rest := h.waiting
	h.waiting = nil
	for len(rest) > 0 {
		var later []*proposal
		h.flat, h.lengths, h.tokens, h.taking = h.flat[:0], h.lengths[:0], h.tokens[:0], h.taking[:0]
		for len(rest) > 0 && len(h.flat) < proposeBytes && len(h.taking) < proposeCount {
			p := rest[0]
			if p.kind != raftcore.EntryNormal {
				if len(h.taking) > 0 {
					break
				}
				rest = rest[1:]
				h.proposeChange(p)
				continue
			}
			rest = rest[1:]
			if p.retryAt.After(now) {
				later = append(later, p)
				continue
			}
			if !p.state.CompareAndSwap(proposalQueued, proposalTaken) {
				continue
			}
			at := len(h.flat)
			h.flat = append(h.flat, p.entry...)
			h.lengths = append(h.lengths, uint32(len(h.flat)-at))
			h.tokens = append(h.tokens, h.newToken(p))
			h.taking = append(h.taking, p)
		}
		h.waiting = append(h.waiting, later...)
		if len(h.taking) == 0 {
			continue
		}
		if err := h.node.ProposeFlat(h.flat, h.lengths, h.tokens); err != nil {
			h.notTaken(h.taking, err)
			if isCode(err, raftcore.ErrFull, raftcore.ErrNotLeader, raftcore.ErrNoLeader) {
				h.waiting = append(h.waiting, rest...)
				return
			}
		}
	}
}

// notTaken puts refused proposals back, or ends refused proposals for good.
func (h *Host) notTaken(list []*proposal, err error) {
	for i, p := range list {
		delete(h.byToken, h.tokens[i])
		switch {
		case isCode(err, raftcore.ErrFull, raftcore.ErrNotLeader, raftcore.ErrNoLeader):
			h.putBack(p, err.Error())
		case len(list) == 1:
			p.finish(outcome{kind: wire.OutcomeRefused, code: codeOf(err), words: err.Error(), err: err})
		default: // a single entry is at fault: propose each alone
			h.tokens[0] = h.newToken(p)
			one := [1]*proposal{p}
			h.flat = append(h.flat[:0], p.entry...)
			if err := h.node.ProposeFlat(h.flat, []uint32{uint32(len(h.flat))}, h.tokens[:1]); err != nil {
				h.notTaken(one[:], err)
			}
		}
	}
}

// putBack makes a proposal wait again.
func (h *Host) putBack(p *proposal, words string) {
	p.words.Store(&words)
	if p.state.CompareAndSwap(proposalTaken, proposalQueued) || p.state.Load() == proposalQueued {
		h.waiting = append(h.waiting, p)
	}
}

func codeOf(err error) uint16 {
	switch {
	case isCode(err, raftcore.ErrTooLarge):
		return wire.CodeTooLarge
	case isCode(err, raftcore.ErrConfBusy, raftcore.ErrFull):
		return wire.CodeBusy
	}
	return wire.CodeInvalid
}

func (h *Host) newToken(p *proposal) uint64 {
	h.token++
	h.byToken[h.token] = p
	return h.token
}

// takeToken returns the proposal of a token that has come back.
func (h *Host) takeToken(token uint64) *proposal {
	if token == 0 {
		return nil
	}
	p := h.byToken[token]
	delete(h.byToken, token)
	return p
}

// dropped takes proposals and reads that the core has given up.
func (h *Host) dropped(d raftcore.Drop) {
	if d.What == raftcore.DropRead {
		h.readFailed(d.Token)
		return
	}
	p := h.takeToken(d.Token)
	if p == nil {
		return
	}
	words := d.Reason.String()
	switch {
	case d.What != raftcore.DropNotCommitted:
		p.finish(outcome{kind: wire.OutcomeUnknown, words: words})
	case p.remote || p.kind != raftcore.EntryNormal:
		p.finish(outcome{kind: wire.OutcomeNotCommitted, words: words})
	default:
		h.putBack(p, words)
	}
}

// passOn sends the waiting proposals to the leader, if known.
func (h *Host) passOn() {
	rest := h.waiting
	h.waiting = nil
	now := time.Now()
	for _, p := range rest {
		if p.remote { // passed on by a peer: the peer looks for the leader
			p.finish(outcome{kind: wire.OutcomeNotLeader, leader: h.leader, address: h.book[h.leader].PeerAddress})
			continue
		}
		if p.state.Load() == proposalOver {
			continue
		}
		if h.leader == 0 || p.retryAt.After(now) {
			h.waiting = append(h.waiting, p)
			continue
		}
		peer := h.peer(h.leader)
		if peer == nil || !peer.request(h, p) {
			words := fmt.Sprintf("no connection to member %d, the leader", h.leader)
			p.words.Store(&words)
			h.waiting = append(h.waiting, p)
		}
	}
}

// answered takes the leader's outcome for a proposal.
func (h *Host) answered(p *proposal, o outcome) {
	retry := o.kind == wire.OutcomeNotLeader || o.kind == wire.OutcomeNotCommitted || o.kind == wire.OutcomeRefused &&
		(o.code == wire.CodeBusy || o.code == wire.CodeShuttingDown || o.code == wire.CodeNoSpace)
	if !retry || p.kind != raftcore.EntryNormal && o.kind != wire.OutcomeNotLeader {
		p.finish(o)
		return
	}
	pause := time.Duration(o.retryMS) * time.Millisecond
	if o.kind == wire.OutcomeNotLeader {
		pause = h.opt.Tick / 2
	}
	p.retryAt = time.Now().Add(min(max(pause, time.Millisecond), time.Second))
	h.putBack(p, o.words)
}

// expire ends expired proposals of peers.
func (h *Host) expire(now time.Time) {
	for token, p := range h.byToken {
		if !p.deadline.IsZero() && now.After(p.deadline) {
			delete(h.byToken, token)
			p.finish(outcome{kind: wire.OutcomeUnknown, words: "no outcome in the time that the request gives"})
		}
	}
	rest := h.waiting[:0]
	for _, p := range h.waiting {
		if !p.deadline.IsZero() && now.After(p.deadline) {
			p.finish(outcome{kind: wire.OutcomeNotCommitted, words: "no leader in the time that the request gives"})
		} else if p.state.Load() != proposalOver {
			rest = append(rest, p)
		}
	}
	clear(h.waiting[len(rest):])
	h.waiting = rest
}

// request makes the REQUEST of a proposal.
func (p *proposal) request(number uint64) *wire.Request {
	r := &wire.Request{Request: number, Session: p.session, Number: p.number, TimeoutMS: math.MaxInt32, What: wire.WhatEntry, Data: p.raw}
	if p.kind != raftcore.EntryNormal {
		r.What = wire.WhatChange
	}
	return r
}
