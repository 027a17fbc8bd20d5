package makesim

import (
	"fmt"
	"regexp"
)

// appName is what an app may be called. Source: Make's editor for custom apps.
var appName = regexp.MustCompile(`^[a-z][0-9a-z-]*[0-9a-z]$`)

// sdkApp is a version of a custom app. It belongs to an organization, though no request names that.
func sdkApp() sdkKind {
	return sdkKind{
		resource: resource{
			kind: sdkAppKind, one: "app", many: "apps", tenant: ofOrganization, bare: true, created: "created",
			fields: []field{
				must("name", text), must("label", text), must("audience", text), may("description", text),
				may("theme", text), may("language", text), may("countries", list), may("private", boolean),
			},
			changes: []field{
				may("label", text), may("description", text), may("theme", text), may("language", text),
				may("countries", list), may("audience", text),
			},
			seeded:  []field{may("version", number), may("sections", document)},
			columns: []string{"name", "label", "version", "beta"},
			fresh:   freshApp,
			changed: func(_ *state, _ *call, _, changes object) error {
				setAudience(changes)
				return nil
			},
			show: func(_ *state, _ *call, app object) {
				delete(app, "id")
				delete(app, "organizationId")
			},
			gone: dropParts,
		},
		public:   true,
		sections: appSections,
	}
}

var appSections = map[string]section{
	"base": emptyDocument, "groups": emptyList, "install": emptyDocument, "installSpec": emptyList,
	"common": commonData, "readme": markdown,
}

func freshApp(st *state, _ *call, app object) error {
	name := fmt.Sprint(app["name"])
	if !appName.MatchString(name) || partOfAll(name) != nil {
		return badRequest("Invalid value of parameter 'name': lower-case letters, digits and hyphens expected.")
	}
	fill(app, object{"version": int64(1)})
	if st.app(name, fmt.Sprint(app["version"])) != nil {
		return invalidInput(fmt.Sprintf("There is an app %q.", name))
	}
	fill(app, object{
		"description": "", "beta": false, "theme": "#000000", "language": "en", "public": app["private"] == false,
		"approved": false, "countries": nil, "manifestVersion": 1,
	})
	delete(app, "private")
	setAudience(app)
	return seedSections(app, appSections)
}

// setAudience turns the audience of a request into the member that answers have.
func setAudience(app object) {
	if app["audience"] != nil {
		app["global"] = app["audience"] == "global"
	}
	delete(app, "audience")
}

// app finds a version of an app; nil if there is none.
func (st *state) app(name, version string) object {
	for _, app := range st.tables.of(sdkAppKind).where("name", name) {
		if fmt.Sprint(app["version"]) == version {
			return app
		}
	}
	return nil
}

// dropParts removes the parts of an app that is gone, those of all versions with its last one.
func dropParts(st *state, app object) {
	name := fmt.Sprint(app["name"])
	for _, k := range sdkParts {
		st.tables.of(k.kind).remove("_app", fmt.Sprint(name, "/", app["version"]))
		if len(st.tables.of(sdkAppKind).where("name", name)) == 0 {
			st.tables.of(k.kind).remove("_app", name)
		}
	}
}

// listApps lists the apps of all organizations where the caller may see them.
func (s *Server) listApps(c *call) (any, error) {
	rows := []object{}
	for _, app := range s.state.tables.of(sdkAppKind).Rows {
		if s.state.allows(c, ofOrganization, integer(app["organizationId"])) {
			rows = append(rows, app)
		}
	}
	return s.serving(sdkApp().resource).answer(c, rows)
}

// createApp makes an app of the first organization where the caller may.
func (s *Server) createApp(c *call) (any, error) {
	k := sdkApp()
	body, err := c.fields(k.fields...)
	if err != nil {
		return nil, err
	}
	for _, o := range c.user.Organizations {
		if s.state.allows(c, ofOrganization, o.ID) {
			body["organizationId"] = o.ID
			app, err := k.add(&s.state, c, body)
			if err != nil {
				return nil, err
			}
			return object{k.one: k.shown(&s.state, c, app)}, nil
		}
	}
	return nil, insufficientRights()
}
