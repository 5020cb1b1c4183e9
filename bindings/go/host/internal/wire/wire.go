// Package wire has the frames between hosts, as bytes and as structs: version 1 of docs/wire.md.
// Nothing here opens a connection.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Numbers of the protocol. docs/wire.md has explanations under equal names.
const (
	Version     = 1
	Header      = 12   // bytes before a frame's body: length (4), group (8)
	HelloMax    = 1024 // longest frame before the hellos are done, header included
	WordsMax    = 400
	AddressMax  = 255
	BookMax     = 1024
	ChunkHead   = 40 // bytes of a CHUNK frame before its data
	ChunkMax    = 1 << 20
	WindowMax   = 64 << 20
	RequestsMax = 4096 // requests without an outcome on a connection

	hostFrame = 0x48
	coreHello = 0x52
)

// Channels of a connection.
const (
	ChannelPeer = 1
	ChannelBulk = 2
	ChannelJoin = 3
)

// FlagEmpty in Hello.Flags: the sender's disk holds nothing of the group yet.
const FlagEmpty = 1

// Values of Join.Want.
const (
	WantVoter   = 1
	WantLearner = 2
)

// Values of Joined.Status.
const (
	JoinedMember    = 1
	JoinedWait      = 2
	JoinedNotLeader = 3
	JoinedRefused   = 4
)

// Values of Request.What.
const (
	WhatEntry  = 1
	WhatChange = 2
	WhatCall   = 3
)

// Values of Outcome.Outcome.
const (
	OutcomeDone         = 1
	OutcomeNotCommitted = 2
	OutcomeUnknown      = 3
	OutcomeNotLeader    = 4
	OutcomeRefused      = 5
)

// Codes of REJECT, JOINED and OUTCOME.
const (
	CodeVersion = iota + 1
	CodeGroup
	CodeID
	CodeFounding
	CodeDisk
	CodeCertificate
	CodeNotMember
	CodeBusy
	CodeProtocol
	CodeTooLarge
	CodeUnknownFrame
	CodeShuttingDown
	CodeUnknownValue
	CodeNoSpace
	CodeInvalid
)

// Codes of ABORT.
const (
	AbortChunk = iota + 1
	AbortFile
	AbortNoSpace
	AbortSuperseded
	AbortNoData
	AbortNotNeeded
	AbortReadFailed
	AbortBusy
	AbortLimit
)

// ErrMalformed is the cause of each error of a reader: the bytes are no frame of version 1.
var ErrMalformed = errors.New("malformed frame")

// Identity names a founding, a disk or a session.
type Identity [16]byte

// String returns the identity in hexadecimal.
func (i Identity) String() string { return fmt.Sprintf("%x", i[:]) }

// Message is the body of a host frame.
type Message interface {
	kind() byte
	visit(*codec)
}

// Append appends a host frame of the group to b.
func Append(b []byte, group uint64, m Message) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, group)
	b = append(b, hostFrame, m.kind(), 0, 0)
	c := codec{write: true, fixed: b}
	m.visit(&c)
	b = c.fixed
	binary.LittleEndian.PutUint16(b[at+Header+2:], uint16(len(b)-at-Header-4))
	for _, part := range c.parts {
		b = append(b, part...)
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-Header))
	return b
}

// IsHost reports whether a frame's body is a host frame, and not a message of the core.
func IsHost(body []byte) bool { return len(body) > 0 && body[0] == hostFrame }

// IsCoreHello reports whether a frame's body is the hello of the core.
func IsCoreHello(body []byte) bool { return len(body) > 0 && body[0] == coreHello }

// Kind returns the type of a host frame.
func Kind(body []byte) byte {
	if len(body) < 2 {
		return 0
	}
	return body[1]
}

// MustUnderstand reports whether a reader without the type must refuse the frame. Further unknown
// frames are skipped.
func MustUnderstand(kind byte) bool { return kind >= 128 }

