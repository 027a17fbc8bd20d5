package makeapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
)

// hangUp ends the connection without an answer.
func hangUp(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.Close()
}

// cutShort sends less of a body than it announced.
func cutShort(t *testing.T, w http.ResponseWriter) {
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"access_token\":\"access-value\"")
	_ = out.Flush()
	_ = conn.Close()
}

// What a caller may conclude when no complete answer came, for a call that may be
// repeated and for those that may not. Nothing is ever sent twice.
func TestLostAnswers(t *testing.T) {
	faults := map[string]struct {
		do           func(*testing.T, http.ResponseWriter)
		read, change makeapi.Kind
	}{
		"connection closed": {hangUp, makeapi.Transient, makeapi.UnknownOutcome},
		"body cut short":    {cutShort, makeapi.Transient, makeapi.UnknownOutcome},
		"body too large": {func(_ *testing.T, w http.ResponseWriter) {
			_, _ = w.Write(bytes.Repeat([]byte(" "), 4<<20+1))
		}, makeapi.Invalid, makeapi.UnknownOutcome},
		"server error": {func(_ *testing.T, w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
		}, makeapi.Transient, makeapi.UnknownOutcome},
	}
	for name, fault := range faults {
		calls := map[string]struct {
			do   func(context.Context, *makeapi.Zone, *makeapi.OAuth) error
			want makeapi.Kind
		}{
			"list": {func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) error {
				_, err := z.ListTokens(ctx)
				return err
			}, fault.read},
			"create": {func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) error {
				_, err := z.CreateToken(ctx, "label", []string{"scenarios:read"})
				return err
			}, fault.change},
			"run": {func(ctx context.Context, z *makeapi.Zone, _ *makeapi.OAuth) error {
				_, err := z.RunScenario(ctx, 1, nil, true)
				return err
			}, fault.change},
			"exchange": {func(ctx context.Context, _ *makeapi.Zone, o *makeapi.OAuth) error {
				_, err := o.Exchange(ctx, "code-value", "verifier-value")
				return err
			}, fault.change},
			"refresh": {func(ctx context.Context, _ *makeapi.Zone, o *makeapi.OAuth) error {
				_, err := o.Refresh(ctx, refreshToken)
				return err
			}, fault.change},
		}
		for call, tt := range calls {
			t.Run(name+"/"+call, func(t *testing.T) {
				var requests atomic.Int32
				client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
					requests.Add(1)
					fault.do(t, w)
				})
				err := tt.do(t.Context(), client.Zone(zone, makeapi.APIToken(apiToken)), client.OAuth(zone, confidential()))
				if got := makeapi.KindOf(err); got != tt.want {
					t.Errorf("kind %v (%v), want %v", got, err, tt.want)
				}
				if requests.Load() != 1 {
					t.Errorf("%d requests, want 1", requests.Load())
				}
			})
		}
	}
}

// A request that was certainly not sent may be repeated, even a refresh.
func TestNotSent(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	zone := strings.TrimPrefix(server.URL, "https://")

	distrusting, err := makeapi.New(makeapi.Config{ExtraZones: []string{zone}, RootCAs: x509.NewCertPool()})
	if err != nil {
		t.Fatal(err)
	}
	wantNotSent(t, distrusting, zone, "refresh access token: transient (server certificate not trusted)")

	client := newClient(t, server.Certificate(), zone)
	server.Close()
	wantNotSent(t, client, zone, "refresh access token: transient (connection refused)")
}

func wantNotSent(t *testing.T, client *makeapi.Client, zone, text string) {
	t.Helper()
	_, err := client.OAuth(zone, confidential()).Refresh(t.Context(), refreshToken)
	if makeapi.KindOf(err) != makeapi.Transient || err.Error() != text {
		t.Errorf("error %q of kind %v, want %q of kind %v", err, makeapi.KindOf(err), text, makeapi.Transient)
	}
}

