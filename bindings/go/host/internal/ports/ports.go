// Package ports has addresses for the members of tests.
package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

var (
	mu    sync.Mutex
	marks []net.Listener
)

// Free returns an address of this machine that nobody has. The port lies below those of outgoing
// connections. An abstract Unix socket marks the port until the program ends, as tests/ports.py
// does: no other test draws the port while the member is down.
func Free() string {
	for {
		port := 10000 + rand.IntN(22000)
		mark, err := net.Listen("unix", fmt.Sprintf("@raftcore-port-%d", port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			mark.Close()
			continue
		}
		l.Close()
		mu.Lock()
		marks = append(marks, mark)
		mu.Unlock()
		return l.Addr().String()
	}
}
