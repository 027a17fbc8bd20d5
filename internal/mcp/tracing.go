package mcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracing gives each request its place in a trace, the caller's where it sent one, and exports spans where that is configured.
// Nothing of a trace goes on to Make.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	wire     propagation.TraceContext
}

func newTracing(ctx context.Context, cfg Tracing, version string) (*tracing, error) {
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithSampler(sdktrace.NeverSample()), // ids only
		sdktrace.WithResource(sdkresource.NewSchemaless(
			attribute.String("service.name", "make-mcp"), attribute.String("service.version", version))),
	}
	if cfg.Endpoint != "" {
		roots, err := readCertificates(cfg.CAFile, x509.NewCertPool())
		if err != nil {
			return nil, fmt.Errorf("read tracing.caFile: %w", err)
		}
		wire := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(cfg.Endpoint)}
		if strings.HasPrefix(cfg.Endpoint, "https:") {
			wire = append(wire, otlptracehttp.WithTLSClientConfig(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))
		}
		exporter, err := otlptracehttp.New(ctx, wire...)
		if err != nil {
			return nil, fmt.Errorf("configure tracing.endpoint: %w", err)
		}
		sampler := sdktrace.AlwaysSample()
		if cfg.Percent > 0 {
			sampler = sdktrace.TraceIDRatioBased(float64(cfg.Percent) / 100)
		}
		options = append(options, sdktrace.WithSampler(sdktrace.ParentBased(sampler)), sdktrace.WithBatcher(exporter))
	}
	t := &tracing{provider: sdktrace.NewTracerProvider(options...)}
	t.tracer = t.provider.Tracer("github.com/makeops/make-operator/internal/mcp")
	return t, nil
}

// request begins the span of an HTTP request.
func (t *tracing) request(r *http.Request) (context.Context, trace.Span) {
	ctx := t.wire.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	// No part of the URL is in it: somebody may have put a token there.
	return t.tracer.Start(ctx, "HTTP request", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", knownMethod(r.Method))))
}

// operation begins the span of an MCP request, in the trace that its _meta names, or else in the HTTP request's.
// Source: MCP 2026-07-28, _meta keys traceparent and tracestate; OpenTelemetry semantic conventions for MCP.
func (t *tracing) operation(ctx context.Context, m message, version string) (context.Context, trace.Span) {
	outer := trace.SpanFromContext(ctx)
	if m.trace["traceparent"] != "" {
		if inner := t.wire.Extract(ctx, m.trace); trace.SpanContextFromContext(inner).IsRemote() {
			ctx = inner
		}
	}
	name := operationName(m.method)
	attributes := []attribute.KeyValue{attribute.String("mcp.method.name", name), attribute.String("mcp.protocol.version", clip(version))}
	if m.tool != "" {
		attributes = append(attributes, attribute.String("gen_ai.tool.name", m.tool))
		name += " " + m.tool
	}
	return t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithLinks(trace.Link{SpanContext: outer.SpanContext()}), trace.WithAttributes(attributes...))
}

// end closes a span; reason says why the request was refused.
func end(span trace.Span, status int, reason string) {
	if status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if reason != "" {
		span.SetAttributes(attribute.String("error.type", reason))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// stop sends what has not been sent yet.
func (t *tracing) stop(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// knownMethod keeps made-up methods out of spans and metrics.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return method
	}
	return "_OTHER"
}

// operationName is an MCP method, or _OTHER for one that this server does not know.
func operationName(method string) string {
	switch method {
	case methodInitialize, methodListTools, methodCallTool, "server/discover", "ping", "subscriptions/listen",
		"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed":
		return method
	}
	return "_OTHER"
}
