package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/mcp/access"
)

// The Make scopes that this package knows. Source: make.com API reference, per endpoint.
const (
	scopeScenariosRead  = "scenarios:read"
	scopeScenariosRun   = "scenarios:run"
	scopeScenariosWrite = "scenarios:write"
)

// tool is one tool: what callers see, what it needs and what it does.
type tool struct {
	definition *sdk.Tool
	// schema checks arguments. It is made at the first call: 181 schemas would keep a server from being ready at once.
	schema func() (*jsonschema.Resolved, error)
	// scope is the Make scope that a caller needs; empty means that any admitted caller may use the tool.
	scope string
	// confirm means that a call has to be confirmed, see confirm.go.
	confirm bool
	// run does the work. args fit the schema; numbers in them are json.Number. It may change args.
	run func(ctx context.Context, args map[string]any) (*output, error)
}

// newTool resolves the schema of definition; it fails only for a schema that is not valid.
func newTool(definition sdk.Tool, input *jsonschema.Schema, scope string) (*tool, error) {
	resolved, err := input.Resolve(nil)
	if err != nil {
		return nil, fmt.Errorf("resolve schema of %s: %w", definition.Name, err)
	}
	definition.InputSchema = input
	return &tool{definition: &definition, schema: func() (*jsonschema.Resolved, error) { return resolved, nil }, scope: scope}, nil
}

// describeLazily sets the schema to what describe returns, which is asked once, when the tool is first listed or called.
func (t *tool) describeLazily(describe func() (json.RawMessage, error)) {
	lazy := &lazySchema{describe: sync.OnceValues(describe)}
	t.definition.InputSchema = lazy
	t.schema = sync.OnceValues(func() (*jsonschema.Resolved, error) {
		raw, err := lazy.describe()
		if err != nil {
			return nil, err
		}
		schema := &jsonschema.Schema{}
		if err := json.Unmarshal(raw, schema); err != nil {
			return nil, fmt.Errorf("decode schema of %s: %w", t.definition.Name, err)
		}
		return schema.Resolve(nil)
	})
}

// lazySchema is a JSON Schema that is made when it is first written.
type lazySchema struct {
	describe func() (json.RawMessage, error)
}

// MarshalJSON implements json.Marshaler.
func (l *lazySchema) MarshalJSON() ([]byte, error) { return l.describe() }

func (t *tool) readOnly() bool { return t.definition.Annotations.ReadOnlyHint }

// argumentNames are the names of the arguments, in alphabetical order.
func (t *tool) argumentNames() []string {
	resolved, err := t.schema()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(resolved.Schema().Properties))
}

// errArguments wraps what is wrong with a call's arguments; its text is for the caller.
var errArguments = errors.New("the arguments do not fit the tool's input schema")

// arguments decodes and checks the arguments of a call. Nothing at all means no arguments.
func (t *tool) arguments(raw json.RawMessage) (map[string]any, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		raw = json.RawMessage("{}")
	}
	var instance any
	if err := json.Unmarshal(raw, &instance); err != nil {
		return nil, errArguments
	}
	schema, err := t.schema()
	if err != nil {
		return nil, err
	}
	if err := schema.Validate(instance); err != nil {
		return nil, fmt.Errorf("%w: %w", errArguments, err)
	}
	// Decoded again, so that what goes on to Make keeps numbers as they were written.
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	args := map[string]any{}
	if err := dec.Decode(&args); err != nil {
		return nil, errArguments
	}
	return args, nil
}

// number returns a whole number that the schema has admitted; zero when it is absent.
func number(args map[string]any, name string) int64 {
	switch n := args[name].(type) {
	case int64:
		return n
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return i
		}
		f, _ := n.Float64() // 7.0 is a whole number too
		return int64(f)
	}
	return 0
}

const scenarioPrefix = "scenario_"

// scenarioID returns the id in the name of a scenario's tool.
func scenarioID(name string) (int64, bool) {
	rest, ok := strings.CutPrefix(name, scenarioPrefix)
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "_")
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0 && digits[0] != '0' && digits[0] != '+'
}

// sameTool compares tool names. Of a scenario's name only the id counts, so that renaming a scenario at Make neither
// breaks a caller nor opens or closes access.
func sameTool(a, b string) bool {
	if a == b {
		return true
	}
	idA, okA := scenarioID(a)
	idB, okB := scenarioID(b)
	return okA && okB && idA == idB
}

func namesTool(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return sameTool(n, name) })
}

// permits reports whether one of the grants gives both the tool and its scope.
func permits(grants access.Grants, name, scope string) bool {
	return slices.ContainsFunc(grants, func(g access.Grant) bool {
		return (len(g.Tools) == 0 || namesTool(g.Tools, name)) && (scope == "" || slices.Contains(g.Scopes, scope))
	})
}

// admits reports whether one of the grants gives the tool, whatever its scope.
func admits(grants access.Grants, name string) bool {
	return slices.ContainsFunc(grants, func(g access.Grant) bool { return len(g.Tools) == 0 || namesTool(g.Tools, name) })
}

// offers reports whether the configuration lets the server offer a tool at all.
func (t Tools) offers(name string, readOnly bool) bool {
	return (len(t.Include) == 0 || namesTool(t.Include, name)) && !namesTool(t.Exclude, name) && (readOnly || !t.ReadOnly)
}
