package makesim

// enumRoutes need a credential, but no scope; ping needs neither.
func (s *Server) enumRoutes() []route {
	return []route{
		{pattern: "GET /api/v2/ping", open: true, do: func(*call) (any, error) { return textReply(200, "pong"), nil }},
		{pattern: "GET /api/v2/enums/user-api-token-scopes", do: s.listTokenScopes},
	}
}

func (s *Server) listTokenScopes(*call) (any, error) {
	rows := []object{}
	for _, name := range tokenScopes() {
		rows = append(rows, object{"name": name})
	}
	return object{"userApiTokenScopes": rows}, nil
}
