package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/mcpenv"
	"github.com/makeops/make-operator/internal/testkit/npm"
)

const root = "../.."

var scopes = []string{"scenarios:read", "scenarios:run"}

// lab is a simulated Make without limits, and a way to it.
type lab struct {
	sim    *makesim.TLSServer
	client *http.Client
	env    *mcpenv.Env
}

func newLab(b *testing.B) *lab {
	b.Helper()
	sim, err := makesim.NewTLSServer(makesim.Options{LedgerLimit: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(sim.Close)
	env, err := mcpenv.New(b.TempDir(), sim, scopes)
	if err != nil {
		b.Fatal(err)
	}
	return &lab{sim: sim, env: env, client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: sim.CAPool(), MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: callers, ForceAttemptHTTP2: true,
	}}}
}

// direct runs the scenario without any MCP server.
func (l *lab) direct() call {
	return post(l.client, "https://"+l.sim.Zone+"/api/v2/scenarios/501/run", `{"data":{"email":"a@b.example","name":"Ann"},"responsive":true}`,
		map[string]string{"Authorization": "Token " + makesim.RootToken, "Content-Type": "application/json"})
}

// BenchmarkToolsCall compares the ways to run a scenario. Settings of the collector are those that were tried for the Deployment.
func BenchmarkToolsCall(b *testing.B) {
	program := buildServer(b)
	b.Run("direct", func(b *testing.B) { measure(b, nil, newLab(b).direct(), nil, alone) })
	b.Run("bare-sdk", benchmarkBare)
	for _, collector := range []string{"GOGC=100", "GOGC=200", "GOGC=400", "GOGC=800", "GOGC=off"} {
		b.Run("make-mcp-"+strings.ReplaceAll(collector, "=", "-"), func(b *testing.B) {
			benchmarkMakeMCP(b, program, collector, "GOMEMLIMIT=102MiB")
		})
	}
	b.Run("legacy-behind-supergateway", benchmarkLegacy)
}

func buildServer(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "make-mcp")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-ldflags", "-s -w", "-o", program, "./cmd/make-mcp")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build make-mcp: %v\n%s", err, out)
	}
	return program
}

// startMakeMCP returns once the server is ready.
func (l *lab) startMakeMCP(b *testing.B, program string, env ...string) (server *process, url, token string, ready time.Duration) {
	b.Helper()
	l.env.Config.Listen, l.env.Config.OperationsListen = freeAddress(b), freeAddress(b)
	if err := l.env.WriteConfig(); err != nil {
		b.Fatal(err)
	}
	token, err := l.env.Token(mcpenv.Caller)
	if err != nil {
		b.Fatal(err)
	}
	server = startProcess(b, append(env, "GOMAXPROCS=1"), program, "--config", l.env.ConfigFile(), "--audit-file", os.DevNull)
	ready = awaitStatus(b, "http://"+l.env.Config.OperationsListen+"/readyz")
	return server, "http://" + l.env.Config.Listen + "/mcp", token, ready
}

func benchmarkMakeMCP(b *testing.B, program string, env ...string) {
	l := newLab(b)
	server, url, token, _ := l.startMakeMCP(b, program, env...)
	measure(b, server, toolsCall(url, token), l.direct(), alone)
}

// BenchmarkStart measures from exec to the first list of all tools.
func BenchmarkStart(b *testing.B) {
	program := buildServer(b)
	l := newLab(b)
	var toReady, toList time.Duration
	for b.Loop() {
		begun := time.Now()
		server, url, token, ready := l.startMakeMCP(b, program, "GOGC=200")
		client := sdk.NewClient(&sdk.Implementation{Name: "bench", Version: "1"}, nil)
		session, err := client.Connect(b.Context(), &sdk.StreamableClientTransport{
			Endpoint: url, DisableStandaloneSSE: true, HTTPClient: &http.Client{Transport: mcpenv.Bearer{Token: token}},
		}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := session.ListTools(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		toReady, toList = toReady+ready, toList+time.Since(begun)
		_ = session.Close()
		_ = server.cmd.Process.Kill()
	}
	b.ReportMetric(float64(toReady.Milliseconds())/float64(b.N), "ms-to-ready")
	b.ReportMetric(float64(toList.Milliseconds())/float64(b.N), "ms-to-list")
}

// benchmarkLegacy calls Make's legacy server through supergateway, each caller in a session of its own, as that pair wants it.
func benchmarkLegacy(b *testing.B) {
	modules := npm.MCP(b)
	l := newLab(b)
	address := freeAddress(b)
	_, port, _ := strings.Cut(address, ":")
	server := startProcess(b, []string{
		"MAKE_API_KEY=" + makesim.RootToken, "MAKE_ZONE=" + l.sim.Zone, fmt.Sprintf("MAKE_TEAM=%d", makesim.TeamID),
		"NODE_EXTRA_CA_CERTS=" + l.env.Config.Upstream.CAFile,
	}, npm.Node(b, modules), filepath.Join(modules, ".bin", "supergateway"), "--outputTransport", "streamableHttp", "--stateful", "--logLevel", "none",
		"--port", port, "--healthEndpoint", "/healthz", "--stdio", "node "+filepath.Join(modules, "@makehq", "mcp-server", "build", "index.js"))
	awaitStatus(b, "http://"+address+"/healthz")
	sessions := make(chan *sdk.ClientSession, callers)
	for range callers {
		session, err := sdk.NewClient(&sdk.Implementation{Name: "bench", Version: "1"}, nil).Connect(b.Context(),
			&sdk.StreamableClientTransport{Endpoint: "http://" + address + "/mcp", DisableStandaloneSSE: true}, &sdk.ClientSessionOptions{ProtocolVersion: "2025-06-18"})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = session.Close() })
		sessions <- session
	}
	measure(b, server, func() error {
		session := <-sessions
		defer func() { sessions <- session }()
		result, err := session.CallTool(context.WithoutCancel(b.Context()), &sdk.CallToolParams{
			Name: "run_scenario_501", Arguments: map[string]any{"email": "a@b.example", "name": "Ann"},
		})
		if err == nil && result.IsError {
			err = &unexpectedError{"tool error", fmt.Sprint(result.Content)}
		}
		return err
	}, l.direct(), fewAlone)
}
