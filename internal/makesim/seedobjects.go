package makesim

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// resources are all kinds of objects that tables keep. A seed is read in this order, so what others refer to
// comes first.
func resources() []resource {
	return []resource{
		customRoleResource(),
		privateSpaceResource(),
		keyResource(),
		connectionResource(),
		credentialRequestResource(),
		credentialResource(),
		agentResource(),
		systemResource(),
		structureResource(),
		structureItemResource(),
		auditLogResource(),
		folderResource(),
		hookResource(),
		scenarioResource(),
		dlqResource(),
		deviceResource(),
	}
}

// checkObjects checks every row like the body of a creation.
func (s Seed) checkObjects(seen unique) error {
	known := map[string]bool{}
	for _, r := range resources() {
		known[r.kind] = true
		for i, row := range s.Objects[r.kind] {
			if err := r.checkSeeded(seen, fmt.Sprintf("objects.%s[%d]", r.kind, i), plain(row)); err != nil {
				return err
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Objects)) {
		if !known[kind] {
			return fmt.Errorf("objects: no kind %q; there are %s", kind, join(slices.Sorted(maps.Keys(known))))
		}
	}
	return nil
}

func (r resource) checkSeeded(seen unique, place string, row object) error {
	if problems := check(row, r.seedFields()); len(problems) > 0 {
		return fmt.Errorf("%s: %s", place, problems[0])
	}
	if row["id"] != nil {
		if err := seen.add(place, r.kind+" id", row["id"]); err != nil {
			return err
		}
	}
	kinds := map[tenant]string{ofTeam: "team id", ofOrganization: "organization id"}
	if id := row[string(r.tenant)]; r.owner == nil && r.tenant != "" && !seen.has(kinds[r.tenant], id) {
		return fmt.Errorf("%s.%s: there is no %v", place, r.tenant, id)
	}
	return nil
}

// seedFields are what a row of a seed may have.
func (r resource) seedFields() []field {
	fields := slices.Concat(r.seeded, r.fields)
	for _, f := range r.changes {
		f.required = false
		fields = append(fields, f)
	}
	if r.uuid {
		fields = append(fields, may("id", text))
	} else {
		fields = append(fields, may("id", number))
	}
	if r.tenant != "" && r.owner == nil {
		fields = append(fields, must(string(r.tenant), number))
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(fields, func(f field) bool {
		repeated := seen[f.name]
		seen[f.name] = true
		return repeated
	})
}

// seedObjects adds the rows of a seed, each as its tenant's first user would.
func (st *state) seedObjects(seed Seed, now time.Time) error {
	for _, r := range resources() {
		if r.kind == scenarioKind {
			if err := st.seedScenarios(seed.Scenarios, now); err != nil {
				return err
			}
		}
		for i, row := range seed.Objects[r.kind] {
			row = plain(row)
			c := &call{now: now, user: st.firstUser(r.tenant, integer(row[string(r.tenant)]))}
			if _, err := r.add(st, c, row); err != nil {
				return fmt.Errorf("objects.%s[%d]: %w", r.kind, i, err)
			}
		}
	}
	return nil
}

// firstUser is the first user with a role in a tenant; the first of all if nobody has one.
func (st *state) firstUser(where tenant, id int64) *User {
	for _, u := range st.users {
		if role, _ := st.role(u, where, id); role != "" {
			return u
		}
	}
	return st.users[0]
}
