package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
)

const (
	// reviewAge is for how long a token stays good after a review: so much later does a deleted ServiceAccount lose its access.
	reviewAge = 10 * time.Second
	// maxReviews bounds what is remembered.
	maxReviews = 1024
	// maxReviewBytes bounds the API server's answer.
	maxReviewBytes = 64 << 10
)

// TokenReview is a Reviewer that asks a Kubernetes API server, which also knows of deleted ServiceAccounts and pods. Its own token
// needs the permission to create tokenreviews.
type TokenReview struct {
	url, tokenFile string
	client         *http.Client
	clock          clock.PassiveClock
	flight         singleflight.Group

	mu       sync.Mutex
	accepted map[[sha256.Size]byte]review
}

type review struct {
	username string
	until    time.Time
}

// NewTokenReview returns a TokenReview. Server is the API server's address without a slash at the end; tokenFile holds the token that
// this process shows there and is read each time, since the kubelet replaces it.
func NewTokenReview(server, tokenFile string, transport http.RoundTripper, clk clock.PassiveClock) *TokenReview {
	return &TokenReview{
		// Source: Kubernetes API reference, TokenReview v1.
		url: server + "/apis/authentication.k8s.io/v1/tokenreviews", tokenFile: tokenFile,
		client: keyClient(transport), clock: clk, accepted: map[[sha256.Size]byte]review{},
	}
}

// tokenReview is the part of TokenReview v1 that counts here.
type tokenReview struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Spec       struct {
		Token     string   `json:"token"`
		Audiences []string `json:"audiences"`
	} `json:"spec"`
	Status struct {
		Authenticated bool `json:"authenticated"`
		User          struct {
			Username string `json:"username"`
		} `json:"user"`
		Audiences []string `json:"audiences"`
	} `json:"status,omitzero"`
}

// Review implements Reviewer. What the API server accepted is remembered for ten seconds, what it refused is not.
func (r *TokenReview) Review(ctx context.Context, token string, audiences []string) (string, error) {
	key := sha256.Sum256([]byte(token + "\x00" + strings.Join(audiences, "\x00")))
	if username, ok := r.remembered(key); ok {
		return username, nil
	}
	result := r.flight.DoChan(string(key[:]), func() (any, error) {
		reviewCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		username, err := r.ask(reviewCtx, token, audiences)
		if err == nil {
			r.remember(key, username)
		}
		return username, err
	})
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case answer := <-result:
		username, _ := answer.Val.(string)
		return username, answer.Err
	}
}

func (r *TokenReview) remembered(key [sha256.Size]byte) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.accepted[key]
	return known.username, ok && r.clock.Now().Before(known.until)
}

func (r *TokenReview) remember(key [sha256.Size]byte, username string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.accepted) >= maxReviews {
		clear(r.accepted)
	}
	r.accepted[key] = review{username: username, until: r.clock.Now().Add(reviewAge)}
}

func (r *TokenReview) ask(ctx context.Context, token string, audiences []string) (string, error) {
	question := tokenReview{APIVersion: "authentication.k8s.io/v1", Kind: "TokenReview"}
	question.Spec.Token, question.Spec.Audiences = token, audiences
	body, err := json.Marshal(question)
	if err != nil {
		return "", fmt.Errorf("encode token review: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("ask for a token review: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := authorize(req, r.tokenFile); err != nil {
		return "", errors.Join(ErrUnavailable, err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: ask for a token review: %w", ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w: ask for a token review: status %d", ErrUnavailable, resp.StatusCode)
	}
	var answer tokenReview
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReviewBytes)).Decode(&answer); err != nil {
		return "", fmt.Errorf("%w: the answer to a token review cannot be read", ErrUnavailable)
	}
	status := answer.Status
	// An authenticator that does not know audiences leaves them out; then nobody has said that the token is for this server.
	forUs := slices.ContainsFunc(status.Audiences, func(a string) bool { return slices.Contains(audiences, a) })
	if !status.Authenticated || !forUs || status.User.Username == "" {
		return "", &InvalidTokenError{Reason: ReasonReview}
	}
	return status.User.Username, nil
}

// authorize adds the token in a file to a request; no file, no token.
func authorize(req *http.Request, tokenFile string) error {
	if tokenFile == "" {
		return nil
	}
	raw, err := os.ReadFile(tokenFile)
	if err != nil {
		return fmt.Errorf("read the token for the API server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(raw)))
	return nil
}
