package transit_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/transit"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newKMS is a client of the double with the token "first"; changes come before it is made.
func newKMS(t *testing.T, d *double, changes ...func(*transit.Config)) (*transit.KMS, *clocktesting.FakePassiveClock) {
	t.Helper()
	config := transit.Config{
		Address: d.URL, CAFile: d.ca(t), Mount: "transit", Key: "make-operator", TokenFile: file(t, "first\n"), AuthMount: "kubernetes",
	}
	for _, change := range changes {
		change(&config)
	}
	clock := clocktesting.NewFakePassiveClock(start)
	k, err := transit.New(config, clock)
	if err != nil {
		t.Fatal(err)
	}
	return k, clock
}

func mustWrap(t *testing.T, k *transit.KMS) (wrapped []byte, keyID string) {
	t.Helper()
	wrapped, keyID, err := k.Wrap(t.Context(), []byte("data key"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	return wrapped, keyID
}

func TestRoundTrip(t *testing.T) {
	d := newDouble(t)
	k, _ := newKMS(t, d)
	wrapped, keyID := mustWrap(t, k)
	if keyID != "vault:transit/make-operator:1" || !k.Owns(keyID) || k.Owns("key-0001") || k.Owns("vault:transit/other:1") {
		t.Errorf("key %q", keyID)
	}
	if current, err := k.Current(t.Context()); err != nil || current != keyID {
		t.Errorf("current key %q, %v", current, err)
	}
	d.rotate()
	if current, err := k.Current(t.Context()); err != nil || current != "vault:transit/make-operator:2" {
		t.Errorf("current key %q, %v", current, err)
	}
	if _, keyID := mustWrap(t, k); keyID != "vault:transit/make-operator:2" {
		t.Errorf("key %q", keyID)
	}
	if plain, err := k.Unwrap(t.Context(), wrapped, []byte("place")); err != nil || string(plain) != "data key" {
		t.Errorf("unwrapped %q, %v", plain, err)
	}
	for _, seen := range d.seen {
		if strings.Contains(seen, "?") || strings.Contains(seen, "first") {
			t.Errorf("URL %s", seen)
		}
	}
}

func TestWhatDoesNotUnwrap(t *testing.T) {
	d := newDouble(t)
	k, _ := newKMS(t, d)
	wrapped, _ := mustWrap(t, k)
	for name, tt := range map[string]struct{ wrapped, place []byte }{
		"in another place":        {wrapped, []byte("elsewhere")},
		"of another key":          {bytes.Replace(wrapped, []byte("v1"), []byte("v9"), 1), []byte("place")},
		"no ciphertext":           {[]byte("text"), []byte("place")},
		"nothing":                 {nil, []byte("place")},
		"a ciphertext of version": {[]byte("vault:v0:text"), []byte("place")},
	} {
		if _, err := k.Unwrap(t.Context(), tt.wrapped, tt.place); !errors.Is(err, grant.ErrSealed) || errors.Is(err, grant.ErrUnavailable) {
			t.Errorf("%s: error %v, want %v", name, err, grant.ErrSealed)
		}
	}
}

// Trouble with Vault is never taken for a lost key, and its error says what to do, but not what Vault said.
func TestTrouble(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		says   string
	}{
		"no permission": {http.StatusForbidden, "policy"}, "no such key": {http.StatusNotFound, "make-operator"},
		"sealed": {http.StatusServiceUnavailable, "sealed"}, "too many requests": {http.StatusTooManyRequests, "429"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t)
			k, _ := newKMS(t, d)
			wrapped, _ := mustWrap(t, k)
			d.status = tt.status
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the client tries some of these again
			defer cancel()
			_, _, errWrap := k.Wrap(ctx, []byte("data key"), nil)
			_, errUnwrap := k.Unwrap(t.Context(), wrapped, []byte("place"))
			_, errCurrent := k.Current(t.Context())
			for _, err := range []error{errWrap, errUnwrap, errCurrent} {
				if !errors.Is(err, grant.ErrUnavailable) || errors.Is(err, grant.ErrSealed) {
					t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
				}
				if strings.Contains(err.Error(), "what Vault says") || strings.Contains(err.Error(), "data key:") && strings.Contains(err.Error(), "first") {
					t.Errorf("error %v", err)
				}
			}
			if !strings.Contains(errUnwrap.Error(), tt.says) {
				t.Errorf("error %v says nothing of %q", errUnwrap, tt.says)
			}
		})
	}
	t.Run("another server's certificate", func(t *testing.T) {
		d := newDouble(t)
		k, _ := newKMS(t, d, func(c *transit.Config) { c.CAFile = "" })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := k.Current(ctx); !errors.Is(err, grant.ErrUnavailable) {
			t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
		}
		if len(d.seen) > 0 {
			t.Error("it was asked all the same")
		}
	})
}

