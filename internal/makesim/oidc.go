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

	private jose.JSONWebKey
	public  jose.JSONWebKeySet
}

func newSigner() (*signer, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate signing key: %w", err)
	}
	return signerOf(jose.JSONWebKey{Key: key, KeyID: "makesim-1", Algorithm: string(jose.RS256), Use: "sig"})
}

func signerOf(private jose.JSONWebKey) (*signer, error) {
	with, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("make signer: %w", err)
	}
	return &signer{Signer: with, private: private, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}}}, nil
}

// signer needs the state's lock.
func (s *Server) signer() (*signer, error) {
	if s.state.signer == nil {
		made, err := newSigner()
		if err != nil {
			return nil, err
		}
		s.state.signer = made
		s.touch()
	}
	return s.state.signer, nil
}

func (s *Server) jwks(*call) (any, error) {
	signer, err := s.signer()
	if err != nil {
		return nil, err
	}
	return signer.public, nil
}

// idToken says who consented. The nonce is repeated with the first one only.
// Source: Make documents sub and RS256, the rest is OpenID Connect Core §2 and §12.2.
func (s *Server) idToken(c *call, k Knobs, g *grant, nonce string) (string, error) {
	signer, err := s.signer()
	if err != nil {
		return "", err
	}
	life := time.Duration(k.AccessTokenSeconds) * time.Second
	builder := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: s.issuer(c), Subject: subject(g.user), Audience: jwt.Audience{g.client.ID},
		IssuedAt: jwt.NewNumericDate(c.now), Expiry: jwt.NewNumericDate(c.now.Add(life)),
	}).Claims(identity(g.user, k))
	if nonce != "" {
		builder = builder.Claims(object{"nonce": nonce})
	}
	return builder.Serialize()
}

// userinfo authenticates by itself, because it refuses in the form of RFC 6750 §3.
func (s *Server) userinfo(c *call) (any, error) {
	if err := s.authenticate(c); err != nil {
		return nil, bearerError(http.StatusUnauthorized, "invalid_token")
	}
	if !slices.Contains(c.token.scopes, "openid") {
		return nil, bearerError(http.StatusForbidden, "insufficient_scope")
	}
	return identity(c.user, s.knobsOf(c.token)), nil
}

func bearerError(status int, code string) error {
	r := jsonReply(status, object{"error": code})
	r.header["WWW-Authenticate"] = fmt.Sprintf("Bearer error=%q", code)
	return &replyError{r}
}

// identity is who a user is; how much of it is told is a knob.
func identity(u *User, k Knobs) object {
	claims := object{"sub": subject(u)}
	if k.IdentityClaims {
		claims["name"], claims["email"] = u.Name, u.Email
	}
	return claims
}

func subject(u *User) string { return strconv.FormatInt(u.ID, 10) }
