package makesim

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"
)

const hookKind = "hooks"

const (
	webhookType  = "gateway-webhook"
	mailhookType = "gateway-mailhook"

	// longestHookName is in characters. Source: the API's OpenAPI document.
	longestHookName = 128
	// longestAPIKey is in bytes. Source: Make's help on webhooks.
	longestAPIKey = 512
	// unusedLimit is how long a hook without a scenario stays usable. Source: Make's help on webhooks.
	unusedLimit = 120 * time.Hour
)

// hookResource are webhooks. Members with "_": _idle (since when no scenario uses it), _keys (what callers may
// send as x-make-apikey), _learning and _structure (see ping), _limit (of the queue, in place of the plan's) and
// the window of the gateway's rate limit.
func hookResource() resource {
	return resource{
		kind: hookKind, path: "/api/v2/hooks", id: "hookId", one: "hook", many: "hooks", tenant: ofTeam,
		fields:  []field{must("name", text), must("teamId", number), must("typeName", text)},
		changes: []field{must("name", text)},
		seeded:  []field{may("udid", text), may("enabled", boolean), may("data", document), may("apiKeys", list), may("queueLimit", number)},
		filters: map[string]string{"typeName": "typeName"},
		bare:    true,
		fresh:   freshHook,
		changed: func(_ *state, _ *call, _, changes object) error { return checkHookName(changes) },
		show:    showHook,
		gone:    hookGone,
	}
}

func (s *Server) hookRoutes() []route {
	hooks := s.serving(hookResource())
	list := hooks.list("hooks:read", "hooks get")
	list.do = s.listHooks
	create := hooks.create("hooks:write", "hook edit")
	create.do = s.createHook
	return []route{
		list, create,
		hooks.get("hooks:read", "hooks get"),
		hooks.update("hooks:write", "hook edit"),
		hooks.on("DELETE", "", "hooks:write", "hook edit", s.deleteHook),
		hooks.on("POST", "/set-data", "hooks:write", "hook edit", s.setHookData),
		hooks.on("POST", "/enable", "hooks:write", "hook edit", s.enableHook),
		hooks.on("POST", "/disable", "hooks:write", "hook edit", setHookMember("enabled", false)),
		hooks.on("POST", "/learn-start", "hooks:write", "hook edit", setHookMember("_learning", true)),
		hooks.on("POST", "/learn-stop", "hooks:write", "hook edit", setHookMember("_learning", false)),
		hooks.on("GET", "/ping", "hooks:read", "hooks get", s.pingHook),
		hooks.on("GET", "/incomings", "hooks:read", "hooks get", s.listIncomings),
		hooks.on("GET", "/incomings/stats", "hooks:read", "hooks get", s.countIncomings),
		hooks.on("GET", "/incomings/{incomingId}", "hooks:read", "hooks get", s.getIncoming),
		hooks.on("DELETE", "/incomings", "hooks:write", "hook edit", s.deleteIncomings),
		hooks.on("GET", "/logs", "hooks:read", "hooks get", s.listHookLogs),
		hooks.on("GET", "/logs/{logId}", "hooks:read", "hooks get", s.getHookLog),
	}
}

// listHooks knows two filters more: assigned to a scenario or not, and usable by a certain one.
func (s *Server) listHooks(c *call) (any, error) {
	team, err := c.tenant(ofTeam, nil)
	if err != nil {
		return nil, err
	}
	if err := s.state.enter(c, ofTeam, team); err != nil {
		return nil, err
	}
	assigned, byAssigned, err := flag(c.query(), "assigned")
	if err != nil {
		return nil, err
	}
	scenario, err := c.queryID("viewForScenarioId")
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(s.state.tables.of(hookKind).where("teamId", team), func(hook object) bool {
		of := integer(hook["scenarioId"])
		if scenario != 0 {
			return of != 0 && of != scenario
		}
		return byAssigned && assigned != (of != 0)
	})
	return s.serving(hookResource()).answer(c, rows)
}

// createHook takes, beside what every hook has, any data.
func (s *Server) createHook(c *call) (any, error) {
	body, err := c.document()
	if err != nil {
		return nil, err
	}
	hooks := s.serving(hookResource())
	row := object{}
	for _, f := range hooks.fields {
		row[f.name] = body[f.name]
		delete(body, f.name)
	}
	if problems := check(row, hooks.fields); len(problems) > 0 {
		return nil, badRequest(problems...)
	}
	if err := s.state.enter(c, ofTeam, integer(row["teamId"])); err != nil {
		return nil, err
	}
	row["data"] = body
	added, err := hooks.add(&s.state, c, row)
	if err != nil {
		return nil, err
	}
	return object{"hook": hooks.shown(&s.state, c, added)}, nil
}

func freshHook(st *state, c *call, hook object) error {
	if err := checkHookName(hook); err != nil {
		return err
	}
	st.tables.of(hookKind).identify(hook)
	data := object{}
	if hook["typeName"] == webhookType {
		data = object{"headers": false, "method": false, "stringify": false, "ip": nil, "udt": nil}
	}
	given, _ := hook["data"].(object)
	maps.Copy(data, given)
	data["teamId"] = hook["teamId"]
	kind := "web"
	if hook["typeName"] == mailhookType {
		kind = "mail"
	}
	hide(hook, "queueLimit")
	keys, err := apiKeys(hook)
	if err != nil {
		return err
	}
	fill(hook, object{"udid": drawText(hookKind, integer(hook["id"])), "enabled": true, "scenarioId": nil})
	maps.Copy(hook, object{
		"type": kind, "packageName": nil, "theme": "#c73a63", "editable": true, "data": data,
		"_keys": keys, "_idle": c.now.Format(timeLayout), "_learning": true, "_structure": nil,
	})
	return nil
}

