// Command kv is a replicated key-value store: raftcore, with bbolt as the log and the data, and HTTP as its face.
//
//	kv -id 1 -peers 1=127.0.0.1:7001,2=127.0.0.1:7002,3=127.0.0.1:7003 -http 127.0.0.1:8001 -data kv1.db
//
//	PUT /kv/KEY        204: committed, on a majority's disks. 503: surely not done, try again. 504: may be done or not.
//	GET /kv/KEY        200 or 404, linearizable: what was written before the request came is seen, on whichever node.
//	GET /status        who leads, and how far this node is
//
// Peers are believed what they say they are: for a network that one trusts.
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
)

const maxValue = 1 << 20

func main() {
	id := flag.Uint64("id", 0, "this node, one of -peers")
	peers := flag.String("peers", "", "the founders: ID=HOST:PORT,...")
	web := flag.String("http", "127.0.0.1:8001", "where clients come")
	data := flag.String("data", "kv.db", "the file of this node")
	tick := flag.Duration("tick", 50*time.Millisecond, "a tick; ten to twenty without a leader make an election")
	keep := flag.Uint64("keep", 10000, "applied entries to keep for peers that lag")
	flag.Parse()

	addresses, err := parsePeers(*peers)
	if err != nil || addresses[*id] == "" {
		log.Fatalf("-id and -peers: %v", err)
	}
	log.SetPrefix(fmt.Sprintf("node %d: ", *id))
	s, err := newServer(*id, addresses, *data, *keep)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.ListenAndServe(*web, s.handler())) }()
	log.Fatal(s.run(*tick))
}

func parsePeers(text string) (map[uint64]string, error) {
	peers := map[uint64]string{}
	for _, part := range strings.Split(text, ",") {
		id, address, ok := strings.Cut(part, "=")
		number, err := strconv.ParseUint(id, 10, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("%q is not ID=HOST:PORT", part)
		}
		peers[number] = address
	}
	return peers, nil
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
			refuse(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /kv/{key...}", func(w http.ResponseWriter, r *http.Request) {
		value, found, err := s.get(r.PathValue("key"))
		switch {
		case err != nil:
			refuse(w, err)
		case !found:
			http.NotFound(w, r)
		default:
			w.Write(value)
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(s.status())
	})
	return mux
}

func refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, errUnknown) {
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
		return
	}
	http.Error(w, err.Error(), http.StatusServiceUnavailable)
}
