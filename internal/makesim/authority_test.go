package makesim_test

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestAuthorityIsReused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	first, err := makesim.LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := makesim.LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.PEM(), second.PEM()) {
		t.Error("another authority")
	}
	info, err := os.Stat(filepath.Join(dir, "ca-key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
}

func TestBrokenAuthorityIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := makesim.LoadAuthority(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makesim.LoadAuthority(dir); err == nil {
		t.Error("a broken CA was replaced silently")
	}
}

func TestIssuedNames(t *testing.T) {
	authority, err := makesim.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue("make.example", "10.1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{
		"make.example": true, "10.1.2.3": true, "localhost": true, "127.0.0.1": true, "::1": true, "evil.example": false,
	} {
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: authority.Pool()})
		if (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
