package makesim

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The addresses of the webhook gateway. The path is the one of private instances.
const (
	gatewayHost   = "hook."
	gatewayPrefix = "/wh/"
)

// The limit of the webhook gateway, counted per hook. Source: Make's help on webhooks.
const (
	hookWindow   = 10 * time.Second
	hookRequests = 300
)

// gatewayRoutes is what callers of a hook see. It needs no credential and spends nobody's budget.
func (s *Server) gatewayRoutes() []route {
	return []route{{pattern: gatewayPrefix + "{udid}", open: true, do: s.receive}}
}

// receive takes one request to a hook: it runs the scenario, or waits in the queue until somebody runs it.
func (s *Server) receive(c *call) (any, error) {
	hooks := s.state.tables.of(hookKind).where("udid", c.r.PathValue("udid"))
	if len(hooks) == 0 {
		return textReply(http.StatusNotFound, "Not Found"), nil
	}
	hook := hooks[0]
	request, inputs := c.incoming(hook)
	answer, run := s.accept(c, hook, inputs)
	s.state.logHook(hook, request, answer, c.now)
	if run == "" {
		return answer, nil
	}
	scenario := integer(hook["scenarioId"])
	return waiting(func(ctx context.Context) any {
		if _, ended := s.awaitExecution(ctx, scenario, run, responsiveLimit); !ended {
			return accepted()
		}
		return answer
	}), nil
}

func accepted() reply { return textReply(http.StatusOK, "Accepted") }

// accept decides about a request to a hook. It returns the answer and, where that comes out of a run, the run.
// Who is refused by rate, state or address learns nothing about the key.
func (s *Server) accept(c *call, hook, inputs object) (answer reply, run string) {
	switch {
	case !spendHook(hook, c.now):
		return textReply(http.StatusTooManyRequests, "Too many requests"), ""
	case hook["enabled"] != true || goneHook(hook, c.now):
		return textReply(http.StatusGone, "Gone"), ""
	case !allowedAddress(hook, c.r.RemoteAddr):
		return textReply(http.StatusForbidden, "Forbidden"), ""
	case !allowedKey(hook, c.r.Header.Get("X-Make-Apikey")):
		status := s.state.knobs.WebhookKeyStatus
		return textReply(status, http.StatusText(status)), ""
	}
	if hook["_learning"] == true {
		hook["_structure"], hook["_learning"] = structure(inputs), false
	}
	sc := s.state.scenario(integer(hook["scenarioId"]))
	if sc != nil && sc["isActive"] == true && interval(sc) == 0 {
		e := s.state.execute(sc, execution{Type: automatically, Instant: true, Started: c.now, Inputs: inputs})
		return hookAnswer(sc, e)
	}
	if s.state.queued(hook) >= s.state.queueLimit(hook) {
		return textReply(http.StatusBadRequest, "Queue is full"), ""
	}
	s.state.enqueue(hook, inputs, len(c.body), c.now)
	return accepted(), ""
}

// hookAnswer is Accepted, or what the scenario's response module says once the run is over.
func hookAnswer(sc object, e execution) (answer reply, run string) {
	m, ok := blueprintOf(sc).find(respondModule)
	if !ok || e.Error != nil {
		return accepted(), ""
	}
	said := fillOutputs(m.Mapper, e.Inputs)
	status, _ := strconv.Atoi(asText(said["status"]))
	if status < 200 || status > 599 {
		status = http.StatusOK
	}
	return textReply(status, asText(said["body"])), e.ID
}

// asText is a text as it is, and anything else as JSON.
func asText(value any) string {
	if value, ok := value.(string); ok {
		return value
	}
	return encode(value)
}

// spendHook takes one request from what a hook may receive in the current window.
func spendHook(hook object, now time.Time) bool {
	start := now.Truncate(hookWindow).Format(timeLayout)
	if hook["_window"] != start {
		hook["_window"], hook["_spent"] = start, int64(0)
	}
	hook["_spent"] = integer(hook["_spent"]) + 1
	return integer(hook["_spent"]) <= hookRequests
}

// allowedAddress compares the caller with data.ip: addresses and ranges, separated by commas; none allows all.
func allowedAddress(hook object, remote string) bool {
	data, _ := hook["data"].(object)
	rules, _ := data["ip"].(string)
	if strings.TrimSpace(rules) == "" {
		return true
	}
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	caller, err := netip.ParseAddr(host)
	return err == nil && slices.ContainsFunc(strings.Split(rules, ","), func(rule string) bool {
		rule = strings.TrimSpace(rule)
		if prefix, err := netip.ParsePrefix(rule); err == nil {
			return prefix.Contains(caller.Unmap())
		}
		single, err := netip.ParseAddr(rule)
		return err == nil && single.Unmap() == caller.Unmap()
	})
}

// allowedKey compares what the caller sent with all keys of the hook, any of which is good; none allows all.
func allowedKey(hook object, sent string) bool {
	keys := texts(hook["_keys"])
	allowed := len(keys) == 0
	for _, key := range keys {
		if subtle.ConstantTimeCompare([]byte(key), []byte(sent)) == 1 {
			allowed = true
		}
	}
	return allowed
}

// incoming is a request as logs show it, without the key, and what it hands to the scenario.
func (c *call) incoming(hook object) (request, inputs object) {
	headers := object{}
	for name, values := range c.r.Header {
		if name != "X-Make-Apikey" {
			headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	query := fromForm(c.query())
	body := c.incomingBody()
	host, _, _ := net.SplitHostPort(c.r.RemoteAddr)
	request = object{
		"method": c.r.Method, "headers": headers, "query": query, "ip": host, "parsed": nil, "body": body, "url": "/" + c.r.PathValue("udid"),
	}
	inputs = maps.Clone(query)
	maps.Copy(inputs, body)
	data, _ := hook["data"].(object)
	if data["method"] == true {
		inputs["__IMTMETHOD__"] = c.r.Method
	}
	if data["headers"] == true {
		inputs["__IMTHEADERS__"] = headers
	}
	return plain(request), plain(inputs)
}

// incomingBody reads JSON objects and forms member by member; anything else is one value.
func (c *call) incomingBody() object {
	media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	var read any
	switch {
	case len(c.body) == 0:
		return object{}
	case media == "application/x-www-form-urlencoded":
		if form, err := url.ParseQuery(string(c.body)); err == nil {
			return fromForm(form)
		}
	case json.Unmarshal(c.body, &read) == nil:
		if o, ok := read.(object); ok {
			return o
		}
		return object{"value": read}
	}
	return object{"value": string(c.body)}
}

func fromForm(form url.Values) object {
	o := object{}
	for name, values := range form {
		o[name] = values[0]
		if len(values) > 1 {
			o[name] = values
		}
	}
	return o
}

// structure names the members of a sample and their types.
func structure(sample object) []any {
	fields := []any{}
	for _, name := range slices.Sorted(maps.Keys(sample)) {
		kind := "text"
		switch sample[name].(type) {
		case int64, float64:
			kind = "number"
		case bool:
			kind = "boolean"
		case []any:
			kind = "array"
		case object:
			kind = "collection"
		}
		fields = append(fields, object{"name": name, "type": kind})
	}
	return fields
}
