// Shared by the tests: a machine, a group of members in this process.
package host_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"raftcore.example/go/host"
	"raftcore.example/go/host/internal/ports"
)

// registers is a machine: a map. An entry is KEY=VALUE, and its result is the old value.
type registers struct {
	mu     sync.Mutex
	values map[string]string
	count  int // of entries applied, repeats included
}

func newRegisters() *registers { return &registers{values: map[string]string{}} }

func (r *registers) Apply(batch []host.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		key, value, ok := strings.Cut(string(batch[i].Data), "=")
		r.count++
		if !ok {
			batch[i].Result = []byte("no write: " + string(batch[i].Data))
			continue
		}
		batch[i].Result = []byte(r.values[key])
		r.values[key] = value
	}
}

func (r *registers) Snapshot() (func(io.Writer) error, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	values := maps.Clone(r.values)
	return func(w io.Writer) error { return gob.NewEncoder(w).Encode(values) }, nil
}

func (r *registers) Restore(from io.Reader) error {
	values := map[string]string{}
	if err := gob.NewDecoder(from).Decode(&values); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values = values
	return nil
}

func (r *registers) get(key string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.values[key]
}

// member is a member of a test's group.
type member struct {
	*host.Host
	id      uint64
	dir     string
	opt     host.Options
	machine *registers
}

// group is several members in a process.
type group struct {
	t       testing.TB
	dir     string
	change  func(*host.Options) // of the options of members
	members map[uint64]*member
	log     *logBuffer
}

func newGroup(t testing.TB, n int, change func(*host.Options)) *group {
	g := &group{t: t, dir: t.TempDir(), change: change, members: map[uint64]*member{}, log: &logBuffer{}}
	t.Cleanup(func() {
		for _, m := range g.members {
			if m.Host != nil {
				m.Close()
			}
		}
		if t.Failed() {
			t.Log(g.log.String())
		}
	})
	for id := range uint64(n) {
		g.add(id + 1)
	}
	if n > 1 {
		g.wait("all vote", func() bool {
			for _, m := range g.members {
				voters := 0
				for _, x := range m.Members() {
					if x.Voter {
						voters++
					}
				}
				if voters != n || m.Leader() == 0 {
					return false
				}
			}
			return true
		})
	}
	return g
}

// add starts a new member: the first founds, others join.
func (g *group) add(id uint64) *member {
	g.t.Helper()
	m := g.prepare(id)
	if len(g.members) == 1 {
		if err := host.Found(m.dir, id, m.opt); err != nil {
			g.t.Fatal(err)
		}
	}
	g.start(m)
	return m
}

func (g *group) prepare(id uint64) *member {
	m := &member{id: id, dir: filepath.Join(g.dir, fmt.Sprint(id)), opt: host.Options{
		Address: ports.Free(), Tick: 10 * time.Millisecond, SegmentBytes: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}}
	for _, other := range g.members {
		m.opt.Join = append(m.opt.Join, other.opt.Address)
	}
	if g.change != nil {
		g.change(&m.opt)
	}
	m.machine = newRegisters()
	m.opt.Machine = m.machine
	g.members[id] = m
	return m
}

// start opens a member, with an empty machine.
func (g *group) start(m *member) {
	g.t.Helper()
	m.machine = newRegisters()
	m.opt.Machine = m.machine
	h, err := host.Open(context.WithoutCancel(g.t.Context()), m.dir, m.id, m.opt)
	if err != nil {
		g.t.Fatalf("member %d: %v", m.id, err)
	}
	m.Host = h
}

// stop closes a member.
func (g *group) stop(m *member) {
	g.t.Helper()
	if err := m.Close(); err != nil {
		g.t.Fatalf("member %d: %v", m.id, err)
	}
}

// leader waits for a leader that a majority follows.
func (g *group) leader() (leader *member) {
	g.t.Helper()
	g.wait("a leader", func() bool {
		votes := map[uint64]int{}
		for _, m := range g.members {
			if m.Host != nil && running(m.Host) {
				votes[m.Leader()]++
			}
		}
		for id, n := range votes {
			if id != 0 && 2*n > len(g.members) && running(g.members[id].Host) {
				leader = g.members[id]
				return true
			}
		}
		return false
	})
	return leader
}

func running(h *host.Host) bool {
	select {
	case <-h.Done():
		return false
	default:
		return true
	}
}

func (g *group) follower() *member {
	leader := g.leader()
	for _, m := range g.members {
		if m != leader && running(m.Host) {
			return m
		}
	}
	g.t.Fatal("no follower")
	return nil
}

func (g *group) wait(what string, done func() bool) {
	g.t.Helper()
	wait(g.t, what, done)
}

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// put writes through a member, within ten seconds.
func put(t testing.TB, m *member, key, value string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	old, err := m.Propose(ctx, []byte(key+"="+value))
	if err != nil {
		t.Fatalf("member %d: %s=%s: %v", m.id, key, value, err)
	}
	return string(old)
}

// get reads from a member, linearizably.
func get(t testing.TB, m *member, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Read(ctx); err != nil {
		t.Fatalf("member %d: %v", m.id, err)
	}
	return m.machine.get(key)
}

// fails checks an error and a part of its words.
func fails(t testing.TB, err, want error, words string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
		t.Fatalf("%v; want %v: … %s …", err, want, words)
	}
}

// logBuffer is what members log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
