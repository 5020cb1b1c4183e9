package main

// Clients: writers with a memory of acknowledged writes, a watcher, and a living lease.

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const writers = 8

// load is the clients of a cluster during a scenario.
type load struct {
	cluster *cluster
	cli     *clientv3.Client
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	acked map[string]string
	first atomic.Int64 // revision of the first acknowledged write

	lease clientv3.LeaseID

	seen     map[string]int64 // by the watcher: key to revision
	watched  atomic.Int64     // newest revision of the watcher
	disorder error
}

func (c *cluster) load() (*load, error) {
	cli, err := connect(c.urls()...)
	if err != nil {
		return nil, err
	}
	l := &load{cluster: c, cli: cli, acked: map[string]string{}, seen: map[string]int64{}}
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	if err := l.keepLease(ctx); err != nil {
		return nil, err
	}
	l.running.Add(1)
	go l.watch(ctx)
	for w := range writers {
		l.running.Add(1)
		go l.write(ctx, w)
	}
	return l, nil
}

// write puts one key after another, and remembers the acknowledged ones. A write without an answer may
// have happened or not, so the key is not used again.
func (l *load) write(ctx context.Context, writer int) {
	defer l.running.Done()
	for n := 0; ctx.Err() == nil; n++ {
		key := fmt.Sprintf("k/%d/%07d", writer, n)
		value := fmt.Sprintf("value %d of %d, %0128d", n, writer, n)
		call, cancel := context.WithTimeout(ctx, 2*time.Second)
		answer, err := l.cli.Put(call, key, value)
		cancel()
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		l.first.CompareAndSwap(0, answer.Header.Revision)
		l.mu.Lock()
		l.acked[key] = value
		l.mu.Unlock()
	}
}

// watch takes every write from the beginning. The client resumes a watcher after a member has died.
func (l *load) watch(ctx context.Context) {
	defer l.running.Done()
	for answer := range l.cli.Watch(ctx, "k/", clientv3.WithPrefix(), clientv3.WithRev(1)) {
		if err := answer.Err(); err != nil && ctx.Err() == nil {
			l.disorder = fmt.Errorf("the watcher was cancelled: %w", err)
			return
		}
		for _, event := range answer.Events {
			revision := event.Kv.ModRevision
			if revision < l.watched.Load() {
				l.disorder = fmt.Errorf("the watcher saw revision %d after %d", revision, l.watched.Load())
			}
			l.mu.Lock()
			l.seen[string(event.Kv.Key)] = revision
			l.mu.Unlock()
			l.watched.Store(revision)
		}
	}
}

// keepLease grants a lease of 10 s with a key, and keeps the lease alive.
func (l *load) keepLease(ctx context.Context) error {
	err := soon("no lease is granted", func(ctx context.Context) error {
		lease, err := l.cli.Grant(ctx, 10)
		if err != nil {
			return err
		}
		l.lease = lease.ID
		_, err = l.cli.Put(ctx, "leased", "alive", clientv3.WithLease(lease.ID))
		return err
	})
	if err != nil {
		return err
	}
	alive, err := l.cli.KeepAlive(ctx, l.lease)
	if err != nil {
		return err
	}
	go func() {
		for range alive { // the client sends the next request automatically
		}
	}()
	return nil
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// during lets the clients run for a while, and fails if nothing is acknowledged.
func (l *load) during() error {
	before := l.count()
	time.Sleep(time.Duration(*seconds * float64(time.Second)))
	return soon("no write is acknowledged any more", func(context.Context) error {
		if l.count() == before {
			return fmt.Errorf("%d were", before)
		}
		return nil
	})
}

// verify checks four promises. Acknowledged writes are on every member. Members have equal hashes. The
// watcher has seen the writes in order, without a gap. The lease lives.
func (l *load) verify() (string, error) {
	defer l.cli.Close()
	defer l.stop()
	last, err := l.endWriters()
	if err != nil {
		return "", err
	}
	for _, p := range l.cluster.members {
		if p.cmd == nil {
			continue
		}
		if err := l.complete(p); err != nil {
			return "", fmt.Errorf("%s (%s): %w", p.name, p.program, err)
		}
	}
	if err := l.cluster.sameHash(last); err != nil {
		return "", err
	}
	if err := l.sawAll(last); err != nil {
		return "", err
	}
	err = soon("the lease is gone", func(ctx context.Context) error {
		ttl, err := l.cli.TimeToLive(ctx, l.lease)
		if err == nil && ttl.TTL <= 0 {
			err = fmt.Errorf("it expired")
		}
		return err
	})
	return fmt.Sprintf("%d writes kept, hashes equal", l.count()), err
}

// endWriters writes a last key, and returns the revision. Writers go on, but later writes do not count.
func (l *load) endWriters() (last int64, err error) {
	err = soon("the last write fails", func(ctx context.Context) error {
		answer, err := l.cli.Put(ctx, "k/last", "last")
		if err == nil {
			last = answer.Header.Revision
		}
		return err
	})
	return last, err
}

// complete fails unless a member has every write acknowledged so far.
func (l *load) complete(p *process) error {
	l.mu.Lock()
	want := make(map[string]string, len(l.acked))
	for key, value := range l.acked {
		want[key] = value
	}
	l.mu.Unlock()
	cli, err := connect(p.client)
	if err != nil {
		return err
	}
	defer cli.Close()
	return soon("writes are lost", func(ctx context.Context) error {
		have, err := cli.Get(ctx, "k/", clientv3.WithPrefix())
		if err != nil {
			return err
		}
		found := 0
		for _, kv := range have.Kvs {
			if value, ok := want[string(kv.Key)]; ok && value == string(kv.Value) {
				found++
			}
		}
		if found != len(want) {
			return fmt.Errorf("%d of %d acknowledged writes are there", found, len(want))
		}
		return nil
	})
}

func (l *load) sawAll(last int64) error {
	err := soon("the watcher is behind", func(context.Context) error {
		if l.disorder == nil && l.watched.Load() < last {
			return fmt.Errorf("it has seen revision %d of %d", l.watched.Load(), last)
		}
		return nil
	})
	if err != nil || l.disorder != nil {
		return fmt.Errorf("%w %w", err, l.disorder)
	}
	have, err := l.cli.Get(context.Background(), "k/", clientv3.WithPrefix(), clientv3.WithRev(last), clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kv := range have.Kvs {
		if l.seen[string(kv.Key)] != kv.ModRevision {
			return fmt.Errorf("the watcher missed %s at revision %d", kv.Key, kv.ModRevision)
		}
	}
	return nil
}

// sameHash fails unless all members have the same data up to a revision.
func (c *cluster) sameHash(revision int64) error {
	return soon("hashes differ", func(ctx context.Context) error {
		hashes := map[uint32]string{}
		for _, p := range c.members {
			if p.cmd == nil {
				continue
			}
			cli, err := connect(p.client)
			if err != nil {
				return err
			}
			hash, err := cli.HashKV(ctx, p.client, revision)
			cli.Close()
			if err != nil {
				return err
			}
			hashes[hash.Hash] += " " + p.name
		}
		if len(hashes) != 1 {
			return fmt.Errorf("at revision %d: %v", revision, hashes)
		}
		return nil
	})
}
