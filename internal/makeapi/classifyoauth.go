package makeapi

import (
	"encoding/json"
	"net/http"
)

// oauthKinds are the error codes of the token and revocation endpoints.
// Sources: RFC 6749 §5.2 and §4.1.2.1, RFC 7009 §2.2.1, RFC 8628 §3.5.
var oauthKinds = map[string]Kind{
	"invalid_grant":           InvalidGrant,
	"invalid_client":          InvalidClient,
	"unauthorized_client":     InvalidClient,
	"invalid_request":         Invalid,
	"invalid_scope":           Invalid,
	"unsupported_grant_type":  Invalid,
	"unsupported_token_type":  Invalid,
	"access_denied":           InvalidGrant,
	"slow_down":               RateLimited,
	"server_error":            UnknownOutcome,
	"temporarily_unavailable": UnknownOutcome,
}

// parseOAuthError finds the error code in an OAuth error answer; "" when there is
// none that is known.
func parseOAuthError(body []byte) string {
	var members map[string]json.RawMessage
	var code string
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["error"], &code) != nil {
		return ""
	}
	if _, known := oauthKinds[code]; !known {
		return ""
	}
	return code
}

// classifyOAuth says what an error answer of the authorization server means. once
// marks a request that must not be repeated: there a 5xx, or a code that says as
// much, leaves it open whether the token was replaced.
func classifyOAuth(status int, code string, once bool) Kind {
	unsure := Transient
	if once {
		unsure = UnknownOutcome
	}
	kind, known := oauthKinds[code]
	switch {
	case status >= 500, status == http.StatusRequestTimeout, kind == UnknownOutcome:
		return unsure
	case known:
		return kind
	case status == http.StatusUnauthorized:
		return InvalidClient // RFC 6749 §5.2 has 401 for nothing else
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status == http.StatusForbidden, status == http.StatusMisdirectedRequest, status == http.StatusTooEarly:
		return Transient // no OAuth error: refused by something in front of the server
	default:
		return Invalid
	}
}
