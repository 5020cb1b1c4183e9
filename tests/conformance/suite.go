package conformance

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// A Suite is the outcome of all scripts in a folder of etcd's module.
type Suite struct {
	Name   string `json:"name"`
	Cases  int    `json:"cases"`
	Passed int    `json:"passed"`
	Files  []File `json:"files"`
}

// A File is the outcome of one script. Its cases build on each other, so after the first mismatch the others say little.
type File struct {
	Name   string `json:"name"`
	Cases  int    `json:"cases"`
	Passed int    `json:"passed"`
}

// A script runs the cases of one file in turn; close ends it.
type script struct {
	run   func(*datadriven.TestData) string
	close func()
}

// folder finds a folder of the etcd raft that go.mod names, in the module cache.
func folder(path string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.etcd.io/raft/v3").Output()
	if err != nil {
		return "", fmt.Errorf("go list -m go.etcd.io/raft/v3: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), filepath.FromSlash(path)), nil
}

// runSuite runs each script of a folder as a subtest.
func runSuite(t *testing.T, name, path string, begin func() script) *Suite {
	dir, err := folder(path)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	suite := &Suite{Name: name}
	for _, p := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(p), ".txt"), func(t *testing.T) {
			f := runFile(t, p, begin())
			suite.Files = append(suite.Files, f)
			suite.Cases += f.Cases
			suite.Passed += f.Passed
		})
	}
	return suite
}

// runFile runs one script to its end and reports its mismatches, the first ones in full.
func runFile(t *testing.T, path string, s script) File {
	const inFull = 2
	f := File{Name: filepath.Base(path)}
	var mismatches []string
	defer s.close()
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		if d.Rewrite {
			t.Fatal("the scripts are etcd's: there is nothing to rewrite")
		}
		f.Cases++
		expected, got := withoutLog(d.Expected), withoutLog(s.run(d))
		if expected == got {
			f.Passed++
		} else {
			mismatches = append(mismatches, fmt.Sprintf("%s: %s\nexpected:\n%sgot:\n%s", d.Pos, line(d), expected, got))
		}
		return d.Expected // compared above: datadriven itself knows nothing of logger lines
	})
	for i, m := range mismatches {
		if i < inFull || testing.Verbose() {
			t.Error(m)
		}
	}
	if len(mismatches) != 0 {
		t.Errorf("%s: %d of %d cases passed", f.Name, f.Passed, f.Cases)
	} else {
		t.Logf("%s: %d cases passed", f.Name, f.Passed)
	}
	return f
}

// line is a case's command line and input, for a reader.
func line(d *datadriven.TestData) string {
	s := d.Cmd
	for _, arg := range d.CmdArgs {
		s += " " + arg.String()
	}
	if d.Input != "" {
		s += "\n" + d.Input
	}
	return s
}

var logLine = regexp.MustCompile(`^\s*(DEBUG|INFO|WARN|ERROR|FATAL) `)

// withoutLog drops the lines of etcd's logger. What is left empty is what a case prints that has nothing to say: ok.
func withoutLog(text string) string {
	var kept strings.Builder
	for l := range strings.Lines(text) {
		if !logLine.MatchString(l) {
			kept.WriteString(strings.TrimSuffix(l, "\n") + "\n")
		}
	}
	if kept.Len() == 0 {
		return "ok\n"
	}
	return kept.String()
}
