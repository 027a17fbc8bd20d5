package makesim

import (
	"slices"
	"strings"
)

const publicTemplateKind = "publicTemplates"

// publicTemplateResource is a template that every user may see. Nothing makes one but the seed.
func publicTemplateResource() resource {
	return resource{
		kind: publicTemplateKind, many: "templatesPublic", sortBy: "-usage",
		fields: []field{
			must("name", text), must("url", text), may("description", text), may("usedApps", list), may("usage", number),
			may("language", text), must("blueprint", document), may("controller", document), may("scheduling", document),
		},
		columns: []string{"id", "name", "description", "url", "usedApps", "usage"},
		fresh:   freshPublicTemplate,
	}
}

// templateResource is a template of a team. Nothing makes one but the seed.
func templateResource() resource {
	return resource{
		kind: "templates", path: "/api/v2/templates", many: "templates", tenant: ofTeam,
		fields: []field{
			must("name", text), may("description", text), may("usedApps", list), may("public", boolean),
		},
		columns: []string{"id", "name", "teamId", "description", "usedApps", "public"},
		fresh: func(_ *state, _ *call, template object) error {
			fill(template, object{"description": nil, "usedApps": []any{}, "public": false})
			return nil
		},
	}
}

func (s *Server) templateRoutes() []route {
	scopes := []string{"templates:read"}
	return []route{
		s.serving(templateResource()).list(scopes[0], "templates get"),
		{pattern: "GET /api/v2/templates/public", scopes: scopes, do: s.listPublicTemplates},
		{pattern: "GET /api/v2/templates/public/{templateUrl}", scopes: scopes, do: s.getPublicTemplate},
		{pattern: "GET /api/v2/templates/public/{templateUrl}/blueprint", scopes: scopes, do: s.getPublicTemplateBlueprint},
	}
}

func freshPublicTemplate(_ *state, _ *call, template object) error {
	blueprint, _ := template["blueprint"].(object)
	fill(template, object{
		"description": nil, "usedApps": []any{}, "usage": 0, "language": "en",
		"controller": object{"name": blueprint["name"], "modules": object{}, "idSequence": 1},
		"scheduling": object{"type": "indefinitely", "interval": 900},
	})
	hide(template, "language", "blueprint", "controller", "scheduling")
	return nil
}

// listPublicTemplates answers templates in the user's language and, with includeEn, in English. All users
// speak English, see Server.me.
func (s *Server) listPublicTemplates(c *call) (any, error) {
	if _, _, err := flag(c.query(), "includeEn"); err != nil {
		return nil, err
	}
	name, apps := strings.ToLower(c.query().Get("name")), c.query()["usedApps[]"]
	rows := []object{}
	for _, template := range s.state.tables.of(publicTemplateKind).Rows {
		title, _ := template["name"].(string)
		used := texts(template["usedApps"])
		if template["_language"] == "en" && strings.Contains(strings.ToLower(title), name) && hasAll(used, apps) {
			rows = append(rows, template)
		}
	}
	return s.serving(publicTemplateResource()).answer(c, rows)
}

func hasAll(have, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(have, w) })
}

func (s *Server) publicTemplate(c *call) (object, error) {
	for _, template := range s.state.tables.of(publicTemplateKind).where("url", c.r.PathValue("templateUrl")) {
		return template, nil
	}
	return nil, notFound()
}

func (s *Server) getPublicTemplate(c *call) (any, error) {
	template, err := s.publicTemplate(c)
	if err != nil {
		return nil, err
	}
	r := publicTemplateResource()
	return object{"templatePublic": pick(r.shown(&s.state, c, template), c.query(), r.columns...)}, nil
}

func (s *Server) getPublicTemplateBlueprint(c *call) (any, error) {
	template, err := s.publicTemplate(c)
	if err != nil {
		return nil, err
	}
	return object{
		"blueprint": template["_blueprint"], "controller": template["_controller"], "scheduling": template["_scheduling"],
		"language": template["_language"], "metadata": nil,
	}, nil
}
