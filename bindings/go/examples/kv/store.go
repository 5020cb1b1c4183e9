package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	raftcore "raftcore.example/go"
)

// store is the disk of a node, in one bbolt file: log, hard state, data, membership, owner. A ready
// is one transaction, so it is on disk as a whole or not at all. bbolt syncs each transaction; an
// error of one is final, since after a failed sync nobody knows what is on disk.
type store struct {
	db   *bolt.DB
	keep uint64

	// As on disk.
	applied uint64
	before  uint64 // the index before the first entry of the log
	conf    []byte // the membership as of applied; empty: none was ever stored
}

var (
	logBucket  = []byte("log")   // index -> term, kind, data
	dataBucket = []byte("data")  // key -> value
	peerBucket = []byte("peers") // id -> address, of each member: a part of the state
	metaBucket = []byte("meta")

	ownerKey   = []byte("owner")   // id, group
	hardKey    = []byte("hard")    // term, vote, commit
	appliedKey = []byte("applied") // index
	confKey    = []byte("conf")    // Conf.Bytes
	beforeKey  = []byte("before")  // index, term
)

func numbers(list ...uint64) []byte {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// number returns the i-th of the numbers in b; 0 if there is none.
func number(b []byte, i int) uint64 {
	if len(b) < 8*i+8 {
		return 0
	}
	return binary.BigEndian.Uint64(b[8*i:])
}

// openStore opens the file of a node, or makes a new one. A file has one owner, and one process at
// a time.
func openStore(path string, id, keep uint64) (*store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 200 * time.Millisecond})
	if errors.Is(err, bolt.ErrTimeout) {
		return nil, fmt.Errorf("%s is in use by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &store{db: db, keep: keep}
	err = db.Update(func(tx *bolt.Tx) error {
		fresh := tx.Bucket(metaBucket) == nil
		for _, name := range [][]byte{logBucket, dataBucket, peerBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		if fresh {
			return meta.Put(ownerKey, numbers(id, group))
		}
		if owner := meta.Get(ownerKey); !bytes.Equal(owner, numbers(id, group)) {
			return fmt.Errorf("%s belongs to node %d of group %d, this is node %d of group %d",
				path, number(owner, 0), number(owner, 1), id, group)
		}
		s.load(meta)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *store) load(meta *bolt.Bucket) {
	s.applied, s.before = number(meta.Get(appliedKey), 0), number(meta.Get(beforeKey), 0)
	s.conf = bytes.Clone(meta.Get(confKey))
}

// empty reports whether nothing was ever stored but the owner.
func (s *store) empty() bool {
	empty := true
	s.db.View(func(tx *bolt.Tx) error {
		empty = tx.Bucket(metaBucket).Get(hardKey) == nil && tx.Bucket(metaBucket).Get(appliedKey) == nil
		return nil
	})
	return empty
}

// found stores what a founder begins with. Whoever founds twice makes a second group.
func (s *store) found(begin raftcore.Stored, addresses map[uint64]address) error {
	if !s.empty() {
		return fmt.Errorf("%s has the data of a group: start without -found", s.db.Path())
	}
	conf, err := begin.Conf.Encode()
	if err != nil {
		return err
	}
	return s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		err := put(meta, hardKey, numbers(begin.Term, begin.Vote, begin.Commit), appliedKey, numbers(begin.Applied),
			confKey, conf, beforeKey, numbers(begin.BeforeFirst, begin.BeforeFirstTerm))
		s.load(meta)
		for id, at := range addresses {
			if err == nil {
				err = tx.Bucket(peerBucket).Put(numbers(id), []byte(at.raft+"/"+at.http))
			}
		}
		return err
	})
}

// addresses returns the addresses of the members.
func (s *store) addresses() (map[uint64]address, error) {
	all := map[uint64]address{}
	return all, s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(peerBucket).ForEach(func(k, v []byte) error {
			all[number(k, 0)] = parseAddress(string(v))
			return nil
		})
	})
}

