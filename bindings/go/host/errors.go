package host

import (
	"errors"
	"fmt"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
)

// Outcomes of a failed proposal, for errors.Is; the text says more.
var (
	// ErrNotCommitted: the proposal is not committed, and never will be. You may repeat the proposal.
	ErrNotCommitted = errors.New("not committed")
	// ErrUnknown: the proposal may be committed, now or later, and nobody here can know. A retry
	// is safe only through a [Session].
	ErrUnknown = errors.New("committed or not: the outcome is unknown")
	// ErrRefused: the leader did not take the proposal, and never would. The text
	// says why.
	ErrRefused = errors.New("refused")
	// ErrTooLarge: the proposal is larger than Options.MaxEntryBytes. Comes with ErrRefused.
	ErrTooLarge = errors.New("too large")
	// ErrSessionGone: the session has expired, so a retry can't be recognised. Comes with
	// ErrUnknown.
	ErrSessionGone = errors.New("the session has expired")
)

// Conditions of a host.
var (
	// ErrClosed: the host has ended. Comes with ErrNotCommitted or ErrUnknown from Propose.
	ErrClosed = errors.New("the host is closed")
	// ErrEmpty: the directory belongs to no group yet. Call [Found] once for a new group, or set
	// Options.Join.
	ErrEmpty = errors.New("the directory belongs to no group")
	// ErrFounded: the directory belongs to a group already. A group is founded once.
	ErrFounded = errors.New("the directory belongs to a group already")
	// ErrRemoved: the member was removed from the group. Delete the directory.
	ErrRemoved = errors.New("this member was removed from the group")
	// ErrDamaged: bytes on the disk have changed. Do not repair the directory: remove the member
	// from the group, and add an empty directory under a new id.
	ErrDamaged = disk.ErrDamaged
	// ErrInUse: a second process has the directory open.
	ErrInUse = disk.ErrInUse
	// ErrOwner: the directory belongs to a different member or group.
	ErrOwner = disk.ErrOwner
)

// with joins an outcome with its cause, in the words of the cause.
func with(outcome error, words string, causes ...error) error {
	for _, cause := range causes {
		if cause != nil && words == "" {
			words = cause.Error()
		}
	}
	return &outcomeError{outcome, words, causes}
}

type outcomeError struct {
	outcome error
	words   string
	causes  []error
}

func (e *outcomeError) Error() string {
	if e.words == "" {
		return e.outcome.Error()
	}
	return fmt.Sprintf("%v: %s", e.outcome, e.words)
}

func (e *outcomeError) Unwrap() []error { return append([]error{e.outcome}, e.causes...) }

// isCode reports whether an error of the core has a listed code.
func isCode(err error, codes ...raftcore.Code) bool {
	for _, code := range codes {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
