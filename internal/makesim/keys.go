package makesim

import (
	_ "embed"
	"fmt"
	"slices"
	"sync"
)

//go:embed keytypes.yaml
var keyTypesYAML []byte

var keyTypes = sync.OnceValue(func() []object { return embedded(keyTypesYAML) })

// keyResource is a key of a team: what it is made of goes in and never comes out.
func keyResource() resource {
	return resource{
		kind: "keys", path: "/api/v2/keys", id: "keyId", one: "key", many: "keys", tenant: ofTeam,
		fields: []field{
			must("teamId", number), must("name", text), must("typeName", text), must("parameters", document),
		},
		changes: []field{may("name", text), may("parameters", document)},
		columns: []string{"id", "name"},
		filters: map[string]string{"typeName": "typeName"},
		bare:    true,
		fresh:   freshKey,
		changed: changedKey,
	}
}

func (s *Server) keyRoutes() []route {
	keys := s.serving(keyResource())
	return []route{
		keys.list("keys:read", "keys get"),
		{
			pattern: "GET /api/v2/keys/types", scopes: []string{"keys:read"},
			do: func(*call) (any, error) { return object{"keysTypes": keyTypes()}, nil },
		},
		keys.get("keys:read", "keys get"),
		keys.create("keys:write", "key edit"),
		keys.update("keys:write", "key edit"),
		keys.delete("keys:write", "key edit", confirmed),
	}
}

func freshKey(_ *state, _ *call, key object) error {
	types := keyTypes()
	i := slices.IndexFunc(types, func(t object) bool { return t["name"] == key["typeName"] })
	if i < 0 {
		return badRequest(fmt.Sprintf("Invalid value of parameter 'typeName': no type %q.", key["typeName"]))
	}
	key["packageName"], key["theme"] = nil, types[i]["theme"]
	hide(key, "parameters")
	return nil
}

func changedKey(_ *state, _ *call, _, changes object) error {
	hide(changes, "parameters")
	return nil
}
