package podtest

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// Authority is a certificate authority for the servers of a test.
type Authority struct {
	File string // the path of the root certificate, in PEM format

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority returns an authority with a new key and a new certificate.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{File: filepath.Join(t.TempDir(), "ca.crt"), key: newKey(t)}
	a.cert = a.certify(t, a.File, a.key, &x509.Certificate{
		Subject: pkix.Name{CommonName: "guestbook test authority"}, IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

// Issue makes a certificate for a server name, and returns the options of redis-server for TLS on this port.
func (a *Authority) Issue(t testing.TB, name string, expires time.Time, port int) []string {
	t.Helper()
	dir, key := t.TempDir(), newKey(t)
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	a.certify(t, certFile, key, &x509.Certificate{DNSNames: []string{name}, NotAfter: expires})
	writePEM(t, keyFile, "EC PRIVATE KEY", must.Get(x509.MarshalECPrivateKey(key))(t))
	return []string{
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-ca-cert-file", a.File, "--tls-auth-clients", "no",
	}
}

// certify writes a certificate for a key to a file. An authority's first certificate is self-signed.
func (a *Authority) certify(t testing.TB, file string, key *ecdsa.PrivateKey, cert *x509.Certificate) *x509.Certificate {
	t.Helper()
	cert.NotBefore = cert.NotAfter.Add(-24 * time.Hour)
	der := must.Get(x509.CreateCertificate(rand.Reader, cert, cmp.Or(a.cert, cert), key.Public(), a.key))(t)
	writePEM(t, file, "CERTIFICATE", der)
	return must.Get(x509.ParseCertificate(der))(t)
}

// Trust returns the TLS configuration of a client that trusts this authority and expects this server name.
func (a *Authority) Trust(name string) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
}

// TLS returns a value for the field TLS of store.Options. If the configuration is nil, the store connects without TLS.
func TLS(config *tls.Config) func() (*tls.Config, error) {
	return func() (*tls.Config, error) { return config, nil }
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	return must.Get(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
}

func writePEM(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	must.Write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// UserFile returns the text of api/redis-user.conf, which describes the API's Redis user.
func UserFile(t testing.TB) string {
	t.Helper()
	return must.Read(t, must.Root(t), "api", "redis-user.conf")
}

// User returns arguments of redis-server that create the API's Redis user with this password.
func User(t testing.TB, password string) []string {
	t.Helper()
	file, hash := filepath.Join(t.TempDir(), "redis-user.conf"), fmt.Sprintf("%x", sha256.Sum256([]byte(password)))
	must.Write(t, file, strings.ReplaceAll(UserFile(t), strings.Repeat("0", len(hash)), hash))
	return []string{"--include", file}
}
