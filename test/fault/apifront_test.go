package fault

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// apiFront stands between one manager and the API server. It shows the manager one namespace of users only, so that many managers
// share an API server and each of them believes that it has one for itself.
type apiFront struct {
	world *world
	proxy *httputil.ReverseProxy
	// lies answers what concerns leases in the API server's place; nil leaves them alone.
	lies http.Handler
	inj  *injector
}

// newAPIFront listens on loopback without TLS: who connects is the administrator.
func newAPIFront(w *world, inj *injector) (*apiFront, *httptest.Server, error) {
	config := rest.CopyConfig(cluster.Config)
	config.Dial = (&net.Dialer{}).DialContext // client-go shares connections between equal configurations
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, nil, err
	}
	target, err := url.Parse(cluster.Config.Host)
	if err != nil {
		return nil, nil, err
	}
	f := &apiFront{world: w, inj: inj}
	f.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.URL.Path = w.within(p.Out.URL.Path)
		},
		Transport: transport, FlushInterval: -1, ErrorLog: discard,
	}
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = discard
	server.Start()
	return f, server, nil
}

func (f *apiFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/leases") {
		if f.lies != nil {
			f.lies.ServeHTTP(w, r)
			return
		}
		f.proxy.ServeHTTP(w, r)
		return
	}
	f.inj.serve(w, r, f.world.signature(r), http.HandlerFunc(f.forward), refuseAsAPIServer)
}

// forward hands a request on; of a written grant it notes what is stored now.
func (f *apiFront) forward(w http.ResponseWriter, r *http.Request) {
	writes := r.Method == http.MethodPut || r.Method == http.MethodPost || r.Method == http.MethodPatch
	if !writes || !strings.Contains(r.URL.Path, "/namespaces/"+f.world.operator+"/secrets") {
		f.proxy.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	f.proxy.ServeHTTP(answer, r)
	if answer.Code < 300 {
		f.world.noteStored(context.WithoutCancel(r.Context()), answer.Body.Bytes())
	}
	pass(w, answer)
}

// refuseAsAPIServer answers a Status.
func refuseAsAPIServer(w http.ResponseWriter, r *http.Request, code int) {
	reasons := map[int]metav1.StatusReason{
		http.StatusConflict: metav1.StatusReasonConflict, http.StatusTooManyRequests: metav1.StatusReasonTooManyRequests,
		http.StatusInternalServerError: metav1.StatusReasonInternalError,
	}
	reason := reasons[code]
	if code == http.StatusConflict && r.Method == http.MethodPost {
		reason = metav1.StatusReasonAlreadyExists
	}
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code),
		Reason: reason, Message: "injected by the fault sweep",
	}
	if code == http.StatusTooManyRequests {
		status.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status) // the client may have left
}

// clusterWide is a path of a list over all namespaces, of kinds that live in the users'.
var clusterWide = regexp.MustCompile(
	`^(/api/v1|/apis/[^/]+/[^/]+)/(makeconnections|makemcpservers|configmaps|services|serviceaccounts|deployments|networkpolicies|pods|roles|rolebindings)$`)

// within narrows a list over all namespaces to the world's. Lists of Secrets stay as they are: the operator's own count too.
func (w *world) within(path string) string {
	if m := clusterWide.FindStringSubmatch(path); m != nil {
		return m[1] + "/namespaces/" + w.user + "/" + m[2]
	}
	return path
}

var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	events = regexp.MustCompile(`/events/.*$`)
	groups = regexp.MustCompile(`^/(api|apis/[^/]+)/[^/]+`)
)

// signature is a request to the API server without what differs from run to run.
func (w *world) signature(r *http.Request) string {
	path := groups.ReplaceAllString(r.URL.Path, "")
	path = strings.Replace(path, "/namespaces/"+w.user, "/{user}", 1)
	path = strings.Replace(path, "/namespaces/"+w.operator, "/{operator}", 1)
	path = events.ReplaceAllString(uuids.ReplaceAllString(path, "{uid}"), "/events/{event}")
	verb := r.Method
	switch {
	case verb == http.MethodGet && r.URL.Query().Get("watch") != "":
		verb = "WATCH"
	case verb == http.MethodGet && isList(r.URL.Path):
		verb = "LIST"
	}
	return apiSide + verb + " " + path
}

// isList reports whether the path names a kind and not an object of it.
func isList(path string) bool {
	parts := strings.Split(strings.Trim(groups.ReplaceAllString(path, ""), "/"), "/")
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	return len(parts) == 1 && parts[0] != ""
}
