package makesim

import (
	"net/http"
	"slices"
	"strings"
)

// sdkRoutes are custom apps and their parts. Which of them a path names is decided here, because net/http's
// patterns cannot tell /sdk/apps/{name}/connections from /sdk/apps/connections/{name}.
func (s *Server) sdkRoutes() []route {
	read := route{scopes: []string{"sdk-apps:read"}, can: "sdk apps get"}
	write := route{scopes: []string{"sdk-apps:write"}, can: "sdk app edit"}
	at := func(rt route, pattern string, do func(*call) (any, error)) route {
		rt.pattern, rt.do = pattern, do
		return rt
	}
	return []route{
		at(read, "GET /api/v2/sdk/apps", s.listApps),
		at(write, "POST /api/v2/sdk/apps", s.createApp),
		at(read, "GET /api/v2/sdk/apps/{path...}", s.serveSDK),
		at(write, "POST /api/v2/sdk/apps/{path...}", s.serveSDK),
		at(write, "PUT /api/v2/sdk/apps/{path...}", s.serveSDK),
		at(write, "PATCH /api/v2/sdk/apps/{path...}", s.serveSDK),
		at(write, "DELETE /api/v2/sdk/apps/{path...}", s.serveSDK),
	}
}

// partOfAll is the kind of a path segment whose parts belong to all versions of an app; nil for any other segment.
func partOfAll(segment string) *sdkKind { return partNamed(segment, true) }

func partNamed(segment string, shared bool) *sdkKind {
	i := slices.IndexFunc(sdkParts, func(k sdkKind) bool { return k.segment == segment && k.shared == shared })
	if i < 0 {
		return nil
	}
	k := sdkParts[i]
	k.resource = k.partResource()
	return &k
}

// serveSDK answers for what a path names:
//
//	{connections or webhooks}/{name}[/…]         a part of all versions of an app
//	{app}/{connections or webhooks}              those of an app
//	{app}/{version}[/…]                          a version of an app
//	{app}/{version}/{modules, rpcs, …}[/{name}]  its parts
func (s *Server) serveSDK(c *call) (any, error) {
	path := strings.Split(c.r.PathValue("path"), "/")
	if len(path) < 2 {
		return nil, notFound()
	}
	if k := partOfAll(path[0]); k != nil {
		return s.onPart(c, k, nil, path[1:])
	}
	if k := partOfAll(path[1]); k != nil && len(path) == 2 {
		return s.onParts(c, k, path[0])
	}
	app := s.state.app(path[0], path[1])
	if app == nil {
		return nil, notFound()
	}
	rest := path[2:]
	if len(rest) == 0 {
		return s.onNamed(c, sdkApp(), app, nil)
	}
	k, belongs := partNamed(rest[0], false), path[0]+"/"+path[1]
	switch {
	case k == nil:
		return s.onNamed(c, sdkApp(), app, rest)
	case len(rest) == 1:
		return s.onParts(c, k, belongs)
	}
	return s.onPart(c, k, belongs, rest[1:])
}

// onParts answers for the list of the parts of an app.
func (s *Server) onParts(c *call, k *sdkKind, belongs string) (any, error) {
	app := s.state.appOf(object{"_app": belongs})
	if app == nil {
		return nil, notFound()
	}
	if err := s.state.reach(c, ofOrganization, integer(app["organizationId"])); err != nil {
		return nil, err
	}
	switch c.r.Method {
	case http.MethodGet:
		return s.serving(k.resource).answer(c, s.state.tables.of(k.kind).where("_app", belongs))
	case http.MethodPost:
		body, err := c.fields(k.fields...)
		if err != nil {
			return nil, err
		}
		body["app"] = belongs
		part, err := k.add(&s.state, c, body)
		if err != nil {
			return nil, err
		}
		return k.answer(s, c, part), nil
	}
	return nil, notFound()
}

func (s *Server) onPart(c *call, k *sdkKind, belongs any, path []string) (any, error) {
	part := s.state.part(*k, belongs, path[0])
	if part == nil {
		return nil, notFound()
	}
	return s.onNamed(c, *k, part, path[1:])
}

// onNamed answers for an app or a part of one: rest is what the path holds behind its name.
func (s *Server) onNamed(c *call, k sdkKind, row object, rest []string) (any, error) {
	if err := s.state.reach(c, ofOrganization, k.ownerOf(&s.state, row)); err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return s.onInner(c, k, row, rest)
	}
	switch {
	case c.r.Method == http.MethodGet:
		return k.answer(s, c, row), nil
	case c.r.Method == http.MethodPatch && k.changes != nil:
		return s.serving(k.resource).doUpdate(c, row)
	case c.r.Method == http.MethodDelete:
		k.drop(&s.state, row)
		return object{k.one: row["name"]}, nil
	case c.r.Method == http.MethodPost && k.test:
		return testRPC(c, row)
	}
	return nil, notFound()
}

func (k sdkKind) answer(s *Server, c *call, row object) object {
	return object{k.one: pick(k.shown(&s.state, c, row), c.query(), k.single...)}
}

// onInner answers for a section, for the icon of an app, and makes things public or private.
func (s *Server) onInner(c *call, k sdkKind, row object, rest []string) (any, error) {
	method, name := c.r.Method, rest[0]
	sec, isSection := k.sections[name]
	switch {
	case k.kind == sdkAppKind && name == "icon" && len(rest) == 2 && method == http.MethodGet:
		return getIcon(row, rest[1])
	case len(rest) > 1:
		return nil, notFound()
	case k.kind == sdkAppKind && name == "icon" && method == http.MethodPut:
		return setIcon(c, row)
	case isSection && method == http.MethodGet:
		return getSection(row, name, sec), nil
	case isSection && method == http.MethodPut:
		return setSection(c, row, name, sec)
	case k.public && (name == "public" || name == "private") && method == http.MethodPost:
		before := row["public"]
		row["public"] = name == "public"
		return object{"changed": row["public"] != before}, nil
	}
	return nil, notFound()
}
