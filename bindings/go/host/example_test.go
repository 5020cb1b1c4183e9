// An example for each task. `go test` compares the output.
package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"raftcore.example/go/host"
)

// Tally is a replicated state: a number. An entry counts its bytes.
type Tally struct {
	mu sync.Mutex
	n  int
}

func (t *Tally) Apply(batch []host.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range batch {
		t.n += len(batch[i].Data)
		batch[i].Result = fmt.Append(nil, t.n)
	}
}

func (t *Tally) Snapshot() (func(io.Writer) error, error) {
	n := t.Value()
	return func(w io.Writer) error { _, err := fmt.Fprintln(w, n); return err }, nil
}

func (t *Tally) Restore(r io.Reader) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := fmt.Fscanln(r, &t.n)
	return err
}

func (t *Tally) Value() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// options are those of a member on this machine, with a short tick and a silent log.
func options(join ...*host.Host) host.Options {
	opt := host.Options{Machine: &Tally{}, Address: "127.0.0.1:0", Tick: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
	for _, h := range join {
		opt.Join = append(opt.Join, h.Address())
	}
	return opt
}

// start starts members 1 to n of a new group.
func start(ctx context.Context, dir string, n uint64) (all []*host.Host, err error) {
	for id := uint64(1); id <= n; id++ {
		opt, place := options(all...), filepath.Join(dir, fmt.Sprint(id))
		if id == 1 {
			if err := host.Found(place, id, opt); err != nil {
				return all, err
			}
		}
		h, err := host.Open(ctx, place, id, opt)
		if err != nil {
			return all, err
		}
		all = append(all, h)
		if err := all[0].Promote(ctx, id); err != nil {
			return all, err
		}
	}
	return all, nil
}

func stop(all ...*host.Host) {
	for _, h := range all {
		h.Close()
	}
}

func temp() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

// A group with a single member, and a first write. Found is called once in the life of the group.
func ExampleFound() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	tally := &Tally{}
	opt := host.Options{Machine: tally, Address: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
	if err := host.Found(dir, 1, opt); err != nil {
		log.Fatal(err)
	}
	h, err := host.Open(ctx, dir, 1, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	result, err := h.Propose(ctx, []byte("apple"))
	fmt.Println(string(result), err)
	fmt.Println(host.Found(dir, 1, opt) != nil)
	// Output:
	// 5 <nil>
	// true
}

// A second member joins: an empty directory, a fresh id, and the address of a member. The new
// member is a learner first, and votes after catching up.
func ExampleOpen_join() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	opt := host.Options{Machine: &Tally{}, Address: "127.0.0.1:0", Join: []string{all[0].Address()}, Logger: slog.New(slog.DiscardHandler)}
	h, err := host.Open(ctx, filepath.Join(dir, "2"), 2, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	if err := all[0].Promote(ctx, 2); err != nil { // the member asks for its vote automatically; Promote waits
		log.Fatal(err)
	}
	for _, m := range all[0].Members() {
		fmt.Println(m.ID, m.Voter)
	}
	// Output:
	// 1 true
	// 2 true
}

// A member restarts: the state is back before the first read returns.
func ExampleOpen_restart() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	opt := options()
	if err := host.Found(dir, 1, opt); err != nil {
		log.Fatal(err)
	}
	for range 3 {
		tally := &Tally{}
		opt.Machine = tally
		h, err := host.Open(ctx, dir, 1, opt)
		if err != nil {
			log.Fatal(err)
		}
		if err := h.Read(ctx); err != nil {
			log.Fatal(err)
		}
		fmt.Println(tally.Value())
		if _, err := h.Propose(ctx, []byte("pear")); err != nil {
			log.Fatal(err)
		}
		if err := h.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// 0
	// 4
	// 8
}

// Every member takes writes, and linearizable reads.
func ExampleHost_Read() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	one, other := &Tally{}, &Tally{}
	opt := options()
	opt.Machine = one
	if err := host.Found(dir+"/1", 1, opt); err != nil {
		log.Fatal(err)
	}
	a, err := host.Open(ctx, dir+"/1", 1, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	opt = options(a)
	opt.Machine = other
	b, err := host.Open(ctx, dir+"/2", 2, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Propose(ctx, []byte("at the follower")); err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(a.Read(ctx), b.Read(ctx)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(one.Value(), other.Value())
	// Output:
	// 15 15
}

// Errors of Propose.
func ExampleHost_Propose_outcomes() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	_, err = all[0].Propose(ctx, make([]byte, 5<<20))
	fmt.Println(errors.Is(err, host.ErrRefused), errors.Is(err, host.ErrTooLarge)) // surely not done, no sense in a retry
	stop(all...)
	_, err = all[0].Propose(ctx, []byte("late"))
	fmt.Println(errors.Is(err, host.ErrNotCommitted), errors.Is(err, host.ErrClosed)) // surely not done
	fmt.Println(errors.Is(err, host.ErrUnknown))                                      // true would mean: done or not
	// Output:
	// true true
	// true true
	// false
}

// A request with a session and a number may be sent any number of times, to any member.
func ExampleHost_ProposeOnce() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	client := host.SessionID{1, 2, 3} // drawn at random by the client, once
	for _, h := range []*host.Host{all[0], all[1], all[0]} {
		result, err := h.ProposeOnce(ctx, client, 1, []byte("plum"))
		fmt.Println(string(result), err)
	}
	// Output:
	// 4 <nil>
	// 4 <nil>
	// 4 <nil>
}

// A session repeats a proposal until the outcome is known.
func ExampleSession() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	session := all[0].NewSession()
	for _, word := range []string{"fig", "date"} {
		result, err := session.Propose(ctx, []byte(word))
		fmt.Println(string(result), err)
	}
	// Output:
	// 3 <nil>
	// 7 <nil>
}

// Hand the leadership over before maintenance.
func ExampleHost_Transfer() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	if err := all[0].Transfer(ctx, 3); err != nil {
		log.Fatal(err)
	}
	fmt.Println(all[0].Leader())
	// Output:
	// 3
}

