package makesim

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// defaultLimit is the page size where the request names none. Source: observed on organizations and teams.
const defaultLimit = 10_000

// pick keeps the columns that cols[] asks for: all for "*", the default ones when it is absent.
// A column that does not exist is ignored.
func pick(o object, query url.Values, defaults ...string) object {
	columns := query["cols[]"]
	if len(columns) == 0 {
		columns = defaults
	}
	if len(columns) == 0 || slices.Contains(columns, "*") {
		return o
	}
	return picked(o, columns...)
}

// picked keeps those of the columns that exist.
func picked(o object, columns ...string) object {
	kept := object{}
	for _, column := range columns {
		if value, ok := o[column]; ok {
			kept[column] = value
		}
	}
	return kept
}

// page sorts and cuts a list by pg[sortBy], pg[sortDir], pg[offset] and pg[limit], then picks columns.
// It returns the rows and the pg member of the answer.
func page(rows []object, query url.Values, sortBy string, columns ...string) ([]object, object, error) {
	limit, err := pageNumber(query, "pg[limit]", defaultLimit)
	if err != nil {
		return nil, nil, err
	}
	offset, err := pageNumber(query, "pg[offset]", 0)
	if err != nil {
		return nil, nil, err
	}
	sortBy = cmp.Or(query.Get("pg[sortBy]"), sortBy)
	direction := cmp.Or(query.Get("pg[sortDir]"), "asc")
	if direction != "asc" && direction != "desc" {
		return nil, nil, badRequest("Invalid value of parameter 'pg[sortDir]'.")
	}
	slices.SortStableFunc(rows, func(a, b object) int {
		order := cmp.Or(compare(a[sortBy], b[sortBy]), compare(a["id"], b["id"]))
		if direction == "desc" {
			return -order
		}
		return order
	})
	rows = rows[min(offset, len(rows)):]
	rows = rows[:min(limit, len(rows))]
	kept := make([]object, 0, len(rows))
	for _, row := range rows {
		kept = append(kept, pick(row, query, columns...))
	}
	return kept, object{"sortBy": sortBy, "sortDir": direction, "limit": limit, "offset": offset}, nil
}

func pageNumber(query url.Values, name string, absent int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest(fmt.Sprintf("Invalid number in parameter '%s'.", name))
	}
	return n, nil
}

// compare orders numbers as numbers and everything else as text.
func compare(a, b any) int {
	x, xOK := a.(int64)
	y, yOK := b.(int64)
	if xOK && yOK {
		return cmp.Compare(x, y)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// flag reads a boolean query parameter; set is false when it is absent.
func flag(query url.Values, name string) (value, set bool, err error) {
	text := query.Get(name)
	if text == "" {
		return false, false, nil
	}
	value, err = strconv.ParseBool(text)
	if err != nil {
		return false, false, badRequest(fmt.Sprintf("Invalid boolean in parameter '%s'.", name))
	}
	return value, true, nil
}
