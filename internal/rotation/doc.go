// Package rotation replaces credentials without losing one: the refresh token of an OAuth grant, and minted API tokens.
//
// A refresh token is worth one use. Whoever presents it first announces that by a compare-and-swap on the stored grant (the
// intent), so that of any number of processes only one presents it. The request is sent once, nothing retries it. Its answer is
// stored before anything else is done with it, and only then does the caller publish the new access token. What a crash leaves
// behind is an open intent: the successor may act on it only when its holder cannot act any more, because its process is gone or
// because the announced budget has passed on the successor's own clock since it first saw the intent.
//
// Minted API tokens are made before the old ones are broken: created, stored, published by the caller, and the old ones deleted
// after an overlap. A token whose creation was answered but never stored is found by its label and deleted.
//
// The package knows no controller, and of Kubernetes only what internal/grant shows of it.
package rotation
