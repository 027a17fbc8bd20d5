package consent

import (
	"errors"
	"net/http"

	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// result says what became of a consent, to the browser that began it, as often as it asks.
func (s *Server) result(w http.ResponseWriter, r *http.Request) {
	ctx, uid := r.Context(), types.UID(r.PathValue("uid"))
	if !isUID(string(uid)) {
		s.tell(ctx, w, nowhere, view{})
		return
	}
	all, _, err := s.readSessions(ctx, uid)
	if err != nil {
		logf.FromContext(ctx).Error(err, "read consent session")
		s.tell(ctx, w, noCluster, view{})
		return
	}
	found := all.byID(r.PathValue("id"), s.binding(r, uid))
	if found == nil || found.open(s.Clock.Now()) {
		s.tell(ctx, w, expired, view{})
		return
	}
	if found.Outcome == "" && s.past(found.Taken.Add(lease)) {
		if err := s.resume(ctx, found); err != nil && !errors.Is(err, errSession) {
			logf.FromContext(ctx).Error(err, "finish consent of another process", "connection", found.Namespace+"/"+found.Name)
		}
	}
	o, ended := outcomes[found.Outcome]
	if !ended {
		o = finishing
	}
	s.tell(ctx, w, o, found.view())
}
