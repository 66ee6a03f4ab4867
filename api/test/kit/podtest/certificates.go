package podtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// Authority is a certificate authority for the servers of a test.
type Authority struct {
	File string // the path of the authority's own certificate, in PEM format

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority returns an authority with a new key and a new certificate.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{File: filepath.Join(t.TempDir(), "ca.crt"), key: newKey(t), cert: &x509.Certificate{
		Subject:      pkix.Name{CommonName: "guestbook test authority"},
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	der := must.Get(x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key))(t)
	a.cert = must.Get(x509.ParseCertificate(der))(t)
	writePEM(t, a.File, "CERTIFICATE", der)
	return a
}

// Issue makes a certificate for a server name, and returns the options of redis-server for TLS on this port.
func (a *Authority) Issue(t testing.TB, name string, expires time.Time, port int) []string {
	t.Helper()
	dir, key := t.TempDir(), newKey(t)
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	der := must.Get(x509.CreateCertificate(rand.Reader, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		SerialNumber: big.NewInt(2), NotBefore: expires.Add(-24 * time.Hour), NotAfter: expires,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key.Public(), a.key))(t)
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "EC PRIVATE KEY", must.Get(x509.MarshalECPrivateKey(key))(t))
	return []string{
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-ca-cert-file", a.File, "--tls-auth-clients", "no",
	}
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
	must.OK(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
