package makesim

import (
	"fmt"
	"strconv"
	"time"
)

const (
	credentialRequestKind = "credentialRequests"
	credentialKind        = "credentials"

	// requestLife is how long a request can be answered. Source: the fixtures of Make's SDK.
	requestLife = 31 * 24 * time.Hour
)

// credentialRequestResource asks a user for connections and keys. What it asks for are credentials.
func credentialRequestResource() resource {
	return resource{
		kind: credentialRequestKind, path: "/api/v2/credential-requests/requests", id: "requestId",
		one: "request", many: "requests", tenant: ofTeam, uuid: true, created: "createdAt", updated: "updatedAt",
		fields: []field{
			must("name", text), must("teamId", number), may("description", text),
			may("connections", list), may("keys", list), must("provider", document),
		},
		seeded:  []field{may("provider", document)},
		filters: map[string]string{"userId": "userId", "makeProviderId": "makeProviderId", "status": "status", "name": "name"},
		fresh:   freshRequest,
		show: func(st *state, _ *call, shown object) {
			shown["status"] = st.requestStatus(shown["id"])
			delete(shown, "connections")
			delete(shown, "keys")
		},
		gone: func(st *state, request object) {
			for _, credential := range st.tables.of(credentialKind).where("requestId", request["id"]) {
				st.dropRemote(credential)
			}
			st.tables.of(credentialKind).remove("requestId", request["id"])
		},
	}
}

func freshRequest(st *state, c *call, request object) error {
	o, _ := st.team(integer(request["teamId"]))
	fill(request, object{
		"name": "Request for credentials", "description": nil, "organizationId": o.ID, "userId": c.user.ID,
		"externalProviderId": nil, "makeProviderId": strconv.FormatInt(c.user.ID, 10), "shouldSendEmail": true,
		"emailSentAt": nil, "expiresAt": c.now.Add(requestLife).Format(timeLayout),
	})
	if provider, ok := request["provider"].(object); ok {
		if id := integer(provider["providerMakeUserId"]); id != 0 {
			request["makeProviderId"] = strconv.FormatInt(id, 10)
		}
		delete(request, "provider")
	}
	return nil
}

// requestStatus follows from the credentials: pending until each of them is decided.
func (st *state) requestStatus(id any) string {
	status := "completed"
	for _, credential := range st.tables.of(credentialKind).where("requestId", id) {
		switch credential["state"] {
		case "pending":
			return "pending"
		case "declined":
			status = "declined"
		}
	}
	return status
}

func (s *Server) credentialRequestRoutes() []route {
	requests, credentials := s.serving(credentialRequestResource()), s.serving(credentialResource())
	const read, write = "credential-requests:read", "credential-requests:write"
	const see, edit = "credential requests get", "credential request edit"
	action := func(name string, do func(c *call) (any, error)) route {
		return route{pattern: "POST /api/v2/credential-requests/actions/" + name, scopes: []string{write}, can: edit, do: do}
	}
	list := requests.list(read, see)
	list.do = func(c *call) (any, error) { return s.listRequests(c, requests) }
	create := requests.create(write, edit)
	create.do = s.createRequest
	return []route{
		list,
		create,
		requests.get(read, see),
		requests.on("GET", "/detail", read, see, s.requestDetail),
		requests.delete(write, edit, confirmed),
		action("create", s.requestByModules),
		action("create-by-credentials", s.requestByKinds),
		action("extend", s.requestScopes),
		credentials.on("POST", "/decline", write, edit, s.declineCredential),
		credentials.on("POST", "/delete-remote", write, edit, s.resetCredential),
		{
			pattern: "GET /api/v2/credential-requests/apps/{appName}/{appVersion}/modules-with-credentials",
			scopes:  []string{"apps:read"}, do: listAppModules,
		},
	}
}

// listRequests counts: of all lists this one answers pg.total.
func (s *Server) listRequests(c *call, requests served) (any, error) {
	listed, err := requests.doList(c)
	if err != nil {
		return nil, err
	}
	answer, _ := listed.(object)
	if pg, ok := answer["pg"].(object); ok {
		total := 0
		for _, row := range s.state.tables.of(credentialRequestKind).where("teamId", c.query().Get("teamId")) {
			if requests.wanted(c, requests.shown(&s.state, c, row)) {
				total++
			}
		}
		pg["total"] = total
	}
	return answer, nil
}

// ask adds a credential request with its credentials. The answer has request, credentials and publicUri, the
// page where the user gives them.
func (s *Server) ask(c *call, request object, credentials []object) (object, error) {
	if err := s.state.enter(c, ofTeam, integer(request["teamId"])); err != nil {
		return nil, err
	}
	if len(credentials) == 0 {
		return nil, badRequest("At least one credential is needed.")
	}
	requests, parts := credentialRequestResource(), credentialResource()
	row, err := requests.add(&s.state, c, request)
	if err != nil {
		return nil, err
	}
	shown := []object{}
	for _, credential := range credentials {
		credential["requestId"] = row["id"]
		added, err := parts.add(&s.state, c, credential)
		if err != nil {
			return nil, err
		}
		shown = append(shown, parts.shown(&s.state, c, added))
	}
	return object{
		"request": requests.shown(&s.state, c, row), "credentials": shown,
		"publicUri": fmt.Sprintf("https://%s/credence/requests/%s", c.r.Host, row["id"]),
	}, nil
}

func (s *Server) requestDetail(c *call, row object) (any, error) {
	requests, credentials := credentialRequestResource(), credentialResource()
	shown := requests.shown(&s.state, c, row)
	person := func(id int64) any {
		if u := s.state.user(id); u != nil {
			return object{"id": u.ID, "email": u.Email, "name": u.Name}
		}
		return nil
	}
	provider, _ := strconv.ParseInt(fmt.Sprint(row["makeProviderId"]), 10, 64)
	shown["makeProvider"], shown["user"] = person(provider), person(integer(row["userId"]))
	parts := []object{}
	for _, credential := range s.state.tables.of(credentialKind).where("requestId", row["id"]) {
		parts = append(parts, credentials.shown(&s.state, c, credential))
	}
	shown["credentials"] = parts
	return object{"requestDetail": shown}, nil
}
