package makesim

// credentialResource is one connection or key that a request asks for.
func credentialResource() resource {
	return resource{
		kind: credentialKind, path: "/api/v2/credential-requests/credentials", id: "credentialId", one: "credential",
		tenant: ofTeam, uuid: true, created: "createdAt", updated: "updatedAt",
		owner: func(st *state, credential object) int64 {
			return integer(st.tables.of(credentialRequestKind).find(credential["requestId"])["teamId"])
		},
		seeded: []field{
			must("requestId", text), must("component", text, "account", "keychain"), must("name", text),
			may("appName", text), may("appModules", list), may("appVersion", text), may("description", text), may("scope", list),
			may("remoteId", text), // the number of the connection or key: the request is answered
		},
		fresh: freshCredential,
	}
}

func freshCredential(st *state, _ *call, credential object) error {
	if st.tables.of(credentialRequestKind).find(credential["requestId"]) == nil {
		return invalidInput("There is no such credential request.")
	}
	fill(credential, object{
		"label": "", "description": "", "scope": []any{}, "remoteId": nil, "remoteScope": []any{}, "tokenId": nil,
		"state": "pending", "declineReason": nil, "appName": credential["name"], "appModules": []any{}, "appVersion": "1",
	})
	credential["type"] = "basic"
	if credential["component"] == "account" && connectionType(credential["name"])["type"] != "basic" {
		credential["type"] = "oauth"
	}
	if credential["remoteId"] != nil {
		credential["state"] = "authorized"
	}
	return nil
}

// dropRemote deletes the connection or key that answers a credential.
func (st *state) dropRemote(credential object) {
	if credential["remoteId"] == nil {
		return
	}
	kind := connectionKind
	if credential["component"] == "keychain" {
		kind = "keys"
	}
	st.tables.of(kind).remove("id", credential["remoteId"])
}

func (s *Server) declineCredential(c *call, credential object) (any, error) {
	body, err := c.fields(may("reason", text))
	if err != nil {
		return nil, err
	}
	if credential["state"] != "pending" {
		return nil, notAllowedNow("The credential is not pending.")
	}
	r := credentialResource()
	err = r.change(&s.state, c, credential, object{"state": "declined", "declineReason": body["reason"]})
	return object{"credential": r.shown(&s.state, c, credential)}, err
}

// resetCredential deletes the connection or key and asks for it again.
func (s *Server) resetCredential(c *call, credential object) (any, error) {
	s.state.dropRemote(credential)
	r := credentialResource()
	err := r.change(&s.state, c, credential, object{
		"state": "pending", "remoteId": nil, "remoteScope": []any{}, "declineReason": nil,
	})
	return object{"credential": r.shown(&s.state, c, credential)}, err
}
