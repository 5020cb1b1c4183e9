package host_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host"
	"raftcore.example/go/host/internal/wire"
)

// slow is a connection with a rate, that breaks after so many bytes.
type slow struct {
	net.Conn
	rate   int64 // bytes a second; 0: no limit
	breaks *atomic.Int64
}

func (s *slow) Write(b []byte) (int, error) {
	if s.breaks != nil && s.breaks.Add(-int64(len(b))) < 0 && len(b) > 4096 {
		s.breaks.Store(1 << 60)
		s.Conn.Close()
		return 0, io.ErrClosedPipe
	}
	if s.rate > 0 {
		time.Sleep(time.Duration(int64(len(b)) * int64(time.Second) / s.rate))
	}
	return s.Conn.Write(b)
}

func dialSlow(rate int64, breaks *atomic.Int64) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		return &slow{conn, rate, breaks}, err
	}
}

// TestSnapshotResumes breaks a transfer in the middle. The rest comes later, not the whole.
func TestSnapshotResumes(t *testing.T) {
	t.Parallel()
	var breaks atomic.Int64
	breaks.Store(1 << 60)
	g := newGroup(t, 1, func(o *host.Options) {
		small(o)
		o.Dial = dialSlow(0, &breaks)
	})
	fill(t, g.members[1], 200) // 1.6 MB
	g.members[1].Backup(t.Context(), io.Discard)
	breaks.Store(1 << 20)
	m := g.add(2)
	if v := get(t, m, "key199"); !strings.HasPrefix(v, "199x") {
		t.Errorf("%.10q", v)
	}
	if breaks.Load() < 1<<50 || !strings.Contains(g.log.String(), "snapshot resumed") {
		t.Error("no transfer was resumed")
	}
}

// TestLearnerCatchesUp is bugs/kv-learner-never-up: a new member behind a slow link, while others
// write all the time. The log behind its snapshot is kept.
func TestLearnerCatchesUp(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, func(o *host.Options) {
		o.SnapshotBytes, o.KeepBytes, o.SegmentBytes = 512<<10, 256<<10, 128<<10
		o.Dial = dialSlow(2<<20, nil)
	})
	first := g.members[1]
	fill(t, first, 200)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 4 {
		spawn(&writers, func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				put(t, first, fmt.Sprintf("load%d", i), strings.Repeat("x", 1000))
			}
		})
	}
	m := g.add(2)
	g.wait("2 votes", func() bool {
		list := m.Members()
		return len(list) == 2 && list[1].Voter
	})
	close(stop)
	writers.Wait()
	var text bytes.Buffer
	g.members[1].WriteMetrics(&text)
	var sent int
	at := strings.Index(text.String(), "\nraftcore_snapshots_sent_total ")
	fmt.Sscanf(text.String()[at+1:], "raftcore_snapshots_sent_total %d", &sent)
	if sent > 3 {
		t.Errorf("%d snapshots until it caught up", sent)
	}
}

// gated is a machine whose first Restore waits.
type gated struct {
	*registers
	restores, gate chan struct{}
	once           sync.Once
}

func (m *gated) Restore(from io.Reader) error {
	m.once.Do(func() {
		close(m.restores)
		<-m.gate
	})
	return m.registers.Restore(from)
}

// open starts a member with a machine of the test's, as the second of a group.
func (g *group) open(m *member, machine host.StateMachine) {
	g.t.Helper()
	m.opt.Machine = machine
	h, err := host.Open(context.WithoutCancel(g.t.Context()), m.dir, m.id, m.opt)
	if err != nil {
		g.t.Fatal(err)
	}
	m.Host = h
}

func (g *group) waitForVote(m *member) {
	g.t.Helper()
	g.wait("a vote", func() bool {
		list := m.Members()
		return len(list) == 2 && list[1].Voter
	})
}

// TestSnapshotAcknowledgedLate: while a new member loads its snapshot, the leader's log is cut behind it. The
// member needs another snapshot, and gets it once it has acknowledged the first: not a minute later.
func TestSnapshotAcknowledgedLate(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, small)
	first := g.members[1]
	fill(t, first, 200)
	machine := &gated{registers: newRegisters(), restores: make(chan struct{}), gate: make(chan struct{})}
	m := g.prepare(2)
	g.open(m, machine)
	<-machine.restores
	before, err := first.Status()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, first, 200) // more than the leader keeps for the member
	g.wait("a cut log", func() bool {
		s, err := first.Status()
		return err == nil && s.FirstIndex > before.Snapshot+1
	})
	close(machine.gate)
	g.waitForVote(m)
}

