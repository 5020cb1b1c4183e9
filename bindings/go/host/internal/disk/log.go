package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	raftcore "raftcore.example/go"
)

// Log is an open log. [Log.Add] is for the goroutine of the node, [Log.Sync] for that of the disk;
// the remaining methods are for any goroutine.
type Log struct {
	dir          *Dir
	segmentBytes int

	pending struct {
		sync.Mutex
		buf   []byte // room for a batch's head, then records
		count int
		spare []byte
	}

	// Contents of the segments, changed by the goroutine of the disk.
	mu       sync.RWMutex
	segments []*segment // the last is being written
	first    uint64     // index of places[0]
	places   []place
	state    raftcore.HardState
	before   point // the last compacted entry
	snapshot point
	number   uint64 // of the newest batch
	synced   uint64 // batches up to here are durable
	bytes    int64  // written bytes of the segments
	failed   error
	next     chan made // the next segment, in preparation
}

type point struct{ index, term uint64 }

// place is where an entry lies.
type place struct {
	segment      *segment
	offset, size int
	term         uint64
}

type segment struct {
	number uint64
	seed   uint32
	file   *os.File
	end    int // the next batch begins here
	room   int // bytes of the file
	most   uint64
}

// Add takes the snapshot, the entries and the hard state of a ready for the next [Log.Sync]. The
// bytes are copied.
func (l *Log) Add(rd *raftcore.ReadyView) {
	l.pending.Lock()
	defer l.pending.Unlock()
	if rd.HasSnapshot() {
		l.put(recordSnapshot, rd.SnapshotIndex, rd.SnapshotTerm, 1, nil)
	}
	for i := range rd.Entries.Len() {
		e := rd.Entries.At(i)
		l.put(recordEntry, e.Index, e.Term, uint32(e.Kind), e.Data)
	}
	if rd.HardStateChanged() {
		l.putState(rd.HardState)
	}
}

// AddSnapshot names the snapshot file that a boot begins with.
func (l *Log) AddSnapshot(index, term uint64) {
	l.pending.Lock()
	defer l.pending.Unlock()
	l.put(recordSnapshot, index, term, 0, nil)
}

// AddBefore gives up the entries up to an index. [Log.Trim] removes the segments.
func (l *Log) AddBefore(index, term uint64) {
	l.pending.Lock()
	defer l.pending.Unlock()
	l.put(recordBefore, index, term, 0, nil)
}

func (l *Log) put(kind uint32, index, term uint64, entryKind uint32, data []byte) {
	if len(l.pending.buf) == 0 {
		l.pending.buf = append(l.pending.buf[:0], make([]byte, batchHead)...)
	}
	l.pending.buf = appendRecord(l.pending.buf, kind, index, term, entryKind, data)
	l.pending.count++
}

func (l *Log) putState(state raftcore.HardState) {
	l.put(recordState, 0, state.Term, 0, stateData(state))
}

func stateData(state raftcore.HardState) []byte {
	data := binary.LittleEndian.AppendUint64(make([]byte, 0, 16), state.Vote)
	return binary.LittleEndian.AppendUint64(data, state.Commit)
}

// Sync writes the added records with a single write and a single flush. With flush false the write is left to the
// system: for a commit index alone. A failure is final: later calls return the first error.
func (l *Log) Sync(flush bool) error {
	l.pending.Lock()
	buf, count := l.pending.buf, l.pending.count
	l.pending.buf, l.pending.spare, l.pending.count = l.pending.spare[:0], nil, 0
	l.pending.Unlock()
	if l.failed != nil {
		return l.failed
	}
	var err error
	if count > 0 {
		err = l.write(buf, count)
	}
	if err == nil && flush {
		err = l.flush()
	}
	if err != nil {
		l.failed = fmt.Errorf("the log failed: %w", err)
		return l.failed
	}
	if cap(buf) <= 4<<20 {
		l.pending.Lock()
		l.pending.spare = buf[:0]
		l.pending.Unlock()
	}
	return nil
}

