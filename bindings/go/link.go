//go:build !raftcore_system && !raftcore_static

package raftcore

// The folder lib has the header, an archive for each platform, and a checksum of both in
// lib_stamp.h. Go's build cache does not look at archives: without the checksum in this package's
// object the cache would return a program that was linked with an earlier archive.

// #cgo CFLAGS: -I${SRCDIR}/lib
// #cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/libraftcore_linux_amd64.a -lm -lpthread -ldl
// #cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/libraftcore_linux_arm64.a -lm -lpthread -ldl
// #cgo darwin,amd64 LDFLAGS: ${SRCDIR}/lib/libraftcore_darwin_amd64.a
// #cgo darwin,arm64 LDFLAGS: ${SRCDIR}/lib/libraftcore_darwin_arm64.a
// #if defined(__linux__) && defined(__x86_64__)
// #define ARCHIVE "lib/libraftcore_linux_amd64.a"
// #elif defined(__linux__) && defined(__aarch64__)
// #define ARCHIVE "lib/libraftcore_linux_arm64.a"
// #elif defined(__APPLE__) && defined(__x86_64__)
// #define ARCHIVE "lib/libraftcore_darwin_amd64.a"
// #elif defined(__APPLE__) && defined(__aarch64__)
// #define ARCHIVE "lib/libraftcore_darwin_arm64.a"
// #else
// #define ARCHIVE "lib/no archive"
// #endif
// #if !__has_include(ARCHIVE) || !__has_include("lib/raftcore.h") || !__has_include("lib/lib_stamp.h")
// #error "raftcore: no archive for this platform is here. In a checkout run `make go-lib` at the top of the repository. Else install the library for this platform from source (docs/install.md), and build with -tags raftcore_static"
// #endif
// #include "lib/lib_stamp.h"
import "C"

// Vendoring copies the folders of packages that are imported.
import _ "raftcore.example/go/lib"
