package main

import (
	"bytes"
	"encoding/json"
	"errors"
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

	bolt "go.etcd.io/bbolt"
	raftcore "raftcore.example/go"
)

// process is a kv process. Tests kill it, and start it again on the same file.
type process struct {
	args []string
	data string
	url  string
	raft string
	cmd  *exec.Cmd
	log  *lines
}

// lines is what a process writes to its log.
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

func (p *process) start(t *testing.T, options ...string) {
	p.cmd = exec.Command(p.args[0], append(p.args[1:len(p.args):len(p.args)], options...)...)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "kv")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kv")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, out)
	}
	return path, err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// prepare prepares processes 1 to n; the first three are to found a group.
func prepare(t *testing.T, n int, options ...string) (all []*process) {
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ports := freePorts(t, 2*n)
	peers := ""
	for i := range n {
		at := fmt.Sprintf("%d=%s/%s", i+1, ports[2*i], ports[2*i+1])
		list := peers + "," + at
		if i < 3 {
			list = fmt.Sprintf("1=%s/%s,2=%s/%s,3=%s/%s", ports[0], ports[1], ports[2], ports[3], ports[4], ports[5])
			peers = list
		}
		data := filepath.Join(dir, fmt.Sprintf("%d.db", i+1))
		all = append(all, &process{url: "http://" + ports[2*i+1], raft: ports[2*i], data: data, log: &lines{}, args: append(
			[]string{path, "-id", fmt.Sprint(i + 1), "-peers", list, "-data", data, "-tick", "20ms"}, options...)})
	}
	t.Cleanup(func() {
		for _, p := range all {
			if p.cmd != nil {
				p.kill()
			}
			if t.Failed() {
				t.Logf("log of %s\n%s", filepath.Base(p.data), p.log)
			}
		}
	})
	return all
}

// cluster founds a group of three processes.
func cluster(t *testing.T, options ...string) []*process {
	all := prepare(t, 3, options...)
	for _, p := range all {
		p.start(t, "-found")
	}
	return all
}

// Addresses that nobody has, with ports below those of outgoing connections.
func freePorts(t *testing.T, n int) (addresses []string) {
	for tries := 0; len(addresses) < n; tries++ {
		if tries == 1000 {
			t.Fatal("no free ports")
		}
		port := 10000 + rand.IntN(22000)
		// The mark keeps the port from other tests while a server is down: tests/ports.py.
		mark, err := net.Listen("unix", fmt.Sprintf("@raftcore-port-%d", port))
		if err != nil {
			continue
		}
		t.Cleanup(func() { mark.Close() })
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// client follows a redirect to the leader, as curl -L does.
var client = &http.Client{Timeout: 10 * time.Second}

var stays = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error {
	return http.ErrUseLastResponse
}}

// request asks one node; code 0: no answer.
func request(client *http.Client, method, url, body string) (code int, text string) {
	r, _ := http.NewRequest(method, url, strings.NewReader(body))
	resp, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, resp.Header.Get("Location") + string(b)
}

// retry asks any node, until the answer is not "try again".
func retry(t *testing.T, nodes []*process, method, key, body string) (code int, text string) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		code, text = request(client, method, nodes[rand.IntN(len(nodes))].url+key, body)
		if code == 200 || code == 204 || code == 404 {
			return code, text
		}
	}
	t.Errorf("%s %s: %d %s", method, key, code, text)
	return 0, ""
}

func stateOf(p *process) (s status) {
	if code, text := request(client, "GET", p.url+"/status", ""); code == 200 {
		json.Unmarshal([]byte(text), &s)
	}
	return s
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// leaderOf returns the leader and another node.
func leaderOf(t *testing.T, nodes []*process) (leader, other *process) {
	t.Helper()
	until(t, "all know one leader", func() bool {
		first := stateOf(nodes[0]).Leader
		for _, p := range nodes {
			if s := stateOf(p); s.Leader != first || first == 0 {
				return false
			}
		}
		leader, other = nodes[first-1], nodes[first%3]
		return true
	})
	return leader, other
}

// Clients write key after key, and read each write back at once, on any node. Meanwhile nodes are
// killed with -9, the leader among them, and started again. In the end all are killed, and every
// acknowledged write is read from each of them.
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
				if code, _ := retry(t, nodes, "PUT", "/kv/"+key, "value of "+key); code != 204 {
					return
				}
				if code, text := retry(t, nodes, "GET", "/kv/"+key, ""); code != 200 || text != "value of "+key {
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
	until(t, "node 3 gets a snapshot", func() bool { return stateOf(nodes[2]).Snapshots > 0 })
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
			if code, text := retry(t, nodes[i:i+1], "GET", "/kv/"+key, ""); code != 200 || text != "value of "+key {
				t.Errorf("node %d: %s reads as %d %q", i+1, key, code, text)
			}
		}
	}
	t.Logf("%d acknowledged writes, read from each node", len(acknowledged))
}

