// Command etcd runs etcd on raftcore, and beside stock etcd, and checks what clients see.
//
//	etcd [-bin DIR] [-work DIR] [-seconds N] [SCENARIO…]
//	etcd [-bin DIR] [-work DIR] [-seconds N] -bench PASSES
//
// DIR has the programs: raftcore/etcd, stock/{etcd,etcdctl,etcdutl}, old/etcd. Without arguments all
// scenarios run. `make etcd` builds the programs and runs the scenarios. See README.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	bin     = flag.String("bin", "../../target/etcd/bin", "folder of the programs")
	workDir = flag.String("work", "../../target/etcd/work", "folder for data and logs")
	seconds = flag.Float64("seconds", 2, "seconds of load in each step of a scenario")
	passes  = flag.Int("bench", 0, "passes of a comparison of raftcore with stock, in place of scenarios")
)

// scenario is a story about a cluster. run returns the result in a few words.
type scenario struct {
	name, about string
	steps       int
	run         func(s *stage) (string, error)
}

var scenarios = []scenario{
	{"one", "one member on raftcore, killed with -9", 3, one},
	{"three", "three members on raftcore, each killed with -9 in turn", 5, func(s *stage) (string, error) {
		return kills(s, "raftcore", "raftcore", "raftcore")
	}},
	{"beside-3.7", "one on raftcore beside two of stock etcd 3.7.3", 5, func(s *stage) (string, error) {
		return kills(s, "raftcore", "stock", "stock")
	}},
	{"beside-3.6", "one on raftcore beside two of stock etcd 3.6.16", 5, func(s *stage) (string, error) {
		return kills(s, "raftcore", "old", "old")
	}},
	{"rolling", "stock to raftcore and back on the same data directories, killed with -9 under load", 8, rolling},
	{"laggard", "a member that comes back long after its log was compacted", 4, laggard},
	{"large", "values of 10 MB, and a member that missed them", 3, large},
	{"watchers", "a thousand watchers on each member, each member killed with -9", 4, watchers},
	{"members", "a learner added, promoted, made leader; another member removed", 6, members},
	{"restore", "a snapshot saved, and restored into a new cluster", 4, restore},
	{"linear", "reads, writes and swaps on three of raftcore that are killed, paused and cut off", 7, func(s *stage) (string, error) {
		return linear(s, "raftcore", "raftcore", "raftcore")
	}},
	{"linear-mix", "the same on one of raftcore and two of stock", 7, func(s *stage) (string, error) {
		return linear(s, "raftcore", "stock", "stock")
	}},
	{"alone", "--force-new-cluster on what a lost majority left", 4, alone},
}

func main() {
	flag.Parse()
	if *passes > 0 {
		if err := bench(*passes, []int{1, 16, 64, 256}); err != nil {
			fmt.Println("the comparison failed:", err)
			os.Exit(1)
		}
		return
	}
	chosen := flag.Args()
	failed := 0
	begin := time.Now()
	for _, sc := range scenarios {
		if len(chosen) > 0 && !contains(chosen, sc.name) {
			continue
		}
		if !tell(sc) {
			failed++
		}
	}
	if failed > 0 {
		fmt.Printf("%d scenarios failed; data and logs are in %s\n", failed, *workDir)
		os.Exit(1)
	}
	fmt.Printf("%-11s all is well, %.0f s\n", "etcd", time.Since(begin).Seconds())
}

func contains(list []string, word string) bool {
	for _, one := range list {
		if one == word {
			return true
		}
	}
	return false
}

// tell runs a scenario, with a bar while it runs and a line at its end.
func tell(sc scenario) bool {
	s := &stage{steps: sc.steps, name: sc.name, about: sc.about, dir: filepath.Join(*workDir, sc.name)}
	begin := time.Now()
	seen, err := s.play(sc.run)
	s.clearBar()
	if err != nil {
		fmt.Printf("%-11s FAILED after %.0f s: %s\n            %v\n", sc.name, time.Since(begin).Seconds(), sc.about, err)
		return false
	}
	fmt.Printf("%-11s ok %4.0f s  %s: %s\n", sc.name, time.Since(begin).Seconds(), sc.about, seen)
	return true
}

// stage is where a scenario plays: a folder, clusters, and the bar.
type stage struct {
	name, about string
	dir         string
	steps, done int
	clusters    []*cluster
}

func (s *stage) play(run func(s *stage) (string, error)) (seen string, err error) {
	if err := os.RemoveAll(s.dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return "", err
	}
	defer func() {
		for _, c := range s.clusters {
			c.stop()
		}
	}()
	s.bar()
	return run(s)
}

// step moves the bar.
func (s *stage) step() {
	s.done++
	s.bar()
}

func (s *stage) bar() {
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	const width = 24
	full := min(width*s.done/max(s.steps, 1), width)
	fmt.Printf("\r%-11s [%s%s] %s", s.name, strings.Repeat("#", full), strings.Repeat(".", width-full), s.about)
}

func (s *stage) clearBar() {
	if info, err := os.Stdout.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Print("\r\x1b[K")
	}
}
