// Package makeapi speaks to Make: the REST API of a zone and the OAuth
// authorization server in front of it.
//
// It owns three things that nobody else may decide again: which hosts may be
// spoken to (and which addresses these may resolve to), how a credential
// becomes a header, and what an answer means (Kind). It knows nothing of
// Kubernetes, keeps no state between calls but idle connections, and does not
// retry. (Below it, net/http takes a new connection when a kept one turns out to
// be closed, for a GET or when no byte was written; token calls keep none.)
//
// No error, log value or JSON that this package produces carries a token, a
// client secret, a URL or a body. The values a caller must handle
// (Credential, MintedToken, OAuthClient, TokenResponse) print as "[redacted]".
//
// Sources of outside facts: the OpenAPI document that Make serves at
// /api/v2/openapi.json, the pages below https://developers.make.com/api-documentation,
// RFC 6749 (OAuth 2.0), RFC 7009 (revocation), RFC 7636 (PKCE) and RFC 9110 (HTTP).
package makeapi
