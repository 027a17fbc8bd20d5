package catalogue

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded is what Make's SDK sent for one call of a tool. Source: testdata/record.mjs.
type recorded struct {
	Tool      string                     `json:"tool"`
	Arguments map[string]json.RawMessage `json:"arguments"`
	Requests  []sent                     `json:"requests"`
}

type sent struct {
	Method string     `json:"method"`
	Path   string     `json:"path"`
	Query  url.Values `json:"query"`
	Type   string     `json:"type"`
	Body   string     `json:"body"`
}

func readRecorded(t *testing.T) []recorded {
	t.Helper()
	raw, err := os.ReadFile("testdata/sdk-requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one recorded
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// better are the tools where the SDK drops an argument that it offers, and what is right to send instead.
var better = map[string]func(*recorded){
	// Make's OpenAPI document has these filters.
	"executions_list": func(r *recorded) {
		for _, name := range []string{"status", "from", "to"} {
			if value, ok := r.Arguments[name]; ok {
				r.Requests[0].Query.Set(name, scalar(value))
			}
		}
	},
	"executions_list-for-incomp-exec": func(r *recorded) {
		if limit, ok := r.Arguments["limit"]; ok {
			r.Requests[0].Query.Set("pg[limit]", scalar(limit))
		}
	},
	// The OpenAPI document has a field scopes.
	"connections_create": func(r *recorded) {
		if scope, ok := r.Arguments["scope"]; ok {
			var body map[string]json.RawMessage
			_ = json.Unmarshal([]byte(r.Requests[0].Body), &body)
			body["scopes"] = scope
			changed, _ := json.Marshal(body)
			r.Requests[0].Body = string(changed)
		}
	},
	// The SDK's tool takes data out of data, and so sends nothing.
	"connections_update": func(r *recorded) {
		if data, ok := r.Arguments["data"]; ok {
			r.Requests[1].Type, r.Requests[1].Body = jsonType, string(data)
		}
	},
}

// Each tool sends what Make's SDK sends.
func TestBuildAgreesWithSDK(t *testing.T) {
	covered := map[string]bool{}
	for _, r := range readRecorded(t) {
		covered[r.Tool] = true
		t.Run(r.Tool, func(t *testing.T) {
			if correct := better[r.Tool]; correct != nil {
				correct(&r)
			}
			tool, ok := Lookup(r.Tool)
			if !ok {
				t.Fatal("not in the catalogue")
			}
			wires, err := tool.Build(r.Arguments)
			if err != nil {
				t.Fatal(err)
			}
			var got []sent
			for _, w := range wires {
				got = append(got, asSent(t, w))
			}
			if diff := cmp.Diff(readable(t, r.Requests), readable(t, got)); diff != "" {
				t.Errorf("requests for %s (-SDK +built):\n%s", r.Arguments, diff)
			}
		})
	}
	for _, tool := range Tools() {
		if !covered[tool.Name] {
			t.Errorf("%s is not recorded", tool.Name)
		}
	}
}

func asSent(t *testing.T, w Wire) sent {
	t.Helper()
	s := sent{Method: w.Method, Path: w.Path, Query: w.Query, Type: w.ContentType, Body: string(w.Body)}
	if w.ContentType == "image/png" {
		s.Body = base64.StdEncoding.EncodeToString(w.Body)
	}
	return s
}

// readable decodes JSON bodies, in which the order of members means nothing.
func readable(t *testing.T, requests []sent) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, s := range requests {
		var body any = s.Body
		if s.Type == jsonType {
			body = decoded(t, s.Body)
			if members, ok := body.(map[string]any); ok {
				for _, name := range []string{"blueprint", "scheduling"} {
					if text, ok := members[name].(string); ok {
						members[name] = decoded(t, text)
					}
				}
			}
		}
		if len(s.Query) == 0 {
			s.Query = nil
		}
		all = append(all, map[string]any{"method": s.Method, "path": s.Path, "query": s.Query, "type": s.Type, "body": body})
	}
	return all
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("body is no JSON: %v", err)
	}
	return value
}

func TestBuildRefuses(t *testing.T) {
	tests := []struct {
		name, tool, args string
		want             ArgumentError
	}{
		{"missing", "scenarios_get", `{}`, ArgumentError{"scenarioId", "is missing"}},
		{"null for a required one", "scenarios_get", `{"scenarioId":null}`, ArgumentError{"scenarioId", "is not of type number"}},
		{"unknown", "scenarios_get", `{"scenarioId":1,"secret":"x"}`, ArgumentError{"", "is not one of the tool's"}},
		{"wrong type", "scenarios_get", `{"scenarioId":"1/stop"}`, ArgumentError{"scenarioId", "is not of type number"}},
		{"empty path", "sdk-rpcs_get", `{"appName":"","appVersion":1,"rpcName":"x"}`, ArgumentError{"appName", "cannot be part of a path"}},
		{"dot", "sdk-rpcs_get", `{"appName":".","appVersion":1,"rpcName":"x"}`, ArgumentError{"appName", "cannot be part of a path"}},
		{"dots", "sdk-rpcs_get", `{"appName":"a","appVersion":1,"rpcName":".."}`, ArgumentError{"rpcName", "cannot be part of a path"}},
		{"not base64", "sdk-apps_set-icon", `{"name":"a","version":1,"dataBase64":"!"}`, ArgumentError{"dataBase64", "is not base64"}},
		{
			"scopes that would change the team", "connections_list", `{"teamId":1,"scopes":{"teamId":2}}`,
			ArgumentError{"scopes", "has a member that is a parameter of the tool"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var args map[string]json.RawMessage
			if err := json.Unmarshal([]byte(tt.args), &args); err != nil {
				t.Fatal(err)
			}
			tool, ok := Lookup(tt.tool)
			if !ok {
				t.Fatal("no such tool")
			}
			_, err := tool.Build(args)
			got, ok := errors.AsType[*ArgumentError](err)
			if !ok || *got != tt.want {
				t.Errorf("error is %v, want %v", err, &tt.want)
			}
		})
	}
}

// Nothing in an argument leaves its place in the path.
func TestPathIsEscaped(t *testing.T) {
	tool, _ := Lookup("public-templates_get")
	for text, want := range map[string]string{
		"a/b":    "/templates/public/a%2Fb",
		"../x":   "/templates/public/..%2Fx",
		"a?b#c":  "/templates/public/a%3Fb%23c",
		"%2e%2e": "/templates/public/%252e%252e",
		"a\r\nb": "/templates/public/a%0D%0Ab",
	} {
		value, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		wires, err := tool.Build(map[string]json.RawMessage{"templateUrl": value})
		if err != nil || wires[0].Path != want {
			t.Errorf("path of %q is %v, %v, want %s", text, wires, err, want)
		}
	}
}
