package host

import (
	"errors"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// The loop is the only goroutine with access to readies. The loop never waits for the disk, for the
// machine or for a connection.

// ticksAtOnce bounds the ticks of a turn, well below an election timeout.
const ticksAtOnce = 3

func (h *Host) runLoop() {
	defer h.wg.Done()
	ticker := time.NewTicker(h.opt.Tick)
	defer ticker.Stop()
	var m mail
	for {
		select {
		case <-h.done:
			return
		case <-ticker.C:
		case <-h.inbox.wake:
		}
		m = h.inbox.take(&m)
		if err := h.turn(&m); err != nil {
			h.fail(err)
			return
		}
	}
}

// turn handles the mail, then the readies.
func (h *Host) turn(m *mail) error {
	for _, f := range m.calls {
		f()
	}
	if m.persisted > 0 {
		h.persisted = max(h.persisted, m.persisted)
		if err := h.node.Persisted(m.persisted); err != nil && !isCode(err, raftcore.ErrStale) {
			return err
		}
	}
	if m.appliedTo > 0 {
		if err := h.node.Applied(m.appliedTo); err != nil && !isCode(err, raftcore.ErrStale) {
			return err
		}
	}
	for i := range m.arrivals {
		h.arrived(&m.arrivals[i])
	}
	h.waiting = append(h.waiting, m.proposals...)
	h.reads = append(h.reads, m.reads...)
	if err := h.tick(); err != nil {
		return err
	}
	for {
		h.proposeAll()
		if err := h.readAll(); err != nil {
			return err
		}
		changed, err := h.drain()
		if err != nil {
			return err
		}
		if !changed {
			return h.events()
		}
	}
}

func (h *Host) tick() error {
	now := time.Now()
	ticks := now.Sub(h.last) / h.opt.Tick
	if ticks <= 0 {
		return nil
	}
	h.last = h.last.Add(ticks * h.opt.Tick)
	h.expire(now)
	h.caretake(now)
	// Time in which this process stood still is no silence of the peers: their frames may wait in
	// the sockets.
	return h.node.Tick(uint32(min(ticks, ticksAtOnce)))
}

// drain takes readies to the last. changed: leader or role changed.
func (h *Host) drain() (changed bool, err error) {
	for {
		for {
			f, ok, err := h.node.NextFetch()
			if err != nil {
				return changed, err
			}
			if !ok {
				break
			}
			h.supply(f)
		}
		v, ok, err := h.node.ReadyView()
		if isCode(err, raftcore.ErrFull) {
			return changed, nil
		}
		if err != nil || !ok {
			return changed, err
		}
		if v.SoftStateChanged() || v.Leader != h.leader {
			changed = h.leader != v.Leader || h.role != v.Role
			h.leader, h.role = v.Leader, v.Role
			h.ready = h.ready && v.Role == raftcore.RoleLeader
			h.refreshView()
		}
		h.term = v.Term
		if err := h.handle(&v); err != nil {
			return changed, err
		}
		if err := h.node.Release(v.Number); err != nil {
			return changed, err
		}
	}
}

// handle distributes a ready: messages, disk, machine. Everything is copied, so the view may end.
func (h *Host) handle(v *raftcore.ReadyView) error {
	job := diskJob{number: v.Number, flush: v.MustSync()}
	for i := range v.Messages.Len() {
		m := v.Messages.At(i)
		switch {
		case m.Kind == raftcore.MsgSnap:
			h.holdSnap(&m)
		case m.Flags&raftcore.MessageAfter != 0:
			job.add(h.peer(m.To), &m)
		default:
			h.send(h.peer(m.To), &m)
		}
	}
	if v.HasSnapshot() {
		h.install(v, &job)
	}
	h.store.Add(v)
	if err := h.commit(v); err != nil {
		return err
	}
	for i := range v.Reads.Len() {
		h.readDone(v.Reads.At(i).Token)
	}
	for i := range v.Dropped.Len() {
		h.dropped(v.Dropped.At(i))
	}
	if !job.flush && job.restore == nil && len(job.after) == 0 && h.submitted == h.persisted {
		h.submitted, h.persisted = v.Number, v.Number
		return h.node.Persisted(v.Number)
	}
	if !job.flush && job.restore == nil && h.submitted == h.persisted { // everything before is durable
		job.send()
		h.submitted, h.persisted = v.Number, v.Number
		return h.node.Persisted(v.Number)
	}
	h.submitted = v.Number
	h.disks.put(job)
	return nil
}

func (h *Host) send(p *peer, m *raftcore.MessageView) {
	if p == nil || !p.box.addFrame(m) {
		h.unreachable(m.To)
	}
}

// unreachable tells the core that messages to a peer were lost.
func (h *Host) unreachable(id uint64) {
	if err := h.node.ReportUnreachable(id); err != nil && !isCode(err, raftcore.ErrNoPeer, raftcore.ErrClosed) {
		h.log.Warn("ReportUnreachable", "peer", id, "error", err)
	}
}

// commit gives committed entries to the machine, and membership changes to the core.
func (h *Host) commit(v *raftcore.ReadyView) error {
	n := v.CommittedEntries.Len()
	if n == 0 {
		return nil
	}
	size := 0
	for i := range n {
		size += v.CommittedEntries.View(i).DataLen()
	}
	bytes := make([]byte, 0, size)
	job := applyJob{entries: make([]committed, n)}
	for i := range n {
		e := v.CommittedEntries.At(i)
		at := len(bytes)
		bytes = append(bytes, e.Data...)
		c := committed{index: e.Index, term: e.Term, kind: e.Kind, data: bytes[at:len(bytes):len(bytes)], p: h.takeToken(e.Token)}
		if e.Kind != raftcore.EntryNormal {
			conf, err := h.node.ApplyConfChange(e)
			if err != nil {
				return errors.Join(err, errors.New("a member that can't apply a membership change must stop"))
			}
			c.conf = &conf
			h.conf = conf
			h.refreshView()
		}
		job.entries[i] = c
		job.last = e.Index
	}
	h.applies.put(job)
	return nil
}

// arrived steps frames of a peer.
func (h *Host) arrived(a *arrival) {
	if a.snap {
		h.arrivedSnap(a)
		return
	}
	stepped, err := h.node.StepFrames(a.peer, a.frames)
	if err == nil {
		err = stepped.Refused
	}
	if err != nil {
		h.metrics.framesRefused.Add(1)
		h.log.Debug("a frame was refused", "peer", a.peer, "error", err)
	}
}

// supply answers a fetch of the core. A new goroutine reads the disk.
func (h *Host) supply(f raftcore.Fetch) {
	if f.Kind == raftcore.FetchSnapshot {
		h.supplySnapshot(f)
		return
	}
	start(&h.wg, func() {
		entries, err := h.store.Entries(f.First, f.Last, f.MaxBytes)
		switch {
		case errors.Is(err, disk.ErrGone) && f.Kind != raftcore.FetchApply:
			_, err = h.node.SupplyNone(f.ID, raftcore.SupplyGone)
		case err != nil:
			h.fail(err)
			return
		case len(entries) == 0:
			_, err = h.node.SupplyNone(f.ID, raftcore.SupplyLater)
		default:
			_, err = h.node.SupplyEntries(f.ID, entries)
		}
		if err != nil {
			h.log.Debug("a fetch was not answered", "peer", f.Peer, "error", err)
			h.node.SupplyNone(f.ID, raftcore.SupplyLater)
		}
		h.inbox.poke()
	})
}

// events writes to the log what the core has noticed.
func (h *Host) events() error {
	for {
		e, ok, err := h.node.NextEvent()
		if err != nil || !ok {
			return err
		}
		switch e.Kind {
		case raftcore.EventAlarm:
			h.log.Error("alarm: " + e.String())
		case raftcore.EventLeaderReady:
			h.ready = true
			h.refreshView()
			h.log.Info(e.String())
		case raftcore.EventBecameLeader, raftcore.EventBecameFollower, raftcore.EventConfApplied, raftcore.EventSnapshotRestored,
			raftcore.EventTransferStarted, raftcore.EventTransferEnded:
			h.log.Info(e.String())
		case raftcore.EventNoLeaderLong, raftcore.EventPeerLags, raftcore.EventRepaired, raftcore.EventTruncated, raftcore.EventPoisoned,
			raftcore.EventApplyWaits, raftcore.EventConfSkipped, raftcore.EventPaused:
			h.log.Warn(e.String())
		default:
			h.log.Debug(e.String())
		}
	}
}

// refreshView shows the connections how things are.
func (h *Host) refreshView() {
	h.view.Store(&view{leader: h.leader, established: h.ready && h.leader == h.id, conf: h.conf, book: h.book})
}

// addressOf returns where a peer is dialled; empty: nobody knows. A moved member is known by
// its hello, checked against the disk in the book: the book follows only once the leader has reached
// the member.
func (h *Host) addressOf(id uint64) string {
	if at := h.hints[id]; at != "" {
		return at
	}
	return h.book[id].PeerAddress
}

// peer returns the connection to a peer, and makes one. nil: no address is known.
func (h *Host) peer(id uint64) *peer {
	at := h.addressOf(id)
	if p := h.peers[id]; p != nil && (p.address == at || at == "") {
		p.used = h.last
		return p
	} else if p != nil {
		p.close()
		delete(h.peers, id)
	}
	if at == "" || id == h.id {
		return nil
	}
	p := newPeer(h, id, at)
	p.used = h.last
	h.peers[id] = p
	start(&h.wg, p.run)
	return p
}

// recordOf returns the member's own record.
func (h *Host) recordOf() wire.Record {
	return wire.Record{ID: h.id, Disk: h.dir.Owner.Disk, PeerAddress: h.address, ClientAddress: h.opt.ClientAddress}
}
