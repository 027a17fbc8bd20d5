package mcp

import (
	"context"
	"errors"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// NewWithFixtures is New with further tools, prompts and resources in the same SDK server, behind the same front. Everything that the
// dispatcher knows is still judged by it.
func NewWithFixtures(cfg Config, o Options, configure func(*sdk.ServerOptions), register func(*sdk.Server)) (*Server, error) {
	s, err := New(cfg, o)
	if err != nil {
		return nil, err
	}
	f, ok := s.front.(*front)
	if !ok {
		return nil, errors.New("the outermost handler is no front")
	}
	d := &dispatcher{catalogue: f.catalogue, clock: s.options.Clock, metrics: s.metrics, log: s.options.Log, draining: s.stopping}
	options := s.sdkOptions()
	configure(options)
	server := s.sdkServer(options, d.withFixtures, d.execute)
	register(server)
	f.next = s.streamable(server)
	return s, nil
}

// withFixtures is middleware that passes on what belongs to the fixtures.
func (d *dispatcher) withFixtures(next sdk.MethodHandler) sdk.MethodHandler {
	guarded := d.middleware(next)
	return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
		switch r := req.(type) {
		case *sdk.ListToolsRequest:
			return listBoth(ctx, guarded, next, r)
		case *sdk.CallToolRequest:
			if !strings.HasPrefix(r.Params.Name, "test_") && !strings.HasPrefix(r.Params.Name, "json_schema_") {
				return guarded(ctx, method, req)
			}
		}
		return next(ctx, method, req)
	}
}

func listBoth(ctx context.Context, guarded, next sdk.MethodHandler, req *sdk.ListToolsRequest) (sdk.Result, error) {
	ours, err := guarded(ctx, "tools/list", req)
	if err != nil {
		return nil, err
	}
	fixtures, err := next(ctx, "tools/list", req)
	if err != nil {
		return nil, err
	}
	all, ok := ours.(*sdk.ListToolsResult)
	more, okMore := fixtures.(*sdk.ListToolsResult)
	if !ok || !okMore {
		return nil, errors.New("no list of tools")
	}
	all.Tools = append(all.Tools, slices.DeleteFunc(more.Tools, func(t *sdk.Tool) bool { return t.Name == executeTool })...)
	return all, nil
}
