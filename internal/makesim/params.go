package makesim

import "net/url"

// query returns the parsed query.
func (c *call) query() url.Values {
	if c.values == nil {
		c.values = c.r.URL.Query()
	}
	return c.values
}

// tenant reads the tenant that a request names, in its query or else in its body.
func (c *call) tenant(where tenant, body object) (int64, error) {
	id, err := c.queryID(string(where))
	if err != nil {
		return 0, err
	}
	if id == 0 {
		id = integer(body[string(where)])
	}
	if id == 0 {
		return 0, badRequest(missing(string(where)))
	}
	return id, nil
}

// confirmed asks for confirmed=true.
func (c *call) confirmed(what string) error {
	if c.query().Get("confirmed") == "true" {
		return nil
	}
	return confirmationRequired(what)
}

// integer is the whole number in a JSON value, zero in any other.
func integer(value any) int64 {
	n, _ := value.(int64)
	return n
}