// put puts keys and values in turn.
func put(b *bolt.Bucket, pairs ...[]byte) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := b.Put(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// boot gives a new node what is on disk: the terms of the whole log, and the entries above applied.
func (s *store) boot(n *raftcore.Node) error {
	return s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		hard, before := meta.Get(hardKey), meta.Get(beforeKey)
		stored := raftcore.Stored{
			HardState: raftcore.HardState{Term: number(hard, 0), Vote: number(hard, 1), Commit: number(hard, 2)},
			Applied:   s.applied, BeforeFirst: number(before, 0), BeforeFirstTerm: number(before, 1), Last: s.before,
		}
		c := tx.Bucket(logBucket).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			e := entry(k, v)
			if runs := stored.Runs; len(runs) == 0 || runs[len(runs)-1].Term != e.Term {
				stored.Runs = append(runs, raftcore.Run{First: e.Index, Term: e.Term})
			}
			if e.Index > s.applied {
				stored.Entries = append(stored.Entries, e)
			}
			stored.Last = e.Index
		}
		if len(s.conf) > 0 || stored.Last > 0 {
			stored.Conf = &raftcore.Conf{Bytes: s.conf}
		}
		return n.Boot(stored)
	})
}

// entry is an entry of the log. Its data are valid as long as the transaction.
func entry(k, v []byte) raftcore.Entry {
	return raftcore.Entry{Index: number(k, 0), Term: number(v, 0), Kind: raftcore.EntryKind(v[8]), Data: v[9:]}
}

// readLog reads entries first to last: as many as make up size bytes, and one at least.
func readLog(tx *bolt.Tx, first, last, size uint64) (entries []raftcore.Entry) {
	c := tx.Bucket(logBucket).Cursor()
	for k, v := c.Seek(numbers(first)); k != nil && number(k, 0) <= last; k, v = c.Next() {
		if len(entries) > 0 && uint64(len(v)) > size {
			break
		}
		entries = append(entries, entry(k, v))
		size -= min(size, uint64(len(v)))
	}
	return entries
}

// work stores a ready, and applies its entries. Results are the tokens of applied entries, and
// whether addresses have changed. An error is final: the process must end.
func (s *store) work(n *raftcore.Node, rd *raftcore.Ready) (written []uint64, moved bool, err error) {
	if !rd.HasSnapshot() && len(rd.Entries) == 0 && !rd.HardStateChanged() && rd.CommittedLast == 0 {
		return nil, false, nil
	}
	applied, before, conf := s.applied, s.before, s.conf
	err = s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if rd.HasSnapshot() {
			if err := install(tx, rd); err != nil {
				return err
			}
			applied, before, conf, moved = rd.SnapshotIndex, rd.SnapshotIndex, rd.SnapshotConf, true
			if err := put(meta, beforeKey, numbers(before, rd.SnapshotTerm)); err != nil {
				return err
			}
		}

		entries := tx.Bucket(logBucket)
		if len(rd.Entries) > 0 {
			if err := remove(entries, rd.Entries[0].Index, ^uint64(0)); err != nil {
				return err
			}
		}
		for _, e := range rd.Entries {
			if err := entries.Put(numbers(e.Index), append(append(numbers(e.Term), byte(e.Kind)), e.Data...)); err != nil {
				return err
			}
		}
		if rd.HardStateChanged() {
			if err := put(meta, hardKey, numbers(rd.Term, rd.Vote, rd.Commit)); err != nil {
				return err
			}
		}

		for _, e := range rd.CommittedEntries {
			if e.Kind != raftcore.EntryNormal {
				next, err := n.ApplyConfChange(e)
				if err != nil {
					return err
				}
				conf, moved = next.Bytes, true
				if err := move(tx.Bucket(peerBucket), next); err != nil {
					return err
				}
			} else if err := apply(tx.Bucket(dataBucket), e); err != nil {
				return err
			}
			if e.Token != 0 {
				written = append(written, e.Token)
			}
			applied = e.Index
		}
		if applied > before+2*s.keep {
			before = applied - s.keep
			term := number(entries.Get(numbers(before)), 0)
			if err := remove(entries, 0, before); err != nil {
				return err
			}
			if err := put(meta, beforeKey, numbers(before, term)); err != nil {
				return err
			}
		}
		return put(meta, appliedKey, numbers(applied), confKey, conf)
	})
	if err != nil {
		return nil, false, fmt.Errorf("a write failed, which is final: %w", err)
	}
	s.applied, s.before, s.conf = applied, before, bytes.Clone(conf)
	return written, moved, nil
}

