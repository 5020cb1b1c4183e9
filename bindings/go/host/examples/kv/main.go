// Command kv is a replicated key-value store over HTTP, on package host. docs/go.md starts three of
// them.
//
//	kv -id 1 -dir kv1 -peer 127.0.0.1:7001 -http 127.0.0.1:8001 -found       the first member, once
//	kv -id 2 -dir kv2 -peer 127.0.0.1:7002 -http 127.0.0.1:8002 -join 127.0.0.1:7001
//
//	PUT /kv/KEY      200 with the old value: on the disks of a majority. 400: refused.
//	                 503: surely not done. 504: done or not. With the headers Session (32 hex
//	                 digits) and Number, a repeated request is done once.
//	GET /kv/KEY      200 or 404, linearizable, on any member
//	GET /members     DELETE /members/ID     POST /members/ID/lead
//	GET /backup      GET /metrics
package main

import (
	"context"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"

	"raftcore.example/go/host"
)

func main() {
	var opt host.Options
	id := flag.Uint64("id", 0, "this member; an id belongs to its directory for ever")
	dir := flag.String("dir", "", "its directory")
	web := flag.String("http", "", "where clients come")
	found := flag.Bool("found", false, "found a new group: at the first start of its first member")
	join := flag.String("join", "", "peer addresses of members, by commas, for an empty directory")
	flag.StringVar(&opt.Address, "peer", "", "where other members come")
	flag.Int64Var(&opt.SnapshotBytes, "snapshot", 0, "bytes of log between snapshots")
	flag.Parse()
	s := &store{values: map[string]string{}}
	opt.Machine, opt.ClientAddress = s, *web
	opt.Join = strings.FieldsFunc(*join, func(c rune) bool { return c == ',' })
	if *found {
		if err := host.Found(*dir, *id, opt); err != nil {
			log.Fatal(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	h, err := host.Open(ctx, *dir, *id, opt)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.ListenAndServe(*web, s.handler(h))) }()
	<-h.Done()
	if err := h.Close(); err != nil {
		log.Fatal(err)
	}
}

func (s *store) handler(h *host.Host) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /kv/{key...}", func(w http.ResponseWriter, r *http.Request) {
		value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err == nil {
			value, err = propose(h, r, encode(r.PathValue("key"), value))
		}
		answer(w, value, err)
	})
	mux.HandleFunc("GET /kv/{key...}", func(w http.ResponseWriter, r *http.Request) {
		if err := h.Read(r.Context()); err != nil {
			answer(w, nil, err)
			return
		}
		s.serve(w, r)
	})
	mux.HandleFunc("GET /members", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"Leader": h.Leader(), "Members": h.Members()})
	})
	member := func(do func(context.Context, uint64) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
			if err == nil {
				err = do(r.Context(), id)
			}
			answer(w, nil, err)
		}
	}
	mux.HandleFunc("DELETE /members/{id}", member(h.Remove))
	mux.HandleFunc("POST /members/{id}/lead", member(h.Transfer))
	mux.HandleFunc("GET /backup", func(w http.ResponseWriter, r *http.Request) { h.Backup(r.Context(), w) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { h.WriteMetrics(w) })
	return mux
}

// propose proposes a request, under the client's session, if given.
func propose(h *host.Host, r *http.Request, data []byte) ([]byte, error) {
	if r.Header.Get("Session") == "" {
		return h.Propose(r.Context(), data)
	}
	session, err := hex.DecodeString(r.Header.Get("Session"))
	number, err2 := strconv.ParseUint(r.Header.Get("Number"), 10, 64)
	if err != nil || err2 != nil || len(session) != 16 {
		return nil, host.ErrRefused
	}
	return h.ProposeOnce(r.Context(), host.SessionID(session), number, data)
}

func answer(w http.ResponseWriter, body []byte, err error) {
	switch {
	case err == nil:
		w.Write(body)
	case errors.Is(err, host.ErrUnknown):
		http.Error(w, err.Error(), http.StatusGatewayTimeout)
	case errors.Is(err, host.ErrNotCommitted), errors.Is(err, host.ErrClosed):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// store is the state: a map.
type store struct {
	mu     sync.RWMutex
	values map[string]string
}

// encode makes an entry: the length of the key, the key, the value.
func encode(key string, value []byte) []byte {
	return append(append(binary.AppendUvarint(nil, uint64(len(key))), key...), value...)
}

// Apply sets values. The result is the old value.
func (s *store) Apply(batch []host.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		if n, used := binary.Uvarint(batch[i].Data); used > 0 && n <= uint64(len(batch[i].Data)-used) {
			rest := string(batch[i].Data[used:])
			batch[i].Result = []byte(s.values[rest[:n]])
			s.values[rest[:n]] = rest[n:]
		}
	}
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if value, ok := s.values[r.PathValue("key")]; ok {
		io.WriteString(w, value)
	} else {
		http.NotFound(w, r)
	}
}

// Snapshot copies the map, and writes the copy.
func (s *store) Snapshot() (func(io.Writer) error, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	values := maps.Clone(s.values)
	return func(w io.Writer) error { return gob.NewEncoder(w).Encode(values) }, nil
}

// Restore replaces the map.
func (s *store) Restore(r io.Reader) error {
	values := map[string]string{}
	err := gob.NewDecoder(r).Decode(&values)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = values
	return err
}