// Where the bug was: bbolt refused such a key where it was applied, and every node ended, at each
// start.
func Test_a_key_that_bbolt_refuses_is_refused_before_it_is_proposed(t *testing.T) {
	nodes := cluster(t)
	retry(t, nodes, "PUT", "/kv/good", "v")
	for _, key := range []string{"", strings.Repeat("k", 33000)} {
		if code, text := request(client, "PUT", nodes[0].url+"/kv/"+key, "v"); code != 400 || !strings.Contains(text, "a key has 1 to 32768 bytes") {
			t.Errorf("a key of %d bytes: %d %s", len(key), code, text)
		}
	}
	for i := range nodes {
		if code, text := retry(t, nodes[i:i+1], "GET", "/kv/good", ""); code != 200 || text != "v" {
			t.Errorf("node %d: %d %s", i+1, code, text)
		}
	}
}

// Such entries may come from another version or program.
func Test_an_entry_that_is_no_write_changes_nothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.db")
	st, err := openStore(path, 1, 100)
	must(t, err)
	must(t, st.found(raftcore.Founder(1), nil))
	var rd raftcore.Ready
	for i, data := range [][]byte{
		{}, {0xff}, {5, 'a'}, encodeWrite("", []byte("v")), encodeWrite(strings.Repeat("k", 33000), nil), encodeWrite("good", []byte("v")),
	} {
		rd.CommittedEntries = append(rd.CommittedEntries, raftcore.Entry{Term: 1, Index: uint64(i) + 2, Data: data, Token: uint64(i) + 1})
	}
	rd.CommittedFirst, rd.CommittedLast = 2, 7

	written, _, err := st.work(nil, &rd)

	must(t, err)
	if len(written) != 6 || st.applied != 7 {
		t.Errorf("%v, applied %d", written, st.applied)
	}
	if v, ok, err := st.get("good"); !ok || string(v) != "v" || err != nil {
		t.Error(v, ok, err)
	}
	must(t, st.db.View(func(tx *bolt.Tx) error {
		if keys := tx.Bucket(dataBucket).Stats().KeyN; keys != 1 {
			t.Errorf("%d keys", keys)
		}
		return nil
	}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ends runs a process that must end at once, and returns its last words.
func ends(t *testing.T, p *process, options ...string) string {
	t.Helper()
	other := &process{args: p.args, log: &lines{}}
	other.start(t, options...)
	done := make(chan error, 1)
	go func() { done <- other.cmd.Wait() }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it ended without an error")
		}
	case <-time.After(10 * time.Second):
		other.cmd.Process.Kill()
		t.Error("it runs")
	}
	return other.log.String()
}

// Where the bug was: a second process hung without a word, and node 2 voted with node 1's file.
func Test_a_file_has_one_owner_and_one_process(t *testing.T) {
	nodes := cluster(t)
	leaderOf(t, nodes)
	if text := ends(t, nodes[0]); !strings.Contains(text, "1.db is in use by another process") {
		t.Error(text)
	}
	nodes[0].kill()
	thief := &process{args: append([]string{}, nodes[1].args...)}
	for i, arg := range thief.args {
		if arg == nodes[1].data {
			thief.args[i] = nodes[0].data
		}
	}
	if text := ends(t, thief); !strings.Contains(text, "1.db belongs to node 1 of group 1, this is node 2 of group 1") {
		t.Error(text)
	}
	if text := ends(t, nodes[0], "-found"); !strings.Contains(text, "1.db has the data of a group: start without -found") {
		t.Error(text)
	}
}

