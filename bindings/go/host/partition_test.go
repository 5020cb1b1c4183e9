package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"raftcore.example/go/host"
)

// links is the connections between members, which a test can cut.
type links struct {
	mu    sync.Mutex
	cut   map[string]bool // addresses of members without connections
	conns map[*linkConn]bool
}

type linkConn struct {
	net.Conn
	l        *links
	from, to string
}

func (c *linkConn) Close() error {
	c.l.mu.Lock()
	delete(c.l.conns, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

func (l *links) dial(from string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, to string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", to)
		if err != nil {
			return nil, err
		}
		c := &linkConn{conn, l, from, to}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.cut[from] || l.cut[to] {
			conn.Close()
			return nil, errors.New("cut")
		}
		l.conns[c] = true
		return c, nil
	}
}

// set cuts a member off, or lets it back.
func (l *links) set(address string, cut bool) {
	l.mu.Lock()
	l.cut[address] = cut
	var gone []*linkConn
	for c := range l.conns {
		if cut && (c.from == address || c.to == address) {
			gone = append(gone, c)
		}
	}
	l.mu.Unlock()
	for _, c := range gone {
		c.Close()
	}
}

// TestPartitions cuts members off, leaders above all, while several clients count registers up,
// each its own, through random members. A read through any member sees every count that was
// acknowledged before the read, and no count that was never tried; no count is applied twice.
func TestPartitions(t *testing.T) {
	t.Parallel()
	l := &links{cut: map[string]bool{}, conns: map[*linkConn]bool{}}
	g := newGroup(t, 3, func(o *host.Options) {
		small(o)
		o.Dial = l.dial(o.Address)
	})
	stop := make(chan struct{})
	var all sync.WaitGroup
	var acknowledged, tried [6]atomic.Int64
	for i := range acknowledged {
		spawn(&all, func() {
			id := host.SessionID{byte(i + 1)}
			for n := int64(1); ; {
				select {
				case <-stop:
					return
				default:
				}
				m := g.members[rand.Uint64N(3)+1]
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				tried[i].Store(n)
				old, err := m.ProposeOnce(ctx, id, uint64(n), fmt.Appendf(nil, "r%d=%d", i, n))
				cancel()
				if err == nil {
					if n > 1 && string(old) != strconv.FormatInt(n-1, 10) {
						t.Errorf("r%d: %d replaced %s", i, n, old)
						return
					}
					acknowledged[i].Store(n)
					n++
				}
			}
		})
	}
	reads := atomic.Int64{}
	for range 4 {
		spawn(&all, func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := rand.IntN(len(acknowledged))
				m := g.members[rand.Uint64N(3)+1]
				least := acknowledged[i].Load()
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
				err := m.Read(ctx)
				cancel()
				if err != nil {
					continue
				}
				value, _ := strconv.ParseInt(m.machine.get(fmt.Sprintf("r%d", i)), 10, 64)
				if most := tried[i].Load(); value < least || value > most {
					t.Errorf("member %d: r%d is %d: %d was acknowledged, %d tried", m.id, i, value, least, most)
				}
				reads.Add(1)
			}
		})
	}
	// Eight rounds, and on a busy machine more, until there was enough to judge.
	enough := func() bool {
		sum := int64(0)
		for i := range acknowledged {
			sum += acknowledged[i].Load()
		}
		return sum >= 100 && reads.Load() >= 100
	}
	begin := time.Now()
	for round := 0; round < 8 || !enough() && time.Since(begin) < time.Minute; round++ {
		victim := g.members[rand.Uint64N(3)+1]
		if round%2 == 0 {
			victim = g.leader()
		}
		l.set(victim.opt.Address, true)
		time.Sleep(time.Duration(100+rand.IntN(300)) * time.Millisecond)
		l.set(victim.opt.Address, false)
		time.Sleep(200 * time.Millisecond)
	}
	close(stop)
	all.Wait()
	sum := int64(0)
	for i := range acknowledged {
		sum += acknowledged[i].Load()
	}
	if sum < 100 || reads.Load() < 100 {
		t.Errorf("%d writes, %d reads", sum, reads.Load())
	}
	t.Logf("%d writes, %d reads", sum, reads.Load())
}
