package stack

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Request is a request to the API server, as its audit log tells it.
type Request struct {
	Verb      string    `json:"verb"`
	URI       string    `json:"requestURI"`
	UserAgent string    `json:"userAgent"`
	Time      time.Time `json:"requestReceivedTimestamp"`
	Stage     string    `json:"stage"`
	User      struct {
		Username string `json:"username"`
	} `json:"user"`
}

// ManagerUser is the manager's name in the audit log.
const ManagerUser = "system:serviceaccount:" + Namespace + ":" + ServiceAccount

// Writes lists the manager's writing requests from a moment on. Its leader election, which renews a Lease, does not count.
func (s *Stack) Writes(since time.Time) ([]Request, error) {
	f, err := os.Open(s.AuditLog)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var writes []Request
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("read audit log: %w", err)
		}
		if r.Stage == "ResponseComplete" && r.User.Username == ManagerUser && !r.Time.Before(since) && r.writes() {
			writes = append(writes, r)
		}
	}
	return writes, lines.Err()
}

// writes reports whether the request changes something.
func (r Request) writes() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, r.Verb) &&
		!strings.Contains(r.URI, "/leases")
}
