package host

import "io"

// Entry is a committed proposal.
type Entry struct {
	Index  uint64 // position in the log; ascending, with gaps
	Data   []byte // as proposed; copy what you keep, since the bytes share memory with other entries
	Result []byte // set by Apply, returned by Propose; may stay nil
}

// StateMachine is your state. The host calls Apply, Snapshot and Restore one at a time, from a
// single goroutine. Readers in further goroutines need a lock of yours.
//
// Members apply equal entries in equal order. So Apply must depend on nothing but the
// state and the entries: no clock, no random number, no order of a map.
type StateMachine interface {
	// Apply applies a batch in order, and sets the Result of each entry. No entry may be refused by
	// a panic or by ending the process: all members would end, again at each start. A
	// senseless entry changes nothing, and the Result says so.
	Apply(batch []Entry)

	// Snapshot returns a function that writes the state as of now. The function runs in a
	// goroutine of the host, while Apply goes on, and needs a frozen copy. A failure changes
	// nothing, and the host tries again later.
	Snapshot() (func(io.Writer) error, error)

	// Restore replaces the whole state by what a snapshot wrote. The bytes are checked before. A
	// failure ends the host.
	Restore(io.Reader) error
}
