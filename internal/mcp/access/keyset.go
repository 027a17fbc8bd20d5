package access

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

const (
	maxKeySetBytes = 1 << 20
	maxKeys        = 64
	minRSABits     = 2048
)

// parseKeySet decodes a JSON Web Key Set and keeps the keys that can verify tokens: public, asymmetric, for signatures.
// Keys of other kinds are passed over, as RFC 7517 §5 asks; a set without a usable key is an error.
func parseKeySet(raw []byte) ([]jose.JSONWebKey, error) {
	if len(raw) > maxKeySetBytes {
		return nil, fmt.Errorf("parse key set: larger than %d bytes", maxKeySetBytes)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("parse key set: not a JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("parse key set: more than %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, entry := range set.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(entry, &key); err == nil && usable(key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("parse key set: no public signature key in it")
	}
	return keys, nil
}

func usable(key jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || (key.Use != "" && key.Use != "sig") {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// pick returns the keys with this id, or all of them for a token that names none.
func pick(keys []jose.JSONWebKey, keyID string) []jose.JSONWebKey {
	if keyID == "" {
		return keys
	}
	var out []jose.JSONWebKey
	for _, key := range keys {
		if key.KeyID == keyID {
			out = append(out, key)
		}
	}
	return out
}
