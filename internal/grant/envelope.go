package grant

import (
	"context"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"sync"
)

// KMS wraps data keys by a key that never leaves it. Implementations are safe for concurrent use.
type KMS interface {
	// Current is the ID of the key that wraps now. Errors: ErrUnavailable.
	Current(ctx context.Context) (keyID string, err error)
	// Wrap encrypts a data key, bound to additional, and says with which key. Errors: ErrUnavailable.
	Wrap(ctx context.Context, dataKey, additional []byte) (wrapped []byte, keyID string, err error)
	// Unwrap decrypts what Wrap made. Errors: ErrSealed, ErrUnavailable.
	Unwrap(ctx context.Context, wrapped, additional []byte) ([]byte, error)
	// Owns reports whether an ID is of one of its keys.
	Owns(keyID string) bool
}

// Envelope is the Sealer that seals by a data key of its own, which a KMS wrapped; the wrapped key stands in front of each sealed
// text. Once it is Ready, sealing asks nobody: a KMS that goes away between the presentation of a refresh token and the storing of
// its successor loses nothing. Its zero value is not usable.
type Envelope struct {
	KMS KMS
	// Cluster is what data keys are bound to.
	Cluster string

	mu     sync.Mutex
	own    *dataKey
	opened map[string]cipher.AEAD // by wrapped key
}

// dataKey is the one that this process seals with.
type dataKey struct {
	aead    cipher.AEAD
	wrapped []byte
	// keyID is the KMS's key that wrapped it.
	keyID string
}

const (
	// envelopeVersion is the first byte of what Envelope makes; after it come the wrapped key's length in two bytes, that key, and
	// the sealed text.
	envelopeVersion = 1
	headBytes       = 3
	// maxOpened bounds the data keys that are kept in memory: each process that ever sealed made one.
	maxOpened = 256
)

// Ready implements Sealer.
func (e *Envelope) Ready(ctx context.Context) error {
	_, err := e.sealing(ctx)
	return err
}

// Refresh implements Sealer: where the KMS has a new key, it makes a new data key. If it cannot, the one before goes on sealing.
func (e *Envelope) Refresh(ctx context.Context) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	current, err := e.KMS.Current(ctx)
	if err == nil && (e.own == nil || e.own.keyID != current) {
		err = e.make(ctx)
	}
	if e.own == nil {
		return "", err
	}
	return e.own.keyID, err
}

// Seal implements Sealer.
func (e *Envelope) Seal(ctx context.Context, plain, additional []byte) (sealed []byte, keyID string, err error) {
	k, err := e.sealing(ctx)
	if err != nil {
		return nil, "", err
	}
	head := binary.BigEndian.AppendUint16([]byte{envelopeVersion}, uint16(len(k.wrapped))) //nolint:gosec // G115: make bounds it
	return seal(k.aead, append(head, k.wrapped...), plain, additional), k.keyID, nil
}

// Open implements Sealer.
func (e *Envelope) Open(ctx context.Context, sealed []byte, _ string, additional []byte) ([]byte, error) {
	if len(sealed) < headBytes || sealed[0] != envelopeVersion {
		return nil, fmt.Errorf("%w: it has no wrapped key", ErrSealed)
	}
	end := headBytes + int(binary.BigEndian.Uint16(sealed[1:]))
	if len(sealed) < end {
		return nil, fmt.Errorf("%w: it is cut off", ErrSealed)
	}
	aead, err := e.unwrap(ctx, sealed[headBytes:end])
	if err != nil {
		return nil, err
	}
	return open(aead, sealed[end:], additional)
}

// Owns implements Sealer.
func (e *Envelope) Owns(keyID string) bool { return e.KMS.Owns(keyID) }

// sealing is the data key of this process; the first call makes it.
func (e *Envelope) sealing(ctx context.Context) (*dataKey, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.own == nil {
		if err := e.make(ctx); err != nil {
			return nil, err
		}
	}
	return e.own, nil
}

// make makes a data key and has it wrapped. It is called under the lock.
func (e *Envelope) make(ctx context.Context) error {
	key := NewKey()
	wrapped, keyID, err := e.KMS.Wrap(ctx, key, e.additional())
	if err != nil {
		return err
	}
	if len(wrapped) == 0 || len(wrapped) > 4096 {
		return fmt.Errorf("%w: a wrapped key of %d bytes", ErrUnavailable, len(wrapped))
	}
	aead, err := newAEAD(key)
	if err != nil {
		return err
	}
	e.own = &dataKey{aead: aead, wrapped: wrapped, keyID: keyID}
	e.remember(wrapped, aead)
	return nil
}

// unwrap is the data key that was wrapped, from memory if it was asked for before.
func (e *Envelope) unwrap(ctx context.Context, wrapped []byte) (cipher.AEAD, error) {
	e.mu.Lock()
	aead, known := e.opened[string(wrapped)]
	e.mu.Unlock()
	if known {
		return aead, nil
	}
	key, err := e.KMS.Unwrap(ctx, wrapped, e.additional()) // outside of the lock: it may take long
	if err != nil {
		return nil, err
	}
	if aead, err = newAEAD(key); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.remember(wrapped, aead)
	return aead, nil
}

func (e *Envelope) remember(wrapped []byte, aead cipher.AEAD) {
	if e.opened == nil {
		e.opened = map[string]cipher.AEAD{}
	}
	for old := range e.opened {
		if len(e.opened) < maxOpened {
			break
		}
		delete(e.opened, old)
	}
	e.opened[string(wrapped)] = aead
}

func (e *Envelope) additional() []byte {
	return fmt.Appendf(nil, "makeops.dev/data-key/v1/%s", e.Cluster)
}
