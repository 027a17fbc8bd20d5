package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConnectionLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/connections?teamId=7", root, `{"accountName":"Bot","accountType":"make","apiKey":"hush","url":"https://eu1.make.com"}`)
	want := map[string]any{"connection": map[string]any{
		"id": 1001.0, "name": "Bot", "accountName": "make", "accountLabel": "Make", "packageName": nil, "expire": nil,
		"metadata": nil, "teamId": 7.0, "theme": "#6e21cc", "upgradeable": false, "scopes": 0.0, "scopesCnt": 0.0,
		"scoped": false, "accountType": "basic", "editable": true, "uid": nil, "connectedSystemId": nil, "organizationId": 42.0,
	}}
	if diff := cmp.Diff(want, created.json); diff != "" {
		t.Errorf("created: %d %s", created.status, diff)
	}
	for path, want := range map[string]string{
		"1001?cols[]=id&cols[]=scopes": `{"connection":{"id":1001,"scopes":[]}}`,
		"61?cols[]=scopes":             `{"connection":{"scopes":[{"account":"google-email","id":"https://mail.google.com/"}]}}`,
		"1001/editable-data-schema":    `{"editableParameters":["apiKey","url"]}`,
		"61/editable-data-schema":      `{"editableParameters":[]}`,
	} {
		if a := s.get("/api/v2/connections/"+path, root); a.text != want {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	for path, step := range map[string]struct{ body, want string }{
		"1001/set-data": {`{"apiKey":"other"}`, `{"changed":true}`},
		"1001/test":     {"", `{"verified":true}`},
		"63/test":       {"", `{"verified":false}`},
		"61/scoped":     {`{"scope":["https://mail.google.com/"]}`, `{"connection":{"scoped":true}}`},
		"63/scoped":     {`{"scope":["https://mail.google.com/"]}`, `{"connection":{"scoped":false}}`},
	} {
		if a := s.send("POST", "/api/v2/connections/"+path, root, step.body); a.text != step.want {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	if a := s.send("PATCH", "/api/v2/connections/1001", root, `{"name":"Robot"}`); text(a, "connection", "name") != "Robot" {
		t.Errorf("rename: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/connections/1001?confirmed=true", root, ""); a.text != `{"connection":1001}` {
		t.Errorf("delete: %s", a.text)
	}
}

func TestListConnections(t *testing.T) {
	s := start(t)
	for query, want := range map[string][]any{
		"":                           {"Mail server", "Revoked mailbox", "Sales mailbox"},
		"&type[]=smtp&type[]=slack2": {"Mail server"},
		"&type%5B%5D=google-email":   {"Revoked mailbox", "Sales mailbox"},
		"&google-email[]=https://mail.google.com/": {"Mail server", "Sales mailbox"},
	} {
		if diff := cmp.Diff(want, column(s.get("/api/v2/connections?teamId=7"+query, root), "connections", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
}

func TestConnectionRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "connections:read connections:write")
	s.refuses(map[string]refusal{
		"missing scope":         {"GET", "/connections?teamId=7", reader, "", 403, "SC403", ""},
		"missing role":          {"GET", "/connections/61", watcher, "", 403, "IM002", ""},
		"missing role to write": {"POST", "/connections?teamId=7", watcher, `{"accountName":"a","accountType":"smtp"}`, 403, "IM002", ""},
		"not found":             {"GET", "/connections/999", root, "", 404, "IM304", "Connection not found '999'."},
		"other's":               {"PATCH", "/connections/64", root, `{"name":"a"}`, 404, "IM304", ""},
		"no team":               {"POST", "/connections", root, `{"accountName":"a","accountType":"smtp"}`, 400, "SC400", "'teamId'"},
		"no kind":               {"POST", "/connections?teamId=7", root, `{"accountName":"a"}`, 400, "SC400", "'accountType'"},
		"not editable":          {"POST", "/connections/61/set-data", root, `{"token":"a"}`, 400, "SC400", "'token'"},
		"scoped without scope":  {"POST", "/connections/61/scoped", root, `{}`, 400, "SC400", "'scope'"},
		"unconfirmed":           {"DELETE", "/connections/61", root, "", 406, "IM004", ""},
	})
}

const (
	seededRequest    = "7a3d2c10-0000-4000-8000-000000000001"
	seededCredential = "7a3d2c10-0000-4000-8000-000000000011"
	seededAnswered   = "7a3d2c10-0000-4000-8000-000000000012"
)

func TestCredentialRequestLife(t *testing.T) {
	s := start(t)
	created := s.send("POST", "/api/v2/credential-requests/actions/create-by-credentials", root,
		`{"teamId":7,"connections":[{"type":"google","scope":["drive"],"nameOverride":"Mine"}],"keys":[{"type":"apikeyauth"}]}`)
	id := text(created, "request", "id")
	if text(created, "request", "name") != "Request for credentials" || text(created, "request", "status") != "pending" ||
		text(created, "request", "expiresAt") != "2026-04-01T12:00:00.000Z" || text(created, "publicUri") == "" {
		t.Errorf("created: %d %s", created.status, created.text)
	}
	for member, want := range map[string][]any{
		"component": {"account", "keychain"}, "name": {"google", "apikeyauth"}, "type": {"oauth", "basic"}, "nameOverride": {"Mine", nil},
	} {
		if diff := cmp.Diff(want, column(created, "credentials", member)); diff != "" {
			t.Errorf("%s: %s", member, diff)
		}
	}
	list := s.get("/api/v2/credential-requests/requests?teamId=7&pg[limit]=1", root)
	if diff := cmp.Diff([]any{"Mailbox of the new colleague"}, column(list, "requests", "name")); diff != "" || at(list, "pg", "total") != 2.0 {
		t.Errorf("list: %s", list.text)
	}
	detail := s.get("/api/v2/credential-requests/requests/"+id+"/detail", root)
	credentials, _ := at(detail, "requestDetail", "credentials").([]any)
	if len(credentials) != 2 || text(detail, "requestDetail", "user", "name") != "Ada Example" {
		t.Errorf("detail: %s", detail.text)
	}
	for _, each := range credentials {
		credential, _ := each.(map[string]any)["id"].(string)
		a := s.send("POST", "/api/v2/credential-requests/credentials/"+credential+"/decline", root, `{"reason":"no"}`)
		if text(a, "credential", "state") != "declined" || text(a, "credential", "declineReason") != "no" {
			t.Errorf("decline: %s", a.text)
		}
	}
	if a := s.get("/api/v2/credential-requests/requests/"+id, root); text(a, "request", "status") != "declined" {
		t.Errorf("declined: %s", a.text)
	}
	if a := s.send("DELETE", "/api/v2/credential-requests/requests/"+id+"?confirmed=true", root, ""); a.json["request"] != id {
		t.Errorf("delete: %s", a.text)
	}
	if a := s.get("/api/v2/credential-requests/requests/"+id, root); a.status != 404 {
		t.Errorf("deleted: %d", a.status)
	}
}

func TestResetCredential(t *testing.T) {
	s := start(t)
	a := s.send("POST", "/api/v2/credential-requests/credentials/"+seededAnswered+"/delete-remote", root, "")
	if text(a, "credential", "state") != "pending" || at(a, "credential", "remoteId") != nil {
		t.Errorf("reset: %s", a.text)
	}
	if a := s.get("/api/v2/connections/63", root); a.status != 404 {
		t.Errorf("its connection: %d", a.status)
	}
}

func TestOtherWaysToAsk(t *testing.T) {
	s := start(t)
	for path, body := range map[string]string{
		"requests":       `{"name":"a","teamId":7,"provider":{"providerMakeUserId":1003},"keys":[{"type":"basicauth","appName":"http"}]}`,
		"actions/create": `{"teamId":7,"credentials":[{"appName":"slack","appModules":["*"]}]}`,
		"actions/extend": `{"connectionId":61,"scopes":["https://www.googleapis.com/auth/drive"]}`,
	} {
		a := s.send("POST", "/api/v2/credential-requests/"+path, root, body)
		detail := s.get("/api/v2/credential-requests/requests/"+text(a, "request", "id")+"/detail", root)
		if credentials, _ := at(detail, "requestDetail", "credentials").([]any); len(credentials) != 1 {
			t.Errorf("%s: %d %s", path, a.status, detail.text)
		}
	}
	modules := s.get("/api/v2/credential-requests/apps/slack/latest/modules-with-credentials", root)
	if diff := cmp.Diff([]any{"CreateMessage", "watchInteractivityEvents"}, column(modules, "appModules", "id")); diff != "" {
		t.Errorf("modules: %d %s", modules.status, diff)
	}
}

func TestCredentialRequestRefusals(t *testing.T) {
	s := start(t)
	watcher := s.as(monitor, "credential-requests:read credential-requests:write")
	s.refuses(map[string]refusal{
		"missing scope":       {"GET", "/credential-requests/requests?teamId=7", reader, "", 403, "SC403", ""},
		"scope of apps":       {"GET", "/credential-requests/apps/slack/4/modules-with-credentials", reader, "", 403, "SC403", ""},
		"missing role":        {"GET", "/credential-requests/requests/" + seededRequest, watcher, "", 403, "IM002", ""},
		"missing role to ask": {"POST", "/credential-requests/actions/create-by-credentials", watcher, `{"teamId":7,"keys":[{"type":"a"}]}`, 403, "IM002", ""},
		"other's":             {"GET", "/credential-requests/requests/" + seededRequest + "/detail", other, "", 404, "SC404", ""},
		"no such request":     {"DELETE", "/credential-requests/requests/nope?confirmed=true", root, "", 404, "SC404", ""},
		"unconfirmed":         {"DELETE", "/credential-requests/requests/" + seededRequest, root, "", 406, "IM004", ""},
		"no such credential":  {"POST", "/credential-requests/credentials/nope/decline", root, "", 404, "SC404", ""},
		"other's credential":  {"POST", "/credential-requests/credentials/" + seededCredential + "/decline", other, "", 404, "SC404", ""},
		"already decided":     {"POST", "/credential-requests/credentials/" + seededAnswered + "/decline", root, "", 422, "IM016", ""},
		"no such app":         {"GET", "/credential-requests/apps/nope/1/modules-with-credentials", root, "", 404, "SC404", ""},
		"no such version":     {"GET", "/credential-requests/apps/slack/1/modules-with-credentials", root, "", 404, "SC404", ""},
		"asks for nothing":    {"POST", "/credential-requests/actions/create-by-credentials", root, `{"teamId":7}`, 400, "SC400", ""},
		"key without type":    {"POST", "/credential-requests/actions/create-by-credentials", root, `{"teamId":7,"keys":[{}]}`, 400, "SC400", "keys[0].type"},
		"no modules":          {"POST", "/credential-requests/actions/create", root, `{"teamId":7,"credentials":[{"appName":"slack"}]}`, 400, "SC400", "'appModules'"},
		"extend basic":        {"POST", "/credential-requests/actions/extend", root, `{"connectionId":62,"scopes":["a"]}`, 400, "IM005", ""},
		"extend nothing":      {"POST", "/credential-requests/actions/extend", root, `{"connectionId":999,"scopes":["a"]}`, 404, "IM304", ""},
	})
}
