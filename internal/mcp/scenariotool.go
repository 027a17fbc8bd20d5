package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makeapi"
)

const (
	// maxToolName is the length that Make's own server keeps to. Source: developers.make.com, maxToolNameLength.
	maxToolName = 56
	// maxDescription bounds what a scenario's author puts into a model's context.
	maxDescription = 1024
	// maxParameters bounds the size of one tool's schema, nested parameters included.
	maxParameters = 256
)

// tool returns the tool of one scenario. Its inputs are described when its interface is known; otherwise they are open
// and Make judges them.
func (s *scenarioTools) tool(sc makeapi.Scenario, inputs []makeapi.Parameter, known bool) (*tool, error) {
	schema := &jsonschema.Schema{Type: "object"}
	if known {
		schema = inputSchema(inputs)
	}
	t, err := newTool(sdk.Tool{
		Name:        scenarioToolName(sc.ID, sc.Name),
		Title:       printable(sc.Name, maxDescription),
		Description: scenarioDescription(sc),
		Annotations: changes(printable(sc.Name, maxDescription)),
	}, schema, scopeScenariosRun)
	if err != nil {
		return nil, err
	}
	t.run = func(ctx context.Context, args map[string]any) (*output, error) {
		return s.executor.runScenario(ctx, sc.ID, args)
	}
	return t, nil
}

// scenarioToolName is scenario_<id>_<slug>, at most maxToolName long. The slug is the scenario's name in lower case
// letters, digits and underscores; it is there for readers, the id alone decides (see sameTool).
func scenarioToolName(id int64, name string) string {
	base := scenarioPrefix + strconv.FormatInt(id, 10)
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if len(words) == 0 {
		return base
	}
	full := base + "_" + strings.Join(words, "_")
	return strings.TrimRight(full[:min(len(full), maxToolName)], "_")
}

func scenarioDescription(sc makeapi.Scenario) string {
	text := fmt.Sprintf("Runs the Make scenario %q.", printable(sc.Name, maxDescription/2))
	if about := printable(sc.Description, maxDescription); about != "" {
		text += " " + about
	}
	return printable(text, maxDescription)
}

// printable drops control characters, folds white space and cuts text to at most limit bytes, on a character's edge.
func printable(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}

// inputSchema translates a scenario's inputs as Make's own servers do. Source: npm @makehq/mcp-server 0.5.0.
func inputSchema(inputs []makeapi.Parameter) *jsonschema.Schema {
	budget := maxParameters
	return collectionSchema(inputs, &budget)
}

func collectionSchema(fields []makeapi.Parameter, budget *int) *jsonschema.Schema {
	schema := object(map[string]*jsonschema.Schema{})
	for _, p := range fields {
		if *budget--; *budget < 0 || p.Name == "" {
			schema.AdditionalProperties = nil // not everything is described, so the rest is open
			continue
		}
		if _, twice := schema.Properties[p.Name]; twice {
			continue
		}
		schema.Properties[p.Name] = parameterSchema(p, budget)
		schema.PropertyOrder = append(schema.PropertyOrder, p.Name)
		if p.Required {
			schema.Required = append(schema.Required, p.Name)
		}
	}
	return schema
}

func parameterSchema(p makeapi.Parameter, budget *int) *jsonschema.Schema {
	schema := &jsonschema.Schema{}
	switch p.Type {
	case "text":
		schema.Type = "string"
	case "number":
		schema.Type = "number"
	case "boolean":
		schema.Type = "boolean"
	case "date":
		schema.Type, schema.Description = "string", "A date and time in ISO 8601."
	case "json":
		schema.Type, schema.Description = "string", "A JSON text."
	case "select":
		schema.Enum = optionValues(p.Options)
	case "collection":
		schema = openIfEmpty(collectionSchema(p.Fields, budget))
	case "array":
		schema.Type, schema.Items = "array", itemSchema(p, budget)
	}
	if about := printable(strings.TrimSpace(p.Label+". "+p.Help), maxDescription); p.Label+p.Help != "" {
		schema.Description = strings.TrimPrefix(strings.TrimSpace(about+" "+schema.Description), ". ")
	}
	if schema.Type == "" && schema.Enum == nil && schema.Description == "" {
		schema.Description = "Any value." // keeps the schema an object: not every client takes true for one
	}
	schema.Default = defaultValue(p)
	return schema
}

func itemSchema(p makeapi.Parameter, budget *int) *jsonschema.Schema {
	switch {
	case p.Item != nil:
		return parameterSchema(*p.Item, budget)
	case len(p.Fields) > 0:
		return collectionSchema(p.Fields, budget)
	default:
		return nil // any items
	}
}

// openIfEmpty lets a collection without declared fields take any.
func openIfEmpty(schema *jsonschema.Schema) *jsonschema.Schema {
	if len(schema.Properties) == 0 {
		schema.AdditionalProperties = nil
	}
	return schema
}

func optionValues(options []json.RawMessage) []any {
	var values []any
	for _, raw := range options {
		var v any
		if err := json.Unmarshal(raw, &v); err == nil {
			values = append(values, v)
		}
	}
	return values
}

// defaultValue returns a parameter's default where it is of the parameter's type. Make stores "" for no default.
func defaultValue(p makeapi.Parameter) json.RawMessage {
	var v any
	if err := json.Unmarshal(p.Default, &v); err != nil || v == nil || v == "" {
		return nil
	}
	var fits bool
	switch v.(type) {
	case string:
		fits = p.Type != "number" && p.Type != "boolean" && p.Type != "array" && p.Type != "collection"
	case float64:
		fits = p.Type == "number" || p.Type == "select"
	case bool:
		fits = p.Type == "boolean" || p.Type == "select"
	}
	if !fits {
		return nil
	}
	return p.Default
}
