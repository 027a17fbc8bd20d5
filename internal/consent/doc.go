// Package consent lets a person give a MakeConnection its OAuth grant from a browser: a start page that says what will be granted,
// Make's own consent page, and a page with the outcome.
//
// A start makes a session: state and PKCE verifier, sealed in a Secret of the operator's namespace, bound to the connection's UID and
// generation, good for one use within ten minutes, so that any replica can answer the callback. The account that consented must
// be a member of the connection's organization; otherwise its grant is revoked. No page and no URL ever holds a token.
package consent
