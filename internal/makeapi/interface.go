package makeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
)

// maxParameterDepth bounds how deep parameters nest; deeper ones are left out.
const maxParameterDepth = 16

// Interface is what a scenario takes and gives.
type Interface struct {
	// Inputs and Outputs are in Make's order; nil when the scenario declares none.
	Inputs, Outputs []Parameter
}

// Parameter is one input or output of a scenario.
type Parameter struct {
	// Name is the key in the run's data; "" for an array's items.
	Name string
	// Type is one of text, number, boolean, date, json, select, collection, array, or one that Make adds later.
	Type string
	// Label and Help are for people; either may be "".
	Label, Help string
	// Required parameters must be given.
	Required bool
	// Multiline is a hint for text.
	Multiline bool
	// Default is a JSON value; nil when there is none.
	Default json.RawMessage
	// Options are the values that a select offers, as JSON.
	Options []json.RawMessage
	// Fields are the members of a collection, or of the collections in an array.
	Fields []Parameter
	// Item is the form of an array's items where these are not collections; nil when not declared.
	Item *Parameter
}

// ScenarioInterface reads what a scenario takes and gives. It needs scenarios:read.
// Source: GET /scenarios/{id}/interface; the nesting by "spec" is as Make's own MCP server reads it.
func (z *Zone) ScenarioInterface(ctx context.Context, id int64) (Interface, error) {
	var got struct {
		Interface struct {
			Input  json.RawMessage `json:"input"`
			Output json.RawMessage `json:"output"`
		} `json:"interface"`
	}
	r := request{op: "get scenario interface", method: http.MethodGet, path: scenarioPath(id) + "/interface", scope: "scenarios:read"}
	if err := z.call(ctx, r, &got); err != nil {
		return Interface{}, err
	}
	inputs, inErr := parseParameters(got.Interface.Input, 0)
	outputs, outErr := parseParameters(got.Interface.Output, 0)
	if inErr != nil || outErr != nil {
		return Interface{}, &Error{Op: r.op, Kind: Invalid, Reason: "answer not understood"}
	}
	return Interface{Inputs: inputs, Outputs: outputs}, nil
}

// parseParameters reads a JSON list of parameters; nothing and null are no parameters.
func parseParameters(raw json.RawMessage, depth int) ([]Parameter, error) {
	var items []json.RawMessage
	if len(raw) == 0 || depth > maxParameterDepth {
		return nil, nil
	}
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, err
	}
	var all []Parameter
	for _, item := range items {
		p, err := parseParameter(item, depth)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func parseParameter(raw json.RawMessage, depth int) (Parameter, error) {
	var w struct {
		Name      string            `json:"name"`
		Type      string            `json:"type"`
		Label     string            `json:"label"`
		Help      string            `json:"help"`
		Required  bool              `json:"required"`
		Multiline bool              `json:"multiline"`
		Default   json.RawMessage   `json:"default"`
		Options   []json.RawMessage `json:"options"`
		Spec      json.RawMessage   `json:"spec"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return Parameter{}, err
	}
	p := Parameter{
		Name: w.Name, Type: w.Type, Label: w.Label, Help: w.Help,
		Required: w.Required, Multiline: w.Multiline,
	}
	if string(w.Default) != "null" {
		p.Default = w.Default
	}
	for _, o := range w.Options {
		p.Options = append(p.Options, optionValue(o))
	}
	return p, p.nest(w.Spec, depth+1)
}

// optionValue is the value of an option, which Make writes as an object with a
// label and a value, or as the bare value.
func optionValue(option json.RawMessage) json.RawMessage {
	var labelled struct {
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(option, &labelled) != nil || labelled.Value == nil {
		return option
	}
	return labelled.Value
}

// nest fills Fields from a list and Item from an object.
func (p *Parameter) nest(spec json.RawMessage, depth int) error {
	if depth > maxParameterDepth {
		return nil
	}
	if bytes.HasPrefix(spec, []byte("{")) {
		item, err := parseParameter(spec, depth)
		p.Item = &item
		return err
	}
	fields, err := parseParameters(spec, depth)
	p.Fields = fields
	return err
}
