package clients

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// How many tools the SDK has, and how many methods behind none of them methods.mjs calls.
const (
	tools   = 181
	methods = 22
)

// TestSDKTools lets the SDK call each of its tools.
func TestSDKTools(t *testing.T) {
	n := start(t)
	var icon bytes.Buffer
	if err := png.Encode(&icon, image.NewGray(image.Rect(0, 0, 512, 512))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.dir, "icon.png"), icon.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	n.succeeds(t, "tools.mjs", tools)
}

// TestSDKMethods lets the SDK call what none of its tools does.
func TestSDKMethods(t *testing.T) {
	start(t).succeeds(t, "methods.mjs", methods)
}

// succeeds runs a script and reports what failed of the calls that it makes.
func (n *node) succeeds(t *testing.T, script string, calls int) {
	t.Helper()
	called := map[string]bool{}
	for line := range bytes.Lines(n.run(t, script)) {
		var call struct {
			Name   string `json:"name"`
			Status int    `json:"status"`
			Error  string `json:"error"`
		}
		if err := json.Unmarshal(line, &call); err != nil {
			t.Fatalf("read %s: %v", line, err)
		}
		called[call.Name] = true
		if call.Error != "" {
			t.Errorf("%s: %d %s", call.Name, call.Status, call.Error)
		}
	}
	if len(called) != calls {
		t.Errorf("%d were called, want %d", len(called), calls)
	}
}
