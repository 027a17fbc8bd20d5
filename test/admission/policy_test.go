package admission

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
)

// row is a policy, and what it makes of the connection and the server of main_test.go.
type row struct {
	name   string
	policy v1alpha1.MakeScopePolicySpec
	change func(*v1alpha1.MakeConnection)
	// connection and server are a part of the refusal; empty means that it is admitted.
	connection, server string
}

func rows() []row {
	expression := func(key string, operator v1alpha1.LabelOperator, values ...v1alpha1.LabelValue) v1alpha1.NamespaceSelector {
		return v1alpha1.NamespaceSelector{MatchExpressions: []v1alpha1.LabelRequirement{{Key: key, Operator: operator, Values: values}}}
	}
	low := func(s v1alpha1.NamespaceSelector) v1alpha1.MakeScopePolicySpec {
		return v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", NamespaceSelector: s}
	}
	consumer := func(kind v1alpha1.ConsumerKind, name string) []v1alpha1.PolicyConsumer {
		return []v1alpha1.PolicyConsumer{{Kind: kind, Name: name}}
	}
	unknown := func(c *v1alpha1.MakeConnection) {
		c.Spec.Scopes, c.Spec.Consumers = []v1alpha1.Scope{"future:use"}, nil
	}
	oauth := func(c *v1alpha1.MakeConnection) {
		c.Spec.Auth = v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: "client"}}}
	}
	const run = "refuses scenarios:run (risk High): remove what is not needed"
	return []row{
		{name: "allowed by name", policy: v1alpha1.MakeScopePolicySpec{AllowedScopes: []v1alpha1.Scope{"teams:read", "scenarios:run"}}},
		{name: "not allowed by name", policy: v1alpha1.MakeScopePolicySpec{AllowedScopes: []v1alpha1.Scope{"teams:read"}}, connection: run, server: run},
		{name: "within the risk", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "High"}},
		{name: "beyond the risk", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Moderate"}, connection: run, server: run},
		{name: "an unknown scope is High", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Moderate"}, change: unknown, connection: "refuses future:use", server: run},
		{name: "an unknown scope within the risk", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "High"}, change: unknown},
		{name: "Warn", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Enforcement: "Warn"}},
		{name: "Audit", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Enforcement: "Audit"}},
		{name: "Deny, spelt out", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Enforcement: "Deny"}, connection: run, server: run},
		{name: "labels", policy: low(v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"team": "sales"}}), connection: run, server: run},
		{name: "other labels", policy: low(v1alpha1.NamespaceSelector{MatchLabels: map[string]v1alpha1.LabelValue{"team": "hr"}})},
		{name: "In", policy: low(expression("team", "In", "hr", "sales")), connection: run, server: run},
		{name: "not In", policy: low(expression("team", "In", "hr"))},
		{name: "NotIn", policy: low(expression("team", "NotIn", "hr")), connection: run, server: run},
		{name: "NotIn of no label", policy: low(expression("tier", "NotIn", "prod")), connection: run, server: run},
		{name: "not NotIn", policy: low(expression("team", "NotIn", "sales"))},
		{name: "Exists", policy: low(expression("team", "Exists")), connection: run, server: run},
		{name: "not Exists", policy: low(expression("tier", "Exists"))},
		{name: "DoesNotExist", policy: low(expression("tier", "DoesNotExist")), connection: run, server: run},
		{name: "not DoesNotExist", policy: low(expression("team", "DoesNotExist"))},
		{name: "a consumer that inherits", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Consumers: consumer("ServiceAccount", "bot")}, connection: run},
		{name: "a consumer with fewer scopes", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Consumers: consumer("ServiceAccount", "reader")}},
		{name: "a server", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Consumers: consumer("MakeMCPServer", "tools")}, server: run},
		{name: "another server", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Consumers: consumer("MakeMCPServer", "bot")}},
		{name: "zone", policy: v1alpha1.MakeScopePolicySpec{AllowedZones: []v1alpha1.ZonePattern{"us1.make.com", "*.make.com"}}},
		{name: "other zone", policy: v1alpha1.MakeScopePolicySpec{AllowedZones: []v1alpha1.ZonePattern{"us1.make.com", "*.celonis.com", "*.eu1.make.com"}}, connection: "refuses zone eu1.make.com"},
		{name: "rotation by default", policy: v1alpha1.MakeScopePolicySpec{MaxRotationSeconds: 2591999}, connection: "set it to 2591999 or less"},
		{name: "rotation by default, just so", policy: v1alpha1.MakeScopePolicySpec{MaxRotationSeconds: 2592000}},
		{name: "rotation", policy: v1alpha1.MakeScopePolicySpec{MaxRotationSeconds: 600}, change: func(c *v1alpha1.MakeConnection) { c.Spec.Rotation.EverySeconds = 600 }},
		{name: "rotation of OAuth", policy: v1alpha1.MakeScopePolicySpec{MaxRotationSeconds: 600}, change: oauth},
		{name: "sharing", policy: v1alpha1.MakeScopePolicySpec{LeastPrivilege: "Required"}, change: oauth, connection: "requires a token for each consumer"},
		{name: "no sharing", policy: v1alpha1.MakeScopePolicySpec{LeastPrivilege: "Required"}},
		{name: "sharing that nobody minds", policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "High", LeastPrivilege: "Optional"}, change: oauth},
		{
			name:   "an exception", // of the row's own namespace, as in all of these
			policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Exceptions: []v1alpha1.PolicyException{{Scopes: []v1alpha1.Scope{"scenarios:run"}}}},
		},
		{
			name:       "an exception for another connection",
			policy:     v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Exceptions: []v1alpha1.PolicyException{{Connection: "erp", Scopes: []v1alpha1.Scope{"scenarios:run"}}}},
			connection: run, server: run,
		},
		{
			name: "an exception that has ended",
			policy: v1alpha1.MakeScopePolicySpec{MaxRisk: "Low", Exceptions: []v1alpha1.PolicyException{{
				Scopes: []v1alpha1.Scope{"scenarios:run"}, ExpiresAt: metav1.NewTime(time.Now().Add(-time.Hour)),
			}}},
			connection: run, server: run,
		},
		{
			name: "exceptions of other limits",
			policy: v1alpha1.MakeScopePolicySpec{
				AllowedZones: []v1alpha1.ZonePattern{"us1.make.com"}, MaxRotationSeconds: 60, LeastPrivilege: "Required",
				Exceptions: []v1alpha1.PolicyException{{Zones: []v1alpha1.ZonePattern{"*.make.com"}, Limits: []v1alpha1.PolicyLimit{"Rotation", "LeastPrivilege"}}},
			},
		},
	}
}