func checkHookName(hook object) error {
	if name, _ := hook["name"].(string); utf8.RuneCountInString(name) > longestHookName {
		return badRequest(fmt.Sprintf("Invalid value of parameter 'name': at most %d characters expected.", longestHookName))
	}
	return nil
}

// apiKeys takes the member apiKeys out: keys go in and never come out.
func apiKeys(data object) ([]string, error) {
	keys := texts(data["apiKeys"])
	delete(data, "apiKeys")
	for _, key := range keys {
		if key == "" || len(key) > longestAPIKey || !ascii(key) {
			return nil, badRequest("Invalid value of parameter 'apiKeys': ASCII texts of at most 512 characters expected.")
		}
	}
	return keys, nil
}

func ascii(value string) bool {
	return !slices.ContainsFunc([]byte(value), func(b byte) bool { return b < ' ' || b > '~' })
}

func showHook(st *state, c *call, shown object) {
	hook := st.tables.of(hookKind).find(shown["id"])
	shown["url"] = st.hookURL(c, shown)
	shown["queueCount"], shown["queueLimit"] = st.queued(hook), st.queueLimit(hook)
	shown["gone"] = goneHook(hook, c.now)
}

// hookURL is https://hook.<zone>/<udid>, or the form of private instances where the zone is a bare address that
// has no subdomains.
func (st *state) hookURL(c *call, hook object) string {
	o, _ := st.team(integer(hook["teamId"]))
	zone := cmp.Or(o.Zone, c.r.Host)
	host, _, err := net.SplitHostPort(zone)
	if err != nil {
		host = zone
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return fmt.Sprintf("https://%s%s%s", zone, gatewayPrefix, hook["udid"])
	}
	return fmt.Sprintf("https://%s%s/%s", gatewayHost, zone, hook["udid"])
}

// goneHook tells whether a hook was without a scenario for too long.
func goneHook(hook object, now time.Time) bool {
	return hook["scenarioId"] == nil && now.Sub(moment(hook["_idle"])) > unusedLimit
}

func hookGone(st *state, hook object) {
	delete(st.tables, incomingsOf(hook))
	delete(st.tables, hookLogs(hook))
	if sc := st.scenario(integer(hook["scenarioId"])); sc != nil {
		sc["hookId"], sc["isinvalid"] = nil, true
	}
}

// useHook lets a scenario use another hook, or none with zero, and puts it among the changes.
func (st *state) useHook(sc, changes object, id int64, now time.Time) error {
	old := integer(sc["hookId"])
	changes["hookId"], changes["isinvalid"] = nullable(id), false
	if id == old {
		return nil
	}
	hooks := st.tables.of(hookKind)
	if id != 0 {
		hook := hooks.find(id)
		if hook == nil || hook["teamId"] != sc["teamId"] {
			return invalidInput(fmt.Sprintf("Webhook %d does not exist in the team.", id))
		}
		if hook["scenarioId"] != nil {
			return notAllowedNow("The webhook is used by another scenario.")
		}
		hook["scenarioId"] = sc["id"]
	}
	if hook := hooks.find(old); hook != nil {
		detachHook(hook, now.Format(timeLayout))
	}
	return nil
}

func detachHook(hook object, since any) {
	hook["scenarioId"], hook["_idle"] = nil, since
}

// deleteHook asks for confirmation where a scenario needs the hook.
func (s *Server) deleteHook(c *call, hook object) (any, error) {
	if hook["scenarioId"] != nil {
		if err := c.confirmed("hook"); err != nil {
			return nil, err
		}
	}
	hookResource().drop(&s.state, hook)
	return object{"hook": hook["id"]}, nil
}

func (s *Server) setHookData(c *call, hook object) (any, error) {
	body, err := c.document()
	if err != nil {
		return nil, err
	}
	old, _ := hook["data"].(object)
	data, keys := maps.Clone(old), hook["_keys"]
	if body["apiKeys"] != nil {
		if keys, err = apiKeys(body); err != nil {
			return nil, err
		}
	}
	maps.Copy(data, body)
	next := plain(object{"data": data, "_keys": keys})
	changed := !reflect.DeepEqual(next["data"], hook["data"]) || !reflect.DeepEqual(next["_keys"], hook["_keys"])
	maps.Copy(hook, next)
	return object{"changed": changed}, nil
}

// enableHook also brings back a hook that was unused for too long.
func (s *Server) enableHook(c *call, hook object) (any, error) {
	hook["enabled"], hook["_idle"] = true, c.now.Format(timeLayout)
	return object{"success": true}, nil
}

func setHookMember(name string, value any) func(*call, object) (any, error) {
	return func(_ *call, hook object) (any, error) {
		hook[name] = value
		return object{"success": true}, nil
	}
}

// pingHook shows the structure of the last sample, null as long as the hook learns.
func (s *Server) pingHook(c *call, hook object) (any, error) {
	answer := object{
		"address": s.state.hookURL(c, hook), "attached": hook["scenarioId"] != nil, "learning": hook["_learning"],
		"gone": goneHook(hook, c.now), "dataStructure": nil,
	}
	if hook["_learning"] != true {
		answer["dataStructure"] = hook["_structure"]
	}
	return answer, nil
}
