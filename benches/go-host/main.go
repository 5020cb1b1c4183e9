// Command go-host measures raftcore's Go host beside hashicorp/raft with raft-boltdb, in one run:
// three members each in a single process, over TCP on the loopback, with data on a single disk.
//
//	go run . -dir /var/tmp -seconds 3 -rounds 3
//
// Both take turns, and so share the load of the machine. A write is 100 bytes, durable on
// a majority and applied. A read is linearizable. The table has the median of the rounds.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// service is a group of three members under test.
type service interface {
	name() string
	write(data []byte) error // at the leader
	writeFollower(data []byte) error
	read() error   // at the leader
	verify() error // the leader asks whether it still leads
	readFollower() error
	close()
}

type result struct {
	perSecond float64
	p50, p99  time.Duration
}

// measure calls f from so many goroutines for a while.
func measure(callers int, long time.Duration, f func() error) (result, error) {
	var mu sync.Mutex
	var all []time.Duration
	var failed error
	var group sync.WaitGroup
	begin := time.Now()
	for range callers {
		group.Go(func() {
			var took []time.Duration
			for time.Since(begin) < long {
				at := time.Now()
				if err := f(); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				took = append(took, time.Since(at))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	group.Wait()
	if failed != nil {
		return result{}, failed
	}
	seconds := time.Since(begin).Seconds()
	slices.Sort(all)
	return result{float64(len(all)) / seconds, all[len(all)/2], all[len(all)*99/100]}, nil
}

// workload is a row of the table.
type workload struct {
	what    string
	callers int
	do      func(s service, data []byte) error
}

var workloads = []workload{
	{"write, leader", 1, service.write},
	{"write, leader", 16, service.write},
	{"write, leader", 64, service.write},
	{"write, follower", 1, service.writeFollower},
	{"write, follower", 64, service.writeFollower},
	{"read, leader", 1, func(s service, _ []byte) error { return s.read() }},
	{"read, leader", 64, func(s service, _ []byte) error { return s.read() }},
	{"against VerifyLeader", 1, func(s service, _ []byte) error { return s.verify() }},
	{"against VerifyLeader", 64, func(s service, _ []byte) error { return s.verify() }},
	{"read, follower", 1, func(s service, _ []byte) error { return s.readFollower() }},
	{"read, follower", 64, func(s service, _ []byte) error { return s.readFollower() }},
}

func main() {
	dir := flag.String("dir", os.TempDir(), "where the data go: on the disk to be measured")
	seconds := flag.Float64("seconds", 3, "of each measurement")
	rounds := flag.Int("rounds", 3, "of all measurements; the table has medians")
	flag.Parse()
	if err := run(*dir, time.Duration(*seconds*float64(time.Second)), *rounds); err != nil {
		log.Fatal(err)
	}
}

func run(dir string, long time.Duration, rounds int) error {
	data := make([]byte, 100)
	found := map[string]map[int][]result{}
	for range rounds {
		for _, open := range []func(string) (service, error){openRaftcore, openHashicorp} {
			place, err := os.MkdirTemp(dir, "go-host-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(place)
			s, err := open(place)
			if err != nil {
				return err
			}
			if found[s.name()] == nil {
				found[s.name()] = map[int][]result{}
			}
			for i, w := range workloads {
				runtime.GC()
				r, err := measure(w.callers, long, func() error { return w.do(s, data) })
				if err == errNone {
					continue
				}
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name(), w.what, err)
				}
				found[s.name()][i] = append(found[s.name()][i], r)
			}
			s.close()
		}
	}
	print(found)
	return nil
}

func print(found map[string]map[int][]result) {
	ours, theirs := found["raftcore"], found["hashicorp"]
	fmt.Println("| | callers | raftcore /s | p50 | p99 | hashicorp /s | p50 | p99 | ratio |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for i, w := range workloads {
		a, row := median(ours[i]), ""
		if b := median(theirs[i]); b.perSecond > 0 {
			row = fmt.Sprintf("%.0f | %s | %s | %.1f", b.perSecond, short(b.p50), short(b.p99), a.perSecond/b.perSecond)
		} else {
			row = "none | | |"
		}
		fmt.Printf("| %s | %d | %.0f | %s | %s | %s |\n", w.what, w.callers, a.perSecond, short(a.p50), short(a.p99), row)
	}
}

func median(list []result) result {
	if len(list) == 0 {
		return result{}
	}
	slices.SortFunc(list, func(a, b result) int { return int(a.perSecond - b.perSecond) })
	return list[len(list)/2]
}

func short(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
