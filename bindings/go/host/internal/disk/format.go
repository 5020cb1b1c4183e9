package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"raftcore.example/go/host/internal/wire"
)

// A segment is a file log-NUMBER: a head, batches, zeros. A batch is a write; a batch counts
// as a whole or not at all. A record is an entry or a change of other state. All integers are
// little-endian. Batches and records begin at multiples of 8.
//
//	segment head   magic (8), checksum of the rest (4), 0 (4), segment (8), group (8), id (8), disk (16),
//	               end of the segment before (8), number of its last batch (8)
//	batch head     "rgB1", checksum of the rest (4), number (8), synced (8), bytes of records (4), count (4)
//	record         checksum (4), length of data (4), index (8), term (8), kind (4), type (4), data, zeros
//
// `synced`: batches up to this number were durable when the batch was made. So a broken
// batch is rot if a later batch calls it durable, and otherwise a write cut off by a crash.
//
// The checksums begin with the disk's identity, the segment and the offset: bytes copied
// from elsewhere are no batch.
const (
	segmentMagic = "rgolog1\n"
	segmentHead  = 72
	batchMagic   = "rgB1"
	batchHead    = 32
	recordHead   = 32

	recordEntry    = 1 // data: of the entry
	recordState    = 2 // term; data: vote (8), commit (8)
	recordSnapshot = 3 // index and term of the snapshot file; kind 1: the log begins anew behind the index
	recordBefore   = 4 // index and term of the last entry that the log gave up
)

func padded(n int) int { return (n + 7) &^ 7 }

// seed is where the checksums of a segment begin.
func seed(disk wire.Identity, segment uint64) uint32 {
	return crc32.Checksum(binary.LittleEndian.AppendUint64(disk[:], segment), wire.Castagnoli)
}

func sumAt(seed uint32, offset int, parts ...[]byte) uint32 {
	for _, b := range parts {
		seed = crc32.Update(seed, wire.Castagnoli, b)
	}
	return seed ^ uint32(offset/8)
}

// appendRecord appends a record whose checksum is still to come.
func appendRecord(b []byte, kind uint32, index, term uint64, entryKind uint32, data []byte) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	b = binary.LittleEndian.AppendUint64(b, index)
	b = binary.LittleEndian.AppendUint64(b, term)
	b = binary.LittleEndian.AppendUint32(b, entryKind)
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = append(b, data...)
	return append(b, zeros[:padded(len(data))-len(data)]...)
}

var zeros [8]byte

// record is a record as it lies in a segment.
type record struct {
	kind, entryKind uint32
	index, term     uint64
	data            []byte
	offset, size    int // where in the segment, and bytes with head, without zeros
}

// parseRecord reads the record at the beginning of b. ok is false if the checksum says otherwise.
func parseRecord(b []byte, seed uint32, offset int) (r record, ok bool) {
	if len(b) < recordHead {
		return r, false
	}
	size := recordHead + int(binary.LittleEndian.Uint32(b[4:]))
	if size > len(b) || sumAt(seed, offset, b[4:size]) != binary.LittleEndian.Uint32(b) {
		return r, false
	}
	return record{
		kind:      binary.LittleEndian.Uint32(b[28:]),
		entryKind: binary.LittleEndian.Uint32(b[24:]),
		index:     binary.LittleEndian.Uint64(b[8:]),
		term:      binary.LittleEndian.Uint64(b[16:]),
		data:      b[recordHead:size:size],
		offset:    offset,
		size:      size,
	}, true
}

// batch is a batch as it lies in a segment.
type batch struct {
	number, synced uint64
	records        []record
	offset, end    int
}

// seal writes the checksums of a batch: b begins with room for the batch's head.
func seal(b []byte, number, synced uint64, count int, seed uint32, offset int) {
	for at := batchHead; at < len(b); {
		size := recordHead + int(binary.LittleEndian.Uint32(b[at+4:]))
		binary.LittleEndian.PutUint32(b[at:], sumAt(seed, offset+at, b[at+4:at+size]))
		at += padded(size)
	}
	copy(b, batchMagic)
	binary.LittleEndian.PutUint64(b[8:], number)
	binary.LittleEndian.PutUint64(b[16:], synced)
	binary.LittleEndian.PutUint32(b[24:], uint32(len(b)-batchHead))
	binary.LittleEndian.PutUint32(b[28:], uint32(count))
	binary.LittleEndian.PutUint32(b[4:], sumAt(seed, offset, b[8:batchHead]))
}

// parseBatch reads the batch at an offset of a segment. ok is false if there is no whole batch. head
// says whether at least its head is right.
func parseBatch(segment []byte, offset int, seed uint32) (b batch, head, ok bool) {
	if len(segment) < offset+batchHead || string(segment[offset:offset+4]) != batchMagic {
		return b, false, false
	}
	h := segment[offset : offset+batchHead]
	if sumAt(seed, offset, h[8:]) != binary.LittleEndian.Uint32(h[4:]) {
		return b, false, false
	}
	size, count := int(binary.LittleEndian.Uint32(h[24:])), int(binary.LittleEndian.Uint32(h[28:]))
	b = batch{number: binary.LittleEndian.Uint64(h[8:]), synced: binary.LittleEndian.Uint64(h[16:]),
		offset: offset, end: offset + batchHead + size}
	if b.end > len(segment) || size%8 != 0 || count > size/recordHead {
		return b, true, false
	}
	b.records = make([]record, 0, count)
	for at := offset + batchHead; at < b.end; {
		r, ok := parseRecord(segment[at:b.end], seed, at)
		if !ok {
			return b, true, false
		}
		b.records = append(b.records, r)
		at += padded(r.size)
	}
	return b, true, len(b.records) == count
}

// head is the head of a segment.
type head struct {
	segment    uint64
	owner      Owner
	prevEnd    uint64
	prevNumber uint64
}

func (h head) bytes() []byte {
	b := append([]byte(segmentMagic), 0, 0, 0, 0, 0, 0, 0, 0)
	for _, x := range [...]uint64{h.segment, h.owner.Group, h.owner.ID} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	b = append(b, h.owner.Disk[:]...)
	b = binary.LittleEndian.AppendUint64(b, h.prevEnd)
	b = binary.LittleEndian.AppendUint64(b, h.prevNumber)
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[12:], wire.Castagnoli))
	return b
}

func parseHead(b []byte, segment uint64, owner Owner) (head, error) {
	if len(b) < segmentHead || string(b[:8]) != segmentMagic || crc32.Checksum(b[12:segmentHead], wire.Castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return head{}, fmt.Errorf("%w: head of segment %d", ErrDamaged, segment)
	}
	h := head{segment: binary.LittleEndian.Uint64(b[16:]), prevEnd: binary.LittleEndian.Uint64(b[56:]),
		prevNumber: binary.LittleEndian.Uint64(b[64:])}
	h.owner = Owner{Group: binary.LittleEndian.Uint64(b[24:]), ID: binary.LittleEndian.Uint64(b[32:])}
	copy(h.owner.Disk[:], b[40:])
	if h.segment != segment || h.owner.Group != owner.Group || h.owner.ID != owner.ID || h.owner.Disk != owner.Disk {
		return head{}, fmt.Errorf("%w: segment %d is of another place: segment %d of member %d of group %d, disk %s", ErrDamaged,
			segment, h.segment, h.owner.ID, h.owner.Group, h.owner.Disk)
	}
	return h, nil
}
