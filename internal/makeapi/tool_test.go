package makeapi_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makeapi/catalogue"
)

func lookup(t testing.TB, name string) catalogue.Tool {
	t.Helper()
	tool, ok := catalogue.Lookup(name)
	if !ok {
		t.Fatalf("no tool %s", name)
	}
	return tool
}

func TestCallTool(t *testing.T) {
	type reply struct {
		status            int
		contentType, body string
	}
	ok := func(body string) reply { return reply{200, "application/json; charset=utf-8", body} }
	tests := []struct {
		name, tool string
		args       map[string]any
		replies    []reply
		sent       []string
		want       makeapi.Answer
		kind       makeapi.Kind
	}{
		{
			name: "one request", tool: "scenarios_list", args: map[string]any{"teamId": 7},
			replies: []reply{ok(`{"scenarios":[]}`)},
			sent:    []string{"GET /api/v2/scenarios?cols%5B%5D=%2A&teamId=7 "},
			want:    makeapi.Answer{MediaType: "application/json", Body: []byte(`{"scenarios":[]}`)},
		},
		{
			name: "two requests, one object", tool: "connections_update", args: map[string]any{"connectionId": 5, "name": "n", "data": map[string]any{"k": "v"}},
			replies: []reply{ok(`{"connection":{"id":5}}`), ok(`{"changed":true}`)},
			sent:    []string{`PATCH /api/v2/connections/5 {"name":"n"}`, `POST /api/v2/connections/5/set-data {"k":"v"}`},
			want:    makeapi.Answer{MediaType: "application/json", Body: []byte(`{"changed":true,"connection":{"id":5}}`)},
		},
		{
			name: "the first of two fails", tool: "connections_update", args: map[string]any{"connectionId": 5, "name": "n", "data": map[string]any{}},
			replies: []reply{{404, "application/json", `{"code":"IM304"}`}},
			sent:    []string{`PATCH /api/v2/connections/5 {"name":"n"}`},
			kind:    makeapi.NotFound,
		},
		{
			name: "an image", tool: "sdk-apps_get-icon", args: map[string]any{"name": "a", "version": 1},
			replies: []reply{{200, "image/png", "\x89PNG"}},
			sent:    []string{"GET /api/v2/sdk/apps/a/1/icon/512 "},
			want:    makeapi.Answer{MediaType: "image/png", Body: []byte("\x89PNG")},
		},
		{
			name: "text goes out", tool: "sdk-functions_set-code", args: map[string]any{"appName": "a", "appVersion": 1, "functionName": "f", "code": "return 1"},
			replies: []reply{ok(`{"changed":true}`)},
			sent:    []string{"PUT /api/v2/sdk/apps/a/1/functions/f/code return 1"},
			want:    makeapi.Answer{MediaType: "application/json", Body: []byte(`{"changed":true}`)},
		},
		{
			name: "nothing comes back", tool: "hooks_delete", args: map[string]any{"hookId": 3},
			replies: []reply{{204, "", ""}},
			sent:    []string{"DELETE /api/v2/hooks/3?confirmed=true "},
		},
		{
			name: "it is not the JSON that it says", tool: "hooks_delete", args: map[string]any{"hookId": 3},
			replies: []reply{ok(`{"hook":`)},
			sent:    []string{"DELETE /api/v2/hooks/3?confirmed=true "},
			kind:    makeapi.UnknownOutcome,
		},
		{
			name: "not confirmed", tool: "scenarios_update", args: map[string]any{"scenarioId": 3, "name": "n"},
			replies: []reply{{406, "application/json", `{"code":"IM004","message":"Confirmation required."}`}},
			sent:    []string{`PATCH /api/v2/scenarios/3?cols%5B%5D=%2A {"metadata":{"input_spec":[],"output_spec":[]},"name":"n"}`},
			kind:    makeapi.NeedsConfirmation,
		},
		{name: "an argument is missing", tool: "scenarios_list", kind: makeapi.Invalid},
		{name: "the arguments ask for nothing", tool: "connections_update", args: map[string]any{"connectionId": 5}, kind: makeapi.Invalid},
		{name: "an argument is no JSON", tool: "scenarios_list", args: map[string]any{"teamId": func() {}}, kind: makeapi.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var sent []string
			client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // a cut body shows in the comparison
				answer := tt.replies[len(sent)]
				sent = append(sent, r.Method+" "+r.RequestURI+" "+string(body))
				w.Header().Set("Content-Type", answer.contentType)
				w.WriteHeader(answer.status)
				_, _ = w.Write([]byte(answer.body))
			})
			got, err := client.Zone(zone, makeapi.APIToken(apiToken)).CallTool(t.Context(), lookup(t, tt.tool), tt.args)
			if kind := makeapi.KindOf(err); kind != tt.kind {
				t.Errorf("error %v, want kind %v", err, tt.kind)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.sent, sent); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// What Make says of a parameter reaches the caller, but not the text of the error.
func TestDetails(t *testing.T) {
	client, zone := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusBadRequest, `{"detail":"Validation failed for 1 parameter(s).","message":"Bad Request","code":"SC400",`+
			`"suberrors":[{"message":"Missing value of required parameter 'number'.","name":"Error"},{"message":"bad value my secret value"}]}`)
	})
	_, err := client.Zone(zone, makeapi.APIToken(apiToken)).CallTool(t.Context(), lookup(t, "keys_create"), map[string]any{
		"teamId": 7, "name": "n", "typeName": "basic", "parameters": map[string]any{"password": "my secret value"},
	})
	e, ok := errors.AsType[*makeapi.Error](err)
	if !ok {
		t.Fatalf("error is %T", err)
	}
	if diff := cmp.Diff([]string{"Missing value of required parameter 'number'."}, e.Details); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	if want := "call keys_create: invalid (400 SC400)"; e.Error() != want {
		t.Errorf("Error() = %q, want %q", e.Error(), want)
	}
}
