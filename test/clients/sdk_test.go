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

// tools is how many tools the SDK has.
const tools = 181

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
	called := map[string]bool{}
	for line := range bytes.Lines(n.run(t, "tools.mjs")) {
		var call struct {
			Tool   string `json:"tool"`
			Status int    `json:"status"`
			Error  string `json:"error"`
		}
		if err := json.Unmarshal(line, &call); err != nil {
			t.Fatalf("read %s: %v", line, err)
		}
		called[call.Tool] = true
		if call.Error != "" {
			t.Errorf("%s: %d %s", call.Tool, call.Status, call.Error)
		}
	}
	if len(called) != tools {
		t.Errorf("%d tools were called, want %d", len(called), tools)
	}
}
