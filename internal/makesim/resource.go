package makesim

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// resource describes one kind of object and answers the usual requests for it from a table.
//
// # How to add a family
//
// A family is one file. It has a function that describes each kind of object, named in resources(), and a
// function of routes, named in Server.families:
//
//	func keyResource() resource {
//		return resource{
//			kind: "keys", path: "/api/v2/keys", id: "keyId", one: "key", many: "keys", tenant: ofTeam,
//			fields: []field{must("teamId", number), must("name", text)}, changes: []field{may("name", text)},
//			columns: []string{"id", "name"},
//		}
//	}
//
//	func (s *Server) keyRoutes() []route {
//		keys := s.serving(keyResource())
//		return []route{
//			keys.list("keys:read", "keys get"),
//			keys.get("keys:read", "keys get"),
//			keys.create("keys:write", "key edit"),
//			keys.update("keys:write", "key edit"),
//			keys.delete("keys:write", "key edit", confirmed),
//			keys.on("POST", "/test", "keys:write", "key edit", s.testKey), // func(*call, object) (any, error)
//		}
//	}
//
// A route names the scope that the token needs and the permission (see permissions.go) that the role in the
// object's tenant needs. What is peculiar goes into fresh, show, changed and gone, or into a handler of its
// own, which checks access with state.enter (the request names the tenant) or state.reach (it names an
// object). Rows hold plain JSON; members that begin with "_" never leave the simulator. A seed lists rows
// under objects, by kind; they are checked and completed like the body of a creation.
type resource struct {
	kind   string // the name of the table
	path   string // of the list
	id     string // the path parameter of one object
	one    string // the member of an answer about one object
	many   string // the member of an answer about many
	tenant tenant // what the objects belong to

	fields  []field // what a creation takes
	changes []field // what an update takes
	seeded  []field // what a seed may give besides id, the tenant, fields and changes

	columns []string          // of a list without cols[]; nil means all
	sortBy  string            // of a list without pg[sortBy]; "" means name
	bare    bool              // the list has no pg member
	filters map[string]string // query parameter of the list → member that must be equal
	named   bool              // every request names the tenant in its query
	uuid    bool              // ids are UUIDs, not numbers
	created string            // member with the time of creation; "" means none
	updated string            // member with the time of the last change; "" means none

	// owner is the id of the tenant that a row belongs to; nil means that the row has a member of the tenant's name.
	owner func(st *state, row object) int64
	// fresh completes a row before it is added. A call that only seeds has no request and no token.
	fresh func(st *state, c *call, row object) error
	// changed checks and completes an update before it is made.
	changed func(st *state, c *call, row, changes object) error
	// show adds to an answer what the row does not hold; it gets a copy of the row.
	show func(st *state, c *call, shown object)
	// gone removes what hung on a row.
	gone func(st *state, row object)
	// absent is the answer where an object does not exist; nil means 404 SC404.
	absent func(id string) error
}

// served is a resource with the server that answers for it.
type served struct {
	resource
	*Server
}

func (s *Server) serving(r resource) served { return served{resource: r, Server: s} }

// confirmed makes a deletion need confirmed=true.
const confirmed = true

func (r served) list(scope, can string) route {
	return route{pattern: "GET " + r.path, scopes: []string{scope}, can: can, do: r.doList}
}

func (r served) create(scope, can string) route {
	return route{pattern: "POST " + r.path, scopes: []string{scope}, can: can, do: r.doCreate}
}

func (r served) get(scope, can string) route {
	return r.on(http.MethodGet, "", scope, can, func(c *call, row object) (any, error) {
		return object{r.one: pick(r.shown(&r.state, c, row), c.query())}, nil
	})
}

func (r served) update(scope, can string) route {
	return r.on(http.MethodPatch, "", scope, can, r.doUpdate)
}

func (r served) delete(scope, can string, confirm bool) route {
	return r.on(http.MethodDelete, "", scope, can, func(c *call, row object) (any, error) {
		if confirm {
			if err := c.confirmed(r.one); err != nil {
				return nil, err
			}
		}
		id := row["id"]
		r.drop(&r.state, row)
		return object{r.one: id}, nil
	})
}

// on is a route about one object, which is there and in the caller's reach when do runs.
func (r served) on(method, suffix, scope, can string, do func(c *call, row object) (any, error)) route {
	return route{
		pattern: method + " " + r.path + "/{" + r.id + "}" + suffix, scopes: []string{scope}, can: can, pays: r.payer,
		do: func(c *call) (any, error) {
			row, err := r.find(c, c.r.PathValue(r.id))
			if err != nil {
				return nil, err
			}
			return do(c, row)
		},
	}
}

