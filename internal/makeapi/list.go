package makeapi

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
)

const (
	// pageSize is what a list call asks for at a time.
	pageSize = 200
	// maxPages ends a list that would not end by itself.
	maxPages = 100
)

// page is what every list answer tells about itself.
type page struct {
	Pg struct {
		Limit int `json:"limit"`
	} `json:"pg"`
}

// list makes r once per page until a page is not full. collect decodes one
// answer and says how many items it held.
// Source: developers.make.com/api-documentation/pagination-sorting-filtering; lists carry no total.
func (z *Zone) list(ctx context.Context, r request, collect func([]byte) (int, error)) error {
	offset := 0
	for range maxPages {
		paged := r
		paged.query = url.Values{"pg[limit]": {strconv.Itoa(pageSize)}, "pg[offset]": {strconv.Itoa(offset)}}
		maps.Copy(paged.query, r.query)

		var raw json.RawMessage
		if err := z.call(ctx, paged, &raw); err != nil {
			return err
		}
		var p page
		n, err := collect(raw)
		if err != nil || json.Unmarshal(raw, &p) != nil {
			return &Error{Op: r.op, Kind: Transient, Reason: "answer not understood"}
		}
		offset += n
		full := pageSize
		if p.Pg.Limit > 0 && p.Pg.Limit < full {
			full = p.Pg.Limit // Make caps some limits below what was asked
		}
		if n < full {
			return nil
		}
	}
	return &Error{Op: r.op, Kind: Invalid, Reason: "list does not end"}
}
