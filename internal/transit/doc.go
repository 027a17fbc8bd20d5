// Package transit has data keys wrapped by the transit engine of HashiCorp Vault, or of what speaks the same API: the key that wraps
// never leaves it, which may keep it in an HSM. It implements grant.KMS.
//
// Vault is asked once a process to wrap, and once for each data key to unwrap. What it answers is never printed: errors hold the
// status and what to do.
package transit
