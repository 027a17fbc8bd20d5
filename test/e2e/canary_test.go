package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// TestNoTokenLeaks looks for every token value of the running stack in every place but the Secret that it belongs to. The manager logs
// at its highest level.
func TestNoTokenLeaks(t *testing.T) {
	canaries, sealed := canaries(t), sealedCanaries(t)
	maps.Copy(canaries, sealed)
	places := map[string][]byte{
		"status and annotations": customResources(t), "events": events(t), "metrics": metrics(t), "grants as stored": grants(t),
		"audit log": file(t, shared.AuditLog), "makesim's ledger": file(t, shared.Ledger),
	}
	for _, log := range glob(t, filepath.Join(shared.Dir, "log", "*.log"), filepath.Join(shared.Dir, "cluster", "log", "*.log")) {
		places["log "+filepath.Base(log)] = file(t, log)
	}
	for _, p := range shared.Processes() {
		places["arguments of "+p.Name] = file(t, "/proc/"+strconv.Itoa(p.PID)+"/cmdline")
	}
	for place, content := range places {
		for name, value := range canaries {
			if bytes.Contains(content, []byte(value)) {
				t.Errorf("%s shows the %s", place, name)
			}
		}
	}
	stored := etcd(t)
	for name, value := range sealed {
		if bytes.Contains(stored, []byte(value)) {
			t.Errorf("etcd's files show the %s", name)
		}
	}
	if consumers := canaries["token of crm-reporting"]; !bytes.Contains(stored, []byte(consumers)) {
		t.Error("etcd's files do not show what is in a consumer's Secret: they were not looked at as they are")
	}
	if !bytes.Contains(places["log manager.log"], []byte("Level(-5)")) {
		t.Error("the manager logs less than it could")
	}
	if len(places["metrics"]) == 0 || len(places["grants as stored"]) == 0 || len(places["log manager.log"]) == 0 {
		t.Error("a place that should have content is empty: nothing was looked at")
	}
}

// canaries are the token values by what they are. The seeds are in makesim's own files, and those are its own.
func canaries(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{"root token": makesim.RootToken, "OAuth client's secret": makesim.OAuthClientSecret}
	for _, name := range []string{
		v1alpha1.ConsumerSecretName("crm", "reporting"), v1alpha1.ConsumerSecretName("crm-oauth", "reporting"),
		v1alpha1.ServerSecretName("crm", "crm-tools"),
	} {
		secret := &corev1.Secret{}
		if err := shared.Client.Get(t.Context(), ctrlclient.ObjectKey{Namespace: "sales", Name: name}, secret); err != nil {
			t.Fatal(err)
		}
		values["token of "+name] = string(secret.Data[v1alpha1.TokenKey])
	}
	for name, value := range values {
		if len(value) < 16 {
			t.Fatalf("the %s is too short to look for: %q", name, value)
		}
	}
	return values
}

// sealedCanaries are the values that no Secret of a user or consumer holds: only grants do, sealed. One of them is a root token that
// the operator minted.
func sealedCanaries(t *testing.T) map[string]string {
	t.Helper()
	rotating := object{"MakeConnection", "sales", "rotating"}
	conn := &v1alpha1.MakeConnection{}
	if err := shared.Client.Get(t.Context(), keyOf(apiConnection), conn); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "rotating-root", Labels: map[string]string{v1alpha1.CredentialLabel: "true"}},
		StringData: map[string]string{"token": bootstrapToken(t)},
	}
	made := &v1alpha1.MakeConnection{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: rotating.name}, Spec: *conn.Spec.DeepCopy()}
	made.Spec.Auth.APIToken = &v1alpha1.APITokenAuth{
		SecretRef: v1alpha1.SecretKeyRef{LocalRef: v1alpha1.LocalRef{Name: secret.Name}, Key: "token"}, RotateRoot: true,
	}
	for _, o := range []ctrlclient.Object{secret, made} {
		if err := shared.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := shared.Client.Delete(context.WithoutCancel(t.Context()), o); err != nil {
				t.Error(err)
			}
		})
	}
	if err := awaitCondition(t.Context(), shared, rotating, v1alpha1.RootRotated, "Succeeded"); err != nil {
		t.Fatal(err)
	}
	store, err := grant.NewStore(t.Context(), shared.Client, stack.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	open := func(o object) *grant.Record {
		obj, err := read(t.Context(), shared, o)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := store.Read(t.Context(), grant.Identity{Namespace: o.namespace, Name: o.name, UID: obj.GetUID()})
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	root, consent := open(rotating), open(oauthConnection)
	if root.Bootstrap == "" {
		t.Fatal("the root token was not taken over")
	}
	return map[string]string{"operator's root token": root.Root.Value, "refresh token": consent.OAuth.RefreshToken}
}

// bootstrapToken is a root token that somebody makes in the profile at Make.
func bootstrapToken(t *testing.T) string {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(file(t, shared.SimCA)) {
		t.Fatal("makesim has no certificate")
	}
	client, err := makeapi.New(makeapi.Config{ExtraZones: []string{shared.Zone}, RootCAs: pool, Clock: clock.RealClock{}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Zone(shared.Zone, makeapi.APIToken(makesim.RootToken)).CreateToken(t.Context(), "bootstrap",
		[]string{"user:read", "user:write", "scenarios:read", "scenarios:run"})
	if err != nil {
		t.Fatal(err)
	}
	return token.Value
}

// etcd is all that etcd has on disk.
func etcd(t *testing.T) []byte {
	t.Helper()
	var all []byte
	err := filepath.WalkDir(filepath.Join(shared.Dir, "cluster", "etcd"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		all = append(all, file(t, path)...)
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("read etcd's files: %d bytes, %v", len(all), err)
	}
	return all
}

// customResources is what anybody sees of our objects.
func customResources(t *testing.T) []byte {
	t.Helper()
	return kubectl(t, "get", "mkc,mkmcp,deployments,configmaps,services,roles,rolebindings,networkpolicies", "--all-namespaces", "-o", "yaml")
}

func events(t *testing.T) []byte {
	t.Helper()
	var list eventsv1.EventList
	if err := shared.Client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range list.Items {
		all.WriteString(e.Note + "\n")
	}
	return []byte(all.String())
}

// grants are the Secrets of the operator's namespace, decoded from base64 but not opened.
func grants(t *testing.T) []byte {
	t.Helper()
	var list corev1.SecretList
	if err := shared.Client.List(t.Context(), &list, ctrlclient.HasLabels{grant.Label}); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, s := range list.Items {
		for _, value := range s.Data {
			all = append(all, value...)
		}
	}
	return all
}

func metrics(t *testing.T) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, shared.MetricsURL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func kubectl(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shared.Program("kubectl"), append([]string{"--kubeconfig", shared.AdminKubeconfig}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func file(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return content
}

func glob(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}
