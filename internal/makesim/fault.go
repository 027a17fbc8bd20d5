package makesim

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// FaultKind is what happens to a request that meets a fault.
type FaultKind string

// The kinds. A reset closes an HTTP/1.1 connection, and resets the stream of an HTTP/2 one.
const (
	FaultStatus      FaultKind = "status"      // answers Fault.Status, processes nothing
	FaultStatusAfter FaultKind = "statusAfter" // processes the request, then answers Fault.Status in place of the answer
	FaultResetBefore FaultKind = "resetBefore" // closes the connection, processes nothing
	FaultResetAfter  FaultKind = "resetAfter"  // processes the request, then closes the connection unanswered
	FaultHang        FaultKind = "hang"        // processes nothing and keeps silent until the client gives up
	FaultDelay       FaultKind = "delay"       // waits for Fault.DelayMilliseconds, then goes on as usual
	FaultSlowBody    FaultKind = "slowBody"    // sends the body in eight parts, each after Fault.DelayMilliseconds
	FaultTruncate    FaultKind = "truncate"    // sends the first half of the body, then closes the connection
)

// What the ledger also names in the place of a fault.
const (
	FaultDown         FaultKind = "down"         // the part was among Knobs.Down
	FaultLostRotation FaultKind = "lostRotation" // the answer was lost to Knobs.LostRotations
)

// FaultKinds are those that a Fault can have.
func FaultKinds() []FaultKind {
	return []FaultKind{
		FaultStatus, FaultStatusAfter, FaultResetBefore, FaultResetAfter, FaultHang, FaultDelay, FaultSlowBody, FaultTruncate,
	}
}

// Fault is a disturbance for a number of requests. Control requests meet none.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// PathPrefix and Method select requests; empty selects all.
	PathPrefix string `json:"pathPrefix,omitempty"`
	Method     string `json:"method,omitempty"`
	// Credential selects by the fingerprint of the Authorization header's value or of the refresh token, code
	// or token in a body for the authorization server, or by the client_id there; empty selects all.
	Credential string `json:"credential,omitempty"`
	// Count is how many requests will still meet it, at least 1.
	Count int `json:"count"`
	// Percent is how likely a matching request meets it, 1 to 100; zero is always. See Knobs.Seed.
	Percent int `json:"percent,omitempty"`
	// Status is 400 to 599, for FaultStatus and FaultStatusAfter only.
	Status int `json:"status,omitempty"`
	// JSON answers {"message":…} in place of plain text, for FaultStatus and FaultStatusAfter only.
	JSON bool `json:"json,omitempty"`
	// RetryAfterSeconds is sent as Retry-After with a status; zero sends none.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
	// DelayMilliseconds is in real time, at least 1, for FaultDelay and FaultSlowBody only.
	DelayMilliseconds int `json:"delayMilliseconds,omitempty"`
}

// matches tells whether a request would meet the fault. by are the credentials that it shows.
func (f Fault) matches(r *http.Request, by []string, random *rand.Rand) bool {
	return strings.HasPrefix(r.URL.Path, f.PathPrefix) &&
		(f.Method == "" || f.Method == r.Method) &&
		(f.Credential == "" || slices.Contains(by, f.Credential)) &&
		(f.Percent == 0 || random.IntN(100) < f.Percent)
}

// reply is the answer of FaultStatus and FaultStatusAfter.
func (f Fault) reply() reply {
	message := http.StatusText(f.Status)
	if f.Status == http.StatusTooManyRequests {
		message = limitMessage
	}
	r := textReply(f.Status, message)
	if f.JSON {
		r = jsonReply(f.Status, object{"message": message})
	}
	if f.RetryAfterSeconds > 0 {
		r.header["Retry-After"] = strconv.Itoa(f.RetryAfterSeconds)
	}
	return r
}
