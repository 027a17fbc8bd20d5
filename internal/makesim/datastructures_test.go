package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDataStructureLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/data-structures", root,
		`{"teamId":7,"name":"Order","strict":true,"spec":[{"name":"total","type":"number","required":true}]}`)
	want := map[string]any{"dataStructure": map[string]any{
		"id": 1001.0, "name": "Order", "teamId": 7.0, "strict": true,
		"spec": []any{map[string]any{"name": "total", "type": "number", "label": "total", "default": nil, "required": true}},
	}}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	if diff := cmp.Diff(want, s.get("/api/v2/data-structures/1001", root).json); diff != "" {
		t.Errorf("get: %s", diff)
	}
	list := s.get("/api/v2/data-structures?teamId=7", root)
	if diff := cmp.Diff([]any{
		map[string]any{"id": 41.0, "name": "Customer", "teamId": 7.0}, map[string]any{"id": 1001.0, "name": "Order", "teamId": 7.0},
	}, list.json["dataStructures"]); diff != "" {
		t.Errorf("list: %s", diff)
	}
	updated := s.send("PATCH", "/api/v2/data-structures/1001", root, `{"name":"Purchase","strict":false}`)
	if text(updated, "dataStructure", "name") != "Purchase" || at(updated, "dataStructure", "strict") != false ||
		at(updated, "dataStructure", "spec") == nil {
		t.Errorf("updated: %s", updated.text)
	}
	if a := s.send("DELETE", "/api/v2/data-structures/1001?confirmed=true", root, ""); a.text != `{"dataStructure":1001}` {
		t.Errorf("deleted: %s", a.text)
	}
	if a := s.get("/api/v2/data-structures/1001", root); a.status != 404 {
		t.Errorf("get after deletion: %d", a.status)
	}
}

func TestCloneDataStructure(t *testing.T) {
	s := start(t)
	clone := s.send("POST", "/api/v2/data-structures/41/clone", root, `{"name":"Customer of Support","targetTeamId":8}`)
	source := s.get("/api/v2/data-structures/41", root)
	if at(clone, "dataStructure", "teamId") != 8.0 || text(clone, "dataStructure", "name") != "Customer of Support" {
		t.Errorf("clone: %s", clone.text)
	}
	if diff := cmp.Diff(at(source, "dataStructure", "spec"), at(clone, "dataStructure", "spec")); diff != "" {
		t.Error(diff)
	}
	s.send("PATCH", "/api/v2/data-structures/1001", root, `{"spec":[]}`)
	if after := s.get("/api/v2/data-structures/41", root); after.text != source.text {
		t.Errorf("a change of the clone reached its source: %s", after.text)
	}
}

func TestDeletedDataStructureLeavesItsStores(t *testing.T) {
	s := start(t)
	s.send("DELETE", "/api/v2/data-structures/41?confirmed=true", root, "")
	if a := s.get("/api/v2/data-stores/51", root); a.status != 200 || at(a, "dataStore", "datastructureId") != nil {
		t.Errorf("store: %s", a.text)
	}
	if a := s.send("POST", "/api/v2/data-stores/51/data", root, `{"data":{"anything":"goes"}}`); a.status != 200 {
		t.Errorf("record: %s", a.text)
	}
}

func TestDataStructureRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "udts:read udts:write")
	s.refuses(map[string]refusal{
		"missing scope":      {"GET", "/data-structures?teamId=7", reader, "", 403, "SC403", "Access denied."},
		"missing role":       {"GET", "/data-structures/41", watcher, "", 403, "IM002", ""},
		"no such structure":  {"GET", "/data-structures/999", root, "", 404, "SC404", ""},
		"somebody else's":    {"GET", "/data-structures/41", other, "", 404, "SC404", ""},
		"unconfirmed":        {"DELETE", "/data-structures/41", root, "", 406, "IM004", `"type":"dataStructure"`},
		"no name":            {"POST", "/data-structures", root, `{"teamId":7,"spec":[]}`, 400, "SC400", "parameter 'name'"},
		"field without name": {"PATCH", "/data-structures/41", root, `{"spec":[{"type":"text"}]}`, 400, "SC400", "'spec[0].name'"},
		"field of no type":   {"PATCH", "/data-structures/41", root, `{"spec":[{"name":"a","type":"poem"}]}`, 400, "SC400", "'spec[0].type'"},
		"field as text":      {"PATCH", "/data-structures/41", root, `{"spec":["a"]}`, 400, "SC400", "'spec[0]'"},
		"nested field of no type": {
			"PATCH", "/data-structures/41", root,
			`{"spec":[{"name":"a","type":"collection","spec":[{"name":"b","type":"poem"}]}]}`, 400, "SC400", "'spec[0].spec[0].type'",
		},
		"clone for others":      {"POST", "/data-structures/41/clone", root, `{"name":"a","targetTeamId":70}`, 403, "IM002", ""},
		"clone without target":  {"POST", "/data-structures/41/clone", root, `{"name":"a"}`, 400, "SC400", "parameter 'targetTeamId'"},
		"clone somebody else's": {"POST", "/data-structures/41/clone", other, `{"name":"a","targetTeamId":70}`, 404, "SC404", ""},
	})
}
