package conformance

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const scheduleLength = 600

// A Lockstep is the outcome of TestLockstep, for the report.
type Lockstep struct {
	Steps      int            `json:"steps"`
	Schedules  int            `json:"schedules"`
	Mismatches int            `json:"mismatches"`
	Panics     map[string]int `json:"panics"`
	Refused    map[string]int `json:"refused"`
	Departed   map[string]int `json:"departed"`
	Exercised  histogram      `json:"exercised"`
}

var lockstep *Lockstep

// mustCome is what a run of some length has to show: else the schedules miss something.
var mustCome = []string{
	"SYNC", "ASYNC", "MESSAGES", "pre-vote", "check quorum", "lease reads", "step down on removal", "small recent log",
	"step MsgApp", "step MsgAppResp", "step MsgAppResp, rejects", "step MsgHeartbeat", "step MsgHeartbeatResp", "step MsgPreVote",
	"step MsgPreVoteResp", "step MsgPreVoteResp, rejects", "step MsgProp", "step MsgReadIndex", "step MsgReadIndexResp",
	"step MsgSnap", "step MsgStorageAppendResp", "step MsgStorageApplyResp", "step MsgTimeoutNow", "step MsgTransferLeader",
	"step MsgVote", "step MsgVoteResp", "step MsgVoteResp, rejects",
	"propose", "propose change: auto", "propose change: explicit", "propose change: implicit", "propose change: leave",
	"propose change: v1", "change applied: simple or left", "change applied: joint, left by itself",
	"change applied: joint, left when asked",
	"compact", "restart", "crash with work under way", "crash within a ready", "log truncated", "snapshot: received",
	"fetch: entries", "fetch: snapshot", "fetch: own log, to apply", "committed spans", "ready: committed span read from the log", "read: answered", "read: dropped", "transfer", "forget leader", "report unreachable",
	"report snapshot", "committed spans", "changes apart from their entries", "fetch: own log, to apply",
	"ready: committed span read from the log",
	"apart: applied on time", "apart: applied late, behind the applied index", "apart: applied out of order",
	"apart: never applied, on any node", "apart: never applied, on this node", "apart: never applied, after all",
	"apart: another change than the committed one", "apart: refused by the application, node 0", "apart: out of the blue",
	"apart: v1", "apart: v2", "apart: joint", "apart: leave", "apart: invalid, etcd panics and raftcore answers CONF",
	"snapshot: its configuration lacks its receiver", "snapshot: rewritten by the host",
	"snapshot state ended by an acknowledgement beyond it",
	"propose entry: EntryNormal, on a leader", "propose entry: EntryNormal, elsewhere", "propose entry: EntryConfChange, on a leader",
	"propose entry: EntryConfChange, elsewhere", "propose entry: EntryConfChangeV2, on a leader",
	"propose entry: EntryConfChangeV2, elsewhere", "propose entry: with an id", "propose entry: with a context",
	"propose entry: no change, etcd panics and raftcore answers DECODE", "token: committed", "token: dropped",
	"raftcore_msg with a context", "raftcore_msg with a snapshot's configuration", "raftcore_msg with its entries",
	"a long context comes back",
	"dropped", "duplicated", "dropped by a cut", "delivered out of order",
}

func envNumber(t *testing.T, name string, or uint64) uint64 {
	s := os.Getenv(name)
	if s == "" {
		return or
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestLockstep drives groups of pairs by random schedules: LOCKSTEP_STEPS steps if that is set, else for LOCKSTEP_SECONDS
// (30). LOCKSTEP_SEED repeats a run; LOCKSTEP_ONE runs one schedule of it.
func TestLockstep(t *testing.T) {
	seed := envNumber(t, "LOCKSTEP_SEED", rand.Uint64N(1<<32))
	steps := int(envNumber(t, "LOCKSTEP_STEPS", 0))
	seconds := envNumber(t, "LOCKSTEP_SECONDS", 30)
	one := os.Getenv("LOCKSTEP_ONE")
	out := &Lockstep{Panics: map[string]int{}, Refused: map[string]int{}, Departed: map[string]int{}, Exercised: histogram{}}
	begin := time.Now()
	for n := uint64(0); ; n++ {
		if one != "" {
			if n > 0 {
				break
			}
			n = envNumber(t, "LOCKSTEP_ONE", 0)
		} else if steps != 0 && out.Steps >= steps || steps == 0 && time.Since(begin) >= time.Duration(seconds)*time.Second {
			break
		}
		s := newSchedule(seed<<24+n, scheduleLength)
		done, err := s.run(out.Exercised, nil)
		out.Steps += done
		out.Schedules++
		var died panicked
		var no refused
		var other departed
		switch {
		case err == nil:
		case errors.As(err, &died):
			out.Panics[family(died.text)+" | "+died.here]++
		case errors.As(err, &no):
			out.Refused[family(no.text)]++
		case errors.As(err, &other):
			out.Departed[other.what]++
		default:
			out.Mismatches++
			t.Errorf("schedule %d of seed %d, after %d steps: %v\nrepeat it: LOCKSTEP_SEED=%d LOCKSTEP_ONE=%d go test -run 'TestLockstep$'\n%s",
				n, seed, done, err, seed, n, shrunk(s, done))
			if out.Mismatches >= 3 || os.Getenv("LOCKSTEP_FIRST") != "" {
				t.Fatal("enough")
			}
		}
		if one != "" {
			break
		}
	}
	if one == "" && out.Steps >= 200_000 {
		for _, class := range mustCome {
			if out.Exercised[class] == 0 {
				t.Errorf("nothing of this was exercised: %s", class)
			}
		}
	}
	lockstep = out
	t.Logf("seed %d, %d steps in %d schedules, %.0f steps a second", seed, out.Steps, out.Schedules, float64(out.Steps)/time.Since(begin).Seconds())
	t.Log("\n" + classes("exercised", out.Exercised) + classes("panics of etcd's | raftcore", out.Panics) + classes("refused by raftcore", out.Refused) +
		classes("ended at a known departure", out.Departed))
}

var digits = regexp.MustCompile(`[0-9]+`)

func family(s string) string { return digits.ReplaceAllString(s, "#") }

// classes shows how often each class came.
func classes(title string, h map[string]int) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n", title)
	for _, k := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&s, "  %8d  %s\n", h[k], k)
	}
	return s.String()
}

// shrunk takes actions out of a schedule as long as what is left shows a mismatch, and tells it as a script.
func shrunk(s *schedule, steps int) string {
	fails := func(actions []action) bool {
		_, err := (&schedule{s.setup, actions}).run(histogram{}, nil)
		return isMismatch(err)
	}
	actions := s.actions[:min(steps, len(s.actions))]
	if !fails(actions) {
		return "it does not show again"
	}
	deadline := time.Now().Add(20 * time.Second)
	for size := len(actions) / 2; size > 0; {
		gone := false
		for at := 0; at+size <= len(actions) && time.Now().Before(deadline); {
			rest := slices.Concat(actions[:at], actions[at+size:])
			if fails(rest) {
				actions, gone = rest, true
			} else {
				at += size
			}
		}
		if !gone || size > 1 {
			size /= 2
		}
	}
	var script strings.Builder
	_, err := (&schedule{s.setup, actions}).run(histogram{}, &script)
	return fmt.Sprintf("%d actions are left:\n%s\n%v", len(actions), script.String(), err)
}
