package makesim_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

const apps = "/api/v2/sdk/apps"

func TestSDKAppLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", apps, root, `{"name":"crm","label":"CRM","theme":"#aabbcc","language":"en","audience":"global"}`)
	app := map[string]any{
		"name": "crm", "label": "CRM", "description": "", "version": 1.0, "beta": false, "theme": "#aabbcc", "language": "en",
		"public": false, "approved": false, "global": true, "countries": nil, "created": "2026-03-01T12:00:00.000Z",
		"manifestVersion": 1.0,
	}
	if diff := cmp.Diff(map[string]any{"app": app}, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	list := s.get(apps, root)
	if diff := cmp.Diff([]any{
		map[string]any{"name": "crm", "label": "CRM", "version": 1.0, "beta": false},
		map[string]any{"name": "webshop", "label": "Webshop", "version": 1.0, "beta": false},
	}, list.json["apps"]); diff != "" || list.json["pg"] != nil {
		t.Errorf("list: %s", diff)
	}
	updated := s.send("PATCH", apps+"/crm/1", root, `{"label":"Our CRM","countries":["CZ"],"audience":"countries"}`)
	app["label"], app["countries"], app["global"] = "Our CRM", []any{"CZ"}, false
	if diff := cmp.Diff(map[string]any{"app": app}, updated.json); diff != "" {
		t.Errorf("updated: %s", diff)
	}
	s.send("POST", apps+"/crm/1/public", root, "")
	app["public"] = true
	if diff := cmp.Diff(map[string]any{"app": app}, s.get(apps+"/crm/1?cols[]=*", root).json); diff != "" {
		t.Errorf("get: %s", diff)
	}
	s.send("POST", apps+"/crm/1/private", root, "")
	if a := s.get(apps+"/crm/1?cols[]=public", root); a.text != `{"app":{"public":false}}` {
		t.Errorf("private: %s", a.text)
	}
	for _, part := range []string{"connections", "1/rpcs"} {
		if a := s.send("POST", apps+"/crm/"+part, root, `{"name":"a","type":"basic","label":"b"}`); a.status != 400 {
			t.Errorf("%s takes unknown members: %s", part, a.text)
		}
	}
	s.send("POST", apps+"/crm/connections", root, `{"type":"basic","label":"b"}`)
	if a := s.send("DELETE", apps+"/crm/1", root, ""); a.text != `{"app":"crm"}` {
		t.Errorf("deleted: %s", a.text)
	}
	for _, path := range []string{"/crm/1", "/crm/connections", "/connections/crm"} {
		if a := s.get(apps+path, root); a.status != 404 {
			t.Errorf("%s after deletion: %d", path, a.status)
		}
	}
}

