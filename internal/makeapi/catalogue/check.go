package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

var (
	toolName    = regexp.MustCompile(`^[a-z]+(-[a-z]+)*_[a-z]+(-[a-z]+)*$`)
	placeholder = regexp.MustCompile(`\{(\w+)\}`)
)

// check reads the arguments' types and finds what would make a tool unusable.
func (t *Tool) check() error {
	if !toolName.MatchString(t.Name) || t.Title == "" || t.Description == "" || t.Category == "" || len(t.Requests) == 0 {
		return errors.New("name, title, description, category or requests missing or malformed")
	}
	unused := map[string]bool{}
	for i := range t.Arguments {
		a := &t.Arguments[i]
		if err := a.check(); err != nil {
			return fmt.Errorf("argument %q: %w", a.Name, err)
		}
		unused[a.Name] = true
	}
	for _, name := range []string{t.ScopeID, t.ResourceID} {
		if name != "" && !unused[name] {
			return fmt.Errorf("no argument %q", name)
		}
	}
	for _, r := range t.Requests {
		used, err := r.check(t)
		if err != nil {
			return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
		for _, name := range used {
			delete(unused, name)
		}
	}
	for name := range unused {
		return fmt.Errorf("argument %q is not used", name)
	}
	return nil
}

func (a *Argument) check() error {
	var schema struct {
		Type  string `json:"type"`
		OneOf []struct {
			Type string `json:"type"`
		} `json:"oneOf"`
		Description string `json:"description"`
	}
	if err := json.Unmarshal(a.Schema, &schema); err != nil {
		return err
	}
	a.types = []string{schema.Type}
	if schema.Type == "" {
		a.types = nil
		for _, alternative := range schema.OneOf {
			a.types = append(a.types, alternative.Type)
		}
	}
	for _, name := range a.types {
		if !slices.Contains([]string{"string", "number", "boolean", "object", "array", "null"}, name) {
			return fmt.Errorf("unknown type %q", name)
		}
	}
	if a.Name == "" || len(a.types) == 0 || schema.Description == "" {
		return errors.New("name, type or description missing")
	}
	return nil
}

// check returns the arguments that the request takes.
func (r *Request) check(t *Tool) ([]string, error) {
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	if !slices.Contains(methods, r.Method) || !strings.HasPrefix(r.Path, "/") {
		return nil, errors.New("unknown method or path")
	}
	var used []string
	for _, found := range placeholder.FindAllStringSubmatch(r.Path, -1) {
		a, ok := t.argument(found[1])
		if !ok || !a.Required && a.Default == nil {
			return nil, fmt.Errorf("path needs argument %q", found[1])
		}
		used = append(used, a.Name)
	}
	for _, value := range r.Query {
		if name, ok := reference(value); ok {
			used = append(used, name)
		}
	}
	used = append(used, r.QueryMembers, r.When)
	if r.Body != nil {
		whole, err := r.Body.check()
		if err != nil {
			return nil, err
		}
		used = append(used, whole...)
	}
	used = slices.DeleteFunc(used, func(name string) bool { return name == "" })
	for _, name := range used {
		if _, ok := t.argument(name); !ok {
			return nil, fmt.Errorf("no argument %q", name)
		}
	}
	return used, nil
}

func (b *Body) check() ([]string, error) {
	used := []string{b.Members}
	for _, argument := range b.Fields {
		used = append(used, argument)
	}
	for _, name := range b.JSONStrings {
		if b.Fields[name] == "" {
			return nil, fmt.Errorf("no field %q", name)
		}
	}
	forms := 0
	for _, is := range []bool{len(b.Fields) > 0 || b.Members != "", b.Whole != "", b.Text != "", b.Base64 != ""} {
		if is {
			forms++
		}
	}
	if forms != 1 || (b.Type != "") != (b.Text+b.Base64 != "") {
		return nil, errors.New("body is not of exactly one form")
	}
	return append(used, b.Whole, b.Text, b.Base64), nil
}

func (t *Tool) argument(name string) (Argument, bool) {
	i := slices.IndexFunc(t.Arguments, func(a Argument) bool { return a.Name == name })
	if i < 0 {
		return Argument{}, false
	}
	return t.Arguments[i], true
}

// reference is the argument that a query value names as "{x}".
func reference(value string) (string, bool) {
	inner, ok := strings.CutPrefix(value, "{")
	return strings.TrimSuffix(inner, "}"), ok
}
