package makesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kind is the type of a member in a request body.
type kind string

// The kinds, named as in error texts. A jsonText is a JSON document inside a string.
const (
	text     kind = "string"
	number   kind = "number"
	boolean  kind = "boolean"
	list     kind = "array"
	document kind = "object"
	jsonText kind = "JSON string"
	anything kind = "any"
)

// field is one member that a request body may have.
type field struct {
	name     string
	kind     kind
	required bool
	oneOf    []string // the texts that are accepted; nil means any
}

// must is a member that has to be there and not be null or empty.
func must(name string, k kind, oneOf ...string) field {
	return field{name: name, kind: k, required: true, oneOf: oneOf}
}

// may is a member that can be absent or null.
func may(name string, k kind, oneOf ...string) field {
	return field{name: name, kind: k, oneOf: oneOf}
}

// document reads the body as a JSON object; an absent one is empty.
func (c *call) document() (object, error) {
	if len(c.body) == 0 || !c.isJSON() {
		return object{}, nil
	}
	var read any
	if err := decodeNumbers(c.body, &read); err != nil || !json.Valid(c.body) {
		return nil, badRequest("The request body is not valid JSON.")
	}
	body, ok := wholeNumbers(read).(object)
	if !ok {
		return nil, badRequest("The request body is not an object.")
	}
	return body, nil
}

// fields reads the body and checks it against what the endpoint takes.
func (c *call) fields(fields ...field) (object, error) {
	body, err := c.document()
	if err != nil {
		return nil, err
	}
	if problems := check(body, fields); len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	return body, nil
}

// check returns what is wrong with a body, in the order of the fields, then unknown members by name.
func check(body object, fields []field) []string {
	var problems []string
	known := map[string]bool{}
	for _, f := range fields {
		known[f.name] = true
		if problem := f.check(body[f.name]); problem != "" {
			problems = append(problems, problem)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !known[name] {
			problems = append(problems, fmt.Sprintf("Unknown parameter '%s'.", name))
		}
	}
	return problems
}

func (f field) check(value any) string {
	switch {
	case f.required && (value == nil || value == ""):
		return missing(f.name)
	case value == nil:
		return ""
	case !f.kind.holds(value):
		return fmt.Sprintf("Invalid type of parameter '%s': %s expected.", f.name, f.kind)
	case len(f.oneOf) > 0 && !slices.Contains(f.oneOf, fmt.Sprint(value)):
		return fmt.Sprintf("Invalid value of parameter '%s': one of %s expected.", f.name, strings.Join(f.oneOf, ", "))
	}
	return ""
}

func (k kind) holds(value any) bool {
	switch v := value.(type) {
	case string:
		return k == text || k == anything || k == jsonText && json.Valid([]byte(v))
	case bool:
		return k == boolean || k == anything
	case int64, float64:
		return k == number || k == anything
	case []any:
		return k == list || k == anything
	case object:
		return k == document || k == anything
	}
	return k == anything
}
