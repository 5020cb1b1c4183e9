package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// process is one kv process; it may be killed and started again on the same file.
type process struct {
	args []string
	url  string
	cmd  *exec.Cmd
}

func (p *process) start(t *testing.T) {
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// cluster builds the program and starts three processes.
func cluster(t *testing.T, options ...string) []*process {
	dir := t.TempDir()
	program := filepath.Join(dir, "kv")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ports := freePorts(t, 6)
	peers := fmt.Sprintf("1=%s,2=%s,3=%s", ports[0], ports[1], ports[2])
	var all []*process
	for i := range 3 {
		p := &process{url: "http://" + ports[3+i], args: append([]string{program, "-id", fmt.Sprint(i + 1), "-peers", peers,
			"-http", ports[3+i], "-data", filepath.Join(dir, fmt.Sprintf("%d.db", i+1)), "-tick", "20ms"}, options...)}
		p.start(t)
		all = append(all, p)
	}
	t.Cleanup(func() {
		for _, p := range all {
			p.kill()
		}
	})
	return all
}

// Addresses that nobody has, their ports below those that connections take: one of these could be taken before its server starts.
func freePorts(t *testing.T, n int) (addresses []string) {
	for tries := 0; len(addresses) < n; tries++ {
		if tries == 1000 {
			t.Fatal("no free ports")
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.IntN(22000)))
		if err != nil {
			continue
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

var client = &http.Client{Timeout: 10 * time.Second}

// request asks one node; code 0: no answer.
func request(method, url, body string) (code int, text string) {
	r, _ := http.NewRequest(method, url, strings.NewReader(body))
	resp, err := client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(b)
}

// retry asks any node until one answers with something that is not "try again".
func retry(t *testing.T, nodes []*process, method, key, body string) (code int, text string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		code, text = request(method, nodes[rand.IntN(len(nodes))].url+"/kv/"+key, body)
		if code == 200 || code == 204 || code == 404 {
			return code, text
		}
	}
	t.Errorf("%s %s: %d %s", method, key, code, text)
	return 0, ""
}

func stateOf(p *process) (s status) {
	if code, text := request("GET", p.url+"/status", ""); code == 200 {
		json.Unmarshal([]byte(text), &s)
	}
	return s
}

// Clients write under one key after the other and read each write back by another node at once, while nodes are killed with -9, the
// leader among them, and started again. In the end all are killed, and every acknowledged write is read from each of them.
func Test_no_acknowledged_write_is_lost(t *testing.T) {
	nodes := cluster(t, "-keep", "100")
	acks := make(chan string, 10000)
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("%d-%d", w, i)
				if code, _ := retry(t, nodes, "PUT", key, "value of "+key); code != 204 {
					return
				}
				if code, text := retry(t, nodes, "GET", key, ""); code != 200 || text != "value of "+key {
					t.Errorf("%s was acknowledged, and reads as %d %q", key, code, text)
				}
				acks <- key
			}
		}()
	}
	var acknowledged []string
	await := func(n int) {
		t.Helper()
		for range n {
			select {
			case key := <-acks:
				acknowledged = append(acknowledged, key)
			case <-time.After(time.Minute):
				t.Fatal("no progress for a minute")
			}
		}
	}

	for round := range 6 {
		await(60)
		victim := nodes[round%3]
		if leader := stateOf(nodes[0]).Leader; round%2 == 0 && leader != 0 {
			victim = nodes[leader-1]
		}
		victim.kill()
		await(60)
		victim.start(t)
	}
	// A node that was away for longer than the log is kept comes back by snapshot.
	nodes[2].kill()
	await(400)
	nodes[2].start(t)
	for end := time.Now().Add(time.Minute); stateOf(nodes[2]).Snapshots == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("node 3 got no snapshot: %+v; node 1: %+v", stateOf(nodes[2]), stateOf(nodes[0]))
		}
	}
	close(stop)
	writers.Wait()
	close(acks)
	for key := range acks {
		acknowledged = append(acknowledged, key)
	}
	for _, p := range nodes {
		p.kill()
	}
	for _, p := range nodes {
		p.start(t)
	}

	for i := range nodes {
		for _, key := range acknowledged {
			if code, text := retry(t, nodes[i:i+1], "GET", key, ""); code != 200 || text != "value of "+key {
				t.Errorf("node %d: %s reads as %d %q", i+1, key, code, text)
			}
		}
	}
	t.Logf("%d acknowledged writes, read from each node", len(acknowledged))
}
