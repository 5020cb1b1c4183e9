package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// Host is a member of a group, with disk and connections. [Open] makes a Host. Methods may be called
// from any goroutine.
type Host struct {
	id      uint64
	opt     Options
	log     *slog.Logger
	dir     *disk.Dir
	store   *disk.Log
	node    *raftcore.Node
	applier *applier
	metrics metrics
	limit   uint64 // longest frame of the core
	start   uint64 // drawn at each start
	address string // what others dial

	done    chan struct{} // closed when the host begins to end
	stop    func()
	ended   chan struct{} // closed when all goroutines have ended
	failure atomic.Pointer[error]
	wg      sync.WaitGroup

	inbox    *inbox
	applies  *queue[applyJob]
	disks    *queue[diskJob]
	listener net.Listener
	view     atomic.Pointer[view]
	saved    atomic.Uint64 // index of the newest snapshot
	saving   atomic.Bool   // a snapshot is being made
	dialler  dialler
	receiver receiver

	// The rest belongs to the loop.
	last      time.Time // of the last tick
	leader    uint64
	role      raftcore.Role
	term      uint64
	ready     bool // a leader: its first entry is applied
	conf      raftcore.Conf
	book      map[uint64]wire.Record
	hints     map[uint64]string // addresses from hellos
	token     uint64
	byToken   map[uint64]*proposal
	waiting   []*proposal
	reads     []*readWait
	reading   map[uint64][]*readWait
	peers     map[uint64]*peer
	sends     map[uint64]*sending // snapshots in flight, by peer
	released  map[uint64]bool     // peers with a MsgSnap under way that waits for an acknowledgement
	fetches   []raftcore.Fetch    // waiting for a new snapshot
	snapshot  wire.SnapshotHead   // the newest
	voters    map[uint64]bool     // learners to promote after catching up
	asked     time.Time           // of the last wish of the member about itself
	asking    atomic.Bool
	removed   bool   // the member is no longer in the membership
	submitted uint64 // number of the newest ready passed to the disk
	persisted uint64 // number of the newest durable ready
	flat      []byte // reused
	lengths   []uint32
	tokens    []uint64
	taking    []*proposal
}

// view is what connections need to know of the loop.
type view struct {
	leader      uint64
	established bool // the member leads, and its first entry is applied
	conf        raftcore.Conf
	book        map[uint64]wire.Record
}

func (v *view) isMember(id uint64) bool {
	for _, list := range [][]uint64{v.conf.Voters, v.conf.Outgoing, v.conf.Learners, v.conf.LearnersNext} {
		for _, x := range list {
			if x == id {
				return true
			}
		}
	}
	return false
}

// Found makes a directory the first member of a new group: its only voter. Call Found once for a
// group, on one member; the others join. The machine's Snapshot is the initial state of the group.
//
// [ErrFounded]: the directory belongs to a group already.
func Found(dir string, id uint64, opt Options) error {
	return found(dir, id, opt, func(d *disk.Dir, opt Options, owner disk.Owner) error {
		a := newApplier(opt.Machine)
		conf, err := raftcore.Conf{Voters: []uint64{id}, Index: 1}.Encode()
		if err != nil {
			return err
		}
		a.index, a.term, a.conf = 1, 1, conf
		a.book[id] = wire.Record{ID: id, Disk: owner.Disk, PeerAddress: opt.advertised(nil), ClientAddress: opt.ClientAddress}
		f, err := a.freeze()
		if err != nil {
			return err
		}
		_, err = f.save(d)
		return errors.Join(err, disk.Create(d, opt.SegmentBytes, raftcore.HardState{Commit: 1}, 1, 1))
	})
}

// found prepares a directory with write, and makes it part of a new group then.
func found(dir string, id uint64, opt Options, write func(*disk.Dir, Options, disk.Owner) error) error {
	opt, err := opt.withDefaults(id)
	if err != nil {
		return err
	}
	d, err := disk.Lock(dir, opt.Group, id)
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Owner.Founding != (wire.Identity{}) {
		return fmt.Errorf("%w: %s", ErrFounded, dir)
	}
	owner := disk.Owner{Group: opt.Group, ID: id, Disk: newIdentity()}
	if err := d.SetOwner(owner); err != nil {
		return err
	}
	if err := write(d, opt, owner); err != nil {
		return err
	}
	owner.Founding = newIdentity()
	return d.SetOwner(owner)
}

