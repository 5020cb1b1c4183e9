package host_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"raftcore.example/go/host"
)

func TestAlone(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[1]
	if old := put(t, m, "a", "1"); old != "" {
		t.Errorf("%q", old)
	}
	if old := put(t, m, "a", "2"); old != "1" {
		t.Errorf("%q", old)
	}
	if v := get(t, m, "a"); v != "2" {
		t.Errorf("%q", v)
	}
	for range 3 {
		g.stop(m)
		g.start(m)
		if v := get(t, m, "a"); v != "2" {
			t.Errorf("%q", v)
		}
		put(t, m, "b", "x")
	}
}

func TestThree(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	var all sync.WaitGroup
	for id, m := range g.members {
		for i := range 8 {
			spawn(&all, func() {
				for n := range 20 {
					put(t, m, fmt.Sprintf("%d.%d", id, i), fmt.Sprint(n))
				}
			})
		}
	}
	all.Wait()
	for _, m := range g.members {
		for id := range g.members {
			for i := range 8 {
				if v := get(t, m, fmt.Sprintf("%d.%d", id, i)); v != "19" {
					t.Errorf("member %d: %d.%d is %q", m.id, id, i, v)
				}
			}
		}
	}
	// The leader ends, a second leader takes over, and the first returns.
	old := g.leader()
	g.stop(old)
	m := g.leader()
	put(t, m, "after", "1")
	put(t, g.follower(), "after", "2")
	g.start(old)
	if v := get(t, old, "after"); v != "2" {
		t.Errorf("%q", v)
	}
}

func TestNoQuorum(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	m := g.follower()
	for _, x := range g.members {
		if x != m {
			g.stop(x)
		}
	}
	time.Sleep(300 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := m.Propose(ctx, []byte("a=1"))
	fails(t, err, host.ErrNotCommitted, "deadline")
	fails(t, m.Read(ctx), context.DeadlineExceeded, "")
}

// TestOneFlush counts flushes: one for each write of a single caller, never more for many callers.
func TestOneFlush(t *testing.T) {
	g := newGroup(t, 1, nil)
	m := g.members[1]
	put(t, m, "a", "0")
	flushes := func() (n int) {
		var text bytes.Buffer
		if err := m.WriteMetrics(&text); err != nil {
			t.Fatal(err)
		}
		at := strings.Index(text.String(), "raftcore_flush_seconds_count")
		fmt.Sscanf(text.String()[at:], "raftcore_flush_seconds_count %d", &n)
		return n
	}
	const writes = 200
	before := flushes()
	for i := range writes {
		put(t, m, "a", fmt.Sprint(i))
	}
	alone := flushes() - before
	var all sync.WaitGroup
	for i := range 50 {
		spawn(&all, func() {
			for n := range 20 {
				put(t, m, fmt.Sprint(i), fmt.Sprint(n))
			}
		})
	}
	all.Wait()
	together := flushes() - before - alone
	t.Logf("%d writes: %d flushes; 1000 writes of 50 callers: %d flushes", writes, alone, together)
	if alone < writes || alone > writes+writes/5 || together > 1000 { // a mark now and then, if the machine is busy
		t.Error("not one flush a write")
	}
}

// spawn runs a function that the group waits for: Go 1.24 has no WaitGroup.Go.
func spawn(group *sync.WaitGroup, work func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		work()
	}()
}
