package bench

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// callers are how many call at once for throughput; latency is measured with one.
	callers = 16
	// warmUp are the calls that are not counted.
	warmUp = 200
	// alone are the calls that latency is measured with, fewAlone those of a server that is slow.
	alone, fewAlone = 1000, 200
)

// keeping keeps a connection for each caller.
var keeping = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}

// leadTool runs makesim's sample scenario.
const leadTool = "scenario_501_create_a_crm_lead"

// call is one tools/call, or what stands for it; it fails the benchmark if it gets anything but the scenario's outputs.
type call func() error

// measure reports calls per second of wall time and of the server's processor, its memory, and latency beyond that of direct, of
// samples calls one after another.
func measure(b *testing.B, server *process, one, direct call, samples int) {
	b.Helper()
	repeat(b, min(warmUp, samples), 4, one)
	var before time.Duration
	if server != nil {
		before = server.cpu()
	}
	b.ResetTimer()
	begun := time.Now()
	repeat(b, b.N, callers, one)
	took := time.Since(begun)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/took.Seconds(), "calls/s")
	if server != nil {
		b.ReportMetric(float64(b.N)/(server.cpu()-before).Seconds(), "calls/core-s")
		b.ReportMetric(server.rss(), "MiB")
	}
	if direct == nil {
		return
	}
	through, without := latencies(b, one, samples), latencies(b, direct, samples)
	for name, at := range map[string]float64{"p50": .50, "p99": .99} {
		b.ReportMetric(float64(quantile(through, at)-quantile(without, at))/float64(time.Millisecond), "ms-added-"+name)
	}
}

// repeat makes n calls from several goroutines.
func repeat(b *testing.B, n, parallel int, one call) {
	b.Helper()
	var made atomic.Int64
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for made.Add(1) <= int64(n) {
				if err := one(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// latencies are those of calls one after another, sorted.
func latencies(b *testing.B, one call, samples int) []time.Duration {
	b.Helper()
	took := make([]time.Duration, 0, samples)
	for range samples {
		begun := time.Now()
		if err := one(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took
}

func quantile(sorted []time.Duration, at float64) time.Duration {
	return sorted[int(at*float64(len(sorted)-1))]
}

// post returns a call that sends the same request each time and looks for the scenario's outputs.
func post(client *http.Client, url, body string, header map[string]string) call {
	return func() error {
		req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		for name, value := range header {
			req.Header.Set(name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK || !bytes.Contains(content, []byte("leadId")) {
			return &unexpectedError{resp.Status, string(content)}
		}
		return nil
	}
}

type unexpectedError struct{ status, body string }

func (e *unexpectedError) Error() string { return e.status + " " + e.body }

// toolsCall is a tools/call of the newest revision.
func toolsCall(url, token string) call {
	return post(keeping, url, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+leadTool+`","arguments":{"email":"a@b.example","name":"Ann"},`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`, map[string]string{
		"Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": leadTool,
	})
}
