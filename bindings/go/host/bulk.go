package host

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// Snapshots travel as a file in chunks on a BULK connection, then the MsgSnap on PEER.

const (
	chunkBytes = 256 << 10
	window     = 4 << 20
	// A member that is silent for more ticks holds no log. A busy member may be silent for a few election timeouts.
	silentTicks = 100
)

// sending is a snapshot in flight to a peer, owned by the loop.
type sending struct {
	index, term uint64
	frame       []byte // the MsgSnap, held back until the data arrive
	arrived     bool   // the data
	cancel      context.CancelFunc
}

// supplySnapshot answers a fetch of a snapshot with the newest file, or has a newer one made.
func (h *Host) supplySnapshot(f raftcore.Fetch) {
	if s := h.sends[f.Peer]; s != nil { // the core gave up the former snapshot
		s.cancel()
		delete(h.sends, f.Peer)
	}
	ok, err := false, error(nil)
	if h.snapshot.Index > 0 && h.snapshot.Index+1 >= f.First {
		ok, err = h.supplyFile(f)
	} else {
		err = raftcore.ErrArg
	}
	switch {
	case ok, err == nil: // under way, or no longer wanted
	case isCode(err, raftcore.ErrArg): // too old for the peer
		h.fetches = append(h.fetches, f)
		h.applies.put(applyJob{snap: true})
	default:
		h.log.Warn("a snapshot can't be supplied", "peer", f.Peer, "error", err)
		h.node.SupplyNone(f.ID, raftcore.SupplyLater)
	}
}

