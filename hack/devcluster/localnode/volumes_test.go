package localnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/kubelet/token"
)

// known is an informer that has seen everything there is.
type known struct {
	cache.SharedInformer
	store cache.Store
}

func (k known) HasSynced() bool       { return true }
func (k known) GetStore() cache.Store { return k.store }

func knownObjects(t *testing.T, objects ...any) known {
	t.Helper()
	k := known{store: cache.NewStore(cache.MetaNamespaceKeyFunc)}
	for _, o := range objects {
		if err := k.store.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func testVolumes(t *testing.T, secrets, configMaps map[string]cache.SharedInformer) volumes {
	client := fake.NewClientset()
	client.PrependReactor("create", "serviceaccounts", func(a clienttesting.Action) (bool, runtime.Object, error) {
		request := a.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest).DeepCopy()
		request.Status.Token = "token for " + strings.Join(request.Spec.Audiences, ",") + " of " + request.Spec.BoundObjectRef.Name
		request.Status.ExpirationTimestamp = metav1.NewTime(metav1.Now().Add(3600e9))
		return true, request, nil
	})
	seconds, mode := int64(3600), int32(0o440)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "app-1", Labels: map[string]string{"a": "b"}}, Spec: corev1.PodSpec{
		ServiceAccountName: "app",
		Containers:         []corev1.Container{{Name: "app", VolumeMounts: []corev1.VolumeMount{{Name: "all", MountPath: "/etc/app"}}}},
		Volumes: []corev1.Volume{
			{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "all", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{DefaultMode: &mode, Sources: []corev1.VolumeProjection{
				{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "s"}, Items: []corev1.KeyToPath{{Key: "token", Path: "make/token"}}}},
				{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: "c"}}},
				{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
					{Path: "ip", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}},
					{Path: "label", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.labels['a']"}},
				}}},
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "jwt", Audience: "crm", ExpirationSeconds: &seconds}},
			}}}},
		},
	}}
	return volumes{
		dir: t.TempDir(), pod: pod, address: "127.1.2.3", hostAddress: "127.1.2.1", tokens: token.NewManager(client),
		sources: &sources{namespace: "sales", secrets: secrets, configMaps: configMaps},
	}
}

func secretOf(value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "s"}, Data: map[string][]byte{"token": []byte(value)}}
}

func TestVolumes(t *testing.T) {
	secrets := knownObjects(t, secretOf("one"))
	configMaps := knownObjects(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "sales", Name: "c"},
		Data:       map[string]string{"config.yaml": "tokenDir: /etc/app/make"},
	})
	v := testVolumes(t, map[string]cache.SharedInformer{"s": secrets}, map[string]cache.SharedInformer{"c": configMaps})
	check := func(want map[string]string) {
		t.Helper()
		if err := v.write(); err != nil {
			t.Fatal(err)
		}
		for path, text := range want {
			data, err := os.ReadFile(filepath.Join(v.dir, "all", path))
			if err != nil || string(data) != text {
				t.Errorf("%s: %q, %v; want %q", path, data, err, text)
			}
		}
	}
	check(map[string]string{
		"make/token": "one", "ip": "127.1.2.3", "label": "b", "jwt": "token for crm of app-1",
		"config.yaml": "tokenDir: " + filepath.Join(v.dir, "all", "make"),
	})
	info, err := os.Stat(filepath.Join(v.dir, "all", "make", "token"))
	if err != nil || info.Mode().Perm() != 0o440 {
		t.Errorf("mode of token: %v, %v", info, err)
	}
	before, _ := os.Readlink(filepath.Join(v.dir, "all", "..data"))
	check(nil)
	if same, _ := os.Readlink(filepath.Join(v.dir, "all", "..data")); same != before {
		t.Error("the volume was written again without a change")
	}
	if err := secrets.store.Update(secretOf("two")); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{"make/token": "two"})
	if after, _ := os.Readlink(filepath.Join(v.dir, "all", "..data")); after == before {
		t.Error("the volume did not change in one step")
	}
	if info, err := os.Stat(filepath.Join(v.dir, "scratch")); err != nil || !info.IsDir() {
		t.Errorf("emptyDir: %v", err)
	}
}

func TestVolumesWaitForWhatIsMissing(t *testing.T) {
	v := testVolumes(t, map[string]cache.SharedInformer{"s": knownObjects(t)}, nil)
	err := v.write()
	if err == nil || !strings.Contains(err.Error(), `Secret "s": not found`) {
		t.Errorf("write without the Secret: %v", err)
	}
}
