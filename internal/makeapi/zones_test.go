package makeapi

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestAllowsZone(t *testing.T) {
	client, err := New(Config{ExtraZones: []string{"make.corp.example", "Sim.Example:8443", "127.0.0.1:9000", "[::1]:9000", "white.example:443"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{
		"eu1.make.com":             true,
		"EU1.Make.Com":             true,
		"eu1.make.com:443":         true,
		"us1.make.celonis.com":     true,
		"make.corp.example":        true,
		"make.corp.example:443":    true,
		"sim.example:8443":         true,
		"127.0.0.1:9000":           true,
		"[::1]:9000":               true,
		"[0:0:0:0:0:0:0:1]:9000":   true,
		"white.example":            true,
		"":                         false,
		"make.com":                 false,
		".make.com":                false,
		"evilmake.com":             false,
		"eu1.evilmake.com":         false,
		"eu1.make.com.evil.com":    false,
		"a.b.make.com":             false,
		"make.celonis.com.":        false,
		"eu1.make.com.":            false,
		"eu1.make.com:8443":        false,
		"eu1.make.com:0443":        false,
		"eu1.make.com:":            false,
		"eu1.make.com:https":       false,
		"eu1.make.com:0":           false,
		"eu1.make.com:65536":       false,
		"eu1.make.com/api":         false,
		"eu1.make.com?x=.make.com": false,
		"eu1.make.com#.make.com":   false,
		"evil.com/.make.com":       false,
		"evil.com#.make.com":       false,
		"evil.com?.make.com":       false,
		`evil.com\.make.com`:       false,
		"user@eu1.make.com":        false,
		"u:p@eu1.make.com":         false,
		"evil.com:80@x.make.com":   false,
		"https://eu1.make.com":     false,
		" eu1.make.com":            false,
		"eu1.make.com\n":           false,
		"eu1%2emake.com":           false,
		"-eu1.make.com":            false,
		"eu1-.make.com":            false,
		"eu_1.make.com":            false,
		"ｅu1.make.com":             false,
		"*.make.com":               false,
		"[eu1.make.com]":           false,
		"[eu1.make.com":            false,
		"corp.example":             false,
		"x.make.corp.example":      false,
		"make.corp.example:8443":   false,
		"sim.example":              false,
		"127.0.0.1":                false,
		"127.0.0.1:9001":           false,
		"::1:9000":                 false,
		"[::1%eth0]:9000":          false,
	}
	for zone, want := range tests {
		if got := client.AllowsZone(zone); got != want {
			t.Errorf("AllowsZone(%q) = %v, want %v", zone, got, want)
		}
	}
}

func TestNewRefusesBadZones(t *testing.T) {
	for _, zone := range []string{"", "https://make.corp.example", "make.corp.example/", "*.corp.example", "make.corp.example:x", "a b"} {
		if _, err := New(Config{ExtraZones: []string{zone}}); err == nil {
			t.Errorf("New() accepts the extra zone %q", zone)
		}
	}
}

func TestAuthorizationServer(t *testing.T) {
	client, err := New(Config{ExtraZones: []string{"127.0.0.1:9000"}})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"eu1.make.com":         "https://www.make.com/oauth/v2",
		"eu1.make.celonis.com": "https://www.make.com/oauth/v2",
		"127.0.0.1:9000":       "https://127.0.0.1:9000/oauth/v2",
		"evil.example":         "",
	}
	for zone, want := range tests {
		if got := client.OAuth(zone, OAuthClient{}).base; got != want {
			t.Errorf("authorization server of %s = %q, want %q", zone, got, want)
		}
	}
}

func TestIsPublic(t *testing.T) {
	tests := map[string]bool{
		"3.120.0.1":                true,
		"2600:1f14::1":             true,
		"64:ff9b::3.120.0.1":       true,
		"127.0.0.1":                false,
		"127.8.8.8":                false,
		"::1":                      false,
		"0.0.0.0":                  false,
		"0.1.2.3":                  false,
		"::":                       false,
		"10.0.0.1":                 false,
		"172.16.0.1":               false,
		"192.168.1.1":              false,
		"169.254.169.254":          false,
		"fe80::1":                  false,
		"fe80::1%eth0":             false,
		"fd00:ec2::254":            false,
		"100.64.0.1":               false,
		"100.100.100.200":          false,
		"168.63.129.16":            false,
		"192.0.0.192":              false,
		"198.18.0.1":               false,
		"224.0.0.1":                false,
		"ff02::1":                  false,
		"255.255.255.255":          false,
		"240.0.0.1":                false,
		"::ffff:127.0.0.1":         false,
		"::ffff:169.254.169.254":   false,
		"::ffff:10.0.0.1":          false,
		"64:ff9b::7f00:1":          false,
		"64:ff9b::169.254.169.254": false,
		"64:ff9b:1::1":             false,
		"2002:7f00:1::":            false,
		"2001:0:1::1":              false,
		"2001:db8::1":              false,
		"fec0::1":                  false,
		"::127.0.0.1":              false,
	}
	for address, want := range tests {
		if got := isPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("isPublic(%s) = %v, want %v", address, got, want)
		}
	}
}

// The dialer judges the address that is connected to, whatever name led there.
func TestDialRefusesNonPublicAddresses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	address := listener.Addr().String()

	others, err := newZones([]string{"other.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := others.dial(t.Context(), "tcp", address); !errors.Is(err, errNotAllowed) {
		t.Errorf("dial of a host that is not allowed: %v, want %v", err, errNotAllowed)
	}

	extra, err := newZones([]string{address})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := extra.dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("dial of a loopback address that is an extra zone: %v", err)
	}
	_ = conn.Close()

	guarded := net.Dialer{ControlContext: refuseNonPublic}
	if _, err := guarded.DialContext(t.Context(), "tcp", address); !errors.Is(err, errNotPublic) {
		t.Errorf("dial of a loopback address: %v, want %v", err, errNotPublic)
	}
}
