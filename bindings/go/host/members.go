package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// Member is a member of the group.
type Member struct {
	ID            uint64
	Voter         bool // false: a learner
	PeerAddress   string
	ClientAddress string
}

// Members returns the membership as the member knows it, by id.
func (h *Host) Members() []Member {
	v := h.view.Load()
	var list []Member
	for _, id := range slices.Concat(v.conf.Voters, v.conf.Outgoing, v.conf.Learners, v.conf.LearnersNext) {
		if slices.ContainsFunc(list, func(m Member) bool { return m.ID == id }) {
			continue
		}
		r := v.book[id]
		list = append(list, Member{id, v.isVoter(id), r.PeerAddress, r.ClientAddress})
	}
	slices.SortFunc(list, func(a, b Member) int { return int(int64(a.ID - b.ID)) })
	return list
}

func (v *view) isVoter(id uint64) bool {
	return slices.Contains(v.conf.Voters, id) || slices.Contains(v.conf.Outgoing, id)
}

// Promote makes a learner a voter, as soon as its log is near the leader's. Promote waits until
// then, or until ctx ends. Errors are as in [Host.Propose].
func (h *Host) Promote(ctx context.Context, id uint64) error {
	if err := h.Read(ctx); err != nil { // the membership of the moment
		return with(ErrNotCommitted, "", err)
	}
	if v := h.view.Load(); !v.isMember(id) {
		return with(ErrRefused, fmt.Sprintf("%d is no member: it joins as a learner first, by Options.Join", id))
	}
	return h.change(ctx, changeBytes(raftcore.ChangeAddNode, id, nil), func(v *view) bool { return v.isVoter(id) })
}

// Remove removes a member. Never use the id and the directory again; a member with a
// new id may take the place. Errors are as in [Host.Propose].
func (h *Host) Remove(ctx context.Context, id uint64) error {
	return h.change(ctx, changeBytes(raftcore.ChangeRemoveNode, id, nil), func(v *view) bool { return !v.isMember(id) })
}

// change proposes a membership change until it is done.
func (h *Host) change(ctx context.Context, data []byte, done func(*view) bool) error {
	for {
		if done(h.view.Load()) {
			return nil
		}
		p := &proposal{kind: raftcore.EntryConfChangeV2, entry: data, raw: data, done: make(chan outcome, 1)}
		o, err := h.await(ctx, p)
		if err == nil {
			return h.until(ctx, func() bool { return done(h.view.Load()) })
		}
		again := errors.Is(err, ErrNotCommitted) || errors.Is(err, ErrUnknown) || o.kind == wire.OutcomeRefused && o.code == wire.CodeBusy
		if !again || ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return err
		}
		select {
		case <-time.After(2 * h.opt.Tick):
		case <-ctx.Done():
			return with(err, "", ctx.Err())
		}
	}
}

// until waits for a condition.
func (h *Host) until(ctx context.Context, done func() bool) error {
	for !done() {
		select {
		case <-time.After(h.opt.Tick / 2):
		case <-ctx.Done():
			return ctx.Err()
		case <-h.done:
			return h.closedError()
		}
	}
	return nil
}

// Transfer hands the leadership over to a voter, and waits for success. Any member will do.
// Without success there is the error of ctx; the group still has a leader.
func (h *Host) Transfer(ctx context.Context, to uint64) error {
	if err := h.Read(ctx); err != nil { // the membership of the moment
		return with(ErrNotCommitted, "", err)
	}
	if !h.view.Load().isVoter(to) {
		return with(ErrRefused, fmt.Sprintf("%d is no voter", to))
	}
	var last time.Time
	return h.until(ctx, func() bool {
		if h.view.Load().leader == to {
			return true
		}
		if time.Since(last) > 20*h.opt.Tick {
			last = time.Now()
			h.inbox.call(func() {
				if err := h.node.TransferLeader(to); err != nil {
					h.log.Debug("Transfer", "to", to, "error", err)
				}
			})
		}
		return false
	})
}

// changeBytes encodes a raftpb ConfChangeV2 of one step.
func changeBytes(kind raftcore.ChangeKind, id uint64, context []byte) []byte {
	step := binary.AppendUvarint([]byte{0x08}, uint64(kind))
	step = binary.AppendUvarint(append(step, 0x10), id)
	b := append([]byte{0x12, byte(len(step))}, step...)
	if len(context) > 0 {
		b = binary.AppendUvarint(append(b, 0x1a), uint64(len(context)))
		b = append(b, context...)
	}
	return b
}

