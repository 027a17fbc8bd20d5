package makesim

import (
	"fmt"
	"net/url"
	"slices"
	"time"
)

// defaultLogLimit is the page size of logs where the request names none. Source: the API's OpenAPI document.
const defaultLogLimit = 50

// listLogs answers runs that have ended.
func (s *Server) listLogs(c *call, sc object) (any, error) {
	rows, pg, err := c.logs(s.state.executions(integer(sc["id"])), func(e execution) object { return s.logObject(sc, e) })
	return object{"scenarioLogs": rows, "pg": pg}, err
}

func (s *Server) getLog(c *call, sc object) (any, error) {
	e, _, err := s.findExecution(c, sc)
	if err != nil {
		return nil, err
	}
	if e.running(c.now) {
		return nil, notFound()
	}
	return object{"scenarioLog": s.logObject(sc, e)}, nil
}

func (s *Server) logObject(sc object, e execution) object {
	o, _ := s.state.team(integer(sc["teamId"]))
	return object{
		"imtId": logKey("scenario", sc["id"], e), "id": e.ID, "type": e.Type, "status": e.Status,
		"duration": e.Ends.Sub(e.Started).Milliseconds(), "operations": 1, "centicredits": 100, "transfer": 0,
		"organizationId": o.ID, "teamId": sc["teamId"], "authorId": e.Author, "instant": e.Instant,
		"timestamp": e.Started.Format(timeLayout),
	}
}

// logKey orders logs by time and names what they are about.
func logKey(of string, id any, e execution) string {
	return fmt.Sprintf("%013d_%s.%v.%s.%s", e.Started.UnixMilli(), of, id, e.Type, e.ID)
}

// logs are the runs that have ended and that the query asks for, newest first, and the pg member of the answer.
func (c *call) logs(runs []execution, show func(execution) object) ([]object, object, error) {
	wanted, err := c.logFilter()
	if err != nil {
		return nil, nil, err
	}
	rows := []object{}
	for _, e := range slices.Backward(runs) {
		if !e.running(c.now) && wanted(e) {
			rows = append(rows, show(e))
		}
	}
	if c.query().Get("pg[sortDir]") == "asc" {
		slices.Reverse(rows)
	}
	return cutLogs(rows, c.query())
}

// logFilter reads status, from and to, the latter in Unix milliseconds.
func (c *call) logFilter() (func(execution) bool, error) {
	query := c.query()
	wanted, err := pageNumber(query, "status", 0)
	if err != nil {
		return nil, err
	}
	if query.Get("status") != "" && (wanted < int(succeeded) || wanted > int(failed)) {
		return nil, badRequest("Invalid value of parameter 'status': one of 1, 2, 3 expected.")
	}
	from, err := pageNumber(query, "from", 0)
	if err != nil {
		return nil, err
	}
	to, err := pageNumber(query, "to", 0)
	if err != nil {
		return nil, err
	}
	return func(e execution) bool {
		return (wanted == 0 || int(e.Status) == wanted) &&
			(from == 0 || !e.Started.Before(time.UnixMilli(int64(from)))) &&
			(to == 0 || !e.Started.After(time.UnixMilli(int64(to))))
	}, nil
}

// cutLogs pages by the key of the last row that the client saw, or by offset.
func cutLogs(rows []object, query url.Values) ([]object, object, error) {
	limit, err := pageNumber(query, "pg[limit]", defaultLogLimit)
	if err != nil {
		return nil, nil, err
	}
	offset, err := pageNumber(query, "pg[offset]", 0)
	if err != nil {
		return nil, nil, err
	}
	showLast, _, err := flag(query, "pg[showLast]")
	if err != nil {
		return nil, nil, err
	}
	pg := object{"sortBy": "imtId", "sortDir": "desc", "limit": limit}
	if query.Get("pg[sortDir]") == "asc" {
		pg["sortDir"] = "asc"
	}
	if last := query.Get("pg[last]"); last != "" {
		offset = slices.IndexFunc(rows, func(row object) bool { return row["imtId"] == last })
		if offset < 0 {
			return nil, nil, badRequest("Invalid value of parameter 'pg[last]'.")
		}
		if !showLast {
			offset++
		}
	}
	rows = rows[min(offset, len(rows)):]
	rows = rows[:min(limit, len(rows))]
	if query.Get("pg[offset]") != "" {
		pg["offset"] = offset
		return rows, pg, nil
	}
	pg["last"], pg["showLast"] = "", showLast
	if len(rows) > 0 {
		pg["last"] = rows[len(rows)-1]["imtId"]
	}
	return rows, pg, nil
}
