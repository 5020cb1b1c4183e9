package raftcore

import (
	"bytes"
	"errors"
	"testing"
)

func Test_a_turn_acknowledges_and_takes_the_next(t *testing.T) {
	n := solo(t)
	must(t, n.Propose([]byte("first"), 7))
	var v ReadyView
	var in Input
	var found []Found
	var seen []Entry
	for {
		what, err := n.Turn(&in, &v)
		must(t, err)
		if found = append(found, what); what == FoundNothing {
			break
		}
		for i := range v.CommittedEntries.Len() {
			e := v.CommittedEntries.View(i)
			at := v.CommittedEntries.At(i)
			if e.Term() != at.Term || e.Index() != at.Index || e.Kind() != at.Kind || e.Token() != at.Token ||
				!bytes.Equal(e.Data(), at.Data) || e.DataLen() != len(at.Data) {
				t.Errorf("an entry and its view differ: %v", at)
			}
			seen = append(seen, Entry{Index: e.Index(), Token: e.Token(), Data: bytes.Clone(e.Data())})
		}
		in.Done = v.Number
	}

	if len(found) < 3 || found[len(found)-2] != FoundLast || len(seen) != 1 || string(seen[0].Data) != "first" || seen[0].Token != 7 {
		t.Errorf("found %v, seen %v", found, seen)
	}
	if in.Done != 0 {
		t.Error("the input was not emptied")
	}
	if s, _ := n.Status(); s.Applied != seen[0].Index || s.Outstanding != 0 {
		t.Errorf("the last ready did not end: %+v", s)
	}
	if _, err := n.Turn(&Input{Done: 999}, &v); !errors.Is(err, ErrArg) {
		t.Errorf("a number never returned: %v", err)
	}
	must(t, n.Close())
	if _, err := n.Turn(&Input{}, &v); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A turn with ticks and frames has the effect of the single calls.
func Test_a_turn_is_the_calls_in_one(t *testing.T) {
	one, many := founder(t, testConfig(1, StorageSync), 1, 2), founder(t, testConfig(1, StorageSync), 1, 2)
	beat := []byte{1 << 3, 8, 2 << 3, 1, 3 << 3, 2, 4 << 3, 2}
	frame := append([]byte{byte(len(beat)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, beat...)
	frames := append(append([]byte{}, frame...), frame[:5]...) // the second is incomplete
	in := Input{Ticks: 3, Peer: 2, Frames: frames}
	var v ReadyView

	found, err := one.Turn(&in, &v)
	must(t, err)
	must(t, many.Tick(3))
	took, err := many.StepFrames(2, frames)
	must(t, err)
	rd, ok, err := many.Ready()
	must(t, err)

	if found != FoundLast || !ok || v.ReadyHead != rd.ReadyHead || in.Stepped != took || took.Consumed != len(frame) {
		t.Errorf("%v %+v, %v %+v", found, in, ok, took)
	}
	if in.Ticks != 0 || in.Peer != 0 || in.Frames != nil {
		t.Errorf("the input was not emptied: %+v", in)
	}
	in.Done = v.Number
	found, err = one.Turn(&in, &v)
	must(t, err)
	must(t, many.Advance(rd.Number))
	if found != FoundNothing || in.Consumed != len(frame) { // a turn without frames leaves the result alone
		t.Errorf("%v %+v", found, in)
	}
	if one.Digest(true) != many.Digest(true) {
		t.Error("the nodes differ")
	}

	// A frame from somebody else is refused, with a reason, and is no error of the turn.
	in = Input{Peer: 9, Frames: frame}
	if _, err := one.Turn(&in, &v); err != nil || in.Rejected != 1 || !errors.Is(in.Refused, ErrNotForMe) {
		t.Errorf("%v %+v", err, in)
	}
	// So is a buffer that begins with a length that no frame has.
	in = Input{Frames: bytes.Repeat([]byte{0xff}, 12)}
	if _, err := one.Turn(&in, &v); err != nil || in.Consumed != 0 || !errors.Is(in.Refused, ErrDecode) {
		t.Errorf("%v %+v", err, in)
	}
}

func Test_a_turn_of_many_readies(t *testing.T) {
	cfg := testConfig(1, StorageAsync)
	cfg.MaxOutstanding = 2
	n := founder(t, cfg, 1)
	must(t, n.Campaign())
	var in Input
	var v ReadyView
	numbers := []uint64{}
	for {
		found, err := n.Turn(&in, &v)
		if errors.Is(err, ErrFull) {
			break
		}
		must(t, err)
		if found == FoundNothing {
			break
		}
		numbers = append(numbers, v.Number)
		must(t, n.Tick(1))
		_ = n.ReadIndex(1)
	}
	if len(numbers) == 0 {
		t.Fatal("no readies")
	}
	last := numbers[len(numbers)-1]

	in = Input{Ticks: 1, Persisted: last, Released: last}
	_, err := n.Turn(&in, &v)

	must(t, err)
	if in.Persisted != 0 || in.Released != 0 || in.Ticks != 0 {
		t.Errorf("the input was not emptied: %+v", in)
	}
	// A repeated acknowledgement is no error.
	if _, err := n.Turn(&Input{Persisted: last, Released: last}, &v); err != nil {
		t.Error(err)
	}
}

func Test_before_a_host_sleeps_has_ready_is_false(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1, 2)
	must(t, n.Campaign())
	if !n.HasReady() {
		t.Error("nothing to do after Campaign")
	}
	must(t, n.Tick(3))
	if s, _ := n.Status(); s.LateTicks != 3 {
		t.Errorf("%d late ticks", s.LateTicks)
	}
	drain(t, n)
	must(t, n.Tick(1))
	if s, _ := n.Status(); n.HasReady() || s.LateTicks != 3 {
		t.Errorf("%+v", s)
	}
	if pending, err := n.Pending(); err != nil || pending != HasEvents {
		t.Errorf("%b %v", pending, err)
	}
}

// A leader whose disk stands still steps down, and says so.
func Test_a_leader_that_stores_nothing_steps_down(t *testing.T) {
	cfg := testConfig(1, StorageSync)
	cfg.OwnWriteTimeoutTicks = 7
	n := founder(t, cfg, 1)
	must(t, n.Campaign())
	drain(t, n)
	must(t, n.Propose([]byte("x"), 0))
	_, _, err := n.Ready()
	must(t, err)

	for range 1 + 7 {
		must(t, n.Tick(1))
	}

	for {
		e, ok, err := n.NextEvent()
		must(t, err)
		if !ok {
			t.Fatal("no event")
		}
		if e.Kind == EventBecameFollower && e.Reason == ReasonOwnWrite {
			if text := e.String(); text != "became follower: this leader's own writes take too long (term 1)" {
				t.Error(text)
			}
			return
		}
	}
}