// payer is the organization that owns the object of the path; zero if there is none.
func (r served) payer(c *call) int64 {
	row := r.state.tables.of(r.kind).find(c.r.PathValue(r.id))
	if row == nil {
		return 0
	}
	id := r.ownerOf(&r.state, row)
	if r.tenant == ofOrganization {
		return id
	}
	if o, _ := r.state.team(id); o != nil {
		return o.ID
	}
	return 0
}

// find returns the row with an id if the caller may do with it what the route is for.
func (r served) find(c *call, id string) (object, error) {
	row := r.state.tables.of(r.kind).find(id)
	if row == nil {
		return nil, r.missing(id)
	}
	owner := r.ownerOf(&r.state, row)
	if r.named {
		named, err := c.tenant(r.tenant, nil)
		if err != nil {
			return nil, err
		}
		if named != owner {
			return nil, r.missing(id)
		}
	}
	if role, _ := r.state.role(c.user, r.tenant, owner); role == "" {
		return nil, r.missing(id)
	}
	return row, r.state.enter(c, r.tenant, owner)
}

func (r resource) ownerOf(st *state, row object) int64 {
	if r.owner != nil {
		return r.owner(st, row)
	}
	return integer(row[string(r.tenant)])
}

func (r resource) missing(id string) error {
	if r.absent != nil {
		return r.absent(id)
	}
	return notFound()
}

func (r served) doList(c *call) (any, error) {
	owner, err := c.tenant(r.tenant, nil)
	if err != nil {
		return nil, err
	}
	if err := r.state.enter(c, r.tenant, owner); err != nil {
		return nil, err
	}
	return r.answer(c, r.state.tables.of(r.kind).where(string(r.tenant), owner))
}

// answer is the list of those rows that the query asks for.
func (r served) answer(c *call, rows []object) (any, error) {
	shown := []object{}
	for _, row := range rows {
		if o := r.shown(&r.state, c, row); r.wanted(c, o) {
			shown = append(shown, o)
		}
	}
	shown, pg, err := page(shown, c.query(), cmp.Or(r.sortBy, "name"), r.columns...)
	if err != nil {
		return nil, err
	}
	if r.bare {
		return object{r.many: shown}, nil
	}
	return object{r.many: shown, "pg": pg}, nil
}

// wanted applies the filters. One that is given more than once accepts each of its values.
func (r resource) wanted(c *call, row object) bool {
	for parameter, member := range r.filters {
		values := c.query()[parameter]
		if len(values) > 0 && !slices.Contains(values, fmt.Sprint(row[member])) {
			return false
		}
	}
	return true
}

func (r served) doCreate(c *call) (any, error) {
	body, err := c.fields(r.fields...)
	if err != nil {
		return nil, err
	}
	owner, err := c.tenant(r.tenant, body)
	if err != nil {
		return nil, err
	}
	if err := r.state.enter(c, r.tenant, owner); err != nil {
		return nil, err
	}
	body[string(r.tenant)] = owner
	row, err := r.add(&r.state, c, body)
	if err != nil {
		return nil, err
	}
	return object{r.one: r.shown(&r.state, c, row)}, nil
}

func (r served) doUpdate(c *call, row object) (any, error) {
	changes, err := c.fields(r.changes...)
	if err != nil {
		return nil, err
	}
	if err := r.change(&r.state, c, row, changes); err != nil {
		return nil, err
	}
	return object{r.one: r.shown(&r.state, c, row)}, nil
}

// add completes a row and puts it among the others. It keeps an id that the row has.
func (r resource) add(st *state, c *call, row object) (object, error) {
	if r.fresh != nil {
		if err := r.fresh(st, c, row); err != nil {
			return nil, err
		}
	}
	t := st.tables.of(r.kind)
	if row["id"] == nil {
		n := t.number()
		row["id"] = n
		if r.uuid {
			row["id"] = drawUUID(r.kind, n)
		}
	}
	for _, member := range []string{r.created, r.updated} {
		if member != "" {
			row[member] = c.now.Format(timeLayout)
		}
	}
	return t.add(row), nil
}

func (r resource) change(st *state, c *call, row, changes object) error {
	if r.changed != nil {
		if err := r.changed(st, c, row, changes); err != nil {
			return err
		}
	}
	if r.updated != "" {
		changes[r.updated] = c.now.Format(timeLayout)
	}
	for name, value := range plain(changes) {
		row[name] = value
	}
	return nil
}

func (r resource) drop(st *state, row object) {
	st.tables.of(r.kind).remove("id", row["id"])
	if r.gone != nil {
		r.gone(st, row)
	}
}

// shown is what answers hold of a row.
func (r resource) shown(st *state, c *call, row object) object {
	shown := object{}
	for name, value := range row {
		if !strings.HasPrefix(name, "_") {
			shown[name] = value
		}
	}
	if r.show != nil {
		r.show(st, c, shown)
	}
	return shown
}
