package raftcore

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func Test_a_closed_node_says_so_and_closing_twice_is_harmless(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1)
	must(t, n.Close())
	must(t, n.Close())

	// Every method with an error as its last result.
	v := reflect.ValueOf(n)
	tried := 0
	for i := range v.NumMethod() {
		m, name := v.Method(i), v.Type().Method(i).Name
		if name == "Close" || m.Type().NumOut() == 0 {
			continue
		}
		args := make([]reflect.Value, m.Type().NumIn())
		for k := range args {
			if args[k] = reflect.Zero(m.Type().In(k)); args[k].Kind() == reflect.Pointer {
				args[k] = reflect.New(m.Type().In(k).Elem())
			}
		}
		out := m.Call(args)
		err, ok := out[len(out)-1].Interface().(error)
		if !ok && name != "HasReady" && name != "Digest" || ok && !errors.Is(err, ErrClosed) {
			t.Errorf("%s answers %v", name, out)
		}
		tried++
	}
	if tried < 40 {
		t.Errorf("only %d methods", tried)
	}
	if found := NewTicker([]*Node{n}).Tick(1, nil); !reflect.DeepEqual(found, []int{0}) {
		t.Errorf("ticker: %v", found)
	}
	if _, err := (&Node{}).Status(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func Test_a_node_that_nobody_holds_is_closed(t *testing.T) {
	ended := make(chan struct{})
	n, err := NewNode(testConfig(1, StorageSync))
	must(t, err)
	runtime.AddCleanup(n, func(c chan struct{}) { close(c) }, ended)
	n = nil
	_ = n

	for range 100 {
		runtime.GC()
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the node is held by something")
}

// A copy is the same node: a copy can't outlive the node, nor end the node twice.
func Test_a_copy_is_the_same_node(t *testing.T) {
	n := solo(t)
	twin := reflect.ValueOf(n).Elem().Interface() // a copy of *n that go vet does not see
	copied := reflect.New(reflect.TypeFor[Node]())
	copied.Elem().Set(reflect.ValueOf(twin))
	m := copied.Interface().(*Node)

	must(t, m.Propose([]byte("by the copy"), 0))
	if drain(t, n) != 1 {
		t.Error("the copy is another node")
	}
	must(t, n.Close())
	if err := m.Tick(1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	must(t, m.Close())
}

func Test_vet_reports_a_copy(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	here, err := os.Getwd()
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "go.mod"),
		[]byte("module copies\n\ngo 1.26\n\nrequire raftcore.example/go v0.0.0\n\nreplace raftcore.example/go => "+here+"\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "main.go"),
		[]byte("package main\n\nimport raftcore \"raftcore.example/go\"\n\nfunc main() {\n\tvar n raftcore.Node\n\tm := n\n\t_ = m.Close()\n}\n"), 0o600))
	vet := exec.Command("go", "vet", ".")
	vet.Dir = dir
	out, err := vet.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "copies lock value") {
		t.Errorf("%v\n%s", err, out)
	}
}

func panics(f func()) (text any) {
	defer func() { text = recover() }()
	f()
	return nil
}

// An ended view panics, in whatever way the view ended, instead of showing another ready or freed
// memory.
func Test_a_view_that_has_ended_panics(t *testing.T) {
	view := func(t *testing.T, mode StorageMode) (*Node, ReadyView) {
		n := founder(t, testConfig(1, mode), 1, 2)
		must(t, n.Campaign())
		v, ok, err := n.ReadyView()
		must(t, err)
		if !ok || v.Messages.Len() == 0 {
			t.Fatalf("%+v", v)
		}
		return n, v
	}
	var next ReadyView
	for name, c := range map[string]struct {
		mode StorageMode
		end  func(*Node, uint64) error
	}{
		"advance": {StorageSync, func(n *Node, number uint64) error { return n.Advance(number) }},
		"release": {StorageAsync, func(n *Node, number uint64) error { return errors.Join(n.Persisted(number), n.Release(number)) }},
		"turn":    {StorageSync, func(n *Node, number uint64) error { _, err := n.Turn(&Input{Done: number}, &next); return err }},
		"a turn that released": {StorageAsync, func(n *Node, number uint64) error {
			_, err := n.Turn(&Input{Persisted: number, Released: number, Ticks: 1}, &next)
			return err
		}},
		"a turn that failed afterwards": {StorageAsync, func(n *Node, number uint64) error {
			if _, err := n.Turn(&Input{Done: number, Applied: 99}, &next); !errors.Is(err, ErrArg) {
				return errors.Join(errors.New("no error"), err)
			}
			return nil
		}},
		"close": {StorageSync, func(n *Node, _ uint64) error { return n.Close() }},
	} {
		n, v := view(t, c.mode)
		message := v.Messages.At(0)

		must(t, c.end(n, v.Number))

		for what, use := range map[string]func(){
			"At":          func() { v.Messages.At(0) },
			"All":         func() { v.Messages.All()(func(MessageView) bool { return true }) },
			"AppendFrame": func() { message.AppendFrame(nil) },
			"ContextView": func() { message.ContextView() },
			"CopyTo":      func() { v.CopyTo(new(Ready)) },
		} {
			if text := panics(use); text != "raftcore: a view was used after its ready, or its node, had ended" {
				t.Errorf("%s, %s: %v", name, what, text)
			}
		}
	}
}

