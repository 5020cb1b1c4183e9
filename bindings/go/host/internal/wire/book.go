package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Record is a member in an address book.
type Record struct {
	ID            uint64
	Disk          Identity // zeros: not known
	PeerAddress   string
	ClientAddress string
}

const (
	bookMagic   = "rhB1"
	recordFixed = 32
)

// AppendBook appends an address book to b.
func AppendBook(b []byte, records []Record) []byte {
	b = append(b, bookMagic...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(records)))
	b = binary.LittleEndian.AppendUint16(b, recordFixed)
	for _, r := range records {
		b = binary.LittleEndian.AppendUint64(b, r.ID)
		b = append(b, r.Disk[:]...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(r.PeerAddress)))
		b = binary.LittleEndian.AppendUint16(b, uint16(len(r.ClientAddress)))
		b = append(b, 0, 0, 0, 0)
		b = append(b, r.PeerAddress...)
		b = append(b, r.ClientAddress...)
	}
	return b
}

// IsBook reports whether the context of a membership change carries addresses.
func IsBook(b []byte) bool { return len(b) >= 4 && string(b[:4]) == bookMagic }

// ParseBook reads an address book. No bytes are an empty book.
func ParseBook(b []byte) ([]Record, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if !IsBook(b) || len(b) < 8 {
		return nil, fmt.Errorf("%w: no address book", ErrMalformed)
	}
	count, fixed := int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	b = b[8:]
	if count > BookMax || fixed < recordFixed {
		return nil, fmt.Errorf("%w: an address book of %d records with %d bytes each", ErrMalformed, count, fixed)
	}
	var records []Record
	for range count {
		if len(b) < fixed {
			return nil, fmt.Errorf("%w: an address book ends early", ErrMalformed)
		}
		r := Record{ID: binary.LittleEndian.Uint64(b)}
		copy(r.Disk[:], b[8:])
		peer, client := int(binary.LittleEndian.Uint16(b[24:])), int(binary.LittleEndian.Uint16(b[26:]))
		b = b[fixed:]
		if peer > AddressMax || client > AddressMax || peer+client > len(b) || r.ID == 0 {
			return nil, fmt.Errorf("%w: a record of an address book", ErrMalformed)
		}
		r.PeerAddress, r.ClientAddress = string(b[:peer]), string(b[peer:peer+client])
		if !IsAddress(r.PeerAddress) || !IsAddress(r.ClientAddress) {
			return nil, fmt.Errorf("%w: an address that is not HOST:PORT", ErrMalformed)
		}
		b = b[peer+client:]
		records = append(records, r)
	}
	return records, nil
}

// IsAddress reports whether text is HOST:PORT or [IPV6]:PORT of printable ASCII, or empty.
func IsAddress(text string) bool {
	if text == "" {
		return true
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	colon := strings.LastIndexByte(text, ':')
	return len(text) <= AddressMax && colon > 0 && colon < len(text)-1
}
