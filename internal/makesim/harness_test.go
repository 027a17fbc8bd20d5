package makesim_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/makeops/make-operator/internal/makesim"
)

const redirect = "http://127.0.0.1:4711/oauth/callback"

// noon is where the clock stands.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// sim is a simulator with a clock that stands still and a client that trusts it and follows no redirect.
type sim struct {
	*makesim.TLSServer
	t    *testing.T
	http *http.Client
}

func start(t *testing.T) *sim {
	t.Helper()
	return startWith(t, makesim.Options{})
}

func startWith(t *testing.T, o makesim.Options) *sim {
	t.Helper()
	if o.Clock == nil {
		o.Clock = testclock.NewFakePassiveClock(noon)
	}
	server, err := makesim.NewTLSServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: server.CAPool(), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &sim{TLSServer: server, t: t, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// request sends one; an empty authorization sends none, a nil body sends none.
func (s *sim) request(method, path, authorization, contentType string, body io.Reader) (answer, error) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return s.read(r)
}

// read sends a request and reads the answer.
func (s *sim) read(r *http.Request) (answer, error) {
	s.t.Helper()
	response, err := s.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &a.json); err != nil {
			s.t.Fatalf("%s %s: answer is not JSON: %v", r.Method, r.URL.Path, err)
		}
	}
	return a, nil
}

func (s *sim) must(a answer, err error) answer {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *sim) get(path, authorization string) answer {
	s.t.Helper()
	return s.must(s.request(http.MethodGet, path, authorization, "", nil))
}

func (s *sim) send(method, path, authorization, body string) answer {
	s.t.Helper()
	return s.must(s.request(method, path, authorization, "application/json", strings.NewReader(body)))
}

func (s *sim) form(path string, form url.Values) answer {
	s.t.Helper()
	return s.must(s.request(http.MethodPost, path, "", "application/x-www-form-urlencoded", strings.NewReader(form.Encode())))
}

// knobs changes knobs from Go.
func (s *sim) knobs(change func(*makesim.Knobs)) {
	s.t.Helper()
	k := s.Knobs()
	change(&k)
	if err := s.SetKnobs(k); err != nil {
		s.t.Fatal(err)
	}
}

// verifier is a PKCE verifier and its S256 challenge.
const verifier = "a-verifier-of-at-least-forty-three-characters-0123456789"

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// consentForm is what the consent page submits.
func consentForm(client, scope string) url.Values {
	return url.Values{
		"client_id": {client}, "response_type": {"code"}, "redirect_uri": {redirect}, "scope": {scope},
		"state": {"st&te"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}, "decision": {"approve"},
	}
}

func location(t *testing.T, a answer) *url.URL {
	t.Helper()
	if a.status != http.StatusSeeOther {
		t.Fatalf("status %d, want a redirect: %s", a.status, a.text)
	}
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// code lets the first user consent and returns the code.
func (s *sim) code(client, scope string) string {
	s.t.Helper()
	return location(s.t, s.form("/oauth/v2/authorize", consentForm(client, scope))).Query().Get("code")
}

// exchangeForm is the token request for a code; the secret is left out for the public client.
func exchangeForm(client, code string) url.Values {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {client}, "code": {code},
		"redirect_uri": {redirect}, "code_verifier": {verifier},
	}
	if client == makesim.OAuthClientID {
		form.Set("client_secret", makesim.OAuthClientSecret)
	}
	return form
}

// tokens lets the first user consent to the confidential client and returns its first tokens.
func (s *sim) tokens(scope string) (access, refresh string) {
	s.t.Helper()
	a := s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, s.code(makesim.OAuthClientID, scope)))
	if a.status != http.StatusOK {
		s.t.Fatalf("exchange: status %d: %s", a.status, a.text)
	}
	return text(a, "access_token"), text(a, "refresh_token")
}

func (s *sim) refresh(token string) answer {
	s.t.Helper()
	return s.form("/oauth/v2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {makesim.OAuthClientID},
		"client_secret": {makesim.OAuthClientSecret}, "refresh_token": {token},
	})
}

// at walks into JSON by member names.
func at(a answer, path ...string) any {
	var value any = a.json
	for _, name := range path {
		o, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = o[name]
	}
	return value
}

func text(a answer, path ...string) string {
	value, _ := at(a, path...).(string)
	return value
}

// names collects one member of each element of a list.
func column(a answer, list, member string) []any {
	rows, _ := a.json[list].([]any)
	values := []any{}
	for _, row := range rows {
		o, _ := row.(map[string]any)
		values = append(values, o[member])
	}
	return values
}

// as lets a user consent and returns what the Authorization header has to hold.
func (s *sim) as(user int64, scope string) string {
	s.t.Helper()
	form := consentForm(makesim.OAuthClientID, scope)
	form.Set("user", strconv.FormatInt(user, 10))
	code := location(s.t, s.form("/oauth/v2/authorize", form)).Query().Get("code")
	return "Bearer " + text(s.form("/oauth/v2/token", exchangeForm(makesim.OAuthClientID, code)), "access_token")
}

// refusal is a request and the error that it must meet.
type refusal struct {
	method, path, authorization, body string
	status                            int
	code, says                        string
}

func (s *sim) refuses(refusals map[string]refusal) {
	s.t.Helper()
	for name, r := range refusals {
		a := s.send(r.method, "/api/v2"+r.path, r.authorization, r.body)
		if code, _ := a.json["code"].(string); a.status != r.status || code != r.code || !strings.Contains(a.text, r.says) {
			s.t.Errorf("%s: %s %s: got %d %s", name, r.method, r.path, a.status, a.text)
		}
	}
}

// monitor is the user with the role Team Monitoring in team 7.
const monitor int64 = 1003

const (
	root   = "Token " + makesim.RootToken
	reader = "Token " + makesim.ReaderToken
	other  = "Token " + makesim.OtherToken
)

// newRequest and do are for requests that need headers or a Host of their own.
func (s *sim) newRequest(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	return r
}

func (s *sim) do(r *http.Request) answer {
	s.t.Helper()
	return s.must(s.read(r))
}
