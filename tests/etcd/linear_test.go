package main

// A test of the check: histories that no order explains are found.

import (
	"math"
	"testing"

	"github.com/anishathalye/porcupine"
)

func op(c call, from, to int64) porcupine.Operation {
	c.key = "k"
	return porcupine.Operation{Input: &c, Call: from, Return: to}
}

func TestHistories(t *testing.T) {
	put := op(call{kind: "put", new: "a"}, 0, 10)
	for _, c := range []struct {
		name string
		want bool
		ops  []porcupine.Operation
	}{
		{"a read after a write", true, []porcupine.Operation{put, op(call{kind: "get", got: "a"}, 11, 12)}},
		{"a stale read", false, []porcupine.Operation{put, op(call{kind: "get", got: ""}, 11, 12)}},
		{"a read during a write", true, []porcupine.Operation{put, op(call{kind: "get", got: ""}, 5, 6)}},
		{"two swaps of one value", false, []porcupine.Operation{put, op(call{kind: "cas", old: "a", new: "b", done: true}, 11, 12),
			op(call{kind: "cas", old: "a", new: "c", done: true}, 13, 14)}},
		{"a swap that was refused wrongly", false, []porcupine.Operation{put, op(call{kind: "cas", old: "a", new: "b"}, 11, 12)}},
		{"a lost write, perhaps", true, []porcupine.Operation{op(call{kind: "put", new: "a", unknown: true}, 0, math.MaxInt64),
			op(call{kind: "get", got: ""}, 11, 12)}},
		{"a write from nowhere", false, []porcupine.Operation{put, op(call{kind: "get", got: "z"}, 11, 12)}},
	} {
		if got := porcupine.CheckOperations(register, c.ops); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
