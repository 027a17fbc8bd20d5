package makeapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/yaml"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makeapi/catalogue"
	"github.com/makeops/make-operator/internal/makesim"
)

// toolRow is how a tool is called. See testdata/tools.yaml.
type toolRow struct {
	Args   map[string]any `json:"args"`
	Before []struct {
		Tool string            `json:"tool"`
		Post string            `json:"post"`
		Args map[string]any    `json:"args"`
		Keep map[string]string `json:"keep"`
	} `json:"before"`
	May    string `json:"may"`    // "", member or anybody
	Absent string `json:"absent"` // "" or invalid
}

func readRows(t testing.TB) map[string]toolRow {
	t.Helper()
	raw, err := os.ReadFile("testdata/tools.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]toolRow{}
	if err := yaml.UnmarshalStrict(raw, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// API tokens with every scope, of somebody who belongs to the organization and has a role in none of its teams, and of
// somebody who belongs to another organization.
const (
	bystander = "5e0c7d1a-3b64-4f0e-9a27-6c8d2e4f7a05"
	stranger  = "c4a81f7e-2d93-4e60-8b5c-0f1d7a6e9b03"
)

// toolWorld is a simulator with a bystander in it.
type toolWorld struct {
	t     *testing.T
	root  *makeapi.Zone
	kept  map[string]any // by name, see toolRow.Before
	fresh int            // how many names were made up
	zone  func(token string) *makeapi.Zone
}

func newToolWorld(t *testing.T) *toolWorld {
	t.Helper()
	seed := makesim.DefaultSeed()
	seed.Organizations = append(seed.Organizations, makesim.Organization{ID: 43, Name: "Without custom properties", Plan: "enterprise"})
	seed.Users[0].Organizations = append(seed.Users[0].Organizations, makesim.OrganizationRole{ID: 43, Role: "Owner"})
	seed.Users = append(seed.Users, makesim.User{
		ID: 1099, Name: "Berta Bystander", Email: "berta@acme.example",
		Organizations: []makesim.OrganizationRole{{ID: simOrganization, Role: "Member"}},
	})
	seed.APITokens = append(seed.APITokens, makesim.APIToken{Value: bystander, UserID: 1099, Label: "bystander", EveryUserScope: true})
	clock := clocktesting.NewFakePassiveClock(now)
	sim, err := makesim.NewTLSServer(makesim.Options{Seed: seed, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	client, err := makeapi.New(makeapi.Config{ExtraZones: []string{sim.Zone}, RootCAs: sim.CAPool(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	w := &toolWorld{t: t, kept: map[string]any{"icon": icon(t)}}
	w.zone = func(token string) *makeapi.Zone { return client.Zone(sim.Zone, makeapi.APIToken(token)) }
	w.root = w.zone(makesim.RootToken)
	return w
}

// Each tool of the catalogue is called with what it needs, without its scope, without a role, and for an object that
// does not exist.
func TestTools(t *testing.T) {
	rows := readRows(t)
	for _, tool := range catalogue.Tools() {
		row, ok := rows[tool.Name]
		if !ok {
			t.Errorf("%s has no row in testdata/tools.yaml", tool.Name)
			continue
		}
		delete(rows, tool.Name)
		t.Run(tool.Name, func(t *testing.T) {
			w := newToolWorld(t)
			w.prepare(row)
			w.checkMissingScope(tool, row)
			w.checkMissingRole(tool, row)
			w.checkNotFound(tool, row)
			answer, err := w.root.CallTool(t.Context(), tool, w.filled(row.Args))
			if err != nil {
				t.Errorf("call: %v %q", err, details(err))
			}
			if len(answer.Body) == 0 {
				t.Error("nothing came back")
			}
		})
	}
	for name := range rows {
		t.Errorf("testdata/tools.yaml has a row for %s, which is no tool", name)
	}
}

// absent is how a call for something that does not exist ends.
func (r toolRow) absent() makeapi.Kind {
	if r.Absent == "invalid" {
		return makeapi.Invalid
	}
	return makeapi.NotFound
}

// prepare makes the calls that come before.
func (w *toolWorld) prepare(row toolRow) {
	w.t.Helper()
	for _, step := range row.Before {
		tool := catalogue.Tool{Name: "prepare", Requests: []catalogue.Request{{Method: http.MethodPost, Path: step.Post}}}
		if step.Post == "" {
			tool = lookup(w.t, step.Tool)
		}
		answer, err := w.root.CallTool(w.t.Context(), tool, w.filled(step.Args))
		if err != nil {
			w.t.Fatalf("prepare with %s: %v %q", step.Tool+step.Post, err, details(err))
		}
		for name, path := range step.Keep {
			w.kept[name] = find(w.t, answer.Body, path)
		}
	}
}

// filled replaces "$name" by what was kept, and "$fresh" by another name each time.
func (w *toolWorld) filled(args map[string]any) map[string]any {
	args = maps.Clone(args)
	for name, value := range args {
		switch text, ok := value.(string); {
		case text == "$fresh":
			w.fresh++
			args[name] = fmt.Sprintf("probe-%d", w.fresh)
		case ok && strings.HasPrefix(text, "$"):
			args[name] = w.kept[text[1:]]
		}
	}
	return args
}

// find takes a value out of a JSON document: "request.credentials.0.id".
func find(t *testing.T, document []byte, path string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch parent := value.(type) {
		case map[string]any:
			value = parent[name]
		case []any:
			if len(parent) == 0 {
				t.Fatalf("%s: nothing in %s", path, document)
			}
			value = parent[0]
		}
	}
	if value == nil {
		t.Fatalf("no %s in %s", path, document)
	}
	return value
}

func (w *toolWorld) checkMissingScope(tool catalogue.Tool, row toolRow) {
	w.t.Helper()
	if tool.Scope == "" {
		return
	}
	held := must[makeapi.Authorization](w.t)(w.root.CurrentAuthorization(w.t.Context()))
	others := slices.DeleteFunc(held.Scopes, func(scope string) bool { return scope == tool.Scope })
	if len(others) == len(held.Scopes)+1 {
		w.t.Fatalf("root holds no %s", tool.Scope)
	}
	minted := must[makeapi.MintedToken](w.t)(w.root.CreateToken(w.t.Context(), "narrow", others))
	_, err := w.zone(minted.Value).CallTool(w.t.Context(), tool, w.filled(row.Args))
	if e, ok := errors.AsType[*makeapi.Error](err); !ok || e.Kind != makeapi.MissingScope || e.Scope != tool.Scope {
		w.t.Errorf("without %s: %v", tool.Scope, err)
	}
}

// checkMissingRole calls as somebody who may not. Make hides some objects from those who have no role, as if they did
// not exist.
func (w *toolWorld) checkMissingRole(tool catalogue.Tool, row toolRow) {
	w.t.Helper()
	for who, token := range map[string]string{"bystander": bystander, "stranger": stranger} {
		if row.May == "member" && who == "bystander" {
			continue
		}
		_, err := w.zone(token).CallTool(w.t.Context(), tool, w.filled(row.Args))
		switch kind := makeapi.KindOf(err); {
		case row.May == "anybody" && err != nil:
			w.t.Errorf("as %s: %v %q, want no error", who, err, details(err))
		case row.May != "anybody" && kind != makeapi.MissingRole && kind != row.absent():
			w.t.Errorf("as %s: %v %q, want %v or %v", who, err, details(err), makeapi.MissingRole, row.absent())
		}
	}
}

// checkNotFound calls for an object that does not exist. Where only the tenant can be missing, Make may also speak of
// rights (IM002: for example a wrong teamId).
func (w *toolWorld) checkNotFound(tool catalogue.Tool, row toolRow) {
	w.t.Helper()
	name, inPath := named(tool)
	if name == "" {
		return
	}
	args := w.filled(row.Args)
	args[name] = nobody(args[name])
	_, err := w.root.CallTool(w.t.Context(), tool, args)
	if kind := makeapi.KindOf(err); kind != row.absent() && (inPath || kind != makeapi.MissingRole) {
		w.t.Errorf("with a %s that does not exist: %v %q, want %v", name, err, details(err), row.absent())
	}
}

// nobody is an identifier of the same form that names nothing.
func nobody(identifier any) any {
	text, ok := identifier.(string)
	switch {
	case !ok:
		return 999_999
	case len(text) >= 32:
		return digit.ReplaceAllString(text, "0")
	default:
		return "missing"
	}
}

var digit = regexp.MustCompile(`[0-9a-f]`)

// variants are path arguments that choose among the forms of one object.
var variants = []string{"section", "size", "version", "appVersion"}

var pathArgument = regexp.MustCompile(`\{(\w+)\}`)

// named is the argument that names what a tool works on: the last one in the path, else the tenant; "" when there is none.
func named(tool catalogue.Tool) (name string, inPath bool) {
	for _, found := range slices.Backward(pathArgument.FindAllStringSubmatch(tool.Requests[0].Path, -1)) {
		if !slices.Contains(variants, found[1]) {
			return found[1], true
		}
	}
	return tool.ScopeID, false
}

func details(err error) []string {
	if e, ok := errors.AsType[*makeapi.Error](err); ok {
		return e.Details
	}
	return nil
}

// icon is the smallest picture that Make takes for an app, in base64.
func icon(t *testing.T) string {
	t.Helper()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 512, 512))); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(picture.Bytes())
}
