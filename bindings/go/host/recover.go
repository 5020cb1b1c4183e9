package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// Backup writes the state to w: the backup has every write acknowledged before the call. The
// members go on meanwhile. [FoundFrom] makes a group from a backup.
func (h *Host) Backup(ctx context.Context, w io.Writer) error {
	if err := h.Read(ctx); err != nil {
		return err
	}
	answer := make(chan *frozen, 1)
	if !h.applies.put(applyJob{freeze: answer}) {
		return h.closedError()
	}
	select {
	case f := <-answer:
		if f == nil {
			return errors.New("the machine made no snapshot: see the log")
		}
		_, err := f.write(w)
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-h.done:
		return h.closedError()
	}
}

// FoundFrom is [Found] with the state of a backup. The new group is independent of the old group;
// members of the two refuse connections from each other. The whole backup is checked first.
//
// [ErrFounded]: the directory belongs to a group already. [ErrDamaged]: the backup does.
func FoundFrom(dir string, id uint64, backup io.Reader, opt Options) error {
	return found(dir, id, opt, func(d *disk.Dir, opt Options, owner disk.Owner) error {
		file, err := os.CreateTemp(d.Path, "backup-*.tmp")
		if err != nil {
			return err
		}
		defer os.Remove(file.Name())
		defer file.Close()
		if _, err := io.Copy(file, backup); err != nil {
			return err
		}
		a := newApplier(opt.Machine)
		if _, err := a.restore(file); err != nil {
			return err
		}
		return a.beginAlone(d, opt, owner)
	})
}

// Recover makes the only member of a new group out of the directory of a member whose group has
// lost its majority for ever. Take the member with the furthest log: Open each and compare LastTerm,
// then LastIndex, of [Host.Status]. The whole log of the member counts as committed;
// acknowledged entries beyond its end are lost. The lost members must not come back: empty the
// directories, and join under new ids.
//
// Copy the directory first: a crash within Recover leaves no usable one. The directory must not be
// open. The id stays.
func Recover(dir string, id uint64, opt Options) error {
	opt, err := opt.withDefaults(id)
	if err != nil {
		return err
	}
	d, err := disk.Lock(dir, opt.Group, id)
	if err != nil {
		return err
	}
	defer d.Close()
	if d.Owner.Founding == (wire.Identity{}) {
		return fmt.Errorf("%w: %s", ErrEmpty, dir)
	}
	a, last, err := replay(d, opt)
	if err != nil {
		return err
	}
	owner := d.Owner
	owner.Founding = newIdentity()
	opt.Logger.Warn("the group's majority is given up: this member alone goes on", "entries", last, "founding", owner.Founding)
	if err := a.beginAlone(d, opt, owner); err != nil {
		return err
	}
	return d.SetOwner(owner)
}

// replay applies the whole log of a directory, whatever was committed.
func replay(d *disk.Dir, opt Options) (*applier, uint64, error) {
	store, stored, err := disk.Open(d, opt.SegmentBytes)
	if err != nil {
		return nil, 0, err
	}
	defer store.Close()
	if stored.Snapshot == 0 {
		return nil, 0, fmt.Errorf("%w: this member has no state yet", ErrEmpty)
	}
	file, err := d.OpenSnapshot(stored.Snapshot, stored.SnapshotTerm)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	a := newApplier(opt.Machine)
	if _, err := a.restore(file); err != nil {
		return nil, 0, err
	}
	for a.index < stored.Last {
		entries, err := store.Entries(a.index+1, stored.Last, 4<<20)
		if err != nil {
			return nil, 0, err
		}
		list := make([]committed, len(entries))
		for i, e := range entries {
			list[i] = committed{index: e.Index, term: e.Term, kind: e.Kind, data: e.Data, err: errors.New("a change of the lost membership")}
		}
		a.apply(list)
	}
	// The next term is above every one that the old group can have used with the member.
	a.term = max(a.term, stored.Term)
	return a, stored.Last, nil
}

// beginAlone writes the state as the beginning of a log whose only voter is the owner.
func (a *applier) beginAlone(d *disk.Dir, opt Options, owner disk.Owner) error {
	conf, err := raftcore.Conf{Voters: []uint64{owner.ID}, Index: a.index}.Encode()
	if err != nil {
		return err
	}
	a.conf = conf
	a.book[owner.ID] = wire.Record{ID: owner.ID, Disk: owner.Disk, PeerAddress: opt.advertised(nil), ClientAddress: opt.ClientAddress}
	f, err := a.freeze()
	if err != nil {
		return err
	}
	if _, err := f.save(d); err != nil {
		return err
	}
	return disk.Create(d, opt.SegmentBytes, raftcore.HardState{Term: a.term, Commit: a.index}, a.index, a.term)
}
