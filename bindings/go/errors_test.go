package raftcore

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// header is include/raftcore.h, or the copy beside the archive.
func header(tb testing.TB) []byte {
	tb.Helper()
	for _, name := range []string{"../../include/raftcore.h", "lib/raftcore.h"} {
		if text, err := os.ReadFile(name); err == nil {
			return text
		}
	}
	tb.Skip("raftcore.h is not here")
	return nil
}

func Test_errors_have_a_code_and_a_detail(t *testing.T) {
	n := founder(t, testConfig(1, StorageSync), 1, 2, 3)

	err := n.Propose([]byte("x"), 1)

	var e *Error
	var code Code
	if !errors.Is(err, ErrNoLeader) || errors.Is(err, ErrFull) || !errors.As(err, &e) || !errors.As(err, &code) {
		t.Fatalf("%T %v", err, err)
	}
	if e.Op != "Propose" || e.Code != ErrNoLeader || code != ErrNoLeader || e.Detail == "" || e.Leader != 0 {
		t.Errorf("%+v", e)
	}
	if want := "raftcore: Propose: no leader is known in term 0: retry later"; err.Error() != want {
		t.Errorf("%v", err)
	}
	if text := (&Error{Op: "Advance", Code: ErrStale}).Error(); text != "raftcore: Advance: acknowledged before: nothing to do" {
		t.Error(text)
	}
}

func Test_who_is_not_the_leader_names_it(t *testing.T) {
	n, _ := follower(t)

	for name, err := range map[string]error{
		"Propose":           n.Propose([]byte("x"), 1),
		"ProposeMany":       n.ProposeMany([][]byte{{1}}, nil),
		"ProposeFlat":       n.ProposeFlat([]byte{1}, []uint32{1}, nil),
		"ProposeEntry":      n.ProposeEntry(EntryNormal, nil, 0),
		"ProposeConfChange": n.ProposeConfChange(ConfChange{Changes: []Change{{ChangeAddLearner, 3}}}, 0),
	} {
		var e *Error
		if !errors.Is(err, ErrNotLeader) || !errors.As(err, &e) || e.Leader != 2 || e.Op != name {
			t.Errorf("%s: %#v", name, err)
		}
		if want := "raftcore: " + name + ": node 2 leads in term 2, not this one: propose there"; err.Error() != want {
			t.Errorf("%v", err)
		}
	}
	// raftpb: a proposal (type 2) of node 2, with an entry, comes to a follower.
	prop := []byte{1 << 3, 2, 2 << 3, 1, 3 << 3, 2, 7<<3 | 2, 3, 4<<3 | 2, 1, 'x'}
	frame := append([]byte{byte(len(prop)), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, prop...)
	took, err := n.StepFrames(2, frame)
	must(t, err)
	var e *Error
	if took.Rejected != 1 || !errors.Is(took.Refused, ErrNotLeader) || !errors.As(took.Refused, &e) || e.Leader != 2 {
		t.Errorf("%+v", took)
	}
}

// The second diary of adopters: an error of the first call stood in the text of the second.
func Test_a_detail_is_that_of_its_call(t *testing.T) {
	n := solo(t)
	if err := n.Propose(make([]byte, 5<<20), 0); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"nobody":  {n.ReportUnreachable(9), "raftcore: ReportUnreachable: node 9 is no member of the configuration (voters=(1))"},
		"advance": {n.Advance(9), "raftcore: Advance: ready 9 was never handed out: the newest one is 4"},
		"stale":   {n.Advance(4), "raftcore: Advance: ready 4 was acknowledged before, as were all up to 4"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("%s: %v", name, c.err)
		}
	}
}

