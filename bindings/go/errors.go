package raftcore

// #include "glue.h"
// #cgo noescape raftcore_strerror
// #cgo nocallback raftcore_strerror
// #cgo noescape raftcore_error_detail
// #cgo nocallback raftcore_error_detail
import "C"

import (
	"fmt"
	"unsafe"
)

// Code is what a call of the library answers: 0 done, above 0 an information, below 0 an error. The constants are errors by
// themselves, to be compared with: errors.Is(err, raftcore.ErrFull).
//
// A newer library may answer numbers that have no constant here. They are kept, have a text, and concern the one call only.
type Code int32

const (
	ErrNull        Code = C.RAFTCORE_E_NULL        // a required pointer is NULL
	ErrClosed      Code = C.RAFTCORE_E_HANDLE      // the node was closed, or never made
	ErrBusy        Code = C.RAFTCORE_E_BUSY        // another thread is in the node; not seen through this package, which waits
	ErrPanic       Code = C.RAFTCORE_E_PANIC       // a bug of the library was caught; the node is poisoned now
	ErrPoisoned    Code = C.RAFTCORE_E_POISONED    // poisoned earlier; looking inside and Close still work
	ErrABI         Code = C.RAFTCORE_E_ABI         // the library is another than the header this package was built with
	ErrArg         Code = C.RAFTCORE_E_ARG         // out of range, or a number or index never handed out
	ErrState       Code = C.RAFTCORE_E_STATE       // a call out of order
	ErrStale       Code = C.RAFTCORE_E_STALE       // acknowledged before; harmless
	ErrNoMemory    Code = C.RAFTCORE_E_NOMEM       // an allocation failed
	ErrFull        Code = C.RAFTCORE_E_FULL        // a configured capacity is reached: retry after Advance
	ErrTooSmall    Code = C.RAFTCORE_E_TOO_SMALL   // the caller's buffer
	ErrDecode      Code = C.RAFTCORE_E_DECODE      // malformed bytes
	ErrNoLeader    Code = C.RAFTCORE_E_NO_LEADER   // no leader is known, or a transfer is under way
	ErrNoPeer      Code = C.RAFTCORE_E_NO_PEER     // a response from somebody unknown; or no such peer
	ErrConfBusy    Code = C.RAFTCORE_E_CONF_BUSY   // a configuration change is in flight
	ErrConf        Code = C.RAFTCORE_E_CONF        // a change that is invalid here; the detail says why
	ErrCorrupt     Code = C.RAFTCORE_E_CORRUPT     // boot data contradict each other
	ErrUnsupported Code = C.RAFTCORE_E_UNSUPPORTED // not in this library, or not in this storage mode
	ErrNotForMe    Code = C.RAFTCORE_E_NOT_FOR_ME  // message to another id or group, from self, or of a local kind
	ErrImplausible Code = C.RAFTCORE_E_IMPLAUSIBLE // message contradicts what is committed here; an event tells
)

// Error names the code in a few words. An unknown number has words, too, and they hold the number.
func (c Code) Error() string {
	text := C.GoString(C.raftcore_strerror(C.raftcore_code(c)))
	if c > 0 || c < ErrImplausible {
		return fmt.Sprintf("%s (code %d)", text, int32(c))
	}
	return text
}

// Error is a call that failed: the node is as it was before, but for [ErrPanic]. errors.Is sees its Code.
type Error struct {
	Op     string // the call
	Code   Code
	Detail string // what the library says about it: what was seen, what is allowed, which setting; may be empty
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return "raftcore: " + e.Op + ": " + e.Code.Error()
	}
	return "raftcore: " + e.Op + ": " + e.Code.Error() + ": " + e.Detail
}

// Unwrap gives the code, so that errors.Is(err, ErrFull) and errors.As(err, &code) work.
func (e *Error) Unwrap() error { return e.Code }

// failure makes the error of a call that has just failed on h, which is locked, or of a call without a node.
func failure(h *C.goraft_host, op string, code C.raftcore_code) error {
	e := &Error{Op: op, Code: Code(code)}
	if h != nil && h.node != nil && e.Code != ErrClosed && e.Code != ErrBusy {
		C.raftcore_error_detail(h.node, &h.detail[0], C.size_t(len(h.detail)))
		e.Detail = C.GoString((*C.char)(unsafe.Pointer(&h.detail[0])))
	}
	return e
}
