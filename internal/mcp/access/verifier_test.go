package access_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/mcp/access"
)

const (
	issuer   = "https://kubernetes.default.svc"
	audience = "http://tools.sales.svc/mcp"
	subject  = "system:serviceaccount:sales:agent"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// keys is a KeySource over fixed keys.
type keys []jose.JSONWebKey

func (k keys) Keys(_ context.Context, id string) ([]jose.JSONWebKey, error) {
	if k == nil {
		return nil, access.ErrUnavailable
	}
	var out []jose.JSONWebKey
	for _, key := range k {
		if id == "" || key.KeyID == id {
			out = append(out, key)
		}
	}
	return out, nil
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(key any, id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: id, Use: "sig"}
}

// sign makes a compact JWS over payload, whatever it is.
func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, id, payload string, typ any) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	if typ != nil {
		opts.WithHeader(jose.HeaderType, typ)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// payload is a good set of claims with some replaced; nil removes one.
func payload(t *testing.T, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": issuer, "sub": subject, "aud": []string{audience},
		"exp": now.Add(time.Hour).Unix(), "nbf": now.Unix(), "iat": now.Unix(),
	}
	for name, value := range changes {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func newVerifier(source access.KeySource) *access.Verifier {
	return access.NewVerifier([]access.Issuer{{Name: issuer, Audiences: []string{audience}, Keys: source}}, nil, clocktesting.NewFakePassiveClock(now))
}

func TestVerifyClaims(t *testing.T) {
	key := rsaKey(t)
	verifier := newVerifier(keys{public(key.Public(), "k1")})
	tests := []struct {
		name    string
		payload string
		want    access.Reason // empty: accepted
	}{
		{name: "good", payload: payload(t, nil)},
		{name: "audience as text", payload: payload(t, map[string]any{"aud": audience})},
		{name: "one of several audiences", payload: payload(t, map[string]any{"aud": []string{"x", audience}})},
		{name: "only what is required", payload: payload(t, map[string]any{"nbf": nil, "iat": nil})},
		{name: "fraction of a second", payload: payload(t, map[string]any{"exp": float64(now.Unix()) + 10.5})},
		{name: "expired within the leeway", payload: payload(t, map[string]any{"exp": now.Add(-29 * time.Second).Unix()})},
		{name: "not valid yet within the leeway", payload: payload(t, map[string]any{"nbf": now.Add(30 * time.Second).Unix()})},
		{name: "expired", payload: payload(t, map[string]any{"exp": now.Add(-30 * time.Second).Unix()}), want: access.ReasonTime},
		{name: "not valid yet", payload: payload(t, map[string]any{"nbf": now.Add(31 * time.Second).Unix()}), want: access.ReasonTime},
		{name: "issued in the future", payload: payload(t, map[string]any{"iat": now.Add(31 * time.Second).Unix()}), want: access.ReasonTime},
		{name: "no expiry", payload: payload(t, map[string]any{"exp": nil}), want: access.ReasonClaims},
		{name: "expiry as text", payload: payload(t, map[string]any{"exp": "9999999999"}), want: access.ReasonClaims},
		{name: "expiry null", payload: strings.Replace(payload(t, map[string]any{"exp": 4102444800}), "4102444800", "null", 1), want: access.ReasonClaims},
		{name: "expiry out of range", payload: payload(t, map[string]any{"exp": 1e300}), want: access.ReasonClaims},
		{name: "other issuer", payload: payload(t, map[string]any{"iss": issuer + "/"}), want: access.ReasonIssuer},
		{name: "issuer as list", payload: payload(t, map[string]any{"iss": []string{issuer}}), want: access.ReasonClaims},
		{name: "no issuer", payload: payload(t, map[string]any{"iss": nil}), want: access.ReasonClaims},
		{name: "other audience", payload: payload(t, map[string]any{"aud": audience + "/"}), want: access.ReasonAudience},
		{name: "no audience", payload: payload(t, map[string]any{"aud": nil}), want: access.ReasonClaims},
		{name: "empty audience", payload: payload(t, map[string]any{"aud": ""}), want: access.ReasonClaims},
		{name: "empty list of audiences", payload: payload(t, map[string]any{"aud": []string{}}), want: access.ReasonClaims},
		{name: "list with an empty audience", payload: payload(t, map[string]any{"aud": []string{audience, ""}}), want: access.ReasonClaims},
		{name: "list with a number", payload: payload(t, map[string]any{"aud": []any{audience, 1}}), want: access.ReasonClaims},
		{name: "list with null", payload: payload(t, map[string]any{"aud": []any{audience, nil}}), want: access.ReasonClaims},
		{name: "no subject", payload: payload(t, map[string]any{"sub": nil}), want: access.ReasonClaims},
		{name: "empty subject", payload: payload(t, map[string]any{"sub": ""}), want: access.ReasonClaims},
		{name: "subject as list", payload: payload(t, map[string]any{"sub": []string{subject}}), want: access.ReasonClaims},
		{name: "audience under another case only", payload: payload(t, map[string]any{"aud": nil, "Aud": audience}), want: access.ReasonClaims},
		{name: "expiry under another case too", payload: payload(t, map[string]any{"Exp": 4102444800}), want: access.ReasonClaims},
		{name: "expiry twice", payload: strings.TrimSuffix(payload(t, nil), "}") + `,"exp":4102444800}`, want: access.ReasonClaims},
		{name: "subject twice", payload: strings.TrimSuffix(payload(t, nil), "}") + `,"sub":"admin"}`, want: access.ReasonClaims},
		{name: "not an object", payload: `["` + issuer + `"]`, want: access.ReasonClaims},
		{name: "no payload", payload: ``, want: access.ReasonClaims},
		{name: "bound to a key", payload: payload(t, map[string]any{"cnf": map[string]string{"jkt": "x"}}), want: access.ReasonBound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := verifier.Verify(t.Context(), sign(t, jose.RS256, key, "k1", tt.payload, nil))
			checkReason(t, err, tt.want)
			if diff := cmp.Diff(access.Principal{Issuer: issuer, Subject: subject}, got, cmpopts.IgnoreUnexported(access.Principal{})); tt.want == "" && diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
			if tt.want != "" && !reflect.DeepEqual(got, access.Principal{}) {
				t.Errorf("a refused token has principal %v", got)
			}
		})
	}
}

func checkReason(t *testing.T, err error, want access.Reason) {
	t.Helper()
	invalid, _ := errors.AsType[*access.InvalidTokenError](err)
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && (invalid == nil || invalid.Reason != want):
		t.Errorf("error %v, want reason %s", err, want)
	}
}

