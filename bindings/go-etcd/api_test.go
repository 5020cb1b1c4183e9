package raft_test

// The exported names of this module against those of go.etcd.io/raft/v3 v3.7.0, from the module proxy.

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const theirs = "go.etcd.io/raft/v3@v3.7.0"

func TestTheExportedNamesAreThoseOfEtcdsRaft(t *testing.T) {
	dir := download(t)
	ours, there := map[string]string{}, map[string]string{}
	for _, folder := range []string{".", "raftpb", "tracker", "quorum"} {
		exported(t, folder, folder, ours)
		exported(t, filepath.Join(dir, folder), folder, there)
	}
	for _, folder := range []string{"confchange", "rafttest"} {
		if _, err := os.Stat(filepath.Join(dir, folder)); err != nil {
			t.Fatal(err)
		}
		there[folder] = "package"
	}
	out := leftOut(t)
	for name, form := range there {
		switch got, ok := ours[name]; {
		case !ok && !covered(out, name):
			t.Errorf("%s is missing, and README.md does not say why: %s", name, form)
		case ok && got != form:
			t.Errorf("%s differs:\n  here   %s\n  etcd's %s", name, got, form)
		}
	}
	for name := range ours {
		if _, ok := there[name]; !ok {
			t.Errorf("%s is no name of etcd's raft", name)
		}
	}
	for name := range out {
		_, here := ours[name]
		if _, ok := there[name]; !ok || here {
			t.Errorf("README.md says that %s is left out", name)
		}
	}
	t.Logf("%d names, %d left out", len(there), len(there)-len(ours))
}

// download returns the folder of etcd's module.
func download(t *testing.T) string {
	command := exec.Command("go", "mod", "download", "-json", theirs)
	command.Dir = t.TempDir() // outside of this module, whose path is the same
	text, err := command.Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s: %v", theirs, err)
		}
		t.Skipf("skipped: needs %s from a module proxy: %v", theirs, err)
	}
	var found struct{ Dir string }
	must(t, json.Unmarshal(text, &found))
	return found.Dir
}

// covered reports whether README.md lists the name, or the type whose method or field it is.
func covered(out map[string]bool, name string) bool {
	for ; name != ""; name = name[:max(strings.LastIndex(name, "."), 0)] {
		if out[name] {
			return true
		}
	}
	return false
}

// leftOut returns the names in the table of README.md.
func leftOut(t *testing.T) map[string]bool {
	text, err := os.ReadFile("README.md")
	must(t, err)
	_, table, found := strings.Cut(string(text), "<!-- left out -->")
	table, _, _ = strings.Cut(table, "<!-- /left out -->")
	out := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 {
			continue
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			out[name[1]] = true
		}
	}
	if !found || len(out) == 0 {
		t.Fatal("README.md has no table of what is left out")
	}
	return out
}

// exported collects the exported names of a folder, each with its form.
func exported(t *testing.T, dir, folder string, names map[string]string) {
	prefix := folder + "."
	if folder == "." {
		prefix = ""
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution|parser.ParseComments)
		must(t, err)
		if tagged(file) {
			continue
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				function(d, prefix, names)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					declared(spec, d.Tok, prefix, names)
				}
			}
		}
	}
}

// tagged reports whether a file is built only with a tag.
func tagged(file *ast.File) bool {
	for _, group := range file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:build ") && !strings.HasPrefix(c.Text, "//go:build !") {
				return true
			}
		}
	}
	return false
}

func function(d *ast.FuncDecl, prefix string, names map[string]string) {
	name := d.Name.Name
	if d.Recv != nil {
		receiver := d.Recv.List[0].Type
		pointer := ""
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver, pointer = star.X, "*"
		}
		owner := receiver.(*ast.Ident).Name
		if ast.IsExported(owner) && ast.IsExported(name) {
			names[prefix+owner+"."+name] = "func (" + pointer + owner + ") " + form(d.Type)
		}
		return
	}
	if ast.IsExported(name) {
		names[prefix+name] = form(d.Type)
	}
}

func declared(spec ast.Spec, kind token.Token, prefix string, names map[string]string) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, ident := range s.Names {
			if ident.IsExported() {
				names[prefix+ident.Name] = kind.String()
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		name := prefix + s.Name.Name
		switch body := s.Type.(type) {
		case *ast.StructType:
			names[name] = "struct"
			members(body.Fields, name, names)
		case *ast.InterfaceType:
			names[name] = "interface"
			members(body.Methods, name, names)
		default:
			names[name] = form(s.Type)
		}
	}
}

// members collects fields or methods.
func members(list *ast.FieldList, owner string, names map[string]string) {
	for _, field := range list.List {
		if len(field.Names) == 0 { // embedded
			names[owner+"."+form(field.Type)] = "embedded"
		}
		for _, ident := range field.Names {
			if ident.IsExported() {
				names[owner+"."+ident.Name] = form(field.Type)
			}
		}
	}
}

// form returns a type as a text. Names of parameters, and ways to write the same, do not count.
func form(node ast.Node) string {
	if f, ok := node.(*ast.FuncType); ok {
		return "func" + types(f.Params) + " " + types(f.Results)
	}
	var b bytes.Buffer
	_ = printer.Fprint(&b, token.NewFileSet(), node)
	text := strings.Join(strings.Fields(b.String()), " ")
	text = strings.ReplaceAll(text, "interface{}", "any")
	return strings.TrimPrefix(text, "pb.")
}

func types(list *ast.FieldList) string {
	var all []string
	if list != nil {
		for _, field := range list.List {
			all = append(all, slices.Repeat([]string{form(field.Type)}, max(len(field.Names), 1))...)
		}
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// A test of the test: the lists of names are not empty.
func TestTheComparisonSeesFieldsMethodsAndFunctions(t *testing.T) {
	names := map[string]string{}
	exported(t, ".", ".", names)
	want := map[string]string{
		"Config":             "struct",
		"Config.Storage":     "Storage",
		"Node.Propose":       "func(context.Context, []byte) (error)",
		"RawNode.Step":       "func (*RawNode) func(*pb.Message) (error)",
		"StartNode":          "func(*Config, []Peer) (Node)",
		"ErrStopped":         "var",
		"Ready.*SoftState":   "embedded",
		"LocalAppendThread":  "const",
		"MemoryStorage.last": "",
	}
	for name, form := range want {
		if names[name] != form {
			t.Errorf("%s is %q", name, names[name])
		}
	}
	if len(names) < 100 {
		t.Errorf("only %d names: %v", len(names), slices.Sorted(maps.Keys(names)))
	}
}
