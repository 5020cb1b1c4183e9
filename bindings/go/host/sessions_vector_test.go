package host

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	raftcore "raftcore.example/go"
)

// TestSessionVectors reads and writes the tables of sessions of tests/wire/vectors.txt.
func TestSessionVectors(t *testing.T) {
	text, err := os.ReadFile("../../../tests/wire/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for block := range strings.SplitSeq(string(text), "\n\n") {
		if !strings.Contains(block, "\nkind: sessions\n") {
			continue
		}
		count++
		_, digits, _ := strings.Cut(block, "\nhex: ")
		golden, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatal(err)
		}
		_, fields, _ := strings.Cut(block, "\nfields:")
		fields, _, _ = strings.Cut(fields, "\n")
		from := bytes.NewReader(golden)
		table, err := decodeSessions(func(b []byte) error { _, err := io.ReadFull(from, b); return err })
		if err != nil {
			t.Fatal(err)
		}
		if again := table.encode(); !bytes.Equal(again, golden) || from.Len() > 0 {
			t.Errorf("%x\nwant %x, %d bytes are left", again, golden, from.Len())
		}
		var shown []string
		for e := table.order.Front(); e != nil; e = e.Next() {
			x, result := e.Value.(*session), "not-kept"
			if !x.dropped {
				result = hex.EncodeToString(x.result)
			}
			shown = append(shown, fmt.Sprintf("session=%x number=%d result=%s", x.id[:], x.number, result))
		}
		if got := strings.Join(shown, " "); got != strings.TrimSpace(fields) {
			t.Errorf("%s\nwant %s", got, fields)
		}
	}
	if count < 2 {
		t.Fatalf("%d tables of sessions", count)
	}
}

// TestReadChange: a member in another language leaves out a kind of 0. A learner that asks for a vote
// in this form must not be promoted before it has caught up.
func TestReadChange(t *testing.T) {
	for _, c := range []struct {
		hex  string
		kind raftcore.ChangeKind
		id   uint64
		ok   bool
	}{
		{"1202" + "1003", raftcore.ChangeAddNode, 3, true},
		{"1204" + "0800" + "1003", raftcore.ChangeAddNode, 3, true},
		{"1205" + "0801" + "108001" + "1a00", raftcore.ChangeRemoveNode, 128, true},
		{"1202" + "0800", 0, 0, false},
		{"1201" + "10", 0, 0, false},
		{"1203" + "1003", 0, 0, false},
		{"12", 0, 0, false},
	} {
		b, _ := hex.DecodeString(c.hex)
		if kind, id, ok := readChange(b); kind != c.kind || id != c.id || ok != c.ok {
			t.Errorf("%s: kind %d, id %d, %v", c.hex, kind, id, ok)
		}
	}
}