// advertised is the address for peers. With port 0 only the listener knows the port; without a
// listener the result is empty.
func (o Options) advertised(l net.Listener) string {
	switch {
	case o.Advertise != "":
		return o.Advertise
	case l != nil:
		host, _, _ := net.SplitHostPort(o.Address)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return net.JoinHostPort(host, port)
	}
	if strings.HasSuffix(o.Address, ":0") {
		return ""
	}
	return o.Address
}

// Open starts a member from a directory that [Found] has made. With an empty directory the member
// joins the group of Options.Join first. Joining waits for a leader; ctx ends the wait.
//
// The host runs until ctx ends, until Close, or until it fails: see [Host.Done].
//
//   - [ErrEmpty]: the directory is empty, and Options.Join too.
//   - [ErrInUse], [ErrOwner], [ErrDamaged].
//   - [ErrRefused]: the group refuses the member; the text says why.
func Open(ctx context.Context, dir string, id uint64, opt Options) (*Host, error) {
	opt, err := opt.withDefaults(id)
	if err != nil {
		return nil, err
	}
	cfg, err := opt.config(id)
	if err != nil {
		return nil, err
	}
	limit, err := cfg.FrameLimit()
	if err != nil {
		return nil, err
	}
	h := &Host{
		id: id, opt: opt, log: opt.Logger, limit: limit, start: random64(), applier: newApplier(opt.Machine),
		done: make(chan struct{}), ended: make(chan struct{}), inbox: newInbox(), applies: newQueue[applyJob](), disks: newQueue[diskJob](),
		book: map[uint64]wire.Record{}, hints: map[uint64]string{}, byToken: map[uint64]*proposal{}, reading: map[uint64][]*readWait{},
		peers: map[uint64]*peer{}, sends: map[uint64]*sending{}, released: map[uint64]bool{}, voters: map[uint64]bool{},
	}
	h.stop = sync.OnceFunc(func() { close(h.done) })
	if err := h.open(ctx, dir, cfg); err != nil {
		h.closeFiles()
		return nil, err
	}
	h.run(ctx)
	return h, nil
}

func (h *Host) open(ctx context.Context, dir string, cfg raftcore.Config) (err error) {
	if h.node, err = raftcore.NewNode(cfg); err != nil {
		return err
	}
	if h.dir, err = disk.Lock(dir, h.opt.Group, h.id); err != nil {
		return err
	}
	if h.dir.Owner.Founding == (wire.Identity{}) && len(h.opt.Join) == 0 {
		return fmt.Errorf("%w: %s: call Found once for a new group, or set Options.Join", ErrEmpty, dir)
	}
	if h.dialler, err = h.newDialler(); err != nil {
		return err
	}
	if h.listener, err = net.Listen("tcp", h.opt.Address); err != nil {
		return err
	}
	h.address = h.opt.advertised(h.listener)
	if h.dir.Owner.Founding == (wire.Identity{}) {
		if err := h.join(ctx); err != nil {
			return err
		}
	}
	return h.boot()
}

// boot restores the state from the disk, and boots the node.
func (h *Host) boot() error {
	begin := time.Now()
	store, stored, err := disk.Open(h.dir, h.opt.SegmentBytes)
	if err != nil {
		return err
	}
	h.store = store
	for _, note := range stored.Notes {
		h.log.Warn(note)
	}
	name := ""
	if stored.Snapshot > 0 {
		name = disk.SnapshotName(stored.Snapshot, stored.SnapshotTerm)
	}
	if err := errors.Join(h.dir.RemoveSnapshots(name, math.MaxUint64), removePart(h.dir)); err != nil {
		return err
	}
	if err := h.node.BootState(stored.HardState); err != nil {
		return err
	}
	applied := stored.Snapshot
	if applied > 0 {
		if err := h.restoreAtBoot(stored); err != nil {
			return err
		}
	}
	for next := applied + 1; next <= stored.Last; {
		entries, err := h.store.Entries(next, stored.Last, 4<<20)
		if err != nil {
			return err
		}
		if err := h.node.BootEntries(entries); err != nil {
			return err
		}
		next += uint64(len(entries))
	}
	if err := h.node.BootDone(applied); err != nil {
		return err
	}
	if h.conf, err = h.node.Conf(); err != nil {
		return err
	}
	h.applier.bytes = h.store.BytesAbove(applied)
	h.saved.Store(applied)
	h.refreshView()
	h.log.Info("started", "address", h.address, "snapshot", applied, "last", stored.Last, "term", stored.Term, "took", time.Since(begin))
	return nil
}

