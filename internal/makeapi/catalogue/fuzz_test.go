package catalogue

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

// Whatever an agent gives as arguments, a tool asks for the resource that its path says, or refuses without quoting.
func FuzzBuild(f *testing.F) {
	tools := Tools()
	for _, seed := range []string{
		`{"appName":"a","appVersion":1,"rpcName":"x"}`,
		`{"appName":"../..","appVersion":1e400,"rpcName":"%2e%2e"}`,
		`{"dataStoreId":7,"key":"a/b?c#d","data":{}}`,
		`{"teamId":1,"type":["a"],"scopes":{"teamId":2,"b":["c"]}}`,
		`{"teamId":1,"scheduling":{},"blueprint":{"scheduling":null,"interface":[],"io":{}}}`,
		`{"connectionId":1,"name":null,"data":null}`,
		`{"name":"a","version":1,"dataBase64":"AA=="}`,
	} {
		for i := range tools {
			f.Add(seed, i)
		}
	}
	f.Fuzz(func(t *testing.T, raw string, number int) {
		var args map[string]json.RawMessage
		if json.Unmarshal([]byte(raw), &args) != nil {
			return
		}
		if number < 0 {
			number = -(number + 1)
		}
		tool := tools[number%len(tools)]
		wires, err := tool.Build(args)
		if err != nil {
			if _, ok := errors.AsType[*ArgumentError](err); !ok {
				t.Errorf("error is %T", err)
			}
			return
		}
		for _, w := range wires {
			if u, err := url.Parse("https://zone" + w.Path); err != nil || u.RawQuery != "" || u.Fragment != "" {
				t.Errorf("path %q leaves its place", w.Path)
			}
			for part := range strings.SplitSeq(w.Path, "/") {
				if part == "." || part == ".." {
					t.Errorf("path %q climbs", w.Path)
				}
			}
			if w.ContentType == jsonType && !json.Valid(w.Body) {
				t.Errorf("body is no JSON")
			}
		}
	})
}
