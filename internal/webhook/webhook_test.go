package webhook_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/policy"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/webhook"
)

// rules are the policies of every namespace, or why they are not known.
type rules struct {
	policies []scope.Policy
	err      error
}

func (r rules) ForAdmission(context.Context, string) (scope.Rules, error) {
	return scope.Rules{Policies: r.policies, Now: now}, r.err
}

var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// zones allows eu1.make.com.
type zones struct{}

func (zones) AllowsZone(zone string) bool { return zone == "eu1.make.com" }

func connection(scopes ...v1alpha1.Scope) *v1alpha1.MakeConnection {
	return &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "crm"},
		Spec:       v1alpha1.MakeConnectionSpec{Zone: "eu1.make.com", OrganizationID: 42, Scopes: scopes},
	}
}

func server(scopes ...v1alpha1.Scope) *v1alpha1.MakeMCPServer {
	return &v1alpha1.MakeMCPServer{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "crm-tools"},
		Spec:       v1alpha1.MakeMCPServerSpec{ConnectionRef: v1alpha1.ConnectionRef{Name: "crm"}, Scopes: scopes},
	}
}

// refused checks that an error is Invalid and says all fragments; no fragment means that it is nil.
func refused(t *testing.T, err error, says ...string) {
	t.Helper()
	if len(says) == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !apierrors.IsInvalid(err) {
		t.Fatalf("got %v, want a refusal as Invalid", err)
	}
	for _, fragment := range says {
		if !strings.Contains(err.Error(), fragment) {
			t.Errorf("%q does not say %q", err, fragment)
		}
	}
}

func TestConnectionCreate(t *testing.T) {
	elsewhere := connection("scenarios:read")
	elsewhere.Spec.Zone = "make.example.com"
	minting := connection("scenarios:read", "user:write")
	minting.Spec.Consumers = []v1alpha1.Consumer{{ServiceAccountName: "reporting", Scopes: []v1alpha1.Scope{"user:write"}}}
	for name, tt := range map[string]struct {
		conn *v1alpha1.MakeConnection
		says []string
	}{
		"modest":          {conn: connection("scenarios:read")},
		"broad":           {connection("scenarios:read", "admin:read"), []string{"spec.scopes[1]", "admin:read", "risk Critical", "policy built-in", "remove it"}},
		"misspelt":        {connection("data-stores:read"), []string{"spec.scopes[0]", "did you mean datastores:read"}},
		"minting below":   {minting, []string{"spec.consumers[0].scopes[0]", "user:write", "only the connection itself may hold it"}},
		"zone":            {elsewhere, []string{"spec.zone", "make.example.com is no host of Make", "--allowed-zones=make.example.com"}},
		"each is listed":  {connection("admin:read", "system:write"), []string{"spec.scopes[0]", "spec.scopes[1]"}},
		"unknown, warned": {conn: connection("brand-new:read")},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, err := (&webhook.Connections{Zones: zones{}, Policies: rules{}}).ValidateCreate(t.Context(), tt.conn)
			refused(t, err, tt.says...)
			if warned := len(warnings) > 0; warned != (name == "unknown, warned") {
				t.Errorf("warnings: %q", warnings)
			}
		})
	}
}

func TestUpdateJudgesChangedSpecsOnly(t *testing.T) {
	v := &webhook.Connections{Zones: zones{}, Policies: rules{}}
	broad := connection("admin:read")
	labelled := broad.DeepCopy()
	labelled.Labels = map[string]string{"team": "sales"}
	_, err := v.ValidateUpdate(t.Context(), broad, labelled)
	refused(t, err)
	_, err = v.ValidateUpdate(t.Context(), connection("scenarios:read"), broad)
	refused(t, err, "admin:read")
	going := broad.DeepCopy()
	going.DeletionTimestamp = &metav1.Time{Time: metav1.Now().Time}
	_, err = v.ValidateUpdate(t.Context(), connection("scenarios:read"), going)
	refused(t, err)
	_, err = v.ValidateDelete(t.Context(), broad)
	refused(t, err)
}

func TestServer(t *testing.T) {
	oauth := connection("scenarios:read")
	oauth.Spec.Auth.OAuth = &v1alpha1.OAuthAuth{}
	restarting := server("scenarios:read")
	restarting.Spec.Rollout = v1alpha1.RolloutRestart
	for name, tt := range map[string]struct {
		conn   *v1alpha1.MakeConnection
		server *v1alpha1.MakeMCPServer
		says   []string
	}{
		"within":            {connection("scenarios:read", "hooks:read"), server("hooks:read"), nil},
		"beyond":            {connection("scenarios:read"), server("scenarios:read", "hooks:read"), []string{"spec.scopes[1]", "hooks:read", "not among the connection's scopes"}},
		"no connection yet": {nil, server("hooks:read"), nil},
		"broad without it":  {nil, server("admin:read"), []string{"spec.scopes[0]", "risk Critical"}},
		"minting":           {connection("user:write"), server("user:write"), []string{"spec.scopes[0]", "user:write"}},
		"restart, OAuth":    {oauth, restarting, []string{"spec.rollout", "use Reload"}},
		"restart, token":    {connection("scenarios:read"), restarting, nil},
	} {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			b := fake.NewClientBuilder().WithScheme(scheme)
			if tt.conn != nil {
				b = b.WithObjects([]client.Object{tt.conn}...)
			}
			v := &webhook.Servers{Reader: b.Build(), Policies: rules{}}
			_, err := v.ValidateCreate(t.Context(), tt.server)
			refused(t, err, tt.says...)
			_, err = v.ValidateUpdate(t.Context(), tt.server, tt.server.DeepCopy())
			refused(t, err)
			_, err = v.ValidateUpdate(t.Context(), server("teams:read"), tt.server)
			refused(t, err, tt.says...)
		})
	}
}