func TestTLS11IsRefused(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	zone := strings.TrimPrefix(server.URL, "https://")
	_, err := newClient(t, server.Certificate(), zone).Zone(zone, makeapi.APIToken(apiToken)).Me(t.Context())
	if want := "get user: transient (TLS handshake failed)"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestContextErrorsAreVisible(t *testing.T) {
	arrived := make(chan struct{}, 2)
	client, zone := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a lost client only after the body
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		_, err := client.OAuth(zone, confidential()).Refresh(ctx, refreshToken)
		if !errors.Is(err, context.Canceled) || makeapi.KindOf(err) != makeapi.UnknownOutcome {
			t.Errorf("error %v of kind %v, want %v of kind %v", err, makeapi.KindOf(err), context.Canceled, makeapi.UnknownOutcome)
		}
	})
	t.Run("canceled for a reason", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-arrived; cancel(errors.New("shutting down")) }()
		_, err := client.Zone(zone, makeapi.APIToken(apiToken)).Me(ctx)
		if !errors.Is(err, context.Canceled) || makeapi.KindOf(err) != makeapi.Transient {
			t.Errorf("error %v of kind %v, want %v of kind %v", err, makeapi.KindOf(err), context.Canceled, makeapi.Transient)
		}
	})
	t.Run("canceled while the body comes", func(t *testing.T) {
		begun := make(chan struct{})
		client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
			answerJSON(w, http.StatusOK, `{"authUser":`)
			_ = http.NewResponseController(w).Flush()
			close(begun)
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		if _, err := client.Zone(zone, makeapi.APIToken(apiToken)).Me(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
	})
	t.Run("past deadline", func(t *testing.T) {
		ctx, cancel := context.WithDeadline(t.Context(), now.AddDate(-10, 0, 0))
		defer cancel()
		_, err := client.OAuth(zone, confidential()).Refresh(ctx, refreshToken)
		if !errors.Is(err, context.DeadlineExceeded) || makeapi.KindOf(err) != makeapi.Transient {
			t.Errorf("error %v of kind %v, want %v of kind %v", err, makeapi.KindOf(err), context.DeadlineExceeded, makeapi.Transient)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var paths []string
	client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	_, err := client.Zone(zone, makeapi.APIToken(apiToken)).Me(t.Context())
	if makeapi.KindOf(err) != makeapi.Invalid {
		t.Errorf("kind %v, want %v", makeapi.KindOf(err), makeapi.Invalid)
	}
	_, err = client.OAuth(zone, confidential()).Refresh(t.Context(), refreshToken)
	if makeapi.KindOf(err) != makeapi.Invalid {
		t.Errorf("kind %v of a refresh, want %v", makeapi.KindOf(err), makeapi.Invalid)
	}
	if diff := cmp.Diff([]string{"/api/v2/users/me", "/oauth/v2/token"}, paths); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// Every token request has a connection of its own.
func TestTokenRequestsDoNotShareConnections(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, http.StatusOK, `{"access_token":"a","token_type":"Bearer"}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	zone := strings.TrimPrefix(server.URL, "https://")
	client := newClient(t, server.Certificate(), zone)
	const requests = 3
	for range requests {
		if _, err := client.OAuth(zone, confidential()).Refresh(t.Context(), refreshToken); err != nil {
			t.Fatal(err)
		}
	}
	if connections.Load() != requests {
		t.Errorf("%d connections for %d requests", connections.Load(), requests)
	}
}

func TestListPages(t *testing.T) {
	tests := []struct {
		name                string
		total, limit        int // limit is what the server caps pages to; 0 = what was asked
		wantItems, wantGets int
		wantKind            makeapi.Kind
	}{
		{name: "one page", total: 3, wantItems: 3, wantGets: 1},
		{name: "exactly one page", total: 200, wantItems: 200, wantGets: 2},
		{name: "several pages", total: 450, wantItems: 450, wantGets: 3},
		{name: "server caps the page", total: 120, limit: 50, wantItems: 120, wantGets: 3},
		{name: "no end", total: 1 << 30, wantItems: 200 * 100, wantGets: 100, wantKind: makeapi.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gets := 0
			client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
				gets++
				answerJSON(w, http.StatusOK, teamsPage(t, r, tt.total, tt.limit))
			})
			teams, err := client.Zone(zone, makeapi.APIToken(apiToken)).Teams(t.Context(), 42)
			if makeapi.KindOf(err) != tt.wantKind {
				t.Errorf("error %v, want kind %v", err, tt.wantKind)
			}
			if len(teams) != tt.wantItems || gets != tt.wantGets {
				t.Errorf("%d teams by %d calls, want %d by %d", len(teams), gets, tt.wantItems, tt.wantGets)
			}
			for i, team := range teams {
				if team.ID != int64(i) {
					t.Fatalf("team %d has ID %d", i, team.ID)
				}
			}
		})
	}
}

// teamsPage answers a page of the teams 0 to total-1.
func teamsPage(t *testing.T, r *http.Request, total, limitCap int) string {
	var limit, offset int
	if _, err := fmt.Sscan(r.URL.Query().Get("pg[limit]")+" "+r.URL.Query().Get("pg[offset]"), &limit, &offset); err != nil {
		t.Error(err)
	}
	if limitCap > 0 {
		limit = min(limit, limitCap)
	}
	var teams []string
	for id := offset; id < min(offset+limit, total); id++ {
		teams = append(teams, fmt.Sprintf(`{"id":%d,"name":"t","organizationId":42}`, id))
	}
	return fmt.Sprintf(`{"teams":[%s],"pg":{"limit":%d,"offset":%d}}`, strings.Join(teams, ","), limit, offset)
}
