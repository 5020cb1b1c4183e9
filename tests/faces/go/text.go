package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	raftcore "raftcore.example/go"
)

// words are what is left of a line.
type words struct{ rest []string }

func (w *words) word() string {
	word := w.rest[0]
	w.rest = w.rest[1:]
	return word
}

func (w *words) num() uint64 {
	n, err := strconv.ParseUint(w.word(), 10, 64)
	check(err)
	return n
}

func (w *words) int() int64 {
	n, err := strconv.ParseInt(w.word(), 10, 32)
	check(err)
	return n
}

func (w *words) bytes() []byte {
	b, err := hex.DecodeString(w.word()[1:])
	check(err)
	return b
}

func list[T any](w *words, one func(*words) T) []T {
	all := make([]T, w.num())
	for i := range all {
		all[i] = one(w)
	}
	return all
}

func (w *words) entry() raftcore.Entry {
	return raftcore.Entry{Term: w.num(), Index: w.num(), Kind: raftcore.EntryKind(w.num()), Data: w.bytes(),
		Context: w.bytes()}
}

func (w *words) conf() raftcore.Conf {
	if w.word() == "bytes" {
		return raftcore.Conf{Bytes: w.bytes()}
	}
	ids := func() []uint64 { return list(w, (*words).num) }
	return raftcore.Conf{Index: w.num(), Dialect: raftcore.Dialect(w.num()), AutoLeave: w.num() != 0, Voters: ids(), Outgoing: ids(),
		Learners: ids(), LearnersNext: ids()}
}

func (w *words) config() raftcore.Config {
	small := func() uint32 { return uint32(w.num()) }
	return raftcore.Config{
		ID: w.num(), Group: w.num(), Seed: w.num(), Flags: raftcore.Flags(w.num()), Storage: raftcore.StorageMode(w.num()),
		Dialect: raftcore.Dialect(w.num()), ElectionTicks: small(), HeartbeatTicks: small(), ReadTimeoutTicks: small(),
		SnapshotTimeoutTicks: small(), VoteFenceTicks: small(), MaxPeers: small(), MaxInflightMsgs: small(), MaxOutstanding: small(),
		MaxEntriesPerReady: small(), MaxMessages: small(), MaxReads: small(), MaxTokens: small(), Priority: int32(w.int()),
		MaxApplyUnpersisted: small(), RecentBytes: w.num(), CatchupBytes: w.num(), MaxSizePerMsg: w.num(),
		MaxCommittedSizePerReady: w.num(), MaxUncommittedSize: w.num(), MaxInflightBytes: w.num(), MaxEntryBytes: w.num(),
		MaxSnapshotBytes: w.num(), BlockBytes: w.num(), OwnWriteTimeoutTicks: small(),
		ElectionJitterTicks: small(), PeerLagsTicks: small(), NoLeaderTicks: small(), MaxEntriesPerMsg: small(),
		CaughtUpEntries: small(),
	}
}

// inC returns a text of the binding with the names of the header, as the other faces write them.
func inC(text string) string {
	return regexp.MustCompile(`[A-Z][A-Za-z0-9]+\*?`).ReplaceAllStringFunc(text, func(name string) string {
		if c, ok := namesInC[name]; ok {
			return c
		}
		if flag, ok := strings.CutPrefix(name, "Flag"); ok && flag != "s" {
			return strings.ToUpper(snake(flag))
		}
		for _, kind := range []string{"Change", "Entry", "Snapshot", "Storage", "Supply", "Transition"} {
			if rest, ok := strings.CutPrefix(name, kind); ok && rest != "" && !strings.HasSuffix(rest, "Bytes") && !isCall[name] {
				return "RAFTCORE_" + strings.ToUpper(snake(kind)) + "_" + strings.ToUpper(snake(rest))
			}
		}
		return snake(name)
	})
}

