package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
)

const (
	// maxID is the largest whole number that JSON carries exactly everywhere. Source: RFC 8259 §6.
	maxID = 1<<53 - 1
	// maxURLText bounds text that becomes part of a URL, maxText text of a body: more than that no request body holds.
	maxURLText = 512
	maxText    = maxBodyBytes
	// maxItems bounds arrays that Make names no bound for.
	maxItems = 1000
)

// confirmedArgument is how a caller without elicitation confirms a destructive call. Some of Make's tools have it by themselves.
const confirmedArgument = "confirmed"

// inputSchemaOf is the JSON Schema of a tool's arguments: Make's own, with the bounds that it leaves out. fixed are arguments that can have
// one value only, by name: required ones may then be left out. The members keep Make's order, which models read first to last.
func inputSchemaOf(t catalogue.Tool, fixed map[string]int64, confirm bool) (json.RawMessage, error) {
	var properties bytes.Buffer
	required := []string{}
	add := func(name string, schema any) error {
		raw, err := json.Marshal(schema)
		if err != nil {
			return err
		}
		if properties.Len() > 0 {
			properties.WriteByte(',')
		}
		fmt.Fprintf(&properties, "%q:%s", name, raw)
		return nil
	}
	for _, a := range t.Arguments {
		var schema map[string]any
		if err := json.Unmarshal(a.Schema, &schema); err != nil {
			return nil, fmt.Errorf("decode schema of %s: %w", a.Name, err)
		}
		bound(a.Name, schema, a.Required, inURL(t, a.Name))
		if a.Default != nil {
			schema["default"] = a.Default
		}
		only, isFixed := fixed[a.Name]
		if isFixed {
			schema["enum"] = []int64{only}
			schema["type"] = "integer"
		}
		if isFixed && a.Required {
			schema["default"] = only
		}
		if a.Required && !isFixed {
			required = append(required, a.Name)
		}
		if err := add(a.Name, schema); err != nil {
			return nil, fmt.Errorf("encode schema of %s: %w", a.Name, err)
		}
	}
	if confirm && !hasArgument(t, confirmedArgument) {
		if err := add(confirmedArgument, map[string]any{"type": "boolean", "description": "Set to true only after the user has agreed to this very call: it deletes or overwrites something."}); err != nil {
			return nil, err
		}
	}
	names, err := json.Marshal(required)
	if err != nil {
		return nil, err
	}
	out := `{"type":"object","properties":{` + properties.String() + `}`
	if len(required) > 0 {
		out += `,"required":` + string(names)
	}
	return json.RawMessage(out + `,"additionalProperties":false}`), nil
}

// bound adds the bounds that a schema lacks, also to what is inside it. Numbers at Make are never negative: they are IDs, counts, sizes,
// versions and times in milliseconds.
func bound(name string, schema map[string]any, required, inURL bool) {
	absent := func(key string, value any) {
		if _, given := schema[key]; !given {
			schema[key] = value
		}
	}
	_, enumerated := schema["enum"]
	switch schema["type"] {
	case "string":
		if limit := maxText; !enumerated {
			if inURL {
				limit = maxURLText
			}
			absent("maxLength", limit)
		}
	case "number", "integer":
		least := 0
		if isID(name) {
			schema["type"] = "integer"
			if required {
				least = 1
			}
		}
		absent("minimum", least)
		absent("maximum", int64(maxID))
	case "array":
		absent("maxItems", maxItems)
		if items, ok := schema["items"].(map[string]any); ok {
			bound(strings.TrimSuffix(name, "s"), items, required, inURL)
		}
	case "object":
		if properties, ok := schema["properties"].(map[string]any); ok {
			for member, of := range properties {
				if of, ok := of.(map[string]any); ok {
					bound(member, of, false, false)
				}
			}
		}
	}
	for _, either := range []string{"oneOf", "anyOf"} {
		alternatives, _ := schema[either].([]any)
		for _, one := range alternatives {
			if one, ok := one.(map[string]any); ok {
				bound(name, one, required, inURL)
			}
		}
	}
}

// isID reports whether an argument of type number is an ID, a whole number.
func isID(name string) bool { return name == "id" || strings.HasSuffix(name, "Id") }

// inURL reports whether an argument becomes part of a URL.
func inURL(t catalogue.Tool, name string) bool {
	reference := "{" + name + "}"
	return slices.ContainsFunc(t.Requests, func(r catalogue.Request) bool {
		if strings.Contains(r.Path, reference) {
			return true
		}
		for _, value := range r.Query {
			if value == reference {
				return true
			}
		}
		return false
	})
}

func hasArgument(t catalogue.Tool, name string) bool {
	return slices.ContainsFunc(t.Arguments, func(a catalogue.Argument) bool { return a.Name == name })
}
