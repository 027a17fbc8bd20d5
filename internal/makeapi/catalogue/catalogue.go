// Package catalogue knows the tools of Make's SDK: what each takes, which scope it needs, and which requests it makes.
//
// It is data and pure functions. It sends nothing and knows neither credentials nor zones: internal/makeapi makes the
// requests, internal/mcp offers the tools.
package catalogue

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"sigs.k8s.io/yaml"
)

// Tool is one operation as Make's own SDK, CLI and MCP server know it.
// Source: @makehq/sdk 1.6.10, entry point "tools".
type Tool struct {
	// Name is unique: category, "_" and verb.
	Name string `json:"name"`
	// Title and Description are for people and language models.
	Title       string `json:"title"`
	Description string `json:"description"`
	// Category groups tools by what they work on.
	Category string `json:"category"`
	// Scope is what the token must hold; "" when the SDK states none.
	Scope string `json:"scope"`
	// ScopeID is the argument that names the organization or team, or something inside one; "" when no argument does.
	ScopeID string `json:"scopeId"`
	// ResourceID is the argument that names the object; "" for lists and creation.
	ResourceID string `json:"resourceId"`
	// Hints say what a call does to the world.
	Hints Hints `json:"hints"`
	// Arguments are in the SDK's order; nil when there are none.
	Arguments []Argument `json:"arguments"`
	// Requests are made in this order, at least one; Build turns them into what goes over the wire.
	Requests []Request `json:"requests"`
}

// Hints are the tool annotations of MCP. They are Make's words, and no promise: what may be repeated is told by the method.
type Hints struct {
	ReadOnly    bool `json:"readOnly"`
	Destructive bool `json:"destructive"`
	Idempotent  bool `json:"idempotent"`
	OpenWorld   bool `json:"openWorld"`
}

// Argument is one named input of a tool.
type Argument struct {
	Name     string `json:"name"`
	Required bool   `json:"required"`
	// Default is taken where the argument is left out; nil when there is none.
	Default json.RawMessage `json:"default"`
	// Schema is JSON Schema, its description included.
	Schema json.RawMessage `json:"schema"`

	types []string // JSON types that Schema allows, read from it
}

// Request is one HTTP request. In Path and in the values of Query, "{x}" stands for argument x.
type Request struct {
	Method string `json:"method"`
	// Path is below /api/v2, with its leading slash.
	Path string `json:"path"`
	// When names the argument without which the request is not made; "" means always.
	When string `json:"when"`
	// Query holds values or arguments by parameter; an array is repeated, an absent argument left out.
	Query map[string]string `json:"query"`
	// QueryMembers is an argument whose members are parameters of their own; "" for none.
	QueryMembers string `json:"queryMembers"`
	// Body is nil for a request without one.
	Body *Body `json:"body"`
	// Run starts a scenario: it may take 40 s, and Make does not count it.
	Run bool `json:"run"`
}

// Body is a request's body: JSON made of Members and Fields, or exactly one argument as it is (Whole, Text, Base64).
type Body struct {
	// Fields are arguments by member of the JSON object; an absent argument is left out.
	Fields map[string]string `json:"fields"`
	// JSONStrings are the Fields that travel as JSON inside a string.
	JSONStrings []string `json:"jsonStrings"`
	// SplitBlueprint moves scheduling, interface and io out of the field blueprint.
	SplitBlueprint bool `json:"splitBlueprint"`
	// Members is an argument whose members come before Fields, except those named by Omit.
	Members string   `json:"members"`
	Omit    []string `json:"omit"`
	// Optional leaves the body out when it would be an object without members.
	Optional bool `json:"optional"`
	// Whole is the argument that is the JSON body.
	Whole string `json:"whole"`
	// Text is the argument that is the body as it is, Base64 the one that is it when decoded.
	Text   string `json:"text"`
	Base64 string `json:"base64"`
	// Type is the media type of Text and Base64; JSON otherwise.
	Type string `json:"type"`
}

//go:embed tools.yaml
var toolsYAML []byte

// builtIn is constant; it is read at first use.
var builtIn = sync.OnceValue(func() []Tool {
	tools, err := parse(toolsYAML)
	if err != nil {
		panic(fmt.Sprintf("read the built-in tool catalogue: %v", err)) // a mistake of the build, which every test finds
	}
	return tools
})

// Tools are all tools, in the SDK's order. The slice is the caller's own; what it points to is shared and constant.
func Tools() []Tool { return slices.Clone(builtIn()) }

// Lookup finds a tool by its name.
func Lookup(name string) (Tool, bool) {
	tools := builtIn()
	i := slices.IndexFunc(tools, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		return Tool{}, false
	}
	return tools[i], true
}

// parse reads and checks a catalogue.
func parse(raw []byte) ([]Tool, error) {
	var data struct {
		Tools []Tool `json:"tools"`
	}
	if err := yaml.UnmarshalStrict(raw, &data); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range data.Tools {
		t := &data.Tools[i]
		if seen[t.Name] {
			return nil, fmt.Errorf("tool %q appears twice", t.Name)
		}
		seen[t.Name] = true
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("tool %q: %w", t.Name, err)
		}
	}
	return data.Tools, nil
}
