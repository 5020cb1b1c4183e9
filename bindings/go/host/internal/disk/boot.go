package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	raftcore "raftcore.example/go"
)

// Boot is what a log has for the boot of a node.
type Boot struct {
	raftcore.HardState
	Snapshot     uint64 // index of the snapshot file; 0: none yet
	SnapshotTerm uint64
	Before       uint64 // the log has the entries above the index
	BeforeTerm   uint64
	Last         uint64
	Runs         []raftcore.Run
	Notes        []string // findings and repairs
}

// DefaultSegment is the size of a segment.
const DefaultSegment = 16 << 20

// Create makes the first log of a directory, for a member that founds or joins. The log begins
// behind a snapshot, if there is one.
func Create(d *Dir, segmentBytes int, state raftcore.HardState, snapshot, term uint64) error {
	old, err := filepath.Glob(d.name("log-*"))
	if err != nil {
		return err
	}
	for _, name := range old { // an attempt that never became part of a group
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	l := &Log{dir: d, segmentBytes: segmentBytes, state: state, snapshot: point{snapshot, term}, before: point{snapshot, term}}
	if err := l.roll(0, nil); err != nil {
		return err
	}
	return l.Close()
}

// Open reads the log of a directory.
func Open(d *Dir, segmentBytes int) (*Log, *Boot, error) {
	if err := d.removeUnfinished(); err != nil {
		return nil, nil, err
	}
	l := &Log{dir: d, segmentBytes: segmentBytes}
	b := &Boot{}
	numbers, err := l.chain()
	if err != nil {
		return nil, nil, err
	}
	var batches []batch
	for i, number := range numbers {
		isLast := i == len(numbers)-1
		end := uint64(math.MaxInt)
		if !isLast {
			if end, err = l.endOf(number); err != nil {
				l.closeFiles()
				return nil, nil, err
			}
		}
		if batches, err = l.scan(number, i == 0, isLast, int(end), b); err != nil {
			l.closeFiles()
			return nil, nil, err
		}
	}
	if err := l.restart(batches); err != nil {
		l.closeFiles()
		return nil, nil, err
	}
	if err := l.fill(b); err != nil {
		l.closeFiles()
		return nil, nil, err
	}
	return l, b, nil
}

// chain lists the newest segments without a gap. Older ones are leftovers of a removal, and go.
func (l *Log) chain() ([]uint64, error) {
	names, err := filepath.Glob(l.dir.name("log-??????????"))
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if n, err := strconv.ParseUint(filepath.Base(name)[4:], 10, 64); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%w: %s has an owner, and no log", ErrDamaged, l.dir.Path)
	}
	at := len(numbers) - 1
	for at > 0 && numbers[at-1] == numbers[at]-1 {
		at--
	}
	for _, n := range numbers[:at] {
		if err := os.Remove(l.dir.segmentName(n)); err != nil {
			return nil, err
		}
	}
	return numbers[at:], nil
}

// endOf returns the end of a segment from the successor's head. Whole batches beyond have moved to
// the successor.
func (l *Log) endOf(number uint64) (uint64, error) {
	f, err := os.Open(l.dir.segmentName(number + 1))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, segmentHead)
	if _, err := io.ReadFull(f, b); err != nil {
		return 0, fmt.Errorf("%w: head of segment %d: %v", ErrDamaged, number+1, err)
	}
	h, err := parseHead(b, number+1, l.dir.Owner)
	return h.prevEnd, err
}

