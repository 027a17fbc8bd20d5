package makesim

import (
	_ "embed"
	"fmt"
	"slices"
	"sync"
)

//go:embed countries.yaml
var countriesYAML []byte

//go:embed timezones.yaml
var timezonesYAML []byte

var (
	countries = sync.OnceValue(func() []object { return embedded(countriesYAML) })
	timezones = sync.OnceValue(func() []object { return embedded(timezonesYAML) })
)

// What organizations and users have unless the seed says otherwise: the United States and Europe/Prague.
const (
	defaultCountry  int64 = 1
	defaultTimezone int64 = 113
)

// regions are where an organization can be created.
func regions() []object {
	return []object{{"id": int64(1), "name": "EU"}, {"id": int64(2), "name": "US"}}
}

// zones are the hosts of Make's cloud. Source: the server list of the API's OpenAPI document.
func zones() []object {
	return []object{
		{"id": int64(1), "domain": "eu1.make.com", "name": "EU1"}, {"id": int64(2), "domain": "eu2.make.com", "name": "EU2"},
		{"id": int64(3), "domain": "us1.make.com", "name": "US1"}, {"id": int64(4), "domain": "us2.make.com", "name": "US2"},
	}
}

// enumRoutes need a credential, but no scope except where a tool of Make's SDK states one; ping needs neither.
func (s *Server) enumRoutes() []route {
	return []route{
		{pattern: "GET /api/v2/ping", open: true, do: func(*call) (any, error) { return textReply(200, "pong"), nil }},
		{pattern: "GET /api/v2/enums/user-api-token-scopes", do: s.listTokenScopes},
		enum("countries", "countries", countries),
		enum("timezones", "timezones", timezones),
		enum("imt-regions", "imtRegions", regions),
		enum("imt-zones", "imtZones", zones),
	}
}

// enum lists fixed rows, sorted and cut as the query says.
func enum(name, member string, rows func() []object) route {
	return route{pattern: "GET /api/v2/enums/" + name, do: func(c *call) (any, error) {
		picked, _, err := page(slices.Clone(rows()), c.query(), "id")
		return object{member: picked}, err
	}}
}

func (s *Server) listTokenScopes(*call) (any, error) {
	rows := []object{}
	for _, name := range tokenScopes() {
		rows = append(rows, object{"name": name})
	}
	return object{"userApiTokenScopes": rows}, nil
}

// checkPlace wants the region, country and time zone of a body to exist.
func checkPlace(body object) error {
	var problems []string
	for _, place := range []struct {
		member string
		rows   []object
	}{{"regionId", regions()}, {"countryId", countries()}, {"timezoneId", timezones()}} {
		id, named := body[place.member]
		if named && !slices.ContainsFunc(place.rows, func(row object) bool { return row["id"] == id }) {
			problems = append(problems, fmt.Sprintf("Invalid value of parameter '%s': no %v.", place.member, id))
		}
	}
	if len(problems) > 0 {
		return badRequest(problems...)
	}
	return nil
}
