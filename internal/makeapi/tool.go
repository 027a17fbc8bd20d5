package makeapi

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/makeops/make-operator/internal/makeapi/catalogue"
)

// Answer is what Make answered to a tool.
type Answer struct {
	// MediaType is without parameters, "application/json" for JSON; "" when there is no body.
	MediaType string
	// Body is valid JSON where MediaType says so; nil when there is none.
	Body []byte
}

const (
	jsonType = "application/json"
	// anyType prefers JSON; some tools download text or an image.
	anyType = jsonType + ", */*;q=0.5"
)

// read takes an answer over. Source of the rule what is JSON: @makehq/sdk 1.6.10.
func (a *Answer) read(got answer) error {
	mediaType, _, _ := strings.Cut(got.header.Get("Content-Type"), ";")
	*a = Answer{MediaType: strings.ToLower(strings.TrimSpace(mediaType)), Body: got.body}
	if len(got.body) == 0 {
		*a = Answer{}
	}
	if a.MediaType == jsonType && !json.Valid(a.Body) {
		return errors.New("not JSON")
	}
	return nil
}

// CallTool makes the requests of a tool of the catalogue. Where these are several, their JSON answers are merged into one
// object, and a failure leaves those before it done. Arguments are values that encoding/json can write, by name.
//
// A request other than GET and PUT is never repeated; after UnknownOutcome it may have been processed. What is wrong with
// the arguments is Invalid, told by Reason if it is found here and by Details if Make finds it.
func (z *Zone) CallTool(ctx context.Context, tool catalogue.Tool, args map[string]any) (Answer, error) {
	op := "call " + tool.Name
	encoded, err := encodeArguments(args)
	if err != nil {
		return Answer{}, &Error{Op: op, Kind: Invalid, Reason: "arguments cannot be encoded"}
	}
	wires, err := tool.Build(encoded)
	if err != nil {
		return Answer{}, &Error{Op: op, Kind: Invalid, Reason: err.Error()} // names the argument, quotes nothing
	}
	if len(wires) == 0 {
		return Answer{}, &Error{Op: op, Kind: Invalid, Reason: "the arguments ask for nothing"}
	}
	var all Answer
	for i, w := range wires {
		var one Answer
		if err := z.call(ctx, toolRequest(op, tool.Scope, w), &one); err != nil {
			return Answer{}, err
		}
		if i == 0 {
			all = one
			continue
		}
		all = merge(all, one)
	}
	return all, nil
}

func encodeArguments(args map[string]any) (map[string]json.RawMessage, error) {
	encoded := make(map[string]json.RawMessage, len(args))
	for name, value := range args {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		encoded[name] = raw
	}
	return encoded, nil
}

func toolRequest(op, scope string, w catalogue.Wire) request {
	r := request{op: op, method: w.Method, path: w.Path, query: w.Query, scope: scope, accept: anyType}
	r.once = w.Method != http.MethodGet && w.Method != http.MethodPut
	if w.Body != nil {
		r.body = rawBody{contentType: w.ContentType, content: w.Body}
	}
	if w.Run {
		r.free, r.wait = true, runTimeout
	}
	return r
}

// merge puts the members of two JSON objects into one, the later one's first; other answers give way to objects.
func merge(a, b Answer) Answer {
	var first, second map[string]json.RawMessage
	if json.Unmarshal(b.Body, &second) != nil {
		return a
	}
	if json.Unmarshal(a.Body, &first) != nil {
		return b
	}
	maps.Copy(first, second)
	body, err := json.Marshal(first)
	if err != nil {
		return b
	}
	return Answer{MediaType: jsonType, Body: body}
}

// Run reads the answer to a tool that runs a scenario.
func (a Answer) Run() (Run, error) { return parseRun(a.Body) }
