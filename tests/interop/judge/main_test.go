package main

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/anishathalye/porcupine"
)

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name, history string
		ok            bool
	}{
		{"one after another", "0 1 2 add 1\n1 3 4 get 1\n0 5 6 add 2\n", true},
		{"concurrent, in either order", "0 1 9 add 2\n1 2 8 add 1\n2 3 7 get 1\n", true},
		{"a read behind an acknowledged addition", "0 1 2 add 1\n0 3 4 add 2\n1 5 6 get 1\n", false},
		{"a read behind two acknowledged additions", "0 1 2 add 1\n0 3 4 add 2\n0 5 6 add 3\n1 7 8 get 1\n", false},
		{"a lost addition", "0 1 2 add 1\n1 3 4 add 1\n", false},
		{"an addition that counts twice", "0 1 2 add 1\n1 3 4 add 3\n", false},
		{"a value that no addition made", "0 1 2 add 1\n0 3 4 add 2\n0 5 6 add 4\n", false},
		{"many values that no addition made", "0 1 2 add 1\n0 3 4 add 9\n", false},
		{"a read of an addition that is still to come", "0 1 2 get 1\n1 3 4 add 1\n", false},
		{"no history", "", false},
		{"no operation", "0 1 2 sub 1\n", false},
		{"no number", "0 1 2 add x\n", false},
		{"a value below the first", "0 1 2 get -1\n", false},
	} {
		for size := 1; size <= 4; size++ {
			if err := judge(strings.NewReader(c.history), size); (err == nil) != c.ok {
				t.Errorf("%s, windows of %d: %v", c.name, size, err)
			}
		}
	}
}

// TestWindows: a history in windows is judged as the whole is by porcupine.
func TestWindows(t *testing.T) {
	good := 0
	for seed := range int64(3000) {
		chance := rand.New(rand.NewSource(seed))
		var history strings.Builder
		value, now := 0, 1
		for range 9 {
			what := []string{"add", "get"}[chance.Intn(2)]
			if what == "add" {
				value++
			}
			said := value
			if chance.Intn(12) == 0 {
				said = max(value-1, 0)
			}
			fmt.Fprintf(&history, "0 %d %d %s %d\n", max(now-chance.Intn(6), 0), now+chance.Intn(6), what, said)
			now += 3
		}
		all, err := read(strings.NewReader(history.String()))
		if err != nil {
			t.Fatal(err)
		}
		whole := porcupine.CheckOperations(counter(0), all)
		if whole {
			good++
		}
		for size := 1; size <= 4; size++ {
			if err := judge(strings.NewReader(history.String()), size); (err == nil) != whole {
				t.Fatalf("seed %d, windows of %d: %v, and of the whole porcupine says %v\n%s", seed, size, err, whole, history.String())
			}
		}
	}
	if good < 300 || good > 2700 {
		t.Errorf("%d of 3000 histories are linearizable: too few of one kind", good)
	}
}
