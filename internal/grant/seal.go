package grant

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrSealed means that a sealed text does not open: the key is not in the keyring, or the text was moved or changed.
var ErrSealed = errors.New("sealed text does not open")

// keyBytes is the length of an AES-256 key.
const keyBytes = 32

// Keyring holds the sealing keys by ID. The greatest ID seals; all of them open.
type Keyring map[string][]byte

// NewKey returns a random AES-256 key.
func NewKey() []byte {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	return key
}

// Seal encrypts plain for the place that additional names, and says with which key.
func (k Keyring) Seal(plain, additional []byte) (sealed []byte, keyID string, err error) {
	if len(k) == 0 {
		return nil, "", errors.New("seal: no key")
	}
	keyID = slices.Max(slices.Collect(maps.Keys(k)))
	aead, err := newAEAD(k[keyID])
	if err != nil {
		return nil, "", err
	}
	return aead.Seal(nil, nil, plain, additional), keyID, nil //nolint:gosec // G407: this AEAD makes its own random nonce and takes none
}

// Open decrypts what Seal made with that key for the same additional. The error is ErrSealed.
func (k Keyring) Open(sealed []byte, keyID string, additional []byte) ([]byte, error) {
	key, ok := k[keyID]
	if !ok {
		return nil, fmt.Errorf("%w: sealing key %q is missing", ErrSealed, keyID)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, additional)
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != keyBytes {
		return nil, fmt.Errorf("sealing key has %d bytes, want %d", len(key), keyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use sealing key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
