package host

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/wire"
)

// link is a connection, from the hellos on.
type link struct {
	conn    net.Conn
	hello   *wire.Hello // of the peer
	id      uint64      // of the peer
	group   uint64
	limit   uint32 // limit for incoming frames
	theirs  uint32 // limit for outgoing frames
	buf     []byte
	from    int
	to      int
	timeout time.Duration
}

var (
	errProtocol = errors.New("the peer does not keep to the protocol")
	errTooLong  = errors.New("a frame beyond the limit")
)

// rejected is a REJECT of the peer.
type rejected struct{ wire.Reject }

func (r *rejected) Error() string { return fmt.Sprintf("rejected with code %d: %s", r.Code, r.Words) }

func newLink(conn net.Conn, group uint64) *link {
	return &link{conn: conn, group: group, limit: wire.HelloMax, timeout: helloTime, buf: make([]byte, 4096)}
}

// next returns the next frame and the body, valid until the next call.
func (l *link) next() (frame, body []byte, err error) {
	for {
		if n, ok, err := l.whole(); err != nil {
			return nil, nil, err
		} else if ok {
			frame = l.buf[l.from : l.from+n]
			l.from += n
			return frame, frame[wire.Header:], nil
		}
		if l.from > 0 {
			l.to = copy(l.buf, l.buf[l.from:l.to])
			l.from = 0
		}
		if l.to == len(l.buf) {
			l.buf = append(l.buf, make([]byte, min(len(l.buf), 1<<20))...)
		}
		l.conn.SetReadDeadline(time.Now().Add(l.timeout))
		n, err := l.conn.Read(l.buf[l.to:])
		l.to += n
		if err != nil && n == 0 {
			return nil, nil, err
		}
	}
}

// whole reports whether a whole frame is in the buffer, and its length.
func (l *link) whole() (n int, ok bool, err error) {
	b := l.buf[l.from:l.to]
	if len(b) < wire.Header {
		return 0, false, nil
	}
	size := binary.LittleEndian.Uint32(b)
	if size > l.limit-wire.Header {
		return 0, false, fmt.Errorf("%w: %d bytes, at most %d are taken", errTooLong, size, l.limit)
	}
	if group := binary.LittleEndian.Uint64(b[4:]); group != l.group {
		return 0, false, fmt.Errorf("%w: a frame of group %d", errProtocol, group)
	}
	n = wire.Header + int(size)
	return n, len(b) >= n, nil
}

// more reports whether next returns at once.
func (l *link) more() bool {
	_, ok, err := l.whole()
	return ok || err != nil
}

// message reads a host frame. REJECT is an error.
func (l *link) message() (wire.Message, error) {
	for {
		_, body, err := l.next()
		if err != nil {
			return nil, err
		}
		m, err := parse(body)
		if m != nil || err != nil {
			return m, err
		}
	}
}

// parse reads a host frame. nil: to be skipped.
func parse(body []byte) (wire.Message, error) {
	m, err := wire.Parse(body)
	switch m := m.(type) {
	case nil:
		if err == nil && wire.MustUnderstand(wire.Kind(body)) {
			err = fmt.Errorf("%w: a frame of type %d", errProtocol, wire.Kind(body))
		}
		return nil, err
	case *wire.Reject:
		return nil, &rejected{*m}
	}
	return m, nil
}

func (l *link) write(m wire.Message) error {
	l.conn.SetWriteDeadline(time.Now().Add(silentTime))
	_, err := l.conn.Write(wire.Append(nil, l.group, m))
	return err
}

// reject says why, and closes.
func (l *link) reject(r *wire.Reject) {
	l.conn.SetWriteDeadline(time.Now().Add(time.Second))
	l.conn.Write(wire.Append(nil, l.group, r))
	l.conn.Close()
}

// opened sets what holds once the hellos are done.
func (l *link) opened(limit uint32) {
	l.limit, l.timeout = limit, silentTime
	l.conn.SetDeadline(time.Time{})
}