// TestSDKParts leads one part of each kind through its life.
func TestSDKParts(t *testing.T) {
	const endpoint = `"approved":false,"archived":false,"attachedAccounts":[],"context":null,"createdAt":"2026-03-01T12:00:00.000Z",` +
		`"deprecated":false,"description":null,"label":"Get","name":"getIt","public":false,"schemaVersion":1,"updatedAt":"2026-03-01T12:00:00.000Z"`
	for kind, part := range map[string]struct {
		list, one, many  string
		create, name     string
		made             string // what an answer about the new one holds
		change, changed  string // an update, and what the answer to it must contain
		listed           string // what the list says of the new one
		sections, public string
	}{
		"connections": {
			list: "/webshop/connections", one: "appConnection", many: "appConnections",
			create: `{"type":"basic","label":"Login"}`, name: "/connections/webshop2",
			made:   `{"label":"Login","name":"webshop2","type":"basic"}`,
			change: `{"label":"Sign in"}`, changed: `"label":"Sign in"`, listed: `{"label":"Sign in","name":"webshop2","type":"basic"}`,
			sections: "api parameters scopes scope install installSpec",
		},
		"webhooks": {
			list: "/webshop/webhooks", one: "appWebhook", many: "appWebhooks",
			create: `{"type":"web","label":"Paid"}`, name: "/webhooks/webshop2",
			made:   `{"altConnection":null,"connection":null,"label":"Paid","name":"webshop2","type":"web"}`,
			change: `{"label":"Order paid"}`, changed: `"label":"Order paid"`, listed: `{"label":"Order paid","name":"webshop2","type":"web"}`,
			sections: "api parameters attach detach scope",
		},
		"modules": {
			list: "/webshop/1/modules", one: "appModule", many: "appModules",
			create: `{"name":"addOrder","typeId":4,"label":"Add","description":"Adds.","moduleInitMode":"blank"}`, name: "/webshop/1/modules/addOrder",
			made: `{"altConnection":null,"approved":false,"connection":null,"crud":null,"description":"Adds.","label":"Add",` +
				`"name":"addOrder","public":false,"typeId":4,"webhook":null}`,
			change: `{"connection":"webshop"}`, changed: `"connection":"webshop"`,
			sections: "api epoch parameters expect interface samples scope", public: "public",
		},
		"rpcs": {
			list: "/webshop/1/rpcs", one: "appRpc", many: "appRpcs",
			create: `{"name":"fields","label":"Fields"}`, name: "/webshop/1/rpcs/fields",
			made:   `{"altConnection":null,"connection":null,"label":"Fields","name":"fields"}`,
			change: `{"altConnection":"webshop"}`, changed: `"altConnection":"webshop"`,
			sections: "api parameters",
		},
		"functions": {
			list: "/webshop/1/functions", one: "appFunction", many: "appFunctions",
			create: `{"name":"sum"}`, name: "/webshop/1/functions/sum", made: `{"name":"sum"}`, listed: `{"args":"()","name":"sum"}`,
		},
		"endpoints": {
			list: "/webshop/1/endpoints", one: "appEndpoint", many: "appEndpoints",
			create: `{"name":"getIt","label":"Get"}`, name: "/webshop/1/endpoints/getIt", made: `{"annotations":{},` + endpoint + `}`,
			change: `{"annotations":{"readOnlyHint":true},"attachedAccounts":["webshop"]}`, changed: `"annotations":{"readOnlyHint":true}`,
			sections: "api scope inputParameters outputParameters", public: "public",
		},
	} {
		t.Run(kind, func(t *testing.T) {
			s := start(t)
			made := `{"` + part.one + `":` + part.made + `}`
			if a := s.send("POST", apps+part.list, root, part.create); a.text != made {
				t.Errorf("create: got %d %s, want %s", a.status, a.text, made)
			}
			if a := s.get(apps+part.name, root); a.text != made {
				t.Errorf("get: got %s, want %s", a.text, made)
			}
			if part.change != "" {
				if a := s.send("PATCH", apps+part.name, root, part.change); a.status != 200 || !strings.Contains(a.text, part.changed) {
					t.Errorf("update: %d %s", a.status, a.text)
				}
				if a := s.get(apps+part.name, root); !strings.Contains(a.text, part.changed) {
					t.Errorf("get after update: %s", a.text)
				}
			}
			list := s.get(apps+part.list, root)
			if rows, _ := list.json[part.many].([]any); len(rows) != 2 || !strings.Contains(list.text, part.listed) || list.json["pg"] != nil {
				t.Errorf("list: %s", list.text)
			}
			for section := range strings.FieldsSeq(part.sections) {
				s.checkSection(apps+part.name+"/"+section, "application/jsonc", `{"a": 1 /* one */}`, `[{"a": 1}]`)
			}
			if part.public != "" {
				s.send("POST", apps+part.name+"/public", root, "")
				if a := s.get(apps+part.name, root); at(a, part.one, "public") != true {
					t.Errorf("public: %s", a.text)
				}
				s.send("POST", apps+part.name+"/private", root, "")
				if a := s.get(apps+part.name, root); at(a, part.one, "public") != false {
					t.Errorf("private: %s", a.text)
				}
			}
			if a := s.send("DELETE", apps+part.name, root, ""); a.status != 200 {
				t.Errorf("delete: %d %s", a.status, a.text)
			}
			if a := s.get(apps+part.name, root); a.status != 404 {
				t.Errorf("get after deletion: %d", a.status)
			}
		})
	}
}

// checkSection writes two values and reads each back as it was written.
func (s *sim) checkSection(path, media string, values ...string) {
	s.t.Helper()
	if a := s.get(path, root); a.status != 200 {
		s.t.Errorf("%s: a new section: %d %s", path, a.status, a.text)
	}
	for _, value := range values {
		put := s.must(s.request(http.MethodPut, path, root, media, strings.NewReader(value)))
		if put.text != `{"changed":true}` {
			s.t.Errorf("%s: put: %d %s", path, put.status, put.text)
		}
		if a := s.get(path, root); a.text != value {
			s.t.Errorf("%s: got %s, want %s", path, a.text, value)
		}
	}
	if put := s.must(s.request(http.MethodPut, path, root, media, strings.NewReader(values[len(values)-1]))); put.text != `{"changed":false}` {
		s.t.Errorf("%s: the same again: %s", path, put.text)
	}
	if put := s.must(s.request(http.MethodPut, path, root, "image/png", strings.NewReader(values[0]))); put.status != 400 {
		s.t.Errorf("%s: wrong content type: %d", path, put.status)
	}
}