// readChange reads the step of a raftpb ConfChangeV2 of one step, as any member writes it: a kind of 0
// may be left out, and further fields may follow. ok is false for anything else.
func readChange(b []byte) (kind raftcore.ChangeKind, id uint64, ok bool) {
	if len(b) < 2 || b[0] != 0x12 || int(b[1])+2 > len(b) {
		return 0, 0, false
	}
	for step := b[2 : 2+int(b[1])]; len(step) > 0; {
		value, n := binary.Uvarint(step[1:])
		if n <= 0 {
			return 0, 0, false
		}
		switch step[0] {
		case 0x08:
			kind = raftcore.ChangeKind(value)
		case 0x10:
			id = value
		default:
			return 0, 0, false
		}
		step = step[1+n:]
	}
	return kind, id, id != 0
}

// ---- in the loop

// proposeChange proposes a membership change, at the leader. A voter that can't follow would count
// in every quorum, so only a learner that is near enough is promoted.
func (h *Host) proposeChange(p *proposal) {
	if !p.state.CompareAndSwap(proposalQueued, proposalTaken) {
		return
	}
	refuse := func(code uint16, words string) {
		p.finish(outcome{kind: wire.OutcomeRefused, code: code, retryMS: uint32(2 * h.opt.Tick / time.Millisecond), words: words})
	}
	kind, id, ok := readChange(p.entry)
	if ok && kind == raftcore.ChangeAddNode {
		v := h.view.Load()
		switch {
		case !v.isMember(id):
			refuse(wire.CodeInvalid, fmt.Sprintf("%d is no member: it joins as a learner first", id))
			return
		case !v.isVoter(id) && !h.caughtUp(id):
			refuse(wire.CodeBusy, fmt.Sprintf("learner %d has not caught up yet", id))
			return
		}
	}
	token := h.newToken(p)
	err := h.node.ProposeEntry(p.kind, p.entry, token)
	if err == nil {
		return
	}
	delete(h.byToken, token)
	switch {
	case isCode(err, raftcore.ErrNotLeader, raftcore.ErrNoLeader):
		h.putBack(p, err.Error())
	default:
		refuse(codeOf(err), err.Error())
	}
}

// caughtUp reports whether a learner's log is near this leader's.
func (h *Host) caughtUp(id uint64) bool {
	peers, err := h.node.Peers()
	if err != nil {
		return false
	}
	for _, p := range peers {
		if p.ID == id {
			return p.Flags&raftcore.PeerCaughtUp != 0
		}
	}
	return false
}

// wish proposes a change on the member's own behalf. Wishes come one at a time; the log shows failures.
func (h *Host) wish(what string, data []byte) {
	if !h.asking.CompareAndSwap(false, true) {
		return
	}
	p := &proposal{kind: raftcore.EntryConfChangeV2, entry: data, raw: data}
	p.reply = func(o outcome) {
		h.asking.Store(false)
		if o.kind != wire.OutcomeDone {
			h.log.Debug("not done: "+what, "words", o.words)
		}
	}
	h.waiting = append(h.waiting, p)
}

// promoteLearners promotes the learners that asked for a vote and have caught up.
func (h *Host) promoteLearners() {
	v := h.view.Load()
	for id := range h.voters {
		if v.isVoter(id) {
			delete(h.voters, id)
		} else if v.isMember(id) && h.caughtUp(id) {
			h.wish("promote a learner", changeBytes(raftcore.ChangeAddNode, id, nil))
		}
	}
}

// askForSelf asks the leader for a missing vote or address of the member. askForSelf
// also notices a removal.
func (h *Host) askForSelf() {
	v := h.view.Load()
	if len(v.conf.Voters) == 0 {
		return // nothing is known yet
	}
	if !v.isMember(h.id) {
		if h.removed && h.role != raftcore.RoleLeader { // for a second, so that waiting peers get answers
			h.fail(ErrRemoved)
		}
		h.removed = true
		return
	}
	h.removed = false
	if h.leader == 0 {
		return
	}
	own := h.recordOf()
	switch {
	case v.book[h.id] != own:
		h.wish("tell the own address", changeBytes(raftcore.ChangeUpdateNode, h.id, wire.AppendBook(nil, []wire.Record{own})))
	case !v.isVoter(h.id) && !h.opt.Learner:
		h.wish("become a voter", changeBytes(raftcore.ChangeAddNode, h.id, nil))
	}
}

// ---- joining

// joinAsked serves JOIN.
func (h *Host) joinAsked(x *guest, m *wire.Join) error {
	answer := make(chan *wire.Joined, 1)
	record := wire.Record{ID: x.id, Disk: x.hello.Disk, PeerAddress: x.hello.PeerAddress, ClientAddress: x.hello.ClientAddress}
	if !h.inbox.call(func() { answer <- h.joined(record, m.Want) }) {
		return errors.New("this member ends")
	}
	select {
	case j := <-answer:
		x.answer(j)
		return nil
	case <-h.done:
		return errors.New("this member ends")
	}
}

