package mcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// wellKnownPath is where resource metadata lives; the resource's own path is appended. Source: RFC 9728 §3.
const wellKnownPath = "/.well-known/oauth-protected-resource"

// resource is the protected resource that this server is.
type resource struct {
	// identifier is the resource URL.
	identifier string
	// path is the MCP endpoint's path.
	path string
	// metadataURL is what 401 and 403 answers point to.
	metadataURL string
	// metadata is the RFC 9728 document.
	metadata []byte
	// scopes are all scopes that can be of use here.
	scopes []string
}

func newResource(cfg Config) (resource, error) {
	u, err := url.Parse(cfg.Resource)
	if err != nil {
		return resource{}, fmt.Errorf("parse resource: %w", err)
	}
	document := oauthex.ProtectedResourceMetadata{
		Resource:               cfg.Resource,
		ScopesSupported:        cfg.Scopes,
		BearerMethodsSupported: []string{"header"},
	}
	for _, is := range cfg.Issuers {
		document.AuthorizationServers = append(document.AuthorizationServers, is.Issuer)
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return resource{}, fmt.Errorf("encode resource metadata: %w", err)
	}
	return resource{
		identifier:  cfg.Resource,
		path:        u.Path,
		metadataURL: u.Scheme + "://" + u.Host + wellKnownPath + u.Path,
		metadata:    raw,
		scopes:      cfg.Scopes,
	}, nil
}

// serveMetadata answers both well-known places. The document is public, so any web page may read it.
func (r resource) serveMetadata(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(r.metadata) // the client is gone; nothing to do about it
}

// challenge sets WWW-Authenticate. Code is an error code of RFC 6750 §3.1, empty for a request without a token; scopes
// are what the request needs.
func (r resource) challenge(w http.ResponseWriter, code string, scopes []string) {
	params := []string{fmt.Sprintf("resource_metadata=%q", r.metadataURL)}
	if code != "" {
		params = append([]string{fmt.Sprintf("error=%q", code)}, params...)
	}
	if len(scopes) > 0 {
		params = append(params, fmt.Sprintf("scope=%q", strings.Join(scopes, " ")))
	}
	w.Header().Set("WWW-Authenticate", "Bearer "+strings.Join(params, ", "))
}

// refuse writes the one body that belongs to a status. It never says more, so that a caller learns nothing from
// comparing refusals.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "{\"error\":%q}\n", refusalCode(status))
}

func refusalCode(status int) string {
	return strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
}
