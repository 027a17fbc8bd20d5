// Command conform is an authorization server that this project did not write: ory/fosite, with its own in-memory store and its own
// idea of what a refresh token that is presented again means. The fault sweep lets it take the place of the simulated one, so that the
// rotation is not tested against our own reading of the RFCs only.
//
// It is a module of its own, because the library brings much with it that the product must not depend on.
package main
