package catalogue

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const jsonType = "application/json"

// Wire is a request as it goes over the wire, but for host and headers.
type Wire struct {
	Method string
	// Path is below /api/v2, with its leading slash, escaped.
	Path string
	// Query is nil when there is none.
	Query url.Values
	// Body is nil when there is none, else of media type ContentType.
	Body        []byte
	ContentType string
	// Run is that of Request.
	Run bool
}

// ArgumentError says which argument keeps a tool from being called. It quotes no value.
type ArgumentError struct {
	// Name is the argument; "" for one that the tool does not have.
	Name string
	// Problem is a fixed phrase: what is wrong with it.
	Problem string
}

// Error is "argument name problem".
func (e *ArgumentError) Error() string {
	if e.Name == "" {
		return "an argument " + e.Problem
	}
	return "argument " + e.Name + " " + e.Problem
}

// Build makes the requests of a call, in order; none where the arguments ask for nothing. The error is an *ArgumentError.
// It checks what the wire needs: names, presence, JSON types. The finer rules of Argument.Schema are the caller's or Make's.
func (t Tool) Build(args map[string]json.RawMessage) ([]Wire, error) {
	values, err := t.values(args)
	if err != nil {
		return nil, err
	}
	var all []Wire
	for _, r := range t.Requests {
		if r.When != "" && (values.absent(r.When) || string(values[r.When]) == `""`) {
			continue
		}
		w, err := r.build(values)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// values are arguments by name, those left out with their defaults.
type values map[string]json.RawMessage

func (v values) absent(name string) bool { return len(v[name]) == 0 || string(v[name]) == "null" }

func (t Tool) values(args map[string]json.RawMessage) (values, error) {
	v := values{}
	for name, value := range args {
		a, ok := t.argument(name)
		if !ok {
			return nil, &ArgumentError{Problem: "is not one of the tool's"}
		}
		if !slices.Contains(a.types, typeOf(value)) && !(typeOf(value) == "null" && !a.Required) {
			return nil, &ArgumentError{Name: name, Problem: "is not of type " + strings.Join(a.types, " or ")}
		}
		v[name] = value
	}
	for _, a := range t.Arguments {
		if v[a.Name] == nil && a.Default != nil {
			v[a.Name] = a.Default
		}
		if v[a.Name] == nil && a.Required {
			return nil, &ArgumentError{Name: a.Name, Problem: "is missing"}
		}
	}
	return v, nil
}

// typeOf is the JSON type of a value; "" for what is no JSON.
func typeOf(value json.RawMessage) string {
	if !json.Valid(value) {
		return ""
	}
	switch strings.TrimLeft(string(value), " \t\r\n")[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

func (r Request) build(v values) (Wire, error) {
	w := Wire{Method: r.Method, Run: r.Run}
	var err error
	if w.Path, err = r.path(v); err != nil {
		return Wire{}, err
	}
	if w.Query, err = r.query(v); err != nil {
		return Wire{}, err
	}
	if r.Body != nil {
		w.Body, w.ContentType, err = r.Body.build(v)
	}
	return w, err
}

// path puts escaped arguments into the path. One that would name another resource is refused.
func (r Request) path(v values) (string, error) {
	var failed error
	path := placeholder.ReplaceAllStringFunc(r.Path, func(found string) string {
		name, _ := reference(found)
		text := scalar(v[name])
		if text == "" || text == "." || text == ".." {
			failed = &ArgumentError{Name: name, Problem: "cannot be part of a path"}
		}
		return url.PathEscape(text)
	})
	return path, failed
}

func (r Request) query(v values) (url.Values, error) {
	query := url.Values{}
	for parameter, value := range r.Query {
		name, ok := reference(value)
		switch {
		case !ok:
			query.Set(parameter, value)
		case v.absent(name) || string(v[name]) == "[]":
		default:
			query[parameter] = scalars(v[name])
		}
	}
	if !v.absent(r.QueryMembers) {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(v[r.QueryMembers], &members); err != nil {
			return nil, &ArgumentError{Name: r.QueryMembers, Problem: "is not an object"}
		}
		for name, value := range members {
			if typeOf(value) == "array" {
				name += "[]"
			}
			if query.Has(name) {
				return nil, &ArgumentError{Name: r.QueryMembers, Problem: "has a member that is a parameter of the tool"}
			}
			query[name] = scalars(value)
		}
	}
	if len(query) == 0 {
		return nil, nil
	}
	return query, nil
}

// scalars are the elements of an array, or the one value, as text.
func scalars(value json.RawMessage) []string {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) != nil {
		return []string{scalar(value)}
	}
	texts := make([]string, 0, len(list))
	for _, one := range list {
		texts = append(texts, scalar(one))
	}
	return texts
}

// scalar is a string without its quotes, and any other value as JSON writes it.
func scalar(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && typeOf(value) == "string" {
		return text
	}
	return string(value)
}

func (b *Body) build(v values) (body []byte, contentType string, err error) {
	switch {
	case b.Whole != "":
		return v[b.Whole], jsonType, nil
	case b.Text != "":
		return []byte(scalar(v[b.Text])), b.Type, nil
	case b.Base64 != "":
		body, err := base64.StdEncoding.DecodeString(scalar(v[b.Base64]))
		if err != nil {
			return nil, "", &ArgumentError{Name: b.Base64, Problem: "is not base64"}
		}
		return body, b.Type, nil
	}
	return b.object(v)
}

// object is a body made of Members and Fields.
func (b *Body) object(v values) (body []byte, contentType string, err error) {
	members := map[string]json.RawMessage{}
	if !v.absent(b.Members) {
		if err := json.Unmarshal(v[b.Members], &members); err != nil {
			return nil, "", &ArgumentError{Name: b.Members, Problem: "is not an object"}
		}
	}
	for _, name := range b.Omit {
		delete(members, name)
	}
	for name, argument := range b.Fields {
		if v[argument] != nil {
			members[name] = v[argument]
		}
	}
	if b.SplitBlueprint {
		if err := splitBlueprint(members); err != nil {
			return nil, "", err
		}
	}
	for _, name := range b.JSONStrings {
		if err := toString(members, name); err != nil {
			return nil, "", err
		}
	}
	if b.Optional && len(members) == 0 {
		return nil, "", nil
	}
	body, err = json.Marshal(members)
	return body, jsonType, err
}

// toString turns a member into JSON inside a string; a string is taken to be that already.
func toString(members map[string]json.RawMessage, name string) error {
	switch value := members[name]; typeOf(value) {
	case "", "null":
		delete(members, name)
	case "string":
	default:
		text, err := json.Marshal(string(value))
		if err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		members[name] = text
	}
	return nil
}