func TestVerifySignature(t *testing.T) {
	key, other := rsaKey(t), rsaKey(t)
	ec, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edPublic, ed, _ := ed25519.GenerateKey(rand.Reader)
	encryption := public(other.Public(), "enc-as-sig")
	encryption.Algorithm = "PS256"
	verifier := newVerifier(keys{public(key.Public(), "rsa"), public(ec.Public(), "ec"), public(edPublic, "ed"), encryption})
	good := payload(t, nil)
	segment := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	valid := sign(t, jose.RS256, key, "rsa", good, nil)
	parts := strings.Split(valid, ".")

	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	confused := segment(`{"alg":"HS256","kid":"rsa"}`) + "." + segment(good)
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(confused))

	tests := []struct {
		name, token string
		want        access.Reason
	}{
		{name: "RS256", token: valid},
		{name: "PS256", token: sign(t, jose.PS256, key, "rsa", good, nil)},
		{name: "ES256", token: sign(t, jose.ES256, ec, "ec", good, nil)},
		{name: "EdDSA", token: sign(t, jose.EdDSA, ed, "ed", good, nil)},
		{name: "no key id", token: sign(t, jose.ES256, ec, "", good, nil)},
		{name: "type JWT", token: sign(t, jose.RS256, key, "rsa", good, "JWT")},
		{name: "type at+jwt", token: sign(t, jose.RS256, key, "rsa", good, "application/at+jwt")},
		{name: "another type", token: sign(t, jose.RS256, key, "rsa", good, "logout+jwt"), want: access.ReasonMalformed},
		{name: "type is no text", token: sign(t, jose.RS256, key, "rsa", good, 1), want: access.ReasonMalformed},
		{name: "algorithm not in the list", token: sign(t, jose.RS512, key, "rsa", good, nil), want: access.ReasonMalformed},
		{name: "alg none", token: segment(`{"alg":"none"}`) + "." + segment(good) + ".", want: access.ReasonMalformed},
		{name: "alg None", token: segment(`{"alg":"None","kid":"rsa"}`) + "." + segment(good) + ".", want: access.ReasonMalformed},
		{name: "HMAC with the public key", token: confused + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), want: access.ReasonMalformed},
		{name: "duplicate header", token: segment(`{"alg":"RS256","alg":"RS256","kid":"rsa"}`) + "." + parts[1] + "." + parts[2], want: access.ReasonMalformed},
		{name: "critical extension", token: segment(`{"alg":"RS256","kid":"rsa","crit":["x"],"x":1}`) + "." + parts[1] + "." + parts[2], want: access.ReasonSignature},
		{name: "stranger's key", token: sign(t, jose.RS256, other, "rsa", good, nil), want: access.ReasonSignature},
		{name: "unknown key id", token: sign(t, jose.RS256, key, "nobody", good, nil), want: access.ReasonSignature},
		{name: "key for another algorithm", token: sign(t, jose.RS256, other, "enc-as-sig", good, nil), want: access.ReasonSignature},
		{name: "payload exchanged", token: parts[0] + "." + segment(payload(t, map[string]any{"sub": "admin"})) + "." + parts[2], want: access.ReasonSignature},
		{name: "signature cut off", token: parts[0] + "." + parts[1] + ".", want: access.ReasonSignature},
		{name: "JSON serialization", token: fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]), want: access.ReasonMalformed},
		{name: "not a token", token: "token", want: access.ReasonMalformed},
		{name: "too long", token: valid + strings.Repeat("A", 16<<10), want: access.ReasonMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := verifier.Verify(t.Context(), tt.token)
			checkReason(t, err, tt.want)
		})
	}
}