// TestShortSilence: a member that is away for a few election timeouts goes on with entries. The leader holds the log.
func TestShortSilence(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, func(o *host.Options) {
		small(o)
		o.Learner, o.Tick = true, 100*time.Millisecond
	})
	leader, away := g.members[1], g.add(2)
	if v := get(t, away, "a"); v != "" {
		t.Errorf("%q", v)
	}
	g.stop(away)
	g.wait("a quorum check without the member", func() bool {
		s, err := leader.Status()
		return err == nil && s.Peers[1].Flags&raftcore.PeerActive == 0
	})
	fill(t, leader, 40) // a snapshot, and more than KeepBytes
	g.wait("a snapshot", func() bool {
		s, err := leader.Status()
		return err == nil && s.Snapshot > 10
	})
	g.start(away)
	if v := get(t, away, "key39"); !strings.HasPrefix(v, "39x") {
		t.Errorf("%.10q", v)
	}
	var text bytes.Buffer
	if err := away.WriteMetrics(&text); err != nil || !strings.Contains(text.String(), "raftcore_snapshots_installed_total 0\n") {
		t.Errorf("%v\n%s", err, text.String())
	}
}

// loses is a connection that ends in place of a write, if the write has a message to be lost.
type loses struct {
	net.Conn
	lost func(kind byte) bool
}

func (l *loses) Write(b []byte) (int, error) {
	for rest := b; len(rest) >= wire.Header+2; {
		body := rest[wire.Header:]
		if body[0] == 0x08 && l.lost(body[1]) { // the kind, as the core writes it first
			l.Conn.Close()
			return 0, io.ErrClosedPipe
		}
		rest = body[min(int(binary.LittleEndian.Uint32(rest)), len(body)):]
	}
	return l.Conn.Write(b)
}

// TestSnapshotMessageLost: a connection breaks under the MsgSnap behind the data, or under the acknowledgement. The
// leader does not wait a minute for it.
func TestSnapshotMessageLost(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]raftcore.MessageKind{"message": raftcore.MsgSnap, "acknowledgement": raftcore.MsgAppResp} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			machine := &gated{registers: newRegisters(), restores: make(chan struct{}), gate: make(chan struct{})}
			var losses atomic.Int32
			lost := func(k byte) bool {
				if raftcore.MessageKind(k) != kind {
					return false
				}
				if kind == raftcore.MsgAppResp { // the first behind the snapshot
					select {
					case <-machine.restores:
					default:
						return false
					}
				}
				return losses.Add(1) == 1
			}
			g := newGroup(t, 1, func(o *host.Options) {
				small(o)
				o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					var d net.Dialer
					conn, err := d.DialContext(ctx, "tcp", address)
					return &loses{conn, lost}, err
				}
			})
			fill(t, g.members[1], 100)
			close(machine.gate)
			m := g.prepare(2)
			g.open(m, machine)
			g.waitForVote(m)
			if losses.Load() == 0 {
				t.Error("nothing was lost")
			}
		})
	}
}

// TestRot is bugs/kv-flipped-entry: bytes of a committed entry rot on one disk, while the member is
// down. The member refuses to start; the group goes on with the right value.
func TestRot(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	m := g.follower()
	put(t, g.leader(), "marker", "MARKERVALUE")
	if get(t, m, "marker") != "MARKERVALUE" {
		t.Fatal("not there")
	}
	g.stop(m)
	for _, what := range []string{"log-*", "owner", "snapshot-*"} {
		names, err := filepath.Glob(filepath.Join(m.dir, what))
		if err != nil || len(names) == 0 {
			t.Fatalf("%v, %v", names, err)
		}
		name := names[len(names)-1]
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		at := max(bytes.Index(b, []byte("MARKERVALUE")), 60)
		if what == "log-*" {
			for _, name = range names {
				if b, err = os.ReadFile(name); err != nil {
					t.Fatal(err)
				}
				if at = bytes.Index(b, []byte("MARKERVALUE")); at > 0 {
					break
				}
			}
		}
		bad := bytes.Clone(b)
		bad[at] ^= 1
		if err := os.WriteFile(name, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = host.Open(t.Context(), m.dir, m.id, m.opt)
		fails(t, err, host.ErrDamaged, "")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.start(m) // nothing was changed by the attempts
	if get(t, m, "marker") != "MARKERVALUE" {
		t.Error("not there")
	}
}

// hello is what a member of the group would send.
func hello(channel uint8, id, to uint64, change func(*wire.Hello)) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 36)
	b = binary.LittleEndian.AppendUint64(b, 1)
	b = append(b, "RAFTCORE\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	b = binary.LittleEndian.AppendUint64(b, 1)
	b = binary.LittleEndian.AppendUint64(b, id)
	m := &wire.Hello{Version: 1, VersionMin: 1, Channel: channel, MaxFrame: 1 << 20, To: to, Disk: wire.Identity{5}}
	if change != nil {
		change(m)
	}
	return wire.Append(b, 1, m)
}

// answers sends bytes to a member, and returns the answers.
func answers(t *testing.T, address string, b []byte) (messages []wire.Message) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(b)
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	got, _ := io.ReadAll(conn)
	for len(got) > 0 {
		f, ok, err := raftcore.NextFrame(got, 1<<20)
		if err != nil || !ok {
			break
		}
		if wire.IsHost(f.Message) {
			m, err := wire.Parse(f.Message)
			if err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m)
		}
		got = got[f.Bytes:]
	}
	return messages
}

