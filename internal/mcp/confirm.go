package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/audit"
)

var (
	// errNotConfirmed means that a destructive tool was called without the caller's word that somebody agreed.
	errNotConfirmed = errors.New("the call is not confirmed")
	// errDeclined means that the user was asked and said no.
	errDeclined = errors.New("the user declined")
)

// versionWithInput is the revision since which a result can ask for input. Dates compare as text.
const versionWithInput = "2026-07-28"

// confirmation returns a question for the user, or nil when the call may be made, or why it may not.
//
// The question's ID holds a digest of the call, so that an answer fits this very call only, on any replica, and no state needs to be kept
// or sealed. A client that lies about its user's answer could as well set confirmed.
func confirmation(req *sdk.CallToolRequest, t *tool, args map[string]any) (*sdk.CallToolResult, error) {
	if confirmed, _ := args[confirmedArgument].(bool); confirmed {
		return nil, nil
	}
	id, err := questionID(t, args)
	if err != nil {
		return nil, err
	}
	if answer, answered := req.Params.InputResponses[id].(*sdk.ElicitResult); answered && answer != nil {
		if agreed, _ := answer.Content[confirmedArgument].(bool); answer.Action == "accept" && agreed {
			return nil, nil
		}
		return nil, errDeclined
	}
	if !canAsk(req) {
		return nil, errNotConfirmed
	}
	return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{id: &sdk.ElicitParams{
		Mode:    "form",
		Message: question(t, args),
		RequestedSchema: json.RawMessage(`{"type":"object","properties":{"confirmed":{"type":"boolean","title":"Yes, do it","default":false}},` +
			`"required":["confirmed"]}`),
	}}}, nil
}

// canAsk reports whether the client lets its user fill in a form.
func canAsk(req *sdk.CallToolRequest) bool {
	if req.ProtocolVersion() < versionWithInput {
		return false
	}
	can := req.ClientCapabilities()
	return can != nil && can.Elicitation != nil && (can.Elicitation.Form != nil || can.Elicitation.URL == nil)
}

func questionID(t *tool, args map[string]any) (string, error) {
	raw, err := json.Marshal([]any{t.definition.Name, args}) // sorts the members
	if err != nil {
		return "", fmt.Errorf("digest arguments: %w", err)
	}
	return "confirm-" + audit.Digest(raw)[:32], nil
}

// question names the tool and what it is for: the arguments that are IDs or names.
func question(t *tool, args map[string]any) string {
	var objects []string
	for _, name := range t.argumentNames() {
		switch value := args[name].(type) {
		case json.Number:
			objects = append(objects, name+" "+value.String())
		case string:
			if len(value) <= 64 {
				objects = append(objects, name+" "+printable(value, 64))
			}
		}
	}
	text := t.definition.Title + " at Make"
	if len(objects) > 0 {
		text += " (" + strings.Join(objects, ", ") + ")"
	}
	return text + "? This deletes or overwrites something."
}
