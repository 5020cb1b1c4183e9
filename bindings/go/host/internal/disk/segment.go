package disk

import (
	"errors"
	"fmt"
	"os"
)

// made is a segment file that was made ahead: zeros, written and flushed, so that a later flush has
// no metadata to write.
type made struct {
	file *os.File
	room int
	err  error
}

func (d *Dir) segmentName(number uint64) string { return d.name(fmt.Sprintf("log-%010d", number)) }

func makeSegment(path string, room int) made {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return made{err: err}
	}
	chunk := make([]byte, 256<<10)
	for at := 0; at < room && err == nil; at += len(chunk) {
		_, err = f.WriteAt(chunk[:min(len(chunk), room-at)], int64(at))
	}
	if err = errors.Join(err, f.Sync()); err != nil {
		f.Close()
		os.Remove(path)
		return made{err: err}
	}
	return made{file: f, room: room}
}

// roll begins a new segment with a base: the state without entries, then copied records. need is the
// size of the batch that comes next.
func (l *Log) roll(need int, copied []byte) error {
	number, prevEnd := uint64(1), 0
	if n := len(l.segments); n > 0 {
		if err := l.flush(); err != nil {
			return err
		}
		number, prevEnd = l.segments[n-1].number+1, l.segments[n-1].end
	}
	return l.begin(number, prevEnd, need, copied)
}

// begin makes a segment, and gives the zeros behind the end of the segment before back to the disk.
func (l *Log) begin(number uint64, prevEnd, need int, copied []byte) error {
	room := max(l.segmentBytes, need+len(copied)+64<<10)
	var m made
	if l.next != nil {
		m = <-l.next
		l.next = nil
		if m.err == nil && m.room < room {
			m.file.Close()
		}
	}
	if m.err != nil || m.room < room { // none, too small, or the disk was full then
		m = makeSegment(l.dir.segmentName(number)+".tmp", room)
	}
	if m.err != nil {
		return m.err
	}
	s := &segment{number: number, seed: seed(l.dir.Owner.Disk, number), file: m.file, room: m.room}
	h := head{segment: number, owner: l.dir.Owner, prevEnd: uint64(prevEnd), prevNumber: l.number}
	base := append(l.base(), copied...)
	count := countRecords(base)
	seal(base, l.number+1, l.synced, count, s.seed, segmentHead)
	if _, err := s.file.WriteAt(append(h.bytes(), base...), 0); err != nil {
		return err
	}
	if err := datasync(s.file); err != nil {
		return err
	}
	if err := os.Rename(l.dir.segmentName(number)+".tmp", l.dir.segmentName(number)); err != nil {
		return err
	}
	if err := l.dir.sync(); err != nil {
		return err
	}
	s.end = segmentHead + len(base)
	if n := len(l.segments); n > 0 {
		_ = os.Truncate(l.dir.segmentName(l.segments[n-1].number), int64(prevEnd)) // a longer file does no harm
	}
	l.mu.Lock()
	l.takeAll(s, base, segmentHead)
	l.segments = append(l.segments, s)
	l.number++
	l.synced = l.number
	l.bytes += int64(s.end)
	l.mu.Unlock()
	next := make(chan made, 1)
	l.next = next
	go func() { next <- makeSegment(l.dir.segmentName(number+1)+".tmp", l.segmentBytes) }()
	return nil
}

// base is a batch that states everything but entries.
func (l *Log) base() []byte {
	b := make([]byte, batchHead)
	b = appendRecord(b, recordState, 0, l.state.Term, 0, stateData(l.state))
	b = appendRecord(b, recordSnapshot, l.snapshot.index, l.snapshot.term, 0, nil)
	b = appendRecord(b, recordBefore, l.before.index, l.before.term, 0, nil)
	return b
}
