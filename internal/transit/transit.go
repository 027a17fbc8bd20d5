package transit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/grant"
)

// Config says where Vault is, which key wraps, and who we are to Vault: the bearer of a token in a file, or a ServiceAccount.
type Config struct {
	// Address is Vault's URL.
	Address string
	// CAFile holds the PEM certificates that Vault's is checked against; empty means the system's.
	CAFile string
	// Namespace is one of Vault Enterprise; empty means the root.
	Namespace string
	// Mount is the path of the transit engine, and Key the name of its key, which must be of an AEAD type.
	Mount, Key string
	// TokenFile holds a token. It is read for every request, so that whoever renews the token need not tell us.
	TokenFile string
	// Role, unless empty, is that of Vault's Kubernetes auth method at AuthMount, and JWTFile the ServiceAccount's token. TokenFile is
	// then not read.
	Role, AuthMount, JWTFile string
}

// timeout bounds each attempt of a request; a failed one is made anew twice.
const timeout = 10 * time.Second

// KMS is a grant.KMS. Get one from New.
type KMS struct {
	config Config
	client *api.Client
	login  *login
}

// New does no I/O but reading CAFile. Vault's own environment variables hold for what Config does not say.
func New(c Config, clock clock.PassiveClock) (*KMS, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, fmt.Errorf("configure Vault's client: %w", config.Error)
	}
	config.Address, config.Timeout = c.Address, timeout
	config.MinRetryWait, config.MaxRetryWait = 100*time.Millisecond, 500*time.Millisecond
	if c.CAFile != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: c.CAFile}); err != nil {
			return nil, fmt.Errorf("trust the CA of Vault: %w", err)
		}
	}
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("configure Vault's client: %w", err)
	}
	client.ClearToken()
	if c.Namespace != "" {
		client.SetNamespace(c.Namespace)
	}
	client.SetCloneHeaders(true) // the namespace is one
	return &KMS{config: c, client: client, login: &login{config: c, clock: clock}}, nil
}

// prefix begins the ID of each of the key's versions.
func (k *KMS) prefix() string { return "vault:" + k.config.Mount + "/" + k.config.Key + ":" }

// Owns implements grant.KMS.
func (k *KMS) Owns(keyID string) bool { return strings.HasPrefix(keyID, k.prefix()) }

// Current implements grant.KMS.
func (k *KMS) Current(ctx context.Context) (string, error) {
	data, err := k.do(ctx, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return c.Logical().ReadWithContext(ctx, k.config.Mount+"/keys/"+k.config.Key)
	})
	if err != nil {
		return "", fmt.Errorf("read transit key: %w", k.unavailable(err))
	}
	version, ok := data["latest_version"].(json.Number)
	if !ok {
		return "", fmt.Errorf("read transit key: %w: the answer names no version", grant.ErrUnavailable)
	}
	return k.prefix() + version.String(), nil
}

// Wrap implements grant.KMS.
func (k *KMS) Wrap(ctx context.Context, dataKey, additional []byte) (wrapped []byte, keyID string, err error) {
	data, err := k.write(ctx, "encrypt", map[string]any{
		"plaintext": base64.StdEncoding.EncodeToString(dataKey), "associated_data": base64.StdEncoding.EncodeToString(additional),
	})
	if err != nil {
		return nil, "", fmt.Errorf("wrap data key: %w", k.unavailable(err))
	}
	text, _ := data["ciphertext"].(string)
	version, err := versionOf(text)
	if err != nil {
		return nil, "", fmt.Errorf("wrap data key: %w: %w", grant.ErrUnavailable, err)
	}
	return []byte(text), k.prefix() + strconv.Itoa(version), nil
}

// Unwrap implements grant.KMS.
func (k *KMS) Unwrap(ctx context.Context, wrapped, additional []byte) ([]byte, error) {
	if _, err := versionOf(string(wrapped)); err != nil {
		return nil, fmt.Errorf("unwrap data key: %w: %w", grant.ErrSealed, err)
	}
	data, err := k.write(ctx, "decrypt", map[string]any{
		"ciphertext": string(wrapped), "associated_data": base64.StdEncoding.EncodeToString(additional),
	})
	if status(err) == badRequest { // another place, a key that is gone, or a version below the one that may decrypt
		return nil, fmt.Errorf("unwrap data key: %w: Vault does not decrypt it by key %q", grant.ErrSealed, k.config.Key)
	}
	if err != nil {
		return nil, fmt.Errorf("unwrap data key: %w", k.unavailable(err))
	}
	text, _ := data["plaintext"].(string)
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("unwrap data key: %w: the answer holds none", grant.ErrUnavailable)
	}
	return key, nil
}

func (k *KMS) write(ctx context.Context, verb string, body map[string]any) (map[string]any, error) {
	return k.do(ctx, func(ctx context.Context, c *api.Client) (*api.Secret, error) {
		return c.Logical().WriteWithContext(ctx, k.config.Mount+"/"+verb+"/"+k.config.Key, body)
	})
}

// errEmpty means an answer without content.
var errEmpty = errors.New("the answer is empty")

// do makes one request as who we are. A login that Vault has forgotten is made anew, once.
func (k *KMS) do(ctx context.Context, request func(context.Context, *api.Client) (*api.Secret, error)) (map[string]any, error) {
	for again := true; ; again = false {
		c, err := k.client.Clone() // its token is its own
		if err != nil {
			return nil, err
		}
		if err := k.login.authenticate(ctx, c); err != nil {
			return nil, err
		}
		secret, err := request(ctx, c)
		if again && status(err) == forbidden && k.login.forget() {
			continue
		}
		if err != nil {
			return nil, err
		}
		if secret == nil {
			return nil, errEmpty
		}
		return secret.Data, nil
	}
}

// versionOf is the key's version in a ciphertext, which reads "vault:v3:…".
func versionOf(ciphertext string) (int, error) {
	parts := strings.SplitN(ciphertext, ":", 3)
	if len(parts) == 3 && parts[0] == "vault" {
		if v, err := strconv.Atoi(strings.TrimPrefix(parts[1], "v")); err == nil && v > 0 {
			return v, nil
		}
	}
	return 0, errors.New("this is no ciphertext of Vault")
}
