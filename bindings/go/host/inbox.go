package host

import "sync"

// inbox is the mail of the loop.
type inbox struct {
	mu   sync.Mutex
	room sync.Cond // signalled when the loop has taken what is there
	wake chan struct{}
	mail
	bytes  int
	closed bool
}

// mail is the input of a turn.
type mail struct {
	proposals []*proposal
	reads     []*readWait
	arrivals  []arrival
	calls     []func()
	persisted uint64 // number of a ready
	appliedTo uint64 // index of an entry
}

// arrival is frames of the core from a peer: any number, or a single MsgSnap.
type arrival struct {
	peer        uint64
	frames      []byte
	snap        bool
	index, term uint64
	answer      *outbox
}

// inboxMax bounds the frames that wait for the loop. Beyond the limit, connections wait.
const inboxMax = 32 << 20

func newInbox() *inbox {
	in := &inbox{wake: make(chan struct{}, 1)}
	in.room.L = &in.mu
	return in
}

// change changes the mail. false: the loop has ended.
func (in *inbox) change(f func(*mail)) bool {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return false
	}
	f(&in.mail)
	in.mu.Unlock()
	in.poke()
	return true
}

func (in *inbox) poke() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

func (in *inbox) propose(p *proposal) bool {
	return in.change(func(m *mail) { m.proposals = append(m.proposals, p) })
}

func (in *inbox) read(r *readWait) bool {
	return in.change(func(m *mail) { m.reads = append(m.reads, r) })
}

func (in *inbox) call(f func()) bool {
	return in.change(func(m *mail) { m.calls = append(m.calls, f) })
}

func (in *inbox) setPersisted(number uint64) {
	in.change(func(m *mail) { m.persisted = max(m.persisted, number) })
}

func (in *inbox) applied(index uint64) {
	in.change(func(m *mail) { m.appliedTo = max(m.appliedTo, index) })
}

// arrive hands frames over, and waits while the loop is far behind.
func (in *inbox) arrive(a arrival) bool {
	in.mu.Lock()
	for in.bytes > inboxMax && !in.closed {
		in.room.Wait()
	}
	if in.closed {
		in.mu.Unlock()
		return false
	}
	in.arrivals = append(in.arrivals, a)
	in.bytes += len(a.frames)
	in.mu.Unlock()
	in.poke()
	return true
}

// take returns all mail. The memory of the last mail is used again.
func (in *inbox) take(last *mail) mail {
	clear(last.proposals)
	clear(last.reads)
	clear(last.arrivals)
	clear(last.calls)
	in.mu.Lock()
	defer in.mu.Unlock()
	m := in.mail
	in.mail = mail{proposals: last.proposals[:0], reads: last.reads[:0], arrivals: last.arrivals[:0], calls: last.calls[:0]}
	in.bytes = 0
	in.room.Broadcast()
	return m
}

// close refuses further mail, and returns the waiting mail.
func (in *inbox) close() mail {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.room.Broadcast()
	return in.mail
}
