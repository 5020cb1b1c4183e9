// Command kv is a replicated key-value store: raftcore, with bbolt for the log and the data, and
// HTTP for clients.
//
// The first start of each founder, and only the first, has -found:
//
//	kv -found -id 1 -data kv1.db -peers 1=127.0.0.1:7001/127.0.0.1:8001,2=127.0.0.1:7002/127.0.0.1:8002,3=…
//
// Later starts are the same without -found. A node with an empty file, and without -found, waits
// until a member adds it. A node without its file needs a new id.
//
//	PUT /kv/KEY     204: committed, on the disks of a majority. 307, 421: write at the leader.
//	                400: no key for this store. 503: surely not done, try again. 504: done or not.
//	GET /kv/KEY     200 or 404, linearizable, on any node. 503: try again.
//	POST /members/ID?at=HOST:PORT/HTTP_HOST:PORT
//	                204: a new node is a learner now; it votes as soon as it has caught up
//	DELETE /members/ID
//	                204: the node has left
//	GET /status     the leader, and how far this node is
//
// Peers are not authenticated: use a trusted network.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"

	raftcore "raftcore.example/go"
)

const maxValue = 1 << 20

// address is where a node listens.
type address struct {
	raft string
	http string // empty: not known
}

func main() {
	id := flag.Uint64("id", 0, "this node, one of -peers")
	peers := flag.String("peers", "", "the founders: ID=HOST:PORT[/HTTP_HOST:PORT],...")
	web := flag.String("http", "", "where clients come; default: as -peers says")
	data := flag.String("data", "kv.db", "the file of this node")
	found := flag.Bool("found", false, "found the group: at the first start of each founder, never again")
	tick := flag.Duration("tick", 50*time.Millisecond, "a tick; an election comes after ten to twenty without a leader")
	keep := flag.Uint64("keep", 10000, "applied entries to keep for peers that lag")
	flag.Parse()

	addresses, err := parsePeers(*peers)
	if err == nil && addresses[*id].raft == "" {
		err = fmt.Errorf("node %d is not one of %q", *id, *peers)
	}
	if err != nil {
		log.Fatal("-id and -peers: ", err)
	}
	if *web == "" {
		*web = addresses[*id].http
	}
	log.SetPrefix(fmt.Sprintf("node %d: ", *id))
	s, err := newServer(*id, addresses, *data, *found, *keep)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.ListenAndServe(*web, s.handler())) }()
	log.Fatal(s.run(*tick))
}

func parsePeers(text string) (map[uint64]address, error) {
	peers := map[uint64]address{}
	for _, part := range strings.Split(text, ",") {
		id, at, ok := strings.Cut(part, "=")
		number, err := strconv.ParseUint(id, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not ID=HOST:PORT", part)
		}
		peers[number] = parseAddress(at)
	}
	return peers, nil
}

func parseAddress(text string) address {
	raft, web, _ := strings.Cut(text, "/")
	return address{raft, web}
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /kv/{key...}", func(w http.ResponseWriter, r *http.Request) {
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxValue))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		if err := s.put(r.PathValue("key"), value); err != nil {
			s.refuse(w, r, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /kv/{key...}", func(w http.ResponseWriter, r *http.Request) {
		value, found, err := s.get(r.PathValue("key"))
		switch {
		case err != nil:
			s.refuse(w, r, err)
		case !found:
			http.NotFound(w, r)
		default:
			w.Write(value)
		}
	})
	member := func(change func(*http.Request, uint64) raftcore.ConfChange) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			if err := s.change(change(r, id)); err != nil {
				s.refuse(w, r, err)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		}
	}
	mux.HandleFunc("POST /members/{id}", member(func(r *http.Request, id uint64) raftcore.ConfChange {
		return raftcore.ConfChange{
			Changes: []raftcore.Change{{Kind: raftcore.ChangeAddLearner, ID: id}},
			Context: encodeAddress(id, r.URL.Query().Get("at")),
		}
	}))
	mux.HandleFunc("DELETE /members/{id}", member(func(_ *http.Request, id uint64) raftcore.ConfChange {
		return raftcore.ConfChange{Changes: []raftcore.Change{{Kind: raftcore.ChangeRemoveNode, ID: id}}}
	}))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(s.status())
	})
	return mux
}

// refuse answers a request that failed.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var e *raftcore.Error
	code := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, errKey):
		code = http.StatusBadRequest
	case errors.As(err, &e) && (e.Code == raftcore.ErrConf || e.Code == raftcore.ErrArg):
		code = http.StatusBadRequest
	case errors.Is(err, errUnknown):
		code = http.StatusGatewayTimeout
	case errors.As(err, &e) && e.Code == raftcore.ErrNotLeader:
		if at := (*s.addresses.Load())[e.Leader].http; at != "" {
			http.Redirect(w, r, "http://"+at+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		}
		code = http.StatusMisdirectedRequest // the text names the leader
	}
	http.Error(w, err.Error(), code)
}
