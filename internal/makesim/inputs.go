package makesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// readInputs checks the inputs against the interface and fills in defaults.
func readInputs(fields []Field, data map[string]any) (map[string]any, error) {
	inputs := maps.Clone(data)
	if inputs == nil {
		inputs = map[string]any{}
	}
	if problems := checkInputs(fields, inputs, ""); len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	return inputs, nil
}

func checkInputs(fields []Field, inputs map[string]any, prefix string) []string {
	var problems []string
	for _, f := range fields {
		if inputs[f.Name] == nil && f.Default != nil {
			inputs[f.Name] = f.Default
		}
		name := prefix + f.Name
		switch value := inputs[f.Name]; {
		case value == nil && f.Required:
			problems = append(problems, missing(name))
		case value != nil:
			problems = append(problems, f.problems(value, name)...)
		}
	}
	return problems
}

// problems are what is wrong with a value, and with what it holds where the field says so.
func (f Field) problems(value any, name string) []string {
	if !f.accepts(value) {
		return []string{fmt.Sprintf("Invalid %s in parameter '%s'.", f.Type, name)}
	}
	members, item := f.nested()
	var problems []string
	switch v := value.(type) {
	case map[string]any:
		problems = checkInputs(members, v, name+".")
	case []any:
		for i, element := range v {
			at := fmt.Sprintf("%s[%d]", name, i)
			o, isObject := element.(map[string]any)
			switch {
			case item != nil:
				problems = append(problems, item.problems(element, at)...)
			case len(members) > 0 && isObject:
				problems = append(problems, checkInputs(members, o, at+".")...)
			case len(members) > 0:
				problems = append(problems, fmt.Sprintf("Invalid collection in parameter '%s'.", at))
			}
		}
	}
	return problems
}

// accepts checks a JSON value against the field's type. Dates and JSON travel as text.
func (f Field) accepts(value any) bool {
	switch v := value.(type) {
	case string:
		if f.Type == "select" {
			return len(f.Options) == 0 || slices.Contains(f.choices(), v)
		}
		return f.Type == "text" || f.Type == "date" || f.Type == "json"
	case int64, float64:
		return f.Type == "number"
	case bool:
		return f.Type == "boolean"
	case map[string]any:
		return f.Type == "collection"
	case []any:
		return f.Type == "array"
	}
	return false
}

// choices are the values of the options, which stand alone or with a label.
func (f Field) choices() []string {
	var values []string
	for _, option := range f.Options {
		if labelled, ok := option.(map[string]any); ok {
			option = labelled["value"]
		}
		values = append(values, fmt.Sprint(option))
	}
	return values
}

// nested is what the field says about its value's content: the members of a collection, or of each element of
// an array; or the single element of an array.
func (f Field) nested() (members []Field, item *Field) {
	data, err := json.Marshal(f.Spec)
	if err != nil || f.Spec == nil {
		return nil, nil
	}
	if _, many := f.Spec.([]any); many {
		_ = json.Unmarshal(data, &members) // checked when the interface was set
		return members, nil
	}
	item = &Field{}
	_ = json.Unmarshal(data, item)
	return nil, item
}

// check returns what is wrong with the definition of a field, and of those in it.
func (f Field) check(name string) []string {
	var problems []string
	if f.Name == "" {
		problems = append(problems, fmt.Sprintf("Missing name of a field in parameter '%s'.", name))
	}
	return append(problems, f.checkType(name)...)
}

func (f Field) checkType(name string) []string {
	if !slices.Contains(fieldTypes, f.Type) {
		return []string{fmt.Sprintf("Invalid type '%s' of field '%s' in parameter '%s'.", f.Type, f.Name, name)}
	}
	data, err := json.Marshal(f.Spec)
	if err != nil || f.Spec == nil {
		return nil
	}
	members, item := []Field{}, Field{}
	if json.Unmarshal(data, &members) != nil && json.Unmarshal(data, &item) != nil {
		return []string{fmt.Sprintf("Invalid spec of field '%s' in parameter '%s'.", f.Name, name)}
	}
	if len(members) == 0 && item.Type != "" {
		return item.checkType(name)
	}
	return checkFields(members, name)
}

func checkFields(fields []Field, name string) []string {
	var problems []string
	for _, f := range fields {
		problems = append(problems, f.check(name)...)
	}
	return problems
}

// fillOutputs replaces each text "{{var.input.NAME}}" by that input.
func fillOutputs(outputs, inputs map[string]any) map[string]any {
	filled := map[string]any{}
	for name, value := range outputs {
		if source, ok := value.(string); ok {
			inner, isInput := strings.CutPrefix(source, "{{var.input.")
			input, closed := strings.CutSuffix(inner, "}}")
			if isInput && closed {
				value = inputs[input]
			}
		}
		filled[name] = value
	}
	return filled
}