func TestSDKIcon(t *testing.T) {
	s := start(t)
	icon := func(size int) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, size, size))); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	put := func(media string, body []byte) answer {
		return s.must(s.request(http.MethodPut, apps+"/webshop/1/icon", root, media, bytes.NewReader(body)))
	}
	colour := func(size string) any {
		a := s.get(apps+"/webshop/1/icon/"+size, root)
		if a.header.Get("Content-Type") != "image/png" {
			t.Fatalf("icon: %d %s", a.status, a.text)
		}
		decoded, err := png.Decode(strings.NewReader(a.text))
		if err != nil {
			t.Fatal(err)
		}
		r, g, b, _ := decoded.At(0, 0).RGBA()
		return []any{decoded.Bounds().Dx(), r >> 8, g >> 8, b >> 8}
	}
	if diff := cmp.Diff([]any{512, uint32(0x33), uint32(0x66), uint32(0x99)}, colour("512")); diff != "" {
		t.Errorf("without an icon: %s", diff)
	}
	for media, body := range map[string][]byte{"image/png": icon(64), "image/jpeg": icon(512), "text/plain": []byte("icon")} {
		if a := put(media, body); a.status != 400 {
			t.Errorf("%s of %d bytes: %d", media, len(body), a.status)
		}
	}
	if a := put("image/png", icon(512)); a.text != `{"changed":true}` {
		t.Errorf("put: %s", a.text)
	}
	if a := put("image/png", icon(512)); a.text != `{"changed":false}` {
		t.Errorf("put again: %s", a.text)
	}
	if diff := cmp.Diff([]any{32, uint32(0), uint32(0), uint32(0)}, colour("32")); diff != "" {
		t.Errorf("scaled: %s", diff)
	}
	for _, size := range []string{"0", "513", "big"} {
		if a := s.get(apps+"/webshop/1/icon/"+size, root); a.status != 404 {
			t.Errorf("size %s: %d", size, a.status)
		}
	}
}

func TestSDKSectionsOfOtherTypes(t *testing.T) {
	s := start(t)
	for path, values := range map[string][]string{
		"text/markdown /webshop/1/readme":                        {"# One", "# Two"},
		"application/json /webshop/1/common":                     {`{"clientId":"a"}`, `{}`},
		"application/json /connections/webshop/common":           {`{"clientId":"a"}`, `{}`},
		"application/jsonc /webshop/1/base":                      {`{"baseUrl": "https://a.example",}`, `{} // nothing`},
		"application/jsonc /webshop/1/groups":                    {`[{"label": "a"}]`, `[]`},
		"application/javascript /webshop/1/functions/total/code": {"function total(a, b) { return a; }", "function total(c) {}"},
		"application/javascript /webshop/1/functions/total/test": {"it('adds', () => {})", "// none"},
	} {
		media, path, _ := strings.Cut(path, " ")
		s.checkSection(apps+path, media, values...)
	}
	if a := s.get(apps+"/webshop/1/functions", root); a.text != `{"appFunctions":[{"args":"(c)","name":"total"}]}` {
		t.Errorf("arguments follow the code: %s", a.text)
	}
	for path, media := range map[string]string{
		"/webshop/1/base":                 "application/jsonc; charset=utf-8", // ends in a comment
		"/webshop/1/groups":               "application/json; charset=utf-8",
		"/webshop/1/common":               "application/json; charset=utf-8",
		"/webshop/1/readme":               "text/markdown; charset=utf-8",
		"/webshop/1/functions/total/code": "application/javascript; charset=utf-8",
	} {
		if a := s.must(s.request("GET", apps+path, root, "", nil)); a.header.Get("Content-Type") != media {
			t.Errorf("%s: %s", path, a.header.Get("Content-Type"))
		}
	}
}

