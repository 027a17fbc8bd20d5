package makesim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxBody is the largest request body that is read.
// Source: published measurements put Make's own limit between 2.1 and 2.8 MB.
const maxBody = 2_500_000

// object is a JSON object.
type object = map[string]any

// route is one endpoint.
type route struct {
	pattern string   // net/http ServeMux pattern
	open    bool     // needs no credential
	exempt  bool     // does not count against the organization's requests per minute
	scopes  []string // all of these are needed
	// pays is the organization whose budget a request spends where neither path nor query names one; nil, or
	// an answer of zero, means the user's first organization.
	pays func(c *call) int64
	can  string // the permission that the role in the tenant needs; state.enter and state.reach check it
	// do runs with the state locked. It returns what to send: a reply as it is, a waiting after it
	// has run without the lock, what a handover sends, anything else as JSON with status 200.
	do func(c *call) (any, error)
}

// waiting finishes an answer that takes time on the simulator's clock.
type waiting func(ctx context.Context) any

// handover lets another handler answer, without the lock.
type handover http.HandlerFunc

// reply is an answer that is not plain JSON with status 200.
type reply struct {
	status int
	header map[string]string
	body   []byte
}

// call is one request at one route.
type call struct {
	x      *exchange
	r      *http.Request
	route  route
	body   []byte
	values url.Values // see query
	now    time.Time  // the simulator's clock when the state was locked

	token *token // nil on open routes
	user  *User  // the token's
}

func (s *Server) serve(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x, ok := w.(*exchange)
		if !ok { // control requests are not recorded
			x = &exchange{ResponseWriter: w}
		}
		answer, err := s.answer(&call{x: x, r: r, route: rt}, rt)
		if lost := s.persist(); lost != nil {
			err = lost // an answer promises that what it did survives a restart
		}
		if later, ok := answer.(waiting); ok && err == nil {
			answer = later(r.Context())
		}
		if other, ok := answer.(handover); ok && err == nil {
			other(x, r)
			return
		}
		if err != nil {
			answer = errorReply(err)
		}
		write(x, answer)
	}
}

func (s *Server) answer(c *call, rt route) (any, error) {
	body, err := io.ReadAll(io.LimitReader(c.r.Body, maxBody+1))
	if err != nil {
		return nil, badRequest("The request body could not be read.")
	}
	if len(body) > maxBody {
		return nil, &apiError{status: http.StatusBadRequest, Detail: "request entity too large"}
	}
	c.body = body

	s.mu.Lock()
	defer s.mu.Unlock()
	c.now = s.now()
	if !rt.open {
		if err := s.admit(c, rt); err != nil {
			return nil, err
		}
	}
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead {
		s.touch()
	}
	return rt.do(c)
}

func write(w http.ResponseWriter, answer any) {
	r, ok := answer.(reply)
	if !ok {
		r = jsonReply(http.StatusOK, answer)
	}
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // the client may be gone; nobody is left to tell
}

func jsonReply(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		return textReply(http.StatusInternalServerError, fmt.Sprintf("encode answer: %v", err))
	}
	return reply{status: status, header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, body: body}
}

func textReply(status int, text string) reply {
	return reply{status: status, header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}, body: []byte(text)}
}

// isJSON reports whether the body is declared as JSON.
func (c *call) isJSON() bool {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	return err == nil && media == "application/json"
}

// decode reads a JSON body. Like Make's own server it sees nothing in a body that is not declared as JSON.
func (c *call) decode(into any) error {
	if len(c.body) == 0 || !c.isJSON() {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return badRequest(fmt.Sprintf("Invalid type of parameter '%s'.", wrong.Field))
		}
		return badRequest("The request body is not valid JSON.")
	}
	return nil
}

// id reads a numeric path parameter. Something that is not a number names nothing.
func (c *call) id(name string) (int64, error) {
	id, err := strconv.ParseInt(c.r.PathValue(name), 10, 64)
	if err != nil {
		return 0, notFound()
	}
	return id, nil
}

// queryID reads a numeric query parameter; zero means that it is absent.
func (c *call) queryID(name string) (int64, error) {
	text := c.query().Get(name)
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest(fmt.Sprintf("Invalid number in parameter '%s'.", name))
	}
	return id, nil
}
