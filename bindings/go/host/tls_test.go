package host_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"raftcore.example/go/host"
)

// authority signs certificates for members.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	a := &authority{pool: x509.NewCertPool()}
	c := a.sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	var err error
	if a.cert, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	a.key = c.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(t testing.TB, c *x509.Certificate) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// member makes the TLS options of a member of group 1.
func (a *authority) member(t testing.TB, ids ...uint64) *host.TLS {
	c := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	for _, id := range ids {
		u, err := url.Parse(fmt.Sprintf("urn:raftcore:1:%d", id))
		if err != nil {
			t.Fatal(err)
		}
		c.URIs = append(c.URIs, u)
	}
	return &host.TLS{Certificate: a.sign(t, c), Authorities: a.pool}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	next := uint64(0)
	g := newGroup(t, 3, func(opt *host.Options) {
		next++
		opt.TLS = a.member(t, next)
		small(opt)
	})
	put(t, g.follower(), "a", "1")
	fill(t, g.leader(), 100)
	four := g.add(4) // a snapshot over TLS
	if v := get(t, four, "a"); v != "1" {
		t.Errorf("%q", v)
	}

	open := func(id uint64, tls *host.TLS, long time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		h, err := host.Open(ctx, t.TempDir(), id, host.Options{Machine: newRegisters(), Address: "127.0.0.1:0", TLS: tls,
			Join: []string{g.members[1].opt.Address}, Logger: four.opt.Logger})
		if err == nil {
			h.Close()
		}
		return err
	}
	// A certificate of a different id, of a different authority, and no certificate.
	if err := open(5, a.member(t, 6), time.Second); err == nil || !strings.Contains(err.Error(), "does not hold urn:raftcore:1:5") {
		t.Error(err)
	}
	fails(t, open(5, newAuthority(t).member(t, 5), time.Second), context.DeadlineExceeded, "")
	fails(t, open(5, nil, time.Second), context.DeadlineExceeded, "")
	// A certificate of several members is fine.
	if err := open(5, a.member(t, 6, 5), 10*time.Second); err != nil {
		t.Error(err)
	}

	// Bytes of a plain connection, and silence, do no harm.
	for _, bytes := range []string{"GET / HTTP/1.1\r\n\r\n", "\x24\x00\x00\x00", ""} {
		conn, err := net.Dial("tcp", g.members[1].opt.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte(bytes))
	}
	put(t, g.leader(), "b", "1")
}