func (h *Host) supplyFile(f raftcore.Fetch) (bool, error) {
	head := h.snapshot
	file, err := h.dir.OpenSnapshot(head.Index, head.Term) // at once: a compaction may remove the name
	if err != nil {
		return false, err
	}
	wanted, err := h.node.SupplySnapshot(f.ID, head.Index, raftcore.Conf{Bytes: head.Conf}, nil)
	if err != nil || !wanted {
		file.Close()
		return false, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &sending{index: head.Index, term: head.Term, cancel: cancel}
	h.sends[f.Peer] = s
	delete(h.released, f.Peer)
	address := h.addressOf(f.Peer)
	start(&h.wg, func() {
		defer cancel()
		defer file.Close()
		go func() {
			select {
			case <-h.done:
				cancel()
			case <-ctx.Done():
			}
		}()
		begin := time.Now()
		err := h.sendFile(ctx, f.Peer, address, file, head)
		if err == nil {
			h.log.Info("snapshot sent", "peer", f.Peer, "index", head.Index, "bytes", head.Size, "took", time.Since(begin))
			h.metrics.snapshotsSent.Add(1)
		} else if ctx.Err() == nil {
			h.log.Warn("snapshot not sent", "peer", f.Peer, "index", head.Index, "error", err)
		}
		h.inbox.call(func() { h.sent(f.Peer, s, err) })
	})
	return true, nil
}

// retryFetches answers the fetches that waited for a newer snapshot.
func (h *Host) retryFetches() {
	fetches := h.fetches
	h.fetches = nil
	for _, f := range fetches {
		if _, err := h.supplyFile(f); err != nil {
			h.log.Debug("the new snapshot does not help", "peer", f.Peer, "error", err)
			h.node.SupplyNone(f.ID, raftcore.SupplyLater)
		}
	}
}

// holdSnap keeps a MsgSnap until its data have arrived.
func (h *Host) holdSnap(m *raftcore.MessageView) {
	s := h.sends[m.To]
	if s == nil || s.index != m.Index || s.term != m.LogTerm {
		h.report(m.To, raftcore.SnapshotFailed)
		return
	}
	s.frame = m.AppendFrame(nil)
	h.releaseSnap(m.To, s)
}

func (h *Host) releaseSnap(to uint64, s *sending) {
	if s.frame == nil || !s.arrived {
		return
	}
	delete(h.sends, to)
	if p := h.peer(to); p == nil || !p.box.addBytes(s.frame) {
		h.report(to, raftcore.SnapshotFailed)
		return
	}
	h.released[to] = true
}

// endWaits ends the waits for peers that have acknowledged their snapshot. The core goes on by itself
// only if its log still reaches back to the snapshot.
func (h *Host) endWaits() {
	if len(h.released) == 0 {
		return
	}
	peers, err := h.node.Peers()
	if err != nil || h.role != raftcore.RoleLeader {
		clear(h.released)
		return
	}
	for id := range h.released {
		at := slices.IndexFunc(peers, func(p raftcore.Peer) bool { return p.ID == id })
		switch {
		case at < 0 || peers[at].Flow != raftcore.FlowSnapshot:
			delete(h.released, id)
		case peers[at].Match >= peers[at].PendingSnapshot:
			h.doubt(id)
		}
	}
}

// doubt has the core ask a peer where it is, in place of waiting for an acknowledgement: the MsgSnap or the
// answer may have been lost with a connection.
func (h *Host) doubt(id uint64) {
	if h.released[id] {
		delete(h.released, id)
		h.report(id, raftcore.SnapshotArrived)
	}
}

// sent takes the end of a transfer.
func (h *Host) sent(to uint64, s *sending, err error) {
	if h.sends[to] != s {
		return
	}
	if err != nil {
		delete(h.sends, to)
		h.report(to, raftcore.SnapshotFailed)
		return
	}
	s.arrived = true
	h.releaseSnap(to, s)
}

// snapshotRefused takes the answer to a MsgSnap whose data are not there.
func (h *Host) snapshotRefused(peer uint64, m *wire.Abort) {
	if m.Stream == 0 {
		h.log.Warn("the data of a snapshot are not there", "peer", peer, "index", m.Index, "words", m.Words)
		h.report(peer, raftcore.SnapshotFailed)
	}
}

func (h *Host) report(peer uint64, how raftcore.SnapshotReport) {
	if err := h.node.ReportSnapshot(peer, how); err != nil && !isCode(err, raftcore.ErrNoPeer, raftcore.ErrClosed) {
		h.log.Debug("ReportSnapshot", "peer", peer, "error", err)
	}
}

// sendFile offers a file, and sends the chunks that the peer lacks.
func (h *Host) sendFile(ctx context.Context, id uint64, address string, file *os.File, head wire.SnapshotHead) error {
	if address == "" {
		return fmt.Errorf("no address of member %d is known", id)
	}
	l, err := h.dial(ctx, address, wire.ChannelBulk, id)
	if err != nil {
		return err
	}
	defer l.conn.Close()
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()
	l.timeout = time.Minute // a peer's disk may be slow
	chunk := uint64(min(chunkBytes, (l.theirs-wire.ChunkHead-8)&^4095))
	offer := &wire.Offer{Stream: 1, Index: head.Index, Term: head.Term, Size: head.Size, Checksum: head.Checksum, ChunkBytes: uint32(chunk)}
	if err := l.write(offer); err != nil {
		return err
	}
	at, allowed, accepted := uint64(0), uint64(0), false
	buf := make([]byte, chunk)
	for {
		for accepted && at < head.Size && at+min(chunk, head.Size-at) <= allowed {
			data := buf[:min(chunk, head.Size-at)]
			if _, err := file.ReadAt(data, int64(at)); err != nil {
				l.write(&wire.Abort{Stream: 1, Index: head.Index, Term: head.Term, Code: wire.AbortReadFailed, Words: err.Error()})
				return err
			}
			if err := l.write(&wire.Chunk{Stream: 1, Offset: at, Data: data, Checksum: crc32.Checksum(data, wire.Castagnoli)}); err != nil {
				return err
			}
			at += uint64(len(data))
			h.metrics.snapshotBytesSent.Add(uint64(len(data)))
		}
		m, err := l.message()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case *wire.Accept:
			at, allowed, accepted = m.Offset, m.Offset+uint64(min(m.Window, wire.WindowMax)), true
			if at > head.Size || at != head.Size && at%chunk != 0 {
				return fmt.Errorf("%w: a stream that begins at %d", errProtocol, at)
			}
		case *wire.Ack:
			allowed = m.Offset + uint64(min(m.Window, wire.WindowMax))
			h.inbox.call(func() { h.report(id, raftcore.SnapshotUnderWay) })
		case *wire.Complete:
			return nil
		case *wire.Abort:
			return fmt.Errorf("the peer ends the stream with code %d: %s", m.Code, m.Words)
		}
	}
}

// ---- receiving

// receiver is the snapshot being received: one at a time.
type receiver struct {
	mu     sync.Mutex
	file   *os.File // bytes so far; nil: none
	offer  wire.Offer
	size   uint64 // of the bytes so far
	guest  *guest // the sender
	stream uint64
	whole  map[[2]uint64]wire.SnapshotHead // complete files, by index and term
}

func (r *receiver) has(index, term uint64) (wire.SnapshotHead, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	head, ok := r.whole[[2]uint64{index, term}]
	return head, ok
}

// receive serves a BULK connection.
func (h *Host) receive(x *guest) error {
	r := &h.receiver
	defer r.leave(x)
	for {
		_, body, err := x.next()
		if err != nil {
			return err
		}
		m, err := parse(body)
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case nil:
		case *wire.Ping:
			x.answer(&wire.Pong{Token: m.Token})
		case *wire.Offer:
			h.offered(x, m)
		case *wire.Chunk:
			if err := h.chunk(x, m); err != nil {
				return err
			}
		case *wire.Abort:
			r.leave(x)
		default:
			return fmt.Errorf("%w: a frame of type %d on BULK", errProtocol, wire.Kind(body))
		}
	}
}

