package mcp

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
)

func TestScenarioToolName(t *testing.T) {
	for name, want := range map[string]string{
		"Create a CRM lead":       "scenario_7_create_a_crm_lead",
		"  Größe / Füße (2.0)! ":  "scenario_7_gr_e_f_e_2_0",
		"日本語":                     "scenario_7",
		"":                        "scenario_7",
		strings.Repeat("ab ", 99): "scenario_7_" + strings.Repeat("ab_", 14) + "ab",
		strings.Repeat("x", 99):   "scenario_7_" + strings.Repeat("x", 45),
	} {
		got := scenarioToolName(7, name)
		if got != want || len(got) > maxToolName {
			t.Errorf("%q: %q (%d), want %q", name, got, len(got), want)
		}
		if id, ok := scenarioID(got); !ok || id != 7 {
			t.Errorf("%q is not recognized", got)
		}
	}
	if got := scenarioToolName(1<<63-1, strings.Repeat("x", 99)); len(got) > maxToolName {
		t.Errorf("%q is too long", got)
	}
}

func TestScenarioID(t *testing.T) {
	for _, name := range []string{"scenarios_run", "scenario_", "scenario_x", "scenario_0", "scenario_-1", "scenario_+1", "scenario_01", "scenario_1x", "scenario_99999999999999999999"} {
		if id, ok := scenarioID(name); ok {
			t.Errorf("%s is taken for scenario %d", name, id)
		}
	}
	if !sameTool("scenario_1_old", "scenario_1_new") || sameTool("scenario_1", "scenario_11") || sameTool("users_me", "users_you") {
		t.Error("tools are not told apart by id")
	}
}

func TestInputSchema(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	inputs := []makeapi.Parameter{
		{Name: "note", Type: "text", Label: "Note", Help: "Shown to all.", Default: raw(`""`)},
		{Name: "count", Type: "number", Required: true, Default: raw(`"3"`)},
		{Name: "sure", Type: "boolean", Default: raw(`true`)},
		{Name: "when", Type: "date"},
		{Name: "extra", Type: "json"},
		{Name: "size", Type: "select", Options: []json.RawMessage{raw(`"s"`), raw(`42`)}},
		{Name: "who", Type: "collection", Fields: []makeapi.Parameter{{Name: "vat", Type: "text", Required: true}}},
		{Name: "anything", Type: "collection"},
		{Name: "tags", Type: "array", Item: &makeapi.Parameter{Type: "text"}},
		{Name: "rows", Type: "array", Fields: []makeapi.Parameter{{Name: "sum", Type: "number"}}},
		{Name: "future", Type: "hologram"},
		{Name: "list", Type: "array"},
		{Name: "note", Type: "number"},
	}
	got, err := json.Marshal(inputSchema(inputs))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"object","properties":{` +
		`"note":{"type":"string","description":"Note. Shown to all."},` +
		`"count":{"type":"number"},` +
		`"sure":{"type":"boolean","default":true},` +
		`"when":{"type":"string","description":"A date and time in ISO 8601."},` +
		`"extra":{"type":"string","description":"A JSON text."},` +
		`"size":{"enum":["s",42]},` +
		`"who":{"type":"object","properties":{"vat":{"type":"string"}},"required":["vat"],"additionalProperties":false},` +
		`"anything":{"type":"object","properties":{}},` +
		`"tags":{"type":"array","items":{"type":"string"}},` +
		`"rows":{"type":"array","items":{"type":"object","properties":{"sum":{"type":"number"}},"additionalProperties":false}},` +
		`"future":{"description":"Any value."},"list":{"type":"array"}},"required":["count"],"additionalProperties":false}`
	var gotValue, wantValue any
	if err := json.Unmarshal(got, &gotValue); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(want), &wantValue); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantValue, gotValue); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

// TestInputSchemaIsBounded: whatever a scenario declares, the schema stays small and what it leaves out stays possible.
func TestInputSchemaIsBounded(t *testing.T) {
	many := make([]makeapi.Parameter, 1000)
	for i := range many {
		many[i] = makeapi.Parameter{Name: strings.Repeat("p", i+1), Type: "text", Required: true}
	}
	schema := inputSchema(many)
	if len(schema.Properties) != maxParameters || len(schema.Required) != maxParameters || schema.AdditionalProperties != nil {
		t.Errorf("%d properties, %d required, the rest open: %v", len(schema.Properties), len(schema.Required), schema.AdditionalProperties == nil)
	}
}

func TestPrintable(t *testing.T) {
	if got := printable(" a\n\tb\x00\x7fc \xff", 100); got != "a b c" {
		t.Errorf("%q", got)
	}
	if got := printable("ééé", 3); got != "é" {
		t.Errorf("%q is cut inside a character", got)
	}
}
