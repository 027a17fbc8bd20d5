package makesim

import (
	"net/http"
	"strconv"
	"time"
)

// plans are the requests per organization and minute.
// Source: Make's page on rate limiting. It names none for the free plan, see Knobs.FreePlanLimit; 30 is a
// published measurement.
var plans = map[string]int{"free": 30, "core": 60, "pro": 120, "teams": 240, "enterprise": 1000}

const limitMessage = "Requests limit for organization exceeded, please try again later."

// window counts an organization's requests in one minute of the clock.
type window struct {
	start time.Time
	spent int
}

// spend takes one request from the budget of the organization that the call concerns.
func (s *Server) spend(c *call) error {
	org := s.payer(c)
	if org == nil {
		return nil
	}
	c.x.record.OrganizationID = org.ID
	start := c.now.Truncate(time.Minute)
	w := s.state.windows[org.ID]
	if !w.start.Equal(start) {
		w = window{start: start}
	}
	w.spent++
	s.state.windows[org.ID] = w
	if w.spent <= s.state.apiLimit(org) {
		return nil
	}
	return &replyError{limitReply(s.knobsOf(c.token), start.Add(time.Minute).Sub(c.now))}
}

// apiLimit is the requests per minute of an organization; the free plan's is a knob.
func (st *state) apiLimit(o *Organization) int {
	if o.Plan == "free" {
		return st.knobs.FreePlanLimit
	}
	return plans[o.Plan]
}

// limitReply is the answer 429; its form and its Retry-After are knobs.
func limitReply(k Knobs, left time.Duration) reply {
	r := textReply(http.StatusTooManyRequests, limitMessage)
	if k.RateLimitJSON {
		r = jsonReply(http.StatusTooManyRequests, object{"message": limitMessage})
	}
	if k.RateLimitRetryAfter {
		r.header["Retry-After"] = strconv.Itoa(int((left + time.Second - 1) / time.Second))
	}
	return r
}

// payer is the organization that the path or the query names, or that owns the object of the path, if the user belongs to it, else the user's
// first one; nil for a user without any.
func (s *Server) payer(c *call) *Organization {
	query := c.r.URL.Query()
	named := func(name string) int64 {
		id, _ := strconv.ParseInt(c.r.PathValue(name), 10, 64)
		if id == 0 {
			id, _ = strconv.ParseInt(query.Get(name), 10, 64)
		}
		return id
	}
	org := s.state.organization(named("organizationId"))
	if sc := s.state.scenario(named("scenarioId")); sc != nil && org == nil {
		org, _ = s.state.team(integer(sc["teamId"]))
	}
	if org == nil {
		org, _ = s.state.team(named("teamId"))
	}
	if org == nil && c.route.pays != nil {
		org = s.state.organization(c.route.pays(c))
	}
	if org != nil && c.user.memberOf(org) {
		return org
	}
	if len(c.user.Organizations) == 0 {
		return nil
	}
	return s.state.organization(c.user.Organizations[0].ID)
}
