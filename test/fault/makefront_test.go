package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// discard is for servers whose clients die.
var discard = log.New(io.Discard, "", 0)

// makeFront is Make as the managers of one world see it: HTTPS, with every presentation of a refresh token noted. A presentation
// counts from when it was sent, however late a disturbed one is processed.
type makeFront struct {
	sim    *makesim.Server
	server *httptest.Server
	caPEM  []byte
	// authorization, unless nil, takes the place of the simulator's authorization server.
	authorization *other
	inj           *injector
	// deleting is told of an API token that is about to be deleted, by its stamp.
	deleting func(stamp string)

	mu        sync.Mutex
	presented []presentation
	minted    map[string]string // values of API tokens, by stamp
}

// presentation is a refresh token that was sent to the token endpoint.
type presentation struct {
	token string // fingerprint
	sent  time.Time
	// answered is when the server had decided, successor the fingerprint that it gave out; both zero where it never did.
	answered  time.Time
	successor string
}

func newMakeFront(inj *injector) (*makeFront, error) {
	sim, err := makesim.New(makesim.Options{})
	if err != nil {
		return nil, err
	}
	authority, err := makesim.NewAuthority()
	if err != nil {
		return nil, err
	}
	pair, err := authority.Issue()
	if err != nil {
		return nil, err
	}
	f := &makeFront{sim: sim, caPEM: authority.PEM(), inj: inj, minted: map[string]string{}}
	f.server = httptest.NewUnstartedServer(f)
	f.server.TLS = sim.TLSConfig(authority, pair)
	f.server.TLS.NextProtos = []string{"http/1.1"}
	f.server.Config.ErrorLog = discard
	f.server.StartTLS()
	return f, nil
}

// zone is what spec.zone takes.
func (f *makeFront) zone() string { return strings.TrimPrefix(f.server.URL, "https://") }

const (
	tokenPath  = "/oauth/v2/token"
	tokensPath = "/api/v2/users/me/api-tokens"
)

func (f *makeFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	signature := makeSide + r.Method + " " + stamps.ReplaceAllString(r.URL.Path, "api-tokens/{created}")
	var form url.Values
	if r.URL.Path == tokenPath {
		if form, err = url.ParseQuery(string(body)); err != nil {
			panic(http.ErrAbortHandler)
		}
		signature += " " + form.Get("grant_type")
	}
	next := http.Handler(http.HandlerFunc(f.forward))
	if value := form.Get("refresh_token"); value != "" {
		next = f.present(value)
	}
	f.inj.serve(w, r, signature, next, refuseAsMake)
}

var stamps = regexp.MustCompile(`api-tokens/.+$`)

// forward lets the simulator answer, or the other authorization server.
func (f *makeFront) forward(w http.ResponseWriter, r *http.Request) {
	switch {
	case f.authorization != nil && !strings.HasPrefix(r.URL.Path, tokensPath):
		f.authorization.ServeHTTP(w, r)
	case r.Method == http.MethodPost && r.URL.Path == tokensPath:
		answer := httptest.NewRecorder()
		f.sim.ServeHTTP(answer, r)
		f.noteMinted(answer.Body.Bytes())
		pass(w, answer)
	default:
		if stamp, ok := strings.CutPrefix(r.URL.Path, tokensPath+"/"); ok && r.Method == http.MethodDelete && f.deleting != nil {
			f.deleting(stamp)
		}
		f.sim.ServeHTTP(w, r)
	}
}

// mint makes an API token as a person does in the profile; the scopes are a JSON list.
func (f *makeFront) mint(scopes string) (string, error) {
	r := httptest.NewRequest(http.MethodPost, tokensPath, strings.NewReader(`{"label":"by hand","scope":`+scopes+`}`))
	r.Header.Set("Authorization", "Token "+makesim.RootToken)
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	f.sim.ServeHTTP(answer, r)
	var got struct {
		APIToken struct{ Token string } `json:"apiToken"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || got.APIToken.Token == "" {
		return "", fmt.Errorf("mint by hand: status %d", answer.Code)
	}
	return got.APIToken.Token, nil
}

func (f *makeFront) noteMinted(answer []byte) {
	var got struct {
		APIToken struct{ Token, Created string } `json:"apiToken"`
	}
	if json.Unmarshal(answer, &got) == nil && got.APIToken.Created != "" {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.minted[got.APIToken.Created] = got.APIToken.Token
	}
}

// mintedValue is the API token of a stamp, "" if it is none of ours.
func (f *makeFront) mintedValue(stamp string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.minted[stamp]
}

// present notes a presentation, from when it was sent to when it was decided.
func (f *makeFront) present(value string) http.Handler {
	f.mu.Lock()
	n := len(f.presented)
	f.presented = append(f.presented, presentation{token: makesim.Fingerprint(value), sent: time.Now()})
	f.mu.Unlock()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		f.forward(answer, r)
		var got struct {
			RefreshToken string `json:"refresh_token"`
		}
		_ = json.Unmarshal(answer.Body.Bytes(), &got) // a refusal has none
		f.mu.Lock()
		f.presented[n].answered = time.Now()
		if got.RefreshToken != "" {
			f.presented[n].successor = makesim.Fingerprint(got.RefreshToken)
		}
		f.mu.Unlock()
		pass(w, answer)
	})
}

// presentations are those since a moment.
func (f *makeFront) presentations(since time.Time) []presentation {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []presentation
	for _, p := range f.presented {
		if !p.sent.Before(since) {
			out = append(out, p)
		}
	}
	return out
}

// refuseAsMake answers as Make's edge does: text without a code.
func refuseAsMake(w http.ResponseWriter, _ *http.Request, code int) {
	http.Error(w, http.StatusText(code), code)
}
