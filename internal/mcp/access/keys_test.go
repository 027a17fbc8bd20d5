package access_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/mcp/access"
)

func keySet(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// rsaModulus is a number of so many bits; nobody signs with it.
func rsaModulus(t *testing.T, bits int) *big.Int {
	t.Helper()
	return new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), 0, 1), bits-1, 1)
}

func has(t *testing.T, source access.KeySource, id string) bool {
	t.Helper()
	found, err := source.Keys(t.Context(), id)
	if err != nil && !errors.Is(err, access.ErrUnavailable) {
		t.Fatal(err)
	}
	return len(found) > 0
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	file := access.NewKeyFile(path)
	if _, err := file.Load(); err == nil || file.Loaded() {
		t.Fatalf("a missing file was loaded, error %v", err)
	}
	if _, err := file.Keys(t.Context(), ""); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	first, second := rsaKey(t).Public(), rsaKey(t).Public()
	write := func(raw []byte) error {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := file.Load()
		return err
	}
	if err := write(keySet(t, public(first, "one"))); err != nil || !has(t, file, "one") || has(t, file, "two") {
		t.Fatalf("first key set: error %v", err)
	}
	for name, bad := range map[string][]byte{
		"cut off": []byte(`{"keys":[`), "empty": []byte(`{"keys":[]}`),
		"symmetric only":   []byte(`{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}]}`),
		"encryption only":  keySet(t, jose.JSONWebKey{Key: first, KeyID: "one", Use: "enc"}),
		"weak RSA only":    keySet(t, public(&rsa.PublicKey{N: rsaModulus(t, 1024), E: 65537}, "one")),
		"private key only": keySet(t, public(rsaKey(t), "one")),
	} {
		if err := write(bad); err == nil || !has(t, file, "one") {
			t.Errorf("%s: error %v, or the last good keys are gone", name, err)
		}
	}
	if err := write(keySet(t, public(second, "two"))); err != nil || has(t, file, "one") || !has(t, file, "two") {
		t.Errorf("second key set: error %v", err)
	}
}

func TestKeyURL(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(now)
	var fetches atomic.Int32
	var answer atomic.Pointer[[]byte]
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		if body := answer.Load(); body != nil {
			_, _ = w.Write(*body)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	source := access.NewKeyURL(server.URL, "", server.Client().Transport, clock, slog.New(slog.DiscardHandler))
	step := func(d time.Duration) { clock.SetTime(clock.Now().Add(d)) }
	expect := func(what string, id string, want bool, wantFetches int32) {
		t.Helper()
		if got := has(t, source, id); got != want || fetches.Load() != wantFetches {
			t.Errorf("%s: key found %v after %d fetches, want %v after %d", what, got, fetches.Load(), want, wantFetches)
		}
	}

	expect("server fails", "one", false, 1)
	expect("again at once", "one", false, 1)
	one := keySet(t, public(rsaKey(t).Public(), "one"))
	answer.Store(&one)
	step(30 * time.Second)
	expect("server works", "one", true, 2)
	expect("known key", "one", true, 2)
	expect("unknown key within the cool-down", "two", false, 2)
	two := keySet(t, public(rsaKey(t).Public(), "two"))
	answer.Store(&two)
	step(30 * time.Second)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { has(t, source, "two") })
	}
	wg.Wait()
	expect("unknown key after the cool-down, asked for by many", "two", true, 3)
	answer.Store(nil)
	step(10 * time.Minute)
	expect("old keys, server fails", "two", true, 4)
	step(24 * time.Hour)
	if _, err := source.Keys(t.Context(), "two"); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("day-old keys: error %v, want ErrUnavailable", err)
	}
}
