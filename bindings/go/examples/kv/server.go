package main

import (
	"errors"
	"log"
	"math/rand/v2"
	"net"
	"time"

	raftcore "raftcore.example/go"
)

const (
	group   = 1
	timeout = 5 * time.Second
)

var (
	errRefused = errors.New("not done: try again")
	errUnknown = errors.New("no answer in time: it may be done or not")
)

// call is a request of a client, for the loop's goroutine.
type call struct {
	write []byte // nil: a read
	id    uint64
	done  chan error // room for the one answer
	since time.Time
}

// server is a node with its disk, its peers and its clients. run is the only goroutine that touches anything but the channels.
type server struct {
	node    *raftcore.Node
	store   *store
	peers   map[uint64]*outbound
	calls   chan call
	chunks  chan chunk
	losses  chan lost
	waiting map[uint64]call // by id: writes until applied here, reads until they may be served

	compacted uint64
	installed int // snapshots
	statuses  chan chan status
}

type status struct {
	Leader, Term, Applied, First uint64
	Snapshots                    int
}

func newServer(id uint64, addresses map[uint64]string, path string, keep uint64) (*server, error) {
	cfg := raftcore.DefaultConfig()
	cfg.ID = id
	cfg.Group = group
	cfg.MaxSnapshotBytes = 1 << 30

	st, err := openStore(path, keep, func() ([]byte, error) { return founders(cfg, addresses) })
	if err != nil {
		return nil, err
	}
	node, err := raftcore.NewNode(cfg)
	if err != nil {
		return nil, err
	}
	if err := st.boot(node); err != nil {
		return nil, err
	}
	hello, err := node.Hello()
	if err != nil {
		return nil, err
	}
	s := &server{
		node: node, store: st, peers: map[uint64]*outbound{}, waiting: map[uint64]call{}, compacted: st.before,
		calls: make(chan call, 1024), chunks: make(chan chunk, 1024), losses: make(chan lost, 16), statuses: make(chan chan status),
	}
	l, err := net.Listen("tcp", addresses[id])
	if err != nil {
		return nil, err
	}
	go listen(l, group, s.chunks)
	for peer, address := range addresses {
		if peer != id {
			s.peers[peer] = &outbound{peer, make(chan raftcore.Message, 4096)}
			go s.peers[peer].run(address, hello, s.losses)
		}
	}
	return s, nil
}

// founders is the first configuration, as it is stored. A node that lives no longer than this call makes bytes of the ids.
func founders(cfg raftcore.Config, addresses map[uint64]string) ([]byte, error) {
	node, err := raftcore.NewNode(cfg)
	if err != nil {
		return nil, err
	}
	defer node.Close()
	var conf raftcore.Conf
	for id := range addresses {
		conf.Voters = append(conf.Voters, id)
	}
	if err := errors.Join(node.BootState(raftcore.HardState{Commit: 1}), node.BootConf(conf, 1, 1), node.BootDone(1)); err != nil {
		return nil, err
	}
	conf, err = node.Conf()
	return conf.Bytes, err
}

// put replicates a write, and answers once it is applied here.
func (s *server) put(key string, value []byte) error {
	id := rand.Uint64() // known again when it is applied, whoever passed it on
	return s.ask(call{write: encodeWrite(id, key, value), id: id})
}

// get reads what was written before.
func (s *server) get(key string) (value []byte, found bool, err error) {
	if err := s.ask(call{id: rand.Uint64()}); err != nil {
		return nil, false, err
	}
	return s.store.get(key)
}

func (s *server) ask(c call) error {
	c.done, c.since = make(chan error, 1), time.Now()
	s.calls <- c
	return <-c.done
}

func (s *server) status() status {
	answer := make(chan status, 1)
	s.statuses <- answer
	return <-answer
}

