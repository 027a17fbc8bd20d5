package fault

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/makesim"
)

// scenario is an event in the life of a connection.
type scenario struct {
	name string
	// oauth scenarios depend on the class of the authorization server.
	oauth bool
	// fresh scenarios need namespaces, and a manager, of their own.
	fresh bool
	// ends is set where the connection is gone in the end.
	ends bool
	// prepare brings about the state before the event; the manager runs.
	prepare func(*world) error
	// act is the event. It does not wait for its consequences.
	act func(*world) error
}

// scenarios are all that the sweep knows, in the order of a connection's life.
func scenarios() []scenario {
	return []scenario{
		{name: "start", fresh: true, prepare: (*world).prepareStart, act: func(w *world) error { return w.manager.start() }},
		{name: "create", prepare: (*world).makeRoot, act: (*world).connectByToken},
		{name: "consent", oauth: true, prepare: (*world).prepareConsent, act: (*world).browse},
		{name: "rotate", oauth: true, prepare: (*world).prepareConsented, act: (*world).rotate},
		{name: "rotate-tokens", prepare: (*world).prepareByToken, act: (*world).rotate},
		{name: "rotate-root", prepare: (*world).prepareOwnRoot, act: (*world).takeRootOver},
		{name: "spec-change", prepare: (*world).prepareByToken, act: (*world).changeConsumers},
		{name: "delete", ends: true, prepare: (*world).prepareByToken, act: (*world).deleteConnection},
		{name: "delete-consented", oauth: true, ends: true, prepare: (*world).prepareConsented, act: (*world).deleteConnection},
		{name: "delete-namespace", fresh: true, ends: true, prepare: (*world).prepareByToken, act: (*world).deleteNamespace},
	}
}

// patience is how long an undisturbed step may take on a busy machine.
const patience = 90 * time.Second

// makeSecret makes a Secret that opts in, unless it is there.
func (w *world) makeSecret(name string, data map[string]string) error {
	err := cluster.Client.Create(context.Background(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.user, Name: name, Labels: map[string]string{v1alpha1.CredentialLabel: "true"}},
		StringData: data,
	})
	return ignoreExists(err)
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

const (
	rootSecret   = "make-root"
	clientSecret = "make-oauth-client"
)

func (w *world) makeRoot() error {
	w.root, w.bootstrap = rootSecret, ""
	return w.makeSecret(w.root, map[string]string{"token": makesim.RootToken})
}

// prepareOwnRoot makes a connection whose root token is nobody else's.
func (w *world) prepareOwnRoot() error {
	value, err := w.make.mint(`["scenarios:read","scenarios:run","user:read","user:write"]`)
	if err != nil {
		return err
	}
	w.root, w.bootstrap = fmt.Sprintf("bootstrap-%d", worlds.Add(1)), value
	if err := w.makeSecret(w.root, map[string]string{"token": value}); err != nil {
		return err
	}
	if err := w.connectByToken(); err != nil {
		return err
	}
	return w.awaitConnection("the connection is Ready", isReady)
}

// takeRootOver asks for what only the operator is to know.
func (w *world) takeRootOver() error {
	return w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Auth.APIToken.RotateRoot = true })
}

const (
	readScope v1alpha1.Scope = "scenarios:read"
	runScope  v1alpha1.Scope = "scenarios:run"
)

// connect makes the connection.
func (w *world) connect(auth v1alpha1.Auth) error {
	conn := &v1alpha1.MakeConnection{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.user, Name: connectionName},
		Spec: v1alpha1.MakeConnectionSpec{
			Zone: w.make.zone(), OrganizationID: makesim.OrganizationID, Auth: auth, Scopes: []v1alpha1.Scope{readScope, runScope},
			Consumers: []v1alpha1.Consumer{
				{ServiceAccountName: "reporting", Scopes: []v1alpha1.Scope{readScope}}, {ServiceAccountName: "agent"},
			},
			Rotation: v1alpha1.Rotation{OverlapSeconds: new(int32(1))},
		},
	}
	if err := cluster.Client.Create(context.Background(), conn); err != nil {
		return fmt.Errorf("make connection: %w", err)
	}
	w.uid = conn.UID
	return nil
}

