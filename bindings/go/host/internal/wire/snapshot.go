package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Castagnoli is the table of CRC-32C, the checksum of everything here.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	snapMagic    = "RHSNAP1\n"
	snapFixed    = 48
	snapEnd      = 24
	blockMax     = 1 << 20
	snapHeadMax  = 1 << 24
	defaultBlock = 64 << 10
)

// SnapshotHead is the head of a snapshot file, with size and checksum of the whole.
type SnapshotHead struct {
	Index, Term uint64
	Conf        []byte // ConfState as of Index, as the core gave it
	Book        []byte // address book as of Index
	BlockBytes  uint32 // data in each block but the last; 0 for a writer: a usual size
	Size        uint64 // bytes of the file
	Checksum    uint32 // CRC-32C of the file
}

func (h *SnapshotHead) bytes() []byte {
	size := (snapFixed + len(h.Conf) + len(h.Book) + 7) &^ 7
	b := make([]byte, 0, size)
	b = append(b, snapMagic...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint64(b, h.Index)
	b = binary.LittleEndian.AppendUint64(b, h.Term)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.Conf)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.Book)))
	b = binary.LittleEndian.AppendUint32(b, h.BlockBytes)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, h.Conf...)
	b = append(b, h.Book...)
	b = b[:size]
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[12:], Castagnoli))
	return b
}

func blockSum(number uint64, data []byte) uint32 {
	sum := crc32.Checksum(binary.LittleEndian.AppendUint64(nil, number), Castagnoli)
	return crc32.Update(sum, Castagnoli, data)
}

// SnapshotWriter writes a snapshot file. The data come by Write; Close ends the file, and not the
// writer below.
type SnapshotWriter struct {
	to       io.Writer
	block    []byte
	used     int
	blocks   uint64
	data     uint64
	size     uint64
	checksum uint32
	err      error
}

// NewSnapshotWriter begins a snapshot file.
func NewSnapshotWriter(to io.Writer, head SnapshotHead) *SnapshotWriter {
	if head.BlockBytes == 0 {
		head.BlockBytes = defaultBlock
	}
	w := &SnapshotWriter{to: to, block: make([]byte, 8+head.BlockBytes)}
	w.put(head.bytes())
	return w
}

func (w *SnapshotWriter) put(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.to.Write(b)
	w.size += uint64(n)
	w.checksum = crc32.Update(w.checksum, Castagnoli, b[:n])
	w.err = err
}

// Write takes data of the database.
func (w *SnapshotWriter) Write(data []byte) (int, error) {
	total := len(data)
	for len(data) > 0 && w.err == nil {
		n := copy(w.block[8+w.used:], data)
		w.used += n
		data = data[n:]
		if w.used == len(w.block)-8 {
			w.flush()
		}
	}
	return total - len(data), w.err
}

func (w *SnapshotWriter) flush() {
	data := w.block[8 : 8+w.used]
	binary.LittleEndian.PutUint32(w.block, uint32(w.used))
	binary.LittleEndian.PutUint32(w.block[4:], blockSum(w.blocks, data))
	w.put(w.block[:8+w.used])
	w.blocks++
	w.data += uint64(w.used)
	w.used = 0
}

// Close writes the end of the file.
func (w *SnapshotWriter) Close() error {
	if w.used > 0 {
		w.flush()
	}
	end := make([]byte, snapEnd)
	binary.LittleEndian.PutUint64(end[8:], w.blocks)
	binary.LittleEndian.PutUint64(end[16:], w.data)
	binary.LittleEndian.PutUint32(end[4:], crc32.Checksum(end[8:], Castagnoli))
	w.put(end)
	return w.err
}

// Size returns the bytes written so far.
func (w *SnapshotWriter) Size() uint64 { return w.size }

// Checksum returns the CRC-32C of the bytes written so far.
func (w *SnapshotWriter) Checksum() uint32 { return w.checksum }

// summed counts and sums bytes.
type summed struct {
	from io.Reader
	size uint64
	sum  uint32
}

func (s *summed) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	s.size += uint64(n)
	s.sum = crc32.Update(s.sum, Castagnoli, b[:n])
	return n, err
}

