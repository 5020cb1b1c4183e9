// The example for TLS, with an authority for the occasion.
package host_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"raftcore.example/go/host"
)

// Members authenticate each other by certificates. A program loads the certificates with
// tls.LoadX509KeyPair, and the authorities with AppendCertsFromPEM.
func ExampleTLS() {
	dir, ctx := temp(), context.Background()
	defer os.RemoveAll(dir)
	authorities, sign := newSigner()
	one, two := options(), options()
	one.TLS = &host.TLS{Certificate: sign("urn:raftcore:1:1"), Authorities: authorities}
	two.TLS = &host.TLS{Certificate: sign("urn:raftcore:1:2"), Authorities: authorities}
	if err := host.Found(filepath.Join(dir, "1"), 1, one); err != nil {
		log.Fatal(err)
	}
	a, err := host.Open(ctx, filepath.Join(dir, "1"), 1, one)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	two.Join = []string{a.Address()}
	b, err := host.Open(ctx, filepath.Join(dir, "2"), 2, two)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	result, err := b.Propose(ctx, []byte("secret"))
	fmt.Println(string(result), err)

	two.Join = []string{a.Address()}
	_, err = host.Open(ctx, filepath.Join(dir, "3"), 3, two) // with the certificate of member 2
	fmt.Println(err != nil)
	// Output:
	// 6 <nil>
	// true
}

// newSigner makes an authority, and returns a function that signs a member's certificate.
func newSigner() (authorities *x509.CertPool, sign func(uri string) tls.Certificate) {
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	}
	create := func(c, by *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, by, public, key)
		if err != nil {
			log.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			log.Fatal(err)
		}
		return key
	}

	authority, key := template(1), newKey()
	authority.IsCA, authority.BasicConstraintsValid, authority.KeyUsage = true, true, x509.KeyUsageCertSign
	root, err := x509.ParseCertificate(create(authority, authority, &key.PublicKey, key))
	if err != nil {
		log.Fatal(err)
	}
	authorities = x509.NewCertPool()
	authorities.AddCert(root)
	serial := int64(1)
	return authorities, func(uri string) tls.Certificate {
		u, err := url.Parse(uri)
		if err != nil {
			log.Fatal(err)
		}
		serial++
		member, own := template(serial), newKey()
		member.URIs = []*url.URL{u}
		member.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		return tls.Certificate{Certificate: [][]byte{create(member, root, &own.PublicKey, key)}, PrivateKey: own}
	}
}
