package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

const client = "client_id=" + makesim.OAuthClientID + "&client_secret=" + makesim.OAuthClientSecret

// consent returns the first tokens of a new family.
func (c *child) consent(scope string) map[string]any {
	c.t.Helper()
	response, _, err := c.send("POST", "/oauth/v2/authorize", "application/x-www-form-urlencoded", url.Values{
		"response_type": {"code"}, "client_id": {makesim.OAuthClientID}, "redirect_uri": {makesim.RedirectURL},
		"scope": {scope}, "decision": {"approve"},
	}.Encode())
	if err != nil {
		c.t.Fatal(err)
	}
	back, err := response.Location()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.form("/oauth/v2/token", client+"&grant_type=authorization_code&redirect_uri="+
		url.QueryEscape(makesim.RedirectURL)+"&code="+back.Query().Get("code"))
}

func text(answer map[string]any, path ...string) string {
	for _, name := range path[:len(path)-1] {
		answer, _ = answer[name].(map[string]any)
	}
	value, _ := answer[path[len(path)-1]].(string)
	return value
}

func TestStateSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir, "--knob", "refreshClass=C", "--knob", `faults=[{"kind":"status","status":503,"method":"HEAD","count":3}]`)
	c.json("POST", "/_sim/clock", `{"advanceSeconds":3600}`)
	minted := c.json("POST", "/api/v2/users/me/api-tokens", `{"label":"crm","scope":["user:read"]}`)
	deleted := c.json("POST", "/api/v2/users/me/api-tokens", `{"label":"old","scope":["user:read"]}`)
	c.json("DELETE", "/api/v2/users/me/api-tokens/"+text(deleted, "apiToken", "created"), "")
	c.json("POST", "/api/v2/keys", `{"teamId":7,"name":"kept","typeName":"basicauth","parameters":{}}`)
	first := c.consent("openid user:read")
	second := c.form("/oauth/v2/token", client+"&grant_type=refresh_token&refresh_token="+text(first, "refresh_token"))
	c.json("PATCH", "/_sim/knobs?credential="+makesim.Fingerprint(text(first, "refresh_token")), `{"accessTokenSeconds":77}`)
	before := map[string]map[string]any{}
	look := []string{"/_sim/knobs", "/_sim/tokens", "/oauth/v2/oidc/jwks", "/api/v2/keys?teamId=7", "/api/v2/users/me/oauth-connections"}
	for _, path := range look {
		before[path] = c.json("GET", path, "")
	}
	c.kill()

	c = startChild(t, dir)
	for _, path := range look {
		if diff := cmp.Diff(before[path], c.json("GET", path, "")); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	if offset := c.json("GET", "/_sim/clock", "")["offsetSeconds"]; offset != 3600.0 {
		t.Errorf("offset %v", offset)
	}
	if a, b := c.state(text(minted, "apiToken", "token")), c.state(text(deleted, "apiToken", "token")); a != "alive" || b != "deleted" {
		t.Errorf("API tokens: %v, %v", a, b)
	}
	// Class C takes the first token until the second is used: the relations between tokens are back too.
	refresh := func(token string) (int, map[string]any) {
		response, answer, err := c.send("POST", "/oauth/v2/token", "application/x-www-form-urlencoded", client+"&grant_type=refresh_token&refresh_token="+token)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, answer
	}
	if status, answer := refresh(text(first, "refresh_token")); status != 200 || answer["expires_in"] != 77.0 || text(answer, "id_token") == "" {
		t.Errorf("before use: %d %v", status, answer["expires_in"])
	}
	refresh(text(second, "refresh_token"))
	if status, _ := refresh(text(first, "refresh_token")); status != 400 {
		t.Errorf("after use: %d", status)
	}
	checkLedger(t, dir)
}

// checkLedger reads the file: numbers without gaps across all processes, and nothing cut off.
func checkLedger(t *testing.T, dir string) {
	t.Helper()
	data := read(t, filepath.Join(dir, "ledger"))
	for i, line := range bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		var e makesim.Entry
		if err := json.Unmarshal(line, &e); err != nil || e.Seq != int64(i)+1 {
			t.Fatalf("line %d has number %d: %v", i+1, e.Seq, err)
		}
	}
}

// TestWhatWasAnsweredSurvivesKill kills the process while clients mint as fast as they can.
func TestWhatWasAnsweredSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	var mu sync.Mutex
	var tokens []string
	for round := range 3 {
		c := startChild(t, dir)
		enough := make(chan struct{}, 1)
		var clients sync.WaitGroup
		for range 4 {
			clients.Go(func() {
				for {
					_, answer, err := c.send("POST", "/api/v2/users/me/api-tokens", "application/json", `{"label":"x","scope":["user:read"]}`)
					if err != nil {
						return // it was killed
					}
					token := text(answer, "apiToken", "token")
					if token == "" {
						return // the plan's limit
					}
					mu.Lock()
					tokens = append(tokens, token)
					if len(tokens) >= 50*(round+1) {
						select {
						case enough <- struct{}{}:
						default:
						}
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		c.kill()
		clients.Wait()
	}
	c := startChild(t, dir)
	for _, token := range tokens {
		if state := c.state(token); state != "alive" {
			t.Errorf("a token that was answered is %v", state)
		}
	}
	checkLedger(t, dir)
}
