package makesim

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"
)

// TLSFault is what goes wrong in a handshake.
type TLSFault string

// The TLS faults. A client that checks what it should ends the handshake itself in all but the first.
const (
	TLSClosed      TLSFault = "handshakeClosed"    // the connection is closed in the middle of the handshake
	TLSWrongCert   TLSFault = "wrongCertificate"   // the certificate is of another authority
	TLSWrongName   TLSFault = "wrongName"          // the certificate is for another host
	TLSExpiredCert TLSFault = "expiredCertificate" // the certificate was valid until yesterday
	TLSOldVersion  TLSFault = "oldVersion"         // TLS 1.0 and 1.1 only
)

func tlsFaults() []TLSFault {
	return []TLSFault{TLSClosed, TLSWrongCert, TLSWrongName, TLSExpiredCert, TLSOldVersion}
}

// wrongHost is what certificates for another host name.
const wrongHost = "elsewhere.invalid"

// TLSConfig serves with a certificate of the authority for loopback, localhost and the names (see Issue), and
// disturbs handshakes as Knobs.TLSFault says.
func (s *Server) TLSConfig(a *Authority, pair tls.Certificate, names ...string) *tls.Config {
	config := &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}
	bad := &badCertificates{authority: a, names: names, made: map[TLSFault]tls.Certificate{}}
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return disturb(s.takeTLSFault(), config, bad)
	}
	return config
}

// takeTLSFault counts the knob down.
func (s *Server) takeTLSFault() TLSFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.state.knobs
	fault := k.TLSFault
	if fault == "" {
		return ""
	}
	k.TLSFaultCount--
	if k.TLSFaultCount == 0 {
		k.TLSFault = ""
	}
	s.touch()
	return fault
}

// disturb returns the configuration of one handshake; nil means the usual one.
func disturb(fault TLSFault, usual *tls.Config, bad *badCertificates) (*tls.Config, error) {
	switch fault {
	case "":
		return nil, nil //nolint:nilnil // how crypto/tls spells "go on as usual"
	case TLSClosed:
		return nil, errors.New("closed by a fault")
	}
	config := usual.Clone()
	config.GetConfigForClient = nil
	if fault == TLSOldVersion {
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 // what the fault is about
		return config, nil
	}
	pair, err := bad.certificate(fault)
	if err != nil {
		return nil, err
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// badCertificates makes each bad certificate once.
type badCertificates struct {
	authority *Authority
	names     []string

	mu   sync.Mutex
	made map[TLSFault]tls.Certificate
}

func (b *badCertificates) certificate(fault TLSFault) (tls.Certificate, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pair, ok := b.made[fault]; ok {
		return pair, nil
	}
	pair, err := b.make(fault)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a bad certificate: %w", err)
	}
	b.made[fault] = pair
	return pair, nil
}

func (b *badCertificates) make(fault TLSFault) (tls.Certificate, error) {
	now := time.Now()
	switch fault {
	case TLSExpiredCert:
		return b.authority.issue(period{now.AddDate(0, -3, 0), now.AddDate(0, 0, -1)}, withLoopback(b.names)...)
	case TLSWrongName:
		return b.authority.issue(lasting(leafLife), wrongHost)
	}
	other, err := NewAuthority()
	if err != nil {
		return tls.Certificate{}, err
	}
	return other.Issue(b.names...)
}
