package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// one kills a single member under load, and starts the member again.
func one(s *stage) (string, error) {
	c, err := s.newCluster(nil, "raftcore")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	for range 2 {
		s.step()
		if err := l.during(); err != nil {
			return "", err
		}
		if err := c.restart(c.members[0], "raftcore"); err != nil {
			return "", err
		}
	}
	s.step()
	return l.verify()
}

// kills makes each member the leader, and kills the leader.
func kills(s *stage, programs ...string) (string, error) {
	c, err := s.newCluster(nil, programs...)
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	s.step()
	for _, p := range c.members {
		if err := c.moveTo(p); err != nil {
			return "", err
		}
		if err := l.during(); err != nil {
			return "", err
		}
		p.kill()
		if err := l.during(); err != nil {
			return "", err
		}
		if err := c.restart(p, p.program); err != nil {
			return "", err
		}
		s.step()
	}
	s.step()
	return l.verify()
}

// rolling replaces the program of each member: stock by raftcore, then raftcore by stock.
func rolling(s *stage) (string, error) {
	c, err := s.newCluster(nil, "stock", "stock", "stock")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	s.step()
	for _, program := range []string{"raftcore", "stock"} {
		for _, p := range c.members {
			if err := l.during(); err != nil {
				return "", err
			}
			if err := c.restart(p, program); err != nil {
				return "", err
			}
			s.step()
		}
		// The last member leads, so that each program leads at least once.
		if err := c.moveTo(c.members[len(c.members)-1]); err != nil {
			return "", err
		}
	}
	if err := l.during(); err != nil {
		return "", err
	}
	s.step()
	return l.verify()
}

// laggard sends a snapshot to a late member: from raftcore to stock, then from stock to raftcore.
func laggard(s *stage) (string, error) {
	flags := []string{"--snapshot-count", "50", "--snapshot-catchup-entries", "20"}
	c, err := s.newCluster(flags, "raftcore", "stock", "raftcore")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	s.step()
	for _, turn := range []struct{ leader, away int }{{0, 1}, {1, 2}} {
		if err := c.moveTo(c.members[turn.leader]); err != nil {
			return "", err
		}
		away := c.members[turn.away]
		away.kill()
		before := l.count()
		for end := time.Now().Add(patience); l.count() < before+500 && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		if err := c.restart(away, away.program); err != nil {
			return "", err
		}
		if err := mentions(away, "applied snapshot"); err != nil {
			return "", err
		}
		s.step()
	}
	s.step()
	return l.verify()
}

// mentions fails unless the log of a member has the words.
func mentions(p *process, words string) error {
	return soon(p.name+" has no line with "+words, func(context.Context) error {
		text, err := os.ReadFile(p.dir + ".log")
		if err == nil && !strings.Contains(string(text), words) {
			err = fmt.Errorf("%d bytes of log", len(text))
		}
		return err
	})
}

// members adds learners, promotes them, makes the last of them the leader, and removes old members.
func members(s *stage) (string, error) {
	c, err := s.newCluster(nil, "raftcore", "stock", "raftcore")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	s.step()
	for _, program := range []string{"raftcore", "stock"} {
		if err := c.join(program); err != nil {
			return "", err
		}
		s.step()
	}
	if err := c.moveTo(c.members[3]); err != nil {
		return "", err
	}
	if err := l.during(); err != nil {
		return "", err
	}
	s.step()
	// The leader removes two members, the second time itself.
	for _, at := range []int{0, 2} {
		if err := c.remove(c.members[at]); err != nil {
			return "", err
		}
		c.members = append(c.members[:at], c.members[at+1:]...)
	}
	if err := l.during(); err != nil {
		return "", err
	}
	s.step()
	if err := c.healthy(); err != nil {
		return "", err
	}
	s.step()
	return l.verify()
}

