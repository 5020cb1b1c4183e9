// Command counter is examples-c/counter.c on the host for Go: the same arguments, the same lines for
// clients, the same environment, the same entries, and the same bytes in snapshots. A group may have
// members of both.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"raftcore.example/go/host"
)

// requestTime is the time of a client's request, as in the host library for C.
const requestTime = 5 * time.Second

// counter is the state: a number. The host keeps the sessions.
type counter struct {
	mu    sync.Mutex
	value uint64
}

func (c *counter) get() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

func (c *counter) Apply(batch []host.Entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		c.value++
		batch[i].Result = strconv.AppendUint(nil, c.value, 10)
	}
}

func (c *counter) Snapshot() (func(io.Writer) error, error) {
	value := binary.LittleEndian.AppendUint64(nil, c.get())
	return func(w io.Writer) error { _, err := w.Write(value); return err }, nil
}

func (c *counter) Restore(r io.Reader) error {
	bytes, err := io.ReadAll(r)
	if err != nil || len(bytes) != 8 {
		return errors.Join(err, fmt.Errorf("a counter of %d bytes", len(bytes)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = binary.LittleEndian.Uint64(bytes)
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return errors.New("counter DIR ID PEER CLIENT [found | join ADDRESS | learn ADDRESS]")
	}
	id, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	c := &counter{}
	opt := host.Options{Machine: c, Address: args[2], ClientAddress: args[3], Tick: 20 * time.Millisecond,
		SnapshotBytes: 1 << 20, KeepBytes: 1 << 20, SegmentBytes: 1 << 20,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if cut, _ := strconv.Atoi(os.Getenv("COUNTER_CUT")); cut > 0 {
		opt.SnapshotBytes, opt.KeepBytes, opt.SegmentBytes = int64(cut), int64(cut), max(cut, 64<<10)
	}
	if listen := os.Getenv("COUNTER_LISTEN"); listen != "" {
		opt.Address, opt.Advertise = listen, args[2]
	}
	if where := os.Getenv("COUNTER_TLS"); where != "" {
		if opt.TLS, err = identity(where, args[1]); err != nil {
			return err
		}
	}
	if len(args) == 6 && (args[4] == "join" || args[4] == "learn") {
		opt.Join, opt.Learner = args[5:], args[4] == "learn"
	}
	listener, err := net.Listen("tcp", args[3])
	if err != nil {
		return err
	}
	if len(args) == 5 && args[4] == "found" {
		if err := host.Found(args[0], id, opt); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h, err := host.Open(ctx, args[0], id, opt)
	if err != nil {
		return err
	}
	go serve(h, c, listener)
	<-h.Done()
	return h.Close()
}

// identity reads DIR/ca.pem, DIR/ID.pem and DIR/ID.key.
func identity(dir, id string) (*host.TLS, error) {
	pair, err := tls.LoadX509KeyPair(dir+"/"+id+".pem", dir+"/"+id+".key")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(dir + "/ca.pem")
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(authority) {
		return nil, errors.Join(err, errors.New("no authority in ca.pem"))
	}
	return &host.TLS{Certificate: pair, Authorities: pool}, nil
}

func serve(h *host.Host, c *counter, listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			client.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			line, _ := bufio.NewReader(io.LimitReader(client, 200)).ReadString('\n')
			fmt.Fprintln(client, command(h, c, line))
		}()
	}
}

func command(h *host.Host, c *counter, line string) string {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	var session string
	var number, id uint64
	switch {
	case scans(line, "add %32s %d", &session, &number):
		name, err := hex.DecodeString(session)
		if err != nil || len(name) != 16 {
			return "not committed: a session has 32 hex digits"
		}
		result, err := h.ProposeOnce(ctx, host.SessionID(name), number, []byte("+"))
		return answer(string(result), err)
	case strings.TrimSpace(line) == "add": // without a session: a retry would count twice
		result, err := h.Propose(ctx, []byte("+"))
		return answer(string(result), err)
	case scans(line, "promote %d", &id):
		return answer("", h.Promote(ctx, id))
	case scans(line, "remove %d", &id):
		return answer("", h.Remove(ctx, id))
	case scans(line, "lead %d", &id):
		return answer("", h.Transfer(ctx, id))
	case len(line) >= 3 && line[:3] == "get":
		err := h.Read(ctx)
		return answer(strconv.FormatUint(c.get(), 10), err)
	}
	return status(h, c)
}

func scans(line, form string, to ...any) bool {
	n, _ := fmt.Sscanf(line, form, to...)
	return n == len(to)
}

func answer(result string, err error) string {
	switch {
	case err == nil:
		return "done " + result
	case errors.Is(err, host.ErrUnknown):
		return fmt.Sprint("unknown: ", err)
	}
	return fmt.Sprint("not committed: ", err)
}

func status(h *host.Host, c *counter) string {
	s, err := h.Status()
	if err != nil {
		return ""
	}
	voter := 0
	for _, m := range h.Members() {
		if m.ID == h.ID() && m.Voter {
			voter = 1
		}
	}
	return fmt.Sprintf("leader %d voter %d applied %d value %d snapshot %d", h.Leader(), voter, s.Applied, c.get(), s.Snapshot)
}
