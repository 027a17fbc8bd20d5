package scopepolicy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
	"github.com/makeops/make-operator/internal/step"
)

// pass is the working set of one reconcile. Each field says which step fills it.
type pass struct {
	*Reconciler

	policy *v1alpha1.MakeScopePolicy
	now    time.Time

	rules scope.Rules // compile: this policy alone
	again time.Time   // count: when the first exception ends that makes a difference; zero means never
}

// compile makes sure that every field is understood. From then on the policy counts.
func (p *pass) compile(context.Context) error {
	compiled, err := judge.Policy(p.policy)
	if err != nil {
		return step.Stallf(v1alpha1.ReasonPolicyInvalid, "%w: correct it; until then nothing new is issued where the policy may govern", err)
	}
	p.rules = scope.Rules{Policies: []scope.Policy{compiled}, Now: p.now}
	return nil
}

// maxListed is how many violations the API lets a status list.
const maxListed = 32

// count judges everything that the policy governs, by this policy alone.
func (p *pass) count(ctx context.Context) error {
	selected, err := p.Policies.Selected(ctx, p.policy)
	if err != nil {
		return err
	}
	var connections v1alpha1.MakeConnectionList
	var servers v1alpha1.MakeMCPServerList
	for _, list := range []client.ObjectList{&connections, &servers} {
		if err := p.Client.List(ctx, list); err != nil {
			return fmt.Errorf("list what the policy governs: %w", err)
		}
	}
	c := &counter{pass: p, byName: map[client.ObjectKey]*v1alpha1.MakeConnection{}}
	for i := range connections.Items {
		c.byName[client.ObjectKeyFromObject(&connections.Items[i])] = &connections.Items[i]
		if selected(connections.Items[i].Namespace) {
			c.connection(&connections.Items[i])
		}
	}
	for i := range servers.Items {
		if selected(servers.Items[i].Namespace) {
			c.server(&servers.Items[i])
		}
	}
	c.show(&p.policy.Status)
	return nil
}

// counter collects what a policy governs.
type counter struct {
	*pass

	byName               map[client.ObjectKey]*v1alpha1.MakeConnection
	connections, servers int32
	violations           []v1alpha1.PolicyViolation
}

func (c *counter) connection(conn *v1alpha1.MakeConnection) {
	if len(c.policy.Spec.Consumers) > 0 && !slices.ContainsFunc(conn.Spec.Consumers, func(consumer v1alpha1.Consumer) bool {
		return c.concerns(v1alpha1.ConsumerServiceAccount, consumer.ServiceAccountName)
	}) {
		return
	}
	c.connections++
	c.verdict("MakeConnection", conn, judge.Connection(conn, c.rules))
}

func (c *counter) server(server *v1alpha1.MakeMCPServer) {
	if len(c.policy.Spec.Consumers) > 0 && !c.concerns(v1alpha1.ConsumerMCPServer, server.Name) {
		return
	}
	c.servers++
	conn := c.byName[client.ObjectKey{Namespace: server.Namespace, Name: server.Spec.ConnectionRef.Name}]
	c.verdict("MakeMCPServer", server, judge.Server(server, conn, c.rules))
}

// concerns reports whether the policy is limited to some consumers, this one among them.
func (c *counter) concerns(kind v1alpha1.ConsumerKind, name string) bool {
	return slices.Contains(c.policy.Spec.Consumers, v1alpha1.PolicyConsumer{Kind: kind, Name: name})
}

// verdict counts an object that exceeds this policy, whatever its enforcement.
func (c *counter) verdict(kind string, obj client.Object, verdict scope.Verdict) {
	if !verdict.Until.IsZero() && (c.again.IsZero() || verdict.Until.Before(c.again)) {
		c.again = verdict.Until
	}
	mine := slices.DeleteFunc(slices.Concat(verdict.Violations, verdict.Warned, verdict.Audited), func(v scope.Violation) bool {
		return v.Policy != c.policy.Name
	})
	if len(mine) > 0 {
		c.violations = append(c.violations, v1alpha1.PolicyViolation{
			Kind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName(), Message: scope.Summary(mine),
		})
	}
}

func (c *counter) show(status *v1alpha1.MakeScopePolicyStatus) {
	slices.SortFunc(c.violations, func(a, b v1alpha1.PolicyViolation) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	status.Connections, status.Servers, status.ViolationCount = new(c.connections), new(c.servers), new(int32(len(c.violations))) //nolint:gosec // G115: objects of one cluster
	status.Violations = c.violations[:min(len(c.violations), maxListed)]
}
