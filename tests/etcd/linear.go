package main

// Linearizability. Clients record a history of calls while members are killed, paused and cut off.
// Porcupine looks for an order of the calls that explains the history.

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// call is an operation on a key, with the result.
type call struct {
	kind     string // get, put, cas
	key      string
	old, new string
	got      string
	done     bool // of a cas: the swap took place
	unknown  bool // no answer came: the call may take effect at any time
}

// register is a key: the state is its value.
var register = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		c := input.(*call)
		switch c.kind {
		case "get":
			return c.unknown || state == c.got, state
		case "put":
			return true, c.new
		}
		if c.unknown {
			if state == c.old {
				return true, c.new
			}
			return true, state
		}
		if took := state == c.old; took != c.done {
			return false, state
		}
		if c.done {
			return true, c.new
		}
		return true, state
	},
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			byKey[op.Input.(*call).key] = append(byKey[op.Input.(*call).key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", *input.(*call)) },
}

const (
	callers  = 6
	keysEach = 3
	epoch    = 2 * time.Second // callers change keys so often; a key then has few calls without an answer
)

type history struct {
	mu    sync.Mutex
	begin time.Time
	ops   []porcupine.Operation
	lost  int
}

// linear records and checks a history. Each fault is followed by a time of rest.
func linear(s *stage, programs ...string) (string, error) {
	c, err := s.newCluster([]string{"--heartbeat-interval", "50", "--election-timeout", "500"}, programs...)
	if err != nil {
		return "", err
	}
	var lines []*proxy
	for _, p := range c.members {
		line, err := newProxy(p.peer[len("http://"):])
		if err != nil {
			return "", err
		}
		defer line.listener.Close()
		lines = append(lines, line)
		p.listen, p.peer = p.peer, "http://"+line.listener.Addr().String()
	}
	if err := c.start(); err != nil {
		return "", err
	}
	h := &history{begin: time.Now()}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	for n := range callers {
		cli, err := connect(c.members[n%len(c.members)].client)
		if err != nil {
			return "", err
		}
		defer cli.Close()
		running.Go(func() { h.client(ctx, n, cli) })
	}
	for range s.steps - 1 {
		if err := fault(c, lines); err != nil {
			return "", err
		}
		s.step()
	}
	if err := c.healthy(); err != nil {
		return "", err
	}
	time.Sleep(time.Second)
	stop()
	running.Wait()
	return h.check(s.dir)
}

// fault kills, pauses or cuts off a member, and lets the member come back.
func fault(c *cluster, lines []*proxy) error {
	at := rand.IntN(len(c.members))
	if rand.IntN(2) == 0 { // the leader, more often than by chance
		if leader, err := c.leader(); err == nil {
			for i, p := range c.members {
				if p == leader {
					at = i
				}
			}
		}
	}
	p, while := c.members[at], time.Duration(*seconds*float64(time.Second))
	switch rand.IntN(3) {
	case 0:
		p.kill()
		time.Sleep(while)
		if err := c.launch(p); err != nil {
			return err
		}
	case 1:
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		time.Sleep(while)
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
	case 2:
		lines[at].cut(true)
		time.Sleep(while)
		lines[at].cut(false)
	}
	time.Sleep(while / 2)
	return nil
}

// client makes one call after another on random keys.
func (h *history) client(ctx context.Context, id int, cli *clientv3.Client) {
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("lin/%d/%d", time.Since(h.begin)/epoch, rand.IntN(keysEach))
		c := &call{key: key, new: fmt.Sprintf("%d.%d", id, n)}
		begin := time.Since(h.begin)
		limit, cancel := context.WithTimeout(context.Background(), 800*time.Millisecond)
		err := c.do(limit, cli)
		cancel()
		end := time.Since(h.begin)
		h.mu.Lock()
		if err != nil {
			h.lost++
			c.unknown, end = true, math.MaxInt64
		}
		if err == nil || c.kind != "get" {
			h.ops = append(h.ops, porcupine.Operation{ClientId: id, Input: c, Call: int64(begin), Return: int64(end)})
		}
		h.mu.Unlock()
		time.Sleep(time.Duration(5+rand.IntN(10)) * time.Millisecond)
	}
}

func (c *call) do(ctx context.Context, cli *clientv3.Client) error {
	switch rand.IntN(3) {
	case 0:
		c.kind = "put"
		_, err := cli.Put(ctx, c.key, c.new)
		return err
	case 1:
		c.kind = "get"
		return c.get(ctx, cli)
	}
	c.kind = "get"
	if err := c.get(ctx, cli); err != nil {
		return err
	}
	// The read only finds a value to compare with, and is no part of the history.
	c.kind, c.old = "cas", c.got
	same := clientv3.Compare(clientv3.Value(c.key), "=", c.old)
	if c.old == "" {
		same = clientv3.Compare(clientv3.Version(c.key), "=", 0)
	}
	answer, err := cli.Txn(ctx).If(same).Then(clientv3.OpPut(c.key, c.new)).Commit()
	if err == nil {
		c.done = answer.Succeeded
	}
	return err
}

func (c *call) get(ctx context.Context, cli *clientv3.Client) error {
	answer, err := cli.Get(ctx, c.key)
	if err != nil {
		return err
	}
	c.got = ""
	for _, kv := range answer.Kvs {
		c.got = string(kv.Value)
	}
	return nil
}

func (h *history) check(dir string) (string, error) {
	if len(h.ops) == 0 {
		return "", errors.New("no call was answered")
	}
	result, info := porcupine.CheckOperationsVerbose(register, h.ops, 2*time.Minute)
	if result == porcupine.Ok {
		return fmt.Sprintf("%d calls in one order, %d without an answer", len(h.ops), h.lost), nil
	}
	picture := filepath.Join(dir, "history.html")
	if file, err := os.Create(picture); err == nil {
		_ = porcupine.Visualize(register, info, file)
		_ = file.Close()
	}
	return "", fmt.Errorf("%d calls: %s; a picture is in %s", len(h.ops), result, picture)
}
