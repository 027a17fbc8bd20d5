package transit_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/makeops/make-operator/internal/grant"
)

// double answers as Vault's transit engine does, with one key of several versions. test/vault asks the real engine the same.
type double struct {
	*httptest.Server

	mu       sync.Mutex
	versions []grant.Keyring
	tokens   map[string]bool
	logins   int
	lease    int // seconds
	status   int // what it answers instead, unless 0
	seen     []string
	headers  []http.Header
}

func newDouble(t *testing.T) *double {
	t.Helper()
	d := &double{tokens: map[string]bool{"first": true}, lease: 3600}
	d.rotate()
	d.Server = httptest.NewTLSServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) rotate() { d.versions = append(d.versions, grant.Keyring{"k": grant.NewKey()}) }

// ca is a file with the certificate of the double.
func (d *double) ca(t *testing.T) string {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.Certificate().Raw})
	return file(t, string(block))
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, r.Method+" "+r.URL.RequestURI())
	d.headers = append(d.headers, r.Header)
	var body map[string]string
	_ = json.NewDecoder(r.Body).Decode(&body)
	switch {
	case d.status != 0:
		refuse(w, d.status)
	case r.URL.Path == "/v1/auth/kubernetes/login":
		d.login(w, body)
	case !d.tokens[r.Header.Get("X-Vault-Token")]:
		refuse(w, http.StatusForbidden)
	case r.URL.Path == "/v1/transit/keys/make-operator":
		data(w, map[string]any{"latest_version": len(d.versions), "type": "aes256-gcm96"})
	case r.URL.Path == "/v1/transit/encrypt/make-operator":
		d.encrypt(w, r, body)
	case r.URL.Path == "/v1/transit/decrypt/make-operator":
		d.decrypt(w, r, body)
	default:
		refuse(w, http.StatusNotFound)
	}
}

func (d *double) login(w http.ResponseWriter, body map[string]string) {
	if body["role"] != "make-operator" || body["jwt"] != "service-account-token" {
		refuse(w, http.StatusForbidden)
		return
	}
	d.logins++
	token := fmt.Sprintf("login-%d", d.logins)
	d.tokens = map[string]bool{token: true}
	_ = json.NewEncoder(w).Encode(map[string]any{"auth": map[string]any{"client_token": token, "lease_duration": d.lease}})
}

func (d *double) encrypt(w http.ResponseWriter, r *http.Request, body map[string]string) {
	plain, _ := base64.StdEncoding.DecodeString(body["plaintext"])
	place, _ := base64.StdEncoding.DecodeString(body["associated_data"])
	n := len(d.versions)
	sealed, _, _ := d.versions[n-1].Seal(r.Context(), plain, place)
	data(w, map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", n, base64.StdEncoding.EncodeToString(sealed)), "key_version": n})
}

func (d *double) decrypt(w http.ResponseWriter, r *http.Request, body map[string]string) {
	var n int
	var text string
	place, _ := base64.StdEncoding.DecodeString(body["associated_data"])
	if _, err := fmt.Sscanf(strings.Replace(body["ciphertext"], ":", " ", 2), "vault v%d %s", &n, &text); err != nil || n > len(d.versions) {
		refuse(w, http.StatusBadRequest)
		return
	}
	sealed, _ := base64.StdEncoding.DecodeString(text)
	plain, err := d.versions[n-1].Open(r.Context(), sealed, "k", place)
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	data(w, map[string]any{"plaintext": base64.StdEncoding.EncodeToString(plain)})
}

func data(w http.ResponseWriter, data map[string]any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
}

func refuse(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{"what Vault says"}})
}
