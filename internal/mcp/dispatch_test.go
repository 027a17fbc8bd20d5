package mcp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/mcp/access"
)

// TestDispatcherIsTheAuthority: what no gate has judged is judged here, and a panic ends the call, not the process.
func TestDispatcherIsTheAuthority(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Now())
	broken, err := newTool(sdk.Tool{Name: "broken", Annotations: changes("broken")}, object(nil), scopeScenariosRead)
	if err != nil {
		t.Fatal(err)
	}
	broken.run = func(context.Context, map[string]any) (*output, error) { panic("broken") }
	var lines bytes.Buffer
	log := slog.New(slog.DiscardHandler)
	d := &dispatcher{catalogue: &toolset{fixed: []*tool{broken}, byName: map[string]*tool{"broken": broken}}, clock: clock, metrics: newMetrics(), log: log}
	handle := d.middleware(func(ctx context.Context, _ string, req sdk.Request) (sdk.Result, error) {
		call, ok := req.(*sdk.CallToolRequest)
		if !ok || call.Params.Name != executeTool {
			t.Errorf("the SDK got a call that was not judged: %+v", req)
		}
		return d.execute(ctx, call)
	})
	rec := func() *audit.Record { return (&audit.Log{Clock: clock, Out: &lines}).Begin() }
	call := func(ctx context.Context, name string) int64 {
		t.Helper()
		_, err := handle(ctx, methodCallTool, &sdk.CallToolRequest{Params: &sdk.CallToolParamsRaw{Name: name}})
		failed, ok := errors.AsType[*jsonrpc.Error](err)
		if !ok {
			t.Fatalf("error %v", err)
		}
		return failed.Code
	}
	with := func(scope string) context.Context {
		ctx := context.WithValue(t.Context(), recordKey, rec())
		return context.WithValue(ctx, callerKey, caller{grants: access.Grants{{Scopes: []string{scope}}}})
	}
	if code := call(with(scopeScenariosRead), "broken"); code != jsonrpc.CodeInternalError || !strings.Contains(lines.String(), `"outcome":"error","reason":"panic"`) {
		t.Errorf("panic: code %d, audit %s", code, lines.String())
	}
	if code := call(with(scopeScenariosRun), "broken"); code != jsonrpc.CodeInvalidParams || !strings.Contains(lines.String(), `"outcome":"denied"`) {
		t.Errorf("without the scope: code %d, audit %s", code, lines.String())
	}
	if code := call(context.WithValue(t.Context(), recordKey, rec()), "broken"); code != jsonrpc.CodeInvalidParams {
		t.Errorf("without a caller: code %d", code)
	}
	if code := call(with(scopeScenariosRead), executeTool); code != jsonrpc.CodeInvalidParams {
		t.Errorf("the SDK's own tool: code %d", code)
	}
	if code := call(t.Context(), "broken"); code != jsonrpc.CodeInternalError {
		t.Errorf("without an audit line: code %d", code)
	}
}
