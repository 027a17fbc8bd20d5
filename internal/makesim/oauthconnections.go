package makesim

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// oauthConnection is what a user sees of the consents to one OAuth client.
type oauthConnection struct {
	id     int // the client's number, see clientNumber
	grants []*grant
}

// clientNumber is the ID that the zone API has for a client, from 1 in the order of the seed: there it is a
// number, other than its client_id. Source: the API's OpenAPI document.
func (st *state) clientNumber(client *OAuthClient) int { return slices.Index(st.clients, client) + 1 }

// oauthConnections are a user's clients that hold a living token, by number.
func (s *Server) oauthConnections(u *User) []oauthConnection {
	byClient := map[int]oauthConnection{}
	for _, family := range slices.Sorted(maps.Keys(s.state.grants)) {
		g := s.state.grants[family]
		alive := slices.ContainsFunc(g.tokens, func(t *token) bool { return s.stateOf(t) == StateAlive })
		if g.user != u || !alive {
			continue
		}
		id := s.state.clientNumber(g.client)
		byClient[id] = oauthConnection{id: id, grants: append(byClient[id].grants, g)}
	}
	return slices.SortedFunc(maps.Values(byClient), func(a, b oauthConnection) int { return cmp.Compare(a.id, b.id) })
}

func (s *Server) listOAuthConnections(c *call) (any, error) {
	rows := []object{}
	for _, connection := range s.oauthConnections(c.user) {
		newest := connection.grants[len(connection.grants)-1]
		row := object{
			"id": connection.id, "clientName": cmp.Or(newest.name, newest.client.Name), "lastUsedAt": nil,
		}
		var scopes []string
		for _, g := range connection.grants {
			scopes = append(scopes, g.scopes...)
			if !g.lastUsed.IsZero() {
				row["lastUsedAt"] = g.lastUsed.Format(timeLayout)
			}
		}
		slices.Sort(scopes)
		row["scopes"] = append([]string{}, slices.Compact(scopes)...)
		rows = append(rows, row)
	}
	return object{"connections": rows}, nil
}

// deleteOAuthConnection revokes everything that the user gave the client.
func (s *Server) deleteOAuthConnection(c *call) (any, error) {
	id, err := c.id("clientId")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(s.oauthConnections(c.user), func(has oauthConnection) bool { return int64(has.id) == id })
	if i < 0 {
		return nil, notFound()
	}
	for _, g := range s.oauthConnections(c.user)[i].grants {
		s.revokeGrant(c.x.number, g)
	}
	return object{"client": id}, nil
}

// renameConnection lets a client name its connection for the user to see. Make documents that the endpoint
// exists, and nothing about its parameters: here it is authorized like userinfo and takes name.
func (s *Server) renameConnection(c *call) (any, error) {
	if err := s.authenticate(c); err != nil {
		return nil, bearerError(http.StatusUnauthorized, "invalid_token")
	}
	form, err := c.form()
	if err != nil {
		return nil, err
	}
	name := form.Get("name")
	if c.token.grant == nil || name == "" {
		return nil, oauthError(invalidRequest, "name is missing, or the token is not an access token.")
	}
	c.token.grant.name = name
	return object{"id": strconv.Itoa(s.state.clientNumber(c.token.grant.client)), "name": name}, nil
}
