package makesim

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// The queue of a hook. Source: Make's help on webhooks.
const (
	queuePerCredits = 667 // items per 10,000 credits a month
	largestQueue    = 10_000
)

// defaultHookLogLimit is the page size where the request names none. Source: the API's OpenAPI document.
const defaultHookLogLimit = "25"

// keptHookLogs is how many log entries of a hook are remembered.
const keptHookLogs = 500

func incomingsOf(hook object) string { return fmt.Sprintf("incomings/%v", hook["id"]) }

func hookLogs(hook object) string { return fmt.Sprintf("hookLogs/%v", hook["id"]) }

// queued is how many requests wait for the scenario.
func (st *state) queued(hook object) int {
	if t := st.tables[incomingsOf(hook)]; t != nil {
		return len(t.Rows)
	}
	return 0
}

func (st *state) queueLimit(hook object) int {
	o, _ := st.team(integer(hook["teamId"]))
	return int(cmp.Or(integer(hook["_queueLimit"]), min(largestQueue, licenseOf(o).Operations*queuePerCredits/10_000)))
}

// enqueue keeps what came in until the scenario runs.
func (st *state) enqueue(hook object, data any, size int, now time.Time) {
	t := st.tables.of(incomingsOf(hook))
	t.add(object{
		"id": drawText(incomingsOf(hook), t.number()), "scope": "hook", "size": size, "created": now.Format(timeLayout), "data": data,
	})
}

// drain runs the scenario of a hook once for each item in its queue.
func (st *state) drain(hook, sc object, at time.Time) {
	t := st.tables.of(incomingsOf(hook))
	waiting := t.Rows
	t.Rows = nil
	for _, item := range waiting {
		data, _ := item["data"].(object)
		st.execute(sc, execution{Type: automatically, Instant: true, Started: at, Inputs: data})
	}
}

// listIncomings shows the data of an item in its detail only.
func (s *Server) listIncomings(c *call, hook object) (any, error) {
	rows := slices.Clone(s.state.tables.of(incomingsOf(hook)).Rows)
	rows, pg, err := page(rows, c.query(), "created", "id", "scope", "size", "created")
	return object{"incomings": rows, "pg": pg}, err
}

func (s *Server) getIncoming(c *call, hook object) (any, error) {
	item := s.state.tables.of(incomingsOf(hook)).find(c.r.PathValue("incomingId"))
	if item == nil {
		return nil, notFound()
	}
	return object{"incoming": item}, nil
}

func (s *Server) countIncomings(_ *call, hook object) (any, error) {
	return object{"incomingStat": object{
		"queue": s.state.queued(hook), "limit": s.state.queueLimit(hook), "enabled": hook["enabled"],
	}}, nil
}

func (s *Server) deleteIncomings(c *call, hook object) (any, error) {
	t := s.state.tables.of(incomingsOf(hook))
	rows, all, err := c.selection(t.Rows)
	if err != nil {
		return nil, err
	}
	if all {
		if err := c.confirmed("incoming"); err != nil {
			return nil, err
		}
	}
	for _, row := range rows {
		t.remove("id", row["id"])
	}
	return object{"incomings": idsOf(rows)}, nil
}

// logHook remembers a request of the gateway that named this hook.
func (st *state) logHook(hook, request object, answer reply, now time.Time) {
	t := st.tables.of(hookLogs(hook))
	n, size := t.number(), len(encode(request["body"]))
	outcome := succeeded
	if answer.status >= 400 {
		outcome = failed
	}
	t.add(object{
		"id": drawText(hookLogs(hook), n), "imtId": fmt.Sprintf("%d_%d", now.UnixMilli(), n), "statusId": outcome,
		"loggedAt": now.Format(timeLayout), "parser": hook["typeName"], "appParser": nil, "typeId": 3, "replayable": true,
		"udids": []any{hook["udid"]}, "sizes": object{"before": size, "after": size},
		"data": object{
			"request":  request,
			"response": object{"status": answer.status, "headers": []any{}, "body": string(answer.body)},
		},
	})
	t.Rows = t.Rows[max(0, len(t.Rows)-keptHookLogs):]
}

// hookLogLife is how long logs are kept by plan. Source: Make's help on webhooks.
func hookLogLife(plan string) time.Duration {
	if plan == "enterprise" {
		return 30 * 24 * time.Hour
	}
	return 3 * 24 * time.Hour
}

// hookLogRows are the log entries of a hook that are not too old.
func (s *Server) hookLogRows(c *call, hook object) []object {
	o, _ := s.state.team(integer(hook["teamId"]))
	return slices.DeleteFunc(slices.Clone(s.state.tables.of(hookLogs(hook)).Rows), func(row object) bool {
		return c.now.Sub(moment(row["loggedAt"])) > hookLogLife(o.Plan)
	})
}

func (s *Server) listHookLogs(c *call, hook object) (any, error) {
	query := c.query()
	from, err := pageNumber(query, "from", 0)
	if err != nil {
		return nil, err
	}
	to, err := pageNumber(query, "to", 0)
	if err != nil {
		return nil, err
	}
	rows := slices.DeleteFunc(s.hookLogRows(c, hook), func(row object) bool {
		at := moment(row["loggedAt"]).UnixMilli()
		return at < int64(from) || to != 0 && at > int64(to)
	})
	for name, value := range map[string]string{"pg[limit]": defaultHookLogLimit, "pg[sortDir]": "desc"} {
		if query.Get(name) == "" {
			query.Set(name, value)
		}
	}
	rows, pg, err := page(rows, query, "loggedAt",
		"id", "imtId", "statusId", "loggedAt", "parser", "appParser", "typeId", "replayable", "udids", "sizes")
	return object{"hookLogs": rows, "pg": pg}, err
}

func (s *Server) getHookLog(c *call, hook object) (any, error) {
	rows := s.hookLogRows(c, hook)
	i := slices.IndexFunc(rows, func(row object) bool { return row["id"] == c.r.PathValue("logId") })
	if i < 0 {
		return nil, notFound()
	}
	return object{"hookLog": rows[i]}, nil
}