// Remove a member, through any member. The removed host ends with ErrRemoved.
func ExampleHost_Remove() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	if err := all[0].Remove(ctx, 3); err != nil {
		log.Fatal(err)
	}
	for _, m := range all[0].Members() {
		fmt.Println(m.ID)
	}
	// Output:
	// 1
	// 2
}

// A learner follows without a vote, until it is promoted.
func ExampleHost_Promote() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	opt := options(all...)
	opt.Learner = true
	h, err := host.Open(ctx, filepath.Join(dir, "2"), 2, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	fmt.Println(all[0].Members()[1].Voter)
	if err := all[0].Promote(ctx, 2); err != nil { // waits until the learner has caught up
		log.Fatal(err)
	}
	fmt.Println(all[0].Members()[1].Voter)
	// Output:
	// false
	// true
}

// A backup of a running group has every write acknowledged before.
func ExampleHost_Backup() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	if _, err := all[0].Propose(ctx, []byte("cherry")); err != nil {
		log.Fatal(err)
	}
	var backup bytes.Buffer
	if err := all[0].Backup(ctx, &backup); err != nil {
		log.Fatal(err)
	}

	fmt.Println(backup.Len() > 0)
	// Output:
	// true
}

// A new group with the state of a backup: the old group, if there still is one, is not touched.
func ExampleFoundFrom() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	if _, err := all[0].Propose(ctx, []byte("cherry")); err != nil {
		log.Fatal(err)
	}
	var backup bytes.Buffer
	if err := all[0].Backup(ctx, &backup); err != nil {
		log.Fatal(err)
	}

	tally, opt := &Tally{}, options()
	opt.Machine = tally
	place := filepath.Join(dir, "new")
	if err := host.FoundFrom(place, 9, &backup, opt); err != nil { // once
		log.Fatal(err)
	}
	opt.Machine = &Tally{}
	h, err := host.Open(ctx, place, 9, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	result, err := h.Propose(ctx, []byte("plum"))
	fmt.Println(tally.Value(), string(result), err)
	// Output:
	// 6 10 <nil>
}

// Two of three members are lost for ever. The survivor goes on alone, with its whole log.
func ExampleRecover() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 3)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := all[0].Propose(ctx, []byte("grape")); err != nil {
		log.Fatal(err)
	}
	stop(all...)

	tally := &Tally{}
	opt := options()
	opt.Machine = tally
	if err := host.Recover(filepath.Join(dir, "1"), 1, opt); err != nil {
		log.Fatal(err)
	}
	opt.Machine = &Tally{}
	h, err := host.Open(ctx, filepath.Join(dir, "1"), 1, opt)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	result, err := h.Propose(ctx, []byte("kiwi"))
	fmt.Println(tally.Value(), string(result), err)
	// Output:
	// 5 9 <nil>
}

// Metrics for Prometheus. Behind HTTP: h.WriteMetrics(w) in a handler of /metrics.
func ExampleHost_WriteMetrics() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	var text strings.Builder
	if err := errors.Join(all[0].Read(ctx), all[0].WriteMetrics(&text)); err != nil {
		log.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if strings.Contains(line, "raftcore_is_leader") {
			fmt.Print(line)
		}
	}
	// Output:
	// # HELP raftcore_is_leader 1 on the leader.
	// # TYPE raftcore_is_leader gauge
	// raftcore_is_leader 1
}

// The same metrics for package expvar, at /debug/vars.
func ExampleHost_Expvar() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	defer stop(all...)
	if err := all[0].Read(ctx); err != nil { // there is a leader then
		log.Fatal(err)
	}
	variable := all[0].Expvar() // in a program: expvar.Publish("raftcore", variable)
	fmt.Println(strings.Contains(variable.String(), `"is_leader":1`))
	// Output:
	// true
}

// A context ends a member, and all waiting calls.
func ExampleOpen_context() {
	dir := temp()
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	all, err := start(ctx, dir, 1)
	if err != nil {
		log.Fatal(err)
	}
	cancel()
	<-all[0].Done()
	fmt.Println(all[0].Close())
	// Output:
	// <nil>
}
