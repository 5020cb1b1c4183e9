//go:build !raftcore_system

package raftcore

// `make go-lib` puts the archive and its header under target, and a checksum of them into
// lib_stamp.h. Go's build cache does not look at archives: without the checksum in this package's
// object it would hand out a program that was linked with an earlier one.

// #cgo CFLAGS: -I${SRCDIR}/target/include
// #cgo LDFLAGS: ${SRCDIR}/target/libraftcore.a -lm -lpthread -ldl
// #if __has_include("lib_stamp.h")
// #include "lib_stamp.h"
// #endif
import "C"
