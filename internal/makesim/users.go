package makesim

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// timeLayout is how Make writes times: ISO 8601 with milliseconds, UTC.
const timeLayout = "2006-01-02T15:04:05.000Z"

// userRoutes answer who the credential belongs to, without a scope, and who else there is.
func (s *Server) userRoutes() []route {
	return []route{
		{pattern: "GET /api/v2/users", scopes: []string{"user:read"}, do: s.listUsers},
		{pattern: "GET /api/v2/users/me", do: s.me},
		{pattern: "GET /api/v2/users/me/current-authorization", do: s.currentAuthorization},
	}
}

// meColumns are what users/me answers without cols[].
var meColumns = []string{
	"id", "name", "email", "language", "timezoneId", "localeId", "countryId", "features", "avatar",
	"lastLogin", "tfaStatus", "timezone", "locale",
}

// userObject is what everybody in the same team or organization may know of a user.
func userObject(c *call, u *User) object {
	return object{
		"id": u.ID, "name": u.Name, "email": u.Email,
		"language": "en", "timezoneId": defaultTimezone, "localeId": 33, "countryId": defaultCountry,
		"features": object{}, "avatar": "", "lastLogin": c.now.Format(timeLayout),
	}
}

// listUsers has those with a role in the team or organization that the query names.
func (s *Server) listUsers(c *call) (any, error) {
	where, can := ofTeam, "team view"
	if c.query().Get("teamId") == "" {
		where, can = ofOrganization, "users get"
	}
	id, err := c.tenant(where, nil)
	if err != nil {
		return nil, err
	}
	c.route.can = can
	if err := s.state.enter(c, where, id); err != nil {
		return nil, err
	}
	rows := []object{}
	for _, u := range s.state.users {
		if role, _ := s.state.role(u, where, id); role != "" {
			rows = append(rows, userObject(c, u))
		}
	}
	rows, pg, err := page(rows, c.query(), "name")
	return object{"users": rows, "pg": pg}, err
}

func (s *Server) me(c *call) (any, error) {
	organizationRoles, teamRoles := s.state.rolesOf(c.user)
	user := userObject(c, c.user)
	maps.Copy(user, object{
		"tfaStatus": nil, "timezone": "Europe/Prague", "locale": "en-US",
		"usersAdminsRoleId": nil, "userOrganizationRoles": organizationRoles, "userTeamRoles": teamRoles,
		"hasPassword": true, "tfaEnabled": false, "forceSetPassword": false, "hasAddedApp": false, "supportEligible": true,
	})
	return object{"authUser": pick(user, c.r.URL.Query(), meColumns...)}, nil
}

func (st *state) rolesOf(u *User) (organizations, teams []object) {
	organizations, teams = []object{}, []object{}
	for _, r := range u.Organizations {
		organizations = append(organizations, object{
			"userId": u.ID, "organizationId": r.ID, "usersRoleId": st.roleNumber(r.Role, ofOrganization, r.ID), "invitation": nil,
		})
	}
	for _, r := range u.Teams {
		o, _ := st.team(r.ID)
		teams = append(teams, object{"userId": u.ID, "teamId": r.ID, "usersRoleId": st.roleNumber(r.Role, ofTeam, o.ID), "changeable": true})
	}
	return organizations, teams
}

func (s *Server) currentAuthorization(c *call) (any, error) {
	used := "token"
	if c.token.kind == KindAccessToken {
		used = "oauth"
	}
	scopes := slices.Concat(c.token.scopes, s.knobsOf(c.token).ExtraScopes)
	return object{"authorization": object{"scope": without(scopes, oidcScopes), "authUsed": used}}, nil
}

// apiTokenRoutes are what a user gave access with: API tokens, and consents to OAuth clients.
func (s *Server) apiTokenRoutes() []route {
	return []route{
		{pattern: "GET /api/v2/users/me/api-tokens", scopes: []string{"user:read"}, do: s.listAPITokens},
		{pattern: "POST /api/v2/users/me/api-tokens", scopes: []string{"user:write"}, do: s.mintAPIToken},
		{pattern: "DELETE /api/v2/users/me/api-tokens/{created}", scopes: []string{"user:write"}, do: s.deleteAPIToken},
		{pattern: "GET /api/v2/users/me/oauth-connections", scopes: []string{"user:read"}, do: s.listOAuthConnections},
		{pattern: "DELETE /api/v2/users/me/oauth-connections/{clientId}", scopes: []string{"user:write"}, do: s.deleteOAuthConnection},
	}
}

// livingAPITokens are a user's, oldest first.
func (s *Server) livingAPITokens(u *User) []*token {
	var tokens []*token
	for _, t := range s.state.apiTokens {
		if t.user == u && s.see(t, 0) == StateAlive {
			tokens = append(tokens, t)
		}
	}
	slices.SortFunc(tokens, func(a, b *token) int { return a.created.Compare(b.created) })
	return tokens
}

// listAPITokens shows each value up to its first hyphen.
func (s *Server) listAPITokens(c *call) (any, error) {
	list := []object{}
	for _, t := range s.livingAPITokens(c.user) {
		shown, _, _ := strings.Cut(t.value, "-")
		list = append(list, apiTokenObject(t, shown+"-****-****-****-************"))
	}
	return object{"apiTokens": list}, nil
}

func apiTokenObject(t *token, value string) object {
	return object{"token": value, "scope": t.scopes, "created": t.created.Format(timeLayout), "label": t.label}
}

// mintAPIToken makes a token and shows its value this one time.
func (s *Server) mintAPIToken(c *call) (any, error) {
	var body struct {
		Label *string   `json:"label"`
		Scope *[]string `json:"scope"`
	}
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	var problems []string
	if body.Label == nil || *body.Label == "" {
		problems = append(problems, missing("label"))
	}
	if body.Scope == nil {
		problems = append(problems, missing("scope"))
	} else if len(unknownScopes(*body.Scope)) > 0 {
		problems = append(problems, "Invalid value in parameter 'scope'.")
	}
	if len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	s.forgetOld()
	k := s.knobsOf(c.token)
	if k.APITokenLimit > 0 && len(s.livingAPITokens(c.user)) >= k.APITokenLimit {
		return nil, limitExceeded("API tokens")
	}
	t := &token{value: newAPITokenValue(), user: c.user, scopes: *body.Scope, label: *body.Label, created: c.now}
	if k.APITokenSeconds > 0 {
		t.expires = c.now.Add(time.Duration(k.APITokenSeconds) * time.Second)
	}
	if lacking := without(t.scopes, c.token.scopes); len(lacking) > 0 && !k.MintMissingScopes {
		s.recordToken(c.x.number, TokenRecord{
			Event: TokenRefused, Kind: KindAPIToken, UserID: c.user.ID, Label: t.label, Scopes: t.scopes,
		})
		return nil, accessDenied(k.MissingScopeStatus)
	}
	s.state.addAPIToken(t)
	s.recordToken(c.x.number, t.record(TokenMinted))
	return object{"apiToken": apiTokenObject(t, t.value)}, nil
}

func (s *Server) deleteAPIToken(c *call) (any, error) {
	created := c.r.PathValue("created")
	at, err := time.Parse(time.RFC3339Nano, created)
	if err != nil {
		return nil, notFound()
	}
	t := s.state.apiTokens[stamp{userID: c.user.ID, created: at.UnixMilli()}]
	if t == nil || s.see(t, c.x.number) != StateAlive {
		return nil, notFound()
	}
	t.state = StateDeleted
	s.recordToken(c.x.number, t.record(TokenDeleted))
	return object{"apiToken": created}, nil
}
