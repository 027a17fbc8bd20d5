package makeapi

import (
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		once   bool
		want   Kind
	}{
		{name: "missing parameter", status: 400, body: `{"detail":"Validation failed for 1 parameter(s).","message":"Bad Request","code":"SC400","suberrors":[{"message":"Missing value of required parameter 'number'.","name":"Error"}]}`, want: Invalid},
		{name: "limit in a 400", status: 400, body: `{"code":"IM011"}`, want: PlanLimit},
		{name: "unauthorized", status: 401, body: `{"code":"IM015","message":"Unauthorized."}`, want: DeadCredential},
		{name: "not in the plan", status: 402, body: `{"message":"Payment required"}`, want: PlanLimit},
		{name: "forbidden", status: 403, body: `{"detail":"Access denied.","message":"Permission denied","code":"SC403"}`, want: MissingRole},
		{name: "feature is off", status: 403, body: `{"code":"IM903"}`, want: PlanLimit},
		{name: "insufficient rights in a 400", status: 400, body: `{"code":"IM002"}`, want: MissingRole},
		{name: "not found", status: 404, body: `{"code":"SC404"}`, want: NotFound},
		{name: "no connection", status: 400, body: `{"code":"IM304"}`, want: NotFound},
		{name: "gone", status: 410, want: NotFound},
		{name: "confirmation", status: 406, body: `{"status":406,"code":"IM004","message":"Confirmation required."}`, want: NeedsConfirmation},
		{name: "not acceptable without a code", status: 406, want: NeedsConfirmation},
		{name: "timeout of a read", status: 408, want: Transient},
		{name: "timeout of a run", status: 408, once: true, want: UnknownOutcome},
		{name: "conflict", status: 409, want: Conflict},
		{name: "too large", status: 413, want: Invalid},
		{name: "teapot", status: 418, want: Transient},
		{name: "wrong state", status: 422, body: `{"code":"IM016"}`, want: Conflict},
		{name: "unprocessable", status: 422, want: Invalid},
		{name: "failed dependency", status: 424, want: Transient},
		{name: "rate limit as text", status: 429, body: "Requests limit for organization exceeded, please try again later.", want: RateLimited},
		{name: "rate limit as JSON", status: 429, body: `{"message":"Requests limit for organization exceeded"}`, want: RateLimited},
		{name: "rate limit of a write", status: 429, once: true, want: RateLimited},
		{name: "server error of a read", status: 500, want: Transient},
		{name: "server error of a write", status: 500, once: true, want: UnknownOutcome},
		{name: "unavailable", status: 503, want: Transient},
		{name: "a code does not excuse a server error", status: 500, body: `{"code":"IM304"}`, once: true, want: UnknownOutcome},
		{name: "redirect", status: 302, want: Invalid},
		{name: "not modified", status: 304, want: Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := classify(tt.status, parseErrorCode([]byte(tt.body)), tt.once); got != tt.want {
				t.Errorf("classify() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseErrorCode(t *testing.T) {
	tests := map[string]string{
		`{"code":"SC403","message":"Forbidden."}`:           "SC403",
		`{"CODE":"SC403"}`:                                  "",
		`{"code":403}`:                                      "",
		`{"code":"11111111-2222-4333-8444-555555555555"}`:   "",
		`{"code":"SC403 11111111-2222-4333-8444-55555555"}`: "",
		`error code: 1010`:                                  "",
		``:                                                  "",
		`null`:                                              "",
		`[]`:                                                "",
	}
	for body, want := range tests {
		if got := parseErrorCode([]byte(body)); got != want {
			t.Errorf("parseErrorCode(%s) = %q, want %q", body, got, want)
		}
	}
}

func TestRefine(t *testing.T) {
	held := []string{"scenarios:read"}
	tests := []struct {
		name  string
		needs string
		probe error
		want  Kind
	}{
		{name: "scope is not held", needs: "scenarios:run", want: MissingScope},
		{name: "scope is held", needs: "scenarios:read", want: MissingRole},
		{name: "no scope is known", want: MissingRole},
		{name: "token is dead", needs: "scenarios:run", probe: &Error{Kind: DeadCredential}, want: DeadCredential},
		{name: "question was rate limited", needs: "scenarios:run", probe: &Error{Kind: RateLimited}, want: RateLimited},
		{name: "question was lost", needs: "scenarios:run", probe: &Error{Kind: Transient}, want: Transient},
		{name: "question was refused", needs: "scenarios:run", probe: &Error{Kind: MissingRole}, want: Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := refine(tt.needs, held, tt.probe); got != tt.want {
				t.Errorf("refine() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClassifyOAuth(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		once   bool
		want   Kind
	}{
		{name: "grant is used up", status: 400, body: `{"error":"invalid_grant","error_description":"used"}`, once: true, want: InvalidGrant},
		{name: "client is unknown", status: 401, body: `{"error":"invalid_client"}`, once: true, want: InvalidClient},
		{name: "client may not", status: 400, body: `{"error":"unauthorized_client"}`, once: true, want: InvalidClient},
		{name: "401 without a body", status: 401, once: true, want: InvalidClient},
		{name: "bad request", status: 400, body: `{"error":"invalid_request"}`, once: true, want: Invalid},
		{name: "no such grant type", status: 400, body: `{"error":"unsupported_grant_type"}`, once: true, want: Invalid},
		{name: "error that no standard names", status: 400, body: `{"error":"11111111-2222"}`, once: true, want: Invalid},
		{name: "no such endpoint", status: 404, body: "not found", once: true, want: Invalid},
		{name: "refused at the edge", status: 403, body: "error code: 1010", once: true, want: Transient},
		{name: "rate limit", status: 429, body: "slow", once: true, want: RateLimited},
		{name: "slow down", status: 400, body: `{"error":"slow_down"}`, once: true, want: RateLimited},
		{name: "server error", status: 500, once: true, want: UnknownOutcome},
		{name: "server error that says invalid_grant", status: 502, body: `{"error":"invalid_grant"}`, once: true, want: UnknownOutcome},
		{name: "server error told in a 400", status: 400, body: `{"error":"server_error"}`, once: true, want: UnknownOutcome},
		{name: "timeout", status: 408, once: true, want: UnknownOutcome},
		{name: "server error of a revocation", status: 500, want: Transient},
		{name: "redirect", status: 302, once: true, want: Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := classifyOAuth(tt.status, parseOAuthError([]byte(tt.body)), tt.once); got != tt.want {
				t.Errorf("classifyOAuth() = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"17":                            17 * time.Second,
		"-1":                            0,
		"soon":                          0,
		"4000000000":                    maxRetryAfter,
		"99999999999999999999":          0,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:59:30 GMT": 0,
		"Sun, 01 Mar 2096 12:00:30 GMT": maxRetryAfter,
	}
	for header, want := range tests {
		if got := retryAfter(header, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", header, got, want)
		}
	}
}
