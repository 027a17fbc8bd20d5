package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makesim"
)

// bareAddress makes this test program a bare server at an address, in front of the Make at bareZone, whose certificates are in bareCA.
const bareAddress, bareZone, bareCA = "BENCH_BARE_ADDRESS", "BENCH_BARE_ZONE", "BENCH_BARE_CA"

func TestMain(m *testing.M) {
	if address := os.Getenv(bareAddress); address != "" {
		panic(serveBare(address, os.Getenv(bareZone), os.Getenv(bareCA)))
	}
	os.Exit(m.Run())
}

// serveBare is the least that runs a scenario over MCP: the SDK, one tool, no authentication.
func serveBare(address, zone, ca string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	server := sdk.NewServer(&sdk.Implementation{Name: "bare", Version: "1"}, nil)
	type input struct {
		Email string `json:"email"`
		Name  string `json:"name"`
	}
	sdk.AddTool(server, &sdk.Tool{Name: leadTool}, func(ctx context.Context, _ *sdk.CallToolRequest, in input) (*sdk.CallToolResult, map[string]any, error) {
		body, err := json.Marshal(map[string]any{"data": in, "responsive": true})
		if err != nil {
			return nil, nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+zone+"/api/v2/scenarios/501/run", bytes.NewReader(body))
		if err != nil {
			return nil, nil, err
		}
		req.Header.Set("Authorization", "Token "+makesim.RootToken)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return nil, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		content, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, nil, err
		}
		out := map[string]any{}
		return nil, out, json.Unmarshal(content, &out)
	})
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{Stateless: true})
	mux := http.NewServeMux()
	mux.Handle("/mcp", handler)
	mux.HandleFunc("/readyz", func(http.ResponseWriter, *http.Request) {})
	return http.ListenAndServe(address, mux)
}

func benchmarkBare(b *testing.B) {
	l := newLab(b)
	address := freeAddress(b)
	server := startProcess(b, []string{bareAddress + "=" + address, bareZone + "=" + l.sim.Zone, bareCA + "=" + l.env.Config.Upstream.CAFile, "GOMAXPROCS=1"}, os.Args[0])
	awaitStatus(b, "http://"+address+"/readyz")
	measure(b, server, toolsCall("http://"+address+"/mcp", "none"), l.direct(), alone)
}
