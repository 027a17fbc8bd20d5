package scope

import (
	"slices"
	"strings"
	"testing"
)

func TestCatalogueIsComplete(t *testing.T) {
	const known = 72
	all := All()
	if len(all) != known {
		t.Errorf("%d scopes, want %d", len(all), known)
	}
	kinds := []Kind{User, Admin, OIDC}
	statuses := []Status{Documented, OpenAPI, SDK, Observed, Legacy, ThirdParty}
	for i, info := range all {
		if i > 0 && all[i-1].Name >= info.Name {
			t.Errorf("%s is listed twice or out of order", info.Name)
		}
		if info.Kind != OIDC && !form.MatchString(info.Name) {
			t.Errorf("%s does not have the form of a scope", info.Name)
		}
		if info.Kind != OIDC && !strings.HasSuffix(info.Name, ":"+info.Access) {
			t.Errorf("%s has access %q", info.Name, info.Access)
		}
		if !slices.Contains(kinds, info.Kind) || !slices.Contains(statuses, info.Status) {
			t.Errorf("%s has kind %q and status %q", info.Name, info.Kind, info.Status)
		}
		if info.Risk < Low || info.Risk > Critical {
			t.Errorf("%s has no risk", info.Name)
		}
		if len(info.Reason) < 15 || strings.HasSuffix(info.Reason, ".") || strings.Contains(info.Reason, "\n") {
			t.Errorf("%s has the reason %q, want a clause", info.Name, info.Reason)
		}
		if len(info.Name) > maxLength {
			t.Errorf("%s is longer than %d", info.Name, maxLength)
		}
		if got, err := Parse(info.Name); err != nil || got != info {
			t.Errorf("Parse(%s) = %+v, %v", info.Name, got, err)
		}
	}
}

// What the classes promise, so that a new entry cannot break it by a slip.
func TestCatalogueRisks(t *testing.T) {
	for _, info := range All() {
		switch {
		case info.Kind == Admin && info.Risk != Critical:
			t.Errorf("%s is for administrators, but %s", info.Name, info.Risk)
		case info.Access == "write" && info.Risk < Moderate:
			t.Errorf("%s writes, but is %s", info.Name, info.Risk)
		case strings.Contains(info.Reason, "does not document what") && info.Risk < High:
			t.Errorf("%s is not documented, but %s", info.Name, info.Risk)
		}
		if resource, ok := strings.CutSuffix(info.Name, ":write"); ok {
			if read, ok := Lookup(resource + ":read"); ok && read.Risk > info.Risk {
				t.Errorf("%s is %s, but reading is %s", info.Name, info.Risk, read.Risk)
			}
		}
	}
	for name, want := range map[string]Risk{
		"user:write": Critical, "connections:write": Critical, "keys:write": Critical, "credential-requests:write": Critical,
		"scenarios:run": High, "scenarios:write": High, "hooks:read": High, "scenarios:read": Moderate, "teams:read": Low,
	} {
		if info, _ := Lookup(name); info.Risk != want {
			t.Errorf("%s is %s, want %s", name, info.Risk, want)
		}
	}
}

func TestMisspellingsLeadToScopes(t *testing.T) {
	for wrong, right := range catalogue().Misspellings {
		if !exists(right+":read") && !exists(right+":write") {
			t.Errorf("%s is said to be %s, which does not exist", wrong, right)
		}
		if exists(wrong+":read") || exists(wrong+":write") {
			t.Errorf("%s is called a misspelling and exists", wrong)
		}
	}
}

func TestAllIsACopy(t *testing.T) {
	All()[0].Risk = 0
	if info, _ := Lookup(All()[0].Name); info.Risk == 0 {
		t.Error("the catalogue can be changed through All")
	}
}

func TestRisk(t *testing.T) {
	if !(Low < Moderate && Moderate < High && High < Critical) {
		t.Error("risks are out of order")
	}
	for _, risk := range []Risk{Low, Moderate, High, Critical} {
		if got, err := ParseRisk(risk.String()); err != nil || got != risk {
			t.Errorf("ParseRisk(%s) = %v, %v", risk, got, err)
		}
	}
	for _, name := range []string{"", "low", "Severe"} {
		if got, err := ParseRisk(name); err == nil {
			t.Errorf("ParseRisk(%q) = %v, want an error", name, got)
		}
	}
	if got := Risk(0).String() + Risk(-1).String() + Risk(9).String(); got != "" {
		t.Errorf("risks outside the classes print as %q", got)
	}
}
