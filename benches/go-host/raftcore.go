package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"raftcore.example/go/host"
)

// counter is a machine that counts bytes.
type counter struct{ bytes int }

func (c *counter) Apply(batch []host.Entry) {
	for _, e := range batch {
		c.bytes += len(e.Data)
	}
}

func (c *counter) Snapshot() (func(io.Writer) error, error) {
	n := c.bytes
	return func(w io.Writer) error { _, err := fmt.Fprintln(w, n); return err }, nil
}

func (c *counter) Restore(r io.Reader) error { _, err := fmt.Fscanln(r, &c.bytes); return err }

type raftcoreGroup struct {
	members          []*host.Host
	leader, follower *host.Host
}

func openRaftcore(dir string) (service, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	g := &raftcoreGroup{}
	for id := uint64(1); id <= 3; id++ {
		opt := host.Options{Machine: &counter{}, Address: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)}
		place := fmt.Sprintf("%s/%d", dir, id)
		if id == 1 {
			if err := host.Found(place, id, opt); err != nil {
				return nil, err
			}
		} else {
			opt.Join = []string{g.members[0].Address()}
		}
		h, err := host.Open(context.Background(), place, id, opt)
		if err != nil {
			return nil, err
		}
		g.members = append(g.members, h)
		if _, err := h.Propose(ctx, []byte("hello")); err != nil {
			return nil, err
		}
		if err := g.members[0].Promote(ctx, id); err != nil {
			return nil, err
		}
	}
	for _, h := range g.members {
		if h.ID() == g.members[0].Leader() {
			g.leader = h
		} else {
			g.follower = h
		}
	}
	return g, nil
}

func (g *raftcoreGroup) name() string { return "raftcore" }

func (g *raftcoreGroup) write(data []byte) error {
	_, err := g.leader.Propose(context.Background(), data)
	return err
}

func (g *raftcoreGroup) writeFollower(data []byte) error {
	_, err := g.follower.Propose(context.Background(), data)
	return err
}

func (g *raftcoreGroup) read() error         { return g.leader.Read(context.Background()) }
func (g *raftcoreGroup) readFollower() error { return g.follower.Read(context.Background()) }

// verify is a read: nothing cheaper is needed.
func (g *raftcoreGroup) verify() error { return g.read() }

func (g *raftcoreGroup) close() {
	for _, h := range g.members {
		h.Close()
	}
}
