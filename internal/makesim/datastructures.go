package makesim

import "net/http"

const dataStructureKind = "dataStructures"

// dataStructureResource is a data structure of a team: the fields that records have.
func dataStructureResource() resource {
	return resource{
		kind: dataStructureKind, path: "/api/v2/data-structures", id: "dataStructureId",
		one: "dataStructure", many: "dataStructures", tenant: ofTeam,
		fields: []field{
			must("teamId", number), must("name", text), may("strict", boolean), may("spec", list),
		},
		changes: []field{may("name", text), may("strict", boolean), may("spec", list)},
		columns: []string{"id", "name", "teamId"},
		fresh:   freshDataStructure,
		changed: changedDataStructure,
		gone:    detachDataStores,
	}
}

func (s *Server) dataStructureRoutes() []route {
	structures := s.serving(dataStructureResource())
	clone := structures.on(http.MethodPost, "/clone", "udts:write", "udt edit", s.cloneDataStructure)
	return []route{
		structures.list("udts:read", "udts get"),
		structures.get("udts:read", "udts get"),
		structures.create("udts:write", "udt edit"),
		structures.update("udts:write", "udt edit"),
		structures.delete("udts:write", "udt edit", confirmed),
		clone,
	}
}

func freshDataStructure(_ *state, _ *call, structure object) error {
	fill(structure, object{"strict": false, "spec": []any{}})
	return completeSpec("spec", structure["spec"])
}

func changedDataStructure(_ *state, _ *call, _, changes object) error {
	if changes["spec"] == nil {
		return nil
	}
	return completeSpec("spec", changes["spec"])
}

// detachDataStores leaves the data stores of a structure that is gone without any.
func detachDataStores(st *state, structure object) {
	for _, store := range st.tables.of(dataStoreKind).where("datastructureId", structure["id"]) {
		store["datastructureId"] = nil
	}
}

// cloneDataStructure copies a data structure into a team, which may be another one.
func (s *Server) cloneDataStructure(c *call, structure object) (any, error) {
	body, err := c.fields(must("name", text), must("targetTeamId", number))
	if err != nil {
		return nil, err
	}
	team := integer(body["targetTeamId"])
	if err := s.state.enter(c, ofTeam, team); err != nil {
		return nil, err
	}
	r := dataStructureResource()
	clone, err := r.add(&s.state, c, plain(object{
		"teamId": team, "name": body["name"], "strict": structure["strict"], "spec": structure["spec"],
	}))
	if err != nil {
		return nil, err
	}
	return object{r.one: r.shown(&s.state, c, clone)}, nil
}