func (h *Host) restoreAtBoot(stored *disk.Boot) error {
	file, err := h.dir.OpenSnapshot(stored.Snapshot, stored.SnapshotTerm)
	if err != nil {
		return err
	}
	defer file.Close()
	head, err := h.applier.restore(file)
	if err != nil {
		return err
	}
	if head.Index != stored.Snapshot || head.Term != stored.SnapshotTerm {
		return fmt.Errorf("%w: %s is of entry %d, term %d", ErrDamaged, file.Name(), head.Index, head.Term)
	}
	h.snapshot = head
	for id, r := range h.applier.book {
		h.book[id] = r
	}
	if err := h.node.BootConf(raftcore.Conf{Bytes: head.Conf}, stored.Before, stored.BeforeTerm); err != nil {
		return err
	}
	return h.node.BootTerms(stored.Runs, stored.Last)
}

func removePart(d *disk.Dir) error {
	if err := os.Remove(d.Path + "/" + disk.Part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// start runs f on a goroutine that wg waits for, as WaitGroup.Go does from Go 1.25 on.
func start(wg *sync.WaitGroup, f func()) {
	wg.Add(1)
	go func() {
		defer wg.Done()
		f()
	}()
}

// run starts the goroutines. The end of any goroutine ends the host.
func (h *Host) run(ctx context.Context) {
	h.last = time.Now()
	h.wg.Add(3)
	go h.runLoop()
	go h.runApplier()
	go h.runDisk()
	start(&h.wg, h.accept)
	go func() {
		select {
		case <-ctx.Done():
			h.stop()
		case <-h.done:
		}
		h.unlisten()
		h.applies.close()
		h.disks.close()
		mail := h.inbox.close()
		h.wg.Wait()
		h.endAll(mail)
		h.closeFiles()
		close(h.ended)
	}()
}

// endAll ends the waiting proposals. The goroutines have ended.
func (h *Host) endAll(m mail) {
	for _, p := range h.byToken {
		p.finish(outcome{kind: wire.OutcomeUnknown, err: h.closedError()})
	}
	for _, p := range append(h.waiting, m.proposals...) {
		p.finish(outcome{kind: wire.OutcomeNotCommitted, err: h.closedError()})
	}
}

// unlisten ends listening, for the copies of the socket, too: a child that the process has forked holds one until it
// calls exec, and nobody else could listen on the port.
func (h *Host) unlisten() {
	if tcp, ok := h.listener.(*net.TCPListener); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RDWR) })
		}
	}
	h.listener.Close()
}

func (h *Host) closeFiles() {
	if h.listener != nil {
		h.unlisten()
	}
	if h.store != nil {
		if err := h.store.Close(); err != nil && h.failure.Load() == nil {
			h.fail(err)
		}
	}
	if h.node != nil {
		h.node.Close()
	}
	if h.dir != nil {
		h.dir.Close()
	}
}

// Close ends the host: connections, goroutines and files. Waiting proposals end with an error. A second
// Close waits for the first. Close returns the error of [Host.Err].
func (h *Host) Close() error {
	h.stop()
	<-h.ended
	return h.Err()
}

// Done is closed when the host ends: by Close, by the context, or by a failure: see [Host.Err].
func (h *Host) Done() <-chan struct{} { return h.done }

// Err returns why the host has failed, or nil. After a failure of the disk the process may open the
// directory again: acknowledged writes never depend on memory. [ErrDamaged], [ErrRemoved].
func (h *Host) Err() error {
	if err := h.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail ends the host.
func (h *Host) fail(err error) {
	if h.failure.CompareAndSwap(nil, &err) {
		h.log.Error("the host ends", "error", err)
	}
	h.stop()
}

func (h *Host) closedError() error {
	if err := h.Err(); err != nil {
		return errors.Join(ErrClosed, err)
	}
	return ErrClosed
}
