package rotation

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/makeops/make-operator/internal/grant"
)

// Mark says how far a connection's grant had come at some time. The zero mark is before every grant.
type Mark struct {
	// Generation of the refresh token.
	Generation int64
	// Issued is when the access token of that generation was received.
	Issued time.Time
}

// RolledBack reports whether the stored grant is older than one that this process or the consumers have seen: its Secret was put
// back from a backup, and its refresh token is used up. A consent makes a new grant and ends that.
func (r *Refresher) RolledBack(id grant.Identity, stored *grant.OAuth, ask Ask) bool {
	if ask.AcceptRollback != 0 && ask.AcceptRollback == stored.Generation {
		return false
	}
	if r.decide().ahead(ask.Published, stored) || r.decide().ahead(r.marks.of(id), stored) {
		return true
	}
	r.marks.note(id, stored)
	return false
}

// Forget drops what is remembered of a connection that was deleted.
func (r *Refresher) Forget(id grant.Identity) { r.marks.forget(id) }

// ahead needs both, the generation and the time: a consent after a grant's deletion counts from one again, and clocks may jump.
func ahead(m Mark, stored *grant.OAuth) bool {
	return m.Generation > stored.Generation && !stored.Issued.After(m.Issued)
}

// marks remembers how far each grant had come. The zero value is empty.
type marks struct {
	mu  sync.Mutex
	all map[types.UID]Mark
}

func (m *marks) of(id grant.Identity) Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[id.UID]
}

// note remembers a grant as it is stored; nil is none.
func (m *marks) note(id grant.Identity, stored *grant.OAuth) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if stored == nil {
		delete(m.all, id.UID)
		return
	}
	if m.all == nil {
		m.all = map[types.UID]Mark{}
	}
	m.all[id.UID] = Mark{stored.Generation, stored.Issued}
}

func (m *marks) forget(id grant.Identity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, id.UID)
}