func Test_views_of_entries_and_records_end_too(t *testing.T) {
	n := solo(t)
	must(t, n.Propose([]byte("x"), 7))
	must(t, n.ReadIndex(8))
	v, _, err := n.ReadyView()
	must(t, err)
	if v.Entries.Len() != 1 || v.Reads.Len() != 1 {
		t.Fatalf("%+v", v)
	}
	e := v.Entries.View(0)
	must(t, n.Advance(v.Number))
	for what, use := range map[string]func(){
		"Entries.At": func() { v.Entries.At(0) },
		"View":       func() { _ = v.Entries.View(0).Index() },
		"Data":       func() { e.Data() },
		"Token":      func() { e.Token() },
		"Reads":      func() { v.Reads.At(0) },
		"Reads.All":  func() { v.Reads.All()(func(Read) bool { return true }) },
	} {
		if text, ok := panics(use).(string); !ok || !strings.Contains(text, "had ended") {
			t.Errorf("%s: %v", what, text)
		}
	}
	if text := panics(func() { v.Dropped.At(0) }); text != "raftcore: index out of range in a view" {
		t.Error(text)
	}
	if text := panics(func() { (&ReadyView{}).Entries.At(0) }); text != "raftcore: index out of range in a view" {
		t.Error(text)
	}
}

// A number never returned ends no view.
func Test_a_failed_acknowledgement_ends_no_view(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1, 2)
	must(t, n.Campaign())
	v, _, err := n.ReadyView()
	must(t, err)

	if err := n.Advance(99); !errors.Is(err, ErrArg) {
		t.Error(err)
	}
	if _, err := n.Turn(&Input{Done: 99}, new(ReadyView)); !errors.Is(err, ErrArg) {
		t.Error(err)
	}
	if err := n.Release(v.Number); !errors.Is(err, ErrState) {
		t.Error(err)
	}

	v.Messages.At(0)
	must(t, n.Advance(v.Number))
	if v, ok, _ := n.ReadyView(); ok {
		v.Messages.All()(func(MessageView) bool { return true })
	}
}

// A view keeps its memory alive, even if the program forgets the node.
func Test_a_view_keeps_the_node(t *testing.T) {
	list := func() MessagesView {
		n, err := NewNode(testConfig(1, StorageSync))
		must(t, err)
		must(t, n.Boot(Founder(1, 2)))
		must(t, n.Campaign())
		v, _, err := n.ReadyView()
		must(t, err)
		return v.Messages
	}()
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	for m := range list.All() {
		if m.To != 2 || m.From != 1 {
			t.Errorf("%+v", m.MessageHead)
		}
	}
}

// A panic of the host, between taking a ready and acknowledging it, loses nothing.
func Test_a_ready_can_be_had_again_after_a_panic(t *testing.T) {
	for name, mode := range modes {
		n := founder(t, testConfig(1, mode), 1, 2)
		must(t, n.Campaign())
		var seen Ready
		text := panics(func() {
			v, ok, err := n.ReadyView()
			must(t, err)
			if !ok {
				t.Fatal("no ready")
			}
			v.CopyTo(&seen)
			for range v.Messages.All() { // a panic in a loop over a view leaves no lock
				panic("the host's own")
			}
		})
		if text != "the host's own" {
			t.Fatal(text)
		}

		s, err := n.Status()
		must(t, err)
		v, ok, err := n.View(s.LastReady)
		must(t, err)

		var again Ready
		v.CopyTo(&again)
		seen.bytes, again.bytes = nil, nil
		if !ok || !reflect.DeepEqual(seen, again) {
			t.Errorf("%s: %+v came again as %+v", name, seen, again)
		}
		if _, ok, err := n.View(99); ok || err != nil {
			t.Errorf("%s: ready 99: %v %v", name, ok, err)
		}
		if mode == StorageMessages {
			must(t, n.Release(v.Number))
		} else {
			must(t, n.Advance(v.Number))
		}
		if _, ok, err := n.View(v.Number); ok || err != nil {
			t.Errorf("%s: a ready that has ended: %v %v", name, ok, err)
		}
	}
}

// A panic inside a call leaves the node usable.
func Test_a_panic_inside_a_call_leaves_no_lock(t *testing.T) {
	n := solo(t)
	must(t, n.Propose([]byte("x"), 0))
	for what, call := range map[string]func(){
		"ReadyInto":  func() { n.ReadyInto(nil) },
		"Turn":       func() { n.Turn(nil, &ReadyView{}) },
		"Turn, view": func() { n.Turn(&Input{}, nil) },
	} {
		if text := panics(call); text == nil {
			t.Errorf("%s: no panic", what)
		}
		done := make(chan error, 1)
		go func() { done <- n.Tick(1) }()
		select {
		case err := <-done:
			must(t, err)
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the node is locked", what)
		}
	}
	if drain(t, n) != 1 {
		t.Error("the entry is lost")
	}
}

func Test_goroutines_wait_for_each_other(t *testing.T) {
	n := solo(t)
	done := make(chan error)
	for range 8 {
		go func() {
			for range 2000 {
				_, status := n.Status()
				if err := errors.Join(n.Tick(1), status); err != nil { // ErrBusy is never seen
					done <- err
					return
				}
				// Nobody stores: in time the leader steps down.
				if err := n.Propose([]byte("x"), 0); err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrNoLeader) {
					done <- err
					return
				}
				n.Digest(false)
			}
			done <- nil
		}()
	}
	for range 8 {
		must(t, <-done)
	}
	must(t, n.Close())
}

// Readers, a writer of the loop and a Close at any time: every call returns, and the last calls
// with ErrClosed.
func Test_close_may_come_at_any_time(t *testing.T) {
	for range 20 {
		n := solo(t)
		done := make(chan error)
		for range 4 {
			go func() {
				for {
					_ = n.Propose([]byte("x"), 0)
					if rd, ok, err := n.Ready(); err == nil && ok {
						_ = n.Advance(rd.Number)
					}
					if _, err := n.Status(); err != nil {
						done <- err
						return
					}
				}
			}()
		}
		must(t, n.Close())
		for range 4 {
			if err := <-done; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
	}
}
