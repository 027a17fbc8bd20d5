package makesim_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
)

// BenchmarkCurrentAuthorization is the simulator alone, without a network: what it adds to any measurement.
// The clock is the machine's, so the plan's limit is met and part of the answers are 429.
func BenchmarkCurrentAuthorization(b *testing.B) {
	s, err := makesim.New(makesim.Options{})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/api/v2/users/me/current-authorization", http.NoBody)
	r.Header.Set("Authorization", root)
	for b.Loop() {
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
}