// run is the loop. It ends if the disk fails, or the library has a bug: the process then starts again from what is on disk.
func (s *server) run(tick time.Duration) error {
	ticker := time.NewTicker(tick)
	for {
		var err error
		select {
		case <-ticker.C:
			err = s.node.Tick(1)
			s.expire()
		case c := <-s.chunks:
			err = s.step(c)
		case c := <-s.calls:
			s.begin(c)
		case l := <-s.losses:
			err = s.lost(l)
		case answer := <-s.statuses:
			var now raftcore.Status
			now, err = s.node.Status()
			answer <- status{now.Leader, now.Term, now.Applied, now.FirstIndex, s.installed}
		}
		// What else has come goes into the same write.
		for more := true; more && err == nil; {
			select {
			case c := <-s.chunks:
				err = s.step(c)
			case c := <-s.calls:
				s.begin(c)
			default:
				more = false
			}
		}
		if err == nil {
			err = s.work()
		}
		if err != nil {
			return err
		}
	}
}

// step takes what a peer sent.
func (s *server) step(c chunk) error {
	data := c.data
	if len(c.from.rest) > 0 {
		data = append(c.from.rest, data...)
	}
	used, _, err := s.node.StepFrames(c.from.peer, data)
	if errors.Is(err, raftcore.ErrDecode) {
		log.Printf("peer %d: %v", c.from.peer, err)
		c.from.rest = nil
		return c.from.conn.Close()
	}
	c.from.rest = data[used:]
	return err
}

// begin takes a client's request.
func (s *server) begin(c call) {
	var err error
	if c.write != nil {
		err = s.node.Propose(c.write, c.id)
	} else {
		err = s.node.ReadIndex(c.id)
	}
	if err != nil {
		c.done <- errors.Join(errRefused, err)
		return
	}
	s.waiting[c.id] = c
}

func (s *server) end(id uint64, err error) {
	if c, ok := s.waiting[id]; ok {
		delete(s.waiting, id)
		c.done <- err
	}
}

func (s *server) expire() {
	for id, c := range s.waiting {
		if time.Since(c.since) > timeout {
			s.end(id, errUnknown)
		}
	}
}

func (s *server) lost(l lost) error {
	if l.snapshot {
		if err := s.node.ReportSnapshot(l.peer, false); err != nil && !errors.Is(err, raftcore.ErrNoPeer) {
			return err
		}
	}
	if err := s.node.ReportUnreachable(l.peer); err != nil && !errors.Is(err, raftcore.ErrNoPeer) {
		return err
	}
	return nil
}

// work does all that the node has to do. The order is the contract.
func (s *server) work() error {
	for {
		f, ok, err := s.node.NextFetch()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := s.store.answer(s.node, f); err != nil {
			return err
		}
	}
	for {
		rd, ok, err := s.node.Ready()
		if err != nil || !ok {
			return err
		}
		// 1 and 3: store and apply, in one transaction.
		if err := s.store.work(s.node, &rd, func(request uint64) { s.end(request, nil) }); err != nil {
			return err
		}
		if rd.HasSnapshot() {
			s.installed++
			s.compacted = s.store.before
		}
		for _, m := range rd.Messages { // 2
			if o := s.peers[m.To]; o != nil && !o.send(m) {
				if err := s.lost(lost{m.To, m.Kind == raftcore.MsgSnap}); err != nil {
					return err
				}
			}
		}
		for _, r := range rd.Reads { // 4
			s.end(r.Token, nil)
		}
		for _, d := range rd.Dropped {
			switch {
			case d.What == raftcore.DropUnknown && d.Reason == raftcore.ReasonForwarded: // its number comes by when it is applied
			case d.What == raftcore.DropUnknown:
				s.end(d.Token, errUnknown)
			default:
				s.end(d.Token, errRefused)
			}
		}
		if err := s.node.Advance(rd.Number); err != nil { // 5
			return err
		}
		if s.store.before > s.compacted {
			s.compacted = s.store.before
			if err := s.node.Compacted(s.compacted); err != nil {
				return err
			}
		}
	}
}
