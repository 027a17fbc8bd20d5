package consent

import "net/http"

// outcome is what a person meets at the end of a way: each has a page that says what happened and what to do.
type outcome struct {
	// Key names the outcome in the template, in a session and in the metric.
	Key string
	// Title is the page's heading.
	Title string
	// Good is set where nothing is left to do.
	Good bool

	status int
	again  bool   // starting anew is what to do
	reload string // value of the header Refresh; empty for none
}

// Outcomes of a session, kept with it.
var (
	granted      = outcome{Key: "granted", Title: "Connected", Good: true, status: http.StatusOK}
	partly       = outcome{Key: "partly", Title: "Connected, but with less than it needs", status: http.StatusOK, again: true}
	cancelled    = outcome{Key: "cancelled", Title: "Not connected", status: http.StatusOK, again: true}
	refused      = outcome{Key: "refused", Title: "Make refused the request", status: http.StatusBadGateway, again: true}
	changed      = outcome{Key: "changed", Title: "The connection changed", status: http.StatusConflict, again: true}
	stranger     = outcome{Key: "stranger", Title: "The wrong Make account", status: http.StatusForbidden, again: true}
	codeRefused  = outcome{Key: "code-refused", Title: "That took too long", status: http.StatusGone, again: true}
	clientDenied = outcome{Key: "client-denied", Title: "Make does not know this cluster", status: http.StatusBadGateway, again: true}
	interrupted  = outcome{Key: "interrupted", Title: "The operator was restarted", status: http.StatusServiceUnavailable, again: true}
	trouble      = outcome{Key: "trouble", Title: "Something did not answer", status: http.StatusBadGateway, again: true}
)

// outcomes finds an outcome of a session by its key.
var outcomes = func() map[string]outcome {
	byKey := map[string]outcome{}
	for _, o := range []outcome{
		granted, partly, cancelled, refused, changed, stranger, codeRefused, clientDenied, interrupted, trouble,
	} {
		byKey[o.Key] = o
	}
	return byKey
}()

// Outcomes of a single request.
var (
	finishing  = outcome{Key: "finishing", Title: "One moment", status: http.StatusOK, reload: "2"}
	expired    = outcome{Key: "expired", Title: "This consent is not open any more", status: http.StatusGone, again: true}
	elsewhere  = outcome{Key: "elsewhere", Title: "This consent was begun in another browser", status: http.StatusForbidden, again: true}
	misdirect  = outcome{Key: "misdirected", Title: "This answer is not the one that was awaited", status: http.StatusBadRequest, again: true}
	noCookie   = outcome{Key: "no-cookie", Title: "Your browser did not keep a cookie", status: http.StatusForbidden, again: true}
	crossSite  = outcome{Key: "cross-site", Title: "Not from here", status: http.StatusForbidden, again: true}
	absent     = outcome{Key: "absent", Title: "Nothing to consent to", status: http.StatusNotFound}
	nowhere    = outcome{Key: "nowhere", Title: "There is no such page", status: http.StatusNotFound}
	notYet     = outcome{Key: "not-yet", Title: "One moment", status: http.StatusServiceUnavailable, reload: "3"}
	nothingDue = outcome{Key: "nothing-due", Title: "Already connected", Good: true, status: http.StatusOK}
	notNow     = outcome{Key: "not-now", Title: "This connection cannot be connected now", status: http.StatusConflict}
	reread     = outcome{Key: "reread", Title: "The connection changed while you read", status: http.StatusConflict, again: true}
	noClient   = outcome{Key: "no-client", Title: "The OAuth client is missing", status: http.StatusConflict}
	noZone     = outcome{Key: "no-zone", Title: "The zone is not allowed", status: http.StatusConflict}
	noCluster  = outcome{Key: "no-cluster", Title: "The cluster does not answer", status: http.StatusServiceUnavailable, again: true}
	busy       = outcome{Key: "busy", Title: "Too many requests", status: http.StatusTooManyRequests}
)
