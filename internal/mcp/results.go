package mcp

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/makeops/make-operator/internal/makeapi"
)

// output is what a tool gives.
type output struct {
	// structured is the structured content, a JSON object: revisions before 2026-07-28 take nothing else.
	structured any
	// content is shown to models and people; nil means structured as JSON text.
	content []sdk.Content
}

// runResult is the structured content of a run.
type runResult struct {
	ScenarioID  int64  `json:"scenarioId,omitempty"`
	ExecutionID string `json:"executionId"`
	// Status is started, success, warning or error.
	Status  string          `json:"status"`
	Outputs json.RawMessage `json:"outputs,omitempty"`
	Error   string          `json:"error,omitempty"`
	// Instruction says how to go on with a run that has not ended.
	Instruction string `json:"instruction,omitempty"`
}

// outputOf shows what Make answered. An object is passed on as it is, another JSON value as the member result.
func outputOf(a makeapi.Answer) *output {
	switch {
	case len(a.Body) == 0:
		return &output{structured: map[string]any{"done": true}}
	case a.MediaType == "application/json" && bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("{")):
		return &output{structured: json.RawMessage(a.Body)}
	case a.MediaType == "application/json":
		return &output{structured: map[string]any{"result": json.RawMessage(a.Body)}}
	case strings.HasPrefix(a.MediaType, "image/"):
		return &output{
			structured: map[string]any{"mediaType": a.MediaType, "bytes": len(a.Body)},
			content:    []sdk.Content{&sdk.ImageContent{Data: a.Body, MIMEType: a.MediaType}},
		}
	case utf8.Valid(a.Body):
		return &output{
			structured: map[string]any{"mediaType": a.MediaType, "text": string(a.Body)},
			content:    []sdk.Content{&sdk.TextContent{Text: string(a.Body)}},
		}
	default:
		return &output{structured: map[string]any{"mediaType": a.MediaType, "base64": a.Body}}
	}
}

// toResult builds the answer of a tool: what it gave as structured content and as text, or what went wrong in a sentence. A run
// that failed has both.
func toResult(out *output, err error) (res *sdk.CallToolResult, reason string) {
	res = &sdk.CallToolResult{Content: []sdk.Content{}}
	if err != nil {
		var sentence string
		sentence, reason = explain(err)
		res.IsError = true
		res.Content = append(res.Content, &sdk.TextContent{Text: sentence})
	}
	if out == nil {
		return res, reason
	}
	text, marshalErr := json.Marshal(out.structured)
	if marshalErr != nil {
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: "The tool's result cannot be shown."}}}, "internal"
	}
	res.StructuredContent = json.RawMessage(text) // encoded once
	if out.content == nil {
		out.content = []sdk.Content{&sdk.TextContent{Text: string(text)}}
	}
	res.Content = append(res.Content, out.content...)
	return res, reason
}
