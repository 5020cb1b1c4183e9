package host_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"raftcore.example/go/host"
	"raftcore.example/go/host/internal/ports"
)

func TestRetryIsRecognised(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	id := host.SessionID{1, 2, 3}
	once := func(m *member, number uint64, data string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		result, err := m.ProposeOnce(ctx, id, number, []byte(data))
		return string(result), err
	}
	for _, m := range []*member{g.leader(), g.follower()} {
		if old, err := once(m, 1, "a=1"); err != nil || old != "" {
			t.Fatalf("%q, %v", old, err)
		}
	}
	put(t, g.leader(), "a", "2")
	if old, err := once(g.follower(), 1, "a=1"); err != nil || old != "" || get(t, g.leader(), "a") != "2" {
		t.Fatalf("%q, %v", old, err)
	}
	if old, err := once(g.leader(), 2, "a=3"); err != nil || old != "2" {
		t.Fatalf("%q, %v", old, err)
	}
	for _, m := range []*member{g.leader(), g.follower()} { // words of the leader reach the follower's caller
		_, err := once(m, 1, "a=1")
		fails(t, err, host.ErrSessionGone, "request 1")
	}
	_, err := g.leader().ProposeOnce(t.Context(), host.SessionID{9}, 5, []byte("x=1"))
	fails(t, err, host.ErrSessionGone, "expired")
	fails(t, err, host.ErrUnknown, "")
	// A restart, from the log and from a snapshot, forgets nothing.
	for _, m := range g.members {
		g.stop(m)
	}
	for _, m := range g.members {
		g.start(m)
	}
	if old, err := once(g.leader(), 2, "a=3"); err != nil || old != "2" {
		t.Fatalf("%q, %v", old, err)
	}
	joiner := g.add(4)
	g.wait("4 has the state", func() bool { return joiner.machine.get("a") == "3" })
	if old, err := once(joiner, 2, "a=3"); err != nil || old != "2" {
		t.Fatalf("%q, %v", old, err)
	}
}

// TestSessionGoesOn: a session is of use after each kind of error.
func TestSessionGoesOn(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	s := g.follower().NewSession()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Propose(ended, []byte("a=0"))
	fails(t, err, host.ErrNotCommitted, "canceled")
	_, err = s.Propose(t.Context(), make([]byte, 5<<20))
	fails(t, err, host.ErrTooLarge, "")
	for n := range 40 { // some end while the group works on them
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*50*time.Microsecond)
		_, err := s.Propose(ctx, []byte("a=1"))
		cancel()
		if err != nil && !errors.Is(err, host.ErrUnknown) && !errors.Is(err, host.ErrNotCommitted) || errors.Is(err, host.ErrSessionGone) {
			t.Fatal(err)
		}
	}
	if _, err := s.Propose(t.Context(), []byte("a=2")); err != nil || get(t, g.leader(), "a") != "2" {
		t.Fatal(err)
	}
}

// TestSessionAcrossLeaders: requests are applied once while leaders come and go.
func TestSessionAcrossLeaders(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stop := make(chan struct{})
	var all sync.WaitGroup
	asked := g.members[1]
	for i := range 4 {
		spawn(&all, func() {
			s := asked.NewSession()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				old, err := s.Propose(ctx, fmt.Appendf(nil, "s%d=%d", i, n))
				if want := fmt.Sprint(n - 1); err != nil || n > 0 && string(old) != want {
					t.Errorf("session %d, request %d: %q, %v", i, n, old, err)
					return
				}
			}
		})
	}
	for range 3 {
		time.Sleep(200 * time.Millisecond)
		to := uint64(2)
		if asked.Leader() == 2 {
			to = 3
		}
		if err := asked.Transfer(ctx, to); err != nil {
			t.Error(err)
		}
		if m := g.members[to]; true {
			g.stop(m)
			time.Sleep(200 * time.Millisecond)
			g.start(m)
		}
	}
	close(stop)
	all.Wait()
}

// TestPoison is bugs/go-kv-poison-key and its kinds: no proposal stops a group, at once or at the
// next start.
func TestPoison(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, func(o *host.Options) { o.MaxEntryBytes = 100 << 10 })
	m := g.follower()
	for _, data := range []string{"", "no write at all", "=", strings.Repeat("k", 33000) + "=v", "\x00\xff"} {
		if _, err := m.Propose(t.Context(), []byte(data)); err != nil {
			t.Errorf("%.20q: %v", data, err)
		}
	}
	_, err := m.Propose(t.Context(), make([]byte, 100<<10+1))
	fails(t, err, host.ErrRefused, "at most 102400")
	fails(t, err, host.ErrTooLarge, "")
	put(t, m, "big", strings.Repeat("v", 90<<10))
	for _, m := range g.members {
		g.stop(m)
	}
	for _, m := range g.members {
		g.start(m)
	}
	put(t, g.leader(), "good", "1")
}

// TestContextEndsEverything: no goroutine and no file is left, whatever was going on.
func TestContextEndsEverything(t *testing.T) {
	time.Sleep(50 * time.Millisecond)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	g := newGroup(t, 0, nil)
	var hosts []*host.Host
	for id := range uint64(3) {
		m := g.prepare(id + 1)
		if id == 0 {
			if err := host.Found(m.dir, 1, m.opt); err != nil {
				t.Fatal(err)
			}
		}
		h, err := host.Open(ctx, m.dir, id+1, m.opt)
		if err != nil {
			t.Fatal(err)
		}
		m.Host = h
		hosts = append(hosts, h)
	}
	var all sync.WaitGroup
	for _, h := range hosts {
		spawn(&all, func() {
			for {
				_, err := h.Propose(t.Context(), []byte("a=1"))
				if errors.Is(err, host.ErrUnknown) && !errors.Is(err, host.ErrClosed) {
					continue // the leader ended first
				}
				if err != nil {
					fails(t, err, host.ErrClosed, "")
					return
				}
			}
		})
		spawn(&all, func() {
			for h.Read(t.Context()) == nil {
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	cancel()
	all.Wait()
	for _, h := range hosts {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		_, err := h.Propose(t.Context(), []byte("a=1"))
		fails(t, err, host.ErrNotCommitted, "closed")
	}
	wait(t, "all goroutines end", func() bool {
		return runtime.NumGoroutine() <= before
	})
	for _, m := range g.members {
		h, err := host.Open(t.Context(), m.dir, m.id, m.opt) // the lock is free
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
	}
}

func TestWrongDirectory(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[1]
	opt := m.opt
	opt.Address = ports.Free()
	_, err := host.Open(t.Context(), m.dir, 1, opt)
	fails(t, err, host.ErrInUse, m.dir)
	g.stop(m)
	_, err = host.Open(t.Context(), m.dir, 2, opt)
	fails(t, err, host.ErrOwner, "member 1 of group 1, not of member 2")
	opt.Group = 3
	_, err = host.Open(t.Context(), m.dir, 1, opt)
	fails(t, err, host.ErrOwner, "not of member 1 of group 3")
}
