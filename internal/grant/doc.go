// Package grant keeps what must never be lost or shown: refresh tokens, minted API tokens and the stamps by which they are deleted
// at Make. One Secret per connection in the operator's own namespace holds them, sealed.
//
// Sealing is AES-256-GCM. The additional data binds the ciphertext to its cluster, the connection's namespace, name and UID, and to
// the number of the write, so a ciphertext that is moved to another place, or put beside the number of another write, does not open.
// A whole Secret that is put back as it once was does open: nothing outside of it says that there was a later one.
// Writes are compare-and-swap on the Secret's resourceVersion: of two writers that read the same state one fails with ErrConflict.
//
// The package knows neither Make nor controllers.
package grant
