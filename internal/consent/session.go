package consent

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/makeops/make-operator/api/v1alpha1"
)

const (
	// sessionLife is how long a person has for Make's page. Source: Make's codes live five minutes; twice that for signing in.
	sessionLife = 10 * time.Minute
	// finishBudget is the longest time from taking a session to its outcome in one process. It is shorter than the server's
	// WriteTimeout, so that the browser sees the outcome.
	finishBudget = 50 * time.Second
	// lease is after which time a taken session without an outcome is another process's to finish: its holder has stopped by then.
	lease = 2 * finishBudget
	// maxSessions of one connection are kept; a further one drops the oldest. Several are open where somebody clicks twice.
	maxSessions = 8
)

// session is one consent under way, and then for a while what became of it: open, taken, and at last with an outcome.
type session struct {
	Namespace  string    `json:"namespace"`
	Name       string    `json:"name"`
	UID        types.UID `json:"uid"`
	Generation int64     `json:"generation"`
	// Nonce is what Make sends back; only the browser that began and Make know it.
	Nonce string `json:"nonce"`
	// Binding is the SHA-256 of the cookie that the browser got when it began.
	Binding  []byte    `json:"binding"`
	Verifier string    `json:"verifier"`
	Ends     time.Time `json:"ends"`
	// Taken is since when somebody finishes it; zero while it waits for Make's answer.
	Taken time.Time `json:"taken,omitzero"`
	// Answer is what the token endpoint gave at Received, kept until the grant is stored or revoked.
	Answer   []byte    `json:"answer,omitempty"`
	Received time.Time `json:"received,omitzero"`
	// Outcome is the key of an outcome; empty while there is none.
	Outcome string `json:"outcome,omitempty"`
	// OrganizationID, Account, Missing, ClientRef, Code and Unrevoked are what the page of the outcome shows.
	OrganizationID int64    `json:"organizationID,omitempty"`
	Account        string   `json:"account,omitempty"`
	Missing        []string `json:"missing,omitempty"`
	ClientRef      string   `json:"clientRef,omitempty"`
	Code           string   `json:"code,omitempty"`
	Unrevoked      bool     `json:"unrevoked,omitempty"`
}

// newSession is for a browser that holds cookie.
func newSession(conn *v1alpha1.MakeConnection, cookie string, now time.Time) *session {
	return &session{
		Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID, Generation: conn.Generation,
		OrganizationID: conn.Spec.OrganizationID, ClientRef: conn.Spec.Auth.OAuth.ClientRef.Name,
		Nonce: rand.Text(), Binding: bindingOf(cookie), Verifier: oauth2.GenerateVerifier(), Ends: now.Add(sessionLife),
	}
}

// state is what Make sends back: it names the session, and only its holder knows the nonce.
func (s *session) state() string { return string(s.UID) + "." + s.Nonce }

// id names the session without giving anything away.
func (s *session) id() string {
	sum := sha256.Sum256([]byte(s.Nonce))
	return hex.EncodeToString(sum[:16])
}

// begunWith reports whether the session was begun by the browser that holds cookie.
func (s *session) begunWith(cookie string) bool {
	return cookie != "" && subtle.ConstantTimeCompare(s.Binding, bindingOf(cookie)) == 1
}

// open reports whether the session waits for Make's answer.
func (s *session) open(now time.Time) bool {
	return s.Taken.IsZero() && s.Outcome == "" && now.Before(s.Ends)
}

// view is what the page of an outcome shows.
func (s *session) view() view {
	return view{
		Namespace: s.Namespace, Name: s.Name, OrganizationID: s.OrganizationID, Account: s.Account, Scopes: s.Missing,
		Secret: s.ClientRef, Code: s.Code, Unrevoked: s.Unrevoked,
	}
}

func bindingOf(cookie string) []byte {
	sum := sha256.Sum256([]byte(cookie))
	return sum[:]
}

// splitState reads a state, or says that it is none: anybody can send anything.
func splitState(state string) (uid types.UID, nonce string, ok bool) {
	text, nonce, ok := strings.Cut(state, ".")
	return types.UID(text), nonce, ok && isUID(text) && nonce != ""
}

func isUID(text string) bool {
	return text != "" && len(validation.IsDNS1123Subdomain(sessionName(types.UID(text)))) == 0
}

// sessions are those of one connection, the oldest first.
type sessions []*session

// byNonce finds the session of a nonce.
func (all sessions) byNonce(nonce string) *session {
	for _, s := range all {
		if subtle.ConstantTimeCompare([]byte(s.Nonce), []byte(nonce)) == 1 {
			return s
		}
	}
	return nil
}

// byID finds the session of an id that the browser with this cookie began.
func (all sessions) byID(id, cookie string) *session {
	for _, s := range all {
		if s.id() == id && s.begunWith(cookie) {
			return s
		}
	}
	return nil
}

// with adds a session. What is over and holds no tokens goes; of too many the oldest go, those that hold tokens last.
func (all sessions) with(made *session, now time.Time) sessions {
	kept := slices.DeleteFunc(slices.Clone(all), func(s *session) bool { return now.After(s.Ends) && s.Answer == nil })
	for len(kept) >= maxSessions {
		i := max(0, slices.IndexFunc(kept, func(s *session) bool { return s.Answer == nil }))
		kept = slices.Delete(kept, i, i+1)
	}
	return append(kept, made)
}

// ends is when the last session ends.
func (all sessions) ends() time.Time {
	var last time.Time
	for _, s := range all {
		if s.Ends.After(last) {
			last = s.Ends
		}
	}
	return last
}
