package makesim

import (
	"fmt"
	"regexp"
	"time"
)

// variableName is what a variable can be called. Source: the API's page on custom variables.
var variableName = regexp.MustCompile(`^[A-Za-z0-9_$]+$`)

// variableResource is a custom variable of a team or an organization. Its name stands for it.
func variableResource(where tenant) resource {
	return resource{
		kind: where.category() + "Variables", one: where.category() + "Variable", many: where.category() + "Variables",
		tenant: where, bare: true,
		fields:  []field{must("name", text), must("typeId", number), must("value", anything)},
		changes: []field{may("typeId", number), may("value", anything)},
		fresh: func(_ *state, _ *call, variable object) error {
			variable["isSystem"] = false
			return checkVariable(variable)
		},
		show: func(_ *state, _ *call, shown object) {
			delete(shown, "id")
			delete(shown, string(where))
		},
	}
}

// checkVariable wants the value to be of the type: 1 number, 2 text, 3 boolean, 4 date.
func checkVariable(variable object) error {
	if name, _ := variable["name"].(string); !variableName.MatchString(name) {
		return badRequest("Invalid value of parameter 'name': letters, digits, $ and _ only.")
	}
	fits := false
	switch value := variable["value"]; variable["typeId"] {
	case int64(1):
		fits = number.holds(value)
	case int64(2):
		fits = text.holds(value)
	case int64(3):
		fits = boolean.holds(value)
	case int64(4):
		date, _ := value.(string)
		_, err := time.Parse(time.RFC3339Nano, date)
		fits = err == nil
	default:
		return badRequest(fmt.Sprintf("Invalid value of parameter 'typeId': no type %v.", variable["typeId"]))
	}
	if !fits {
		return badRequest("Invalid value of parameter 'value': it is not of the type.")
	}
	return nil
}

// variableRoutes are the custom variables of teams and of organizations.
func (s *Server) variableRoutes() []route {
	var routes []route
	for _, where := range []tenant{ofTeam, ofOrganization} {
		v := variables{s.serving(variableResource(where))}
		list := fmt.Sprintf("/api/v2/%ss/{%s}/variables", where.category(), where)
		see, edit := where.category()+" variables get", where.category()+" variables edit"
		read, write := []string{where.category() + "-variables:read"}, []string{where.category() + "-variables:write"}
		routes = append(routes,
			route{pattern: "GET " + list, scopes: read, can: see, do: v.list},
			route{pattern: "POST " + list, scopes: write, can: edit, do: v.create},
			route{pattern: "PATCH " + list + "/{name}", scopes: write, can: edit, do: v.update},
			route{pattern: "DELETE " + list + "/{name}", scopes: write, can: edit, do: v.delete},
		)
	}
	return routes
}

// variables answer for one of the two kinds.
type variables struct{ served }

// owner is the tenant of the path if the caller may do there what the route is for.
func (v variables) owner(c *call) (int64, error) {
	id, err := c.id(string(v.tenant))
	if err != nil {
		return 0, err
	}
	return id, v.state.reach(c, v.tenant, id)
}

func (v variables) list(c *call) (any, error) {
	id, err := v.owner(c)
	if err != nil {
		return nil, err
	}
	return v.answer(c, v.state.tables.of(v.kind).where(string(v.tenant), id))
}

// create answers 404 where the license has no custom variables. Source: the API's page on custom variables.
func (v variables) create(c *call) (any, error) {
	id, err := v.owner(c)
	if err != nil {
		return nil, err
	}
	if _, o := v.state.role(c.user, v.tenant, id); !licenseOf(o).CustomVariables {
		return nil, notFound()
	}
	body, err := c.fields(v.fields...)
	if err != nil {
		return nil, err
	}
	if v.named(id, body["name"]) != nil {
		return nil, invalidInput("There already is a variable of this name.")
	}
	body[string(v.tenant)] = id
	row, err := v.add(&v.state, c, body)
	if err != nil {
		return nil, err
	}
	return object{v.one: v.shown(&v.state, c, row)}, nil
}

// named is a tenant's variable with a name; nil if there is none.
func (v variables) named(owner int64, name any) object {
	for _, row := range v.state.tables.of(v.kind).where(string(v.tenant), owner) {
		if row["name"] == name {
			return row
		}
	}
	return nil
}

// find is the variable of the path.
func (v variables) find(c *call) (object, error) {
	id, err := v.owner(c)
	if err != nil {
		return nil, err
	}
	row := v.named(id, c.r.PathValue("name"))
	if row == nil {
		return nil, notFound()
	}
	return row, nil
}

func (v variables) update(c *call) (any, error) {
	row, err := v.find(c)
	if err != nil {
		return nil, err
	}
	body, err := c.fields(v.changes...)
	if err != nil {
		return nil, err
	}
	fill(body, object{"name": row["name"], "typeId": row["typeId"], "value": row["value"]})
	if err := checkVariable(body); err != nil {
		return nil, err
	}
	err = v.change(&v.state, c, row, body)
	return object{v.one: v.shown(&v.state, c, row)}, err
}

func (v variables) delete(c *call) (any, error) {
	row, err := v.find(c)
	if err != nil {
		return nil, err
	}
	if err := c.confirmed(v.one); err != nil {
		return nil, err
	}
	v.drop(&v.state, row)
	return object{"ok": true}, nil
}