func (r *receiver) leave(x *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.guest == x {
		r.guest = nil
	}
}

func abort(x *guest, m *wire.Offer, code uint16, words string) {
	x.answer(&wire.Abort{Stream: m.Stream, Index: m.Index, Term: m.Term, Code: code, Words: words})
}

func (h *Host) offered(x *guest, m *wire.Offer) {
	r := &h.receiver
	status, err := h.node.Status()
	if err != nil {
		abort(x, m, wire.AbortBusy, err.Error())
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m.ChunkBytes == 0 || m.ChunkBytes%4096 != 0 || m.ChunkBytes > wire.ChunkMax || m.Stream == 0:
		abort(x, m, wire.AbortLimit, "chunk_bytes or stream")
		return
	case m.Index <= status.Commit:
		abort(x, m, wire.AbortNotNeeded, fmt.Sprintf("this member has committed up to %d", status.Commit))
		return
	case r.guest != nil && r.guest != x && m.Index < r.offer.Index:
		abort(x, m, wire.AbortSuperseded, fmt.Sprintf("a snapshot of %d is being received", r.offer.Index))
		return
	}
	if head, ok := r.whole[[2]uint64{m.Index, m.Term}]; ok && head.Size == m.Size && head.Checksum == m.Checksum {
		x.answer(&wire.Accept{Progress: wire.Progress{Stream: m.Stream, Offset: m.Size, Window: window}})
		x.answer(&wire.Complete{Stream: m.Stream, Index: m.Index, Term: m.Term})
		return
	}
	if r.guest != nil && r.guest != x {
		r.guest.answer(&wire.Abort{Stream: r.stream, Index: r.offer.Index, Term: r.offer.Term, Code: wire.AbortSuperseded})
	}
	same := r.file != nil && r.offer.Index == m.Index && r.offer.Term == m.Term && r.offer.Size == m.Size && r.offer.Checksum == m.Checksum
	if same {
		r.size -= r.size % uint64(m.ChunkBytes)
		if err = r.file.Truncate(int64(r.size)); err == nil {
			h.log.Info("snapshot resumed", "from", x.id, "index", m.Index, "offset", r.size)
		}
	} else {
		err = r.begin(filepath.Join(h.dir.Path, disk.Part))
	}
	if err != nil {
		r.drop()
		abort(x, m, wire.AbortNoSpace, err.Error())
		return
	}
	r.offer, r.guest, r.stream = *m, x, m.Stream
	x.answer(&wire.Accept{Progress: wire.Progress{Stream: m.Stream, Offset: r.size, Window: window}})
	if r.size == m.Size {
		h.complete(x)
	}
}

func (r *receiver) begin(path string) (err error) {
	r.drop()
	r.file, err = os.Create(path)
	return err
}

func (r *receiver) drop() {
	if r.file != nil {
		r.file.Close()
		os.Remove(r.file.Name())
	}
	r.file, r.size = nil, 0
}

func (h *Host) chunk(x *guest, m *wire.Chunk) error {
	r := &h.receiver
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.guest != x || r.stream != m.Stream || r.file == nil {
		return nil // of an ended stream
	}
	want := min(uint64(r.offer.ChunkBytes), r.offer.Size-r.size)
	if m.Offset != r.size || uint64(len(m.Data)) != want || want == 0 {
		return fmt.Errorf("%w: a chunk of %d bytes at %d, where %d at %d come next", errProtocol, len(m.Data), m.Offset, want, r.size)
	}
	if crc32.Checksum(m.Data, wire.Castagnoli) != m.Checksum {
		abort(x, &r.offer, wire.AbortChunk, fmt.Sprintf("checksum of the chunk at %d", m.Offset))
		r.guest = nil
		return nil
	}
	if _, err := r.file.WriteAt(m.Data, int64(m.Offset)); err != nil {
		h.log.Warn("a snapshot can't be stored", "error", err)
		abort(x, &r.offer, wire.AbortNoSpace, err.Error())
		r.drop()
		r.guest = nil
		return nil
	}
	r.size += want
	h.metrics.snapshotBytesReceived.Add(want)
	if r.size == r.offer.Size {
		h.complete(x)
	} else if r.size%(window/4) < want {
		x.answer(&wire.Ack{Progress: wire.Progress{Stream: r.stream, Offset: r.size, Window: window}})
	}
	return nil
}