// Errors are in Go's words, and hold the detail or the code's text, not both.
func Test_error_texts(t *testing.T) {
	n := solo(t)
	second := func(_ any, err error) error { return err }
	booting := fresh(t)
	must(t, booting.BootConf(Conf{Voters: []uint64{1}}, 1, 1))
	takes := fresh(t)
	for want, err := range map[string]error{
		"Propose: entry of 5242880 bytes, at most 4194304 are taken (MaxEntryBytes, half of RecentBytes)": n.Propose(make([]byte, 5<<20), 0),
		"Persisted: Persisted is not for Storage = StorageSync":                                           n.Persisted(1),
		"Release: Release is not for Storage = StorageSync":                                               n.Release(1),
		"Applied: Applied is not for Storage = StorageSync":                                               n.Applied(1),
		"StepLocal: StepLocal is not for Storage = StorageSync":                                           n.StepLocal([]byte{1}),
		"Step: 1 bytes that are no message: malformed bytes":                                              n.Step(2, []byte{0xff}),
		"BootDone: the node is booted already":                                                            n.BootDone(0),
		"BootState: boot calls come once each, in order: BootState can't follow BootConf":                 booting.BootState(HardState{}),
		"Tick: the node is not booted: boot it first":                                                     takes.Tick(1),
		"Compacted: Compacted(99) passes applied (2)":                                                     n.Compacted(99),
		"ProposeConfChange: a change's kind is none of Change*":                                           n.ProposeConfChange(ConfChange{Changes: []Change{{77, 1}}}, 0),
		"ProposeConfChange: transition is none of Transition*":                                            n.ProposeConfChange(ConfChange{Transition: 9}, 0),
		"ProposeConfChange: the configuration change is invalid here (voters=(1)): removed all voters": n.ProposeConfChange(
			ConfChange{Changes: []Change{{ChangeRemoveNode, 1}}}, 0),
		"ProposeEntry: kind is none of Entry*":                                             n.ProposeEntry(9, nil, 0),
		"ApplyChange: ApplyChange needs the flag FlagConfApart":                            second(n.ApplyChange(EntryConfChange, nil)),
		"ApplyChange: kind is no kind of change: EntryConfChange or EntryConfChangeV2":     second(n.ApplyChange(EntryNormal, nil)),
		"SupplyNone: why is neither SupplyGone nor SupplyLater":                            second(n.SupplyNone(5, 9)),
		"SupplyNone: fetch 5 was never handed out":                                         second(n.SupplyNone(5, SupplyGone)),
		"SupplyEntries: fetch 5 was never handed out":                                      second(n.SupplyEntries(5, nil)),
		"SupplySnapshot: fetch 5 was never handed out":                                     second(n.SupplySnapshot(5, 1, Conf{Voters: []uint64{1}}, nil)),
		"SkipConfChange: no configuration entry at index 5 was handed out and not applied": second(n.SkipConfChange(5)),
		"ReportSnapshot: how is none of Snapshot*":                                         n.ReportSnapshot(1, 9),
		"SetWindow: MaxInflightMsgs is 65537: must be 0 to 65536":                          n.SetWindow(1, 65537, 0),
		"StepFrames: a frame of 4294967295 bytes, at most 4259840 are possible":            second(n.StepFrames(1, slices.Repeat([]byte{0xff}, 12))),
		"ProposeMany: as many tokens as entries are needed, or nil":                        n.ProposeMany([][]byte{nil, nil}, []uint64{1}),
		"ProposeFlat: lengths must add up to len(data), and as many tokens as lengths are needed, or nil": n.ProposeFlat(
			[]byte("abc"), []uint32{4}, nil),
		"Tick: the node is closed": (&Node{}).Tick(1),
	} {
		if err == nil || err.Error() != "raftcore: "+want {
			t.Errorf("want %s\n                   got  %v", want, err)
		}
	}
	// The reason of a refused frame has its detail, also if the turn goes on to a ready.
	must(t, n.Propose([]byte("x"), 0))
	var v ReadyView
	in := Input{Frames: []byte{1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0xff}}
	found, err := n.Turn(&in, &v)
	must(t, err)
	if want := "raftcore: Turn: a frame of group 7, this node is of group 0"; found == FoundNothing || in.Refused == nil || in.Refused.Error() != want {
		t.Errorf("%v, %+v", found, in)
	}
}

func Test_an_unknown_code_keeps_its_number(t *testing.T) {
	for _, number := range []Code{-99, -12345, 77, math.MinInt32} {
		err := error(&Error{Op: "Tick", Code: number})

		var code Code
		if !errors.As(err, &code) || code != number || !strings.Contains(err.Error(), fmt.Sprint(int32(number))) {
			t.Errorf("%d: %v", number, err)
		}
	}
	if EventKind(9999).String() == "" || Reason(9999).String() == "" || Role(9).String() != "role 9" || DropKind(9).String() != "outcome 9" {
		t.Error("unknown kinds have no text")
	}
	for kind, want := range map[DropKind]string{DropNotCommitted: "not committed", DropUnknown: "committed or not", DropRead: "read not served"} {
		if fmt.Sprint(kind) != want {
			t.Errorf("%d: %v", kind, kind)
		}
	}
}