// Where the bug was: two of three founders lost their disks, started again with the command lines
// of every day, founded another group, and an acknowledged write read as "not found". Now they
// wait, and the third node has the write.
func Test_an_emptied_disk_waits_and_founds_nothing(t *testing.T) {
	nodes := cluster(t)
	retry(t, nodes, "PUT", "/kv/key", "v")
	leaderOf(t, nodes)
	if code, text := retry(t, nodes[:1], "GET", "/kv/key", ""); code != 200 || text != "v" {
		t.Fatal(code, text)
	}
	for _, p := range nodes[1:] {
		p.kill()
		must(t, os.Remove(p.data))
		p.start(t)
	}
	until(t, "node 2 says that it waits", func() bool { return strings.Contains(nodes[1].log.String(), "waits until it is added to a group") })
	for i := range nodes {
		if code, text := retry(t, nodes[i:i+1], "GET", "/kv/key", ""); code != 200 || text != "v" {
			t.Errorf("node %d: an acknowledged write reads as %d %s", i+1, code, text)
		}
	}
	for _, p := range nodes[1:] {
		_, emptied, _ := strings.Cut(p.log.String(), "waits until")
		if emptied, _, _ = strings.Cut(emptied, "snapshot restored"); strings.Contains(emptied, "became leader") {
			t.Error("an emptied node became leader")
		}
	}
}

// A node of three loses its disk: the group goes on, and the log of the emptied node has the
// reason.
func Test_an_emptied_disk_is_named_in_the_log(t *testing.T) {
	nodes := cluster(t)
	retry(t, nodes, "PUT", "/kv/key", "v")
	_, other := leaderOf(t, nodes)
	retry(t, []*process{other}, "GET", "/kv/key", "") // it has the write
	other.kill()
	must(t, os.Remove(other.data))
	other.start(t)
	until(t, "the log has the alarm", func() bool { return strings.Contains(other.log.String(), "acknowledged entries are gone") })
	retry(t, nodes, "PUT", "/kv/key", "w")
}

func Test_events_are_logged(t *testing.T) {
	nodes := cluster(t)
	leader, _ := leaderOf(t, nodes)
	until(t, "the leader's log says so", func() bool { return strings.Contains(leader.log.String(), "became leader (term ") })
}

func Test_a_write_at_a_follower_is_sent_to_the_leader(t *testing.T) {
	nodes := cluster(t)
	leader, other := leaderOf(t, nodes)

	code, text := request(stays, "PUT", other.url+"/kv/a%20key?x=1", "v")
	if code != 307 || text != leader.url+"/kv/a%20key?x=1" {
		t.Errorf("%d %s", code, text)
	}
	if code, text := request(client, "PUT", other.url+"/kv/a%20key", "v"); code != 204 {
		t.Errorf("%d %s", code, text)
	}
	if code, text := request(stays, "GET", other.url+"/kv/a%20key", ""); code != 200 || text != "v" {
		t.Errorf("a read at a follower: %d %s", code, text)
	}
}

// Without HTTP addresses in -peers the answer names the leader in words.
func Test_a_leader_without_an_address_is_named(t *testing.T) {
	nodes := prepare(t, 3)
	for _, p := range nodes {
		for k, arg := range p.args {
			if arg == "-peers" {
				var list []string
				for n, peer := range nodes {
					list = append(list, fmt.Sprintf("%d=%s", n+1, peer.raft))
				}
				p.args[k+1] = strings.Join(list, ",")
			}
		}
		p.args = append(p.args, "-http", strings.TrimPrefix(p.url, "http://"))
		p.start(t, "-found")
	}
	leader, other := leaderOf(t, nodes)

	code, text := request(stays, "PUT", other.url+"/kv/key", "v")

	id := strings.TrimSuffix(filepath.Base(leader.data), ".db")
	if code != 421 || !strings.Contains(text, "node "+id+" leads in term ") {
		t.Errorf("%d %s", code, text)
	}
}

