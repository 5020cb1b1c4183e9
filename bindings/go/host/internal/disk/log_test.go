package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/wire"
)

// fresh makes a directory with an empty log that begins behind entry 1.
func fresh(t testing.TB) *Dir {
	d, err := Lock(t.TempDir(), 7, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	owner := Owner{Group: 7, ID: 1, Disk: wire.Identity{1, 2, 3}, Founding: wire.Identity{9}}
	if err := d.SetOwner(owner); err != nil {
		t.Fatal(err)
	}
	if err := Create(d, 64<<10, raftcore.HardState{Commit: 1}, 1, 1); err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t testing.TB, d *Dir) (*Log, *Boot) {
	t.Helper()
	l, b, err := Open(d, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	return l, b
}

// add writes entries from an index on, as one batch.
func (l *Log) add(first, term uint64, data ...string) {
	l.pending.Lock()
	for i, text := range data {
		l.put(recordEntry, first+uint64(i), term, 0, []byte(text))
	}
	l.putState(raftcore.HardState{Term: term, Commit: first - 1})
	l.pending.Unlock()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// texts returns the data of the entries, and stops the test at a misplaced entry.
func (l *Log) texts(t testing.TB) (list []string) {
	t.Helper()
	for at := l.before.index + 1; at <= l.Last(); {
		entries, err := l.Entries(at, l.Last(), 100)
		check(t, err)
		if len(entries) == 0 {
			t.Fatalf("no entry %d", at)
		}
		for _, e := range entries {
			if e.Index != at {
				t.Fatalf("entry %d in the place of %d", e.Index, at)
			}
			list = append(list, string(e.Data))
			at++
		}
	}
	return list
}

func equal(t testing.TB, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%q, want %q", got, want)
	}
}

func TestReopen(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	l.add(2, 1, "a", "b", "c")
	check(t, l.Sync(true))
	l.add(4, 2, "d", "e") // over c
	check(t, l.Sync(true))
	check(t, l.Close())
	for range 3 {
		var b *Boot
		l, b = open(t, d)
		equal(t, l.texts(t), "a", "b", "d", "e")
		if b.Term != 2 || b.Commit != 3 || b.Before != 1 || b.Last != 5 || fmt.Sprint(b.Runs) != "[{2 1} {4 2}]" || len(b.Notes) != 0 {
			t.Fatalf("%+v", b)
		}
		check(t, l.Close())
	}
}

// TestNothingWritten opens again and again, as after a crash, a log to which nothing was written.
func TestNothingWritten(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	l.add(2, 1, "a")
	check(t, l.Sync(true))
	for range 4 {
		all := files(t, d)
		l.closeFiles()
		restore(t, d, all)
		l, _ = open(t, d)
		equal(t, l.texts(t), "a")
	}
	check(t, l.Close())
}

// TestManyShortLives writes little in each of many lives, which end in order or in a crash. The files
// take about as much as the entries, and a start opens few.
func TestManyShortLives(t *testing.T) {
	const lives, size = 400, 200
	d := fresh(t)
	for i := range uint64(lives) {
		l, b := open(t, d)
		if b.Last != 1+i || len(b.Notes) != 0 || b.Term != min(i, 1) {
			t.Fatalf("life %d: %+v", i, b)
		}
		l.add(2+i, 1, strings.Repeat("x", size))
		check(t, l.Sync(true))
		if i%2 == 0 {
			check(t, l.Close())
		} else {
			check(t, l.closeFiles())
		}
	}
	all, sum := files(t, d), 0
	for _, b := range all {
		sum += len(b)
	}
	if len(all) > 10 || sum > 3*lives*size {
		t.Errorf("%d files of %d bytes after %d lives", len(all), sum, lives)
	}
	l, b := open(t, d)
	if b.Last != 1+lives || len(l.texts(t)) != lives {
		t.Errorf("%+v", b)
	}
	check(t, l.Close())

	// Damage to an entry that an earlier life made durable is found.
	name := newest(files(t, d))
	bytes, err := os.ReadFile(name)
	check(t, err)
	bytes[segmentHead+batchHead+400] ^= 1
	check(t, os.WriteFile(name, bytes, 0o600))
	if _, _, err := Open(d, 64<<10); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

func TestCompaction(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	big := strings.Repeat("x", 20<<10)
	for i := range uint64(20) {
		l.add(2+i, 1, big)
		check(t, l.Sync(true))
	}
	before := l.Bytes()
	l.AddSnapshot(20, 1)
	l.AddBefore(18, 1)
	check(t, l.Sync(true))
	check(t, l.Trim())
	if l.Bytes() > before/2 {
		t.Errorf("%d of %d bytes are left", l.Bytes(), before)
	}
	if _, err := l.Entries(18, 19, 1<<20); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
	check(t, l.Close())
	l, b := open(t, d)
	if b.Before != 18 || b.BeforeTerm != 1 || b.Snapshot != 20 || b.Last != 21 || len(l.texts(t)) != 3 {
		t.Fatalf("%+v", b)
	}
	check(t, l.Close())
}

// files copies the log, as after a crash.
func files(t testing.TB, d *Dir) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(d.name("log-*"))
	check(t, err)
	all := map[string][]byte{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".tmp") {
			all[name], err = os.ReadFile(name)
			check(t, err)
		}
	}
	return all
}

func restore(t testing.TB, d *Dir, all map[string][]byte) {
	t.Helper()
	names, err := filepath.Glob(d.name("log-*"))
	check(t, err)
	for _, name := range names {
		check(t, os.Remove(name))
	}
	for name, b := range all {
		check(t, os.WriteFile(name, b, 0o600))
	}
}

func newest(all map[string][]byte) (name string) {
	for n := range all {
		name = max(name, n)
	}
	return name
}

// TestTorn lets a crash cut the last write at every byte, or lose any of its sectors: what was
// durable before stays, and the log can be written and opened again.
func TestTorn(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	l.add(2, 1, "a", "b")
	check(t, l.Sync(true))
	before := files(t, d)
	l.add(4, 1, strings.Repeat("c", 900), strings.Repeat("d", 900))
	check(t, l.Sync(true))
	after := files(t, d)
	l.closeFiles()
	name := newest(before)
	old, new := before[name], after[name]
	from, to := 0, len(new)
	for from < len(old) && old[from] == new[from] {
		from++
	}
	for to > from && old[to-1] == new[to-1] {
		to--
	}
	try := func(what string, mix []byte) {
		restore(t, d, map[string][]byte{name: mix})
		for id, b := range before {
			if id != name {
				check(t, os.WriteFile(id, b, 0o600))
			}
		}
		l, b, err := Open(d, 64<<10)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got := l.texts(t)
		if len(got) == 4 {
			got = got[:2]
		} else if len(b.Notes) == 0 && !bytes.Equal(mix, old) {
			t.Fatalf("%s: cut off without a note", what)
		}
		equal(t, got, "a", "b")
		l.add(4, 2, "e")
		check(t, l.Sync(true))
		check(t, l.Close())
		l, _ = open(t, d)
		equal(t, l.texts(t), "a", "b", "e")
		check(t, l.Close())
	}
	for cut := from; cut <= to; cut += 31 {
		try(fmt.Sprintf("cut at %d", cut), append(bytes.Clone(new[:cut]), old[cut:]...))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 24 {
		mix := bytes.Clone(old)
		for at := from &^ 511; at < to; at += 512 {
			if random.IntN(2) == 0 {
				copy(mix[at:at+512], new[at:at+512])
			}
		}
		try("lost sectors", mix)
	}
}

// TestRot changes bytes of what was durable: the boot refuses with words, or the bytes do not matter
// to anything that was promised.
func TestRot(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	l.add(2, 1, "aaaaaaaaaaaaaaaaaaaaaaa", "b")
	check(t, l.Sync(true))
	l.add(4, 1, "c")
	check(t, l.Sync(true))
	l.add(5, 1, "d")
	check(t, l.Sync(true))
	check(t, l.Mark())
	end := l.segments[len(l.segments)-1].end - batchHead
	all := files(t, d)
	l.closeFiles()
	name := newest(all)
	for at := rand.IntN(3); at < end; at += 3 {
		bad := map[string][]byte{}
		for n, b := range all {
			bad[n] = bytes.Clone(b)
		}
		bad[name][at] ^= 0x40
		restore(t, d, bad)
		l, _, err := Open(d, 64<<10)
		if err == nil {
			got := l.texts(t)
			l.Close()
			if padding := fmt.Sprint(got) == "[aaaaaaaaaaaaaaaaaaaaaaa b c d]"; padding {
				continue // zeros between records
			}
			t.Fatalf("a changed byte at %d of %d: %q", at, end, got)
		}
		if !errors.Is(err, ErrDamaged) || len(err.Error()) < 40 {
			t.Fatalf("a changed byte at %d: %v", at, err)
		}
	}
}

// TestRotWhileOpen: a reader of an entry finds rot that came after the boot.
func TestRotWhileOpen(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	l.add(2, 1, "good", "MARKER")
	check(t, l.Sync(true))
	s := l.segments[len(l.segments)-1]
	all, err := os.ReadFile(s.file.Name())
	if err != nil { // renamed since
		all, err = os.ReadFile(d.segmentName(s.number))
	}
	check(t, err)
	_, err = s.file.WriteAt([]byte("X"), int64(bytes.Index(all, []byte("MARKER"))))
	check(t, err)
	if _, err := l.Entries(2, 3, 1<<20); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "entry 3") {
		t.Fatal(err)
	}
	check(t, l.Close())
}

func TestOwner(t *testing.T) {
	d := fresh(t)
	for _, c := range []struct {
		group, id uint64
		want      error
	}{{7, 1, ErrInUse}, {7, 2, ErrInUse}} {
		if _, err := Lock(d.Path, c.group, c.id); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	held, err := syscall.Dup(int(d.lock.Fd())) // as by a child between fork and exec
	check(t, err)
	defer syscall.Close(held)
	check(t, d.Close())
	for _, id := range [][2]uint64{{7, 2}, {8, 1}} {
		if _, err := Lock(d.Path, id[0], id[1]); !errors.Is(err, ErrOwner) || !strings.Contains(err.Error(), "member 1 of group 7") {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(d.name("owner"))
	check(t, err)
	check(t, os.WriteFile(d.name("owner"), bytes.Replace(text, []byte(`"ID": 1`), []byte(`"ID": 2`), 1), 0o600))
	if _, err := Lock(d.Path, 7, 2); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// TestOfAnother: segments of another directory are no log, despite their shape.
func TestOfAnother(t *testing.T) {
	d, other := fresh(t), fresh(t)
	owner := other.Owner
	owner.Disk = wire.Identity{7}
	check(t, other.SetOwner(owner))
	all := files(t, d)
	moved := map[string][]byte{}
	for name, b := range all {
		moved[other.name(filepath.Base(name))] = b
	}
	restore(t, other, moved)
	if _, _, err := Open(other, 64<<10); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "another place") {
		t.Fatal(err)
	}
	restore(t, d, map[string][]byte{})
	if _, _, err := Open(d, 64<<10); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "no log") {
		t.Fatal(err)
	}
}

func TestSegmentsMissing(t *testing.T) {
	d := fresh(t)
	l, _ := open(t, d)
	for i := range uint64(12) {
		l.add(2+i, 1, strings.Repeat("x", 30<<10))
		check(t, l.Sync(true))
	}
	check(t, l.Close())
	all := files(t, d)
	if len(all) < 4 {
		t.Fatalf("%d segments", len(all))
	}
	for name := range all {
		if name == newest(all) {
			continue // like a crash long ago: the directory contains no contradiction
		}
		some := map[string][]byte{}
		for n, b := range all {
			if n != name {
				some[n] = b
			}
		}
		restore(t, d, some)
		l, b, err := Open(d, 64<<10)
		if err == nil && b.Last != 13 || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("without %s: %v, %+v", name, err, b)
		}
		if err == nil {
			if len(l.texts(t)) != 12 {
				t.Errorf("without %s", name)
			}
			l.Close()
		}
	}
}

// FuzzOpen opens segments of random bytes.
func FuzzOpen(f *testing.F) {
	d := fresh(f)
	l, _ := open(f, d)
	l.add(2, 1, "a", "b", "c")
	check(f, l.Sync(true))
	check(f, l.Close())
	for _, b := range files(f, d) {
		f.Add(b[:min(len(b), 2048)], uint16(300), byte(1))
	}
	f.Fuzz(func(t *testing.T, segment []byte, at uint16, flip byte) {
		d, err := Lock(t.TempDir(), 7, 1)
		check(t, err)
		defer d.Close()
		check(t, d.SetOwner(Owner{Group: 7, ID: 1, Disk: wire.Identity{1, 2, 3}, Founding: wire.Identity{9}}))
		if int(at) < len(segment) {
			segment[at] ^= flip
		}
		if len(segment) >= 24 { // a file by the name of its number
			number := binary.LittleEndian.Uint64(segment[16:])
			if number > 0 && number < 1e9 {
				check(t, os.WriteFile(d.segmentName(number), segment, 0o600))
			}
		}
		if l, _, err := Open(d, 64<<10); err == nil {
			l.Close()
		}
	})
}

func BenchmarkSync(b *testing.B) {
	d := fresh(b)
	l, _, err := Open(d, DefaultSegment)
	check(b, err)
	defer l.Close()
	data := strings.Repeat("x", 100)
	for i := 0; b.Loop(); i++ {
		l.add(2+uint64(i), 1, data)
		check(b, l.Sync(true))
	}
}