func Test_every_code_has_words(t *testing.T) {
	for code := ErrNull; code >= ErrNotLeader; code-- {
		if text := code.Error(); text == "" || strings.Contains(text, "code") || strings.Contains(text, "_") {
			t.Errorf("%d: %q", code, text)
		}
	}
}

// A Config by hand, however much of it is filled in, is sent to DefaultConfig.
func Test_a_partly_filled_config_is_sent_to_the_defaults(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{ID: 1, ElectionTicks: 10, HeartbeatTicks: 1},
		{ID: 1, Seed: 7, ElectionTicks: 10, HeartbeatTicks: 1, MaxPeers: 3, BlockBytes: 1 << 18, RecentBytes: 16 << 20},
	} {
		_, err := NewNode(cfg)

		if err == nil || !strings.Contains(err.Error(), "start from one of them") || !strings.Contains(err.Error(), "DefaultConfig()") {
			t.Errorf("%+v: %v", cfg, err)
		}
		if check := cfg.Check(); check == nil || !strings.Contains(check.Error(), "DefaultConfig()") {
			t.Errorf("%+v: %v", cfg, check)
		}
	}
}

func Test_a_setting_at_fault_is_named(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"ID must be 1 to 2^64-17":                                              func(c *Config) { c.ID = 0 },
		"Seed must not be 0: draw another one at each start":                   func(c *Config) { c.Seed = 0 },
		"ElectionTicks must be above HeartbeatTicks and at most 2^24":          func(c *Config) { c.HeartbeatTicks = c.ElectionTicks },
		"RecentBytes must be at least four times BlockBytes, and at most 2^40": func(c *Config) { c.RecentBytes = 0 },
		"FlagLeaseReads needs FlagCheckQuorum":                                 func(c *Config) { c.Flags = FlagLeaseReads },
		"Flags has a bit that this library does not know":                      func(c *Config) { c.Flags = 1 << 60 },
		"Storage is none of Storage*":                                          func(c *Config) { c.Storage = 9 },
		"Dialect is not one this library speaks":                               func(c *Config) { c.Dialect = 9 },
		"these settings do not come from DefaultConfig() or EtcdConfig(): start from one of them, then set ID": func(c *Config) {
			*c = Config{ID: 1}
		},
	} {
		cfg := DefaultConfig()
		cfg.ID = 1
		must(t, cfg.Check())
		change(&cfg)

		check := cfg.Check()
		_, err := NewNode(cfg)

		if check == nil || check.Error() != "raftcore: Check: "+want || err == nil || err.Error() != "raftcore: NewNode: "+want {
			t.Errorf("want %s, got %v and %v", want, check, err)
		}
	}
	cfg := DefaultConfig()
	cfg.ID, cfg.MaxReads = 1, 0
	if _, err := cfg.Footprint(); err == nil || err.Error() != "raftcore: Footprint: MaxReads must be 1 to 2^22" {
		t.Error(err)
	}
	if _, err := cfg.FrameLimit(); err == nil || err.Error() != "raftcore: FrameLimit: MaxReads must be 1 to 2^22" {
		t.Error(err)
	}
	cfg.MaxReads = 1
	if size, err := cfg.Footprint(); err != nil || size == 0 {
		t.Error(size, err)
	}
}

func Test_each_default_has_a_seed_of_its_own(t *testing.T) {
	seen := map[uint64]bool{0: true}
	for range 100 {
		a, b := DefaultConfig().Seed, EtcdConfig().Seed
		if seen[a] || seen[b] || a == b {
			t.Fatal("a seed came twice, or is 0")
		}
		seen[a], seen[b] = true, true
	}
}

// snake is how the header spells a name of Go's.
func snake(name string) string {
	name = regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2")
	return strings.ToLower(name)
}