// readHello reads the two frames that open a connection.
func (l *link) readHello() (core raftcore.HelloInfo, err error) {
	frame, body, err := l.next()
	if err != nil {
		return core, err
	}
	if !wire.IsCoreHello(body) {
		if _, err := parse(body); err != nil {
			return core, err
		}
		return core, fmt.Errorf("%w: it begins with another frame than the core's hello", errProtocol)
	}
	if core, err = raftcore.ReadHello(frame); err != nil {
		return core, err
	}
	m, err := l.message()
	if err != nil {
		return core, err
	}
	hello, ok := m.(*wire.Hello)
	if !ok {
		return core, fmt.Errorf("%w: no hello", errProtocol)
	}
	l.hello, l.id, l.theirs = hello, core.ID, hello.MaxFrame
	return core, nil
}

// frameMax is the limit for incoming frames.
func (h *Host) frameMax() uint32 {
	return uint32(min(max(h.limit, uint64(h.opt.MaxEntryBytes)+4096, 2<<20), 1<<30))
}

// sayHello sends the two frames that open a connection.
func (h *Host) sayHello(l *link, channel uint8, to uint64) error {
	frame, err := h.node.Hello()
	if err != nil {
		return err
	}
	owner := h.dir.Owner
	hello := &wire.Hello{Version: wire.Version, VersionMin: wire.Version, Channel: channel, PeerAddress: h.address,
		ClientAddress: h.opt.ClientAddress, MaxFrame: h.frameMax(), Founding: owner.Founding, Disk: owner.Disk, Start: h.start, To: to}
	if owner.Founding == (wire.Identity{}) {
		hello.Flags = wire.FlagEmpty
	}
	l.conn.SetWriteDeadline(time.Now().Add(helloTime))
	_, err = l.conn.Write(wire.Append(frame, l.group, hello))
	return err
}

// check makes the checks of docs/wire.md, section 3. dialled is the dialled id; 0: the peer dialled, or any id
// will do.
func (h *Host) check(l *link, core raftcore.HelloInfo, own raftcore.HelloInfo, dialled uint64) *wire.Reject {
	m, owner := l.hello, h.dir.Owner
	no := func(code uint16, format string, args ...any) *wire.Reject {
		return &wire.Reject{Code: code, Words: fmt.Sprintf(format, args...), RetryMS: 60000}
	}
	switch {
	case core.Version != own.Version || m.VersionMin > wire.Version || m.Version < wire.Version:
		return no(wire.CodeVersion, "member %d speaks version %d to %d, core %d; this member 1, core %d", core.ID, m.VersionMin, m.Version, core.Version, own.Version)
	case core.Group != owner.Group:
		return no(wire.CodeGroup, "this is group %d, not %d", owner.Group, core.Group)
	case core.ID == 0 || core.ID == h.id || dialled != 0 && core.ID != dialled || m.To != h.id && !(m.To == 0 && m.Channel == wire.ChannelJoin):
		return no(wire.CodeID, "this is member %d; member %d meant to reach %d", h.id, core.ID, m.To)
	case !h.certified(l.conn, core.Group, core.ID):
		return no(wire.CodeCertificate, "the certificate does not hold urn:raftcore:%d:%d", core.Group, core.ID)
	case m.Founding != owner.Founding && m.Founding != (wire.Identity{}) && owner.Founding != (wire.Identity{}):
		return no(wire.CodeFounding, "member %d was founded as %s, this group as %s: their logs have nothing in common", core.ID, m.Founding, owner.Founding)
	case m.MaxFrame < 65536 || m.MaxFrame > 1<<30:
		return no(wire.CodeProtocol, "max_frame %d", m.MaxFrame)
	}
	v := h.view.Load()
	if v == nil { // not booted yet
		return nil
	}
	if disk := v.book[core.ID].Disk; disk != m.Disk && disk != (wire.Identity{}) && m.Channel != wire.ChannelJoin {
		return no(wire.CodeDisk, "member %d has the disk %s, and this is %s: it was emptied or copied; an id is never used again", core.ID, disk, m.Disk)
	}
	if m.Channel == wire.ChannelPeer && v.established && !v.isMember(core.ID) {
		return no(wire.CodeNotMember, "%d is no member, or no longer", core.ID)
	}
	return nil
}

