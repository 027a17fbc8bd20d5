package mcp

import (
	"context"
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
	catalogue *toolset
	clock     clock.WithTicker
	metrics   *metrics
	log       *slog.Logger
	// degraded reports whether the replicas count calls apart from each other; nil means that they never share counts.
	degraded func() bool
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
			return d.call(ctx, r, next)
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
	grants := callerFrom(ctx).grants
	tools, complete := d.catalogue.list(ctx, grants)
	res := &sdk.ListToolsResult{Tools: tools}
	if len(grants.Callable()) == 0 && d.degraded != nil && d.degraded() { // only whoever watches the server is told
		res.Meta = sdk.Meta{metaLimits: "degraded"}
	}
	private(&res.Cacheable)
	if !complete {
		res.TTLMs = 0
	}
	return res, nil
}

// metaLimits in a list of tools tells how limits are counted; see package probe.
const metaLimits = "makeops.dev/limits"

// private marks what depends on the caller. What a caller is offered may be kept as long as the scenarios are.
func private(c *sdk.Cacheable) {
	c.CacheScope = "private"
	c.TTLMs = int(scenarioAge.Milliseconds())
}

// executeTool is the one tool that the SDK knows. A call that was judged goes on to it, because only the SDK's own way of calling a tool
// fills in what revision 2026-07-28 wants of a result. It is never listed, and no caller can name it: catalogue.find does not know it.
const executeTool = "execute"

type judgedKey struct{}

// judged is a call that the dispatcher has let through.
type judged struct {
	name   string
	tool   *tool // nil when err is set
	err    error // why the tool could not be looked up
	record *audit.Record
}

// call judges a call.
func (d *dispatcher) call(ctx context.Context, req *sdk.CallToolRequest, next sdk.MethodHandler) (sdk.Result, error) {
	rec, name := recordFrom(ctx), req.Params.Name
	rec.Note(func(e *audit.Entry) {
		e.Method, e.Tool, e.ArgumentsDigest = methodCallTool, clip(name), audit.Digest(req.Params.Arguments)
	})
	t, err := d.catalogue.find(ctx, callerFrom(ctx).grants, name)
	if t == nil && err == nil {
		d.metrics.called("", audit.Denied, 0)
		rec.Finish(audit.Denied, "unknown_tool")
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: fmt.Sprintf("unknown tool %q", clip(name))}
	}
	inner, params := *req, *req.Params
	params.Name = executeTool
	inner.Params = &params
	return next(context.WithValue(ctx, judgedKey{}, judged{name: clip(name), tool: t, err: err, record: rec}), methodCallTool, &inner)
}

// execute is the handler of executeTool.
func (d *dispatcher) execute(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	j, ok := ctx.Value(judgedKey{}).(judged)
	if !ok {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "unknown tool"}
	}
	begun := d.clock.Now()
	var out *output
	err := j.err
	if err == nil {
		j.record.Note(func(e *audit.Entry) { e.ScopesNeeded = needs(j.tool) })
		var question *sdk.CallToolResult
		if out, question, err = d.run(ctx, j.tool, req); question != nil {
			d.metrics.called(j.name, audit.Denied, 0)
			j.record.Finish(audit.Denied, "confirmation_asked")
			return question, nil
		}
	}
	res, reason := toResult(out, err)
	outcome := d.outcome(j.name, err)
	if outcome == audit.Failed && ctx.Err() != nil {
		reason = "canceled"
	}
	if refused, ok := errors.AsType[*makeapi.Error](err); ok {
		j.record.Note(func(e *audit.Entry) { e.UpstreamStatus = refused.Status })
	}
	d.metrics.called(j.name, outcome, d.clock.Since(begun))
	j.record.Finish(outcome, reason)
	return res, nil
}

// outcome also logs what failed.
func (d *dispatcher) outcome(name string, err error) audit.Outcome {
	switch {
	case err == nil:
		return audit.Allowed
	case errors.Is(err, errNotConfirmed), errors.Is(err, errDeclined):
		return audit.Denied
	}
	d.log.Info("tool call failed", "tool", name, "error", logged(err))
	return audit.Failed
}

// run makes a call whose arguments fit, or returns the question that has to be answered first.
func (d *dispatcher) run(ctx context.Context, t *tool, req *sdk.CallToolRequest) (out *output, question *sdk.CallToolResult, err error) {
	args, err := t.arguments(req.Params.Arguments)
	if err != nil {
		return nil, nil, err
	}
	if t.confirm {
		if question, err := confirmation(req, t, args); question != nil || err != nil {
			return nil, question, err
		}
	}
	defer reportProgress(ctx, req, d.clock)()
	out, err = t.run(ctx, args)
	return out, nil, err
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
