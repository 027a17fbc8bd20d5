package makeapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trickle answers at once with a body that never ends, the way net/http gives up on one: when the request's context ends.
type trickle struct{ asked time.Time }

func (s *trickle) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked = time.Now()
	body, end := io.Pipe()
	go func() {
		<-r.Context().Done()
		_ = end.CloseWithError(r.Context().Err()) // never fails
	}()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body}, nil
}

// No call outlasts its deadline, whatever the server does after the headers.
func TestSlowBodies(t *testing.T) {
	tests := []struct {
		name string
		call func(context.Context, *Client) error
		want time.Duration
		kind Kind
	}{
		{"read", func(ctx context.Context, c *Client) error { return ask(ctx, c.Zone("eu1.make.com", APIToken("token"))) }, callTimeout, Transient},
		{"run", func(ctx context.Context, c *Client) error {
			_, err := c.Zone("eu1.make.com", APIToken("token")).RunScenario(ctx, 1, nil, true)
			return err
		}, runTimeout, UnknownOutcome},
		{"refresh", func(ctx context.Context, c *Client) error {
			_, err := c.OAuth("eu1.make.com", OAuthClient{ID: "id"}).Refresh(ctx, "refresh")
			return err
		}, callTimeout, UnknownOutcome},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(Config{})
				if err != nil {
					t.Fatal(err)
				}
				s := &trickle{}
				c.api, c.grant = s, s
				err = tt.call(t.Context(), c)
				if took := time.Since(s.asked); KindOf(err) != tt.kind || took != tt.want {
					t.Errorf("error %v after %v, want kind %v after %v", err, took, tt.kind, tt.want)
				}
				if err != nil && !strings.Contains(err.Error(), "timeout") {
					t.Errorf("error %v does not speak of time", err)
				}
			})
		})
	}
}
