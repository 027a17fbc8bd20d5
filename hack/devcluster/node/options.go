package node

import (
	"os"

	"github.com/makeops/make-operator/hack/devcluster/state"
)

// Options say what kind of cluster Up starts.
type Options struct {
	Dir state.Dir
	// Lock is the lock on Dir; the janitor holds it as long as there is something to remove.
	Lock *os.File
	// Port of the API server on the host's loopback; 0 chooses a free one.
	Port int
	// AuditLog is the file for the API server's audit log; empty for none.
	AuditLog string
	// Progress takes lines for the person who waits.
	Progress *os.File
}
