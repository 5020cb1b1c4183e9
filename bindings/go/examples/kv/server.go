package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	raftcore "raftcore.example/go"
)

const (
	group   = 1
	timeout = 5 * time.Second
)

var (
	errKey     = fmt.Errorf("a key has 1 to %d bytes", bolt.MaxKeySize)
	errRefused = errors.New("not done: try again")
	errUnknown = errors.New("done or not, nobody here can know")
)

// call is a request of a client, for the goroutine of the loop.
type call struct {
	write  []byte               // a write
	change *raftcore.ConfChange // a change of the membership
	done   chan error           // of either, or of a read; has room for the one answer
	since  time.Time
}

// server is a node with its disk, its peers and its clients. Other goroutines than that of run
// touch only the channels and addresses.
type server struct {
	node      *raftcore.Node
	limit     uint64 // of a frame
	store     *store
	addresses atomic.Pointer[map[uint64]address]
	given     map[uint64]address // by the command line, until there are some in the store
	hello     []byte
	peers     map[uint64]*outbound

	calls    chan call
	arrivals chan arrival
	progress chan progress
	statuses chan chan status

	token     uint64          // the newest one
	waiting   map[uint64]call // by token
	compacted uint64
	installed int                  // snapshots
	beside    map[uint64]*snapshot // by peer: data to send, which wait for their message
	arrived   map[uint64]*snapshot // by peer: data that came, whose message is to come
	stepped   map[uint64][]byte    // by index: data of a stepped message
}

type status struct {
	Leader, Term, Applied, First, LateTicks uint64
	Snapshots                               int
}

func newServer(id uint64, addresses map[uint64]address, path string, found bool, keep uint64) (*server, error) {
	cfg := raftcore.DefaultConfig()
	cfg.ID = id
	cfg.Group = group
	limit, err := cfg.FrameLimit()
	if err != nil {
		return nil, err
	}
	st, err := openStore(path, id, keep)
	if err != nil {
		return nil, err
	}
	if found {
		var voters []uint64
		for id := range addresses {
			voters = append(voters, id)
		}
		err = st.found(raftcore.Founder(voters...), addresses)
	} else if st.empty() {
		log.Print("the file is empty: this node waits until it is added to a group (to found a group, start each founder once with -found)")
	}
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
		node: node, limit: limit, store: st, given: addresses, hello: hello, peers: map[uint64]*outbound{},
		calls: make(chan call, 1024), arrivals: make(chan arrival, 1024), progress: make(chan progress, 16),
		statuses: make(chan chan status), waiting: map[uint64]call{}, compacted: st.before,
		beside: map[uint64]*snapshot{}, arrived: map[uint64]*snapshot{}, stepped: map[uint64][]byte{},
	}
	l, err := net.Listen("tcp", addresses[id].raft)
	if err != nil {
		return nil, err
	}
	go listen(l, group, s.arrivals)
	return s, s.connect()
}

// connect starts a sender for each peer with a known address.
func (s *server) connect() error {
	known, err := s.store.addresses()
	if err != nil {
		return err
	}
	if len(known) == 0 { // a node that joins
		known = s.given
	}
	s.addresses.Store(&known)
	self, err := s.node.Status()
	if err != nil {
		return err
	}
	for peer, at := range known {
		if o := s.peers[peer]; peer == self.ID || o != nil && o.address == at.raft {
			continue
		}
		o := &outbound{peer, at.raft, s.hello, make(chan raftcore.Message, 4096), s.progress}
		if old := s.peers[peer]; old != nil {
			close(old.queue)
		}
		s.peers[peer] = o
		go o.run()
	}
	for peer, o := range s.peers {
		if known[peer].raft == "" {
			close(o.queue)
			delete(s.peers, peer)
		}
	}
	return nil
}

// put replicates a write, and returns once it is applied here.
func (s *server) put(key string, value []byte) error {
	if !isKey([]byte(key)) { // before it is proposed: bbolt could not apply it
		return errKey
	}
	return s.ask(call{write: encodeWrite(key, value)})
}