// scan reads a segment up to an end, and returns the whole batches of the last segment.
func (l *Log) scan(number uint64, isFirst, isLast bool, end int, b *Boot) (batches []batch, err error) {
	path := l.dir.segmentName(number)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	bytes, err := os.ReadFile(path)
	if err != nil {
		f.Close()
		return nil, err
	}
	s := &segment{number: number, seed: seed(l.dir.Owner.Disk, number), file: f, room: len(bytes)}
	h, err := parseHead(bytes, number, l.dir.Owner)
	if err == nil && len(l.segments) > 0 {
		before := l.segments[len(l.segments)-1]
		if uint64(before.end) != h.prevEnd || l.number != h.prevNumber {
			err = fmt.Errorf("%w: segment %d is whole up to offset %d, and batch %d; the next segment says %d, and batch %d", ErrDamaged,
				before.number, before.end, l.number, h.prevEnd, h.prevNumber)
		}
	} else if isFirst {
		l.number = h.prevNumber
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	l.segments = append(l.segments, s)
	s.end = segmentHead
	for s.end < end {
		found, _, ok := parseBatch(bytes, s.end, s.seed)
		if !ok || found.number != l.number+1 {
			break
		}
		for i := range found.records {
			if err := plausible(&found.records[i]); err != nil {
				return nil, err
			}
			l.take(s, &found.records[i])
		}
		l.number, s.end = found.number, found.end
		l.synced = max(l.synced, found.synced)
		if found.offset == segmentHead { // the base was durable before the segment got its name
			l.synced = found.number
		}
		batches = append(batches, found)
	}
	l.bytes += int64(s.end)
	if s.end == segmentHead {
		return nil, fmt.Errorf("%w: the first batch of %s", ErrDamaged, path)
	}
	if !isLast {
		return nil, nil // the next segment has the end
	}
	if err := l.judge(bytes, s, b); err != nil {
		return nil, err
	}
	return batches, nil
}

func plausible(r *record) error {
	if r.kind == recordState && len(r.data) != 16 {
		return fmt.Errorf("%w: a hard state of %d bytes", ErrDamaged, len(r.data))
	}
	return nil
}

// judge looks behind the last whole batch: at nothing, at a write that a crash cut off, or at rot.
func (l *Log) judge(segment []byte, s *segment, b *Boot) error {
	for at := s.end; ; {
		i := bytes.Index(segment[at:], []byte(batchMagic))
		if i < 0 {
			break
		}
		at += i
		if at%8 == 0 {
			if found, head, _ := parseBatch(segment, at, s.seed); head && found.synced > l.number {
				return fmt.Errorf("%w: batch %d at offset %d of %s is broken, and batch %d says that it was durable: "+
					"do not repair this member; remove it, and add a member with a new id", ErrDamaged, l.number+1, s.end,
					l.dir.segmentName(s.number), found.number)
			}
		}
		at += len(batchMagic)
	}
	if rest := bytes.TrimLeft(segment[s.end:], "\x00"); len(rest) > 0 {
		b.Notes = append(b.Notes, fmt.Sprintf("cut off the end of %s from offset %d on: a write that a crash interrupted", l.dir.segmentName(s.number), s.end))
	}
	return nil
}

// smallSegment is the size up to which a start copies a segment. A process that is started again and
// again leaves a file for so many bytes, not for each start.
const smallSegment = 64 << 10

// restart begins a new segment: nothing is ever written behind a torn end. Batches that nothing
// proves durable move to the new segment, since a failed flush may have left them in memory alone.
// Of a small segment all entries move, and the new segment replaces the small one.
func (l *Log) restart(batches []batch) error {
	last := l.segments[len(l.segments)-1]
	if last.end <= min(smallSegment, l.segmentBytes/4) {
		return l.replace(last, batches)
	}
	unproven := slices.DeleteFunc(batches, func(b batch) bool { return b.number <= l.synced })
	if len(unproven) > 0 {
		last.end, l.number = unproven[0].offset, unproven[0].number-1
	}
	var copied []byte
	for _, b := range unproven {
		for _, r := range b.records {
			copied = appendRecord(copied, r.kind, r.index, r.term, r.entryKind, r.data)
		}
	}
	l.synced = l.number
	return l.roll(0, copied)
}

// replace writes the last segment anew. The base of the new segment restates all but the entries.
func (l *Log) replace(last *segment, batches []batch) error {
	live := l.places
	for len(live) > 0 && live[0].segment != last {
		live = live[1:]
	}
	at := map[int]*record{}
	for _, b := range batches {
		for i := range b.records {
			at[b.records[i].offset] = &b.records[i]
		}
	}
	var copied []byte
	for _, p := range live {
		r := at[p.offset]
		copied = appendRecord(copied, r.kind, r.index, r.term, r.entryKind, r.data)
	}
	l.segments = l.segments[:len(l.segments)-1]
	l.bytes -= int64(last.end)
	l.number = batches[0].number - 1
	l.synced = l.number
	prevEnd := 0
	if n := len(l.segments); n > 0 {
		prevEnd = l.segments[n-1].end
	}
	return errors.Join(l.begin(last.number, prevEnd, 0, copied), last.file.Close())
}

func (l *Log) fill(b *Boot) error {
	b.HardState = l.state
	b.Snapshot, b.SnapshotTerm = l.snapshot.index, l.snapshot.term
	b.Before, b.BeforeTerm, b.Last = l.before.index, l.before.term, l.last()
	if len(l.places) > 0 && l.first != b.Before+1 {
		return fmt.Errorf("%w: the log begins at entry %d, and the entries up to %d were given up", ErrDamaged, l.first, b.Before)
	}
	if b.Before > b.Snapshot {
		return fmt.Errorf("%w: the entries up to %d were given up, and the snapshot is of %d", ErrDamaged, b.Before, b.Snapshot)
	}
	if b.Commit > b.Last {
		return fmt.Errorf("%w: entries up to %d were committed, and the log ends at %d", ErrDamaged, b.Commit, b.Last)
	}
	for i, p := range l.places {
		if n := len(b.Runs); n == 0 || b.Runs[n-1].Term != p.term {
			b.Runs = append(b.Runs, raftcore.Run{First: l.first + uint64(i), Term: p.term})
		}
	}
	return nil
}

// OpenSnapshot opens the snapshot file of an index and term.
func (d *Dir) OpenSnapshot(index, term uint64) (*os.File, error) {
	f, err := os.Open(d.name(SnapshotName(index, term)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s names %s, which is not there", ErrDamaged, d.Path, SnapshotName(index, term))
	}
	return f, err
}
