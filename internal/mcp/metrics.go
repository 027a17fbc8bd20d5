package mcp

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/mcp/limit"
)

// metrics are the numbers that /metrics shows. Labels take few values: scenario tools count as one tool.
type metrics struct {
	registry    *prometheus.Registry
	calls       *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	refusals    *prometheus.CounterVec
	refreshes   *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	rejections  prometheus.Counter
	panicsTotal prometheus.Counter
	auditLost   prometheus.Counter
	operations  *prometheus.HistogramVec
	showShared  sync.Once
	limits      *prometheus.CounterVec
	shared      prometheus.Gauge
	degraded    prometheus.Counter
	connections prometheus.Gauge
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "make_mcp", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		calls:     counter("tool_calls_total", "Tool calls that reached the MCP layer, by tool and outcome (allowed, denied, error).", "tool", "outcome"),
		refusals:  counter("requests_refused_total", "HTTP requests refused before the MCP layer, by reason.", "reason"),
		refreshes: counter("scenario_refreshes_total", "Reads of the list of scenarios, by outcome.", "outcome"),
		reloads:   counter("file_reloads_total", "Reads of the token folder and of key files that changed something or failed.", "file", "outcome"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "make_mcp", Name: "tool_call_duration_seconds", Help: "Duration of tool calls that were allowed.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 60},
		}, []string{"tool"}),
		rejections: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "make_mcp", Name: "credential_rejections_total", Help: "Calls that Make refused because the token was dead.",
		}),
		panicsTotal: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "make_mcp", Name: "panics_total", Help: "Panics that were caught.",
		}),
		auditLost: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "make_mcp", Name: "audit_entries_lost_total", Help: "Audit entries that could not be written.",
		}),
	}
	m.addLimits(counter)
	m.registry.MustRegister(m.calls, m.seconds, m.refusals, m.refreshes, m.reloads, m.rejections, m.panicsTotal, m.auditLost, m.operations, m.limits, m.degraded, m.connections,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// addLimits adds the numbers around limits and load.
func (m *metrics) addLimits(counter func(name, help string, labels ...string) *prometheus.CounterVec) {
	m.operations = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		// Source of name and labels: OpenTelemetry semantic conventions for MCP, as Prometheus spells them.
		Name: "mcp_server_operation_duration_seconds", Help: "Duration of MCP requests that were let through, by method and HTTP status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 60, 120},
	}, []string{"mcp_method_name", "http_response_status_code"})
	m.limits = counter("limit_decisions_total", "Requests that were counted against limits, by the limit that decided and outcome (allowed, limited).", "limit", "outcome")
	m.shared = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "make_mcp", Name: "limits_shared", Help: "1 while the replicas share their limits in Redis, 0 while each has its part alone; absent without Redis.",
	})
	m.degraded = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "make_mcp", Name: "limits_degraded_total", Help: "How often Redis stopped answering.",
	})
	m.connections = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "make_mcp", Name: "connections", Help: "Open connections of callers.",
	})
}

// limited counts a decision.
func (m *metrics) limited(d limit.Decision) {
	outcome := "allowed"
	if !d.Allowed {
		outcome = "limited"
	}
	m.limits.WithLabelValues(d.Bucket.Name, outcome).Inc()
}

// limitsShared says whether the replicas count together.
func (m *metrics) limitsShared(yes bool) {
	m.showShared.Do(func() { m.registry.MustRegister(m.shared) })
	if yes {
		m.shared.Set(1)
		return
	}
	m.shared.Set(0)
	m.degraded.Inc()
}

func (m *metrics) connected(open int) { m.connections.Set(float64(open)) }

// operation begins to measure an MCP request and returns what ends it.
func (m *metrics) operation(method string, w *writer, clk clock.PassiveClock) (done func()) {
	begun := clk.Now()
	return func() {
		m.operations.WithLabelValues(operationName(method), strconv.Itoa(w.status)).Observe(clk.Since(begun).Seconds())
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// called counts one tools/call; name is a tool's name or empty for one that does not exist.
func (m *metrics) called(name string, outcome audit.Outcome, took time.Duration) {
	label := name
	if _, isScenario := scenarioID(name); isScenario {
		label = "scenario"
	}
	if label == "" {
		label = "unknown"
	}
	m.calls.WithLabelValues(label, string(outcome)).Inc()
	if outcome != audit.Denied {
		m.seconds.WithLabelValues(label).Observe(took.Seconds())
	}
}

func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }
func (m *metrics) refreshed(err error)   { m.refreshes.WithLabelValues(outcomeOf(err)).Inc() }

func (m *metrics) reloaded(f string, err error) { m.reloads.WithLabelValues(f, outcomeOf(err)).Inc() }
func (m *metrics) credentialRejected()          { m.rejections.Inc() }
func (m *metrics) panicked()                    { m.panicsTotal.Inc() }

func outcomeOf(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}