func Test_go_names_are_those_of_fields_and_methods(t *testing.T) {
	header := string(header(t))
	elsewhere := map[string]bool{ // not methods of Node, and in no text
		"abi_version": true, "version_string": true, "strerror": true, "config_init": true, "config_preset": true, "config_error": true,
		"frame_limit": true, "frame_next": true, "snapshot_split": true, "hello_read": true, "flatten": true, "conf_encode": true,
		"tick_many": true, "event_text": true, "reason_text": true, "error_detail": true, "view_flat": true, "turn_flat": true,
		"set_heap": true, // left out: see "Memory" in doc.go
	}
	node := reflect.TypeFor[*Node]()
	config := reflect.TypeFor[Config]()
	known := map[string]string{}
	for name, goName := range goNames {
		known[name] = goName
	}
	for name, goName := range goWords {
		known[name] = goName
	}
	for i := range config.NumField() {
		name := snake(config.Field(i).Name)
		if got := known[name]; strings.Contains(name, "_") && got != config.Field(i).Name {
			t.Errorf("setting %s is %q", name, got)
		}
		delete(known, name)
	}
	fields := regexp.MustCompile(`(?s)typedef struct raftcore_config \{(.*?)\} raftcore_config;`).FindStringSubmatch(header)[1]
	for _, field := range regexp.MustCompile(`u?int\d+_t (\w+_\w+);`).FindAllStringSubmatch(fields, -1) {
		if name := field[1]; goNames[name] == "" && name != "struct_size" && name != "abi_version" {
			t.Errorf("setting %s has no name in Go", name)
		}
	}
	for _, f := range regexp.MustCompile(`\nraftcore_(\w+)\(`).FindAllStringSubmatch(header, -1) {
		name := f[1]
		if !strings.Contains(name, "_") || elsewhere[name] {
			continue
		}
		if _, ok := node.MethodByName(goNames[name]); !ok {
			t.Errorf("call %s is %q, which is no method", name, goNames[name])
		}
		delete(known, name)
	}
	for _, f := range regexp.MustCompile(`#define RAFTCORE_FLAG_(\w+)`).FindAllStringSubmatch(header, -1) {
		if want := "flag_" + strings.ToLower(f[1]); snake(goNames[f[1]]) != want {
			t.Errorf("flag %s is %q", f[1], goNames[f[1]])
		}
		delete(known, f[1])
	}
	for _, f := range regexp.MustCompile(`#define RAFTCORE_STORAGE_(\w+)`).FindAllStringSubmatch(header, -1) {
		if want := "storage_" + strings.ToLower(f[1]); snake(goNames[f[1]]) != want {
			t.Errorf("mode %s is %q", f[1], goNames[f[1]])
		}
		delete(known, f[1])
	}
	for name, goName := range known { // constants, and calls of one word
		_, method := node.MethodByName(goName)
		if !method && !strings.Contains(header, name) {
			t.Errorf("%s, %s in Go, is in no header", name, goName)
		}
	}
}

// No text that the core may return has a name that Go does not have.
func Test_every_name_in_the_cores_texts_is_known(t *testing.T) {
	files := []string{}
	for _, dir := range []string{"", "ffi/", "log/", "node/", "raft/", "ready/"} {
		entries, err := os.ReadDir("../../src/" + dir)
		if err != nil {
			t.Skip("the core's source is not here")
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".rs") && e.Name() != "tests.rs" {
				files = append(files, "../../src/"+dir+e.Name())
			}
		}
	}
	names := map[string]bool{}
	for _, f := range regexp.MustCompile(`\nraftcore_(\w+_\w+)\(`).FindAllStringSubmatch(string(header(t)), -1) {
		names[f[1]] = true
	}
	for i := range reflect.TypeFor[Config]().NumField() {
		names[snake(reflect.TypeFor[Config]().Field(i).Name)] = true
	}
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		must(t, err)
		code := regexp.MustCompile(`(?m)^\s*//.*$`).ReplaceAllString(string(source), "")
		for _, text := range regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).FindAllString(code, -1) {
			if !strings.Contains(text, " ") { // an option, a name of a field
				continue
			}
			text = regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(text, "")
			for _, word := range regexp.MustCompile(`\w+_\w+`).FindAllString(text, -1) {
				if names[word] && word != "abi_version" { // not a setting of Go's
					found++
					if inGo("x "+word) == "x "+word {
						t.Errorf("%s: %s has no name in Go: %s", file, word, text)
					}
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d names found", found)
	}
}
