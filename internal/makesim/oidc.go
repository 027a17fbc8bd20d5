package makesim

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signer signs id_tokens. It is made on first use, because an RSA key takes a moment.
type signer struct {
	jose.Signer

	public jose.JSONWebKeySet
}

func newSigner() (*signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "makesim-1", Algorithm: string(jose.RS256), Use: "sig"}
	with, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("make signer: %w", err)
	}
	return &signer{Signer: with, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}}, nil
}

func (s *Server) jwks(*call) (any, error) {
	signer, err := s.signer()
	if err != nil {
		return nil, err
	}
	return signer.public, nil
}

// idToken says who consented. Source: Make documents sub and RS256, the rest is OpenID Connect Core §2.
func (s *Server) idToken(c *call, code *token) (string, error) {
	signer, err := s.signer()
	if err != nil {
		return "", err
	}
	life := time.Duration(s.state.knobs.AccessTokenSeconds) * time.Second
	claims := jwt.Claims{
		Issuer: s.issuer(c), Subject: subject(code.user), Audience: jwt.Audience{code.grant.client.ID},
		IssuedAt: jwt.NewNumericDate(c.now), Expiry: jwt.NewNumericDate(c.now.Add(life)),
	}
	builder := jwt.Signed(signer).Claims(claims)
	if code.request.nonce != "" {
		builder = builder.Claims(map[string]any{"nonce": code.request.nonce})
	}
	return builder.Serialize()
}

func (s *Server) userinfo(c *call) (any, error) {
	if !slices.Contains(c.token.scopes, "openid") {
		return nil, &replyError{jsonReply(http.StatusForbidden, object{"error": "insufficient_scope"})}
	}
	return object{"sub": subject(c.user)}, nil
}

func subject(u *User) string { return strconv.FormatInt(u.ID, 10) }
