package mcp

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
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
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "make_mcp", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		calls:     counter("tool_calls_total", "Tool calls by tool and outcome (allowed, denied, error).", "tool", "outcome"),
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
	}
	m.registry.MustRegister(m.calls, m.seconds, m.refusals, m.refreshes, m.reloads, m.rejections, m.panicsTotal,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// called counts one tools/call; name is a tool's name or empty for one that does not exist.
func (m *metrics) called(name, outcome string, took time.Duration) {
	label := name
	if _, isScenario := scenarioID(name); isScenario {
		label = "scenario"
	}
	if label == "" {
		label = "unknown"
	}
	m.calls.WithLabelValues(label, outcome).Inc()
	if outcome != outcomeDenied {
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
