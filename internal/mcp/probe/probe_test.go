package probe_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/mcp/probe"
)

const (
	serverURL = "http://tools.sales.svc/mcp"
	token     = "probe-token"
)

// serve answers as handler does and returns the address.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// mcpServer has two tools and checks how it is called.
func mcpServer(t *testing.T) http.Handler {
	t.Helper()
	server := sdk.NewServer(&sdk.Implementation{Name: "tools", Version: "9"}, nil)
	for _, name := range []string{"one", "two"} {
		sdk.AddTool(server, &sdk.Tool{Name: name}, func(context.Context, *sdk.CallToolRequest, struct{}) (*sdk.CallToolResult, any, error) {
			t.Error("a tool was called")
			return nil, nil, nil
		})
	}
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server },
		&sdk.StreamableHTTPOptions{Stateless: true, DisableLocalhostProtection: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "tools.sales.svc" || r.URL.Path != "/mcp" || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("called as %s %s", r.Host, r.URL.Path)
		}
		handler.ServeHTTP(w, r)
	})
}

func TestProbeReportsTheServer(t *testing.T) {
	got, err := probe.Client{Version: "test"}.Probe(t.Context(), serve(t, mcpServer(t)), serverURL, token)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.ProtocolVersions) < 2 || got.ProtocolVersions[0] != "2026-07-28" {
		t.Errorf("protocol versions %v", got.ProtocolVersions)
	}
	got.ProtocolVersions = nil
	if diff := cmp.Diff(probe.Handshake{Name: "tools", Version: "9", Tools: 2}, got); diff != "" {
		t.Errorf("handshake (-want +got):\n%s", diff)
	}
}

func TestProbeOfAnOlderServer(t *testing.T) {
	inner := mcpServer(t)
	older := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Method") == "server/discover" {
			http.Error(w, "unknown", http.StatusBadRequest)
			return
		}
		inner.ServeHTTP(w, r)
	})
	got, err := probe.Client{}.Probe(t.Context(), serve(t, older), serverURL, token)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2025-11-25"}, got.ProtocolVersions); diff != "" || got.Tools != 2 {
		t.Errorf("%d tools, protocol versions (-want +got):\n%s", got.Tools, diff)
	}
}

func TestProbeTellsOfDegradedLimits(t *testing.T) {
	server := sdk.NewServer(&sdk.Implementation{Name: "tools", Version: "9"}, &sdk.ServerOptions{
		Capabilities: &sdk.ServerCapabilities{Tools: &sdk.ToolCapabilities{}},
	})
	server.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			res, err := next(ctx, method, req)
			if list, ok := res.(*sdk.ListToolsResult); ok {
				list.Meta = sdk.Meta{"makeops.dev/limits": "degraded"}
			}
			return res, err
		}
	})
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server },
		&sdk.StreamableHTTPOptions{Stateless: true, DisableLocalhostProtection: true})
	got, err := probe.Client{}.Probe(t.Context(), serve(t, handler), serverURL, token)
	if err != nil || !got.LimitsDegraded {
		t.Errorf("handshake %+v, error %v", got, err)
	}
}

func TestProbeFailsInOneSentence(t *testing.T) {
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte("from 10.0.0.1 with " + token))
		})
	}
	elsewhere := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	for name, tt := range map[string]struct {
		handler http.Handler
		want    string
	}{
		"no access":  {status(http.StatusForbidden), "the server answered 403 Forbidden"},
		"broken":     {status(http.StatusBadGateway), "the server answered 502 Bad Gateway"},
		"no MCP":     {status(http.StatusOK), "the server did not answer as an MCP server"},
		"redirect":   {http.RedirectHandler("http://"+elsewhere+"/mcp", http.StatusTemporaryRedirect), "the server answered 307 Temporary Redirect"},
		"no answer":  {http.HandlerFunc(neverAnswer), "the server did not answer in time"},
		"hangs up":   {http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "the connection to the server failed"},
		"big answer": {http.HandlerFunc(pour), "the server did not answer as an MCP server"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := probe.Client{Timeout: timeoutOf(name)}.Probe(t.Context(), serve(t, tt.handler), serverURL, token)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// timeoutOf is short where the server never answers.
func timeoutOf(name string) time.Duration {
	if name == "no answer" {
		return 50 * time.Millisecond
	}
	return time.Minute
}

// neverAnswer waits until the caller hangs up, which a server notices once it has read the body.
func neverAnswer(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// pour writes an answer that would fill the memory.
func pour(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	chunk := []byte(strings.Repeat("[", 1<<20))
	for range 64 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestProbeOfNobody(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.Listener.Addr().String()
	server.Close()
	_, err := probe.Client{}.Probe(t.Context(), address, serverURL, token)
	if err == nil || err.Error() != "the server refused the connection" {
		t.Errorf("error %v", err)
	}
}

func TestProbeKeepsTheCauseForProgramsOnly(t *testing.T) {
	_, err := probe.Client{}.Probe(t.Context(), serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(token))
	})), serverURL, token)
	if _, ok := errors.AsType[*probe.ProtocolError](err); !ok || strings.Contains(err.Error(), token) {
		t.Errorf("error %v", err)
	}
}
