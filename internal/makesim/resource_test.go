package makesim_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makesim"
)

func TestListsOfObjects(t *testing.T) {
	s := start(t)
	for _, name := range []string{"b", "a", "c"} {
		s.send("POST", "/api/v2/keys", root, `{"teamId":8,"name":"`+name+`","typeName":"basicauth","parameters":{}}`)
	}
	for query, want := range map[string][]any{
		"teamId=8":                                     {"a", "b", "c"},
		"teamId=8&pg[sortDir]=desc":                    {"c", "b", "a"},
		"teamId=8&pg[sortBy]=id":                       {"b", "a", "c"},
		"teamId=8&pg%5Blimit%5D=1&pg[offset]=1":        {"b"},
		"teamId=8&cols[]=name":                         {"a", "b", "c"},
		"teamId=8&cols[]=*&typeName=basicauth":         {"a", "b", "c"},
		"teamId=8&typeName=aes-key":                    {},
		"teamId=8&typeName=aes-key&typeName=basicauth": {"a", "b", "c"},
	} {
		if diff := cmp.Diff(want, column(s.get("/api/v2/keys?"+query, root), "keys", "name")); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if a := s.get("/api/v2/keys?teamId=8&cols[]=typeName&pg[limit]=1", root); a.text != `{"keys":[{"typeName":"basicauth"}]}` {
		t.Errorf("columns: %s", a.text)
	}
}

func TestSeededObjectsAreChecked(t *testing.T) {
	const head = "organizations: [{id: 1, name: a, plan: core, teams: [{id: 2, name: b}]}]\nusers: [{id: 3, name: c, organizations: []}]\nobjects:\n"
	for rows, says := range map[string]string{
		`keies: []`: `no kind "keies"`,
		`keys: [{teamId: 9, name: a, typeName: basicauth, parameters: {}}]`:               "objects.keys[0].teamId: there is no 9",
		`keys: [{teamId: 2, name: a, typeName: basicauth}]`:                               "'parameters'",
		`keys: [{teamId: 2, name: 5, typeName: basicauth, parameters: {}}]`:               "Invalid type of parameter 'name'",
		`keys: [{teamId: 2, name: a, typeName: nosuch, parameters: {}}]`:                  "objects.keys[0]:",
		`keys: [{id: five, teamId: 2, name: a, typeName: basicauth, parameters: {}}]`:     "Invalid type of parameter 'id'",
		`keys: [{teamId: 2, name: a, typeName: basicauth, parameters: {}, colour: red}]`:  "Unknown parameter 'colour'",
		`keys: [&k {id: 5, teamId: 2, name: a, typeName: basicauth, parameters: {}}, *k]`: "objects.keys[1]: another object has this keys id",
	} {
		if _, err := makesim.ReadSeed(strings.NewReader(head + "  " + rows)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", rows, err, says)
		}
	}
}

// A user of two organizations pays from the one that owns the object of the path.
func TestTheOwnerOfTheObjectPays(t *testing.T) {
	seed := makesim.DefaultSeed()
	for i := range seed.Users {
		if seed.Users[i].ID == makesim.UserID {
			seed.Users[i].Organizations = append(seed.Users[i].Organizations, makesim.OrganizationRole{ID: makesim.OtherOrganizationID, Role: "Owner"})
		}
	}
	s := startWith(t, makesim.Options{Seed: seed})
	s.get("/api/v2/keys/32", root)
	s.get("/api/v2/keys/31", root)
	var payers []int64
	for _, entry := range s.Ledger() {
		if entry.Request != nil {
			payers = append(payers, entry.Request.OrganizationID)
		}
	}
	if diff := cmp.Diff([]int64{makesim.OtherOrganizationID, makesim.OrganizationID}, payers); diff != "" {
		t.Error(diff)
	}
}
