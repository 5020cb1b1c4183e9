//go:build !cgo

package raftcore

// Without cgo the package has no Node. The compiler quotes this sentence.
var _ int = "raftcore needs cgo: set CGO_ENABLED=1, and CC to the target's compiler"
