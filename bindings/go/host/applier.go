package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// applier is the replicated state: the machine, sessions, membership and addresses. A single
// goroutine uses an applier.
type applier struct {
	machine  StateMachine
	sessions *sessions
	book     map[uint64]wire.Record
	conf     []byte // ConfState as of index, as the core gave it
	index    uint64
	term     uint64
	bytes    int64 // of log applied since the last snapshot

	batch  []Entry     // reused: the batch for Apply
	owners []batchItem // reused: the receivers of the results
}

type batchItem struct {
	session *session
	p       *proposal
}

func newApplier(machine StateMachine) *applier {
	return &applier{machine: machine, sessions: newSessions(), book: map[uint64]wire.Record{}}
}

// committed is an entry to apply, with the waiting proposal of the member, if any.
type committed struct {
	index, term uint64
	kind        raftcore.EntryKind
	data        []byte
	p           *proposal
	conf        *raftcore.Conf // of a membership change: the new membership
	err         error          // of a skipped membership change
}

// apply applies entries in order, and ends the waiting proposals.
func (a *applier) apply(entries []committed) (bookChanged bool) {
	for i := range entries {
		e := &entries[i]
		a.bytes += int64(len(e.data)) + 64
		switch {
		case e.kind != raftcore.EntryNormal:
			a.flush()
			bookChanged = a.change(e) || bookChanged
		case len(e.data) == 0: // a leader's first
		default:
			a.add(e)
		}
		a.index, a.term = e.index, e.term
	}
	a.flush()
	return bookChanged
}

func (a *applier) add(e *committed) {
	id, number, data, ok := openEnvelope(e.data)
	if !ok {
		e.p.finish(outcome{kind: wire.OutcomeRefused, code: wire.CodeInvalid, index: e.index, term: e.term,
			words: "an entry without an envelope of this version: nothing was changed"})
		return
	}
	var s *session
	if id != (wire.Identity{}) {
		if s = a.sessions.find(id); s != nil && s.pending {
			a.flush()
			s = a.sessions.find(id)
		}
		switch {
		case s != nil && number <= s.number:
			a.repeat(s, number, e)
			return
		case s == nil && number > 1:
			e.p.finish(outcome{kind: wire.OutcomeUnknown, index: e.index, term: e.term, words: ErrSessionGone.Error(), err: ErrSessionGone})
			return
		}
		s = a.sessions.use(id, number)
		s.pending = true
	}
	a.batch = append(a.batch, Entry{Index: e.index, Data: data})
	a.owners = append(a.owners, batchItem{s, e.p})
	if e.p != nil {
		e.p.index, e.p.term = e.index, e.term
	}
}

// repeat answers a repeated request. Only the last result is stored.
func (a *applier) repeat(s *session, number uint64, e *committed) {
	if number < s.number {
		e.p.finish(outcome{kind: wire.OutcomeUnknown, index: e.index, term: e.term, err: ErrSessionGone,
			words: fmt.Sprintf("%v: the result of request %d was given up after request %d", ErrSessionGone, number, s.number)})
		return
	}
	if s.dropped {
		e.p.finish(outcome{kind: wire.OutcomeUnknown, index: e.index, term: e.term, err: ErrSessionGone,
			words: ErrSessionGone.Error() + ": the result of the request was too long to keep"})
		return
	}
	e.p.finish(outcome{kind: wire.OutcomeDone, index: e.index, term: e.term, result: s.result})
}

// flush gives the collected batch to the machine.
func (a *applier) flush() {
	if len(a.batch) == 0 {
		return
	}
	a.machine.Apply(a.batch)
	for i, owner := range a.owners {
		if s := owner.session; s != nil {
			s.set(a.batch[i].Result)
		}
		if owner.p != nil {
			owner.p.finish(outcome{kind: wire.OutcomeDone, index: owner.p.index, term: owner.p.term, result: a.batch[i].Result})
		}
	}
	clear(a.batch)
	clear(a.owners)
	a.batch, a.owners = a.batch[:0], a.owners[:0]
}

// change takes a membership change that the core has applied.
func (a *applier) change(e *committed) (bookChanged bool) {
	if e.conf == nil {
		e.p.finish(outcome{kind: wire.OutcomeRefused, code: wire.CodeInvalid, index: e.index, term: e.term, words: e.err.Error()})
		return false
	}
	a.conf = e.conf.Bytes
	if wire.IsBook(e.conf.Context) {
		records, err := wire.ParseBook(e.conf.Context)
		if err == nil {
			for _, r := range records {
				a.book[r.ID] = r
			}
			bookChanged = true
		}
	}
	e.p.finish(outcome{kind: wire.OutcomeDone, index: e.index, term: e.term})
	return bookChanged
}

// frozen is the state of one moment, ready to be written.
type frozen struct {
	head     wire.SnapshotHead
	sessions []byte
	machine  func(io.Writer) error
}

func (a *applier) freeze() (*frozen, error) {
	write, err := a.machine.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("Snapshot of the machine: %w", err)
	}
	return &frozen{
		head:     wire.SnapshotHead{Index: a.index, Term: a.term, Conf: a.conf, Book: a.encodeBook()},
		sessions: a.sessions.encode(),
		machine:  write,
	}, nil
}

