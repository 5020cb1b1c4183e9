//go:build raftcore_system && !raftcore_static

package raftcore

// #cgo pkg-config: raftcore
import "C"