// A node whose data are larger than MaxSnapshotBytes comes up by a snapshot beside the core; so a
// new node joins as a learner, and becomes a voter.
func Test_large_snapshots_travel_beside_the_core(t *testing.T) {
	nodes := prepare(t, 4, "-keep", "5")
	for _, p := range nodes[:3] {
		p.start(t, "-found")
	}
	leader, other := leaderOf(t, nodes[:3])
	other.kill()
	value := strings.Repeat("0123456789abcdef", 30000) // 480 kB
	for i := range 20 {
		retry(t, []*process{leader}, "PUT", fmt.Sprintf("/kv/%d", i), value)
	}
	other.start(t)
	until(t, "a snapshot is installed", func() bool { return stateOf(other).Snapshots > 0 })
	if code, text := retry(t, []*process{other}, "GET", "/kv/0", ""); code != 200 || text != value {
		t.Errorf("%d, %d bytes", code, len(text))
	}

	joins := nodes[3]
	joins.start(t)
	retry(t, nodes[:3], "POST", "/members/4?at="+joins.raft+strings.Replace(joins.url, "http:/", "", 1), "")
	until(t, "node 4 has a snapshot", func() bool { return stateOf(joins).Snapshots > 0 })
	if code, text := retry(t, nodes[3:], "GET", "/kv/19", ""); code != 200 || text != value {
		t.Errorf("%d, %d bytes", code, len(text))
	}
	// With three of four voters alive the group goes on: node 4 is a voter, and knows the others'
	// addresses.
	until(t, "node 4 is a voter", func() bool {
		return strings.Contains(leader.log.String(), "a 4)") // the event: A is the number of voters
	})
	leader.kill()
	retry(t, nodes[3:], "PUT", "/kv/after", "v")
	leader.start(t)
	retry(t, nodes[:3], "DELETE", "/members/4", "")
	retry(t, nodes[:3], "PUT", "/kv/later", "w")
}

// A new node has stored a snapshot, and its acknowledgement is lost. The leader asks the node where it is, and does
// not wait for the end of snapshot_timeout_ticks.
func Test_a_lost_acknowledgement_of_a_snapshot_stops_nobody(t *testing.T) {
	for how, value := range map[string]int{"in the message": 10, "beside the core": 480_000} {
		t.Run(how, func(t *testing.T) {
			ports := freePorts(t, 2)
			leader, err := newServer(1, map[uint64]address{1: {ports[0], ""}}, filepath.Join(t.TempDir(), "kv.db"), true, 5)
			must(t, err)
			go leader.run(50 * time.Millisecond) // 30 s to snapshot_timeout_ticks
			until(t, "the node leads", func() bool { return leader.status().Leader == 1 })
			for i := range 20 {
				must(t, leader.put(fmt.Sprint(i), bytes.Repeat([]byte("v"), value)))
			}

			list := map[uint64]address{1: {ports[0], ""}, 2: {ports[1], ""}}
			joins, err := newServer(2, list, filepath.Join(t.TempDir(), "kv.db"), false, 5)
			must(t, err)
			must(t, leader.change(raftcore.ConfChange{
				Changes: []raftcore.Change{{Kind: raftcore.ChangeAddLearner, ID: 2}}, Context: encodeAddress(2, ports[1]+"/"),
			}))
			mute := &outbound{peer: 1, address: ports[0], queue: make(chan raftcore.Message, 4096)} // nobody sends these
			lost := false
			// last takes what has come, and returns the last index.
			last := func() uint64 {
				for more := true; more; {
					select {
					case a := <-joins.arrivals:
						joins.step(a)
					default:
						more = false
					}
				}
				now, err := joins.node.Status()
				must(t, err)
				if now.LastIndex > 0 && !lost {
					joins.peers = map[uint64]*outbound{1: mute}
				}
				must(t, joins.work())
				for len(mute.queue) > 0 {
					if m := <-mute.queue; m.Kind == raftcore.MsgAppResp {
						lost, joins.peers = true, map[uint64]*outbound{}
						must(t, joins.connect())
					}
				}
				return now.LastIndex
			}
			until(t, "a lost acknowledgement", func() bool { last(); return lost })
			must(t, leader.put("later", nil))
			for end, before := time.Now().Add(20*time.Second), last(); last() == before; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the leader waits for the acknowledgement")
				}
			}
		})
	}
}

// The loop of a server whose disk fails ends. The write is neither acknowledged nor tried again.
func Test_a_failed_write_is_final(t *testing.T) {
	at := freePorts(t, 1)
	s, err := newServer(1, map[uint64]address{1: {at[0], ""}}, filepath.Join(t.TempDir(), "kv.db"), true, 100)
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- s.run(time.Millisecond) }()
	until(t, "the node leads", func() bool { return s.status().Leader == 1 })
	must(t, s.put("before", nil))
	must(t, s.store.db.Close()) // from now on each write fails

	answer := make(chan error, 1)
	go func() { answer <- s.put("after", nil) }()

	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "a write failed, which is final") || !errors.Is(err, bolt.ErrDatabaseNotOpen) {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the loop goes on")
	}
	if now, err := s.node.Status(); err != nil || now.Outstanding != 1 {
		t.Errorf("the ready was acknowledged: %+v %v", now, err)
	}
	select {
	case err := <-answer:
		t.Errorf("the client got an answer: %v", err)
	default:
	}
}