func (h *Host) joined(r wire.Record, want uint8) *wire.Joined {
	v := h.view.Load()
	j := &wire.Joined{Status: wire.JoinedWait, RetryMS: uint32(2 * h.opt.Tick / time.Millisecond), Leader: h.leader, Founding: h.dir.Owner.Founding,
		Book: wire.AppendBook(nil, h.records())}
	known, used := v.book[r.ID]
	refuse := func(code uint16, words string) *wire.Joined {
		j.Status, j.Code, j.Words = wire.JoinedRefused, code, words
		return j
	}
	switch {
	case want != wire.WantVoter && want != wire.WantLearner:
		return refuse(wire.CodeUnknownValue, fmt.Sprintf("want is %d", want))
	case r.PeerAddress == "" || !wire.IsAddress(r.PeerAddress) || !wire.IsAddress(r.ClientAddress):
		return refuse(wire.CodeInvalid, "an address that is not HOST:PORT")
	case used && known.Disk != r.Disk:
		return refuse(wire.CodeDisk, fmt.Sprintf("id %d was used by another disk: join under a new id", r.ID))
	case h.leader == 0:
	case h.leader != h.id:
		j.Status = wire.JoinedNotLeader
	case used && v.isMember(r.ID):
		if want == wire.WantVoter {
			h.voters[r.ID] = true
		}
		j.Status, j.Index = wire.JoinedMember, h.conf.Index
	case used:
		return refuse(wire.CodeNotMember, fmt.Sprintf("id %d was removed from the group: join under a new id, with an empty directory", r.ID))
	case h.ready:
		h.wish(fmt.Sprintf("add %d", r.ID), changeBytes(raftcore.ChangeAddLearner, r.ID, wire.AppendBook(nil, []wire.Record{r})))
	}
	return j
}

func (h *Host) records() []wire.Record {
	var list []wire.Record
	for _, r := range h.book {
		list = append(list, r)
	}
	return list
}

// join makes an empty directory part of the group of Options.Join.
func (h *Host) join(ctx context.Context) error {
	if h.dir.Owner.Disk == (wire.Identity{}) {
		owner := h.dir.Owner
		owner.Disk = newIdentity()
		if err := h.dir.SetOwner(owner); err != nil {
			return err
		}
	}
	addresses, next := slices.Clone(h.opt.Join), 0
	said := map[string]bool{}
	for {
		address := addresses[next%len(addresses)]
		j, err := h.joinAt(ctx, address)
		var r *rejected
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("not joined: %w", errors.Join(ctx.Err(), err))
		case errors.As(err, &r) && (r.Code == wire.CodeDisk || r.Code == wire.CodeID || r.Code == wire.CodeGroup || r.Code == wire.CodeCertificate):
			return with(ErrRefused, r.Error())
		case err != nil:
			if !said[address] {
				h.log.Info("no answer to a wish to join yet", "address", address, "error", err)
				said[address] = true
			}
			next++
		case j.Status == wire.JoinedMember:
			return h.becomeMember(j)
		case j.Status == wire.JoinedNotLeader:
			records, err := wire.ParseBook(j.Book)
			if err != nil {
				return err
			}
			for _, r := range records {
				if r.ID == j.Leader && r.PeerAddress != "" {
					addresses, next = append(slices.Clone(h.opt.Join), r.PeerAddress), len(h.opt.Join)
				}
			}
		case j.Status == wire.JoinedRefused:
			return with(ErrRefused, j.Words)
		}
		select {
		case <-time.After(h.opt.Tick):
		case <-ctx.Done():
		}
	}
}

// joinAt asks a member until the answer differs from WAIT.
func (h *Host) joinAt(ctx context.Context, address string) (*wire.Joined, error) {
	l, err := h.dial(ctx, address, wire.ChannelJoin, 0)
	if err != nil {
		return nil, err
	}
	defer l.conn.Close()
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	defer stop()
	want := uint8(wire.WantVoter)
	if h.opt.Learner {
		want = wire.WantLearner
	}
	for {
		if err := l.write(&wire.Join{Want: want}); err != nil {
			return nil, err
		}
		m, err := l.message()
		if err != nil {
			return nil, err
		}
		j, ok := m.(*wire.Joined)
		if ok && j.Status != wire.JoinedWait {
			return j, nil
		}
		wait := 100 * time.Millisecond
		if ok {
			wait = min(max(time.Duration(j.RetryMS)*time.Millisecond, 10*time.Millisecond), time.Second)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// becomeMember stores durably that the directory is part of the group. The log comes first.
func (h *Host) becomeMember(j *wire.Joined) error {
	records, err := wire.ParseBook(j.Book)
	if err != nil {
		return err
	}
	for _, r := range records {
		h.hints[r.ID] = r.PeerAddress
	}
	if err := disk.Create(h.dir, h.opt.SegmentBytes, raftcore.HardState{}, 0, 0); err != nil {
		return err
	}
	owner := h.dir.Owner
	owner.Founding = j.Founding
	h.log.Info("joined", "index", j.Index, "leader", j.Leader)
	return h.dir.SetOwner(owner)
}
