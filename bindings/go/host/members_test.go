package host_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"raftcore.example/go/host"
	"raftcore.example/go/host/internal/ports"
)

// fill writes so much that snapshots are made and the log is cut.
func fill(t testing.TB, m *member, n int) {
	big := strings.Repeat("x", 8<<10)
	for i := range n {
		put(t, m, fmt.Sprintf("key%d", i%200), fmt.Sprint(i)+big)
	}
}

func small(opt *host.Options) {
	opt.SnapshotBytes, opt.KeepBytes, opt.SegmentBytes = 256<<10, 64<<10, 128<<10
}

func TestSnapshotAndCompaction(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, small)
	m := g.leader()
	fill(t, m, 200)
	for _, m := range g.members {
		g.wait("the log is cut", func() bool {
			s, err := m.Status()
			return err == nil && s.Snapshot > 50 && s.FirstIndex > 10 && s.LogBytes < 1<<20
		})
		names, err := filepath.Glob(m.dir + "/snapshot-*")
		if err != nil || len(names) > 2 {
			t.Errorf("%v, %v", names, err)
		}
	}
	for _, m := range g.members { // from snapshots and logs
		g.stop(m)
	}
	for _, m := range g.members {
		g.start(m)
	}
	for _, m := range g.members {
		if v := get(t, m, "key150"); !strings.HasPrefix(v, "150x") {
			t.Errorf("%.10q", v)
		}
	}
}

// patient is a machine that writes a snapshot once it may.
type patient struct {
	*registers
	writes, gate chan struct{}
}

func (m *patient) Snapshot() (func(io.Writer) error, error) {
	write, err := m.registers.Snapshot()
	return func(w io.Writer) error {
		m.writes <- struct{}{}
		<-m.gate
		return write(w)
	}, err
}

// TestSnapshotDue: so much is written under a snapshot that another is due. The second snapshot needs no other write.
func TestSnapshotDue(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, small)
	m := g.members[1]
	g.stop(m)
	machine := &patient{newRegisters(), make(chan struct{}, 9), make(chan struct{})}
	g.open(m, machine)
	fill(t, m, 40)
	<-machine.writes
	fill(t, m, 40)
	if s, err := m.Status(); err != nil || s.Snapshot > 1 {
		t.Errorf("%+v, %v", s, err)
	}
	close(machine.gate)
	g.wait("the second snapshot", func() bool {
		s, err := m.Status() // the core hears of an applied entry after the caller
		return err == nil && s.Snapshot == s.Applied
	})
}

func TestLagBySnapshot(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, small)
	m := g.follower()
	g.stop(m)
	leader := g.leader()
	fill(t, leader, 300) // far more than the log keeps: 2 MB of state
	g.wait("no other snapshot is due", func() bool {
		s, err := leader.Status()
		return err == nil && (s.Applied-s.Snapshot)*(8<<10) <= uint64(leader.opt.SnapshotBytes)
	})
	g.start(m)
	if v := get(t, m, "key199"); !strings.HasPrefix(v, "199x") {
		t.Errorf("%.10q", v)
	}
	var text bytes.Buffer
	if err := m.WriteMetrics(&text); err != nil || !strings.Contains(text.String(), "raftcore_snapshots_installed_total 1\n") {
		t.Errorf("%v\n%s", err, text.String())
	}
	put(t, m, "a", "1")
	g.stop(m)
	g.start(m)
	if v := get(t, m, "a"); v != "1" {
		t.Errorf("%q", v)
	}
}

func TestJoinRemoveTransfer(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, small)
	fill(t, g.leader(), 200)
	four := g.add(4)
	g.wait("4 votes", func() bool {
		for _, m := range four.Members() {
			if m.ID == 4 && m.Voter {
				return true
			}
		}
		return false
	})
	if v := get(t, four, "key199"); !strings.HasPrefix(v, "199x") {
		t.Errorf("%.10q", v)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := g.members[1].Transfer(ctx, 4); err != nil {
		t.Fatal(err)
	}
	if err := four.Transfer(ctx, 9); err == nil {
		t.Error("transferred to nobody")
	}
	// A follower is asked to remove the leader: the leader goes, and says so.
	if err := g.members[2].Remove(ctx, 4); err != nil {
		t.Fatal(err)
	}
	put(t, g.members[2], "without", "4")
	select {
	case <-four.Done():
		fails(t, four.Err(), host.ErrRemoved, "removed")
	case <-ctx.Done():
		t.Error("4 did not notice that it was removed")
	}
	four.Close()
	delete(g.members, 4)
	// Directory and id are of no more use.
	os.RemoveAll(four.dir)
	four.opt.Join = []string{g.members[1].opt.Address}
	four.opt.Machine = newRegisters()
	_, err := host.Open(ctx, four.dir, 4, four.opt)
	fails(t, err, host.ErrRefused, "used by another disk")
}