func TestVerifyWithoutKeys(t *testing.T) {
	token := sign(t, jose.RS256, rsaKey(t), "k1", payload(t, nil), nil)
	if _, err := newVerifier(keys(nil)).Verify(t.Context(), token); !errors.Is(err, access.ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
}

func TestGrantsFor(t *testing.T) {
	rules := []access.Rule{
		{Issuer: issuer, Subjects: []string{subject}, Scopes: []string{"scenarios:read", "scenarios:write"}},
		{Issuer: issuer, Subjects: []string{"x", subject}, Scopes: []string{"scenarios:run"}, Tools: []string{"scenario_1"}},
		{Issuer: "https://other", Subjects: []string{subject}, Scopes: []string{"teams:read"}},
	}
	ceiling := []string{"scenarios:read", "scenarios:run", "teams:read"}
	got := access.GrantsFor(access.Principal{Issuer: issuer, Subject: subject}, rules, ceiling)
	want := access.Grants{{Scopes: []string{"scenarios:read"}}, {Scopes: []string{"scenarios:run"}, Tools: []string{"scenario_1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"scenarios:read", "scenarios:run"}, got.Scopes()); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	for _, stranger := range []access.Principal{{}, {Issuer: issuer, Subject: subject + "2"}, {Issuer: "https://third", Subject: subject}} {
		if got := access.GrantsFor(stranger, rules, ceiling); got != nil {
			t.Errorf("%v got %v", stranger, got)
		}
	}
}
