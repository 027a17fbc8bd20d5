package makesim_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestListPublicTemplates(t *testing.T) {
	s := start(t)
	const webhook, page = "Add webhook data to a data store", "Fetch a page every hour"
	for query, want := range map[string][]any{
		"":                                     {webhook, page},
		"includeEn=true&cols[]=*":              {webhook, page},
		"name=WEBHOOK":                         {webhook},
		"name=nothing":                         {},
		"usedApps[]=http":                      {page},
		"usedApps[]=gateway&usedApps[]=http":   {},
		"pg[sortBy]=name&pg[sortDir]=desc":     {page, webhook},
		"pg[sortDir]=asc":                      {page, webhook},
		"pg[limit]=1&pg[offset]=1&cols[]=name": {page},
	} {
		a := s.get("/api/v2/templates/public?"+query, root)
		if diff := cmp.Diff(want, column(a, "templatesPublic", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if a := s.get("/api/v2/templates/public", root); at(a, "pg", "sortBy") != "usage" || at(a, "pg", "sortDir") != "desc" {
		t.Errorf("page: %s", a.text)
	}
}

func TestPublicTemplate(t *testing.T) {
	s := start(t)
	a := s.get("/api/v2/templates/public/72-fetch-a-page-every-hour?cols[]=*", root)
	want := map[string]any{"templatePublic": map[string]any{
		"id": 72.0, "name": "Fetch a page every hour", "description": nil, "url": "72-fetch-a-page-every-hour",
		"usedApps": []any{"http"}, "usage": 340.0,
	}}
	if diff := cmp.Diff(want, a.json); diff != "" {
		t.Error(diff)
	}
	a = s.get("/api/v2/templates/public/72-fetch-a-page-every-hour/blueprint", root)
	if text(a, "blueprint", "name") != "Fetch a page every hour" || text(a, "scheduling", "type") != "indefinitely" ||
		text(a, "controller", "name") != "Fetch a page every hour" || a.json["language"] != "en" {
		t.Errorf("blueprint: %s", a.text)
	}
}

func TestTeamTemplates(t *testing.T) {
	a := start(t).get("/api/v2/templates?teamId=7", root)
	if diff := cmp.Diff([]any{"New customer"}, column(a, "templates", "name")); diff != "" {
		t.Error(diff)
	}
}

func TestTemplateRefusals(t *testing.T) {
	s := start(t)
	s.refuses(map[string]refusal{
		"missing scope":       {"GET", "/templates/public", reader, "", 403, "SC403", "Access denied."},
		"no such template":    {"GET", "/templates/public/nosuch", root, "", 404, "SC404", ""},
		"no such blueprint":   {"GET", "/templates/public/nosuch/blueprint", root, "", 404, "SC404", ""},
		"no boolean":          {"GET", "/templates/public?includeEn=maybe", root, "", 400, "SC400", "'includeEn'"},
		"other team's":        {"GET", "/templates?teamId=70", root, "", 403, "IM002", ""},
		"templates of nobody": {"GET", "/templates", root, "", 400, "SC400", "parameter 'teamId'"},
	})
}
