// Package consent lets a person authorize a connection in a browser: a start page that says what will be granted, the way to Make
// and back, the exchange of the code, and a result page that says what happened and what to do.
//
// A consent under way is a session. It lives in a sealed Secret of the operator's namespace, so that any replica can answer and a
// restart loses nothing; it is bound to the connection's UID and generation and, by a cookie, to the browser that began it; it is used
// once, and ends after ten minutes. What Make answers is stored before anything is made of it. A replica that dies in between leaves a
// session that another one finishes, or revokes.
//
// Nobody signs in here: who may reach the pages may begin a consent, but only one that the connection's status asks for, only for the
// scopes that policy allowed, and only with an account of the connection's organization.
//
// The package knows no controller: it writes the grant, and the grant's Secret wakes whoever watches it.
package consent
