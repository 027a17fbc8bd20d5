package makesim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// scenarioPropertyRoutes are the values that a scenario has for the custom properties of its organization.
func (s *Server) scenarioPropertyRoutes() []route {
	scenarios := s.serving(scenarioResource())
	const path, read, write = "/custom-properties", "scenarios:read", "scenarios:write"
	return []route{
		scenarios.on("GET", path, read, "scenario view", s.whereEnabled(s.getProperties)),
		scenarios.on("POST", path, write, "scenario edit", s.whereEnabled(s.createProperties)),
		scenarios.on("PUT", path, write, "scenario edit", s.whereEnabled(s.replaceProperties)),
		scenarios.on("PATCH", path, write, "scenario edit", s.whereEnabled(s.updateProperties)),
		scenarios.on("DELETE", path, write, "scenario edit", s.whereEnabled(s.deleteProperties)),
	}
}

// whereEnabled refuses organizations that have no custom properties.
func (s *Server) whereEnabled(do func(c *call, sc object) (any, error)) func(*call, object) (any, error) {
	return func(c *call, sc object) (any, error) {
		o, _ := s.state.team(integer(sc["teamId"]))
		if licenseOf(o).CustomProperties == 0 {
			return nil, featureOff("IM027", "Custom properties are not enabled for the organization.")
		}
		return do(c, sc)
	}
}

func (s *Server) getProperties(_ *call, sc object) (any, error) {
	values, ok := sc["_properties"].(object)
	if !ok {
		values = object{}
	}
	return object{"customProperties": values, "scenarioId": sc["id"]}, nil
}

func (s *Server) createProperties(c *call, sc object) (any, error) {
	if sc["_properties"] != nil {
		return nil, invalidInput("The scenario already has custom properties.")
	}
	return s.replaceProperties(c, sc)
}

func (s *Server) replaceProperties(c *call, sc object) (any, error) {
	values, err := c.document()
	if err != nil {
		return nil, err
	}
	return s.setProperties(c, sc, values)
}

// updateProperties keeps what the body does not name and drops what it sets to null.
func (s *Server) updateProperties(c *call, sc object) (any, error) {
	changes, err := c.document()
	if err != nil {
		return nil, err
	}
	old, _ := sc["_properties"].(object)
	values := object{}
	maps.Copy(values, old)
	maps.Copy(values, changes)
	return s.setProperties(c, sc, values)
}

func (s *Server) setProperties(c *call, sc, values object) (any, error) {
	maps.DeleteFunc(values, func(_ string, value any) bool { return value == nil })
	if problems := s.state.checkProperties(sc, values); len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	sc["_properties"] = values
	return s.getProperties(c, sc)
}

func (s *Server) deleteProperties(_ *call, sc object) (any, error) {
	delete(sc, "_properties")
	return object{"ok": 1}, nil
}

// checkProperties compares values with the structure of the scenario's organization.
func (st *state) checkProperties(sc, values object) []string {
	home, _ := st.team(integer(sc["teamId"]))
	known := map[string]object{}
	var problems []string
	for _, item := range st.tables.of(structureItemKind).Rows {
		if structureItemResource().ownerOf(st, item) != home.ID {
			continue
		}
		name, _ := item["name"].(string)
		known[name] = item
		if item["required"] == true && values[name] == nil {
			problems = append(problems, missing(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		item := known[name]
		switch {
		case item == nil:
			problems = append(problems, fmt.Sprintf("Unknown custom property '%s'.", name))
		case !fitsProperty(item, values[name]):
			problems = append(problems, fmt.Sprintf("Invalid value of custom property '%s': %s expected.", name, item["type"]))
		}
	}
	return problems
}

// fitsProperty tells whether a value is what a custom property takes.
func fitsProperty(item object, value any) bool {
	written, isText := value.(string)
	switch item["type"] {
	case "boolean":
		return boolean.holds(value)
	case "number":
		return number.holds(value)
	case "date":
		_, err := time.Parse(time.RFC3339Nano, written)
		return err == nil
	case "dropdown":
		return isText && slices.Contains(choicesOf(item), written)
	case "multiselect":
		chosen := texts(value)
		all, _ := value.([]any)
		return list.holds(value) && len(chosen) == len(all) && len(without(chosen, choicesOf(item))) == 0
	case "shortText":
		return isText && !strings.ContainsAny(written, "\r\n")
	}
	return isText
}

func choicesOf(item object) []string {
	var choices []string
	options, _ := item["options"].([]any)
	for _, each := range options {
		option, _ := each.(object)
		choices = append(choices, fmt.Sprint(option["value"]))
	}
	return choices
}
