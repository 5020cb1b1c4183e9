// The golden vectors of tests/wire/vectors.txt: frames are read field by field, and written
// again to equal bytes.
package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

type vector struct {
	name, kind, fields string
	again              bool
	bytes              []byte
}

func vectors(t testing.TB) (all []vector) {
	text, err := os.ReadFile("../../../../../tests/wire/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(text), "\n\n") {
		v, at := vector{again: true}, ""
		for line := range strings.SplitSeq(block, "\n") {
			if strings.HasPrefix(line, "#") || line == "" {
				continue
			}
			value := strings.TrimSpace(line)
			if !strings.HasPrefix(line, " ") {
				at, value, _ = strings.Cut(line, ":")
				value = strings.TrimSpace(value)
			}
			switch at {
			case "name":
				v.name = value
			case "kind":
				v.kind = value
			case "fields":
				v.fields = value
			case "rewrite":
				v.again = value != "no"
			case "hex":
				b, err := hex.DecodeString(value)
				if err != nil {
					t.Fatal(err)
				}
				v.bytes = append(v.bytes, b...)
			}
		}
		if v.name != "" {
			all = append(all, v)
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d vectors", len(all))
	}
	return all
}

// show writes the fields of a message as the vectors do.
func show(m any) string {
	var parts []string
	names := map[string]string{"PeerAddress": "peer_address", "ClientAddress": "client_address", "MaxFrame": "max_frame",
		"VersionMin": "version_min", "RetryMS": "retry_ms", "ChunkBytes": "chunk_bytes", "TimeoutMS": "timeout_ms"}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if field.Anonymous {
				walk(v.Field(i))
				continue
			}
			name := names[field.Name]
			if name == "" {
				name = strings.ToLower(field.Name)
			}
			switch x := v.Field(i).Interface().(type) {
			case string:
				quoted := strconv.QuoteToASCII(x)
				if quoted != `"`+x+`"` {
					quoted = `"`
					for _, c := range []byte(x) {
						if c < ' ' || c > '~' {
							quoted += fmt.Sprintf(`\x%02x`, c)
						} else {
							quoted += string(c)
						}
					}
					quoted += `"`
				}
				parts = append(parts, name+"="+quoted)
			case []byte:
				parts = append(parts, fmt.Sprintf("%s=%x", name, x))
			case Identity:
				parts = append(parts, fmt.Sprintf("%s=%s", name, x))
			default:
				if name == "checksum" {
					parts = append(parts, fmt.Sprintf("%s=%08x", name, x))
				} else {
					parts = append(parts, fmt.Sprintf("%s=%d", name, x))
				}
			}
		}
	}
	walk(reflect.ValueOf(m).Elem())
	return strings.Join(parts, " ")
}

// same compares two unordered lists of fields.
func same(a, b string) bool {
	count := map[string]int{}
	for _, x := range split(a) {
		count[x]++
	}
	for _, x := range split(b) {
		count[x]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

// split splits at blanks outside of quotes.
func split(s string) (parts []string) {
	quoted, at := false, 0
	for i, c := range s {
		if c == '"' {
			quoted = !quoted
		}
		if c == ' ' && !quoted {
			parts = append(parts, s[at:i])
			at = i + 1
		}
	}
	return append(parts, s[at:])
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			switch v.kind {
			case "core-hello":
				if !IsCoreHello(v.bytes[Header:]) || IsHost(v.bytes[Header:]) {
					t.Error("not taken for the core's hello")
				}
			case "core":
				if IsHost(v.bytes[Header:]) || IsCoreHello(v.bytes[Header:]) {
					t.Error("not taken for a message of the core")
				}
			case "host":
				testHost(t, v)
			case "book":
				records, err := ParseBook(v.bytes)
				if err != nil {
					t.Fatal(err)
				}
				var shown []string
				for i := range records {
					shown = append(shown, show(&records[i]))
				}
				if !same(strings.Join(shown, " "), v.fields) {
					t.Errorf("%s\nwant %s", shown, v.fields)
				}
				if again := AppendBook(nil, records); !bytes.Equal(again, v.bytes) {
					t.Errorf("%x\nwant %x", again, v.bytes)
				}
			case "snapshot":
				testSnapshot(t, v)
			case "sessions": // TestSessionVectors of package host
			default:
				t.Errorf("kind %q", v.kind)
			}
		})
	}
}

func testHost(t *testing.T, v vector) {
	body := v.bytes[Header:]
	m, err := Parse(body)
	if err != nil || m == nil {
		t.Fatalf("%v, %v", m, err)
	}
	if shown := show(m); !same(shown, v.fields) {
		t.Errorf("%s\nwant %s", shown, v.fields)
	}
	if again := Append(nil, 7, m); v.again && !bytes.Equal(again, v.bytes) {
		t.Errorf("%x\nwant %x", again, v.bytes)
	}
	for cut := range len(body) { // a frame that ends early is refused
		if m, err := Parse(body[:cut]); err == nil && v.again {
			t.Errorf("%d of %d bytes are taken: %v", cut, len(body), m)
		}
	}
}

func testSnapshot(t *testing.T, v vector) {
	head, err := CheckSnapshot(bytes.NewReader(v.bytes))
	if err != nil {
		t.Fatal(err)
	}
	data := new(bytes.Buffer)
	if _, err := data.ReadFrom(NewSnapshotReader(bytes.NewReader(v.bytes), head)); err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("index=%d term=%d conf=%x book=%x block_bytes=%d data=%x checksum=%08x", head.Index, head.Term, head.Conf,
		head.Book, head.BlockBytes, data.Bytes(), head.Checksum)
	if !same(shown, v.fields) {
		t.Errorf("%s\nwant %s", shown, v.fields)
	}
	var again bytes.Buffer
	w := NewSnapshotWriter(&again, SnapshotHead{Index: head.Index, Term: head.Term, Conf: head.Conf, Book: head.Book, BlockBytes: head.BlockBytes})
	if _, err := w.Write(data.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil || w.Checksum() != head.Checksum || w.Size() != uint64(len(v.bytes)) {
		t.Errorf("%v, checksum %08x, %d bytes", err, w.Checksum(), w.Size())
	}
	if !bytes.Equal(again.Bytes(), v.bytes) {
		t.Errorf("%x\nwant %x", again.Bytes(), v.bytes)
	}
	for i := range v.bytes { // each byte counts
		bad := bytes.Clone(v.bytes)
		bad[i] ^= 0x10
		if _, err := CheckSnapshot(bytes.NewReader(bad)); err == nil && bad[i]^0x10 != 0 {
			t.Errorf("a changed byte at %d is not noticed", i)
		}
		if _, err := CheckSnapshot(bytes.NewReader(v.bytes[:i])); err == nil {
			t.Errorf("a file that ends at %d is not noticed", i)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > Header {
			if m, err := Parse(b[Header:]); err == nil && m != nil {
				again := Append(nil, 7, m)
				if _, err := Parse(again[Header:]); err != nil {
					t.Error(err)
				}
			}
		}
		ParseBook(b)
		CheckSnapshot(bytes.NewReader(b))
	})
}
