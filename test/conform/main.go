package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/storage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "conform: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	addressFile, clientID, clientSecret, redirectURL, scopes string
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.addressFile, "address-file", "", "`file` that gets host and port, once it listens")
	flag.StringVar(&o.clientID, "client-id", "", "the one client")
	flag.StringVar(&o.clientSecret, "client-secret", "", "its secret, which opens nothing but this server")
	flag.StringVar(&o.redirectURL, "redirect-url", "", "its redirect URI; of a loopback host any port will do")
	flag.StringVar(&o.scopes, "scopes", "", "the scopes that it may ask for, separated by commas")
	flag.Parse()
	s, err := newServer(ctx, o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.addressFile, []byte(listener.Addr().String()), 0o600); err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close() // nobody is served any more
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// server answers at the paths of Make's authorization server.
type server struct {
	provider fosite.OAuth2Provider
}

func newServer(ctx context.Context, o options) (*server, error) {
	config := &fosite.Config{
		GlobalSecret:         []byte(rand.Text() + rand.Text())[:32],
		AccessTokenLifespan:  5 * time.Minute,
		RefreshTokenLifespan: 24 * time.Hour,
		RefreshTokenScopes:   []string{}, // every client gets one
		EnforcePKCE:          true,
		ScopeStrategy:        fosite.ExactScopeStrategy,
	}
	hash, err := (&fosite.BCrypt{Config: config}).Hash(ctx, []byte(o.clientSecret))
	if err != nil {
		return nil, fmt.Errorf("hash the client's secret: %w", err)
	}
	store := storage.NewMemoryStore()
	store.Clients[o.clientID] = &fosite.DefaultClient{
		ID: o.clientID, Secret: hash, RedirectURIs: []string{o.redirectURL}, ResponseTypes: []string{"code"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, Scopes: strings.Split(o.scopes, ","),
	}
	strategy := compose.NewOAuth2HMACStrategy(config)
	return &server{provider: compose.Compose(config, store, strategy,
		compose.OAuth2AuthorizeExplicitFactory, compose.OAuth2RefreshTokenGrantFactory, compose.OAuth2PKCEFactory,
		compose.OAuth2TokenRevocationFactory, compose.OAuth2TokenIntrospectionFactory)}, nil
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/v2/authorize", s.authorize)
	mux.HandleFunc("POST /oauth/v2/token", s.token)
	mux.HandleFunc("POST /oauth/v2/revoke", s.revoke)
	mux.HandleFunc("POST /introspect", s.introspect)
	return mux
}

// authorize grants all that is asked for, as a person does who clicks.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, err := s.provider.NewAuthorizeRequest(ctx, r)
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	for _, scope := range request.GetRequestedScopes() {
		request.GrantScope(scope)
	}
	response, err := s.provider.NewAuthorizeResponse(ctx, request, &fosite.DefaultSession{Subject: "somebody"})
	if err != nil {
		s.provider.WriteAuthorizeError(ctx, w, request, err)
		return
	}
	s.provider.WriteAuthorizeResponse(ctx, w, request, response)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, err := s.provider.NewAccessRequest(ctx, r, &fosite.DefaultSession{})
	if err != nil {
		s.provider.WriteAccessError(ctx, w, request, err)
		return
	}
	response, err := s.provider.NewAccessResponse(ctx, request)
	if err != nil {
		s.provider.WriteAccessError(ctx, w, request, err)
		return
	}
	s.provider.WriteAccessResponse(ctx, w, request, response)
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request) {
	s.provider.WriteRevocationResponse(r.Context(), w, s.provider.NewRevocationRequest(r.Context(), r))
}

// introspect is for the test, not for clients: it says what a token of any kind is worth.
func (s *server) introspect(w http.ResponseWriter, r *http.Request) {
	var answer struct {
		Active bool     `json:"active"`
		Scopes []string `json:"scopes"`
	}
	_, request, err := s.provider.IntrospectToken(r.Context(), r.PostFormValue("token"), fosite.AccessToken, &fosite.DefaultSession{})
	if err == nil {
		answer.Active, answer.Scopes = true, request.GetGrantedScopes()
	}
	_ = json.NewEncoder(w).Encode(answer) // the test may have ended
}
