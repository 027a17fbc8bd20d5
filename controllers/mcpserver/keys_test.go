package mcpserver_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest/fake"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/controllers/mcpserver"
)

// apiServer answers as the two pages that tell of ServiceAccount tokens do.
type apiServer struct {
	issuer, jwks string
	down         bool
	requests     int
}

func (a *apiServer) keys(clock *clocktesting.FakePassiveClock) *mcpserver.ClusterKeys {
	client := fake.CreateHTTPClient(func(r *http.Request) (*http.Response, error) {
		a.requests++
		if a.down {
			return nil, errors.New("down")
		}
		body := map[string]string{"/.well-known/openid-configuration": a.issuer, "/openid/v1/jwks": a.jwks}[r.URL.Path]
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewBufferString(body))}, nil
	})
	return &mcpserver.ClusterKeys{
		REST: &fake.RESTClient{Client: client, NegotiatedSerializer: clientgoscheme.Codecs.WithoutConversion()}, Clock: clock,
	}
}

func TestClusterKeysAreReadEveryTenMinutes(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	server := &apiServer{issuer: `{"issuer":"https://cluster"}`, jwks: `{"keys":[{"kid":"b","kty":"RSA"},{"kty":"RSA","kid":"a"}]}`}
	keys := server.keys(clock)
	for _, step := range []struct {
		after    time.Duration
		change   func()
		jwks     string
		requests int
	}{
		{0, func() {}, `{"keys":[{"kid":"a","kty":"RSA"},{"kid":"b","kty":"RSA"}]}`, 2},
		{9 * time.Minute, func() { server.jwks = `{"keys":[{"kid":"c"}]}` }, `{"keys":[{"kid":"a","kty":"RSA"},{"kid":"b","kty":"RSA"}]}`, 2},
		{time.Minute, func() {}, `{"keys":[{"kid":"c"}]}`, 4},
		{time.Hour, func() { server.down = true }, `{"keys":[{"kid":"c"}]}`, 5}, // what was read before stays
		{0, func() { server.down, server.jwks = false, `{"keys":[]}` }, `{"keys":[{"kid":"c"}]}`, 7},
	} {
		clock.SetTime(clock.Now().Add(step.after))
		step.change()
		issuer, jwks, err := keys.Keys(t.Context())
		if err != nil || issuer != "https://cluster" || string(jwks) != step.jwks || server.requests != step.requests {
			t.Errorf("issuer %s, keys %s, %d requests, error %v", issuer, jwks, server.requests, err)
		}
	}
}

func TestClusterKeysThatCannotBeRead(t *testing.T) {
	for name, server := range map[string]*apiServer{
		"down":      {down: true},
		"no issuer": {issuer: `{}`, jwks: `{"keys":[{"kid":"a"}]}`},
		"no JSON":   {issuer: `{"issuer":"https://cluster"}`, jwks: `<html>`},
		"no keys":   {issuer: `{"issuer":"https://cluster"}`, jwks: `{"keys":[]}`},
	} {
		if _, _, err := server.keys(clocktesting.NewFakePassiveClock(time.Now())).Keys(t.Context()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