func (w *world) connectByToken() error {
	return w.connect(v1alpha1.Auth{APIToken: &v1alpha1.APITokenAuth{
		SecretRef: v1alpha1.SecretKeyRef{LocalRef: v1alpha1.LocalRef{Name: w.root}, Key: "token"},
	}})
}

// prepareStart leaves a connection to a manager that was never there.
func (w *world) prepareStart() error {
	w.manager.stop()
	if err := w.makeRoot(); err != nil {
		return err
	}
	return w.connectByToken()
}

func (w *world) prepareByToken() error {
	if err := w.makeRoot(); err != nil {
		return err
	}
	if err := w.connectByToken(); err != nil {
		return err
	}
	return w.awaitConnection("the connection is Ready", isReady)
}

func (w *world) prepareConsent() error {
	err := w.makeSecret(clientSecret, map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
	if err != nil {
		return err
	}
	if err := w.connect(v1alpha1.Auth{OAuth: &v1alpha1.OAuthAuth{ClientRef: v1alpha1.LocalRef{Name: clientSecret}}}); err != nil {
		return err
	}
	return w.awaitConnection("consent is asked for", func(c *v1alpha1.MakeConnection) bool { return c.Status.Authorization.URL != "" })
}

func (w *world) prepareConsented() error {
	if err := w.prepareConsent(); err != nil {
		return err
	}
	if err := w.consent(connectionName, patience); err != nil {
		return err
	}
	return w.awaitConnection("the connection is Ready", isReady)
}

// browse lets a person consent, beside the case.
func (w *world) browse() error {
	w.asides.Go(func() {
		if err := w.consent(connectionName, 2*patience); err != nil {
			w.problem("a person could not consent: %v", err)
		}
	})
	return nil
}

// change changes the spec.
func (w *world) change(change func(*v1alpha1.MakeConnectionSpec)) error {
	conn, err := w.connection(context.Background())
	if err != nil {
		return err
	}
	before := conn.DeepCopy()
	change(&conn.Spec)
	return cluster.Client.Patch(context.Background(), conn, client.MergeFrom(before))
}

func (w *world) rotate() error {
	return w.change(func(s *v1alpha1.MakeConnectionSpec) { s.Rotation.Generation++ })
}

// changeConsumers narrows one consumer, adds one and drops one.
func (w *world) changeConsumers() error {
	return w.change(func(s *v1alpha1.MakeConnectionSpec) {
		s.Consumers = []v1alpha1.Consumer{
			{ServiceAccountName: "agent", Scopes: []v1alpha1.Scope{runScope}}, {ServiceAccountName: "auditor", Scopes: []v1alpha1.Scope{readScope}},
		}
	})
}

func (w *world) deleteConnection() error {
	w.ending.Store(true)
	conn, err := w.connection(context.Background())
	if err != nil {
		return err
	}
	return cluster.Client.Delete(context.Background(), conn)
}

func (w *world) deleteNamespace() error {
	w.ending.Store(true)
	return cluster.Client.Delete(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.user}})
}

// awaitConnection waits until the connection is as wanted, with a manager that nobody disturbs.
func (w *world) awaitConnection(what string, wanted func(*v1alpha1.MakeConnection) bool) error {
	return await(patience, what, func() bool {
		conn, err := w.connection(context.Background())
		return err == nil && wanted(conn)
	})
}

// clear removes the connection with what it left behind, so that the world can be used again.
func (w *world) clear() error {
	w.ending.Store(true)
	ctx := context.Background()
	conn, err := w.connection(ctx)
	if err == nil {
		err = client.IgnoreNotFound(cluster.Client.Delete(ctx, conn))
	}
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	return await(patience, "the connection is gone", func() bool {
		_, err := w.connection(ctx)
		return apierrors.IsNotFound(err)
	})
}
