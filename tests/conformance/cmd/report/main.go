// Command report runs etcd's suites and says how many cases raftcore passes: a table for readers, JSON for other programs.
//
// Run it in tests/conformance. It fails unless each suite ran and passed as a whole.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

type outcome struct {
	Name   string          `json:"name"`
	Cases  int             `json:"cases"`
	Passed int             `json:"passed"`
	Files  json.RawMessage `json:"files"`
}

type report struct {
	Suites   []outcome       `json:"suites"`
	Cases    int             `json:"cases"`
	Passed   int             `json:"passed"`
	Lockstep json.RawMessage `json:"lockstep"`
	Mixed    json.RawMessage `json:"mixed"`
}

// A part is what one run of the tests leaves.
type part struct {
	Suites          []outcome
	Lockstep, Mixed json.RawMessage
}

func main() {
	out := flag.String("o", "../../target/report/conformance.json", "where the JSON goes")
	steps := flag.Int("steps", 0, "also run lock-step, for at least so many steps, and the mixed clusters")
	hooks := flag.Bool("hooks", false, "also run the suites that need the library built for tests")
	flag.Parse()

	path, err := filepath.Abs(*out)
	if err != nil {
		fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		fail(err)
	}
	// The interaction suite always runs on the released library, the others on the one that exports their parts.
	runs := [][]string{{"-run", "^(TestInteraction|TestOnly|TestLogger)"}}
	if *hooks {
		runs = append(runs, []string{"-tags", "hooks", "-run", "^(TestConfChange|TestQuorum)$"})
	}
	if *steps != 0 {
		if err := os.Setenv("LOCKSTEP_STEPS", fmt.Sprint(*steps)); err != nil {
			fail(err)
		}
		runs = append(runs, []string{"-v", "-timeout", "2h", "-run", "^(TestLockstep|TestMixed|TestR10)"})
	}
	var r report
	ok := true
	for _, args := range runs {
		p, passed, err := run(args, path+".part")
		if err != nil {
			fail(err)
		}
		ok = ok && passed
		r.Suites = append(r.Suites, p.Suites...)
		if *steps != 0 {
			r.Lockstep, r.Mixed = p.Lockstep, p.Mixed
		}
	}
	fmt.Printf("%-14s %6s %7s\n", "suite", "cases", "passed")
	for _, s := range r.Suites {
		fmt.Printf("%-14s %6d %7d\n", s.Name, s.Cases, s.Passed)
		r.Cases += s.Cases
		r.Passed += s.Passed
	}
	fmt.Printf("%-14s %6d %7d\n", "all", r.Cases, r.Passed)
	if *steps != 0 {
		var l, m struct {
			Steps, Mismatches, Runs, Failed int
			Exercised                       map[string]int
		}
		if json.Unmarshal(r.Lockstep, &l) == nil && json.Unmarshal(r.Mixed, &m) == nil {
			fmt.Printf("%-14s %d steps, %d mismatches\n", "lock-step", l.Steps, l.Mismatches)
			exercised(l.Exercised)
			fmt.Printf("%-14s %d runs, %d failed\n", "mixed", m.Runs, m.Failed)
			exercised(m.Exercised)
		}
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		fail(err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		fail(err)
	}
	if !ok || r.Cases == 0 || r.Passed != r.Cases {
		os.Exit(1)
	}
}

func exercised(counts map[string]int) {
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%14d %s\n", counts[what], what)
	}
}

// run runs some of the tests and reads what they say of their suites, also if cases failed.
func run(args []string, file string) (p part, passed bool, err error) {
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return p, false, err
	}
	cmd := exec.Command("go", append(append([]string{"test", "-count=1"}, args...), ".", "-report="+file)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	passed = cmd.Run() == nil
	text, err := os.ReadFile(file)
	if err != nil {
		return p, false, fmt.Errorf("the tests left no report: %w", err)
	}
	if err := os.Remove(file); err != nil {
		return p, false, err
	}
	return p, passed, json.Unmarshal(text, &p)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "report:", err)
	os.Exit(2)
}
