//go:build raftcore_static

package raftcore

// #cgo pkg-config: raftcore-static
import "C"