// Mark writes a batch without records, so that a later boot knows the last batches for durable. The
// mark is not flushed.
func (l *Log) Mark() error {
	if l.failed != nil || l.number == l.synced {
		if l.failed == nil {
			l.failed = l.write(make([]byte, batchHead), 0)
		}
		return l.failed
	}
	return nil
}

func (l *Log) flush() error {
	current := l.segments[len(l.segments)-1]
	if l.synced == l.number {
		return nil
	}
	if err := datasync(current.file); err != nil {
		return err
	}
	l.synced = l.number
	return nil
}

// write puts a batch into the current segment, or into a new one.
func (l *Log) write(buf []byte, count int) error {
	if len(buf) > 1<<31 {
		return errors.New("a batch of more than 2 GiB")
	}
	current := l.segments[len(l.segments)-1]
	if current.end+len(buf) > current.room {
		if err := l.roll(len(buf), nil); err != nil {
			return err
		}
		current = l.segments[len(l.segments)-1]
	}
	offset := current.end
	seal(buf, l.number+1, l.synced, count, current.seed, offset)
	if _, err := current.file.WriteAt(buf, int64(offset)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.number++
	current.end += len(buf)
	l.bytes += int64(len(buf))
	l.takeAll(current, buf, offset)
	return nil
}

// takeAll makes the records of a batch part of what is known of the log.
func (l *Log) takeAll(s *segment, buf []byte, offset int) {
	for at := batchHead; at < len(buf); {
		r := record{
			kind:      binary.LittleEndian.Uint32(buf[at+28:]),
			entryKind: binary.LittleEndian.Uint32(buf[at+24:]),
			index:     binary.LittleEndian.Uint64(buf[at+8:]),
			term:      binary.LittleEndian.Uint64(buf[at+16:]),
			size:      recordHead + int(binary.LittleEndian.Uint32(buf[at+4:])),
		}
		r.data, r.offset = buf[at+recordHead:at+r.size], offset+at
		l.take(s, &r)
		at += padded(r.size)
	}
}

func countRecords(buf []byte) (n int) {
	for at := batchHead; at < len(buf); n++ {
		at += padded(recordHead + int(binary.LittleEndian.Uint32(buf[at+4:])))
	}
	return n
}

// take makes a record part of what is known of the log.
func (l *Log) take(s *segment, r *record) {
	switch r.kind {
	case recordEntry:
		switch {
		case len(l.places) == 0 || r.index > l.first+uint64(len(l.places)) || r.index < l.first:
			l.first, l.places = r.index, l.places[:0]
		default:
			l.places = l.places[:r.index-l.first]
		}
		l.places = append(l.places, place{s, r.offset, r.size, r.term})
		s.most = max(s.most, r.index)
	case recordState:
		l.state = raftcore.HardState{Term: r.term, Vote: binary.LittleEndian.Uint64(r.data), Commit: binary.LittleEndian.Uint64(r.data[8:])}
	case recordSnapshot:
		l.snapshot = point{r.index, r.term}
		if r.entryKind == 1 {
			l.before = l.snapshot
			l.places = nil
		}
	case recordBefore:
		if r.index > l.before.index {
			l.before = point{r.index, r.term}
		}
		if gone := int(min(r.index+1-min(r.index+1, l.first), uint64(len(l.places)))); gone > 0 {
			l.places = append([]place(nil), l.places[gone:]...)
			l.first += uint64(gone)
		}
	}
}

// Last returns the index of the last entry.
func (l *Log) Last() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last()
}

func (l *Log) last() uint64 {
	if len(l.places) == 0 {
		return l.before.index
	}
	return l.first + uint64(len(l.places)) - 1
}

// Bytes returns the size of the log.
func (l *Log) Bytes() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.bytes
}

// BytesAbove returns about how many bytes of log are above an index.
func (l *Log) BytesAbove(index uint64) (sum int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for i := len(l.places) - 1; i >= 0 && l.first+uint64(i) > index; i-- {
		sum += int64(l.places[i].size)
	}
	return sum
}