// ReadSnapshotHead reads the head of a snapshot file, and checks it.
func ReadSnapshotHead(r io.Reader) (SnapshotHead, error) {
	var h SnapshotHead
	fixed := make([]byte, snapFixed)
	if _, err := io.ReadFull(r, fixed); err != nil || string(fixed[:8]) != snapMagic {
		return h, fmt.Errorf("%w: no snapshot file", ErrMalformed)
	}
	size := binary.LittleEndian.Uint32(fixed[12:])
	conf, book := uint64(binary.LittleEndian.Uint32(fixed[32:])), uint64(binary.LittleEndian.Uint32(fixed[36:]))
	if size > snapHeadMax || size%8 != 0 || snapFixed+conf+book > uint64(size) {
		return h, fmt.Errorf("%w: a snapshot's head of %d bytes", ErrMalformed, size)
	}
	rest := make([]byte, size-snapFixed)
	if _, err := io.ReadFull(r, rest); err != nil {
		return h, fmt.Errorf("%w: a snapshot's head ends early", ErrMalformed)
	}
	sum := crc32.Update(crc32.Checksum(fixed[12:], Castagnoli), Castagnoli, rest)
	if sum != binary.LittleEndian.Uint32(fixed[8:]) {
		return h, fmt.Errorf("%w: checksum of a snapshot's head", ErrMalformed)
	}
	h = SnapshotHead{
		Index:      binary.LittleEndian.Uint64(fixed[16:]),
		Term:       binary.LittleEndian.Uint64(fixed[24:]),
		Conf:       rest[:conf:conf],
		Book:       rest[conf : conf+book : conf+book],
		BlockBytes: binary.LittleEndian.Uint32(fixed[40:]),
	}
	if h.BlockBytes == 0 || h.BlockBytes > blockMax {
		return h, fmt.Errorf("%w: blocks of %d bytes", ErrMalformed, h.BlockBytes)
	}
	return h, nil
}

// CheckSnapshot reads a whole snapshot file, checks every byte, and returns the head with size and
// checksum.
func CheckSnapshot(r io.Reader) (SnapshotHead, error) {
	all := &summed{from: bufio.NewReaderSize(r, 128<<10)}
	head, err := ReadSnapshotHead(all)
	if err != nil {
		return head, err
	}
	if _, err := io.Copy(io.Discard, newBlocks(all, head)); err != nil {
		return head, err
	}
	if n, _ := all.Read(make([]byte, 1)); n != 0 {
		return head, fmt.Errorf("%w: bytes behind a snapshot's end", ErrMalformed)
	}
	head.Size, head.Checksum = all.size, all.sum
	return head, nil
}

// NewSnapshotReader returns a reader of the data in a snapshot file. The reader checks each block.
func NewSnapshotReader(r io.ReadSeeker, head SnapshotHead) io.Reader {
	offset := int64(snapFixed+len(head.Conf)+len(head.Book)+7) &^ 7
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		return &blocks{err: err}
	}
	return newBlocks(bufio.NewReaderSize(r, 128<<10), head)
}

func newBlocks(r io.Reader, head SnapshotHead) *blocks {
	return &blocks{from: r, limit: head.BlockBytes, block: make([]byte, head.BlockBytes)}
}

// blocks reads the blocks of a snapshot file, and its end.
type blocks struct {
	from  io.Reader
	limit uint32
	block []byte
	rest  []byte
	count uint64
	data  uint64
	last  bool // a short block was read
	err   error
}

func (b *blocks) Read(to []byte) (int, error) {
	for len(b.rest) == 0 && b.err == nil {
		b.err = b.next()
	}
	if len(b.rest) == 0 {
		return 0, b.err
	}
	n := copy(to, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *blocks) next() error {
	var head [8]byte
	if _, err := io.ReadFull(b.from, head[:]); err != nil {
		return fmt.Errorf("%w: a snapshot ends early", ErrMalformed)
	}
	size, sum := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	if size == 0 {
		return b.end(sum)
	}
	if size > b.limit || b.last {
		return fmt.Errorf("%w: block %d of a snapshot has %d bytes", ErrMalformed, b.count, size)
	}
	data := b.block[:size]
	if _, err := io.ReadFull(b.from, data); err != nil {
		return fmt.Errorf("%w: a snapshot ends early", ErrMalformed)
	}
	if blockSum(b.count, data) != sum {
		return fmt.Errorf("%w: checksum of block %d of a snapshot", ErrMalformed, b.count)
	}
	b.last = size < b.limit
	b.count++
	b.data += uint64(size)
	b.rest = data
	return nil
}

func (b *blocks) end(sum uint32) error {
	var end [16]byte
	if _, err := io.ReadFull(b.from, end[:]); err != nil {
		return fmt.Errorf("%w: a snapshot ends early", ErrMalformed)
	}
	if crc32.Checksum(end[:], Castagnoli) != sum || binary.LittleEndian.Uint64(end[:]) != b.count ||
		binary.LittleEndian.Uint64(end[8:]) != b.data {
		return fmt.Errorf("%w: end of a snapshot", ErrMalformed)
	}
	return io.EOF
}
