package makesim

const deviceKind = "devices"

// deviceResource are phones that take part in scenarios. They register by an app of Make, so they are seeded.
func deviceResource() resource {
	return resource{
		kind: deviceKind, path: "/api/v2/devices", id: "deviceId", one: "device", many: "devices", tenant: ofTeam,
		fields: []field{
			must("name", text), must("teamId", number), may("udid", text), may("scope", list), may("info", document),
			may("scenarioId", list),
		},
		bare: true,
		fresh: func(st *state, _ *call, device object) error {
			st.tables.of(deviceKind).identify(device)
			fill(device, object{
				"udid": drawText(deviceKind, integer(device["id"])), "scope": []any{}, "info": nil, "scenarioId": []any{},
			})
			device["gone"], device["queueCount"], device["queueLimit"] = false, 0, largestQueue
			return nil
		},
	}
}

func (s *Server) deviceRoutes() []route {
	devices := s.serving(deviceResource())
	return []route{
		devices.list("devices:read", "devices get"),
		devices.get("devices:read", "devices get"),
	}
}
