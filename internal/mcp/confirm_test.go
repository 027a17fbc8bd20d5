package mcp_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/mcp"
)

const deleteHook = "hooks_delete"

var hookArgs = map[string]any{"hookId": 11}

func deletions(e *env) int {
	n := 0
	for _, path := range e.paths() {
		if strings.HasPrefix(path, "DELETE /hooks/") {
			n++
		}
	}
	return n
}

// asked is a client whose user answers with action and, when that is accept, with confirmed.
func asked(e *env, action string, confirmed bool, questions *[]string) *sdk.ClientSession {
	return e.connectAs(admin, "", &sdk.ClientOptions{
		ElicitationHandler: func(_ context.Context, req *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			*questions = append(*questions, req.Params.Message)
			res := &sdk.ElicitResult{Action: action}
			if action == "accept" {
				res.Content = map[string]any{"confirmed": confirmed}
			}
			return res, nil
		},
	})
}

// TestDestructiveCallsAskTheUser where the client can.
func TestDestructiveCallsAskTheUser(t *testing.T) {
	for name, tt := range map[string]struct {
		action    string
		confirmed bool
		want      string // in the error; empty: the call is made
	}{
		"yes":      {"accept", true, ""},
		"unticked": {"accept", false, "declined"},
		"no":       {"decline", false, "declined"},
		"closed":   {"cancel", false, "declined"},
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, wholeServer)
			var questions []string
			res := e.call(asked(e, tt.action, tt.confirmed, &questions), deleteHook, hookArgs)
			if res.IsError != (tt.want != "") || !strings.Contains(text(res), tt.want) {
				t.Errorf("error %v: %s", res.IsError, text(res))
			}
			if len(questions) != 1 || !strings.Contains(questions[0], "hookId 11") {
				t.Errorf("the user was asked %q", questions)
			}
			if made := deletions(e) == 1; made != (tt.want == "") {
				t.Errorf("the hook was deleted: %v", made)
			}
		})
	}
}

// TestDestructiveCallsNeedAnArgument where the client cannot ask.
func TestDestructiveCallsNeedAnArgument(t *testing.T) {
	for _, version := range []string{"2026-07-28", "2025-11-25"} {
		t.Run(version, func(t *testing.T) {
			e := start(t, wholeServer)
			session := e.connect(admin, version)
			if res := e.call(session, deleteHook, hookArgs); !res.IsError || !strings.Contains(text(res), "confirmed set to true") {
				t.Errorf("error %v: %s", res.IsError, text(res))
			}
			if n := deletions(e); n != 0 {
				t.Fatal("the hook was deleted")
			}
			lines := e.auditLines()
			if last := lines[len(lines)-1]; last.Outcome != "denied" || last.Reason != "not_confirmed" {
				t.Errorf("audit %+v", last)
			}
			if res := e.call(session, deleteHook, map[string]any{"hookId": 11, "confirmed": true}); res.IsError || deletions(e) != 1 {
				t.Error(text(res))
			}
		})
	}
}

// TestAnswerFitsItsOwnQuestionOnly: an answer that a client sends again with other arguments confirms nothing.
func TestAnswerFitsItsOwnQuestionOnly(t *testing.T) {
	e := start(t, wholeServer)
	session := e.connectAs(admin, "", &sdk.ClientOptions{
		MultiRoundTrip:     &sdk.MultiRoundTripOptions{Disabled: true},
		ElicitationHandler: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) { return nil, nil },
	})
	first := e.call(session, deleteHook, map[string]any{"hookId": 12})
	if !first.NeedsInput() || len(first.InputRequests) != 1 {
		t.Fatalf("result %+v", first)
	}
	answers := sdk.InputResponseMap{}
	for id := range first.InputRequests {
		answers[id] = &sdk.ElicitResult{Action: "accept", Content: map[string]any{"confirmed": true}}
	}
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: deleteHook, Arguments: hookArgs, InputResponses: answers})
	if err != nil {
		t.Fatal(err)
	}
	if !res.NeedsInput() || deletions(e) != 0 {
		t.Errorf("the answer was taken for another call: %+v", res)
	}
}

func TestNoConfirmationWhereTheConfigSaysSo(t *testing.T) {
	e := start(t, func(c *mcp.Config) {
		wholeServer(c)
		c.Tools.Confirmation = mcp.ConfirmNever
	})
	if res := e.call(e.connect(admin, ""), deleteHook, hookArgs); res.IsError || deletions(e) != 1 {
		t.Error(text(res))
	}
}

// TestRunsNeedNoConfirmation: running is what scenarios:run is for, and a scenario's inputs are its author's.
func TestRunsNeedNoConfirmation(t *testing.T) {
	e := start(t, nil)
	res, err := e.connect(agent, "").ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(res.Tools, func(tool *sdk.Tool) bool { return tool.Name == lead })
	if input, ok := res.Tools[at].InputSchema.(map[string]any); !ok || strings.Contains(strings.Join(keys(input["properties"]), " "), "confirmed") {
		t.Errorf("schema %v", res.Tools[at].InputSchema)
	}
	if res := e.call(e.connect(agent, ""), lead, map[string]any{"email": "a@b.c", "name": "A"}); res.IsError {
		t.Error(text(res))
	}
}

func keys(value any) []string {
	var names []string
	members, _ := value.(map[string]any)
	for name := range members {
		names = append(names, name)
	}
	return names
}
