package main

// etcd on raftcore beside stock etcd: interleaved passes, and the medians.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	valueBytes  = 256
	connections = 8
	ticksPerSec = 100 // of /proc: USER_HZ
)

// figure is the result of a pass with a number of clients.
type figure struct {
	rate     float64 // calls a second
	p50, p99 time.Duration
	cpu      time.Duration // of all members, a call
}

// sheet has the figures of all passes: program, kind of call and clients.
type sheet map[string][]figure

func key(program, call string, clients int) string {
	return fmt.Sprintf("%s %s %d", program, call, clients)
}

// bench runs passes in turn, so that a slow minute of the machine falls on the two programs alike.
func bench(passes int, clients []int) error {
	all, shares := sheet{}, map[string]share{}
	for pass := range passes {
		programs := []string{"raftcore", "stock"}
		if pass%2 == 1 {
			slices.Reverse(programs)
		}
		for _, program := range programs {
			if err := benchPass(program, clients, all, shares); err != nil {
				return fmt.Errorf("%s: %w", program, err)
			}
		}
		fmt.Fprintf(os.Stderr, "pass %d of %d\n", pass+1, passes)
	}
	report(clients, all, shares)
	return nil
}

func benchPass(program string, clients []int, all sheet, shares map[string]share) error {
	s := &stage{dir: filepath.Join(*workDir, "bench")}
	_, err := s.play(func(s *stage) (string, error) {
		c, err := s.newCluster([]string{"--enable-pprof"}, program, program, program)
		if err != nil {
			return "", err
		}
		if err := c.start(); err != nil {
			return "", err
		}
		leader, err := c.leader()
		if err != nil {
			return "", err
		}
		for _, n := range clients {
			for _, call := range []string{"put", "range"} {
				var profile chan share
				if call == "put" && n == clients[len(clients)-1] {
					profile = make(chan share, 1)
					go func() { profile <- raftShare(leader, program) }()
				}
				f, err := measure(c, leader, call, n)
				if err != nil {
					return "", err
				}
				all[key(program, call, n)] = append(all[key(program, call, n)], f)
				if profile != nil {
					one, sum := <-profile, shares[program]
					shares[program] = share{sum.raft + one.raft, sum.all + one.all}
				}
			}
		}
		return "", nil
	})
	return err
}

// measure lets clients call the leader for a while.
func measure(c *cluster, leader *process, call string, clients int) (figure, error) {
	var conns []*clientv3.Client
	for range min(connections, clients) {
		cli, err := connect(leader.client)
		if err != nil {
			return figure{}, err
		}
		defer cli.Close()
		conns = append(conns, cli)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*seconds*float64(time.Second)))
	defer cancel()
	value := strings.Repeat("v", valueBytes)
	var mu sync.Mutex
	var times []time.Duration
	var group sync.WaitGroup
	before, begin := c.cpu(), time.Now()
	for n := range clients {
		group.Go(func() {
			var own []time.Duration
			for i := 0; ctx.Err() == nil; i++ {
				at := time.Now()
				var err error
				if call == "put" {
					_, err = conns[n%len(conns)].Put(ctx, fmt.Sprintf("bench/%d/%d", n, i%1000), value)
				} else {
					_, err = conns[n%len(conns)].Get(ctx, fmt.Sprintf("bench/%d/%d", n, i%10))
				}
				if err == nil {
					own = append(own, time.Since(at))
				}
			}
			mu.Lock()
			times = append(times, own...)
			mu.Unlock()
		})
	}
	group.Wait()
	took, used := time.Since(begin), c.cpu()-before
	if len(times) == 0 {
		return figure{}, fmt.Errorf("no %s succeeded", call)
	}
	slices.Sort(times)
	return figure{float64(len(times)) / took.Seconds(), times[len(times)/2], times[len(times)*99/100], used / time.Duration(len(times))}, nil
}

// cpu returns the processor time of all members.
func (c *cluster) cpu() (all time.Duration) {
	for _, p := range c.members {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ") // behind the name
		fields := strings.Fields(rest)
		for _, at := range []int{11, 12} { // utime, stime
			n, _ := strconv.Atoi(fields[at])
			all += time.Duration(n) * time.Second / ticksPerSec
		}
	}
	return all
}

// share is the processor time of the raft package, and that of the whole member.
type share struct{ raft, all time.Duration }

func (s share) percent() float64 { return 100 * float64(s.raft) / float64(max(s.all, 1)) }

// raftShare takes a profile of a member while clients put. Without one, the share is zero.
func raftShare(p *process, program string) (s share) {
	answer, err := http.Get(fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", p.client, max(int(*seconds), 1)))
	if err != nil {
		return s
	}
	defer answer.Body.Close()
	file := filepath.Join(*workDir, program+".pprof")
	out, err := os.Create(file)
	if err != nil {
		return s
	}
	_, err = io.Copy(out, answer.Body)
	if out.Close() != nil || err != nil {
		return s
	}
	text, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0",
		"-focus", `go\.etcd\.io/raft/v3\.`, file).Output()
	if err != nil {
		return s
	}
	if found := inFocus.FindSubmatch(text); found != nil {
		s.raft, _ = time.ParseDuration(string(found[1]))
		s.all, _ = time.ParseDuration(string(found[2]))
	}
	return s
}

var inFocus = regexp.MustCompile(`Showing nodes accounting for ([^,]*), [0-9.]+% of (\S+) total`)

func median[T float64 | time.Duration](list []T) T {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

func report(clients []int, all sheet, shares map[string]share) {
	fmt.Printf("| | clients | calls/s | stock | ratio | p50 | stock | p99 | stock | CPU a call | stock | ratio |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, call := range []string{"put", "range"} {
		for _, n := range clients {
			ours, stock := all[key("raftcore", call, n)], all[key("stock", call, n)]
			rate := [2]float64{median(each(ours, rateOf)), median(each(stock, rateOf))}
			cpu := [2]time.Duration{median(each(ours, cpuOf)), median(each(stock, cpuOf))}
			fmt.Printf("| %s | %d | %.0f | %.0f | %.2f | %s | %s | %s | %s | %.0f us | %.0f us | %.2f |\n", call, n, rate[0], rate[1], rate[0]/rate[1],
				short(median(each(ours, p50Of))), short(median(each(stock, p50Of))), short(median(each(ours, p99Of))), short(median(each(stock, p99Of))),
				float64(cpu[0])/1e3, float64(cpu[1])/1e3, float64(cpu[0])/float64(cpu[1]))
		}
	}
	fmt.Printf("\nshare of the raft package in the leader's processor time, %d clients that put: %.1f %%, stock %.1f %%\n",
		clients[len(clients)-1], shares["raftcore"].percent(), shares["stock"].percent())
}

func rateOf(f figure) float64      { return f.rate }
func cpuOf(f figure) time.Duration { return f.cpu }
func p50Of(f figure) time.Duration { return f.p50 }
func p99Of(f figure) time.Duration { return f.p99 }

func each[T any](list []figure, of func(figure) T) (out []T) {
	for _, f := range list {
		out = append(out, of(f))
	}
	return out
}

func short(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
