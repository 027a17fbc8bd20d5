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
	// Ledger receives each entry as one line of JSON, in order; nil keeps the ledger in memory only. A
	// LedgerFile is also read: its numbers go on, and entries that left memory are found in it.
	Ledger io.Writer
	// LedgerLimit is how many entries stay in memory, the newest ones; zero keeps all. Long runs need one.
	LedgerLimit int
	// StateFile is where the state is kept across restarts; empty keeps it in memory only. If the file exists,
	// it is where the simulator goes on, and Seed only says whether that seed is sound.
	StateFile string
	// PublicURL is the issuer of the discovery document and of id_tokens, for example
	// "https://127.0.0.1:8443"; empty means "https://" and the Host of the request.
	PublicURL string
}

// Server is a simulated Make: zone API, authorization server and control endpoints in one handler.
// It is safe for concurrent use. Paths decide; a Host of hook.<zone> or mcp.<zone> only adds a prefix to them.
type Server struct {
	clock     clock.PassiveClock
	publicURL string
	mux       *http.ServeMux
	ledger    *ledger
	requests  atomic.Int64
	stateFile *stateFile // nil keeps the state in memory only

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
	s := &Server{
		clock:     o.Clock,
		publicURL: strings.TrimSuffix(o.PublicURL, "/"),
		mux:       http.NewServeMux(),
		ledger:    newLedger(o.Ledger, o.LedgerLimit),

		background: newBackground(),
	}
	if file, ok := o.Ledger.(*LedgerFile); ok {
		s.requests.Store(file.lastNumber)
	}
	if err := s.start(o); err != nil {
		return nil, err
	}
	s.handle()
	return s, nil
}

// start makes the state: that of the file if there is one, else the seed's.
func (s *Server) start(o Options) (err error) {
	if s.state, err = newState(o.Seed, o.Clock.Now().UTC()); err != nil {
		return fmt.Errorf("check seed: %w", err)
	}
	if o.StateFile == "" {
		return nil
	}
	s.stateFile = &stateFile{name: o.StateFile}
	saved, err := s.stateFile.read()
	if err != nil {
		return err
	}
	if saved != nil {
		s.state = *saved
	}
	s.touch()
	return s.persist() // a file that cannot be written is told at once
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
		s.roleRoutes(),
		s.customRoleRoutes(),
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
	s.touch()
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
	routeHost(r)
	x := &exchange{ResponseWriter: w, number: s.requests.Add(1)}
	x.record = RequestRecord{Method: r.Method, Remote: r.RemoteAddr, UserAgent: r.UserAgent()}
	w.Header().Set("Date", s.Now().Format(http.TimeFormat))
	defer s.recordRequest(x, r.URL.Path)
	s.serveWithFaults(x, r)
}