func TestSDKRefusals(t *testing.T) {
	s := start(t)
	const post, put = "POST", "PUT"
	s.refuses(map[string]refusal{
		"missing scope":           {"GET", "/sdk/apps", reader, "", 403, "SC403", "Access denied."},
		"missing scope of a part": {"GET", "/sdk/apps/webshop/1/modules", reader, "", 403, "SC403", "Access denied."},
		"no such app":             {"GET", "/sdk/apps/nosuch/1", root, "", 404, "SC404", ""},
		"no such version":         {"GET", "/sdk/apps/webshop/2", root, "", 404, "SC404", ""},
		"somebody else's app":     {"GET", "/sdk/apps/secret-app/1", root, "", 404, "SC404", ""},
		"somebody else's parts":   {"GET", "/sdk/apps/secret-app/connections", root, "", 404, "SC404", ""},
		"parts of no app":         {"GET", "/sdk/apps/nosuch/connections", root, "", 404, "SC404", ""},
		"part of a stranger":      {"DELETE", "/sdk/apps/connections/webshop", other, "", 404, "SC404", ""},
		"no such part":            {"GET", "/sdk/apps/webshop/1/modules/nosuch", root, "", 404, "SC404", ""},
		"no such kind":            {"GET", "/sdk/apps/webshop/1/nosuch", root, "", 404, "SC404", ""},
		"no such section":         {"GET", "/sdk/apps/webshop/1/modules/listOrders/nosuch", root, "", 404, "SC404", ""},
		"too long":                {"GET", "/sdk/apps/webshop/1/modules/listOrders/api/x", root, "", 404, "SC404", ""},
		"functions do not change": {"PATCH", "/sdk/apps/webshop/1/functions/total", root, `{}`, 404, "SC404", ""},
		"no public connections":   {post, "/sdk/apps/connections/webshop/public", root, "", 404, "SC404", ""},
		"app of that name":        {post, "/sdk/apps", root, `{"name":"webshop","label":"a","audience":"global"}`, 400, "IM005", `\"webshop\"`},
		"app called connections":  {post, "/sdk/apps", root, `{"name":"connections","label":"a","audience":"global"}`, 400, "SC400", "'name'"},
		"app called as it likes":  {post, "/sdk/apps", root, `{"name":"My App","label":"a","audience":"global"}`, 400, "SC400", "'name'"},
		"part of that name":       {post, "/sdk/apps/webshop/1/rpcs", root, `{"name":"listShops","label":"a"}`, 400, "IM005", "listShops"},
		"part called as it likes": {post, "/sdk/apps/webshop/1/rpcs", root, `{"name":"list shops","label":"a"}`, 400, "SC400", "'name'"},
		"no such connection":      {"PATCH", "/sdk/apps/webshop/1/modules/listOrders", root, `{"connection":"nosuch"}`, 400, "IM005", "nosuch"},
		"no such account":         {"PATCH", "/sdk/apps/webshop/1/endpoints/getOrder", root, `{"attachedAccounts":["nosuch"]}`, 400, "IM005", "nosuch"},
		"common as a list":        {put, "/sdk/apps/webshop/1/common", root, `[]`, 400, "SC400", "'common'"},
		"broken section":          {put, "/sdk/apps/webshop/1/base", root, `{"a":`, 400, "SC400", "'base'"},
	})
	if a := s.must(s.request(put, apps+"/webshop/1/functions/total/code", root, "application/javascript", strings.NewReader("function ("))); a.status != 400 {
		t.Errorf("broken code: %d", a.status)
	}
}

func TestSDKNeedsARole(t *testing.T) {
	seed := makesim.DefaultSeed()
	seed.Users = append(seed.Users, makesim.User{
		ID: 1009, Name: "Anna Accountant", Email: "anna@acme.example",
		Organizations: []makesim.OrganizationRole{{ID: makesim.OrganizationID, Role: "Accountant"}},
	})
	s := startWith(t, makesim.Options{Seed: seed})
	accountant := s.as(1009, "sdk-apps:read sdk-apps:write")
	s.refuses(map[string]refusal{
		"get":       {"GET", "/sdk/apps/webshop/1", accountant, "", 403, "IM002", ""},
		"parts":     {"GET", "/sdk/apps/webshop/1/modules", accountant, "", 403, "IM002", ""},
		"create":    {"POST", "/sdk/apps", accountant, `{"name":"ab","label":"a","audience":"global"}`, 403, "IM002", ""},
		"something": {"PUT", "/sdk/apps/connections/webshop/api", accountant, `{}`, 403, "IM002", ""},
	})
	if a := s.get(apps, accountant); a.text != `{"apps":[]}` {
		t.Errorf("list: %s", a.text)
	}
}

func TestDeletedSDKConnectionIsForgotten(t *testing.T) {
	s := start(t)
	s.send("DELETE", apps+"/connections/webshop", root, "")
	if a := s.get(apps+"/webshop/1/modules/listOrders", root); at(a, "appModule", "connection") != nil {
		t.Errorf("module: %s", a.text)
	}
	if a := s.get(apps+"/webshop/1/endpoints/getOrder", root); !strings.Contains(a.text, `"attachedAccounts":[]`) {
		t.Errorf("endpoint: %s", a.text)
	}
}

func TestSDKRPC(t *testing.T) {
	s := start(t)
	const rpc, schema = "/sdk/apps/webshop/1/rpcs/listShops", `"schema":[{"name":"id","type":"number","required":true}]`
	if a := s.send("POST", "/api/v2"+rpc, root, `{"data":{"id":1},`+schema+`}`); a.text != `[{"label":"Prague","value":1}]` {
		t.Errorf("got %d %s", a.status, a.text)
	}
	s.refuses(map[string]refusal{
		"missing data": {"POST", rpc, root, `{"data":{},` + schema + `}`, 400, "SC400", "'data.id'"},
		"wrong type":   {"POST", rpc, root, `{"data":{"id":"a"},` + schema + `}`, 400, "SC400", "'data.id'"},
		"no schema":    {"POST", rpc, root, `{"data":{}}`, 400, "SC400", "'schema'"},
	})
}