func TestLearner(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	g.change = func(opt *host.Options) { opt.Learner = true }
	m := g.add(4)
	put(t, m, "a", "1")
	if v := get(t, m, "a"); v != "1" {
		t.Errorf("%q", v)
	}
	isVoter := func() bool {
		for _, x := range g.members[1].Members() {
			if x.ID == 4 {
				return x.Voter
			}
		}
		return false
	}
	time.Sleep(1200 * time.Millisecond)
	if isVoter() {
		t.Fatal("a learner votes unasked")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := m.Promote(ctx, 4); err != nil || !isVoter() && m.Promote(ctx, 4) != nil {
		t.Fatal(err)
	}
	fails(t, m.Promote(ctx, 77), host.ErrRefused, "joins as a learner first")
}

// TestMoved: a member with a new address informs the group.
func TestMoved(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	m := g.follower()
	g.stop(m)
	m.opt.Address = ports.Free()
	g.start(m)
	for _, x := range g.members {
		g.wait("the new address is known", func() bool {
			for _, y := range x.Members() {
				if y.ID == m.id {
					return y.PeerAddress == m.opt.Address
				}
			}
			return false
		})
	}
}

// TestFoundedOnce is bugs/kv-wiped-majority: members with lost disks do not found again over the
// member with the data.
func TestFoundedOnce(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	put(t, g.leader(), "a", "1")
	keeper := g.members[1]
	for _, id := range []uint64{2, 3} {
		m := g.members[id]
		g.stop(m)
		os.RemoveAll(m.dir)
		m.opt.Join = nil
		_, err := host.Open(t.Context(), m.dir, id, m.opt)
		fails(t, err, host.ErrEmpty, "call Found once")
		// Even if it joins: the id belongs to the disk that is gone.
		m.opt.Join = []string{keeper.opt.Address}
		_, err = host.Open(t.Context(), m.dir, id, m.opt)
		fails(t, err, host.ErrRefused, "used by another disk: join under a new id")
		// A second group is refused by the first.
		os.RemoveAll(m.dir)
		m.machine = newRegisters()
		m.opt.Machine = m.machine
		if err := host.Found(m.dir, id, m.opt); err != nil {
			t.Fatal(err)
		}
		fails(t, host.Found(m.dir, id, m.opt), host.ErrFounded, "belongs to a group already")
		g.start(m)
		put(t, m, "other", "group")
	}
	g.wait("the groups notice each other", func() bool {
		return strings.Contains(g.log.String(), "their logs have nothing in common")
	})
	if v := keeper.machine.get("a"); v != "1" || keeper.machine.get("other") != "" {
		t.Errorf("%q", v)
	}
	g.wait("the keeper of the data finds no majority in the other groups", func() bool { return keeper.Leader() == 0 })
	time.Sleep(300 * time.Millisecond)
	if keeper.Leader() != 0 {
		t.Error("the keeper of the data found a majority in the other groups")
	}
}

func TestBackupAndRecover(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 3, nil)
	m := g.leader()
	put(t, m, "a", "1")
	var backup bytes.Buffer
	if err := g.follower().Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	put(t, m, "a", "2")

	// A new group from the backup.
	other := newGroup(t, 0, nil)
	x := other.prepare(9)
	damaged := append([]byte(nil), backup.Bytes()...)
	damaged[len(damaged)/2] ^= 1
	fails(t, host.FoundFrom(x.dir, 9, bytes.NewReader(damaged), x.opt), host.ErrDamaged, "checksum")
	if err := host.FoundFrom(x.dir, 9, bytes.NewReader(backup.Bytes()), x.opt); err != nil {
		t.Fatal(err)
	}
	other.start(x)
	if v := get(t, x, "a"); v != "1" {
		t.Errorf("%q", v)
	}

	// Two of three are lost for ever: the third goes on alone, and a new member joins.
	for _, m := range g.members {
		g.stop(m)
	}
	last := g.members[m.id]
	for id := range g.members {
		if id != last.id {
			delete(g.members, id)
		}
	}
	last.machine = newRegisters()
	last.opt.Machine = last.machine
	if err := host.Recover(last.dir, last.id, last.opt); err != nil {
		t.Fatal(err)
	}
	g.start(last)
	if v := get(t, last, "a"); v != "2" {
		t.Errorf("%q", v)
	}
	put(t, last, "a", "3")
	joiner := g.add(11)
	if v := get(t, joiner, "a"); v != "3" {
		t.Errorf("%q", v)
	}
}

// TestStartBesideChild: a child between fork and exec has copies of all descriptors. Directory and port are free all the same.
func TestStartBesideChild(t *testing.T) {
	t.Parallel()
	g := newGroup(t, 1, nil)
	m := g.members[1]
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	copies := 0
	for _, entry := range list {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		name, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		at, err := syscall.Getsockname(fd)
		in4, _ := at.(*syscall.SockaddrInet4)
		listens := err == nil && in4 != nil && strings.HasSuffix(m.opt.Address, fmt.Sprintf(":%d", in4.Port))
		if !listens && name != m.dir+"/lock" {
			continue
		}
		held, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(held)
		copies++
	}
	if copies < 2 {
		t.Errorf("%d descriptors", copies)
	}
	g.stop(m)
	g.start(m)
	put(t, m, "a", "1")
}
