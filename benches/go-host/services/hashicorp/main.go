// Command hashicorp is the service of this folder on hashicorp/raft with raft-boltdb. Its twin beside
// is on package host. PUT and GET /kv/KEY; DELETE /members/ID; POST /join. Only the leader serves; a
// read is a barrier.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	boltdb "github.com/hashicorp/raft-boltdb/v2"
)

type write struct{ Key, Value string }

type store struct {
	mu     sync.Mutex
	values map[string]string
}

func (s *store) Apply(l *raft.Log) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var w write
	if err := json.Unmarshal(l.Data, &w); err != nil {
		return err
	}
	s.values[w.Key] = w.Value
	return nil
}

type frozen map[string]string

func (s *store) Snapshot() (raft.FSMSnapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return frozen(maps.Clone(s.values)), nil
}

func (f frozen) Persist(sink raft.SnapshotSink) error {
	if err := json.NewEncoder(sink).Encode(f); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

func (f frozen) Release() {}

func (s *store) Restore(r io.ReadCloser) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = map[string]string{}
	return json.NewDecoder(r).Decode(&s.values)
}

func main() {
	id := flag.String("id", "", "this member")
	dir := flag.String("dir", "", "its directory")
	peer := flag.String("peer", "", "where members come")
	web := flag.String("http", "", "where clients come")
	join := flag.String("join", "", "HTTP address of the leader; empty: found a group")
	first := flag.Bool("first", false, "the first start")
	flag.Parse()
	s := &store{values: map[string]string{}}
	r, err := open(s, *id, *dir, *peer)
	if err != nil {
		log.Fatal(err)
	}
	if *first && *join == "" {
		err = r.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(*id), Address: raft.ServerAddress(*peer)}}}).Error()
	} else if *first {
		var response *http.Response
		if response, err = http.PostForm("http://"+*join+"/join", url.Values{"id": {*id}, "peer": {*peer}}); err == nil && response.StatusCode != 200 {
			err = errors.New(response.Status)
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("PUT /kv/{key}", func(w http.ResponseWriter, q *http.Request) {
		value, err := io.ReadAll(q.Body)
		if err == nil {
			data, _ := json.Marshal(write{q.PathValue("key"), string(value)})
			err = r.Apply(data, 5*time.Second).Error()
		}
		answer(w, err)
	})
	http.HandleFunc("GET /kv/{key}", func(w http.ResponseWriter, q *http.Request) {
		if err := r.Barrier(5 * time.Second).Error(); err != nil {
			answer(w, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprint(w, s.values[q.PathValue("key")])
	})
	http.HandleFunc("POST /join", func(w http.ResponseWriter, q *http.Request) {
		answer(w, r.AddVoter(raft.ServerID(q.FormValue("id")), raft.ServerAddress(q.FormValue("peer")), 0, 5*time.Second).Error())
	})
	http.HandleFunc("DELETE /members/{id}", func(w http.ResponseWriter, q *http.Request) {
		answer(w, r.RemoveServer(raft.ServerID(q.PathValue("id")), 0, 5*time.Second).Error())
	})
	log.Fatal(http.ListenAndServe(*web, nil))
}

func open(s *store, id, dir, peer string) (*raft.Raft, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	cfg := raft.DefaultConfig()
	cfg.LocalID = raft.ServerID(id)
	bolt, err := boltdb.NewBoltStore(filepath.Join(dir, "raft.db"))
	if err != nil {
		return nil, err
	}
	snapshots, err := raft.NewFileSnapshotStore(dir, 2, os.Stderr)
	if err != nil {
		return nil, err
	}
	transport, err := raft.NewTCPTransport(peer, nil, 3, 5*time.Second, os.Stderr)
	if err != nil {
		return nil, err
	}
	return raft.NewRaft(cfg, s, bolt, bolt, snapshots, transport)
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
