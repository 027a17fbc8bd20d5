package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"k8s.io/utils/clock"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/makeapi"
)

// dispatcher answers MCP requests after the SDK has parsed them. Its judgement is the one that counts.
type dispatcher struct {
	catalogue *catalogue
	clock     clock.PassiveClock
	metrics   *metrics
	log       *slog.Logger
	// draining is closed when the server begins to shut down.
	draining <-chan struct{}
}

// middleware answers tools/list and tools/call, passes on what belongs to the protocol itself, and refuses the rest:
// the SDK would answer prompts/list and resources/list although the server offers neither.
func (d *dispatcher) middleware(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (res sdk.Result, err error) {
		defer func() {
			if p := recover(); p != nil { // the SDK runs handlers in goroutines of its own and would let the process die
				d.log.Error("MCP handler panicked", "panic", p, "stack", string(debug.Stack()))
				d.metrics.panicked()
				if rec := recordFrom(ctx); rec != nil {
					rec.Finish(audit.Failed, "panic")
				}
				res, err = nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "internal error"}
			}
		}()
		switch r := req.(type) {
		case *sdk.ListToolsRequest:
			return d.list(ctx, r)
		case *sdk.CallToolRequest:
			return d.call(ctx, r)
		}
		switch method {
		case methodInitialize, "server/discover", "ping",
			"notifications/initialized", "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed":
			return next(ctx, method, req)
		case "subscriptions/listen": // would hold up a shutdown
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			go func() {
				select {
				case <-d.draining:
					cancel()
				case <-ctx.Done():
				}
			}()
			return next(ctx, method, req)
		}
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "method not found"}
	}
}

func (d *dispatcher) list(ctx context.Context, req *sdk.ListToolsRequest) (sdk.Result, error) {
	if req.Params != nil && req.Params.Cursor != "" {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "invalid cursor"} // there is one page only
	}
	tools, complete := d.catalogue.list(ctx, callerFrom(ctx).grants)
	res := &sdk.ListToolsResult{Tools: tools}
	private(&res.Cacheable)
	if !complete {
		res.TTLMs = 0
	}
	return res, nil
}

// private marks what depends on the caller. What a caller is offered may be kept as long as the scenarios are.
func private(c *sdk.Cacheable) {
	c.CacheScope = "private"
	c.TTLMs = int(scenarioAge.Milliseconds())
}

func (d *dispatcher) call(ctx context.Context, req *sdk.CallToolRequest) (sdk.Result, error) {
	begun, rec, name := d.clock.Now(), recordFrom(ctx), req.Params.Name
	rec.Note(func(e *audit.Entry) {
		e.Method, e.Tool, e.ArgumentsDigest = methodCallTool, clip(name), audit.Digest(req.Params.Arguments)
	})
	t, err := d.catalogue.find(ctx, callerFrom(ctx).grants, name)
	if t == nil && err == nil {
		d.metrics.called("", audit.Denied, 0)
		rec.Finish(audit.Denied, "unknown_tool")
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("unknown tool %q", clip(name))}
	}
	var out any
	if err == nil {
		rec.Note(func(e *audit.Entry) { e.ScopesNeeded = needs(t) })
		out, err = d.run(ctx, t, req.Params.Arguments)
	}
	res, reason := toResult(out, err)
	outcome := audit.Allowed
	if err != nil {
		outcome = audit.Failed
		if refused, ok := errors.AsType[*makeapi.Error](err); ok {
			rec.Note(func(e *audit.Entry) { e.UpstreamStatus = refused.Status })
		}
		d.log.Info("tool call failed", "tool", clip(name), "error", logged(err))
	}
	d.metrics.called(name, outcome, d.clock.Since(begun))
	rec.Finish(outcome, reason)
	return res, nil
}

func (d *dispatcher) run(ctx context.Context, t *tool, raw json.RawMessage) (any, error) {
	args, err := t.arguments(raw)
	if err != nil {
		return nil, err
	}
	return t.run(ctx, args)
}

func needs(t *tool) []string {
	if t.scope == "" {
		return nil
	}
	return []string{t.scope}
}

// logged is err without the caller's arguments, which schema errors quote.
func logged(err error) error {
	if errors.Is(err, errArguments) {
		return errArguments
	}
	return err
}

// toResult builds the answer of a tool: out as structured content and as text, or what went wrong in a sentence. A run
// that failed has both.
func toResult(out any, err error) (res *sdk.CallToolResult, reason string) {
	res = &sdk.CallToolResult{Content: []sdk.Content{}, StructuredContent: out}
	if err != nil {
		var sentence string
		sentence, reason = explain(err)
		res.IsError = true
		res.Content = append(res.Content, &sdk.TextContent{Text: sentence})
	}
	if out == nil {
		return res, reason
	}
	text, marshalErr := json.Marshal(out)
	if marshalErr != nil {
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: "The tool's result cannot be shown."}}}, "internal"
	}
	res.Content = append(res.Content, &sdk.TextContent{Text: string(text)})
	return res, reason
}
