package consent

import (
	"crypto/rand"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// cookieName is the cookie that binds a consent to the browser that began it, one for each connection. Over https no other host, and
// no page on plain http, can set it (the prefix __Host-). Plain http is for loopback only; there browsers refuse the prefix, and
// cookies are shared among the ports of the host: it is as strong as the machine's own user separation.
func (s *Server) cookieName(uid types.UID) string {
	if s.secure() {
		return "__Host-make-consent-" + string(uid)
	}
	return "make-consent-" + string(uid)
}

// cookieLife is how long a browser may take from opening the start page to leaving it, and again for the rest.
const cookieLife = time.Hour

// bind gives the browser its cookie, again if it has one. It comes back with the navigation from Make, which is
// what SameSite=Lax lets through, but not with a form of another site.
func (s *Server) bind(w http.ResponseWriter, r *http.Request, uid types.UID) {
	value := s.binding(r, uid)
	if value == "" {
		value = rand.Text()
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // G124: Secure wherever the pages are served by https
		Name: s.cookieName(uid), Value: value, Path: "/", MaxAge: int(cookieLife.Seconds()),
		Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// binding is the cookie that the browser sent; empty if it sent none that we could have given.
func (s *Server) binding(r *http.Request, uid types.UID) string {
	cookie, err := r.Cookie(s.cookieName(uid))
	if err != nil || len(cookie.Value) != len(rand.Text()) {
		return ""
	}
	return cookie.Value
}
