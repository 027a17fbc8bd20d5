package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
)

// makeTools offers the tools of Make's own SDK, with its names, texts, scopes, annotations and arguments, so that prompts and skills written
// for Make's servers work here. What differs, on purpose:
//   - organizationId, and teamId where the server is limited to a team, may be left out and take that one value;
//   - scenarios_run has no callbackUrl, which would let a caller send a scenario's outputs to any address;
//   - destructive tools take confirmed (see confirm.go).
type makeTools struct {
	executor *executor
	// scopes are those of the server's token.
	scopes []string
	// confirm means that destructive tools need to be confirmed.
	confirm bool
}

const (
	// runTool is the tool through which every scenario is run.
	runTool = "scenarios_run"
	// executionTool and executionDetailTool read one run.
	executionTool, executionDetailTool = "executions_get", "executions_get-detail"
)

// build returns all tools that the executor can keep within the tenant; which are offered is for the catalogue to say.
func (m makeTools) build() []*tool {
	var tools []*tool
	for _, t := range catalogue.Tools() {
		if m.executor.owners.reachable(t, m.scopes) {
			tools = append(tools, m.tool(t))
		}
	}
	return tools
}

func (m makeTools) tool(t catalogue.Tool) *tool {
	t = adapt(t)
	confirm := m.confirm && needsConfirmation(t)
	fixed := m.executor.fixed()
	made := &tool{
		definition: &sdk.Tool{Name: t.Name, Title: t.Title, Description: t.Description, Annotations: annotations(t)},
		scope:      t.Scope,
		confirm:    confirm,
		run: func(ctx context.Context, args map[string]any) (*output, error) {
			for _, a := range t.Arguments {
				if only, isFixed := fixed[a.Name]; isFixed && a.Required {
					args[a.Name] = only
				}
			}
			if !hasArgument(t, confirmedArgument) {
				delete(args, confirmedArgument)
			}
			return m.executor.run(ctx, t, args)
		},
	}
	made.describeLazily(func() (json.RawMessage, error) { return inputSchemaOf(t, fixed, confirm) })
	return made
}

// adapt changes what this server does otherwise than Make's SDK.
func adapt(t catalogue.Tool) catalogue.Tool {
	if t.Name != runTool {
		return t
	}
	t.Arguments = slices.DeleteFunc(slices.Clone(t.Arguments), func(a catalogue.Argument) bool { return a.Name == "callbackUrl" })
	t.Description = "Runs an active Make scenario with input data and waits up to 40 seconds for its outputs; with responsive false it returns at once. " +
		"The keys of data are those of scenarios_interface. A run that takes longer goes on: the answer then has the executionId, and " +
		"executions_get tells how it ended, executions_get-detail why. Do not run it again meanwhile."
	return t
}

// needsConfirmation reports whether a tool deletes or overwrites something at Make. Running a scenario does neither to Make, and what it does
// beyond is what scenarios:run was given for.
func needsConfirmation(t catalogue.Tool) bool { return t.Hints.Destructive && t.Name != runTool }

func annotations(t catalogue.Tool) *sdk.ToolAnnotations {
	return &sdk.ToolAnnotations{
		Title: t.Title, ReadOnlyHint: t.Hints.ReadOnly, IdempotentHint: t.Hints.Idempotent,
		DestructiveHint: new(t.Hints.Destructive), OpenWorldHint: new(t.Hints.OpenWorld),
	}
}

// changes annotates a tool that may change anything, within Make and beyond.
func changes(title string) *sdk.ToolAnnotations {
	return &sdk.ToolAnnotations{Title: title, DestructiveHint: new(true), OpenWorldHint: new(true)}
}

// object is the schema of an object with exactly these properties.
func object(properties map[string]*jsonschema.Schema, required ...string) *jsonschema.Schema {
	return &jsonschema.Schema{
		Type:                 "object",
		Properties:           properties,
		Required:             required,
		AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}, // marshals as false
	}
}

// builtInTool is a tool of the catalogue that this package depends on.
func builtInTool(name string) catalogue.Tool {
	t, ok := catalogue.Lookup(name)
	if !ok {
		panic(fmt.Sprintf("the catalogue has no tool %s", name)) // a mistake of the build, which every test finds
	}
	return t
}
