package consent

import (
	"errors"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/internal/makeapi"
)

// errorCodes are the codes with which an authorization server may answer instead of a code.
// Source: RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6. Others are shown as "unknown".
var errorCodes = map[string]bool{
	"invalid_request": true, "unauthorized_client": true, "unsupported_response_type": true, "invalid_scope": true,
	"server_error": true, "temporarily_unavailable": true, "interaction_required": true, "login_required": true,
}

// callback takes Make's answer, ends the consent, and sends the browser to the result page, whose address holds no code.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	ctx, query := r.Context(), r.URL.Query()
	uid, nonce, ok := splitState(query.Get("state"))
	if !ok {
		s.tell(ctx, w, expired, view{})
		return
	}
	all, _, err := s.readSessions(ctx, uid)
	if err != nil {
		logf.FromContext(ctx).Error(err, "read consent session")
		s.tell(ctx, w, noCluster, view{})
		return
	}
	found := all.byNonce(nonce)
	switch {
	case found == nil:
		s.tell(ctx, w, expired, view{})
		return
	case !found.begunWith(s.binding(r, uid)):
		s.tell(ctx, w, elsewhere, found.view())
		return
	case found.open(s.Clock.Now()):
		if s.end(w, r, found) {
			return
		}
	case found.Taken.IsZero() && found.Outcome == "":
		s.tell(ctx, w, expired, found.view())
		return
	}
	//nolint:gosec // G710: at our own address, to a UID of the form of one and a hash
	http.Redirect(w, r, s.PublicURL+resultPath+string(uid)+"/"+found.id(), http.StatusSeeOther)
}

// end ends an open session with what Make answered. It returns true if it told the person itself, and leaves the session open then.
func (s *Server) end(w http.ResponseWriter, r *http.Request, open *session) bool {
	ctx, query := r.Context(), r.URL.Query()
	mistaken, err := s.misdirected(r, open)
	if err != nil {
		logf.FromContext(ctx).Error(err, "check the answer to a consent", "connection", open.Namespace+"/"+open.Name)
		s.tell(ctx, w, noCluster, open.view())
		return true
	}
	if mistaken {
		s.tell(ctx, w, misdirect, open.view())
		return true
	}
	if code := query.Get("error"); code != "" {
		result := refused
		if code == "access_denied" {
			result = cancelled
		} else if !errorCodes[code] {
			code = "unknown"
		}
		err = s.change(ctx, open, func(stored *session) { stored.Outcome, stored.Code = result.Key, code })
		if err == nil {
			s.count(result)
		}
	} else {
		err = s.finish(ctx, open, query.Get("code"))
	}
	if err != nil && !errors.Is(err, errSession) { // the result page says what happened to a session that somebody else has
		logf.FromContext(ctx).Error(err, "finish consent", "connection", open.Namespace+"/"+open.Name)
	}
	return false
}

// misdirected reports whether an answer cannot be the one to our question: a parameter is repeated, neither code nor error is there,
// or the answer says that it comes from another authorization server (RFC 9207).
func (s *Server) misdirected(r *http.Request, open *session) (bool, error) {
	query := r.URL.Query()
	if repeated(query) || (query.Get("code") == "") == (query.Get("error") == "") {
		return true, nil
	}
	if !query.Has("iss") {
		return false, nil
	}
	conn, err := s.connection(r.Context(), open)
	if apierrors.IsNotFound(err) || err == nil && conn == nil {
		return false, nil // finish says so
	}
	if err != nil {
		return false, err
	}
	return s.Make.OAuth(conn.Spec.Zone, makeapi.OAuthClient{}).Issuer() != query.Get("iss"), nil
}

func repeated(query url.Values) bool {
	for _, name := range []string{"state", "code", "error", "iss"} {
		if len(query[name]) > 1 {
			return true
		}
	}
	return false
}
