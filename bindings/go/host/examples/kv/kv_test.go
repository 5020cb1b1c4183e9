// Three processes, killed with -9 while clients write: every acknowledged write is there afterwards.
package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"raftcore.example/go/host/internal/ports"
)

// process is a kv process. Tests kill and restart the process.
type process struct {
	args []string
	url  string
	peer string
	dir  string
	cmd  *exec.Cmd
	log  lines
}

type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "kv")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func (p *process) start(t *testing.T, options ...string) {
	p.cmd = exec.Command(program, append(p.args, options...)...)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func prepare(t *testing.T, n int) (all []*process) {
	dir := t.TempDir()
	for i := range n {
		p := &process{peer: ports.Free(), dir: filepath.Join(dir, fmt.Sprint(i+1))}
		web := ports.Free()
		p.url = "http://" + web
		p.args = []string{"-id", fmt.Sprint(i + 1), "-dir", p.dir, "-peer", p.peer, "-http", web, "-snapshot", "65536"}
		all = append(all, p)
	}
	t.Cleanup(func() {
		for i, p := range all {
			if p.cmd != nil {
				p.kill()
			}
			if t.Failed() {
				t.Logf("log of %d\n%s", i+1, &p.log)
			}
		}
	})
	return all
}

// cluster starts a group of n.
func cluster(t *testing.T, n int) []*process {
	all := prepare(t, n)
	for i, p := range all {
		if i == 0 {
			p.start(t, "-found")
		} else {
			p.start(t, "-join", all[0].peer)
		}
		p.must(t, "PUT", "/kv/hello", "1")
	}
	wait(t, "all vote", func() bool {
		_, body, _ := all[0].do("GET", "/members", "")
		return strings.Count(body, `"Voter":true`) == n
	})
	return all
}

var client = &http.Client{Timeout: 5 * time.Second}

func (p *process) do(method, path, body string) (int, string, error) {
	request, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// must repeats a request until success.
func (p *process) must(t *testing.T, method, path, body string) (text string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		code, text, err := p.do(method, path, body)
		if err == nil && code == 200 {
			return text
		}
		last = fmt.Sprint(code, text, err)
		if time.Now().After(end) {
			t.Fatalf("%s %s %s: %s", method, p.url, path, last)
		}
	}
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestKill(t *testing.T) {
	all := cluster(t, 3)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	type register struct {
		acknowledged, tried int
	}
	registers := make([]register, 12)
	for i := range registers {
		spawn(&writers, func() {
			r := &registers[i]
			for {
				select {
				case <-stop:
					return
				default:
				}
				r.tried++
				code, _, err := all[(i+r.tried)%3].do("PUT", fmt.Sprintf("/kv/k%d", i), fmt.Sprint(r.tried))
				if err == nil && code == 200 {
					r.acknowledged = r.tried
				} else {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for round := range 6 {
		time.Sleep(700 * time.Millisecond)
		victims := []*process{all[rand.IntN(3)]}
		if round == 3 {
			victims = all
		}
		for _, p := range victims {
			p.kill()
		}
		time.Sleep(200 * time.Millisecond)
		for _, p := range victims {
			p.start(t)
		}
	}
	time.Sleep(500 * time.Millisecond)
	close(stop)
	writers.Wait()
	sum := 0
	for i, r := range registers {
		for _, p := range all {
			value := 0
			fmt.Sscan(p.must(t, "GET", fmt.Sprintf("/kv/k%d", i), ""), &value)
			// An attempt without an answer may have been done, the last one even late.
			if value < r.acknowledged || value > r.tried {
				t.Errorf("k%d is %d on %s: %d was acknowledged, %d tried", i, value, p.url, r.acknowledged, r.tried)
			}
		}
		sum += r.acknowledged
	}
	if sum < 200 {
		t.Errorf("only %d writes", sum)
	}
	t.Logf("%d writes", sum)
}

// TestRefusals has the faults of bugs/go-kv-*: a second process on a directory, a directory of
// another member, requests that no machine can apply, rot in the log.
func TestRefusals(t *testing.T) {
	all := cluster(t, 3)
	long := strings.Repeat("k", 33000)
	for _, path := range []string{"/kv/", "/kv/" + long, "/kv/%ff%00"} {
		all[1].must(t, "PUT", path, "v")
	}
	if code, _, err := all[1].do("PUT", "/kv/big", strings.Repeat("v", 1<<20+1)); err != nil || code != 400 {
		t.Errorf("%d, %v", code, err)
	}
	run := func(args ...string) string {
		out, err := exec.Command(program, args...).CombinedOutput()
		if err == nil {
			t.Errorf("%v: it ran", args)
		}
		return string(out)
	}
	arguments := func(p *process) []string {
		return append(append([]string{}, p.args...), "-peer", ports.Free(), "-http", ports.Free())
	}
	if out := run(arguments(all[2])...); !strings.Contains(out, "in use") {
		t.Error(out)
	}
	if out := run(append(arguments(all[0]), "-found")...); !strings.Contains(out, "in use") {
		t.Error(out)
	}
	all[2].kill()
	if out := run(append(arguments(all[2]), "-id", "2")...); !strings.Contains(out, "is of member 3 of group 1, not of member 2") {
		t.Error(out)
	}
	all[2].start(t)

	// Bytes of a committed entry rot on one disk: the member says so, and the group goes on.
	all[0].must(t, "PUT", "/kv/marker", "MARKERVALUE")
	all[2].must(t, "GET", "/kv/marker", "")
	all[0].must(t, "PUT", "/kv/later", "1")
	all[2].must(t, "GET", "/kv/later", "")
	time.Sleep(300 * time.Millisecond) // idle: the mark
	all[2].kill()
	rotten := 0
	names, err := filepath.Glob(all[2].dir + "/log-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("MARKERVALUE")) {
			rotten++
			if err := os.WriteFile(name, bytes.ReplaceAll(b, []byte("MARKERVALUE"), []byte("CORRUPTED!!")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out := run(all[2].args...); rotten == 0 || !strings.Contains(out, "damaged") || !strings.Contains(out, "add a member with a new id") {
		t.Error(rotten, out)
	}
	if v := all[1].must(t, "GET", "/kv/marker", ""); v != "MARKERVALUE" {
		t.Errorf("%q", v)
	}
	for _, p := range all[:2] { // a whole start again, poison and all
		p.kill()
		p.start(t)
	}
	all[1].must(t, "PUT", "/kv/good", "1")
}

// spawn runs a function that the group waits for: Go 1.24 has no WaitGroup.Go.
func spawn(group *sync.WaitGroup, work func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		work()
	}()
}
