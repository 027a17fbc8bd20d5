package makesim

import (
	"fmt"
	"slices"
)

func (s *Server) createRequest(c *call) (any, error) {
	body, err := c.fields(credentialRequestResource().fields...)
	if err != nil {
		return nil, err
	}
	credentials, err := wantedCredentials(body)
	if err != nil {
		return nil, err
	}
	answer, err := s.ask(c, body, credentials)
	return picked(answer, "request"), err
}

// requestByKinds asks for kinds of connections and keys.
func (s *Server) requestByKinds(c *call) (any, error) {
	body, err := c.fields(must("teamId", number), may("name", text), may("description", text), may("connections", list), may("keys", list))
	if err != nil {
		return nil, err
	}
	wanted, err := wantedCredentials(body)
	if err != nil {
		return nil, err
	}
	return s.ask(c, body, wanted)
}

// wantedCredentials are the connections and keys of a body, each an object with a type.
func wantedCredentials(body object) ([]object, error) {
	var credentials []object
	for _, part := range []struct{ member, component string }{{"connections", "account"}, {"keys", "keychain"}} {
		items, _ := body[part.member].([]any)
		for i, item := range items {
			wanted, _ := item.(object)
			if wanted["type"] == nil || wanted["type"] == "" {
				return nil, badRequest(missing(fmt.Sprintf("%s[%d].type", part.member, i)))
			}
			credential := picked(wanted, "description", "scope", "appName", "appModules", "appVersion", "nameOverride")
			credential["component"], credential["name"] = part.component, wanted["type"]
			credentials = append(credentials, credential)
		}
		delete(body, part.member)
	}
	return credentials, nil
}

// requestByModules asks for what modules of apps need; "*" means all modules of an app.
func (s *Server) requestByModules(c *call) (any, error) {
	body, err := c.fields(must("teamId", number), may("name", text), may("description", text), must("credentials", list))
	if err != nil {
		return nil, err
	}
	var wanted []object
	items, _ := body["credentials"].([]any)
	for _, item := range items {
		selection, _ := item.(object)
		credentials, err := selected(selection)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, credentials...)
	}
	delete(body, "credentials")
	answer, err := s.ask(c, body, wanted)
	return picked(answer, "request", "publicUri"), err
}

// selected is one credential for each kind that the selected modules of an app need.
func selected(selection object) ([]object, error) {
	app, err := findNativeApp(selection["appName"], selection["appVersion"])
	if err != nil {
		return nil, err
	}
	names := append(texts(selection["appModules"]), texts(selection["appEndpoints"])...)
	if len(names) == 0 {
		return nil, badRequest(missing("appModules"))
	}
	byKind, kinds := map[string]object{}, []string{}
	for _, module := range modulesOf(app) {
		id, _ := module["id"].(string)
		if !slices.Contains(names, "*") && !slices.Contains(names, id) {
			continue
		}
		credential, _ := module["type"].(string)
		component, accepted := accountKinds(credential)
		wanted := byKind[accepted[0]]
		if wanted == nil {
			wanted = picked(selection, "appName", "description", "nameOverride")
			wanted["component"], wanted["name"] = component, accepted[0]
			wanted["appVersion"] = fmt.Sprint(app["version"])
			byKind[accepted[0]], kinds = wanted, append(kinds, accepted[0])
		}
		modules, _ := wanted["appModules"].([]any)
		scopes, _ := module["scope"].([]any)
		had, _ := wanted["scope"].([]any)
		wanted["appModules"], wanted["scope"] = append(modules, id), append(had, scopes...)
	}
	credentials := []object{}
	for _, kind := range kinds {
		credentials = append(credentials, byKind[kind])
	}
	return credentials, nil
}

// requestScopes asks the user to let an existing connection do more.
func (s *Server) requestScopes(c *call) (any, error) {
	body, err := c.fields(must("connectionId", number), must("scopes", list))
	if err != nil {
		return nil, err
	}
	connection, err := s.serving(connectionResource()).find(c, fmt.Sprint(body["connectionId"]))
	if err != nil {
		return nil, err
	}
	if connection["accountType"] != "oauth" {
		return nil, invalidInput("The connection has no scopes.")
	}
	credential := object{
		"component": "account", "name": connection["accountName"], "label": connection["name"], "scope": body["scopes"],
	}
	answer, err := s.ask(c, object{"teamId": connection["teamId"]}, []object{credential})
	return picked(answer, "request", "publicUri"), err
}
