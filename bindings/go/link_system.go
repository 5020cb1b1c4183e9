//go:build raftcore_system

package raftcore

// #cgo pkg-config: raftcore
import "C"
