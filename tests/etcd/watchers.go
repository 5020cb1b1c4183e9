package main

// Many watchers: each one must see every write, while the leader changes and members are killed.

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	watchersPerMember = 1000
	watchedKeys       = 10
)

// crowd is the watchers of a cluster. Each watches one of the keys from the first revision on.
type crowd struct {
	events  atomic.Int64
	running sync.WaitGroup
	stop    context.CancelFunc
	clients []*clientv3.Client

	mu  sync.Mutex
	bad error
}

func (c *cluster) crowd() (*crowd, error) {
	ctx, cancel := context.WithCancel(context.Background())
	w := &crowd{stop: cancel}
	for _, p := range c.members {
		cli, err := connect(p.client)
		if err != nil {
			w.end()
			return nil, err
		}
		w.clients = append(w.clients, cli)
		for n := range watchersPerMember {
			w.running.Add(1)
			go w.watch(ctx, cli, fmt.Sprintf("watched/%d", n%watchedKeys))
		}
	}
	return w, nil
}

// watch expects the values 1, 2, 3, … of a key. The client resumes the watcher after its member was killed.
func (w *crowd) watch(ctx context.Context, cli *clientv3.Client, key string) {
	defer w.running.Done()
	next := 1
	for answer := range cli.Watch(ctx, key, clientv3.WithRev(1)) {
		if err := answer.Err(); err != nil && ctx.Err() == nil {
			w.fail(fmt.Errorf("a watcher of %s was cancelled: %w", key, err))
			return
		}
		for _, event := range answer.Events {
			if got := string(event.Kv.Value); got != fmt.Sprint(next) {
				w.fail(fmt.Errorf("a watcher of %s saw %s in place of %d", key, got, next))
				return
			}
			next++
			w.events.Add(1)
		}
	}
}

func (w *crowd) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad == nil {
		w.bad = err
	}
}

func (w *crowd) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bad
}

// saw waits until all watchers together have seen so many events.
func (w *crowd) saw(count int64) error {
	return soon("watchers lack events", func(context.Context) error {
		if err := w.failure(); err != nil {
			return err
		}
		if seen := w.events.Load(); seen != count {
			return fmt.Errorf("%d events of %d", seen, count)
		}
		return nil
	})
}

func (w *crowd) end() {
	w.stop()
	for _, cli := range w.clients {
		cli.Close()
	}
	w.running.Wait()
}

// watchers puts a thousand watchers on each member, and kills one member after another between writes.
func watchers(s *stage) (string, error) {
	c, err := s.newCluster(nil, "raftcore", "raftcore", "stock")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	w, err := c.crowd()
	if err != nil {
		return "", err
	}
	defer w.end()
	s.step()
	rounds := 0
	for _, p := range c.members {
		for range 5 {
			rounds++
			if err := c.putWatched(rounds); err != nil {
				return "", err
			}
		}
		if err := c.restart(p, p.program); err != nil {
			return "", err
		}
		if err := c.healthy(); err != nil {
			return "", err
		}
		s.step()
	}
	all := int64(rounds) * watchersPerMember * int64(len(c.members))
	if err := w.saw(all); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d watchers, each saw %d writes in order", watchersPerMember*len(c.members), rounds), nil
}

// putWatched puts the same value to each key. A put without an answer is read before it is repeated, so that no value comes twice.
func (c *cluster) putWatched(value int) error {
	cli, err := connect(c.urls()...)
	if err != nil {
		return err
	}
	defer cli.Close()
	for n := range watchedKeys {
		key, want := fmt.Sprintf("watched/%d", n), fmt.Sprint(value)
		err := soon("a watched key is not put", func(context.Context) error {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			absent := clientv3.Compare(clientv3.Value(key), "!=", want)
			if value == 1 {
				absent = clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
			}
			_, err := cli.Txn(ctx).If(absent).Then(clientv3.OpPut(key, want)).Commit()
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