// join adds a learner, and promotes the learner after catching up.
func (c *cluster) join(program string) error {
	endpoints := strings.Join(c.urls(), ",")
	p, err := c.add(program)
	if err != nil {
		return err
	}
	c.state = "existing"
	err = soon("no learner is added", func(context.Context) error {
		_, err := c.ctl("--endpoints", endpoints, "member", "add", p.name, "--learner", "--peer-urls", p.peer)
		if err != nil && strings.Contains(err.Error(), "Peer URLs already exists") {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := c.launch(p); err != nil {
		return err
	}
	err = soon(p.name+" ("+program+") is not promoted", func(ctx context.Context) error {
		status, err := p.status(ctx)
		if err != nil {
			return err
		}
		if !status.IsLearner {
			return nil
		}
		_, err = c.ctl("--endpoints", endpoints, "member", "promote", fmt.Sprintf("%x", status.Header.MemberId))
		return err
	})
	if err != nil {
		return err
	}
	return c.healthy()
}

func (c *cluster) remove(p *process) error {
	status, err := p.status(context.Background())
	if err != nil {
		return err
	}
	id := fmt.Sprintf("%x", status.Header.MemberId)
	err = soon(p.name+" is not removed", func(context.Context) error {
		_, err := c.ctl("--endpoints", strings.Join(c.urls(), ","), "member", "remove", id)
		if err != nil && strings.Contains(err.Error(), "member not found") {
			return nil
		}
		return err
	})
	p.signal(syscall.SIGKILL)
	return err
}

// restore saves a snapshot from a member on raftcore, and founds a cluster of raftcore on it.
func restore(s *stage) (string, error) {
	c, err := s.newCluster(nil, "raftcore", "stock", "stock")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	if err := l.during(); err != nil {
		return "", err
	}
	if _, err := l.verify(); err != nil {
		return "", err
	}
	l.running.Wait()
	if err := c.works(); err != nil { // the members have all writes now
		return "", err
	}
	s.step()
	file := filepath.Join(s.dir, "snapshot.db")
	if _, err := c.ctl("--endpoints", c.members[0].client, "snapshot", "save", file); err != nil {
		return "", err
	}
	c.stop()
	s.step()

	next, err := s.newCluster(nil, "raftcore", "raftcore", "stock")
	if err != nil {
		return "", err
	}
	for _, p := range next.members {
		_, err := tool("etcdutl", "snapshot", "restore", file, "--name", p.name, "--initial-cluster", next.initial(),
			"--initial-advertise-peer-urls", p.peer, "--data-dir", p.dir)
		if err != nil {
			return "", err
		}
	}
	if err := next.start(); err != nil {
		return "", err
	}
	s.step()
	l.cluster = next
	for _, p := range next.members {
		if err := l.complete(p); err != nil {
			return "", err
		}
	}
	s.step()
	return fmt.Sprintf("%d writes are there", l.count()), next.works()
}

// works fails unless a new write reaches all members.
func (c *cluster) works() error {
	cli, err := connect(c.urls()...)
	if err != nil {
		return err
	}
	defer cli.Close()
	var written *clientv3.PutResponse
	err = soon("no write is taken", func(ctx context.Context) (err error) {
		written, err = cli.Put(ctx, "k/after", "after")
		return err
	})
	if err != nil {
		return err
	}
	return c.sameHash(written.Header.Revision)
}

// alone kills the members, and starts a single member as a new cluster. Then the cluster grows.
func alone(s *stage) (string, error) {
	c, err := s.newCluster(nil, "stock", "raftcore", "raftcore")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	l, err := c.load()
	if err != nil {
		return "", err
	}
	if err := l.during(); err != nil {
		return "", err
	}
	if _, err := l.verify(); err != nil {
		return "", err
	}
	l.running.Wait()
	if err := c.works(); err != nil { // the members have all writes now
		return "", err
	}
	s.step()
	c.stop()
	last := c.members[1]
	c.members = []*process{last}
	last.extra = []string{"--force-new-cluster"}
	if err := c.start(); err != nil {
		return "", err
	}
	s.step()
	if err := l.complete(last); err != nil {
		return "", err
	}
	last.extra = nil
	if err := c.restart(last, "raftcore"); err != nil {
		return "", err
	}
	s.step()
	if err := c.join("raftcore"); err != nil {
		return "", err
	}
	s.step()
	for _, p := range c.members {
		if err := l.complete(p); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d writes are there", l.count()), c.works()
}

// large writes values of ten megabytes, from a leader of each kind, and lets a member catch up.
func large(s *stage) (string, error) {
	const size, count = 10 << 20, 6
	c, err := s.newCluster([]string{"--max-request-bytes", "33554432"}, "raftcore", "stock", "raftcore")
	if err != nil {
		return "", err
	}
	if err := c.start(); err != nil {
		return "", err
	}
	s.step()
	var last int64
	for _, turn := range []struct{ leader, away int }{{0, 1}, {1, 2}} {
		if err := c.moveTo(c.members[turn.leader]); err != nil {
			return "", err
		}
		away := c.members[turn.away]
		away.kill()
		if last, err = c.putLarge(c.members[turn.leader], size, count); err != nil {
			return "", err
		}
		if err := c.restart(away, away.program); err != nil {
			return "", err
		}
		s.step()
	}
	return fmt.Sprintf("%d values, hashes equal", 2*count), c.sameHash(last)
}

func (c *cluster) putLarge(p *process, size, count int) (revision int64, err error) {
	cli, err := connect(p.client)
	if err != nil {
		return 0, err
	}
	defer cli.Close()
	for n := range count {
		value := strings.Repeat(string(rune('a'+n)), size)
		err := soon("a large value is not taken", func(context.Context) error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			answer, err := cli.Put(ctx, fmt.Sprintf("large/%d", n), value)
			if err == nil {
				revision = answer.Header.Revision
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return revision, nil
}
