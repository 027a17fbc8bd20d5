package makesim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Files of a TLS directory.
const (
	caFile        = "ca.pem"
	caKeyFile     = "ca-key.pem"
	serverFile    = "server.pem"
	serverKeyFile = "server-key.pem"
)

// Authority is the simulator's own certificate authority.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes a certificate authority that lasts ten years.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate CA key: %w", err)
	}
	template, err := certificate("makesim CA", lasting(10*365*24*time.Hour))
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("create CA certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse CA certificate: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// LoadAuthority reads the authority of a TLS directory (ca.pem, ca-key.pem), or makes one and writes it there.
func LoadAuthority(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create TLS directory: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return createAuthority(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read CA of %s: %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA || time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("read CA of %s: not a valid CA with an ECDSA key; remove %s to get a new one", dir, caFile)
	}
	return &Authority{cert: pair.Leaf, key: key}, nil
}

func createAuthority(dir string) (*Authority, error) {
	a, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(dir, caKeyFile), a.key); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, caFile), a.PEM(), 0o644); err != nil { //nolint:gosec // G306: a public certificate
		return nil, fmt.Errorf("write CA: %w", err)
	}
	return a, nil
}

// PEM is the authority's certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Pool trusts this authority only.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// leafLife is how long server certificates last.
const leafLife = 2 * 365 * 24 * time.Hour

// period is when a certificate is valid.
type period struct{ from, until time.Time }

func lasting(life time.Duration) period {
	return period{time.Now().Add(-time.Hour), time.Now().Add(life)}
}

// Issue makes a server certificate for loopback, localhost and the names, which are hosts or IP addresses. It
// is good for hosts one level below each name too, such as hook.<zone> and www.<zone>.
func (a *Authority) Issue(names ...string) (tls.Certificate, error) {
	return a.issue(lasting(leafLife), withLoopback(names)...)
}

func withLoopback(names []string) []string {
	return append([]string{"localhost", "127.0.0.1", "::1"}, names...)
}

func (a *Authority) issue(when period, names ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("generate server key: %w", err)
	}
	template, err := certificate("makesim", when)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name, "*."+name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("create server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, nil
}

// WriteServer writes a server certificate beside the authority (server.pem, server-key.pem).
func WriteServer(dir string, pair tls.Certificate) error {
	var chain []byte
	for _, der := range pair.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return errors.New("write server key: not an ECDSA key")
	}
	if err := writeKey(filepath.Join(dir, serverKeyFile), key); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, serverFile), chain, 0o644); err != nil { //nolint:gosec // G306: a public certificate
		return fmt.Errorf("write server certificate: %w", err)
	}
	return nil
}

func writeKey(file string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	return nil
}

func certificate(name string, when period) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    when.from,
		NotAfter:     when.until,
	}, nil
}