var namesInC = map[string]string{
	"ApplyConfChange":   "apply_conf",
	"EntryConfChangeV2": "_V2",
	"ConfState":         "ConfState",
	"UpdateNode":        "UpdateNode",
	"KiB":               "KiB",
	"MiB":               "MiB",
	"StorageSync":       "SYNC",
	"StorageAsync":      "ASYNC",
	"StorageMessages":   "MESSAGES",
	"ProposeConfChange": "propose_conf",
	"SkipConfChange":    "skip_conf",
	"TransferLeader":    "transfer",
	"ID":                "id",
}

var isCall = map[string]bool{"SupplyNone": true, "SupplyEntries": true, "SupplySnapshot": true, "SnapshotTimeoutTicks": true}

func snake(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2"))
}

// wordsOf returns the text of a code. The binding has its own words for two.
func wordsOf(code raftcore.Code) string {
	switch code {
	case raftcore.ErrClosed:
		return "not a live node: freed, or never created"
	case raftcore.ErrABI:
		return "abi_version or struct_size is not one this library knows"
	}
	return code.Error()
}

func (w *words) runs() []raftcore.Run {
	return list(w, func(w *words) raftcore.Run { return raftcore.Run{First: w.num(), Term: w.num()} })
}

// text is what came out of a call.
type text []byte

func (t *text) putf(format string, values ...any) { *t = fmt.Appendf(*t, format, values...) }

func (t *text) gap() {
	if len(*t) > 0 {
		*t = append(*t, ' ')
	}
}

func (t *text) num(numbers ...uint64) {
	for _, n := range numbers {
		t.gap()
		*t = strconv.AppendUint(*t, n, 10)
	}
}

func (t *text) bytes(b []byte) {
	t.gap()
	*t = hex.AppendEncode(append(*t, 'x'), b)
}

func (t *text) config(c raftcore.Config) {
	t.num(c.ID, c.Group, c.Seed, uint64(c.Flags), uint64(c.Storage), uint64(c.Dialect), uint64(c.ElectionTicks),
		uint64(c.HeartbeatTicks), uint64(c.ReadTimeoutTicks), uint64(c.SnapshotTimeoutTicks), uint64(c.VoteFenceTicks),
		uint64(c.MaxPeers), uint64(c.MaxInflightMsgs), uint64(c.MaxOutstanding), uint64(c.MaxEntriesPerReady), uint64(c.MaxMessages),
		uint64(c.MaxReads), uint64(c.MaxTokens))
	t.putf(" %d", c.Priority)
	t.num(uint64(c.MaxApplyUnpersisted), c.RecentBytes, c.CatchupBytes, c.MaxSizePerMsg, c.MaxCommittedSizePerReady,
		c.MaxUncommittedSize, c.MaxInflightBytes, c.MaxEntryBytes, c.MaxSnapshotBytes, c.BlockBytes, uint64(c.OwnWriteTimeoutTicks),
		uint64(c.ElectionJitterTicks), uint64(c.PeerLagsTicks), uint64(c.NoLeaderTicks), uint64(c.MaxEntriesPerMsg),
		uint64(c.CaughtUpEntries))
}

func (t *text) ids(ids []uint64) {
	t.num(uint64(len(ids)))
	t.num(ids...)
}

