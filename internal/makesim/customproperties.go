package makesim

import (
	"fmt"
	"slices"
)

const (
	structureKind     = "customPropertyStructures"
	structureItemKind = "customPropertyStructureItems"
)

// propertyTypes are what a custom property can be.
var propertyTypes = []string{"boolean", "number", "shortText", "longText", "date", "dropdown", "multiselect"}

// structureResource is the set of custom properties that scenarios of an organization have. There is one at
// most, and it stays.
func structureResource() resource {
	return resource{
		kind: structureKind, path: "/api/v2/custom-property-structures", id: "customPropertyStructureId",
		one: "customPropertyStructure", many: "customPropertyStructures", tenant: ofOrganization, bare: true,
		sortBy: "id", created: "created",
		fields: []field{
			must("associatedType", text, "scenario"), must("belongerType", text, "organization"), must("belongerId", number),
		},
		owner: func(_ *state, structure object) int64 { return integer(structure["_belongerId"]) },
		fresh: freshStructure,
		gone: func(st *state, structure object) {
			st.tables.of(structureItemKind).remove("structureId", structure["id"])
		},
	}
}

func freshStructure(st *state, _ *call, structure object) error {
	o := st.organization(integer(structure["belongerId"]))
	if o == nil {
		return invalidInput("There is no such organization.")
	}
	if licenseOf(o).CustomProperties == 0 {
		return featureOff("IM027", "Custom properties are not enabled for the organization.")
	}
	if len(st.tables.of(structureKind).where("_belongerId", o.ID)) > 0 {
		return invalidInput("The organization already has a custom property structure for scenarios.")
	}
	structure["belongers"] = []object{{
		"belongerId": o.ID, "belongerType": "organization", "associatedTypes": []string{"scenario"},
	}}
	hide(structure, "belongerId")
	delete(structure, "belongerType")
	delete(structure, "associatedType")
	delete(structure, "organizationId")
	return nil
}

// structureItemResource is one custom property.
func structureItemResource() resource {
	return resource{
		kind: structureItemKind, path: "/api/v2/custom-property-structures/custom-property-structure-items",
		id: "customPropertyStructureItemId", one: "customPropertyStructureItem", many: "customPropertyStructureItems",
		tenant: ofOrganization, sortBy: "id",
		fields: []field{
			must("name", text), must("label", text), must("type", text, propertyTypes...), must("required", boolean),
			may("description", text), may("options", list),
		},
		seeded:  []field{must("structureId", number)},
		changes: []field{may("label", text), may("description", text), may("options", list), may("required", boolean)},
		columns: []string{"id", "name", "label", "description", "type", "options", "required"},
		filters: map[string]string{
			"id": "id", "name": "name", "label": "label", "description": "description", "type": "type", "required": "required",
		},
		owner: func(st *state, item object) int64 {
			return integer(st.tables.of(structureKind).find(item["structureId"])["_belongerId"])
		},
		fresh: freshStructureItem,
		changed: func(_ *state, _ *call, item, changes object) error {
			if _, named := changes["options"]; named {
				return checkOptions(item["type"], changes["options"])
			}
			return nil
		},
	}
}

func freshStructureItem(st *state, _ *call, item object) error {
	structure := st.tables.of(structureKind).find(item["structureId"])
	if structure == nil {
		return invalidInput("There is no such custom property structure.")
	}
	items := st.tables.of(structureItemKind).where("structureId", item["structureId"])
	if slices.ContainsFunc(items, func(row object) bool { return row["name"] == item["name"] }) {
		return invalidInput("The structure already has a custom property of this name.")
	}
	if limit := licenseOf(st.organization(integer(structure["_belongerId"]))).CustomProperties; len(items) >= limit {
		return limitExceeded("custom properties")
	}
	fill(item, object{"description": "", "options": nil})
	return checkOptions(item["type"], item["options"])
}

// checkOptions wants a dropdown and a multiselect to have options, and nothing else.
func checkOptions(kind, value any) error {
	options, _ := value.([]any)
	if selects := kind == "dropdown" || kind == "multiselect"; selects != (len(options) > 0) {
		return badRequest("Invalid value of parameter 'options': a dropdown and a multiselect have options, others have none.")
	}
	for i, each := range options {
		if option, _ := each.(object); option["value"] == nil {
			return badRequest(missing(fmt.Sprintf("options[%d].value", i)))
		}
	}
	return nil
}

func (s *Server) customPropertyRoutes() []route {
	structures, items := s.serving(structureResource()), s.serving(structureItemResource())
	const read, write = "custom-property-structures:read", "custom-property-structures:write"
	const see, edit = "custom properties get", "custom properties edit"
	list := structures.list(read, see)
	list.do = func(c *call) (any, error) { return s.listStructures(c, structures) }
	create := structures.create(write, edit)
	create.do = func(c *call) (any, error) { return s.createStructure(c, structures) }
	return []route{
		list,
		create,
		structures.on("GET", "/custom-property-structure-items", read, see, func(c *call, structure object) (any, error) {
			return items.answer(c, s.state.tables.of(structureItemKind).where("structureId", structure["id"]))
		}),
		structures.on("POST", "/custom-property-structure-items", write, edit, func(c *call, structure object) (any, error) {
			item, err := c.fields(items.fields...)
			if err != nil {
				return nil, err
			}
			item["structureId"] = structure["id"]
			if item, err = items.add(&s.state, c, item); err != nil {
				return nil, err
			}
			return object{"customPropertyStructureItem": items.shown(&s.state, c, item)}, nil
		}),
		items.update(write, edit),
		items.on("DELETE", "", write, edit, func(c *call, item object) (any, error) {
			if s.state.propertyUsed(item) {
				if err := c.confirmed("scenario"); err != nil {
					return nil, err
				}
			}
			items.drop(&s.state, item)
			return object{"customPropertyStructureItem": item["id"]}, nil
		}),
	}
}

func (s *Server) listStructures(c *call, structures served) (any, error) {
	organization, err := c.tenant(ofOrganization, nil)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofOrganization, organization); err != nil {
		return nil, err
	}
	if licenseOf(s.state.organization(organization)).CustomProperties == 0 {
		return nil, featureOff("IM027", "Custom properties are not enabled for the organization.")
	}
	return structures.answer(c, s.state.tables.of(structureKind).where("_belongerId", organization))
}

func (s *Server) createStructure(c *call, structures served) (any, error) {
	body, err := c.fields(structures.fields...)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofOrganization, integer(body["belongerId"])); err != nil {
		return nil, err
	}
	structure, err := structures.add(&s.state, c, body)
	if err != nil {
		return nil, err
	}
	return object{"customPropertyStructure": structures.shown(&s.state, c, structure)}, nil
}

// propertyUsed tells whether a scenario has a value for a custom property. Scenarios keep theirs as
// _properties, by name.
func (st *state) propertyUsed(item object) bool {
	organization := structureItemResource().ownerOf(st, item)
	name, _ := item["name"].(string)
	return slices.ContainsFunc(st.tables.of("scenarios").Rows, func(scenario object) bool {
		o, _ := st.team(integer(scenario["teamId"]))
		values, _ := scenario["_properties"].(object)
		return o != nil && o.ID == organization && values[name] != nil
	})
}
