package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is all that the driver may use of packages outside Go's own library. Of etcd's raft these are the message types,
// the formatters, and the structs that a formatter takes its values in: nothing that decides anything.
var allowed = map[string][]string{
	"go.etcd.io/raft/v3": {
		"DescribeEntries", "DescribeMessage", "DescribeReady",
		"Ready", "SoftState", "StateType", // arguments of DescribeReady
	},
	"go.etcd.io/raft/v3/raftpb": {
		"ConfChangeSingle", "ConfState", "Entry", "HardState", "Message", "Snapshot", "SnapshotMetadata",
		"EntryNormal", "EntryType", "MessageType", "MessageType_value", "MsgApp", "MsgProp", "MsgSnap", "MsgStorageAppend",
		"MsgStorageApply",
		"ConfChangesFromString", // the scripts' notation of a change
	},
	"github.com/cockroachdb/datadriven": {"CmdArg", "RunTest", "TestData"},
	"google.golang.org/protobuf/proto":  {"Marshal", "Unmarshal"},
	"google.golang.org/protobuf/encoding/protowire": {
		"BytesType", "ConsumeBytes", "ConsumeFieldValue", "ConsumeTag", "ParseError",
	},
}

// TestOnlyTypesAndFormattersOfEtcd reads all Go files of the driver, whatever their build tags, and lists what they use of each
// package. It fails for what is not allowed, and for what is allowed and not used.
func TestOnlyTypesAndFormattersOfEtcd(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("*/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]map[string]bool{}
	for _, name := range append(files, deeper...) {
		if hasEtcdNodes(name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		packages := map[string]string{} // name in this file to import path
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(path, "/"); path == "C" || !strings.Contains(first, ".") {
				continue // Go's own library, and raftcore
			}
			if used[path] == nil {
				used[path] = map[string]bool{}
			}
			if spec.Name != nil {
				t.Errorf("%s imports %s under another name: this test can't follow that", name, path)
			}
			packages[packageName(path)] = path
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := selector.X.(*ast.Ident); ok && packages[of.Name] != "" {
				used[packages[of.Name]][selector.Sel.Name] = true
			}
			return true
		})
	}
	for path, names := range used {
		list := slices.Sorted(maps.Keys(names))
		t.Logf("%s: %s", path, strings.Join(list, " "))
		for _, n := range list {
			if !slices.Contains(allowed[path], n) {
				t.Errorf("%s.%s is used and not allowed", path, n)
			}
		}
	}
	for path, names := range allowed {
		for _, n := range names {
			if !used[path][n] {
				t.Errorf("%s.%s is allowed and not used", path, n)
			}
		}
	}
}

// hasEtcdNodes tells whether a file belongs to the tests that run etcd's nodes beside raftcore's. They are test files, so the
// driver can't use them.
func hasEtcdNodes(name string) bool {
	for _, prefix := range []string{"lockstep", "mixed", "r10"} {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, "_test.go") {
			return true
		}
	}
	return false
}

// packageName is the last part of an import path that is not a version.
func packageName(path string) string {
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	if _, err := strconv.Atoi(strings.TrimPrefix(last, "v")); err == nil && len(parts) > 1 {
		last = parts[len(parts)-2]
	}
	return last
}