func (t *text) conf(c raftcore.Conf) {
	t.num(bit(c.AutoLeave))
	t.ids(c.Voters)
	t.ids(c.Outgoing)
	t.ids(c.Learners)
	t.ids(c.LearnersNext)
	t.num(c.Index, uint64(c.Dialect))
	t.bytes(c.Bytes)
	t.bytes(c.Context)
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (t *text) entries(entries []raftcore.Entry) {
	t.num(uint64(len(entries)))
	for _, e := range entries {
		t.num(e.Term, e.Index, uint64(e.Kind))
		t.bytes(e.Data)
		t.num(e.Token)
		t.bytes(e.Context)
	}
}

func (t *text) ready(rd *raftcore.Ready) {
	t.num(rd.Number, uint64(rd.Flags), uint64(rd.Role), rd.Leader, rd.Term, rd.Vote, rd.Commit, rd.SnapshotIndex, rd.SnapshotTerm)
	t.bytes(rd.SnapshotConf)
	t.bytes(rd.SnapshotData)
	t.num(rd.CommittedFirst, rd.CommittedLast)
	t.entries(rd.Entries)
	t.entries(rd.CommittedEntries)
	t.num(uint64(len(rd.Messages)))
	for _, m := range rd.Messages {
		t.num(m.To, m.From, m.Term, m.LogTerm, m.Index, m.Commit, m.RejectHint, m.Vote, uint64(m.Flags), uint64(m.Kind))
		t.bytes(m.Context)
		t.bytes(m.SnapshotConf)
		t.bytes(m.Frame)
	}
	t.num(uint64(len(rd.Reads)))
	for _, r := range rd.Reads {
		t.num(r.Token, r.Index)
	}
	t.num(uint64(len(rd.Dropped)))
	for _, d := range rd.Dropped {
		t.num(d.Token, uint64(d.What), uint64(d.Reason))
	}
	t.num(uint64(len(rd.Done)))
	for _, d := range rd.Done {
		t.num(d.Token, d.Index)
	}
}

func (t *text) status(s raftcore.Status) {
	t.num(uint64(s.Role), s.ID, s.Group, s.Term, s.Vote, s.Commit, s.Applied, s.Durable, s.Leader, s.Transferee, s.FirstIndex,
		s.LastIndex, s.LastTerm, s.RecentFirst, s.SafeToCompact, s.MessagesDropped, s.MessagesRefused, s.MessagesIgnored,
		s.ProposalsRefused, s.ReadsFailed, s.EventsLost, s.Implausible, uint64(s.Peers), uint64(s.Outstanding), bit(s.Promotable),
		bit(s.Electable), uint64(s.ElectionElapsed), uint64(s.ElectionTimeout), uint64(s.Reads), uint64(s.Tokens),
		s.LastReady, s.LateTicks, s.ApplyWaits)
}

func (t *text) peers(peers []raftcore.Peer) {
	t.num(uint64(len(peers)))
	for _, p := range peers {
		t.num(p.ID, p.Match, p.Next, p.PendingSnapshot, p.InflightBytes, uint64(p.InflightMsgs), uint64(p.Flow), uint64(p.Flags),
			uint64(p.SilentTicks), p.Commit, p.Group)
	}
}

// flat reads a flat batch as raftcore_flat in include/raftcore.h lays it out.
func (t *text) flat(b []byte) {
	u32 := func(at uint64) uint64 { return uint64(binary.LittleEndian.Uint32(b[at:])) }
	u64 := func(at uint64) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
	bytes := func(at uint64) { t.bytes(b[u64(at) : u64(at)+u64(at+8)]) }
	// Behind layout and role: total_bytes, flags, number, term, vote, commit, leader, snapshot_index, snapshot_term, committed_first,
	// committed_last, then places and lengths; behind those eleven u32, counts and strides.
	const numbers, counts = 8, 8 + 21*8
	count := func(i uint64) uint64 { return u32(counts + 4*i) }
	number := func(i uint64) uint64 { return u64(numbers + 8*i) }
	t.num(number(2), number(1), u32(4), number(6), number(3), number(4), number(5), number(7), number(8))
	bytes(numbers + 8*11)
	bytes(numbers + 8*13)
	t.num(number(9), number(10))
	records := func(place, n, stride uint64, one func(at uint64)) {
		t.num(n)
		for i := range n {
			one(place + i*stride)
		}
	}
	entry := func(at uint64) {
		t.num(u64(at), u64(at+8), u32(at+40))
		bytes(at + 24)
		t.num(u64(at + 16))
		bytes(at + 48)
	}
	records(number(15), count(0), count(6), entry)
	records(number(16), count(1), count(6), entry)
	records(number(17), count(2), count(7), func(at uint64) {
		for i := range uint64(9) {
			t.num(u64(at + 8*i))
		}
		t.num(u32(at + 88))
		bytes(at + 96)
		bytes(at + 112)
		bytes(at + 72)
	})
	pair := func(at uint64) { t.num(u64(at), u64(at+8)) }
	records(number(18), count(3), count(8), pair)
	records(number(19), count(4), count(9), func(at uint64) { t.num(u64(at), u32(at+8), u32(at+12)) })
	records(number(20), count(5), count(10), pair)
}
