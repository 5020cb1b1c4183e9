package main

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
	raftcore "raftcore.example/go"
)

// store is the node's disk: log, hard state, data and what they belong to, in one bbolt file. A ready is one transaction, so nothing
// can be half there.
type store struct {
	db   *bolt.DB
	keep uint64

	// As on disk.
	applied uint64
	before  uint64 // the index before the log's first entry
	conf    []byte // as of applied
}

var (
	logBucket  = []byte("log")  // index -> term, kind, data
	dataBucket = []byte("data") // key -> value
	metaBucket = []byte("meta")

	hardKey    = []byte("hard")    // term, vote, commit
	appliedKey = []byte("applied") // index
	confKey    = []byte("conf")    // as raftpb ConfState
	beforeKey  = []byte("before")  // index, term
)

func numbers(list ...uint64) []byte {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// number is the i-th of what numbers made; 0 if there is none.
func number(b []byte, i int) uint64 {
	if len(b) < 8*i+8 {
		return 0
	}
	return binary.BigEndian.Uint64(b[8*i:])
}

// openStore opens the file, or founds a group in a new one: configuration conf at index 1 of term 1.
func openStore(path string, keep uint64, conf func() ([]byte, error)) (*store, error) {
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return nil, err
	}
	s := &store{db: db, keep: keep}
	return s, db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{logBucket, dataBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		meta := tx.Bucket(metaBucket)
		if meta.Get(hardKey) == nil {
			founders, err := conf()
			if err != nil {
				return err
			}
			if err := put(meta, hardKey, numbers(0, 0, 1), appliedKey, numbers(1), confKey, founders, beforeKey, numbers(1, 1)); err != nil {
				return err
			}
		}
		s.applied, s.before = number(meta.Get(appliedKey), 0), number(meta.Get(beforeKey), 0)
		s.conf = append([]byte(nil), meta.Get(confKey)...)
		return nil
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

// boot tells a new node what is on disk.
func (s *store) boot(n *raftcore.Node) error {
	return s.db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		hard, before := meta.Get(hardKey), meta.Get(beforeKey)
		state := raftcore.HardState{Term: number(hard, 0), Vote: number(hard, 1), Commit: number(hard, 2)}
		if err := n.BootState(state); err != nil {
			return err
		}
		if err := n.BootConf(raftcore.Conf{Bytes: s.conf}, number(before, 0), number(before, 1)); err != nil {
			return err
		}
		for first := s.before + 1; ; {
			entries := readLog(tx, first, ^uint64(0), 1<<20)
			if len(entries) == 0 {
				return n.BootDone(s.applied)
			}
			if err := n.BootEntries(entries); err != nil {
				return err
			}
			first = entries[len(entries)-1].Index + 1
		}
	})
}

// readLog reads entries first to last, or as many of them as make up size bytes. They are valid as long as the transaction.
func readLog(tx *bolt.Tx, first, last uint64, size int) (entries []raftcore.Entry) {
	c := tx.Bucket(logBucket).Cursor()
	for k, v := c.Seek(numbers(first)); k != nil && number(k, 0) <= last && size > 0; k, v = c.Next() {
		entries = append(entries, raftcore.Entry{
			Index: number(k, 0), Term: number(v, 0), Kind: raftcore.EntryKind(v[8]), Data: v[9:],
		})
		size -= len(v)
	}
	return entries
}

