package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/propagation"

	"github.com/makeops/make-operator/internal/audit"
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
	tool   string                 // tools/call only
	trace  propagation.MapCarrier // traceparent and tracestate of _meta
}

// gate judges a body: it refuses what only the oldest revision allowed (batches, requests without a version header), bodies that two
// parsers could read differently, and calls that lack a scope. What it lets through is judged again, with authority, after the SDK
// has parsed it: the gate exists because only HTTP can say 403.
func (f *front) gate(w http.ResponseWriter, r *http.Request, rec *audit.Record, body []byte) (message, string) {
	if tooDeep(body, maxDepth) {
		refuse(w, http.StatusBadRequest)
		return message{}, "nested_too_deep"
	}
	msg, err := parseMessage(body)
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return message{}, "malformed_message"
	}
	version := r.Header.Get(versionHeader)
	msg.note(rec, version)
	if version == "" && msg.method != methodInitialize {
		refuse(w, http.StatusBadRequest)
		return message{}, "no_protocol_version"
	}
	if msg.method != methodCallTool {
		return msg, ""
	}
	if missing := f.catalogue.missingScopes(callerFrom(r.Context()).grants, msg.tool); len(missing) > 0 {
		rec.Note(func(e *audit.Entry) { e.ScopesNeeded = missing })
		f.resource.challenge(w, "insufficient_scope", missing)
		refuse(w, http.StatusForbidden)
		return message{}, "insufficient_scope"
	}
	return msg, ""
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
	msg.trace = parseTrace(members["_meta"])
	if msg.method != methodCallTool {
		return msg, nil
	}
	if err := json.Unmarshal(members["name"], &msg.tool); err != nil {
		return message{}, errors.New("read message: no tool name")
	}
	msg.tool = clip(msg.tool)
	return msg, nil
}

// parseTrace reads the trace of a message; none is no error.
func parseTrace(meta json.RawMessage) propagation.MapCarrier {
	var found struct {
		Parent string `json:"traceparent"`
		State  string `json:"tracestate"`
	}
	if err := json.Unmarshal(meta, &found); err != nil || found.Parent == "" {
		return nil
	}
	return propagation.MapCarrier{"traceparent": found.Parent, "tracestate": found.State}
}

// clip bounds text of the caller that goes into a log.
func clip(s string) string {
	const limit = 128 // the longest tool name that MCP allows
	if len(s) > limit {
		return s[:limit]
	}
	return s
}
