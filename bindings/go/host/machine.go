package host

import "io"

// Entry is a proposal that is committed.
type Entry struct {
	Index  uint64 // position in the log; ascending, with gaps
	Data   []byte // as proposed; yours to keep, not to change
	Result []byte // set by Apply: what Propose returns to the proposer; may stay nil
}

// StateMachine is your state. The host calls Apply, Snapshot and Restore one at a time, from a
// single goroutine. Everything that reads the state from other goroutines needs a lock of yours.
//
// Every member applies the same entries in the same order. So Apply must depend on nothing but the
// state and the entries: no clock, no random number, no order of a map.
type StateMachine interface {
	// Apply applies a batch in order, and sets the Result of each entry. No entry may be refused by
	// a panic or by ending the process: all members would end, again at each start. An entry
	// that makes no sense changes nothing, and its Result says so.
	Apply(batch []Entry)

	// Snapshot returns a function that writes the state as of now. The function runs in another
	// goroutine, while Apply goes on, so it needs a frozen copy. A failure of either leaves
	// everything as it was, and the host tries again later.
	Snapshot() (func(io.Writer) error, error)

	// Restore replaces the whole state by what a snapshot wrote. The bytes are checked before. A
	// failure ends the host.
	Restore(io.Reader) error
}
