package makesim

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// partName is what the parts of an app may be called. Source: Make's editor for custom apps.
var partName = regexp.MustCompile(`^[a-zA-Z][0-9a-zA-Z]*$`)

// partResource adds to the resource of a kind of parts what all parts have in common. A row says under _app what
// it belongs to: "demo" for a part of all versions of an app, "demo/1" for one of a single version.
func (k sdkKind) partResource() resource {
	r := k.resource
	r.tenant, r.bare = ofOrganization, true
	r.seeded = append(slices.Clone(r.seeded), must("app", text), may("name", text), may("sections", document))
	r.owner = func(st *state, part object) int64 { return integer(st.appOf(part)["organizationId"]) }
	r.fresh = func(st *state, c *call, part object) error {
		hide(part, "app")
		if err := cmp.Or(k.namePart(st, part), seedSections(part, k.sections)); err != nil {
			return err
		}
		if k.fresh != nil {
			if err := k.fresh(st, c, part); err != nil {
				return err
			}
		}
		hide(part, "answer", "moduleInitMode")
		return st.checkReferences(part, part)
	}
	r.changed = func(st *state, _ *call, part, changes object) error { return st.checkReferences(part, changes) }
	r.show = func(st *state, c *call, part object) {
		delete(part, "id")
		if k.show != nil {
			k.show(st, c, part)
		}
	}
	return r
}

// absent is a fresh that completes a row.
func absent(members object) func(*state, *call, object) error {
	return func(_ *state, _ *call, row object) error {
		fill(row, plain(members))
		return nil
	}
}

// namePart checks the name of a new part. One that belongs to all versions of its app is called after it: the
// first "demo", the next "demo2".
func (k sdkKind) namePart(st *state, part object) error {
	app := st.appOf(part)
	if app == nil {
		return invalidInput(fmt.Sprintf("There is no app %v.", part["_app"]))
	}
	if k.shared && part["name"] == nil {
		name := fmt.Sprint(app["name"])
		for n := 2; st.part(k, part["_app"], name) != nil; n++ {
			name = fmt.Sprint(app["name"], n)
		}
		part["name"] = name
		return nil
	}
	name := fmt.Sprint(part["name"])
	if !k.shared && !partName.MatchString(name) {
		return badRequest("Invalid value of parameter 'name': letters and digits expected.")
	}
	if st.part(k, part["_app"], name) != nil {
		return invalidInput(fmt.Sprintf("The app has a part %q.", name))
	}
	return nil
}

// part finds a part by its name; nil if there is none. Those of all versions are unique among all apps.
func (st *state) part(k sdkKind, app any, name string) object {
	for _, part := range st.tables.of(k.kind).where("name", name) {
		if k.shared || part["_app"] == app {
			return part
		}
	}
	return nil
}

// appOf is the app that a part belongs to, in any version for a part of all; nil without one.
func (st *state) appOf(part object) object {
	name, version, one := strings.Cut(fmt.Sprint(part["_app"]), "/")
	for _, app := range st.tables.of(sdkAppKind).where("name", name) {
		if !one || fmt.Sprint(app["version"]) == version {
			return app
		}
	}
	return nil
}

// references are the members of parts that name a connection of the same app.
var references = []string{"connection", "altConnection", "attachedAccounts"}

// checkReferences looks for the connections that changes name.
func (st *state) checkReferences(part, changes object) error {
	connections := st.connectionsOf(part)
	for _, member := range references {
		names := texts(changes[member])
		if name, ok := changes[member].(string); ok {
			names = []string{name}
		}
		for _, name := range names {
			if !slices.Contains(connections, name) {
				return invalidInput(fmt.Sprintf("The app has no connection %q.", name))
			}
		}
	}
	return nil
}

// connectionsOf are the names of the connections of a part's app.
func (st *state) connectionsOf(part object) []string {
	var names []string
	for _, connection := range st.tables.of(sdkConnectionKind).where("_app", st.appOf(part)["name"]) {
		names = append(names, fmt.Sprint(connection["name"]))
	}
	return names
}

// forgetConnection makes the parts of an app that name a connection forget it.
func forgetConnection(st *state, connection object) {
	name := connection["name"]
	for _, kind := range []string{"sdkWebhooks", "sdkModules", "sdkRPCs", "sdkEndpoints"} {
		for _, part := range st.tables.of(kind).Rows {
			for _, member := range references {
				if accounts, ok := part[member].([]any); ok {
					part[member] = slices.DeleteFunc(slices.Clone(accounts), func(a any) bool { return a == name })
				} else if part[member] == name {
					part[member] = nil
				}
			}
		}
	}
}
