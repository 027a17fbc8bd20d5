package makeapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxTokenLength bounds a token, in bytes: it must fit into a header.
	maxTokenLength = 16 << 10
	// maxLifetime bounds expires_in; more than a year is a mistake or an overflow.
	maxLifetime = 366 * 24 * time.Hour
)

// TokenResponse is what the token endpoint gave. It prints as "[redacted]".
type TokenResponse struct {
	// Raw is the body as received, the one thing to store: ParseTokenResponse reads it again.
	Raw []byte
	// AccessToken is never empty in a response that parsed.
	AccessToken string
	// RefreshToken replaces the one that was presented; "" means that Make gave none.
	RefreshToken string
	// TokenType is "Bearer".
	TokenType string
	// Scopes are those granted where Make names them; nil means as asked (RFC 6749 §5.1).
	Scopes []string
	// ExpiresIn is the life of AccessToken from Received on; zero means that Make named none.
	ExpiresIn time.Duration
	// Received is when the answer came, by Config.Clock.
	Received time.Time
}

// ParseTokenResponse reads the body of a successful token call again. A body that
// is not understood is Invalid, with Raw and Received set beside the error, and with
// RefreshToken where that much was understood; a body that is an OAuth error gets
// that error's kind, without Raw.
func ParseTokenResponse(raw []byte, received time.Time) (TokenResponse, error) {
	tokens, failed := parseTokenResponse(raw, received)
	if failed != nil {
		failed.Op = "parse token response"
		return tokens, failed
	}
	return tokens, nil
}

func parseTokenResponse(raw []byte, received time.Time) (TokenResponse, *Error) {
	if code := parseOAuthError(raw); code != "" {
		return TokenResponse{Received: received}, &Error{Kind: classifyOAuth(http.StatusBadRequest, code, true), Code: code}
	}
	unread := TokenResponse{Raw: raw, Received: received}
	// A map, because decoding into a struct would accept "ACCESS_TOKEN" as well.
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return unread, &Error{Kind: Invalid, Reason: "not a JSON object"}
	}
	t := unread
	t.TokenType = "Bearer"
	// Make has replaced the token that was presented, so its successor counts even where the rest is of no use.
	if next := ""; json.Unmarshal(members["refresh_token"], &next) == nil && isToken(next) {
		unread.RefreshToken = next
	}
	for name, field := range map[string]*string{
		"access_token": &t.AccessToken, "refresh_token": &t.RefreshToken, "token_type": &t.TokenType,
	} {
		if value := members[name]; value != nil && json.Unmarshal(value, field) != nil {
			return unread, &Error{Kind: Invalid, Reason: name + " is not a string"}
		}
	}
	expiresIn, ok := parseSeconds(members["expires_in"])
	switch {
	case !ok:
		return unread, &Error{Kind: Invalid, Reason: "expires_in is not a number of seconds"}
	case !isToken(t.AccessToken):
		return unread, &Error{Kind: Invalid, Reason: "access_token missing or not a token"}
	case t.RefreshToken != "" && !isToken(t.RefreshToken):
		return unread, &Error{Kind: Invalid, Reason: "refresh_token is not a token"}
	case !strings.EqualFold(t.TokenType, "Bearer"): // RFC 6749 §7.1: not to be used
		return unread, &Error{Kind: Invalid, Reason: "token_type is not Bearer"}
	}
	t.TokenType, t.ExpiresIn, t.Scopes = "Bearer", expiresIn, parseScope(members["scope"])
	return t, nil
}

// isToken says whether s can be sent in a header: visible ASCII, of bounded length.
func isToken(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxTokenLength
}

// parseSeconds reads a JSON number, or a number in a string as some servers write
// it; absent and null are zero.
func parseSeconds(raw json.RawMessage) (time.Duration, bool) {
	text := strings.Trim(string(raw), `"`)
	if text == "" || text == "null" {
		return 0, true
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0) {
		return 0, false
	}
	return time.Duration(min(seconds, maxLifetime.Seconds()) * float64(time.Second)), true
}

// parseScope reads a list separated by spaces (RFC 6749 §3.3) or, as Make's
// authorize call also takes it, by commas; nil where there is none.
func parseScope(raw json.RawMessage) []string {
	var text string
	if raw == nil || json.Unmarshal(raw, &text) != nil {
		return nil
	}
	scopes := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	if len(scopes) == 0 {
		return nil
	}
	return scopes
}
