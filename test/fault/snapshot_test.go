package fault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

const (
	connectionName  = "crm"
	connectionLabel = v1alpha1.ConnectionLabel
)

// snapshot is the state of a connection, in the cluster and at Make, without what differs from run to run. Two runs that end with
// equal snapshots ended alike.
type snapshot struct {
	Connection []string
	Published  []string
	Grant      []string
	AtMake     []string
}

// look takes a snapshot.
func (w *world) look(ctx context.Context) (snapshot, error) {
	var s snapshot
	conn, err := w.connection(ctx)
	switch {
	case apierrors.IsNotFound(err):
		s.Connection = []string{"absent"}
	case err != nil:
		return s, err
	default:
		s.Connection = w.describe(conn)
		if s.Published, err = w.published(ctx); err != nil { // the garbage collector takes the children of one that is gone
			return s, err
		}
	}
	if s.Grant, err = w.describeGrant(ctx); err != nil {
		return s, err
	}
	s.AtMake = w.livingTokens()
	if w.bootstrap != "" {
		s.AtMake = append(s.AtMake, fmt.Sprintf("bootstrap alive %t", w.make.sim.TokenAlive(w.bootstrap)))
	}
	return s, nil
}

func (w *world) connection(ctx context.Context) (*v1alpha1.MakeConnection, error) {
	conn := &v1alpha1.MakeConnection{}
	err := cluster.Client.Get(ctx, client.ObjectKey{Namespace: w.user, Name: connectionName}, conn)
	return conn, err
}

func (w *world) describe(conn *v1alpha1.MakeConnection) []string {
	lines := []string{
		fmt.Sprintf("generation %d, observed %d, finalizers %v, deleted %t", conn.Generation, conn.Status.ObservedGeneration, conn.Finalizers,
			!conn.DeletionTimestamp.IsZero()),
		fmt.Sprintf("account %d, granted %v, consent asked for %t", conn.Status.Account.ID, conn.Status.GrantedScopes, conn.Status.Authorization.URL != ""),
	}
	for _, c := range conn.Status.Conditions {
		lines = append(lines, fmt.Sprintf("%s=%s/%s of %d: %s", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message))
	}
	for _, c := range conn.Status.Secrets {
		lines = append(lines, fmt.Sprintf("lists %s for %s%s with %v", c.Name, c.ServiceAccountName, c.ServerName, c.Scopes))
	}
	return lines
}

// published describes the consumers' objects.
func (w *world) published(ctx context.Context) ([]string, error) {
	secrets, err := w.consumerSecrets(ctx)
	if err != nil {
		return nil, err
	}
	var lines []string
	for i := range secrets {
		lines = append(lines, w.describeSecret(&secrets[i]))
	}
	var roles rbacv1.RoleList
	var bindings rbacv1.RoleBindingList
	for _, list := range []client.ObjectList{&roles, &bindings} {
		if err := cluster.Client.List(ctx, list, client.InNamespace(w.user), client.HasLabels{connectionLabel}); err != nil {
			return nil, err
		}
	}
	for _, r := range roles.Items {
		lines = append(lines, fmt.Sprintf("Role %s: %v %v", r.Name, r.Rules, labelsOf(&r)))
	}
	for _, b := range bindings.Items {
		lines = append(lines, fmt.Sprintf("RoleBinding %s: %v to %s %v", b.Name, b.Subjects, b.RoleRef.Name, labelsOf(&b)))
	}
	slices.Sort(lines)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], w.user, "{user}")
	}
	return lines, nil
}

func labelsOf(o metav1.Object) []string {
	return slices.Sorted(maps.Keys(o.GetLabels()))
}

// describeSecret says what a consumer's Secret is good for.
func (w *world) describeSecret(s *corev1.Secret) string {
	value := string(s.Data[v1alpha1.TokenKey])
	alive, scopes := w.token(value)
	consistent := strings.HasSuffix(string(s.Data[v1alpha1.AuthorizationKey]), " "+value) && string(s.Data[v1alpha1.EnvAPIKey]) == value &&
		string(s.Data[v1alpha1.ZoneKey]) == w.make.zone()
	return fmt.Sprintf("Secret %s: keys %v, annotations %v, labels %v, consistent %t, token alive %t with %v", s.Name,
		slices.Sorted(maps.Keys(s.Data)), slices.Sorted(maps.Keys(s.Annotations)), labelsOf(s), consistent, alive, scopes)
}

