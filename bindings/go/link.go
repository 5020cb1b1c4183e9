//go:build !raftcore_system && !raftcore_static

package raftcore

// `make go-lib` puts the archive and its header under target, and a checksum of them into
// lib_stamp.h. Go's build cache does not look at archives: without the checksum in this package's
// object it would hand out a program that was linked with an earlier one.

// #cgo CFLAGS: -I${SRCDIR}/target/include
// #cgo LDFLAGS: ${SRCDIR}/target/libraftcore.a -lm -lpthread -ldl
// #if !__has_include("lib_stamp.h") || !__has_include("target/libraftcore.a") || !__has_include("target/include/raftcore.h")
// #error "raftcore: run `make go-lib` at the top of the repository, or build with -tags raftcore_system against an installed library"
// #endif
// #include "lib_stamp.h"
import "C"
