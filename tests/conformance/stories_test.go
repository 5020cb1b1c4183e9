package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

const storiesFolder = "../stories"

// runStory runs a story to its end and returns every difference in the output, in full.
func runStory(t *testing.T, path string) (cases int, mismatches []string) {
	s := newStory()
	defer s.close()
	datadriven.RunTest(t, path, func(_ *testing.T, d *datadriven.TestData) string {
		got := s.run(d)
		if d.Rewrite {
			return got
		}
		cases++
		if got != d.Expected {
			mismatches = append(mismatches, d.Pos+": "+line(d)+"\nexpected:\n"+d.Expected+"got:\n"+got)
		}
		return d.Expected
	})
	return cases, mismatches
}

func storyFiles(t *testing.T) []string {
	paths, err := filepath.Glob(filepath.Join(storiesFolder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no stories in %s", storiesFolder)
	}
	return paths
}

// TestStories runs tests/stories. With -rewrite, datadriven writes the output into the files.
func TestStories(t *testing.T) {
	for _, path := range storyFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			cases, mismatches := runStory(t, path)
			for _, m := range mismatches {
				t.Error(m)
			}
			t.Logf("%d cases", cases)
		})
	}
}

// TestStoriesNoticeAChange changes the output of each case by a letter, case by case, and expects
// the runner to report exactly the changed case.
func TestStoriesNoticeAChange(t *testing.T) {
	if strings.Contains(strings.Join(os.Args, " "), "-rewrite") {
		t.Skip("stories are being written anew")
	}
	changes, stories := 0, 0
	for _, path := range storyFiles(t) {
		stories++
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(text), "\n")
		for at, l := range lines {
			if strings.TrimSpace(l) != "----" || at+1 == len(lines) || len(lines[at+1]) < 2 {
				continue
			}
			changed := append([]string(nil), lines...)
			changed[at+1] = stutter(changed[at+1])
			copied := filepath.Join(t.TempDir(), filepath.Base(path))
			if err := os.WriteFile(copied, []byte(strings.Join(changed, "")), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, mismatches := runStory(t, copied); len(mismatches) != 1 {
				t.Errorf("%s:%d: a changed line gives %d mismatches", path, at+2, len(mismatches))
			}
			changes++
		}
	}
	if changes < 200 || stories < 15 {
		t.Errorf("only %d changes of %d stories were tried", changes, stories)
	}
	t.Logf("%d changes were noticed", changes)
}

// stutter doubles the last letter of a line.
func stutter(l string) string {
	l = strings.TrimSuffix(l, "\n")
	return l + l[len(l)-1:] + "\n"
}