// A token that somebody renews in its file needs no restart.
func TestTokenFileIsReadAgain(t *testing.T) {
	d := newDouble(t)
	path := file(t, "first")
	k, _ := newKMS(t, d, func(c *transit.Config) { c.TokenFile = path })
	mustWrap(t, k)
	d.tokens = map[string]bool{"second": true}
	if _, _, err := k.Wrap(t.Context(), nil, nil); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
	if err := os.WriteFile(path, []byte("second\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustWrap(t, k)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Current(t.Context()); !errors.Is(err, grant.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, grant.ErrUnavailable)
	}
}

func TestKubernetesLogin(t *testing.T) {
	d := newDouble(t)
	d.tokens = nil
	k, clock := newKMS(t, d, func(c *transit.Config) {
		c.TokenFile, c.Role, c.JWTFile, c.Namespace = "", "make-operator", file(t, "service-account-token\n"), "team"
	})
	for range 3 {
		mustWrap(t, k)
	}
	if d.logins != 1 {
		t.Errorf("%d logins", d.logins)
	}
	for _, h := range d.headers {
		if h.Get("X-Vault-Namespace") != "team" {
			t.Errorf("namespace %q", h.Get("X-Vault-Namespace"))
		}
	}
	clock.SetTime(start.Add(39 * time.Minute))
	mustWrap(t, k)
	clock.SetTime(start.Add(40 * time.Minute)) // two thirds of its hour
	mustWrap(t, k)
	if d.logins != 2 {
		t.Errorf("%d logins", d.logins)
	}
	d.tokens = nil // revoked, or another Vault took over
	mustWrap(t, k)
	if d.logins != 3 {
		t.Errorf("%d logins", d.logins)
	}
}

func TestRefusedKubernetesLogin(t *testing.T) {
	d := newDouble(t)
	k, _ := newKMS(t, d, func(c *transit.Config) { c.TokenFile, c.Role, c.JWTFile = "", "make-operator", file(t, "wrong") })
	_, err := k.Current(t.Context())
	if !errors.Is(err, grant.ErrUnavailable) || !strings.Contains(err.Error(), "make-operator") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %v", err)
	}
}

// Envelope and client together: a restart opens what was sealed, by one request.
func TestEnvelopeOverTransit(t *testing.T) {
	d := newDouble(t)
	envelope := func() *grant.Envelope {
		k, _ := newKMS(t, d)
		return &grant.Envelope{KMS: k, Cluster: "c"}
	}
	sealed, keyID, err := envelope().Seal(t.Context(), []byte("plain"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	before := len(d.seen)
	again := envelope()
	for range 3 {
		if plain, err := again.Open(t.Context(), sealed, keyID, []byte("place")); err != nil || string(plain) != "plain" {
			t.Errorf("opened %q, %v", plain, err)
		}
	}
	if asked := len(d.seen) - before; asked != 1 {
		t.Errorf("%d requests", asked)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, config := range map[string]transit.Config{
		"a CA file that is not there": {Address: "https://vault.example", CAFile: "/does/not/exist"},
		"no URL":                      {Address: "://"},
	} {
		if _, err := transit.New(config, clocktesting.NewFakePassiveClock(start)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