// TestRefusedHellos makes each check of docs/wire.md, section 3, fail.
func TestRefusedHellos(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	put(t, g.members[1], "a", "1")
	address := g.members[1].opt.Address
	with := func(change func(*wire.Hello)) []byte { return hello(wire.ChannelPeer, 2, 1, change) }
	for _, c := range []struct {
		what string
		b    []byte
		code uint16
	}{
		{"version", with(func(m *wire.Hello) { m.Version, m.VersionMin = 9, 8 }), wire.CodeVersion},
		{"to another", with(func(m *wire.Hello) { m.To = 3 }), wire.CodeID},
		{"own id", hello(wire.ChannelPeer, 1, 1, nil), wire.CodeID},
		{"founding", with(func(m *wire.Hello) { m.Founding = wire.Identity{1} }), wire.CodeFounding},
		{"no member", with(nil), wire.CodeNotMember},
		{"channel", hello(9, 2, 1, nil), wire.CodeUnknownValue},
		{"no hello first", wire.Append(nil, 1, &wire.Ping{}), wire.CodeProtocol},
		{"a malformed hello", append(hello(0, 2, 1, nil)[:48], wire.Append(nil, 1, &wire.Reject{})[:14]...), 0},
		{"a request on JOIN", append(hello(wire.ChannelJoin, 2, 0, nil), wire.Append(nil, 1, &wire.Request{})...), wire.CodeProtocol},
		{"a chunk from nowhere", append(hello(wire.ChannelBulk, 2, 1, nil), wire.Append(nil, 1, &wire.Joined{})...), wire.CodeProtocol},
		{"a long frame", append(hello(wire.ChannelBulk, 2, 1, nil), 255, 255, 255, 127, 1, 0, 0, 0, 0, 0, 0, 0), wire.CodeTooLarge},
	} {
		var code uint16
		for _, m := range answers(t, address, c.b) {
			if r, ok := m.(*wire.Reject); ok {
				code = r.Code
			}
		}
		if code != c.code {
			t.Errorf("%s: code %d, want %d", c.what, code, c.code)
		}
	}
	// A frame of an unknown type is skipped, and PING is answered.
	skip := append(hello(wire.ChannelJoin, 2, 0, nil), 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x48, 99, 0, 0)
	skip = append(skip, wire.Append(nil, 1, &wire.Ping{Token: 7})...)
	pong := false
	for _, m := range answers(t, address, skip) {
		if p, ok := m.(*wire.Pong); ok && p.Token == 7 {
			pong = true
		}
	}
	if !pong {
		t.Error("no PONG behind a frame of an unknown type")
	}
}

// TestGarbage throws bytes at a member that goes on serving.
func TestGarbage(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	random := rand.New(rand.NewPCG(3, 4))
	address := g.leader().opt.Address
	for i := range 60 {
		b := hello(uint8(1+i%3), 2, 1, nil)
		for range random.IntN(8) {
			b[random.IntN(len(b))] ^= byte(1 << random.IntN(8))
		}
		for range random.IntN(2000) {
			b = append(b, byte(random.Uint32()))
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write(b)
		conn.Close()
	}
	put(t, g.leader(), "a", "1")
}
