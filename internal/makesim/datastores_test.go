package makesim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDataStoreLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/data-stores", root, `{"teamId":7,"name":"Orders","maxSizeMB":2,"datastructureId":41}`)
	store := map[string]any{
		"id": 1001.0, "name": "Orders", "records": 0.0, "size": "0", "maxSize": "2097152", "teamId": 7.0, "datastructureId": 41.0,
	}
	if diff := cmp.Diff(map[string]any{"dataStore": store}, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	list := s.get("/api/v2/data-stores?teamId=7&pg[limit]=1&pg[offset]=2", root)
	if diff := cmp.Diff([]any{store}, list.json["dataStores"]); diff != "" {
		t.Errorf("list: %s", diff)
	}
	s.send("POST", "/api/v2/data-stores/1001/data", root, `{"key":"a","data":{"email":"a@b.example"}}`)
	updated := s.send("PATCH", "/api/v2/data-stores/1001", root, `{"name":"Purchases","maxSizeMB":3}`)
	store["name"], store["maxSize"], store["records"], store["size"] = "Purchases", "3145728", 1.0, "24"
	if diff := cmp.Diff(map[string]any{"dataStore": store}, updated.json); diff != "" {
		t.Errorf("updated: %s", diff)
	}
	if diff := cmp.Diff(map[string]any{"dataStore": store}, s.get("/api/v2/data-stores/1001", root).json); diff != "" {
		t.Errorf("get: %s", diff)
	}
	if a := s.get("/api/v2/data-stores/1001?cols[]=name", root); a.text != `{"dataStore":{"name":"Purchases"}}` {
		t.Errorf("columns: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/data-stores/1001?confirmed=true", root, ""); a.text != `{"dataStore":1001}` {
		t.Errorf("deleted: %s", a.text)
	}
	if a := s.get("/api/v2/data-stores/1001/data", root); a.status != 404 {
		t.Errorf("records after deletion: %d", a.status)
	}
}

func TestDataStoreRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "datastores:read datastores:write")
	const post, stores = "POST", "/data-stores"
	s.refuses(map[string]refusal{
		"missing scope":         {"GET", "/data-stores?teamId=7", reader, "", 403, "SC403", "Access denied."},
		"missing role":          {"GET", "/data-stores/51", watcher, "", 403, "IM002", ""},
		"no such store":         {"GET", "/data-stores/999", root, "", 404, "SC404", ""},
		"somebody else's":       {"GET", "/data-stores/53", root, "", 404, "SC404", ""},
		"unconfirmed":           {"DELETE", "/data-stores/51", root, "", 406, "IM004", `"type":"dataStore"`},
		"no size":               {post, stores, root, `{"teamId":7,"name":"a"}`, 400, "SC400", "parameter 'maxSizeMB'"},
		"half a megabyte":       {post, stores, root, `{"teamId":7,"name":"a","maxSizeMB":0.5}`, 400, "SC400", "parameter 'maxSizeMB'"},
		"no such structure":     {post, stores, root, `{"teamId":7,"name":"a","maxSizeMB":1,"datastructureId":9}`, 400, "IM005", "data structure 9"},
		"another team's":        {post, stores, root, `{"teamId":8,"name":"a","maxSizeMB":1,"datastructureId":41}`, 400, "IM005", "data structure 41"},
		"more than the plan":    {post, stores, root, `{"teamId":7,"name":"a","maxSizeMB":499}`, 403, "IM011", "space for data stores"},
		"growing past the plan": {"PATCH", "/data-stores/51", root, `{"maxSizeMB":500}`, 403, "IM011", "space for data stores"},
	})
	for i := range 98 { // beside the two of the seed
		if a := s.send(post, "/api/v2"+stores, root, fmt.Sprintf(`{"teamId":7,"name":"s%d","maxSizeMB":1}`, i)); a.status != 200 {
			t.Fatalf("store %d: %s", i, a.text)
		}
	}
	s.refuses(map[string]refusal{
		"one too many": {post, stores, root, `{"teamId":8,"name":"a","maxSizeMB":1}`, 403, "IM011", "no more data stores"},
	})
}

