package webhook_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/webhook"
)

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
			warnings, err := (&webhook.Connections{Zones: zones{}}).ValidateCreate(t.Context(), tt.conn)
			refused(t, err, tt.says...)
			if warned := len(warnings) > 0; warned != (name == "unknown, warned") {
				t.Errorf("warnings: %q", warnings)
			}
		})
	}
}

func TestUpdateJudgesChangedSpecsOnly(t *testing.T) {
	v := &webhook.Connections{Zones: zones{}}
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
			v := &webhook.Servers{Reader: b.Build()}
			_, err := v.ValidateCreate(t.Context(), tt.server)
			refused(t, err, tt.says...)
			_, err = v.ValidateUpdate(t.Context(), tt.server, tt.server.DeepCopy())
			refused(t, err)
			_, err = v.ValidateUpdate(t.Context(), server("teams:read"), tt.server)
			refused(t, err, tt.says...)
		})
	}
}
