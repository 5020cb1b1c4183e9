package host

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	raftcore "raftcore.example/go"
	"raftcore.example/go/host/internal/disk"
	"raftcore.example/go/host/internal/wire"
)

// Options are the settings of a host. Only Machine and Address are needed.
type Options struct {
	Machine StateMachine // your state, as empty as at its first start
	// Address is the listening address for peers, and the address that peers dial: HOST:PORT.
	// Port 0 takes a free port.
	Address string
	// Advertise is the address for peers, if different from Address.
	Advertise string
	// ClientAddress is where clients reach the member; [Host.Members] returns the
	// address on every member. May be empty.
	ClientAddress string
	// Group is a number for the group; members of different groups refuse connections. Default 1.
	Group uint64
	// Join lists peer addresses of any members. An empty directory joins the group. On
	// a directory that belongs to a group Join does nothing.
	Join []string
	// Learner: a member that joins stays a learner, without a vote. Promote makes the learner a voter.
	Learner bool
	// TLS authenticates members, and encrypts. nil: plain TCP, for a trusted network.
	TLS *TLS
	// Logger takes the log of the host. Default slog.Default.
	Logger *slog.Logger

	// Tick is the unit of time, 1 ms to 10 s, default 50 ms. A leader sends a heartbeat each tick.
	// Without one for 10 to 20 ticks there is an election. Ten ticks must be longer than a slow
	// flush of the disk.
	Tick time.Duration
	// SnapshotBytes is how much log may be applied before a snapshot is made. Default 64 MiB.
	SnapshotBytes int64
	// KeepBytes is how much log stays behind a snapshot, for members that lag. Default 16 MiB.
	KeepBytes int64
	// SegmentBytes is the size of a file of the log, 64 KiB to 1 GiB. Default 16 MiB.
	SegmentBytes int
	// MaxEntryBytes is the largest proposal, up to 1 GiB. Default 4 MiB. Equal on all members.
	MaxEntryBytes int

	// Dial opens a connection to a peer address, for tests. Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// TLS has a member's certificate, and the authorities of its peers. The member's id stands in its certificate
// as the URI urn:raftcore:GROUP:ID; names of machines do not matter.
type TLS struct {
	Certificate tls.Certificate // of the member, for client and server authentication
	Authorities *x509.CertPool  // the signers of members' certificates
}

func (o Options) withDefaults(id uint64) (Options, error) {
	if o.Group == 0 {
		o.Group = 1
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Tick == 0 {
		o.Tick = 50 * time.Millisecond
	}
	if o.SnapshotBytes == 0 {
		o.SnapshotBytes = 64 << 20
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 16 << 20
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = disk.DefaultSegment
	}
	if o.MaxEntryBytes == 0 {
		o.MaxEntryBytes = 4 << 20
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	o.Logger = o.Logger.With("member", id, "group", o.Group)
	switch {
	case o.Machine == nil:
		return o, errors.New("Options.Machine is nil")
	case o.Address == "" || !wire.IsAddress(o.Address):
		return o, fmt.Errorf("Options.Address %q is not HOST:PORT", o.Address)
	case !wire.IsAddress(o.Advertise) || !wire.IsAddress(o.ClientAddress):
		return o, fmt.Errorf("Options.Advertise %q or ClientAddress %q is not HOST:PORT", o.Advertise, o.ClientAddress)
	case o.Tick < time.Millisecond || o.Tick > 10*time.Second:
		return o, fmt.Errorf("Options.Tick is %v; 1 ms to 10 s are possible", o.Tick)
	case o.SegmentBytes < 64<<10 || o.SegmentBytes > 1<<30:
		return o, fmt.Errorf("Options.SegmentBytes is %d; 64 KiB to 1 GiB are possible", o.SegmentBytes)
	case o.MaxEntryBytes < 1 || o.MaxEntryBytes > 1<<30:
		return o, fmt.Errorf("Options.MaxEntryBytes is %d; 1 to 1 GiB are possible", o.MaxEntryBytes)
	case o.SnapshotBytes < 0 || o.KeepBytes < 0:
		return o, errors.New("Options.SnapshotBytes and KeepBytes can't be negative")
	}
	return o, nil
}

// config returns the settings of the core.
func (o Options) config(id uint64) (raftcore.Config, error) {
	cfg := raftcore.DefaultConfig()
	cfg.ID, cfg.Group, cfg.Storage = id, o.Group, raftcore.StorageAsync
	cfg.MaxOutstanding = 64
	cfg.MaxPeers = 64
	cfg.MaxEntryBytes = uint64(o.MaxEntryBytes) + envelopeMax
	// Half of RecentBytes must hold an entry.
	cfg.RecentBytes = max(cfg.RecentBytes, 4*cfg.MaxEntryBytes)
	cfg.MaxUncommittedSize = max(cfg.MaxUncommittedSize, 2*cfg.MaxEntryBytes)
	cfg.MaxCommittedSizePerReady = max(cfg.MaxCommittedSizePerReady, cfg.MaxEntryBytes)
	cfg.MaxInflightBytes = 8 << 20
	cfg.SnapshotTimeoutTicks = uint32(max(600, time.Minute/o.Tick))
	return cfg, cfg.Check()
}

func newIdentity() (id wire.Identity) {
	rand.Read(id[:]) // never fails
	return id
}

func random64() uint64 {
	id := newIdentity()
	return binary.LittleEndian.Uint64(id[:])
}
