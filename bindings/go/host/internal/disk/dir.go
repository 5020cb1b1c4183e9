// Package disk keeps a member's data directory: its owner, the log in segments, snapshot files.
//
// The log follows the ideas of docs/log.md; the bytes are this package's own. format.go specifies
// them.
package disk

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"

	"raftcore.example/go/host/internal/wire"
)

var (
	// ErrDamaged: bytes on the disk are not what was written. The words name file and offset.
	ErrDamaged = errors.New("the data directory is damaged")
	// ErrInUse: a second process has the directory open.
	ErrInUse = errors.New("the data directory is in use")
	// ErrOwner: the directory belongs to a different member.
	ErrOwner = errors.New("the data directory belongs to another member")
)

// Owner identifies the member of a directory.
type Owner struct {
	Group    uint64
	ID       uint64
	Founding wire.Identity // zeros: the directory is not yet part of a group
	Disk     wire.Identity
}

// Dir is a locked directory.
type Dir struct {
	Path  string
	Owner Owner
	lock  *os.File
}

type ownerFile struct {
	Format         string
	Group, ID      uint64
	Founding, Disk string
	Checksum       string `json:",omitempty"`
}

const ownerFormat = "raftcore go host 1"

func (o Owner) file() ownerFile {
	f := ownerFile{Format: ownerFormat, Group: o.Group, ID: o.ID, Founding: o.Founding.String(), Disk: o.Disk.String()}
	b, _ := json.Marshal(f)
	f.Checksum = fmt.Sprintf("%08x", crc32.Checksum(b, wire.Castagnoli))
	return f
}

// Lock makes a directory if necessary, and locks the directory. An owner of the directory must
// have the same group and id. If nobody owns the directory, Dir.Owner.Disk is zero.
func Lock(path string, group, id uint64) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: a process holds the lock of %s", ErrInUse, path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	d := &Dir{Path: path, lock: lock}
	if err := d.readOwner(group, id); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) readOwner(group, id uint64) error {
	text, err := os.ReadFile(d.name("owner"))
	if errors.Is(err, os.ErrNotExist) {
		logs, _ := filepath.Glob(d.name("log-*"))
		if len(logs) > 0 {
			return fmt.Errorf("%w: %s has a log, and no file `owner`", ErrDamaged, d.Path)
		}
		d.Owner = Owner{Group: group, ID: id}
		return nil
	}
	if err != nil {
		return err
	}
	var f ownerFile
	var o Owner
	if err := json.Unmarshal(text, &f); err == nil {
		o = Owner{Group: f.Group, ID: f.ID}
		hex.Decode(o.Founding[:], []byte(f.Founding)[:min(len(f.Founding), 32)])
		hex.Decode(o.Disk[:], []byte(f.Disk)[:min(len(f.Disk), 32)])
	}
	if o.file() != f {
		return fmt.Errorf("%w: checksum of %s", ErrDamaged, d.name("owner"))
	}
	if o.Group != group || o.ID != id {
		return fmt.Errorf("%w: %s is of member %d of group %d, not of member %d of group %d", ErrOwner, d.Path, o.ID, o.Group, id, group)
	}
	d.Owner = o
	return nil
}

// SetOwner stores the owner durably.
func (d *Dir) SetOwner(o Owner) error {
	text, err := json.MarshalIndent(o.file(), "", "  ")
	if err != nil {
		return err
	}
	f, err := os.Create(d.name("owner.tmp"))
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := d.PutInPlace(f, "owner", err); err != nil {
		return err
	}
	d.Owner = o
	return nil
}

// PutInPlace flushes, closes and renames a file, durably. err is the error of the writes before.
func (d *Dir) PutInPlace(f *os.File, name string, err error) error {
	err = errors.Join(err, f.Sync())
	err = errors.Join(err, f.Close())
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	if err := os.Rename(f.Name(), d.name(name)); err != nil {
		return err
	}
	return d.sync()
}

// sync makes names in the directory durable.
func (d *Dir) sync() error {
	f, err := os.Open(d.Path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d *Dir) name(name string) string { return filepath.Join(d.Path, name) }

// removeUnfinished removes the files that a crash left unfinished.
func (d *Dir) removeUnfinished() error {
	names, err := filepath.Glob(d.name("*.tmp"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// Close unlocks the directory. A child that the process has forked holds a copy of the descriptor until it calls
// exec, so closing the descriptor is not enough.
func (d *Dir) Close() error {
	err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_UN)
	return errors.Join(err, d.lock.Close())
}

// SnapshotName is the name of a snapshot file.
func SnapshotName(index, term uint64) string { return fmt.Sprintf("snapshot-%d-%d", index, term) }

// Part is the name of a snapshot that is being received.
const Part = "receive.part"

// RemoveSnapshots removes the snapshot files up to an index, except the one to keep. Newer files may
// be about to be installed.
func (d *Dir) RemoveSnapshots(keep string, upTo uint64) error {
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		var index, term uint64
		if n, _ := fmt.Sscanf(e.Name(), "snapshot-%d-%d", &index, &term); n == 2 && index <= upTo && e.Name() != keep {
			if err := os.Remove(d.name(e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
