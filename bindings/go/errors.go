package raftcore

// #include "glue.h"
// #cgo noescape raftcore_error_detail
// #cgo nocallback raftcore_error_detail
// #cgo noescape raftcore_get_status
// #cgo nocallback raftcore_get_status
// #cgo noescape raftcore_strerror
// #cgo nocallback raftcore_strerror
import "C"

import (
	"fmt"
	"unsafe"
)

// Code is the kind of an error. The constants are errors themselves, to compare with:
// errors.Is(err, raftcore.ErrFull).
//
// A newer library may return a number without a constant here. Such a number has a text too, and
// concerns only the call that returned it.
type Code int32

const (
	ErrNull        Code = C.RAFTCORE_E_NULL        // a required pointer is NULL; never from this package
	ErrClosed      Code = C.RAFTCORE_E_HANDLE      // the node is closed
	ErrBusy        Code = C.RAFTCORE_E_BUSY        // another thread is in the node; never from this package, whose calls wait
	ErrPanic       Code = C.RAFTCORE_E_PANIC       // a bug of the library was caught; the node is poisoned now
	ErrPoisoned    Code = C.RAFTCORE_E_POISONED    // poisoned earlier; Status, Peers, NextEvent and Close still work
	ErrABI         Code = C.RAFTCORE_E_ABI         // the library does not know the header of this package
	ErrArg         Code = C.RAFTCORE_E_ARG         // out of range, or a number or index that was never returned
	ErrState       Code = C.RAFTCORE_E_STATE       // a call out of order
	ErrStale       Code = C.RAFTCORE_E_STALE       // acknowledged before; harmless
	ErrNoMemory    Code = C.RAFTCORE_E_NOMEM       // an allocation failed
	ErrFull        Code = C.RAFTCORE_E_FULL        // a configured capacity is reached: retry after Advance
	ErrTooSmall    Code = C.RAFTCORE_E_TOO_SMALL   // a buffer is too small; never from this package
	ErrDecode      Code = C.RAFTCORE_E_DECODE      // malformed bytes
	ErrNoLeader    Code = C.RAFTCORE_E_NO_LEADER   // no leader is known, or leadership is being transferred: retry later
	ErrNoPeer      Code = C.RAFTCORE_E_NO_PEER     // a response from an unknown node; or an unknown peer
	ErrConfBusy    Code = C.RAFTCORE_E_CONF_BUSY   // a configuration change is in progress
	ErrConf        Code = C.RAFTCORE_E_CONF        // an invalid membership, or an invalid change
	ErrCorrupt     Code = C.RAFTCORE_E_CORRUPT     // stored data contradict each other
	ErrUnsupported Code = C.RAFTCORE_E_UNSUPPORTED // the library or the storage mode lacks the call
	ErrNotForMe    Code = C.RAFTCORE_E_NOT_FOR_ME  // a message to a different id or group, from this node, or of a local kind
	ErrImplausible Code = C.RAFTCORE_E_IMPLAUSIBLE // a message contradicts committed entries; an event has more
	ErrTooLarge    Code = C.RAFTCORE_E_TOO_LARGE   // larger than MaxEntryBytes or MaxSnapshotBytes
	ErrNotLeader   Code = C.RAFTCORE_E_NOT_LEADER  // this node is not the leader: see [Error.Leader]
)

// Error returns the code in a few words. The words for an unknown code hold its number.
func (c Code) Error() string {
	switch c {
	case ErrClosed:
		return "the node is closed"
	case ErrABI:
		return "the linked library does not know the header that this package was built with"
	}
	text := C.GoString(C.raftcore_strerror(C.raftcore_code(c)))
	if c > 0 || c < ErrNotLeader {
		return fmt.Sprintf("%s (code %d)", text, int32(c))
	}
	return text
}

// Error is a call that failed. The node is unchanged, except after [ErrPanic].
//
// To test for a code, use errors.Is(err, raftcore.ErrFull). To get Leader or Detail, use errors.As:
//
//	var e *raftcore.Error
//	if errors.As(err, &e) && e.Code == raftcore.ErrNotLeader {
//		redirect(e.Leader)
//	}
type Error struct {
	Op     string // the call
	Code   Code
	Detail string // values seen, values allowed, the setting; may be empty
	Leader uint64 // with [ErrNotLeader]: the leader; 0 with other codes
}

// Error returns the call and the detail; without a detail the text of the code.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = e.Code.Error()
	}
	return "raftcore: " + e.Op + ": " + text
}

// Unwrap returns the code, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Code }

// failure returns the error of a call that has just failed on h, which is locked. nil: a call
// without a node.
//
//go:noinline
func failure(h *C.goraft_host, op string, code C.raftcore_code) error {
	e := &Error{Op: op, Code: Code(code)}
	if h == nil || h.node == nil || e.Code == ErrClosed || e.Code == ErrBusy {
		return e
	}
	C.raftcore_error_detail(h.node, &h.detail[0], C.size_t(len(h.detail)))
	e.Detail = inGo(C.GoString((*C.char)(unsafe.Pointer(&h.detail[0]))))
	if e.Code == ErrNotLeader && C.raftcore_get_status(h.node, &h.status) == C.RAFTCORE_OK {
		e.Leader = uint64(h.status.leader)
	}
	return e
}
