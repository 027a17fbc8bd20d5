package makesim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/keys", root, `{"teamId":7,"name":"Bank","typeName":"basicauth","parameters":{"authUser":"ada","authPass":"hush"}}`)
	want := map[string]any{"key": map[string]any{
		"id": 1001.0, "name": "Bank", "typeName": "basicauth", "teamId": 7.0, "packageName": nil, "theme": "#007ee5",
	}}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	if a := s.get("/api/v2/keys?teamId=7", root); a.text != `{"keys":[{"id":1001,"name":"Bank"},{"id":31,"name":"Webshop"}]}` {
		t.Errorf("list: %s", a.text)
	}
	if a := s.send("PATCH", "/api/v2/keys/1001", root, `{"name":"Bank 2","parameters":{"authUser":"a","authPass":"hush"}}`); text(a, "key", "name") != "Bank 2" || strings.Contains(a.text, "hush") {
		t.Errorf("update: %s", a.text)
	}
	if a := s.get("/api/v2/keys/1001", root); text(a, "key", "name") != "Bank 2" || strings.Contains(a.text, "hush") {
		t.Errorf("get: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/keys/1001?confirmed=true", root, ""); a.text != `{"key":1001}` {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/keys/1001", root); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
	if a := s.get("/api/v2/keys/types", root); len(column(a, "keysTypes", "name")) != 3 {
		t.Errorf("types: %s", a.text)
	}
}

func TestKeyRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "keys:read keys:write")
	s.refuses(map[string]refusal{
		"missing scope":        {"GET", "/keys?teamId=7", reader, "", 403, "SC403", "Access denied."},
		"missing role":         {"GET", "/keys?teamId=7", watcher, "", 403, "IM002", ""},
		"missing role to edit": {"PATCH", "/keys/31", watcher, `{"name":"x"}`, 403, "IM002", ""},
		"other team's list":    {"GET", "/keys?teamId=70", root, "", 403, "IM002", ""},
		"other team's key":     {"GET", "/keys/32", root, "", 404, "SC404", ""},
		"no such key":          {"GET", "/keys/999", root, "", 404, "SC404", ""},
		"not a number":         {"GET", "/keys/x", root, "", 404, "SC404", ""},
		"no team":              {"GET", "/keys", root, "", 400, "SC400", "parameter 'teamId'"},
		"unconfirmed":          {"DELETE", "/keys/31", root, "", 406, "IM004", `"metadata":[{"type":"key"}]`},
		"nothing":              {"POST", "/keys", root, `{}`, 400, "SC400", "Validation failed for 4 parameter(s)."},
		"not an object":        {"POST", "/keys", root, `[]`, 400, "SC400", "not an object"},
		"unknown member":       {"PATCH", "/keys/31", root, `{"colour":"red"}`, 400, "SC400", "Unknown parameter 'colour'."},
		"wrong type":           {"PATCH", "/keys/31", root, `{"name":7}`, 400, "SC400", "Invalid type of parameter 'name'"},
		"no such type": {
			"POST", "/keys", root, `{"teamId":7,"name":"a","typeName":"nosuch","parameters":{}}`, 400, "SC400", "parameter 'typeName'",
		},
		"create for others": {
			"POST", "/keys", root, `{"teamId":70,"name":"a","typeName":"basicauth","parameters":{}}`, 403, "IM002", "",
		},
	})
}
