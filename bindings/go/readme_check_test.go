package raftcore

import (
	"os"
	"strings"
	"testing"
)

func text(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(name)
	must(tb, err)
	return string(b)
}

// between returns the part of s from the first mark up to the next one after it.
func between(tb testing.TB, s, from, to string) string {
	tb.Helper()
	_, rest, ok := strings.Cut(s, from)
	part, _, ends := strings.Cut(rest, to)
	if !ok || !ends {
		tb.Fatalf("no text from %q to %q", from, to)
	}
	return from + part
}

// The program of the README is the package example, which runs and prints; its loop stands in
// doc.go.
func Test_the_printed_loop_is_the_tested_one(t *testing.T) {
	readme, doc, example := text(t, "README.md"), text(t, "doc.go"), text(t, "readme_test.go")

	output := between(t, example, "\t// Output:\n", "}\n")
	program := strings.Replace(strings.Replace(strings.Replace(example,
		output, "", 1), "package raftcore_test", "package main", 1), "func Example() {", "func main() {", 1)
	if !strings.Contains(readme, "```go\n"+program+"```") {
		t.Error("README.md: the program is not that of readme_test.go")
	}
	printed := strings.ReplaceAll(strings.TrimPrefix(output, "\t// Output:\n"), "\t// ", "")
	if !strings.Contains(readme, "```text\n"+printed+"```") {
		t.Error("README.md: the output is not that of readme_test.go")
	}
	fetches := between(t, text(t, "example_test.go"), "// fetches answers", "\n// encode encodes")
	if !strings.Contains(readme, "```go\n"+fetches+"```") {
		t.Error("README.md: fetches is not that of example_test.go")
	}
	loop := strings.TrimPrefix(between(t, example, "\tfor n.HasReady() {", "\n}\n"), "\t")
	if !strings.Contains(doc, "//\t"+strings.ReplaceAll(loop, "\n\t", "\n//\t")+"\n") {
		t.Error("doc.go: the loop is not that of readme_test.go")
	}
}
