package grant_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/makeops/make-operator/internal/grant"
)

// secrets are the values of sample that must never be seen.
var secrets = []string{"root-secret", "minted-secret", "access-secret", "refresh-secret", "unparsed-secret", "former-secret", "client-secret", "bootstrap-secret"}

// Whatever way somebody prints a grant, or a part of it, no token comes out.
func TestGrantsPrintNowhere(t *testing.T) {
	g := sample()
	key := strings.Repeat("k", 32)
	store := &grant.Store{Keys: grant.Keyring{"key-0001": []byte(key)}}
	for name, value := range map[string]any{
		"grant": g, "pointer to grant": &g, "record": grant.Record{Grant: g}, "pointer to record": &grant.Record{Grant: g},
		"root": g.Root, "former root": g.Former[0], "formers": g.Former, "token": g.Tokens["sa:agent"], "tokens": g.Tokens, "OAuth": g.OAuth, "OAuth by value": *g.OAuth,
		"keyring": store.Keys, "store": store, "inside something": struct{ Record *grant.Record }{&grant.Record{Grant: g}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb+"\n", value)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", value)
			mustNotShow(t, out.String(), append(secrets, key))
		})
	}
}

// Loggers of controllers ask a value what to write of it, else they write all that JSON shows.
func TestGrantsAreNotLogged(t *testing.T) {
	g := sample()
	for name, value := range map[string]any{
		"grant": g, "pointer to grant": &g, "record": grant.Record{Grant: g}, "pointer to record": &grant.Record{Grant: g},
		"root": g.Root, "former root": g.Former[0], "token": g.Tokens["sa:agent"], "OAuth": g.OAuth, "OAuth by value": *g.OAuth, "keyring": grant.Keyring{},
	} {
		marshaler, ok := value.(interface{ MarshalLog() any })
		if !ok {
			t.Errorf("%s does not say what to log of it", name)
			continue
		}
		mustNotShow(t, fmt.Sprintf("%#v", marshaler.MarshalLog()), secrets)
	}
}

// mustNotShow fails if a secret is seen in text, as it is, in hexadecimal digits, or as a list of bytes.
func mustNotShow(t *testing.T, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprint([]byte(secret)), fmt.Sprintf("%#v", []byte(secret))} {
			if strings.Contains(text, form) {
				t.Errorf("%q is seen in:\n%s", secret, text)
			}
		}
	}
}