func TestRecordLife(t *testing.T) {
	s := start(t)
	const data = "/api/v2/data-stores/51/data"
	for _, step := range []struct{ method, path, body, want string }{
		{"POST", data, `{"key":"c-3","data":{"email":"x@y.example"}}`, `{"data":{"email":"x@y.example"},"key":"c-3"}`},
		{"PATCH", data + "/c-3", `{"orders":2}`, `{"data":{"email":"x@y.example","orders":2},"key":"c-3"}`},
		{"PUT", data + "/c-3", `{"email":"z@y.example"}`, `{"data":{"email":"z@y.example"},"key":"c-3"}`},
		{"DELETE", data + "?confirmed=true", `{"keys":["c-1","nosuch"]}`, `{"keys":["c-1"]}`},
	} {
		if a := s.send(step.method, step.path, root, step.body); a.status != 200 || a.text != step.want {
			t.Errorf("%s %s: got %d %s, want %s", step.method, step.path, a.status, a.text, step.want)
		}
	}
	if a := s.send("POST", data, root, `{"data":{"email":"k@y.example"}}`); len(text(a, "key")) != 12 {
		t.Errorf("a key is drawn: %s", a.text)
	}
	list := s.get(data+"?pg[limit]=1&pg[offset]=1", root)
	if diff := cmp.Diff([]any{map[string]any{"key": "c-3", "data": map[string]any{"email": "z@y.example"}}}, list.json["records"]); diff != "" {
		t.Error(diff)
	}
	if list.json["count"] != 3.0 || list.json["strict"] != true || at(list, "pg", "offset") != 1.0 || at(list, "pg", "limit") != 1.0 {
		t.Errorf("list: %s", list.text)
	}
	if spec, _ := list.json["spec"].([]any); len(spec) != 3 {
		t.Errorf("spec: %s", list.text)
	}
}

func TestRecordRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "datastores:read datastores:write")
	const strict, loose = "/data-stores/51/data", "/data-stores/52/data"
	big := strings.Repeat("a", 1<<20)
	s.refuses(map[string]refusal{
		"missing scope":        {"POST", strict, reader, `{"data":{}}`, 403, "SC403", "Access denied."},
		"missing role":         {"POST", strict, watcher, `{"data":{}}`, 403, "IM002", ""},
		"no such store":        {"GET", "/data-stores/999/data", root, "", 404, "SC404", ""},
		"no such record":       {"PUT", strict + "/nosuch", root, `{"email":"a"}`, 404, "SC404", ""},
		"a key twice":          {"POST", strict, root, `{"key":"c-1","data":{"email":"a"}}`, 400, "IM005", "with this key"},
		"no data":              {"POST", strict, root, `{"key":"c-9"}`, 400, "SC400", "parameter 'data'"},
		"required member":      {"POST", strict, root, `{"data":{"name":"Lena"}}`, 400, "SC400", "parameter 'email'"},
		"wrong type":           {"PATCH", strict + "/c-1", root, `{"orders":"three"}`, 400, "SC400", "parameter 'orders': number expected"},
		"member of no field":   {"PATCH", strict + "/c-1", root, `{"age":30}`, 400, "SC400", "Unknown parameter 'age'."},
		"replaced without one": {"PUT", strict + "/c-1", root, `{"name":"Lena"}`, 400, "SC400", "parameter 'email'"},
		"unconfirmed":          {"DELETE", strict, root, `{"keys":["c-1"]}`, 406, "IM004", `"type":"dataStoreRecord"`},
		"no keys":              {"DELETE", strict + "?confirmed=true", root, `{}`, 400, "SC400", "parameter 'keys'"},
		"more than fits":       {"POST", loose, root, `{"key":"big","data":{"text":"` + big + `"}}`, 413, "IM003", "full"},
	})
	if a := s.get("/api/v2"+loose, root); a.json["count"] != 0.0 {
		t.Errorf("a refused record was kept: %s", a.text[:60])
	}
	if a := s.send("PATCH", "/api/v2/data-structures/41", root, `{"strict":false}`); a.status != 200 {
		t.Fatal(a.text)
	}
	if a := s.send("PATCH", "/api/v2"+strict+"/c-1", root, `{"age":30}`); a.status != 200 {
		t.Errorf("a structure that is not strict takes more members: %s", a.text)
	}
}

func TestNestedRecords(t *testing.T) {
	s := start(t)
	s.send("PATCH", "/api/v2/data-structures/41", root,
		`{"spec":[{"name":"home","type":"collection","spec":[{"name":"city","type":"text","required":true}]},{"name":"tags","type":"array"}]}`)
	const data = "/data-stores/51/data"
	s.refuses(map[string]refusal{
		"missing inside": {"POST", data, root, `{"data":{"home":{}}}`, 400, "SC400", "parameter 'home.city'"},
		"unknown inside": {"POST", data, root, `{"data":{"home":{"city":"Prague","zip":1}}}`, 400, "SC400", "'home.zip'"},
		"no list":        {"POST", data, root, `{"data":{"tags":"a"}}`, 400, "SC400", "parameter 'tags': array expected"},
	})
	if a := s.send("POST", "/api/v2"+data, root, `{"data":{"home":{"city":"Prague"},"tags":["a"]}}`); a.status != 200 {
		t.Errorf("a fitting record: %s", a.text)
	}
}
