package makesim

import (
	"slices"
	"strconv"
)

const privateSpaceKind = "privateSpaces"

// privateSpaceResource is a personal team of one user. They come from the seed only: Make makes them when a
// user is invited.
func privateSpaceResource() resource {
	return resource{
		kind: privateSpaceKind, path: "/api/v2/private-spaces", id: "privateSpaceId", one: "privateSpace", many: "privateSpaces",
		tenant:  ofOrganization,
		changes: []field{may("operationsLimit", number)},
		seeded: []field{
			must("name", text), must("privateSpaceOwnerId", number), may("consumedOperations", number),
			may("consumedTransfer", number), may("externalId", text), may("globalAgentsEnabled", boolean),
		},
		columns: []string{
			"id", "name", "organizationId", "globalAgentsEnabled", "type",
			"privateSpaceOwnerName", "privateSpaceOwnerEmail", "privateSpaceOwnerId",
		},
		filters: map[string]string{"externalId": "externalId"},
		fresh: func(st *state, _ *call, space object) error {
			if st.user(integer(space["privateSpaceOwnerId"])) == nil {
				return invalidInput("There is no such user.")
			}
			fill(space, object{
				"globalAgentsEnabled": false, "type": "personal", "isPaused": false, "deleted": false, "externalId": nil,
				"operationsLimit": nil, "consumedOperations": 0, "consumedTransfer": 0,
			})
			return nil
		},
		show: showSpace,
	}
}

func (s *Server) privateSpaceRoutes() []route {
	spaces := s.serving(privateSpaceResource())
	const one = "/api/v2/private-spaces/{privateSpaceId}"
	return []route{
		{pattern: "GET /api/v2/private-spaces", scopes: []string{"private-spaces:read"}, do: s.listSpaces},
		{
			pattern: "GET " + one, scopes: []string{"private-spaces:read"}, can: "private spaces get",
			do: func(c *call) (any, error) {
				space, err := s.reachSpace(c)
				if err != nil {
					return nil, err
				}
				shown := spaces.shown(&s.state, c, space)
				delete(shown, "deleted")
				delete(shown, "externalId")
				return object{"privateSpace": pick(shown, c.query())}, nil
			},
		},
		{
			pattern: "PATCH " + one, scopes: []string{"private-spaces:write"}, can: "private space edit",
			do: func(c *call) (any, error) {
				space, err := s.reachSpace(c)
				if err != nil {
					return nil, err
				}
				return s.updateSpace(c, spaces, space)
			},
		},
	}
}

// reachSpace finds a private space. Its owner reaches it whatever the role.
func (s *Server) reachSpace(c *call) (object, error) {
	space := s.state.tables.of(privateSpaceKind).find(c.r.PathValue("privateSpaceId"))
	if space == nil {
		return nil, notFound()
	}
	id := integer(space["organizationId"])
	if role, o := s.state.role(c.user, ofOrganization, id); role == "" || o == nil {
		return nil, notFound()
	}
	if err := s.state.spacesOn(id); err != nil {
		return nil, err
	}
	if space["privateSpaceOwnerId"] == c.user.ID && c.r.Method == "GET" || s.state.allows(c, ofOrganization, id) {
		return space, nil
	}
	if c.r.Method == "GET" {
		return nil, notFound()
	}
	return nil, insufficientRights()
}

// spacesOn is IM903 unless the organization's plan has private spaces.
func (st *state) spacesOn(organization int64) error {
	if !licenseOf(st.organization(organization)).privateSpaces {
		return featureOff("IM903", "Private spaces are not enabled.")
	}
	return nil
}

// listSpaces shows the administrators all spaces, others their own.
func (s *Server) listSpaces(c *call) (any, error) {
	id, err := c.tenant(ofOrganization, nil)
	if err != nil {
		return nil, err
	}
	role, o := s.state.role(c.user, ofOrganization, id)
	if role == "" || o == nil {
		return nil, insufficientRights()
	}
	if err := s.state.spacesOn(id); err != nil {
		return nil, err
	}
	rows := s.state.tables.of(privateSpaceKind).where("organizationId", id)
	if !slices.Contains(s.state.permissions(role, ofOrganization, id), "private spaces get") {
		rows = slices.DeleteFunc(rows, func(row object) bool { return row["privateSpaceOwnerId"] != c.user.ID })
	}
	return s.serving(privateSpaceResource()).answer(c, rows)
}

// updateSpace wants a confirmation for a limit below what is consumed already; that pauses the space.
func (s *Server) updateSpace(c *call, spaces served, space object) (any, error) {
	changes, err := c.fields(spaces.changes...)
	if err != nil {
		return nil, err
	}
	limit, limited := changes["operationsLimit"].(int64)
	if limited && limit < 0 {
		return nil, badRequest("Invalid value of parameter 'operationsLimit': it must not be negative.")
	}
	over := limited && limit < integer(space["consumedOperations"])
	if over {
		if err := c.confirmed("privateSpace"); err != nil {
			return nil, err
		}
	}
	if _, named := changes["operationsLimit"]; named {
		changes["isPaused"] = over
	}
	if err := spaces.change(&s.state, c, space, changes); err != nil {
		return nil, err
	}
	shown := spaces.shown(&s.state, c, space)
	for _, total := range []string{"operations", "transfer", "centicredits"} {
		delete(shown, total)
	}
	if limited { // a number here, a text in the other answers
		shown["transferLimit"] = licenseOf(s.state.organization(integer(space["organizationId"]))).transferFor(limit)
	}
	return object{"privateSpace": shown}, nil
}

func showSpace(st *state, _ *call, space object) {
	if owner := st.user(integer(space["privateSpaceOwnerId"])); owner != nil {
		space["privateSpaceOwnerName"], space["privateSpaceOwnerEmail"] = owner.Name, owner.Email
	}
	space["transferLimit"] = nil
	if limit, limited := space["operationsLimit"].(int64); limited {
		space["transferLimit"] = strconv.FormatInt(licenseOf(st.organization(integer(space["organizationId"]))).transferFor(limit), 10)
	}
	operations := integer(space["consumedOperations"])
	space["consumedTransfer"] = strconv.FormatInt(integer(space["consumedTransfer"]), 10)
	space["consumedCenticredits"] = strconv.FormatInt(100*operations, 10)
	space["operations"] = strconv.FormatInt(operations, 10)
	space["transfer"] = space["consumedTransfer"]
	space["centicredits"] = space["consumedCenticredits"]
}

// spacesOf are a user's own private spaces in an organization, as the organization shows them.
func (st *state) spacesOf(u *User, organization int64) []object {
	rows := []object{}
	for _, space := range st.tables.of(privateSpaceKind).where("organizationId", organization) {
		if space["privateSpaceOwnerId"] == u.ID {
			rows = append(rows, object{"id": space["id"], "name": space["name"], "isOwner": true, "hasAdminVisibility": true})
		}
	}
	return rows
}

// personalTeams are a user's own private spaces in an organization, as lists of teams show them.
func (st *state) personalTeams(u *User, organization int64) []object {
	rows := []object{}
	for _, space := range st.spacesOf(u, organization) {
		rows = append(rows, object{"id": space["id"], "name": space["name"], "organizationId": organization, "type": "personal"})
	}
	return rows
}