// work stores a ready and applies what it has to apply. done is told each write that is in the data once this is durable.
func (s *store) work(n *raftcore.Node, rd *raftcore.Ready, done func(request uint64)) error {
	if !rd.HasSnapshot() && len(rd.Entries) == 0 && !rd.HardStateChanged() && rd.CommittedLast == 0 {
		return nil
	}
	var written []uint64
	applied, before, conf := s.applied, s.before, s.conf
	err := s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if rd.HasSnapshot() {
			if err := install(tx, rd); err != nil {
				return err
			}
			applied, before, conf = rd.SnapshotIndex, rd.SnapshotIndex, rd.SnapshotConf
			if err := put(meta, beforeKey, numbers(before, rd.SnapshotTerm)); err != nil {
				return err
			}
		}

		log := tx.Bucket(logBucket)
		if len(rd.Entries) > 0 {
			if err := remove(log, rd.Entries[0].Index, ^uint64(0)); err != nil {
				return err
			}
		}
		for _, e := range rd.Entries {
			if err := log.Put(numbers(e.Index), append(append(numbers(e.Term), byte(e.Kind)), e.Data...)); err != nil {
				return err
			}
		}
		if rd.HardStateChanged() {
			if err := put(meta, hardKey, numbers(rd.Term, rd.Vote, rd.Commit)); err != nil {
				return err
			}
		}

		committed := rd.CommittedEntries
		if rd.CommittedLast != 0 && len(committed) == 0 { // no longer in the node's memory
			committed = readLog(tx, rd.CommittedFirst, rd.CommittedLast, 1<<62)
		}
		for _, e := range committed {
			if e.Kind != raftcore.EntryNormal {
				next, err := n.ApplyConfChange(e)
				if err != nil {
					return err
				}
				conf = next.Bytes
			} else if len(e.Data) > 0 { // an empty one is a leader's own
				request, key, value, err := decodeWrite(e.Data)
				if err != nil {
					return fmt.Errorf("entry %d: %w", e.Index, err)
				}
				if err := tx.Bucket(dataBucket).Put(key, value); err != nil {
					return err
				}
				written = append(written, request)
			}
			applied = e.Index
		}
		if applied > before+2*s.keep {
			before = applied - s.keep
			term := number(log.Get(numbers(before)), 0)
			if err := remove(log, 0, before); err != nil {
				return err
			}
			if err := put(meta, beforeKey, numbers(before, term)); err != nil {
				return err
			}
		}
		return put(meta, appliedKey, numbers(applied), confKey, conf)
	})
	if err != nil {
		return err
	}
	s.applied, s.before, s.conf = applied, before, append([]byte(nil), conf...)
	for _, request := range written {
		done(request)
	}
	return nil
}

// remove removes keys first to last.
func remove(b *bolt.Bucket, first, last uint64) error {
	c := b.Cursor()
	for k, _ := c.Seek(numbers(first)); k != nil && number(k, 0) <= last; k, _ = c.Seek(numbers(first)) {
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// answer gives a peer that is far behind what it lacks.
func (s *store) answer(n *raftcore.Node, f raftcore.Fetch) error {
	return s.db.View(func(tx *bolt.Tx) error {
		var err error
		switch {
		case f.Kind == raftcore.FetchSnapshot:
			_, err = n.SupplySnapshot(f.ID, s.applied, raftcore.Conf{Bytes: s.conf}, snapshot(tx))
		case f.First <= s.before:
			_, err = n.SupplyNone(f.ID, raftcore.SupplyGone)
		default:
			_, err = n.SupplyEntries(f.ID, readLog(tx, f.First, f.Last, int(min(f.MaxBytes, 1<<30))))
		}
		return err
	})
}

func (s *store) get(key string) (value []byte, found bool, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(dataBucket).Get([]byte(key))
		value, found = append([]byte(nil), v...), v != nil
		return nil
	})
	return value, found, err
}

// snapshot is the data: length and bytes of each key and value.
func snapshot(tx *bolt.Tx) (b []byte) {
	c := tx.Bucket(dataBucket).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
		b = append(binary.AppendUvarint(b, uint64(len(v))), v...)
	}
	return b
}

// install replaces data and log by a snapshot.
func install(tx *bolt.Tx, rd *raftcore.Ready) error {
	for _, name := range [][]byte{logBucket, dataBucket} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	for b := rd.SnapshotData; len(b) > 0; {
		key, rest, err := cut(b)
		if err != nil {
			return err
		}
		value, rest, err := cut(rest)
		if err != nil {
			return err
		}
		if err := tx.Bucket(dataBucket).Put(key, value); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// cut takes one length and its bytes off b.
func cut(b []byte) (head, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, fmt.Errorf("%d bytes are cut short", len(b))
	}
	b = b[n:]
	return b[:size:size], b[size:], nil
}

// A write in the log: the request's number, by which the node it came to knows it again; length and bytes of the key; the value.
func encodeWrite(request uint64, key string, value []byte) []byte {
	b := binary.AppendUvarint(numbers(request), uint64(len(key)))
	return append(append(b, key...), value...)
}

func decodeWrite(b []byte) (request uint64, key, value []byte, err error) {
	if len(b) < 8 {
		return 0, nil, nil, fmt.Errorf("%d bytes are no write", len(b))
	}
	key, value, err = cut(b[8:])
	return number(b, 0), key, value, err
}
