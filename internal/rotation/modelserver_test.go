package rotation

import (
	"fmt"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/makeapi"
)

// modelServer is an authorization server of one of the classes A to F that docs/rotation.md explains, with one grant.
type modelServer struct {
	class  byte
	tokens map[string]*modelToken
	issued int
}

type modelToken struct {
	rotatedAt  time.Time // zero while it was not used
	successors []string
	used       bool // its access token was used
	revoked    bool
}

// modelGrace is the window of the classes B and F.
const modelGrace = 30 * time.Second

func newModelServer(class byte) *modelServer {
	s := &modelServer{class: class, tokens: map[string]*modelToken{}}
	s.issue()
	return s
}

func (s *modelServer) issue() string {
	s.issued++
	name := fmt.Sprintf("refresh-%d", s.issued)
	s.tokens[name] = &modelToken{}
	return name
}

// present processes a refresh; answered are the tokens that it gives, "" for invalid_grant.
func (s *modelServer) present(name string, now time.Time) string {
	t := s.tokens[name]
	switch {
	case t.revoked:
		return ""
	case s.class == 'A':
		return name
	case t.rotatedAt.IsZero():
		t.rotatedAt = now
		next := s.issue()
		t.successors = append(t.successors, next)
		return next
	case s.class == 'E':
		for _, each := range s.tokens {
			each.revoked = true
		}
		return ""
	case s.class == 'F' && now.Sub(t.rotatedAt) <= modelGrace:
		return name
	case s.class == 'B' && now.Sub(t.rotatedAt) <= modelGrace && s.newest(t),
		s.class == 'C' && !s.successorUsed(t):
		next := s.issue()
		t.successors = append(t.successors, next)
		return next
	}
	return ""
}

func (s *modelServer) newest(t *modelToken) bool {
	for _, next := range t.successors {
		if !s.tokens[next].rotatedAt.IsZero() {
			return false
		}
	}
	return true
}

func (s *modelServer) successorUsed(t *modelToken) bool {
	for _, next := range t.successors {
		if s.tokens[next].used {
			return true
		}
	}
	return false
}

// usable reports whether a refresh token is good for another refresh.
func (s *modelServer) usable(name string, now time.Time) bool {
	t := s.tokens[name]
	return t != nil && !t.revoked && (s.class == 'A' || t.rotatedAt.IsZero() || s.class == 'F' && now.Sub(t.rotatedAt) <= modelGrace)
}

func (s *modelServer) state(now time.Time) string {
	var b strings.Builder
	for i := range s.issued {
		t := s.tokens[fmt.Sprintf("refresh-%d", i+1)]
		age := "-"
		switch {
		case t.rotatedAt.IsZero():
		case s.class == 'B' || s.class == 'F':
			age = min(now.Sub(t.rotatedAt), modelGrace+1).String()
		default:
			age = "rotated"
		}
		fmt.Fprintf(&b, "%s %v %t %t;", age, t.successors, t.used, t.revoked)
	}
	return b.String()
}

// modelAnswer is an answer as makeapi gives it.
func modelAnswer(token string) (makeapi.TokenResponse, error) {
	if token == "" {
		return makeapi.TokenResponse{}, &makeapi.Error{Kind: makeapi.InvalidGrant}
	}
	return makeapi.TokenResponse{
		Raw: []byte("{}"), AccessToken: "access of " + token, RefreshToken: token, ExpiresIn: 5 * time.Minute,
	}, nil
}
