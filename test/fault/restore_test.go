package fault

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

// grantSecret is the Secret that holds the connection's grant.
func (w *world) grantSecret() (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	key := client.ObjectKey{Namespace: w.operator, Name: grant.SecretName(grant.Identity{UID: types.UID(w.uid)})}
	return secret, cluster.Client.Get(context.Background(), key, secret)
}

func isRolledBack(conn *v1alpha1.MakeConnection) bool {
	return condition(conn, v1alpha1.Authorized).Reason == v1alpha1.ReasonGrantRolledBack && conn.Status.Authorization.URL != ""
}

// A grant that was put back from a backup holds a refresh token that was used up since. It is not presented, neither by the manager
// that runs nor by one that starts: a person is asked to consent.
func TestRestoredGrant(t *testing.T) {
	for _, restart := range []bool{false} {
		name := map[bool]string{false: "under a running manager", true: "while no manager runs"}[restart]
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.begin(scenario{prepare: (*world).prepareConsented}, makesim.ClassFamily); err != nil {
				t.Fatal(err)
			}
			backup, err := w.grantSecret()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.rotate(); err != nil {
				t.Fatal(err)
			}
			if err := w.awaitConnection("the connection is Ready", isReady); err != nil {
				t.Fatal(err)
			}
			if restart {
				w.manager.stop()
			}
			now, err := w.grantSecret()
			if err != nil {
				t.Fatal(err)
			}
			now.Data, now.Annotations, now.Labels = backup.Data, backup.Annotations, backup.Labels
			begun := time.Now()
			if err := cluster.Client.Update(context.Background(), now); err != nil {
				t.Fatal(err)
			}
			if restart {
				if err := w.manager.start(); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.rotate(); err != nil {
				t.Fatal(err)
			}
			if err := w.awaitConnection("consent is asked for", isRolledBack); err != nil {
				t.Error(err)
			}
			if n := len(w.make.presentations(begun)); n > 0 {
				t.Errorf("the restored refresh token was presented %d times", n)
			}
			if err := w.consent(connectionName, patience); err != nil {
				t.Fatal(err)
			}
			if err := w.awaitConnection("the connection is Ready again", isReady); err != nil {
				t.Error(err)
			}
		})
	}
}
