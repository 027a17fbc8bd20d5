package makesim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// mcpRunLimit is how long the server with a token waits for a run. Source: Make's documentation of MCP.
const mcpRunLimit = 40 * time.Second

// scenarioTool describes a scenario as a tool.
func scenarioTool(sc object, longest int) *sdk.Tool {
	name, _ := sc["name"].(string)
	description, _ := sc["description"].(string)
	return &sdk.Tool{
		Name: toolName(sc["id"], name, longest), Title: name,
		Description: strings.TrimSpace(fmt.Sprintf("%s\n%s", name, description)),
		InputSchema: inputSchema(interfaceOf(sc).Input),
	}
}

// toolName is scenario_<id>_<words of the name>, cut to the longest length.
func toolName(id any, name string, longest int) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	full := strings.Join(append([]string{fmt.Sprintf("scenario_%v", id)}, words...), "_")
	return strings.TrimRight(full[:min(len(full), longest)], "_")
}

// inputSchema translates an interface. Source: Make's own MCP servers.
func inputSchema(fields []Field) object {
	properties, required := object{}, []string{}
	for _, f := range fields {
		properties[f.Name] = f.schema()
		if f.Required && f.Default == nil {
			required = append(required, f.Name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// jsonTypes are the types of values in JSON. Dates, JSON and selects travel as text.
var jsonTypes = map[string]string{"number": "number", "boolean": "boolean", "collection": "object", "array": "array"}

func (f Field) schema() object {
	members, item := f.nested()
	schema := object{"type": "string"}
	if jsonType, ok := jsonTypes[f.Type]; ok {
		schema["type"] = jsonType
	}
	switch {
	case f.Type == "select" && len(f.Options) > 0:
		schema["enum"] = f.choices()
	case f.Type == "collection" && len(members) > 0:
		maps.Copy(schema, inputSchema(members))
	case f.Type == "array" && item != nil:
		schema["items"] = item.schema()
	case f.Type == "array" && len(members) > 0:
		schema["items"] = inputSchema(members)
	}
	if about := strings.Join(slices.DeleteFunc([]string{f.Label, f.Help}, func(s string) bool { return s == "" }), ". "); about != "" {
		schema["description"] = about
	}
	if f.Default != nil && f.Default != "" {
		schema["default"] = f.Default
	}
	return schema
}

// callTool runs a scenario as a tool and waits for it. What the caller did wrong is the tool's error.
func (s *Server) callTool(c *call, scenario int64) sdk.ToolHandler {
	caller := c.r.Context() // the SDK's own context outlives a caller that is gone
	return func(_ context.Context, r *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		var arguments map[string]any
		if err := json.Unmarshal(r.Params.Arguments, &arguments); err != nil && len(r.Params.Arguments) > 0 {
			return toolError("The arguments are not an object."), nil
		}
		id, err := s.startTool(c, scenario, arguments)
		if err != nil {
			return toolError(explain(err)), nil
		}
		e, ended := s.awaitExecution(caller, scenario, id, mcpRunLimit)
		switch {
		case !ended:
			return toolResult(object{
				"instruction": "The scenario is still running. Get the result later with the execution ID.",
				"executionId": id, "scenarioId": scenario,
			}), nil
		case e.Error != nil:
			return toolError(e.Error.Message), nil
		case len(e.Outputs) == 0:
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "Scenario executed successfully."}}}, nil
		}
		return toolResult(e.Outputs), nil
	}
}

// startTool runs the scenario if it still is a tool. The clock may have moved since the request came in.
func (s *Server) startTool(c *call, scenario int64, arguments map[string]any) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.now()
	sc := s.state.scenario(scenario)
	if sc == nil || !s.isTool(c, sc) {
		return "", notFound()
	}
	inputs, err := readInputs(interfaceOf(sc).Input, arguments)
	if err != nil {
		return "", err
	}
	if err := s.mayStart(c, sc); err != nil {
		return "", err
	}
	e := s.state.execute(sc, execution{Type: manually, Author: &c.user.ID, Instant: true, Started: c.now, Inputs: inputs})
	return e.ID, nil
}

func toolResult(value object) *sdk.CallToolResult {
	return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: encode(value)}}, StructuredContent: value}
}

func toolError(message string) *sdk.CallToolResult {
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: message}}}
}

// explain is an error of the zone API in words.
func explain(err error) string {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		return err.Error()
	}
	words := []string{e.Message}
	if e.Detail != "" {
		words[0] = e.Detail
	}
	for _, sub := range e.Suberrors {
		words = append(words, sub.Message)
	}
	return strings.Join(words, " ")
}
