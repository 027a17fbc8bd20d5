package makesim

// auditLogKind are the rows of audit logs. Nothing writes them but a seed.
const auditLogKind = "auditLogs"

// auditLogResource is one thing that somebody did in an organization.
func auditLogResource() resource {
	return resource{
		kind: auditLogKind, many: "auditLogs", tenant: ofOrganization, sortBy: "triggeredAt", created: "createdAt",
		seeded: []field{
			must("uuid", text), must("eventName", text), must("triggeredAt", text), may("teamId", number),
			may("actor", document), may("targetId", text),
		},
		filters: map[string]string{"event[]": "eventName"},
		show: func(st *state, _ *call, shown object) {
			if o := st.organization(integer(shown["organizationId"])); o != nil {
				shown["organization"] = object{"id": o.ID, "name": o.Name}
			}
			if _, t := st.team(integer(shown["teamId"])); t != nil {
				shown["team"] = object{"id": t.ID, "name": t.Name}
			}
			delete(shown, "id")
			delete(shown, "teamId")
		},
	}
}

// auditLogRoutes are for administrators of organizations whose plan has audit logs; analytics for the owners.
func (s *Server) auditLogRoutes() []route {
	read := []string{"organizations:read"}
	const log = "/api/v2/audit-logs/organization/{organizationId}"
	return []route{
		{pattern: "GET " + log, scopes: read, can: "audit logs get", do: s.listAuditLogs},
		{
			pattern: "GET /api/v2/audit-logs/{organizationId}/{uuid}", scopes: read, can: "audit logs get",
			do: s.getAuditLog,
		},
		{
			pattern: "GET /api/v2/analytics/{organizationId}", scopes: []string{"analytics:read"}, can: "analytics get",
			do: s.listAnalytics,
		},
	}
}

// auditLogs are those of the organization in the path.
func (s *Server) auditLogs(c *call) ([]object, error) {
	o, err := s.reachOrganization(c)
	if err != nil {
		return nil, err
	}
	if licenseOf(o).AuditLogsDays == 0 {
		return nil, paymentRequired("audit logs")
	}
	return s.state.tables.of(auditLogKind).where("organizationId", o.ID), nil
}

func (s *Server) listAuditLogs(c *call) (any, error) {
	rows, err := s.auditLogs(c)
	if err != nil {
		return nil, err
	}
	return s.serving(auditLogResource()).answer(c, rows)
}

func (s *Server) getAuditLog(c *call) (any, error) {
	rows, err := s.auditLogs(c)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row["uuid"] == c.r.PathValue("uuid") {
			return object{"auditLog": auditLogResource().shown(&s.state, c, row)}, nil
		}
	}
	return nil, notFound()
}

// listAnalytics has the gates of analytics and no figures: how they look is not documented.
func (s *Server) listAnalytics(c *call) (any, error) {
	o, err := s.reachOrganization(c)
	if err != nil {
		return nil, err
	}
	if !licenseOf(o).AnalyticsAccess {
		return nil, paymentRequired("analytics")
	}
	rows, pg, err := page([]object{}, c.query(), "name")
	return object{"analytics": rows, "pg": pg}, err
}