// move brings the addresses up to a membership: of a new member they are in the change's context.
func move(peers *bolt.Bucket, conf raftcore.Conf) error {
	members := map[uint64]bool{}
	for _, id := range slices.Concat(conf.Voters, conf.Outgoing, conf.Learners, conf.LearnersNext) {
		members[id] = true
	}
	if id, at := decodeAddress(conf.Context); members[id] {
		if err := peers.Put(numbers(id), at); err != nil {
			return err
		}
	}
	var gone [][]byte
	peers.ForEach(func(k, _ []byte) error {
		if !members[number(k, 0)] {
			gone = append(gone, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range gone {
		if err := peers.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func encodeAddress(id uint64, at string) []byte { return append(numbers(id), at...) }

func decodeAddress(b []byte) (id uint64, at []byte) { return number(b, 0), b[min(8, len(b)):] }

// apply applies an entry to the data. An entry that is no write changes nothing, on every node
// alike: an error would return at each start, with the log.
func apply(data *bolt.Bucket, e raftcore.Entry) error {
	if len(e.Data) == 0 { // a leader's first
		return nil
	}
	key, value, err := decodeWrite(e.Data)
	if err != nil || !isKey(key) {
		log.Printf("entry %d is no write: %v", e.Index, errors.Join(err, errKey))
		return nil
	}
	return data.Put(key, value)
}

// isKey reports whether bbolt takes the key.
func isKey(key []byte) bool { return 0 < len(key) && len(key) <= bolt.MaxKeySize }

// remove removes the entries from first to last.
func remove(b *bolt.Bucket, first, last uint64) error {
	c := b.Cursor()
	for k, _ := c.Seek(numbers(first)); k != nil && number(k, 0) <= last; k, _ = c.Seek(numbers(first)) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// answer answers a fetch. tooLarge gets the data of a snapshot that travels beside the core.
func (s *store) answer(n *raftcore.Node, f raftcore.Fetch, tooLarge func([]byte)) error {
	return s.db.View(func(tx *bolt.Tx) error {
		var err error
		switch {
		case f.Kind == raftcore.FetchSnapshot:
			data := encodeState(tx)
			_, err = n.SupplySnapshot(f.ID, s.applied, raftcore.Conf{Bytes: s.conf}, data)
			if errors.Is(err, raftcore.ErrTooLarge) { // an everyday case
				var wanted bool
				if wanted, err = n.SupplySnapshot(f.ID, s.applied, raftcore.Conf{Bytes: s.conf}, nil); wanted {
					tooLarge(data)
				}
			}
		case f.Kind == raftcore.FetchEntries && f.First <= s.before:
			_, err = n.SupplyNone(f.ID, raftcore.SupplyGone)
		default: // FetchEntries or FetchApply
			_, err = n.SupplyEntries(f.ID, readLog(tx, f.First, f.Last, f.MaxBytes))
		}
		return err
	})
}

func (s *store) get(key string) (value []byte, found bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(dataBucket).Get([]byte(key))
		value, found = bytes.Clone(v), v != nil
		return nil
	})
	return value, found, err
}

// stateVersion begins an encoded state, which must not be empty: see SupplySnapshot.
const stateVersion = 1

// encodeState encodes addresses and data: pairs, then an empty key.
func encodeState(tx *bolt.Tx) []byte {
	b := []byte{stateVersion}
	for _, name := range [][]byte{peerBucket, dataBucket} {
		c := tx.Bucket(name).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
			b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
		}
		b = append(b, 0)
	}
	return b
}

// install replaces data, addresses and log by a snapshot.
func install(tx *bolt.Tx, rd *raftcore.Ready) error {
	b := rd.SnapshotData
	if len(b) == 0 || b[0] != stateVersion {
		return fmt.Errorf("%d bytes are no state", len(b))
	}
	for _, name := range [][]byte{logBucket, dataBucket, peerBucket} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	b = b[1:]
	for _, name := range [][]byte{peerBucket, dataBucket} {
		for {
			key, rest, err := cut(b)
			if err != nil {
				return err
			}
			if b = rest; len(key) == 0 {
				break
			}
			value, rest, err := cut(b)
			if err != nil {
				return err
			}
			if err := tx.Bucket(name).Put(key, value); err != nil {
				return err
			}
			b = rest
		}
	}
	return nil
}

// cut takes a length and so many bytes off b.
func cut(b []byte) (head, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, fmt.Errorf("%d bytes are cut short", len(b))
	}
	b = b[n:]
	return b[:size:size], b[size:], nil
}

// A write in the log: length and bytes of the key; the value.
func encodeWrite(key string, value []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(len(key)))
	return append(append(b, key...), value...)
}

func decodeWrite(b []byte) (key, value []byte, err error) { return cut(b) }
