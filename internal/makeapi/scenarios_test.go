package makeapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/makeops/make-operator/internal/makeapi"
)

// TestFirstScenarios: one call, whatever there is, and the word that there may be more.
func TestFirstScenarios(t *testing.T) {
	for name, tt := range map[string]struct {
		teamID int64
		total  int
		limit  int // of the answer's page
		query  string
		more   bool
	}{
		"team":                   {7, 3, 1000, "pg%5Blimit%5D=1000&teamId=7", false},
		"organization":           {0, 3, 1000, "organizationId=42&pg%5Blimit%5D=1000", false},
		"as many as were wanted": {7, 1000, 1000, "pg%5Blimit%5D=1000&teamId=7", true},
		"Make caps the page":     {7, 100, 100, "pg%5Blimit%5D=1000&teamId=7", true},
		"Make names no limit":    {7, 3, 0, "pg%5Blimit%5D=1000&teamId=7", false},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []string
			client, zone := serve(t, func(w http.ResponseWriter, r *http.Request) {
				sent = append(sent, r.URL.RawQuery)
				one := `{"id":1,"isActive":true,"scheduling":{"type":"on-demand"}}`
				answerJSON(w, http.StatusOK, fmt.Sprintf(`{"scenarios":[%s],"pg":{"limit":%d}}`, strings.TrimSuffix(strings.Repeat(one+",", tt.total), ","), tt.limit))
			})
			got, more, err := client.Zone(zone, makeapi.APIToken(apiToken)).FirstScenarios(t.Context(), tt.teamID, 42)
			if err != nil || len(got) != tt.total || more != tt.more {
				t.Errorf("%d scenarios, more %v, error %v", len(got), more, err)
			}
			if diff := cmp.Diff([]string{tt.query}, sent); diff != "" {
				t.Errorf("queries (-want +got):\n%s", diff)
			}
		})
	}
}
