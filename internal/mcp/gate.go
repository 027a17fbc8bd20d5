package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/makeops/make-operator/internal/mcp/strictjson"
)

const (
	methodInitialize = "initialize"
	methodListTools  = "tools/list"
	methodCallTool   = "tools/call"
	versionHeader    = "Mcp-Protocol-Version"
)

// message is what the gate needs to know of a JSON-RPC message.
type message struct {
	method string
	tool   string // tools/call only
}

// gate looks into the body: it refuses what only the oldest revision allowed (batches, requests without a version
// header), bodies that two parsers could read differently, and calls that lack a scope. What it lets through is judged
// again, with authority, after the SDK has parsed it: the gate exists because only HTTP can say 403.
func (f *front) gate(w http.ResponseWriter, r *http.Request, rec *record, who caller) string {
	if r.Method != http.MethodPost {
		return "" // the SDK answers 405
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		status := http.StatusBadRequest
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status)
		return "unreadable_body"
	}
	msg, err := parseMessage(body)
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return "malformed_message"
	}
	version := r.Header.Get(versionHeader)
	rec.note(func(l *auditLine) { l.Method, l.Tool, l.ProtocolVersion = msg.method, msg.tool, clip(version) })
	if version == "" && msg.method != methodInitialize {
		refuse(w, http.StatusBadRequest)
		return "no_protocol_version"
	}
	if msg.method == methodCallTool {
		if missing := f.catalogue.missingScopes(who.grants, msg.tool); len(missing) > 0 {
			rec.note(func(l *auditLine) { l.ScopesNeeded = missing })
			f.resource.challenge(w, "insufficient_scope", missing)
			refuse(w, http.StatusForbidden)
			return "insufficient_scope"
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return ""
}

// parseMessage reads one JSON-RPC request or notification. A batch, a repeated key and a case variant of a deciding key
// are errors, so that this parser and the SDK's cannot disagree about method and tool.
func parseMessage(body []byte) (message, error) {
	envelope, err := strictjson.Object(body, "jsonrpc", "id", "method", "params")
	if err != nil {
		return message{}, err
	}
	var msg message
	if err := json.Unmarshal(envelope["method"], &msg.method); err != nil || msg.method == "" {
		return message{}, errors.New("read message: no method")
	}
	params, present := envelope["params"]
	if !present || bytes.Equal(params, []byte("null")) {
		return msg, nil
	}
	members, err := strictjson.Object(params, "name", "arguments", "_meta")
	if err != nil {
		return message{}, err
	}
	if msg.method != methodCallTool {
		return msg, nil
	}
	if err := json.Unmarshal(members["name"], &msg.tool); err != nil {
		return message{}, errors.New("read message: no tool name")
	}
	msg.tool = clip(msg.tool)
	return msg, nil
}

// clip bounds text of the caller that goes into a log.
func clip(s string) string {
	const limit = 128 // the longest tool name that MCP allows
	if len(s) > limit {
		return s[:limit]
	}
	return s
}
