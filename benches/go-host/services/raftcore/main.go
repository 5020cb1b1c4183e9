// Command raftcore is the service of this folder on package host. Its twin beside is on hashicorp/raft.
// PUT and GET /kv/KEY; DELETE /members/ID. Every member serves both, linearizably.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"strconv"
	"sync"

	"raftcore.example/go/host"
)

type write struct{ Key, Value string }

type store struct {
	mu     sync.Mutex
	values map[string]string
}

func (s *store) Apply(batch []host.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range batch {
		var w write
		if json.Unmarshal(e.Data, &w) == nil {
			s.values[w.Key] = w.Value
		}
	}
}

func (s *store) Snapshot() (func(io.Writer) error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := maps.Clone(s.values)
	return func(w io.Writer) error { return json.NewEncoder(w).Encode(values) }, nil
}

func (s *store) Restore(r io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = map[string]string{}
	return json.NewDecoder(r).Decode(&s.values)
}

func main() {
	id := flag.Uint64("id", 0, "this member")
	dir := flag.String("dir", "", "its directory")
	peer := flag.String("peer", "", "where members come")
	web := flag.String("http", "", "where clients come")
	join := flag.String("join", "", "peer address of a member; empty: found a group")
	first := flag.Bool("first", false, "the first start")
	flag.Parse()
	s := &store{values: map[string]string{}}
	opt := host.Options{Machine: s, Address: *peer}
	if *join != "" {
		opt.Join = []string{*join}
	} else if *first {
		if err := host.Found(*dir, *id, opt); err != nil {
			log.Fatal(err)
		}
	}
	h, err := host.Open(context.Background(), *dir, *id, opt)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("PUT /kv/{key}", func(w http.ResponseWriter, r *http.Request) {
		value, err := io.ReadAll(r.Body)
		if err == nil {
			data, _ := json.Marshal(write{r.PathValue("key"), string(value)})
			_, err = h.Propose(r.Context(), data)
		}
		answer(w, err)
	})
	http.HandleFunc("GET /kv/{key}", func(w http.ResponseWriter, r *http.Request) {
		if err := h.Read(r.Context()); err != nil {
			answer(w, err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		fmt.Fprint(w, s.values[r.PathValue("key")])
	})
	http.HandleFunc("DELETE /members/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
		if err == nil {
			err = h.Remove(r.Context(), id)
		}
		answer(w, err)
	})
	log.Fatal(http.ListenAndServe(*web, nil))
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}
