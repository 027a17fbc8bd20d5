// Package vault tests internal/transit against HashiCorp Vault's own transit engine. Vault's server cannot be built from its module: it
// needs a state of its SDK that was never published. So the engine stands behind a thin HTTP server of the test, which checks the token
// and turns requests into the engine's.
package vault