// IndexKeeping returns the lowest index above which the log has at most so many bytes.
func (l *Log) IndexKeeping(bytes int64) uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	at := l.last()
	for i := len(l.places) - 1; i >= 0; i-- {
		if bytes -= int64(l.places[i].size); bytes < 0 {
			break
		}
		at = l.first + uint64(i) - 1
	}
	return at
}

// Term returns the term of an entry, or of the last compacted entry.
func (l *Log) Term(index uint64) (uint64, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if index == l.before.index {
		return l.before.term, true
	}
	if len(l.places) == 0 || index < l.first || index > l.last() {
		return 0, false
	}
	return l.places[index-l.first].term, true
}

// ErrGone: the log gave the entries up.
var ErrGone = errors.New("the entries were compacted away")

// Entries reads entries from first on, at least one, up to last as far as bytes
// allow. An empty result without an error: not written yet. [ErrGone]; [ErrDamaged]: stop the
// member.
func (l *Log) Entries(first, last, bytes uint64) ([]raftcore.Entry, error) {
	l.mu.RLock() // keeps the files open, too
	defer l.mu.RUnlock()
	if first <= l.before.index {
		return nil, ErrGone
	}
	if len(l.places) == 0 || first < l.first || first > l.last() {
		return nil, nil
	}
	places := l.places[first-l.first:]
	places = places[:min(uint64(len(places)), last-first+1)]
	var entries []raftcore.Entry
	for sum := uint64(0); len(places) > 0; {
		run := 0 // ascending places of a segment are a single read
		for run < len(places) && places[run].segment == places[0].segment && (run == 0 || places[run].offset > places[run-1].offset) &&
			(len(entries)+run == 0 || sum+uint64(places[run].size) <= bytes) {
			sum += uint64(places[run].size)
			run++
		}
		if run == 0 {
			break
		}
		from := places[0].offset
		buf := make([]byte, places[run-1].offset+places[run-1].size-from)
		if _, err := places[0].segment.file.ReadAt(buf, int64(from)); err != nil {
			return nil, fmt.Errorf("%w: read of entry %d in segment %d: %v", ErrDamaged, first, places[0].segment.number, err)
		}
		for _, p := range places[:run] {
			index := first + uint64(len(entries))
			r, ok := parseRecord(buf[p.offset-from:p.offset-from+p.size], p.segment.seed, p.offset)
			if !ok || r.index != index || r.term != p.term || r.kind != recordEntry {
				return nil, fmt.Errorf("%w: checksum of entry %d, segment %d, offset %d", ErrDamaged, index, p.segment.number, p.offset)
			}
			entries = append(entries, raftcore.Entry{Term: r.term, Index: r.index, Kind: raftcore.EntryKind(r.entryKind), Data: r.data})
		}
		places = places[run:]
	}
	return entries, nil
}

// Trim removes segments without entries above the last AddBefore, which must be durable.
func (l *Log) Trim() error {
	l.mu.Lock()
	var gone []*segment
	for len(l.segments) > 1 && l.segments[0].most <= l.before.index {
		gone = append(gone, l.segments[0])
		l.bytes -= int64(l.segments[0].end)
		l.segments = l.segments[1:]
	}
	l.mu.Unlock()
	var err error
	for _, s := range gone {
		err = errors.Join(err, s.file.Close(), os.Remove(l.dir.segmentName(s.number)))
	}
	return err
}

// Close marks the end of the log, flushes, and closes the files.
func (l *Log) Close() error {
	err := l.Sync(true)
	if err == nil {
		err = l.Mark()
	}
	if err == nil {
		err = datasync(l.segments[len(l.segments)-1].file)
	}
	return errors.Join(err, l.closeFiles())
}

func (l *Log) closeFiles() (err error) {
	for _, s := range l.segments {
		err = errors.Join(err, s.file.Close())
	}
	if l.next != nil {
		if m := <-l.next; m.file != nil {
			err = errors.Join(err, m.file.Close(), os.Remove(m.file.Name()))
		}
		l.next = nil
	}
	return err
}
