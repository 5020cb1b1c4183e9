package host

import (
	"context"
	"slices"
	"sync/atomic"

	raftcore "raftcore.example/go"
)

// readWait is a waiting read.
type readWait struct {
	done chan struct{}
	over atomic.Bool // the caller has left
}

// Read waits until the member's state has every write that was acknowledged, by any member, before
// Read was called. Then read the state. A read costs no entry of the log; concurrent reads share a question to the
// leader.
//
// Errors: that of ctx, or [ErrClosed]. After an error the state may be old.
func (h *Host) Read(ctx context.Context) error {
	r := &readWait{done: make(chan struct{})}
	defer r.over.Store(true)
	if !h.inbox.read(r) {
		return h.closedError()
	}
	select {
	case <-r.done:
		h.metrics.reads.Add(1)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-h.done:
		return h.closedError()
	}
}

// ---- in the loop

// readAll starts the new reads, with a single question.
func (h *Host) readAll() error {
	if len(h.reads) == 0 {
		return nil
	}
	h.token++
	h.reads = slices.DeleteFunc(h.reads, func(r *readWait) bool { return r.over.Load() })
	err := h.node.ReadIndex(h.token)
	switch {
	case err == nil:
		h.reading[h.token] = h.reads
		h.reads = nil
	case isCode(err, raftcore.ErrNoLeader, raftcore.ErrFull, raftcore.ErrNotLeader): // later
	default:
		return err
	}
	return nil
}

func (h *Host) readDone(token uint64) {
	for _, r := range h.reading[token] {
		close(r.done)
	}
	delete(h.reading, token)
}

// readFailed makes reads wait for the next leader.
func (h *Host) readFailed(token uint64) {
	h.reads = append(h.reads, h.reading[token]...)
	delete(h.reading, token)
	h.metrics.readsRepeated.Add(1)
}