// TestCeilings creates all rows' policies, each for a namespace of its own, and then asks for each row's objects. Each answer is
// compared with the row's and with the evaluator's, which the webhook and the controllers ask.
func TestCeilings(t *testing.T) {
	all := rows()
	namespaces := make([]string, len(all))
	policies := make([]*v1alpha1.MakeScopePolicy, len(all))
	for i, r := range all {
		namespaces[i] = makeNamespace(t, "sales")
		for k := range r.policy.Exceptions {
			e := &r.policy.Exceptions[k]
			e.Namespace, e.Reason = namespaces[i], "pilot"
			if e.ExpiresAt.IsZero() {
				e.ExpiresAt = metav1.NewTime(time.Now().Add(time.Hour))
			}
		}
		policies[i] = createPolicy(t, "ceiling", namespaces[i], r.policy)
	}
	settled(t, "last")
	for i, r := range all {
		t.Run(r.name, func(t *testing.T) {
			conn, mcp := connection(namespaces[i]), mcpServer(namespaces[i])
			if r.change != nil {
				r.change(conn)
			}
			rules := scope.Rules{Now: time.Now()}
			governs := judge.Selects(policies[i], map[string]string{"team": "sales", "kubernetes.io/metadata.name": namespaces[i]})
			if compiled, err := judge.Policy(policies[i]); err != nil {
				t.Fatal(err)
			} else if governs {
				rules.Policies = []scope.Policy{compiled}
			}
			expect(t, conn, r.connection, judge.Connection(conn, rules))
			expect(t, mcp, r.server, judge.Server(mcp, nil, rules))
		})
	}
}

func expect(t *testing.T, o client.Object, says string, verdict scope.Verdict) {
	t.Helper()
	if verdict.Allowed() != (says == "") {
		t.Errorf("%T: the evaluator says %q, want %q", o, verdict.Message(), says)
	}
	err := server.Create(t.Context(), o, client.DryRunAll)
	switch {
	case says == "" && err != nil:
		t.Errorf("%T: refused: %v", o, err)
	case says != "" && (err == nil || !strings.Contains(err.Error(), says)):
		t.Errorf("%T: got %v, want a refusal that says %q", o, err, says)
	}
}

// TestUpdates judges a spec when it changes, by the exceptions that count then, and nothing else.
func TestUpdates(t *testing.T) {
	namespace := makeNamespace(t, "sales")
	p := createPolicy(t, "ceiling", namespace, v1alpha1.MakeScopePolicySpec{
		MaxRisk: "Low", Exceptions: []v1alpha1.PolicyException{{
			Namespace: namespace, Scopes: []v1alpha1.Scope{"scenarios:run"}, Reason: "pilot", ExpiresAt: metav1.NewTime(time.Now().Add(time.Hour)),
		}},
	})
	settled(t, "first")
	conn := connection(namespace)
	if err := server.Create(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	conn.Spec.TeamID = 7
	if err := server.Update(t.Context(), conn); err != nil {
		t.Fatalf("while the exception counts: %v", err)
	}

	p.Spec.Exceptions[0].ExpiresAt = metav1.NewTime(time.Now().Add(-time.Minute))
	if err := server.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	settled(t, "second")
	conn.Spec.TeamID = 8
	if err := server.Update(t.Context(), conn.DeepCopy()); err == nil || !strings.Contains(err.Error(), "refuses scenarios:run") {
		t.Errorf("a changed spec: %v, want a refusal", err)
	}
	conn.Spec.TeamID = 7
	conn.Labels, conn.Finalizers = map[string]string{"team": "sales"}, []string{v1alpha1.ConnectionFinalizer}
	if err := server.Update(t.Context(), conn); err != nil {
		t.Errorf("a label and a finalizer: %v", err)
	}
	conn.Status.Account.Name = "Ada"
	if err := server.Status().Update(t.Context(), conn); err != nil {
		t.Errorf("the status: %v", err)
	}
	if err := server.Delete(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	conn.Finalizers = nil
	if err := server.Patch(t.Context(), conn, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil {
		t.Errorf("the finalizer cannot go: %v", err)
	}
}
