package consent

import (
	"maps"
	"net/http"
	"slices"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/scope"
)

// Gallery serves every page with the longest names that there are, below /gallery/, and says which there are.
func (s *Server) Gallery(conn *v1alpha1.MakeConnection) (http.Handler, []string) {
	all := maps.Clone(outcomes)
	for _, o := range []outcome{
		finishing, expired, elsewhere, misdirect, noCookie, crossSite, absent, nowhere, notYet, nothingDue, notNow, reread, noClient,
		noZone, noCluster, busy,
	} {
		all[o.Key] = o
	}
	about := view{
		Namespace: conn.Namespace, Name: conn.Name, OrganizationID: conn.Spec.OrganizationID, Account: "Ada Example",
		Scopes: []string{"organization-variables:write"}, Secret: conn.Spec.Auth.OAuth.ClientRef.Name, Code: "temporarily_unavailable",
		Unrevoked: true,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", stylesheet)
	mux.HandleFunc("GET /gallery/{key}", func(w http.ResponseWriter, r *http.Request) {
		switch key := r.PathValue("key"); key {
		case "start":
			s.show(r.Context(), w, "start.html", http.StatusOK, newStartPage(conn))
		case "start-short":
			short := conn.DeepCopy()
			short.Namespace, short.Name, short.Spec.Zone, short.Spec.OrganizationID = "sales", "crm", "eu1.make.com", 42
			short.Spec.Scopes = []v1alpha1.Scope{"teams:read", "scenarios:read", "scenarios:run", "connections:write"}
			short.Spec.Consumers = []v1alpha1.Consumer{{ServiceAccountName: "reporting"}}
			s.show(r.Context(), w, "start.html", http.StatusOK, newStartPage(short))
		case "leave":
			target := "https://www.make.com/oauth/v2/authorize?client_id=x"
			s.show(r.Context(), w, "leave.html", http.StatusOK, leavePage{"www.make.com", target})
		default:
			o := all[key]
			o.reload = ""
			s.tell(r.Context(), w, o, about)
		}
	})
	return hardened(mux), append(slices.Sorted(maps.Keys(all)), "start", "start-short", "leave")
}

// EveryScope is the catalogue as a spec's scopes.
func EveryScope() []v1alpha1.Scope {
	var names []v1alpha1.Scope
	for _, info := range scope.All() {
		names = append(names, v1alpha1.Scope(info.Name))
	}
	return names
}
