package main

// Lines between members. Peers reach a member only through a proxy, and the proxy can be cut.

import (
	"io"
	"net"
	"sync"
)

type proxy struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	off   bool
	conns map[net.Conn]bool
}

func newProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, to: to, conns: map[net.Conn]bool{}}
	go p.accept()
	return p, nil
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.carry(conn)
	}
}

func (p *proxy) carry(from net.Conn) {
	defer from.Close()
	to, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer to.Close()
	if !p.hold(from, to) {
		return
	}
	defer p.release(from, to)
	go func() {
		_, _ = io.Copy(to, from)
		to.Close()
	}()
	_, _ = io.Copy(from, to)
}

// hold notes a pair of connections; false: the line is cut.
func (p *proxy) hold(pair ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range pair {
		p.conns[conn] = true
	}
	return !p.off
}

func (p *proxy) release(pair ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range pair {
		delete(p.conns, conn)
	}
}

// cut breaks all connections, and refuses new ones until cut(false).
func (p *proxy) cut(off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = off
	for conn := range p.conns {
		if off {
			conn.Close()
		}
	}
}
