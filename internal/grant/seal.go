package grant

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrSealed means that a sealed text does not open: the key is lost, or the text was moved or changed. Nothing that was sealed by a
// lost key may be overwritten: the key may come back.
var ErrSealed = errors.New("sealed text does not open")

// ErrUnavailable means that whoever holds the sealing keys did not answer, or refused: try again.
var ErrUnavailable = errors.New("sealing keys are not available")

// Sealer encrypts what is stored. Old keys open, the newest one seals. Implementations are safe for concurrent use.
type Sealer interface {
	// Ready returns nil when Seal can do its work without asking anybody else. Errors: ErrSealed, ErrUnavailable.
	Ready(ctx context.Context) error
	// Refresh looks for new keys where they are kept, and returns the ID of the one that seals from now on.
	Refresh(ctx context.Context) (keyID string, err error)
	// Seal encrypts plain for the place that additional names, and says with which key.
	Seal(ctx context.Context, plain, additional []byte) (sealed []byte, keyID string, err error)
	// Open decrypts what Seal made with that key for the same additional. Errors: ErrSealed, ErrUnavailable.
	Open(ctx context.Context, sealed []byte, keyID string, additional []byte) ([]byte, error)
	// Owns reports whether an ID has the form of this sealer's.
	Owns(keyID string) bool
}

// keyBytes is the length of an AES-256 key.
const keyBytes = 32

// Keyring holds sealing keys by ID. The greatest ID seals; all of them open.
type Keyring map[string][]byte

// NewKey returns a random AES-256 key.
func NewKey() []byte {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	return key
}

// newest is the ID of the key that seals; empty without any.
func (k Keyring) newest() string {
	if len(k) == 0 {
		return ""
	}
	return slices.Max(slices.Collect(maps.Keys(k)))
}

// Ready implements Sealer.
func (k Keyring) Ready(context.Context) error {
	if len(k) == 0 {
		return fmt.Errorf("%w: there is no key", ErrSealed)
	}
	return nil
}

// Refresh implements Sealer: these keys are kept nowhere else.
func (k Keyring) Refresh(ctx context.Context) (string, error) { return k.newest(), k.Ready(ctx) }

// Seal implements Sealer.
func (k Keyring) Seal(ctx context.Context, plain, additional []byte) (sealed []byte, keyID string, err error) {
	if err := k.Ready(ctx); err != nil {
		return nil, "", fmt.Errorf("seal: %w", err)
	}
	keyID = k.newest()
	aead, err := newAEAD(k[keyID])
	if err != nil {
		return nil, "", err
	}
	return seal(aead, nil, plain, additional), keyID, nil
}

// Open implements Sealer.
func (k Keyring) Open(_ context.Context, sealed []byte, keyID string, additional []byte) ([]byte, error) {
	key, ok := k[keyID]
	if !ok {
		return nil, fmt.Errorf("%w: sealing key %q is missing", ErrSealed, keyID)
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return open(aead, sealed, additional)
}

// Owns implements Sealer: IDs of keys elsewhere have a colon, which no key of a Secret can have.
func (k Keyring) Owns(keyID string) bool { return !strings.Contains(keyID, ":") }

func seal(aead cipher.AEAD, head, plain, additional []byte) []byte {
	return aead.Seal(head, nil, plain, additional) //nolint:gosec // G407: this AEAD makes its own random nonce and takes none
}

func open(aead cipher.AEAD, sealed, additional []byte) ([]byte, error) {
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