// complete checks the whole file, and renames the file durably. The receiver is locked.
func (h *Host) complete(x *guest) {
	r := &h.receiver
	offer, file := r.offer, r.file
	r.guest = nil
	_, err := file.Seek(0, io.SeekStart)
	head, sumErr := wire.CheckSnapshot(file)
	if sumErr == nil && (head.Checksum != offer.Checksum || head.Index != offer.Index || head.Term != offer.Term) {
		sumErr = fmt.Errorf("checksum %08x of entry %d, offered was %08x of %d", head.Checksum, head.Index, offer.Checksum, offer.Index)
	}
	if err = errors.Join(err, sumErr); err != nil {
		r.drop()
		abort(x, &offer, wire.AbortFile, err.Error())
		return
	}
	r.file, r.size = nil, 0
	if err := h.dir.PutInPlace(file, disk.SnapshotName(head.Index, head.Term), nil); err != nil {
		abort(x, &offer, wire.AbortNoSpace, err.Error())
		return
	}
	if r.whole == nil {
		r.whole = map[[2]uint64]wire.SnapshotHead{}
	}
	r.whole[[2]uint64{head.Index, head.Term}] = head
	h.log.Info("snapshot received", "from", x.id, "index", head.Index, "bytes", head.Size)
	x.answer(&wire.Complete{Stream: r.stream, Index: head.Index, Term: head.Term})
}

// arrivedSnap steps a MsgSnap if the data are there.
func (h *Host) arrivedSnap(a *arrival) {
	if _, ok := h.receiver.has(a.index, a.term); !ok {
		a.answer.add(func(b []byte) []byte {
			return wire.Append(b, h.opt.Group, &wire.Abort{Index: a.index, Term: a.term, Code: wire.AbortNoData})
		})
		return
	}
	if err := h.node.Step(a.peer, a.frames); err != nil {
		h.log.Warn("a snapshot was refused", "peer", a.peer, "index", a.index, "error", err)
	}
}

// install makes a received snapshot the beginning of the log.
func (h *Host) install(v *raftcore.ReadyView, job *diskJob) {
	r := &h.receiver
	r.mu.Lock()
	head := r.whole[[2]uint64{v.SnapshotIndex, v.SnapshotTerm}]
	for key := range r.whole {
		if key[0] <= v.SnapshotIndex {
			delete(r.whole, key)
		}
	}
	r.mu.Unlock()
	job.restore = &restoreJob{index: v.SnapshotIndex, term: v.SnapshotTerm, done: make(chan error, 1)}
	job.flush = true
	h.applies.put(applyJob{restore: job.restore})
	h.snapshot = head
	h.saved.Store(head.Index)
	if conf, err := h.node.Conf(); err == nil {
		h.conf = conf
	}
	job.then = func() error { return h.retire(head.Index, head.Term) }
}

// snapshotMade takes a new snapshot, and compacts the log.
func (h *Host) snapshotMade(head wire.SnapshotHead) {
	h.saving.Store(false)
	if head.Index <= h.snapshot.Index { // a leader sent a newer snapshot
		h.retryFetches()
		return
	}
	h.snapshot = head
	h.saved.Store(head.Index)
	keep := h.keep(head.Index)
	term, known := h.store.Term(keep)
	h.store.AddSnapshot(head.Index, head.Term)
	if known {
		h.store.AddBefore(keep, term)
	}
	h.disks.put(diskJob{flush: true, then: func() error {
		if err := h.retire(head.Index, head.Term); err != nil {
			return err
		}
		if known {
			h.inbox.call(func() {
				if err := h.node.Compacted(keep); err != nil && !isCode(err, raftcore.ErrStale) {
					h.log.Warn("Compacted", "index", keep, "error", err)
				}
			})
		}
		return nil
	}})
	h.applies.put(applyJob{}) // so much may have been applied meanwhile that another is due
	h.retryFetches()
}

// keep returns up to where the log may be given up: KeepBytes stay for lagging members, and more,
// within a bound, for a member about to catch up.
func (h *Host) keep(index uint64) uint64 {
	keep := min(index, h.store.IndexKeeping(h.opt.KeepBytes))
	bound := h.store.IndexKeeping(4*h.opt.KeepBytes + 2*h.opt.SnapshotBytes)
	peers, err := h.node.Peers()
	if err != nil || h.role != raftcore.RoleLeader { // only a leader knows what its peers have
		peers = nil
	}
	for _, p := range peers {
		if need := needed(p); p.ID != h.id && p.SilentTicks < silentTicks && need < keep && need >= bound {
			keep = need
		}
	}
	for _, s := range h.sends {
		if s.index < keep && s.index >= bound {
			keep = s.index
		}
	}
	return keep
}

// needed returns the entry behind which a member needs the log. In [raftcore.FlowProbe], a snapshot may
// have arrived whose acknowledgement has not: Match does not know the snapshot, Next does.
func needed(p raftcore.Peer) uint64 {
	switch p.Flow {
	case raftcore.FlowSnapshot:
		return p.PendingSnapshot
	case raftcore.FlowProbe:
		return p.Next - 1
	}
	return p.Match
}
