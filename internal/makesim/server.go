package makesim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"
)

// Options say what a Server starts from. The zero value is the default seed on the machine's clock.
type Options struct {
	// Seed is the state at the start; the zero Seed means DefaultSeed.
	Seed Seed
	// Clock is the base of the simulator's clock; nil means the machine's.
	Clock clock.PassiveClock
	// Ledger receives each entry as one line of JSON, in order; nil keeps the ledger in memory only.
	Ledger io.Writer
	// PublicURL is the issuer of the discovery document and of id_tokens, for example
	// "https://127.0.0.1:8443"; empty means "https://" and the Host of the request.
	PublicURL string
}

// Server is a simulated Make: zone API, authorization server and control endpoints in one handler.
// It is safe for concurrent use. Paths decide, the Host does not matter.
type Server struct {
	clock     clock.PassiveClock
	publicURL string
	mux       *http.ServeMux
	ledger    *ledger
	signer    func() (*signer, error)
	requests  atomic.Int64

	background *background

	mu    sync.Mutex // guards state
	state state
}

// New makes a Server, or says what is wrong with the seed.
func New(o Options) (*Server, error) {
	if o.Seed.isZero() {
		o.Seed = DefaultSeed()
	}
	if err := o.Seed.validate(); err != nil {
		return nil, fmt.Errorf("check seed: %w", err)
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	st, err := newState(o.Seed, o.Clock.Now().UTC())
	if err != nil {
		return nil, fmt.Errorf("check seed: %w", err)
	}
	s := &Server{
		clock:     o.Clock,
		publicURL: strings.TrimSuffix(o.PublicURL, "/"),
		mux:       http.NewServeMux(),
		ledger:    &ledger{out: o.Ledger},
		signer:    sync.OnceValues(newSigner),
		state:     st,

		background: newBackground(),
	}
	s.handle()
	return s, nil
}

// families are all endpoints that are not the simulator's own. A new family adds one line and one file.
func (s *Server) families() [][]route {
	return [][]route{
		s.authorizationRoutes(),
		s.userRoutes(),
		s.apiTokenRoutes(),
		s.organizationRoutes(),
		s.teamRoutes(),
		s.privateSpaceRoutes(),
		s.scenarioRoutes(),
		s.executionRoutes(),
		s.folderRoutes(),
		s.scenarioPropertyRoutes(),
		s.dlqRoutes(),
		s.hookRoutes(),
		s.deviceRoutes(),
		s.gatewayRoutes(),
		s.mcpRoutes(),
		s.enumRoutes(),
		s.keyRoutes(),
		s.connectionRoutes(),
		s.credentialRequestRoutes(),
		s.agentRoutes(),
		s.systemRoutes(),
		s.customPropertyRoutes(),
		s.auditLogRoutes(),
		s.variableRoutes(),
		s.roleRoutes(),
		s.customRoleRoutes(),
		s.dataStructureRoutes(),
		s.dataStoreRoutes(),
		s.functionRoutes(),
		s.templateRoutes(),
		s.sdkRoutes(),
	}
}

// handle registers every endpoint.
func (s *Server) handle() {
	for _, routes := range s.families() {
		for _, r := range routes {
			s.mux.HandleFunc(r.pattern, s.serve(r))
		}
	}
	s.handleControl()
	s.mux.HandleFunc("/", s.serve(route{open: true, do: func(*call) (any, error) { return nil, notFound() }}))
}

// Now is the time on the simulator's clock, UTC.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// Advance moves the simulator's clock, and with it expiry, rate limits and running scenarios, by d.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.offset += d
}

// now needs the lock.
func (s *Server) now() time.Time {
	return s.clock.Now().UTC().Add(s.state.offset)
}

// ServeHTTP answers one request and writes its ledger entry. Control requests leave no entry and meet no fault.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.mux.ServeHTTP(w, r)
		return
	}
	if err := s.ledger.failure(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	r = toGateway(r)
	x := &exchange{ResponseWriter: w, number: s.requests.Add(1)}
	x.record = RequestRecord{Method: r.Method, Remote: r.RemoteAddr, UserAgent: r.UserAgent()}
	defer s.recordRequest(x, r.URL.Path)
	s.serveWithFaults(x, r)
}

// exchange is one request under way: where its answer goes and what the ledger will say about it.
type exchange struct {
	http.ResponseWriter
	number  int64
	record  RequestRecord
	discard bool // the answer is computed, then thrown away
}

// Header returns the answer's header; of an answer that is thrown away, a scratch one.
func (x *exchange) Header() http.Header {
	if x.discard {
		return http.Header{}
	}
	return x.ResponseWriter.Header()
}

// WriteHeader notes the status for the ledger and sends it unless the answer is thrown away.
func (x *exchange) WriteHeader(status int) {
	x.record.Status = status
	if !x.discard {
		x.ResponseWriter.WriteHeader(status)
	}
}

// Write sends a part of the body unless the answer is thrown away.
func (x *exchange) Write(p []byte) (int, error) {
	if x.discard {
		return len(p), nil
	}
	return x.ResponseWriter.Write(p)
}
