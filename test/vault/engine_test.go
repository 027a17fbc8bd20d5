package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/logical"
)

const token = "hvs.test"

// engine is Vault's transit engine, reachable by HTTP.
type engine struct {
	*httptest.Server

	backend logical.Backend
	storage logical.Storage
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	storage := &logical.InmemStorage{}
	config := logical.TestBackendConfig()
	config.StorageView = storage
	backend, err := transit.Factory(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{backend: backend, storage: storage}
	e.Server = httptest.NewServer(e)
	t.Cleanup(e.Close)
	e.must(t, logical.UpdateOperation, "keys/make-operator", nil)
	return e
}

// must asks the engine directly, as an administrator.
func (e *engine) must(t *testing.T, op logical.Operation, path string, data map[string]any) *logical.Response {
	t.Helper()
	response, err := e.ask(t.Context(), op, path, data)
	if err != nil || response.IsError() {
		t.Fatalf("%s %s: %v %v", op, path, err, response)
	}
	return response
}

func (e *engine) ask(ctx context.Context, op logical.Operation, path string, data map[string]any) (*logical.Response, error) {
	return e.backend.HandleRequest(ctx, &logical.Request{Operation: op, Path: path, Data: data, Storage: e.storage, MountPoint: "transit/"})
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/transit/")
	if !ok || r.Header.Get("X-Vault-Token") != token {
		answer(w, http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
		return
	}
	var op logical.Operation = logical.ReadOperation
	if r.Method != http.MethodGet {
		op = logical.UpdateOperation
	}
	var data map[string]any
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&data); err != nil {
			answer(w, http.StatusBadRequest, nil)
			return
		}
	}
	response, err := e.ask(r.Context(), op, path, data)
	switch {
	case errors.Is(err, logical.ErrInvalidRequest), err == nil && response.IsError():
		answer(w, http.StatusBadRequest, map[string]any{"errors": []string{"invalid request"}})
	case err != nil:
		answer(w, http.StatusInternalServerError, map[string]any{"errors": []string{err.Error()}})
	case response == nil:
		answer(w, http.StatusNotFound, map[string]any{"errors": []string{}})
	default:
		answer(w, http.StatusOK, map[string]any{"data": response.Data})
	}
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
