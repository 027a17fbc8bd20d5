package mcp

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/mcp/limit"
)

// throttle counts a request and shows the caller how its limits stand, or answers that they are used up.
func (f *front) throttle(w http.ResponseWriter, r *http.Request, rec *audit.Record, who caller, class string) string {
	rec.Note(func(e *audit.Entry) { e.LimitClass = class })
	d, err := f.limits.takeCall(r.Context(), who.principal, class)
	if err != nil { // no store fails; if one did, calls would not pass uncounted
		f.log.Error("call was not counted", "error", err)
		refuseFor(w, http.StatusServiceUnavailable, time.Second)
		return "limits_unavailable"
	}
	describeLimit(w.Header(), d)
	f.metrics.limited(d)
	if !d.Allowed {
		refuseFor(w, http.StatusTooManyRequests, d.RetryAfter)
		return reasonRateLimited
	}
	return ""
}

// reasonRateLimited is the reason of requests that had their share; see audit.RateLimited.
const reasonRateLimited = "rate_limited"

// reasonTooManyFailures is the reason of requests from addresses that sent too many bad tokens.
const reasonTooManyFailures = "too_many_failed_authentications"

// outcomeOfRefusal is how the audit log calls a refusal.
func outcomeOfRefusal(reason string) audit.Outcome {
	switch reason {
	case reasonRateLimited, reasonTooManyFailures, reasonTooManyAtOnce:
		return audit.RateLimited
	}
	return audit.Denied
}

// describeLimit tells the policy that decided and how it stands. Source: draft-ietf-httpapi-ratelimit-headers-10.
func describeLimit(h http.Header, d limit.Decision) {
	name, rate := d.Bucket.Name, d.Bucket.Rate
	h.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=%d", name, rate.Count, wholeSeconds(rate.Period)))
	h.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", name, d.Remaining, wholeSeconds(d.Reset)))
}

// refuseFor is refuse for something that a later try may change.
func refuseFor(w http.ResponseWriter, status int, after time.Duration) {
	w.Header().Set("Retry-After", strconv.FormatInt(max(1, wholeSeconds(after)), 10))
	refuse(w, status)
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// failed counts a request that showed no good token. It returns reason, or, if the address has sent too many, why that is the answer
// now. The answer tells nothing of the token then.
func (f *front) failed(w http.ResponseWriter, r *http.Request, reason string) (throttled string) {
	address := f.address(r)
	d, err := f.limits.takeFailure(r.Context(), address)
	if err == nil && d.Allowed {
		return ""
	}
	f.failing.block(address, d.RetryAfter)
	f.metrics.limited(d)
	f.metrics.refused(reason)
	describeLimit(w.Header(), d)
	refuseFor(w, http.StatusTooManyRequests, d.RetryAfter)
	return reasonTooManyFailures
}

// address is the caller's: the connection's, or, behind trusted proxies, the last one in X-Forwarded-For that is none of theirs.
// An IPv6 caller owns at least a /64, so that is what counts.
func (f *front) address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && f.trusted(ip); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		ip = next
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String()
}

func (f *front) trusted(ip netip.Addr) bool {
	for _, p := range f.proxies {
		if p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}
