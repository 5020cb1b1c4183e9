package host

import (
	"io"
	"log/slog"
	"testing"
	"time"
)

// nothing is a machine without a state.
type nothing struct{}

func (nothing) Apply([]Entry) {}
func (nothing) Snapshot() (func(io.Writer) error, error) {
	return func(io.Writer) error { return nil }, nil
}
func (nothing) Restore(io.Reader) error { return nil }

// TestStall: members that stood still, as on a machine without a free core, keep their leader. The
// silence in that time was nobody's.
func TestStall(t *testing.T) {
	t.Parallel()
	var all []*Host
	for id := uint64(1); id <= 3; id++ {
		opt := Options{Machine: nothing{}, Address: "127.0.0.1:0", Tick: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler)}
		dir := t.TempDir()
		if id == 1 {
			if err := Found(dir, id, opt); err != nil {
				t.Fatal(err)
			}
		} else {
			opt.Join = []string{all[0].Address()}
		}
		h, err := Open(t.Context(), dir, id, opt)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		all = append(all, h)
		if err := all[0].Promote(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	before, err := all[0].Status()
	if err != nil {
		t.Fatal(err)
	}

	for _, h := range all {
		h.inbox.change(func(m *mail) {
			m.calls = append(m.calls, func() { h.last = h.last.Add(-20 * h.opt.Tick) })
		})
	}
	time.Sleep(3 * time.Second) // an election would be over

	for _, h := range all {
		after, err := h.Status()
		if err != nil || after.Term != before.Term || h.Leader() != 1 {
			t.Errorf("member %d: term %d, leader %d, %v; the term was %d", h.ID(), after.Term, h.Leader(), err, before.Term)
		}
	}
}
