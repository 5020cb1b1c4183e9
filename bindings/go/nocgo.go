//go:build !cgo

package raftcore

// The core is a C archive. Without cgo, this line is the only error of the compiler.
var _ = raftcore_needs_cgo__set_CGO_ENABLED_1_and_a_C_compiler_for_this_platform