func (a *applier) encodeBook() []byte {
	ids := slices.Sorted(maps.Keys(a.book))
	records := make([]wire.Record, len(ids))
	for i, id := range ids {
		records[i] = a.book[id]
	}
	return wire.AppendBook(nil, records)
}

// write writes a snapshot file, and returns its head with size and checksum.
func (f *frozen) write(to io.Writer) (wire.SnapshotHead, error) {
	buffer := bufio.NewWriterSize(to, 256<<10)
	w := wire.NewSnapshotWriter(buffer, f.head)
	_, err := w.Write(f.sessions)
	if err == nil {
		err = f.machine(w)
	}
	if err = errors.Join(err, w.Close(), buffer.Flush()); err != nil {
		return wire.SnapshotHead{}, err
	}
	head := f.head
	head.Size, head.Checksum = w.Size(), w.Checksum()
	return head, nil
}

// save writes a snapshot file into a directory, durably, under its name.
func (f *frozen) save(dir *disk.Dir) (wire.SnapshotHead, error) {
	file, err := os.CreateTemp(dir.Path, "save-*.tmp")
	if err != nil {
		return wire.SnapshotHead{}, err
	}
	head, err := f.write(file)
	return head, dir.PutInPlace(file, disk.SnapshotName(f.head.Index, f.head.Term), err)
}

// restore replaces the state by a snapshot file, after a check of the whole file.
func (a *applier) restore(file *os.File) (wire.SnapshotHead, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return wire.SnapshotHead{}, err
	}
	head, err := wire.CheckSnapshot(file)
	if err != nil {
		return head, fmt.Errorf("%w: %s: %v", ErrDamaged, file.Name(), err)
	}
	records, err := wire.ParseBook(head.Book)
	if err != nil {
		return head, fmt.Errorf("%w: %s: %v", ErrDamaged, file.Name(), err)
	}
	data := bufio.NewReader(wire.NewSnapshotReader(file, head))
	table, err := decodeSessions(func(b []byte) error { _, err := io.ReadFull(data, b); return err })
	if err != nil {
		return head, fmt.Errorf("%s: %w", file.Name(), err)
	}
	if err := a.machine.Restore(data); err != nil {
		return head, fmt.Errorf("Restore of the machine from %s: %w", file.Name(), err)
	}
	a.sessions, a.conf, a.index, a.term, a.bytes = table, head.Conf, head.Index, head.Term, 0
	a.book = map[uint64]wire.Record{}
	for _, r := range records {
		a.book[r.ID] = r
	}
	return head, nil
}

// applyJob is work for the applying goroutine.
type applyJob struct {
	entries []committed
	last    uint64 // index to report
	restore *restoreJob
	freeze  chan<- *frozen // for a backup
	snap    bool           // make a snapshot now
}

type restoreJob struct {
	index, term uint64
	done        chan error
}

// runApplier is the applying goroutine.
func (h *Host) runApplier() {
	defer h.wg.Done()
	for {
		jobs, ok := h.applies.take()
		if !ok {
			return
		}
		for i := range jobs {
			if err := h.applyOne(&jobs[i]); err != nil {
				h.fail(err)
				return
			}
		}
	}
}

func (h *Host) applyOne(job *applyJob) error {
	a := h.applier
	switch {
	case job.restore != nil:
		file, err := h.dir.OpenSnapshot(job.restore.index, job.restore.term)
		if err == nil {
			_, err = a.restore(file)
			file.Close()
		}
		job.restore.done <- err
		if err != nil {
			return err
		}
		h.metrics.snapshotsInstalled.Add(1)
		h.publishBook()
	case job.freeze != nil:
		f, err := a.freeze()
		if err != nil {
			h.log.Warn("no snapshot for a backup", "error", err)
		}
		job.freeze <- f
	case len(job.entries) > 0:
		before := len(job.entries)
		begin := time.Now()
		if a.apply(job.entries) {
			h.publishBook()
		}
		h.metrics.applied.Add(uint64(before))
		h.metrics.applySeconds.since(begin)
		h.inbox.applied(job.last)
	}
	if (a.bytes > h.opt.SnapshotBytes || job.snap) && a.index > h.saved.Load() && h.saving.CompareAndSwap(false, true) {
		h.beginSnapshot()
	}
	return nil
}

// beginSnapshot freezes the state here, and writes the file in a new goroutine.
func (h *Host) beginSnapshot() {
	f, err := h.applier.freeze()
	if err != nil {
		h.log.Warn("no snapshot now", "error", err)
		h.applier.bytes = 0
		h.saving.Store(false)
		return
	}
	h.applier.bytes = 0
	start(&h.wg, func() {
		begin := time.Now()
		head, err := f.save(h.dir)
		if err != nil {
			h.log.Warn("a snapshot failed", "index", f.head.Index, "error", err)
			h.saving.Store(false)
			return
		}
		h.log.Info("snapshot made", "index", head.Index, "bytes", head.Size, "took", time.Since(begin))
		h.metrics.snapshotsMade.Add(1)
		h.inbox.call(func() { h.snapshotMade(head) })
	})
}

// publishBook gives the address book to the loop.
func (h *Host) publishBook() {
	book := maps.Clone(h.applier.book)
	h.inbox.call(func() {
		for id, r := range book {
			if old, known := h.book[id]; known && r != old { // newer than the hello
				delete(h.hints, id)
			}
		}
		h.book = book
		h.refreshView()
	})
}
