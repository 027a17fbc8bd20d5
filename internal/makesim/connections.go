package makesim

import (
	_ "embed"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
)

//go:embed connectiontypes.yaml
var connectionTypesYAML []byte

var connectionTypes = sync.OnceValue(func() []object { return embedded(connectionTypesYAML) })

const connectionKind = "connections"

// connectionResource is a connection of a team to another service. A row keeps the scopes and the fields that
// it was made with as _scopes and _data; a creation has them beside the name.
func connectionResource() resource {
	return resource{
		kind: connectionKind, path: "/api/v2/connections", id: "connectionId", one: "connection", many: "connections",
		tenant: ofTeam,
		fields: []field{must("accountName", text), must("accountType", text), may("scopes", list)},
		seeded: []field{
			may("data", document), may("connectedSystemId", text),
			may("verified", boolean), // false: a test of the connection fails
		},
		changes: []field{must("name", text)},
		columns: []string{
			"id", "name", "accountName", "accountLabel", "packageName", "expire", "metadata", "teamId", "theme",
			"upgradeable", "scopesCnt", "scoped", "accountType", "editable", "uid",
		},
		filters: map[string]string{"type[]": "accountName"},
		bare:    true,
		fresh:   freshConnection,
		show: func(st *state, _ *call, shown object) {
			o, _ := st.team(integer(shown["teamId"]))
			shown["organizationId"] = o.ID
		},
		absent: noConnection,
	}
}

func noConnection(id string) error {
	return &apiError{
		status: http.StatusNotFound, Code: "IM304", Message: "Account doesn't exist",
		Detail: fmt.Sprintf("Connection not found '%s'.", id),
	}
}

func (s *Server) connectionRoutes() []route {
	connections := s.serving(connectionResource())
	const read, write = "connections:read", "connections:write"
	list := connections.list(read, "accounts get")
	list.do = func(c *call) (any, error) { return s.listConnections(c, connections) }
	create := connections.create(write, "account edit")
	create.do = func(c *call) (any, error) { return s.createConnection(c, connections) }
	return []route{
		list,
		create,
		connections.on("GET", "", read, "accounts get", func(c *call, row object) (any, error) {
			shown := connections.shown(&s.state, c, row)
			shown["scopes"] = namedScopes(row)
			return object{"connection": pick(shown, c.query())}, nil
		}),
		connections.update(write, "account edit"),
		connections.delete(write, "account edit", confirmed),
		connections.on("GET", "/editable-data-schema", read, "accounts get", func(_ *call, row object) (any, error) {
			return object{"editableParameters": editable(row)}, nil
		}),
		connections.on("POST", "/set-data", write, "account edit", setConnectionData),
		connections.on("POST", "/test", write, "accounts get", func(_ *call, row object) (any, error) {
			return object{"verified": row["_verified"]}, nil
		}),
		connections.on("POST", "/scoped", write, "accounts get", checkConnectionScopes),
	}
}

// connectionType is what is known about a kind of connection; nil if nothing is.
func connectionType(name any) object {
	i := slices.IndexFunc(connectionTypes(), func(t object) bool { return t["name"] == name })
	if i < 0 {
		return nil
	}
	return connectionTypes()[i]
}

// freshConnection turns the members of the request into those of the answer: there accountName is the kind,
// here it is the name.
func freshConnection(_ *state, _ *call, row object) error {
	name, kind := row["accountName"], row["accountType"]
	scopes, known := texts(row["scopes"]), connectionType(kind)
	accountType := "basic"
	if known["type"] == "oauth" || known == nil && len(scopes) > 0 {
		accountType = "oauth"
	}
	var metadata any
	if known["metadata"] != nil {
		metadata = object{"type": known["metadata"], "value": "somebody@makesim.example"}
	}
	maps.Copy(row, object{
		"name": name, "accountName": kind, "accountType": accountType, "accountLabel": kind, "theme": "#444444",
		"packageName": nil, "expire": nil, "metadata": metadata, "upgradeable": false, "uid": nil,
		"scopesCnt": len(scopes), "scoped": accountType == "oauth", "editable": accountType == "basic",
	})
	if known != nil {
		row["accountLabel"], row["theme"] = known["label"], known["theme"]
	}
	fill(row, object{"data": object{}, "verified": true, "scopes": []any{}, "connectedSystemId": nil})
	hide(row, "data", "scopes", "verified")
	return nil
}

// listConnections has the filters that the usual list lacks: <kind>[]=SCOPE drops connections of that kind
// without the scope.
func (s *Server) listConnections(c *call, connections served) (any, error) {
	team, err := c.tenant(ofTeam, nil)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofTeam, team); err != nil {
		return nil, err
	}
	rows := s.state.tables.of(connectionKind).where("teamId", team)
	rows = slices.DeleteFunc(rows, func(row object) bool {
		kind, _ := row["accountName"].(string)
		return len(without(c.query()[kind+"[]"], texts(row["_scopes"]))) > 0
	})
	return connections.answer(c, rows)
}

// createConnection takes any member besides those that all kinds have: each kind has fields of its own.
func (s *Server) createConnection(c *call, connections served) (any, error) {
	body, err := c.document()
	if err != nil {
		return nil, err
	}
	row, data := object{}, object{}
	for member, value := range body {
		if slices.ContainsFunc(connections.fields, func(f field) bool { return f.name == member }) {
			row[member] = value
		} else {
			data[member] = value
		}
	}
	if problems := check(row, connections.fields); len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	team, err := c.tenant(ofTeam, nil)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofTeam, team); err != nil {
		return nil, err
	}
	row["teamId"], row["data"] = team, data
	row, err = connections.add(&s.state, c, row)
	if err != nil {
		return nil, err
	}
	shown := connections.shown(&s.state, c, row)
	shown["scopes"] = shown["scopesCnt"] // a number here, a list where one connection is read
	return object{"connection": shown}, nil
}

func namedScopes(row object) []object {
	scopes := []object{}
	for _, id := range texts(row["_scopes"]) {
		scopes = append(scopes, object{"id": id, "account": row["accountName"]})
	}
	return scopes
}

// editable are the fields that set-data may change.
func editable(row object) []string {
	if row["editable"] != true {
		return []string{}
	}
	if known := connectionType(row["accountName"]); known != nil {
		return texts(known["parameters"])
	}
	data, _ := row["_data"].(object)
	return slices.Sorted(maps.Keys(data))
}

func setConnectionData(c *call, row object) (any, error) {
	body, err := c.document()
	if err != nil {
		return nil, err
	}
	names := editable(row)
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !slices.Contains(names, name) {
			problems = append(problems, fmt.Sprintf("Parameter '%s' cannot be changed.", name))
		}
	}
	if len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	data, _ := row["_data"].(object)
	maps.Copy(data, body)
	return object{"changed": len(body) > 0}, nil
}

func checkConnectionScopes(c *call, row object) (any, error) {
	body, err := c.fields(must("scope", list))
	if err != nil {
		return nil, err
	}
	lacking := without(texts(body["scope"]), texts(row["_scopes"]))
	return object{"connection": object{"scoped": len(lacking) == 0}}, nil
}
