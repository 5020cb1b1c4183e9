package host_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"raftcore.example/go/host/internal/ports"
)

// TestPage builds the program of docs/go.md, runs its commands in one shell, and compares the
// output with the page, on free ports.
func TestPage(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "make", "cargo"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing, and with CI=true nothing is skipped", tool)
			}
			t.Skipf("skipped: docs/go.md needs %s", tool)
		}
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(root + "/docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]string{}
	page := regexp.MustCompile(`127\.0\.0\.1:[78]00\d`).ReplaceAllStringFunc(string(text), func(at string) string {
		if drawn[at] == "" {
			drawn[at] = ports.Free()
		}
		return drawn[at]
	})
	blocks := strings.Split(page, "```")
	shell := exec.Command("bash")
	shell.Dir = t.TempDir()
	shell.Env = append(os.Environ(), "RAFTCORE="+root, "GOFLAGS=-mod=mod")
	shell.Stderr = os.Stderr
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		fmt.Fprintln(in, "kill -9 $(jobs -p)") // processes of the page
		in.Close()
		shell.Wait()
	})
	lines := bufio.NewReader(out)
	commands := 0
	for i := 1; i < len(blocks); i += 2 {
		kind, body, _ := strings.Cut(blocks[i], "\n")
		switch kind {
		case "go":
			if err := os.WriteFile(shell.Dir+"/votes/main.go", []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		case "console":
			for _, part := range strings.Split("\n"+body, "\n$ ")[1:] {
				command, want, _ := strings.Cut(part, "\n")
				fmt.Fprintf(in, "%s\necho == $?\n", command)
				got := ""
				for !strings.HasPrefix(got, "== ") && !strings.Contains(got, "\n== ") {
					line, err := lines.ReadString('\n')
					if err != nil {
						t.Fatalf("%s: %v", command, err)
					}
					got += line
				}
				got, status, _ := strings.Cut("\n"+got, "\n== ")
				if strings.TrimSpace(got) != strings.TrimSpace(want) || status != "0\n" {
					t.Fatalf("$ %s\n%s\nstatus %s, the page says\n%s", command, got, status, want)
				}
				commands++
			}
		}
	}
	if commands < 35 {
		t.Errorf("%d commands", commands)
	}
}