func TestPolicies(t *testing.T) {
	strict := scope.Policy{Name: "strict", MaxRisk: scope.Moderate, AllowedZones: []string{"eu2.make.com"}, MaxRotation: time.Hour}
	warning := scope.Policy{Name: "soon", MaxRisk: scope.Low, Enforcement: scope.Warn}
	audit := scope.Policy{Name: "watch", MaxRisk: scope.Low, Enforcement: scope.Audit}
	conn := connection("scenarios:read", "scenarios:run")
	conn.Spec.Auth.APIToken = &v1alpha1.APITokenAuth{}
	create := func(policies ...scope.Policy) ([]string, error) {
		v := &webhook.Connections{Zones: zones{}, Policies: rules{policies: policies}}
		return v.ValidateCreate(t.Context(), conn)
	}
	_, err := create(strict)
	refused(t, err, "spec.zone: Forbidden: zone eu1.make.com is refused (policy strict)", "choose eu2.make.com",
		"spec.rotation.everySeconds: Forbidden: an interval of 2592000 s is refused (policy strict)", "set it to 3600 or less",
		"spec.scopes[1]: Forbidden: scope scenarios:run is refused (risk High, policy strict)")
	warnings, err := create(warning, audit)
	refused(t, err)
	if len(warnings) != 2 || !strings.HasPrefix(warnings[0], "spec.scopes[0]: it would be refused if the policy denied: scope scenarios:read") {
		t.Errorf("warnings %q, want those of Warn and none of Audit", warnings)
	}

	v := &webhook.Connections{Zones: zones{}, Policies: rules{err: fmt.Errorf("MakeScopePolicy strict: %w", policy.ErrNotReady)}}
	_, err = v.ValidateCreate(t.Context(), conn)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "MakeScopePolicy strict: policy is not Ready") {
		t.Errorf("got %v, want a refusal that names the policy that is not Ready", err)
	}
}

func TestPolicyItself(t *testing.T) {
	policyWith := func(change func(*v1alpha1.MakeScopePolicySpec)) *v1alpha1.MakeScopePolicy {
		p := &v1alpha1.MakeScopePolicy{ObjectMeta: metav1.ObjectMeta{Name: "ceiling"}, Spec: v1alpha1.MakeScopePolicySpec{MaxRisk: "High"}}
		change(&p.Spec)
		return p
	}
	exception := func(at time.Time, scopes ...v1alpha1.Scope) []v1alpha1.PolicyException {
		return []v1alpha1.PolicyException{{Namespace: "sales", Scopes: scopes, Reason: "pilot", ExpiresAt: metav1.NewTime(at)}}
	}
	v := &webhook.ScopePolicies{Clock: clocktesting.NewFakePassiveClock(now)}
	for name, tt := range map[string]struct {
		change func(*v1alpha1.MakeScopePolicySpec)
		says   []string
		warns  string
	}{
		"sound":    {change: func(*v1alpha1.MakeScopePolicySpec) {}},
		"misspelt": {func(s *v1alpha1.MakeScopePolicySpec) { s.AllowedScopes = []v1alpha1.Scope{"teams:read", "users:read"} }, []string{"spec.allowedScopes[1]", "did you mean user:read"}, ""},
		"misspelt exception": {func(s *v1alpha1.MakeScopePolicySpec) {
			s.Exceptions = exception(now.Add(time.Hour), "data-stores:read")
		}, []string{"spec.exceptions[0].scopes[0]", "did you mean datastores:read"}, ""},
		"two mistakes": {func(s *v1alpha1.MakeScopePolicySpec) { s.AllowedScopes = []v1alpha1.Scope{"users:read", "users:write"} }, []string{"spec.allowedScopes[0]", "spec.allowedScopes[1]"}, ""},
		"selector": {func(s *v1alpha1.MakeScopePolicySpec) {
			s.NamespaceSelector.MatchExpressions = []v1alpha1.LabelRequirement{{Key: "a", Operator: "In"}}
		}, []string{"spec.namespaceSelector"}, ""},
		"unknown scope":   {func(s *v1alpha1.MakeScopePolicySpec) { s.AllowedScopes = []v1alpha1.Scope{"future:use"} }, nil, "spec.allowedScopes[0]: scope future:use is not a scope that this version knows"},
		"expired":         {func(s *v1alpha1.MakeScopePolicySpec) { s.Exceptions = exception(now, "admin:read") }, nil, "spec.exceptions[0]: it has expired"},
		"weak":            {func(s *v1alpha1.MakeScopePolicySpec) { s.MaxRisk = "Critical" }, nil, "what the built-in policy refuses"},
		"weak by name":    {func(s *v1alpha1.MakeScopePolicySpec) { s.AllowedScopes = []v1alpha1.Scope{"admin:read"} }, nil, "spec.allowedScopes[0]: scope admin:read is one that the built-in policy refuses"},
		"weak, but warns": {func(s *v1alpha1.MakeScopePolicySpec) { s.MaxRisk, s.Enforcement = "Critical", "Warn" }, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, err := v.ValidateCreate(t.Context(), policyWith(tt.change))
			refused(t, err, tt.says...)
			if got := strings.Join(warnings, "; "); tt.warns == "" && got != "" || !strings.Contains(got, tt.warns) {
				t.Errorf("warnings %q, want %q", got, tt.warns)
			}
			_, err = v.ValidateUpdate(t.Context(), policyWith(tt.change), policyWith(tt.change))
			refused(t, err)
		})
	}
}
