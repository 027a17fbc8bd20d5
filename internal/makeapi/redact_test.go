package makeapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/makeops/make-operator/internal/makeapi"
)

// holder is a struct of somebody else, with a credential where fmt cannot call methods.
type holder struct{ cred makeapi.Credential }

// No way to print what holds a secret prints the secret.
func TestSecretsDoNotPrint(t *testing.T) {
	tokens, err := makeapi.ParseTokenResponse([]byte(`{"access_token":"access-value","refresh_token":"refresh-value"}`), now)
	if err != nil {
		t.Fatal(err)
	}
	client, zone := serve(t, http.NotFound)
	minted := makeapi.MintedToken{Value: apiToken, Label: "l"}
	app := confidential()
	values := map[string]any{
		"api token":         makeapi.APIToken(apiToken),
		"access token":      makeapi.AccessToken(accessToken),
		"no credential":     makeapi.Credential{},
		"minted token":      minted,
		"minted pointer":    &minted,
		"oauth client":      app,
		"oauth pointer":     &app,
		"token response":    tokens,
		"token pointer":     &tokens,
		"in a list":         []any{minted, app, tokens, makeapi.APIToken(apiToken)},
		"in a map":          map[string]makeapi.MintedToken{"a": minted},
		"in a struct":       struct{ T makeapi.TokenResponse }{tokens},
		"hidden credential": holder{makeapi.APIToken(apiToken)},
		"zone":              client.Zone(zone, makeapi.APIToken(apiToken)),
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				wantNoSecret(t, verb, fmt.Sprintf(verb, value))
			}
			wantNoSecret(t, "error", fmt.Errorf("wrapped %v", value).Error())
			if s, ok := value.(fmt.Stringer); ok {
				wantNoSecret(t, "String", s.String())
			}
			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", value)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", value)
			wantNoSecret(t, "log", log.String())
			encoded, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			wantNoSecret(t, "JSON", string(encoded))
		})
	}
}

// No error says what was sent or what came back.
func TestErrorsDoNotQuote(t *testing.T) {
	echo := fmt.Sprintf(`{"code":%q,"error":%q,"message":%q,"detail":%q,"access_token":7}`, apiToken, refreshToken, accessToken, clientSecret)
	for _, status := range []int{200, 302, 400, 401, 403, 404, 429, 500} {
		client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.example/?"+apiToken)
			answerJSON(w, status, echo)
		})
		wantQuietErrors(t, client, zone)
	}
	// What net/http says of an answer that is not HTTP quotes it.
	client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = out.WriteString(strings.Join([]string{apiToken, accessToken, refreshToken, clientSecret}, " ") + "\r\n\r\n")
		_ = out.Flush()
		_ = conn.Close()
	})
	wantQuietErrors(t, client, zone)
}

func wantQuietErrors(t *testing.T, client *makeapi.Client, zone string) {
	t.Helper()
	api, oauth := client.Zone(zone, makeapi.APIToken(apiToken)), client.OAuth(zone, confidential())
	_, create := api.CreateToken(t.Context(), "label", []string{"scenarios:read"})
	_, exchange := oauth.Exchange(t.Context(), apiToken, accessToken)
	_, refresh := oauth.Refresh(t.Context(), refreshToken)
	for _, err := range []error{create, exchange, refresh, oauth.Revoke(t.Context(), refreshToken), api.DeleteToken(t.Context(), apiToken)} {
		if err == nil {
			continue // 200 is an error only where a body is read
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
			text := fmt.Sprintf(verb, err)
			wantNoSecret(t, verb, text)
			if strings.Contains(text, zone) {
				t.Errorf("error names the URL: %s", text)
			}
		}
	}
}

func wantNoSecret(t *testing.T, how, text string) {
	t.Helper()
	for _, secret := range []string{apiToken, accessToken, refreshToken, clientSecret} {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || strings.Contains(text, fmt.Sprintf("%X", secret)) {
			t.Errorf("%s prints a secret", how)
		}
	}
}
