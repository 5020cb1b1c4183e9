//go:build !raftcore_system

package raftcore

// `make go-lib` puts the archive and its header under target, and a checksum of them into lib_stamp.h: Go's build cache looks at headers
// of this folder, and not at archives.

// #cgo CFLAGS: -I${SRCDIR}/target/include
// #cgo LDFLAGS: ${SRCDIR}/target/libraftcore.a -lm -lpthread -ldl
import "C"
