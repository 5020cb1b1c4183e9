package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"
)

// errNone: the library has nothing of the kind.
var errNone = errors.New("none")

type fsm struct{ bytes int }

func (f *fsm) Apply(l *raft.Log) any { f.bytes += len(l.Data); return nil }

func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return frozen(f.bytes), nil }

func (f *fsm) Restore(r io.ReadCloser) error { _, err := fmt.Fscanln(r, &f.bytes); return err }

type frozen int

func (f frozen) Persist(sink raft.SnapshotSink) error {
	if _, err := fmt.Fprintln(sink, int(f)); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (f frozen) Release() {}

type hashicorpGroup struct {
	members []*raft.Raft
	stores  []*boltdb.BoltStore
}

func openHashicorp(dir string) (service, error) {
	g := &hashicorpGroup{}
	var servers []raft.Server
	for id := 1; id <= 3; id++ {
		place := filepath.Join(dir, fmt.Sprint(id))
		if err := os.Mkdir(place, 0o700); err != nil {
			return nil, err
		}
		quiet := hclog.NewNullLogger()
		cfg := raft.DefaultConfig()
		cfg.LocalID, cfg.Logger = raft.ServerID(fmt.Sprint(id)), quiet
		store, err := boltdb.NewBoltStore(filepath.Join(place, "raft.db"))
		if err != nil {
			return nil, err
		}
		snapshots, err := raft.NewFileSnapshotStoreWithLogger(place, 2, quiet)
		if err != nil {
			return nil, err
		}
		transport, err := raft.NewTCPTransportWithLogger("127.0.0.1:0", nil, 3, 10*time.Second, quiet)
		if err != nil {
			return nil, err
		}
		r, err := raft.NewRaft(cfg, &fsm{}, store, store, snapshots, transport)
		if err != nil {
			return nil, err
		}
		g.members, g.stores = append(g.members, r), append(g.stores, store)
		servers = append(servers, raft.Server{ID: cfg.LocalID, Address: transport.LocalAddr()})
	}
	if err := g.members[0].BootstrapCluster(raft.Configuration{Servers: servers}).Error(); err != nil {
		return nil, err
	}
	return g, g.do(func(r *raft.Raft) error { return r.Barrier(0).Error() })
}

// do asks the leader, and asks again while there is none or it loses its office: on a busy machine that
// happens, and a client would do the same.
func (g *hashicorpGroup) do(ask func(*raft.Raft) error) error {
	err := errors.New("no leader")
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		for _, r := range g.members {
			if r.State() == raft.Leader {
				if err = ask(r); err == nil {
					return nil
				}
			}
		}
	}
	return err
}

func (g *hashicorpGroup) name() string { return "hashicorp" }

func (g *hashicorpGroup) write(data []byte) error {
	return g.do(func(r *raft.Raft) error { return r.Apply(data, 0).Error() })
}

func (g *hashicorpGroup) writeFollower([]byte) error { return errNone }

// read is linearizable by a barrier, which is an entry of the log.
func (g *hashicorpGroup) read() error {
	return g.do(func(r *raft.Raft) error { return r.Barrier(0).Error() })
}

// verify asks whether the leader still leads. The machine may lack an acknowledged write of the moment
// before, so this alone is no linearizable read.
func (g *hashicorpGroup) verify() error {
	return g.do(func(r *raft.Raft) error { return r.VerifyLeader().Error() })
}

func (g *hashicorpGroup) readFollower() error { return errNone }

func (g *hashicorpGroup) close() {
	for i, r := range g.members {
		r.Shutdown().Error()
		g.stores[i].Close()
	}
}
