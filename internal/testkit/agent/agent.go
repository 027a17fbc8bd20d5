// Package agent calls an MCP server as an AI agent in the cluster does: with the official client and a ServiceAccount token whose
// audience is the server's URL.
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Agent is a caller with an identity.
type Agent struct {
	// URL is the server's, which is also the audience.
	URL string
	// Address is where URL is reached from here, host:port.
	Address string
	// Token is the caller's bearer token.
	Token string
}

// TokenFor asks the cluster for a token of a ServiceAccount for an audience.
func TokenFor(ctx context.Context, c client.Client, account client.ObjectKey, audience string) (string, error) {
	seconds := int64(3600)
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: &seconds},
	}
	subject := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
	if err := c.SubResource("token").Create(ctx, subject, request); err != nil {
		return "", fmt.Errorf("get a token of ServiceAccount %s: %w", account, err)
	}
	return request.Status.Token, nil
}

// Tools lists the names of the tools that the server offers this caller.
func (a Agent) Tools(ctx context.Context) ([]string, error) {
	session, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	var names []string
	for tool, err := range session.Tools(ctx, nil) {
		if err != nil {
			return nil, err
		}
		names = append(names, tool.Name)
	}
	return names, nil
}

// Call calls a tool and returns its structured result as JSON. A tool that reports an error is an error.
func (a Agent) Call(ctx context.Context, tool string, arguments any) (string, error) {
	session, err := a.connect(ctx)
	if err != nil {
		return "", err
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	if result.IsError {
		return "", fmt.Errorf("tool %s: %s", tool, text(result))
	}
	if result.StructuredContent == nil {
		return text(result), nil
	}
	raw, err := json.Marshal(result.StructuredContent)
	return string(raw), err
}

func text(result *mcp.CallToolResult) string {
	for _, c := range result.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			return t.Text
		}
	}
	return "(no text)"
}

func (a Agent) connect(ctx context.Context) (*mcp.ClientSession, error) {
	c := mcp.NewClient(&mcp.Implementation{Name: "demo-agent", Version: "1"}, nil)
	return c.Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: a.URL, DisableStandaloneSSE: true, MaxRetries: -1,
		HTTPClient: &http.Client{Transport: bearer{a.Token, &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", a.Address)
			},
			DisableKeepAlives: true,
		}}},
	}, nil)
}

// bearer adds the caller's token.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}
