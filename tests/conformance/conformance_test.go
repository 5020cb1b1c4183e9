package conformance

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var (
	reportPath = flag.String("report", "", "write the outcome of the tests to this file, as JSON")
	suites     []*Suite
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Scripts are long: print mismatches, not each case.
	if err := flag.Set("datadriven-quiet", "true"); err != nil {
		panic(err)
	}
	code := m.Run()
	if *reportPath != "" {
		text, err := json.MarshalIndent(map[string]any{"suites": suites, "lockstep": lockstep, "mixed": mixed}, "", "  ")
		if err == nil {
			err = os.WriteFile(*reportPath, append(text, '\n'), 0o644)
		}
		if err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// suite runs a suite, keeps its outcome for the report, and holds it to its known size.
func suite(t *testing.T, name, path string, files, cases int, begin func() script) {
	s := runSuite(t, name, path, begin)
	suites = append(suites, s)
	t.Logf("%s: %d cases in %d files, %d passed", name, s.Cases, len(s.Files), s.Passed)
	if strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return // only some files were asked for
	}
	if len(s.Files) != files || s.Cases != cases {
		t.Errorf("%s has %d cases in %d files, there should be %d in %d", name, s.Cases, len(s.Files), cases, files)
	}
}

func TestInteraction(t *testing.T) {
	suite(t, "interaction", "testdata", 28, 558, func() script {
		c := &cluster{}
		return script{run: c.run, close: c.close}
	})
}

func TestLoggerLinesAreDropped(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"nothing left", "INFO 1 became follower\n", "ok\n"},
		{"indented", "> 1 receiving messages\n  DEBUG x\n  1->2 MsgApp\n", "> 1 receiving messages\n  1->2 MsgApp\n"},
		{"not a logger line", "INFORMATION\nx INFO y\n", "INFORMATION\nx INFO y\n"},
		{"no end of line", "raft proposal dropped", "raft proposal dropped\n"},
	} {
		if got := withoutLog(c.in); got != c.out {
			t.Errorf("%s: got %q, want %q", c.name, got, c.out)
		}
	}
}
