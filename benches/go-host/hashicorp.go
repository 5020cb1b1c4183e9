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
	leader  *raft.Raft
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
	for end := time.Now().Add(30 * time.Second); g.leader == nil; time.Sleep(10 * time.Millisecond) {
		for _, r := range g.members {
			if r.State() == raft.Leader {
				g.leader = r
			}
		}
		if time.Now().After(end) {
			return nil, errors.New("hashicorp: no leader")
		}
	}
	return g, nil
}

func (g *hashicorpGroup) name() string { return "hashicorp" }

func (g *hashicorpGroup) write(data []byte) error { return g.leader.Apply(data, 0).Error() }

func (g *hashicorpGroup) writeFollower([]byte) error { return errNone }

// read asks whether the leader still leads. Strictly that is no linearizable read yet: the machine
// may lack an acknowledged write of the moment before. A Barrier would cost an entry.
func (g *hashicorpGroup) read() error { return g.leader.VerifyLeader().Error() }

func (g *hashicorpGroup) readFollower() error { return errNone }

func (g *hashicorpGroup) close() {
	for i, r := range g.members {
		r.Shutdown().Error()
		g.stores[i].Close()
	}
}
