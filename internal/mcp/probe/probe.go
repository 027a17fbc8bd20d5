package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Handshake is what a server told of itself.
type Handshake struct {
	// Name and Version are the server's own; empty if it did not say.
	Name, Version string
	// ProtocolVersions are the MCP revisions that the server speaks, newest first; of a server older than 2026-07-28 only the one
	// agreed on. Source: MCP 2026-07-28, server/discover.
	ProtocolVersions []string
	// Tools is how many tools it listed to this caller.
	Tools int32
	// LimitsDegraded is whether the server counts calls apart from its other replicas, because Redis does not answer. Only make-mcp
	// tells, and only a caller who may list tools and call none.
	LimitsDegraded bool
}

// Client probes servers. Its zero value is usable.
type Client struct {
	// Version is the caller's, as servers see it.
	Version string
	// Timeout bounds one probe; zero means 15 s.
	Timeout time.Duration
}

const (
	defaultTimeout = 15 * time.Second
	// maxTools ends the count of a server that lists tools for ever.
	maxTools = 10_000
)

// Probe connects to endpoint ("address:port") as a caller of serverURL would, with a bearer token. Its errors are one sentence
// without an address, so that they stay the same from pod to pod.
func (c Client) Probe(ctx context.Context, endpoint, serverURL, token string) (Handshake, error) {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	w := newWire(endpoint, token)
	defer w.base.CloseIdleConnections()
	found, err := c.shake(ctx, w, serverURL)
	if err != nil {
		return Handshake{}, w.explain(ctx, err)
	}
	return found, nil
}

// shake speaks MCP over the wire.
func (c Client) shake(ctx context.Context, w *wire, serverURL string) (Handshake, error) {
	client := sdk.NewClient(&sdk.Implementation{Name: "make-operator", Version: c.Version},
		&sdk.ClientOptions{Capabilities: &sdk.ClientCapabilities{}})
	var spoken []string
	degraded := false
	client.AddSendingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			res, err := next(ctx, method, req)
			if d, ok := res.(*sdk.DiscoverResult); ok && err == nil {
				spoken = slices.Clone(d.SupportedVersions)
			}
			if l, ok := res.(*sdk.ListToolsResult); ok && err == nil && l.Meta["makeops.dev/limits"] == "degraded" {
				degraded = true
			}
			return res, err
		}
	})
	session, err := client.Connect(ctx, &sdk.StreamableClientTransport{
		Endpoint: serverURL, HTTPClient: w.client(), DisableStandaloneSSE: true, MaxRetries: -1, MaxEventSize: maxBodyBytes,
	}, nil)
	if err != nil {
		return Handshake{}, err
	}
	defer func() { _ = session.Close() }() // nothing to lose: the answer is in hand
	about := session.InitializeResult()
	if spoken == nil {
		spoken = []string{about.ProtocolVersion}
	}
	found := Handshake{ProtocolVersions: newestFirst(spoken)}
	if about.ServerInfo != nil {
		found.Name, found.Version = about.ServerInfo.Name, about.ServerInfo.Version
	}
	for _, err := range session.Tools(ctx, nil) {
		if err != nil {
			return Handshake{}, err
		}
		if found.Tools++; found.Tools > maxTools {
			return Handshake{}, errors.New("the server lists tools without end")
		}
	}
	found.LimitsDegraded = degraded
	return found, nil
}

// newestFirst sorts revisions, which are dates, and drops repeated ones.
func newestFirst(versions []string) []string {
	slices.Sort(versions)
	versions = slices.Compact(versions)
	slices.Reverse(versions)
	return versions
}

// dialOnly connects to one address, whatever the URL says.
func dialOnly(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
}

// refused is an HTTP status that no MCP server answers to a good request.
func refused(status int) error {
	return fmt.Errorf("the server answered %d %s", status, http.StatusText(status))
}
