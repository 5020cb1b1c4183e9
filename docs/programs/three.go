// Three members of a group replicate a sum. The first member ends, and the others go on.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"raftcore.example/go/host"
)

// sum is the replicated state. The host calls the three methods; readers need the lock.
type sum struct {
	mu sync.Mutex
	n  int
}

func (s *sum) Apply(batch []host.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		number, _ := strconv.Atoi(string(batch[i].Data))
		s.n += number
		batch[i].Result = strconv.AppendInt(nil, int64(s.n), 10)
	}
}

func (s *sum) Snapshot() (func(io.Writer) error, error) {
	n := s.value()
	return func(w io.Writer) error { _, err := fmt.Fprintln(w, n); return err }, nil
}

func (s *sum) Restore(r io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := fmt.Fscanln(r, &s.n)
	return err
}

func (s *sum) value() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func main() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sums")
	check(err)
	defer os.RemoveAll(dir)

	var members []*host.Host
	var sums []*sum
	for id := uint64(1); id <= 3; id++ { // in earnest: three processes on three machines
		s, place := &sum{}, filepath.Join(dir, fmt.Sprint(id))
		opt := host.Options{Machine: s, Address: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
		if id == 1 {
			check(host.Found(place, id, opt)) // once in the life of a group
		} else {
			opt.Join = []string{members[0].Address()}
		}
		h, err := host.Open(ctx, place, id, opt)
		check(err)
		members, sums = append(members, h), append(sums, s)
		check(members[0].Promote(ctx, id)) // waits until the member has caught up, and votes
	}

	result, err := members[2].Propose(ctx, []byte("40")) // any member takes proposals
	check(err)
	fmt.Println("three members, the sum is", string(result))

	check(members[0].Close())
	result, err = members[1].Propose(ctx, []byte("2"))
	check(err)
	fmt.Println("without member 1, the sum is", string(result))

	check(members[2].Read(ctx)) // then the state has every acknowledged write
	fmt.Println("member 3 reads", sums[2].value())
	check(members[1].Close())
	check(members[2].Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