// ---- dialling

// dialler has both sides of TLS; nil without TLS.
type dialler struct{ server, client *tls.Config }

const alpn = "raftcore/1"

func (h *Host) newDialler() (dialler, error) {
	t := h.opt.TLS
	if t == nil {
		return dialler{}, nil
	}
	if t.Authorities == nil || len(t.Certificate.Certificate) == 0 {
		return dialler{}, errors.New("Options.TLS needs a certificate and authorities")
	}
	base := tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{alpn}, Certificates: []tls.Certificate{t.Certificate},
		SessionTicketsDisabled: true,
	}
	server, client := base.Clone(), base.Clone()
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, t.Authorities
	// Names of machines are not checked, the chain is: members move, ids do not.
	client.InsecureSkipVerify = true
	client.VerifyConnection = func(s tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, c := range s.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: t.Authorities, Intermediates: between,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		return err
	}
	own, err := x509.ParseCertificate(t.Certificate.Certificate[0])
	if err != nil {
		return dialler{}, err
	}
	if !hasURI(own, h.opt.Group, h.id) {
		return dialler{}, fmt.Errorf("the certificate does not hold urn:raftcore:%d:%d", h.opt.Group, h.id)
	}
	return dialler{server, client}, nil
}

func hasURI(c *x509.Certificate, group, id uint64) bool {
	want := fmt.Sprintf("urn:raftcore:%d:%d", group, id)
	for _, uri := range c.URIs {
		if uri.String() == want {
			return true
		}
	}
	return false
}

// certified reports whether the peer's certificate holds group and id. Without TLS the id is
// taken on trust.
func (h *Host) certified(conn net.Conn, group, id uint64) bool {
	if h.dialler.server == nil {
		return true
	}
	t, ok := conn.(*tls.Conn)
	return ok && len(t.ConnectionState().PeerCertificates) > 0 && hasURI(t.ConnectionState().PeerCertificates[0], group, id)
}

// dial opens a connection to a peer, and exchanges hellos. id 0: whoever is there.
func (h *Host) dial(ctx context.Context, address string, channel uint8, id uint64) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*helloTime)
	defer cancel()
	conn, err := h.opt.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if h.dialler.client != nil {
		secure := tls.Client(conn, h.dialler.client)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		conn = secure
		if id != 0 && !h.certified(conn, h.opt.Group, id) {
			conn.Close()
			return nil, fmt.Errorf("who answers at %s has no certificate of member %d", address, id)
		}
	}
	l := newLink(conn, h.opt.Group)
	if err := h.greet(l, channel, id); err != nil {
		conn.Close()
		return nil, err
	}
	if !stop() {
		conn.Close()
		return nil, ctx.Err()
	}
	return l, nil
}

func (h *Host) greet(l *link, channel uint8, id uint64) error {
	if err := h.sayHello(l, channel, id); err != nil {
		return err
	}
	core, err := l.readHello()
	if err != nil {
		return err
	}
	own, err := h.ownHello()
	if err != nil {
		return err
	}
	if r := h.check(l, core, own, id); r != nil {
		l.reject(r)
		return &rejected{*r}
	}
	l.opened(h.frameMax())
	return nil
}

func (h *Host) ownHello() (raftcore.HelloInfo, error) {
	frame, err := h.node.Hello()
	if err != nil {
		return raftcore.HelloInfo{}, err
	}
	return raftcore.ReadHello(frame)
}