// token says what an access token or API token is worth.
func (w *world) token(value string) (alive bool, scopes []string) {
	if w.make.authorization != nil {
		return w.make.authorization.introspect(context.Background(), value)
	}
	mark := makesim.Fingerprint(value)
	for _, e := range w.make.sim.Ledger() {
		if e.Token != nil && e.Token.Event == makesim.TokenMinted && e.Token.Token == mark {
			scopes = slices.Sorted(slices.Values(e.Token.Scopes))
		}
	}
	return w.make.sim.TokenAlive(value), scopes
}

func (w *world) describeGrant(ctx context.Context) ([]string, error) {
	rec, err := w.readGrant(ctx, connectionName, w.uid)
	if err != nil {
		return nil, err
	}
	var lines []string
	if rec.Root != nil {
		alive, scopes := w.token(rec.Root.Value)
		lines = append(lines, fmt.Sprintf("root of %d with %d scopes: alive %t with %d, ours %t; former %d", rec.Root.AccountID, len(rec.Root.Scopes),
			alive, len(scopes), rec.Root.Created != "", len(rec.Former)))
	}
	for _, consumer := range slices.Sorted(maps.Keys(rec.Tokens)) {
		t := rec.Tokens[consumer]
		alive, _ := w.token(t.Value)
		lines = append(lines, fmt.Sprintf("token of %s: asked %v, holds %v, alive %t", consumer, t.Asked, t.Scopes, alive))
	}
	lines = append(lines, fmt.Sprintf("retired %d, rotation generation %d", len(rec.Retired), rec.RotationGeneration))
	if o := rec.OAuth; o != nil {
		alive, _ := w.token(o.AccessToken)
		lines = append(lines, fmt.Sprintf("consent of %d: scopes %v, access alive %t, refresh good %t, intent %t, dead %q, unparsed %t",
			o.AccountID, o.Scopes, alive, w.refreshGood(o.RefreshToken), o.Intent != nil, o.Dead, len(o.Unparsed) > 0))
	}
	return lines, nil
}

// refreshGood reports whether a refresh token is the newest of its family. A server of class F gives out its predecessor.
func (w *world) refreshGood(value string) bool {
	if w.make.authorization != nil {
		alive, _ := w.make.authorization.introspect(context.Background(), value)
		return alive
	}
	return w.make.sim.TokenAlive(value) || w.class == makesim.ClassBuggyGrace && w.make.sim.TokenState(value) == makesim.StateRotated
}

// livingTokens are the API tokens that were minted for the connection and still work.
func (w *world) livingTokens() []string {
	living := map[string]string{}
	for _, e := range w.make.sim.Ledger() {
		t := e.Token
		if t == nil || t.Kind != makesim.KindAPIToken || !strings.HasPrefix(t.Label, "make-operator:"+string(w.uid)+":") {
			continue
		}
		switch t.Event {
		case makesim.TokenMinted:
			label := strings.Split(t.Label, ":")
			living[t.Token] = fmt.Sprintf("%s with %v", strings.Join(label[2:len(label)-1], ":"), t.Scopes)
		case makesim.TokenDeleted, makesim.TokenRevoked:
			delete(living, t.Token)
		}
	}
	return slices.Sorted(maps.Values(living))
}

// condition is one of the connection's, or the zero one.
func condition(conn *v1alpha1.MakeConnection, name string) metav1.Condition {
	if c := apimeta.FindStatusCondition(conn.Status.Conditions, name); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// isReady reports whether the connection is as its spec wants it.
func isReady(conn *v1alpha1.MakeConnection) bool {
	ready := condition(conn, v1alpha1.Ready)
	return ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == conn.Generation && conn.Status.ObservedGeneration == conn.Generation
}

// isLost reports whether a person has to consent again, because the grant is of no more use.
func isLost(conn *v1alpha1.MakeConnection) bool {
	c := condition(conn, v1alpha1.Authorized)
	return c.Status == metav1.ConditionFalse &&
		(c.Reason == v1alpha1.ReasonRefreshOutcomeLost || c.Reason == v1alpha1.ReasonNeedsReauthorization)
}
