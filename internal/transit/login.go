package transit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"k8s.io/utils/clock"
)

// errLogin means that we could not say to Vault who we are.
var errLogin = errors.New("log in to Vault")

// login gives requests their token: the one in a file, or one that Vault gave for a ServiceAccount's.
type login struct {
	config Config
	clock  clock.PassiveClock

	mu    sync.Mutex
	token string
	// until is when the token is replaced, before it ends; zero means never.
	until time.Time
}

// authenticate gives a client the token for its next request.
func (l *login) authenticate(ctx context.Context, c *api.Client) error {
	if l.config.Role == "" {
		token, err := fromFile(l.config.TokenFile)
		c.SetToken(token)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == "" || !l.until.IsZero() && !l.clock.Now().Before(l.until) {
		if err := l.asServiceAccount(ctx, c); err != nil {
			return err
		}
	}
	c.SetToken(l.token)
	return nil
}

// asServiceAccount asks for a token, which is replaced after two thirds of its life. It is called under the lock.
func (l *login) asServiceAccount(ctx context.Context, c *api.Client) error {
	jwt, err := fromFile(l.config.JWTFile)
	if err != nil {
		return err
	}
	c.ClearToken()
	asked := l.clock.Now()
	got, err := c.Logical().WriteWithContext(ctx, "auth/"+l.config.AuthMount+"/login", map[string]any{"role": l.config.Role, "jwt": jwt})
	if err != nil {
		return fmt.Errorf("%w as ServiceAccount in role %q: status %d", errLogin, l.config.Role, status(err))
	}
	if got == nil || got.Auth == nil || got.Auth.ClientToken == "" {
		return fmt.Errorf("%w as ServiceAccount in role %q: the answer holds no token", errLogin, l.config.Role)
	}
	l.token, l.until = got.Auth.ClientToken, time.Time{}
	if seconds := got.Auth.LeaseDuration; seconds > 0 {
		l.until = asked.Add(time.Duration(seconds) * time.Second * 2 / 3)
	}
	return nil
}

// forget drops a token that Vault does not take any more, and reports whether another one can be had.
func (l *login) forget() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.token = ""
	return l.config.Role != ""
}

// fromFile reads a token without the line end that editors leave.
func fromFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errLogin, err)
	}
	if token := strings.TrimSpace(string(content)); token != "" {
		return token, nil
	}
	return "", fmt.Errorf("%w: %s is empty", errLogin, path)
}