// get reads what was written before.
func (s *server) get(key string) (value []byte, found bool, err error) {
	if err := s.ask(call{}); err != nil {
		return nil, false, err
	}
	return s.store.get(key)
}

// change changes the membership, and returns once the change is applied here.
func (s *server) change(c raftcore.ConfChange) error { return s.ask(call{change: &c}) }

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

// run is the loop. The loop ends if the disk fails, or the library has a bug. Then the process must
// end. The next process boots from the disk.
func (s *server) run(tick time.Duration) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ticker.C:
			err = s.node.Tick(1)
			s.expire()
			s.promote()
		case a := <-s.arrivals:
			s.step(a)
		case c := <-s.calls:
			s.begin(c)
		case p := <-s.progress:
			s.report(p)
		case answer := <-s.statuses:
			var now raftcore.Status
			now, err = s.node.Status()
			answer <- status{now.Leader, now.Term, now.Applied, now.FirstIndex, now.LateTicks, s.installed}
		}
		// Other arrivals and calls go into the same write.
		for more := true; more && err == nil; {
			select {
			case a := <-s.arrivals:
				s.step(a)
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

// step takes the frames or the snapshot of a peer. A refused message does no harm.
func (s *server) step(a arrival) {
	if a.snapshot != nil {
		s.arrived[a.from.peer] = a.snapshot
		close(a.snapshot.taken)
		return
	}
	buf := a.frames
	if len(a.from.rest) > 0 {
		buf = append(a.from.rest, buf...)
	}
	for {
		f, ok, err := raftcore.NextFrame(buf, s.limit)
		if err != nil {
			log.Printf("node %d: %v", a.from.peer, err)
			a.from.rest = nil
			a.from.conn.Close()
			return
		}
		if !ok {
			a.from.rest = buf
			return
		}
		buf = buf[f.Bytes:]
		if f.Group != group {
			log.Printf("node %d: a frame of group %d", a.from.peer, f.Group)
			continue
		}
		data, index, _, isSnapshot, err := raftcore.SplitSnapshot(f.Message)
		if err == nil && isSnapshot && len(data) == 0 {
			have := s.arrived[a.from.peer]
			if have == nil || have.index != index {
				log.Printf("node %d: the snapshot at %d came before its data", a.from.peer, index)
				continue // the leader sends it again
			}
			delete(s.arrived, a.from.peer)
			s.stepped[index] = have.data
		}
		if err := s.node.Step(a.from.peer, f.Message); err != nil {
			log.Printf("node %d: %v", a.from.peer, err)
		}
	}
}

// begin takes a client's request.
func (s *server) begin(c call) {
	s.token++
	var err error
	switch {
	case c.write != nil:
		err = s.node.Propose(c.write, s.token)
	case c.change != nil:
		err = s.node.ProposeConfChange(*c.change, s.token)
	default:
		err = s.node.ReadIndex(s.token)
	}
	if err != nil {
		c.done <- err
		return
	}
	s.waiting[s.token] = c
}

func (s *server) end(token uint64, err error) {
	if c, ok := s.waiting[token]; ok {
		delete(s.waiting, token)
		c.done <- err
	}
}

func (s *server) expire() {
	for token, c := range s.waiting {
		if time.Since(c.since) <= timeout {
			continue
		}
		if c.write == nil && c.change == nil {
			s.end(token, errRefused)
		} else {
			s.end(token, errUnknown)
		}
	}
}

// promote lets a learner vote that has caught up. On a node that does not lead there is none.
func (s *server) promote() {
	peers, err := s.node.Peers()
	if err != nil {
		return
	}
	for _, p := range peers {
		if p.Flags&raftcore.PeerLearner != 0 && p.Flags&raftcore.PeerCaughtUp != 0 {
			// An error is another change in progress, or leadership that was lost: the next tick
			// tries again.
			_ = s.node.ProposeConfChange(raftcore.ConfChange{
				Changes: []raftcore.Change{{Kind: raftcore.ChangeAddNode, ID: p.ID}},
			}, 0)
		}
	}
}

// report passes on what a sender has reported. A peer that has left the group is no fault.
func (s *server) report(p progress) {
	var err error
	switch {
	case p.next != nil:
		if o := s.peers[p.peer]; o != nil {
			s.queue(o, *p.next)
		}
	case p.arrived:
		err = s.node.ReportSnapshot(p.peer, raftcore.SnapshotArrived)
	case p.underWay:
		err = s.node.ReportSnapshot(p.peer, raftcore.SnapshotUnderWay)
	case p.lost:
		if p.snapshot {
			err = s.node.ReportSnapshot(p.peer, raftcore.SnapshotFailed)
		}
		if err == nil {
			err = s.node.ReportUnreachable(p.peer)
		}
	}
	if err != nil && !errors.Is(err, raftcore.ErrNoPeer) {
		log.Print(err)
	}
}

// send sends a message of a ready.
func (s *server) send(m raftcore.Message) {
	o := s.peers[m.To]
	if o == nil {
		return
	}
	if b := s.beside[m.To]; b != nil && m.Kind == raftcore.MsgSnap {
		delete(s.beside, m.To)
		if b.index == m.Index {
			go o.sendSnapshot(m, b.data)
		} else {
			s.report(progress{peer: m.To, lost: true, snapshot: true})
		}
		return
	}
	s.queue(o, m)
}

// queue queues a message for its peer. Behind a snapshot, the core may go on at once: appends travel behind the
// message on one connection. A wait for the acknowledgement is long if the acknowledgement is lost.
func (s *server) queue(o *outbound, m raftcore.Message) {
	snapshot := m.Kind == raftcore.MsgSnap
	if !o.send(m) {
		s.report(progress{peer: m.To, lost: true, snapshot: snapshot})
	} else if snapshot {
		s.report(progress{peer: m.To, arrived: true})
	}
}

// work does all work of the node, in the order of the contract. An error ends the process.
func (s *server) work() error {
	for s.node.HasReady() {
		if err := s.fetches(); err != nil {
			return err
		}
		rd, ok, err := s.node.Ready()
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if rd.HasSnapshot() && len(rd.SnapshotData) == 0 {
			rd.SnapshotData = s.stepped[rd.SnapshotIndex]
		}
		// 1 and 3: store and apply, in one transaction. If it fails, nothing of this ready has left
		// the node, and nothing will.
		written, moved, err := s.store.work(s.node, &rd)
		if err != nil {
			return err
		}
		for _, m := range rd.Messages { // 2
			s.send(m)
		}
		if moved {
			if err := s.connect(); err != nil {
				return err
			}
		}
		for _, token := range written { // 4
			s.end(token, nil)
		}
		for _, r := range rd.Reads {
			s.end(r.Token, nil)
		}
		for _, d := range rd.Dropped {
			if d.What == raftcore.DropUnknown {
				s.end(d.Token, errUnknown)
			} else {
				s.end(d.Token, fmt.Errorf("%w (%v)", errRefused, d.Reason))
			}
		}
		if err := s.node.Advance(rd.Number); err != nil { // 5
			return err
		}
		if rd.HasSnapshot() {
			s.installed++
			s.compacted = s.store.before
			clear(s.stepped)
		}
		if s.store.before > s.compacted {
			s.compacted = s.store.before
			if err := s.node.Compacted(s.compacted); err != nil && !errors.Is(err, raftcore.ErrStale) {
				return err
			}
		}
	}
	for {
		e, ok, err := s.node.NextEvent()
		if err != nil || !ok {
			return err
		}
		log.Print(e)
	}
}

// fetches answers what the node lacks. An error of an answer concerns one fetch; one of the disk
// ends the process.
func (s *server) fetches() error {
	for {
		f, ok, err := s.node.NextFetch()
		if err != nil || !ok {
			return err
		}
		delete(s.beside, f.Peer)
		err = s.store.answer(s.node, f, func(data []byte) {
			s.beside[f.Peer] = &snapshot{index: s.store.applied, data: data}
		})
		var e *raftcore.Error
		if errors.As(err, &e) {
			log.Print(err)
			if _, err := s.node.SupplyNone(f.ID, raftcore.SupplyLater); err != nil {
				log.Print(err)
			}
		} else if err != nil {
			return err
		}
	}
}