// Parse reads the body of a host frame. nil without an error: an unknown type, to be skipped unless
// [MustUnderstand]. Byte slices in the message are parts of body.
func Parse(body []byte) (Message, error) {
	if len(body) < 4 || body[0] != hostFrame {
		return nil, fmt.Errorf("%w: no head", ErrMalformed)
	}
	m := empty(body[1])
	if m == nil {
		return nil, nil
	}
	fixed := int(binary.LittleEndian.Uint16(body[2:]))
	if 4+fixed > len(body) {
		return nil, fmt.Errorf("%w: type %d has %d bytes of fixed fields, %d are there", ErrMalformed, body[1], fixed, len(body)-4)
	}
	c := codec{fixed: body[4 : 4+fixed]}
	m.visit(&c)
	if c.err != nil {
		return nil, fmt.Errorf("%w: type %d: %v", ErrMalformed, body[1], c.err)
	}
	rest := body[4+fixed:]
	for _, want := range c.wants {
		if want.size > len(rest) {
			return nil, fmt.Errorf("%w: type %d: a part of %d bytes, %d are there", ErrMalformed, body[1], want.size, len(rest))
		}
		want.take(rest[:want.size:want.size])
		rest = rest[want.size:]
	}
	return m, nil
}

func empty(kind byte) Message {
	switch kind {
	case 1:
		return &Hello{}
	case 2:
		return &Reject{}
	case 3:
		return &Ping{}
	case 4:
		return &Pong{}
	case 5:
		return &Join{}
	case 6:
		return &Joined{}
	case 16:
		return &Offer{}
	case 17:
		return &Accept{}
	case 18:
		return &Chunk{}
	case 19:
		return &Ack{}
	case 20:
		return &Complete{}
	case 21:
		return &Abort{}
	case 32:
		return &Request{}
	case 33:
		return &Outcome{}
	}
	return nil
}

// codec writes or reads the fields of a message, so that a message lists the fields once.
type codec struct {
	write bool
	fixed []byte // writing: the frame so far; reading: the rest of the fixed fields
	parts [][]byte
	wants []want
	err   error
}

// want is a part of variable length that a reader has yet to take.
type want struct {
	size int
	take func([]byte)
}

var errShort = errors.New("fewer fixed bytes than in version 1")

func (c *codec) next(n int) []byte {
	if len(c.fixed) < n {
		c.err = errShort
		return make([]byte, n)
	}
	b := c.fixed[:n]
	c.fixed = c.fixed[n:]
	return b
}

func (c *codec) u8(v *uint8) {
	if c.write {
		c.fixed = append(c.fixed, *v)
	} else {
		*v = c.next(1)[0]
	}
}

func (c *codec) u16(v *uint16) {
	if c.write {
		c.fixed = binary.LittleEndian.AppendUint16(c.fixed, *v)
	} else {
		*v = binary.LittleEndian.Uint16(c.next(2))
	}
}

func (c *codec) u32(v *uint32) {
	if c.write {
		c.fixed = binary.LittleEndian.AppendUint32(c.fixed, *v)
	} else {
		*v = binary.LittleEndian.Uint32(c.next(4))
	}
}

func (c *codec) u64(v *uint64) {
	if c.write {
		c.fixed = binary.LittleEndian.AppendUint64(c.fixed, *v)
	} else {
		*v = binary.LittleEndian.Uint64(c.next(8))
	}
}

func (c *codec) identity(v *Identity) {
	if c.write {
		c.fixed = append(c.fixed, v[:]...)
	} else {
		copy(v[:], c.next(len(v)))
	}
}

func (c *codec) zeros(n int) {
	if c.write {
		c.fixed = append(c.fixed, make([]byte, n)...)
	} else {
		c.next(n)
	}
}

// text is the length of a text, in two bytes, and the text itself behind the fixed fields. A writer
// cuts at the limit.
func (c *codec) text(v *string, limit int) {
	if c.write {
		text := *v
		if len(text) > limit {
			text = text[:limit]
		}
		c.fixed = binary.LittleEndian.AppendUint16(c.fixed, uint16(len(text)))
		c.parts = append(c.parts, []byte(text))
		return
	}
	size := int(binary.LittleEndian.Uint16(c.next(2)))
	if size > limit {
		c.err = fmt.Errorf("a text of %d bytes, at most %d are taken", size, limit)
	}
	c.wants = append(c.wants, want{size, func(b []byte) { *v = string(b) }})
}

// bytes is the length of data, in four bytes, and the data themselves behind the fixed fields.
func (c *codec) bytes(v *[]byte) {
	if c.write {
		c.fixed = binary.LittleEndian.AppendUint32(c.fixed, uint32(len(*v)))
		c.parts = append(c.parts, *v)
		return
	}
	size := binary.LittleEndian.Uint32(c.next(4))
	if size > 1<<30 {
		c.err = fmt.Errorf("data of %d bytes", size)
		return
	}
	c.wants = append(c.wants, want{int(size), func(b []byte) { *v = b }})
}
