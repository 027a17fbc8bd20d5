package chart

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// TestSameAsKustomize compares all objects, field by field. What a chart adds to every object is taken away first, and the
// Namespace, which helm install makes itself.
func TestSameAsKustomize(t *testing.T) {
	h := newHelm(t)
	want := kustomize(t, "config/default")
	delete(want, "Namespace "+namespace)
	got := h.must()
	for _, o := range got {
		labels, annotations := o.GetLabels(), o.GetAnnotations()
		for _, key := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"} {
			if labels[key] == "" {
				t.Errorf("%s %s has no label %s", o.GetKind(), o.GetName(), key)
			}
			delete(labels, key)
		}
		delete(annotations, "helm.sh/resource-policy")
		o.SetLabels(labels)
		o.SetAnnotations(annotations)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("charts/make-operator (+) differs from config/default (-); make generate copies what is generated:\n%s", diff)
	}
}

// TestCRDsOutliveTheRelease keeps connections and servers when somebody uninstalls the chart.
func TestCRDsOutliveTheRelease(t *testing.T) {
	h := newHelm(t)
	found := 0
	for key, o := range h.must() {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		found++
		if got := o.GetAnnotations()["helm.sh/resource-policy"]; got != "keep" {
			t.Errorf("%s: helm.sh/resource-policy is %q, want keep", key, got)
		}
	}
	if found == 0 {
		t.Error("the chart has no CustomResourceDefinition")
	}
	for key := range h.must("--set=crds.install=false") {
		if strings.HasPrefix(key, "CustomResourceDefinition ") {
			t.Errorf("crds.install=false installs %s", key)
		}
	}
}

// TestAnotherNamespace finds whatever would stay behind in the default one.
func TestAnotherNamespace(t *testing.T) {
	h := newHelm(t)
	out, err := h.run("template", "anything", chartDir, "--namespace=elsewhere", "--set=replicas=2,make.extraCA=PEM")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, namespace) && !strings.Contains(line, "description") {
			t.Errorf("names the default namespace: %s", line)
		}
	}
}

// TestHighAvailability has replicas take turns, and keep each other up.
func TestHighAvailability(t *testing.T) {
	h := newHelm(t)
	got := h.must("--set=replicas=3")
	deployment := deploymentOf(t, got)
	if *deployment.Spec.Replicas != 3 || deployment.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		t.Errorf("%d replicas with strategy %s", *deployment.Spec.Replicas, deployment.Spec.Strategy.Type)
	}
	if args := containerOf(t, got).Args; !slices.Contains(args, "--leader-elect") {
		t.Errorf("replicas elect no leader: %q", args)
	}
	if got["PodDisruptionBudget make-operator"] == nil {
		t.Error("there is no PodDisruptionBudget")
	}
	if h.must("--set=replicas=3,podDisruptionBudget.enabled=false")["PodDisruptionBudget make-operator"] != nil {
		t.Error("there is a PodDisruptionBudget that nobody wants")
	}
}

// TestArguments checks what values become on the manager's command line.
func TestArguments(t *testing.T) {
	h := newHelm(t)
	for _, c := range []struct {
		name, set string
		want      []string
	}{
		{"defaults", "replicas=1", nil},
		{"zones", "allowedZones={a.example,b.example:8443}", []string{"--allowed-zones=a.example,b.example:8443"}},
		{"certificates of a ConfigMap", "make.caConfigMap.name=corporate,make.caConfigMap.key=root.crt", []string{"--make-ca-file=/etc/make-operator/ca/root.crt"}},
		{"certificates", "make.extraCA=PEM", []string{"--make-ca-file=/etc/make-operator/ca/ca.pem"}},
		{"consent", "consent.url=https://make.example", []string{"--consent-url=https://make.example"}},
		{"no webhook", "webhook.enabled=false", []string{"--webhook-port=0"}},
		{"more", "extraArgs={--workers=2}", []string{"--workers=2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			container := containerOf(t, h.must("--set="+c.set))
			want := append([]string{"--mcp-image=make-mcp:0.1.0"}, c.want...)
			if diff := cmp.Diff(want, container.Args); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImages(t *testing.T) {
	h := newHelm(t)
	digest := "sha256:" + strings.Repeat("0a", 32)
	container := containerOf(t, h.must("--set=image.repository=registry.example/op,image.tag=v2,mcp.image.digest="+digest))
	if want := "registry.example/op:v2"; container.Image != want {
		t.Errorf("image %s, want %s", container.Image, want)
	}
	if want := []string{"--mcp-image=make-mcp@" + digest}; !slices.Equal(container.Args, want) {
		t.Errorf("arguments %q, want %q", container.Args, want)
	}
}

// TestCertificates mounts the file that the manager is told to read.
func TestCertificates(t *testing.T) {
	h := newHelm(t)
	for set, configMap := range map[string]string{
		"make.extraCA=PEM": "make-operator-ca", "make.caConfigMap.name=corporate": "corporate",
	} {
		got := h.must("--set=" + set)
		pod := deploymentOf(t, got).Spec.Template.Spec
		if len(pod.Volumes) != 1 || pod.Volumes[0].ConfigMap.Name != configMap {
			t.Errorf("%s: volumes %v, want ConfigMap %s", set, pod.Volumes, configMap)
		}
		if mounts := pod.Containers[0].VolumeMounts; len(mounts) != 1 || mounts[0].MountPath != "/etc/make-operator/ca" {
			t.Errorf("%s: mounts %v", set, mounts)
		}
	}
	if got := h.must("--set=make.extraCA=PEM")["ConfigMap make-operator-ca"]; got == nil {
		t.Error("make.extraCA makes no ConfigMap")
	}
}

// TestExtraVolumes mounts what the operator's own flags name, beside the CA and without it.
func TestExtraVolumes(t *testing.T) {
	h := newHelm(t)
	extra := []string{
		`--set-json=extraVolumes=[{"name":"vault","secret":{"secretName":"vault-ca"}}]`,
		`--set-json=extraVolumeMounts=[{"name":"vault","mountPath":"/etc/vault"}]`,
	}
	for _, set := range []string{"make.extraCA=", "make.extraCA=PEM"} {
		pod := deploymentOf(t, h.must(append(extra, "--set="+set)...)).Spec.Template.Spec
		volume, mount := pod.Volumes[len(pod.Volumes)-1], pod.Containers[0].VolumeMounts[len(pod.Containers[0].VolumeMounts)-1]
		if len(pod.Volumes) != len(pod.Containers[0].VolumeMounts) || volume.Secret.SecretName != "vault-ca" || mount.MountPath != "/etc/vault" {
			t.Errorf("%s: volumes %v, mounts %v", set, pod.Volumes, pod.Containers[0].VolumeMounts)
		}
	}
}

// TestOptionalObjects turns off one thing at a time.
func TestOptionalObjects(t *testing.T) {
	h := newHelm(t)
	all := slices.Sorted(maps.Keys(h.must()))
	for set, gone := range map[string][]string{
		"webhook.enabled=false": {"Service make-operator-webhook", "ValidatingWebhookConfiguration make-operator"},
		"admissionPolicy.enabled=false": {
			"ValidatingAdmissionPolicy make-operator-scopes", "ValidatingAdmissionPolicyBinding make-operator-scopes",
		},
		"metrics.service=false":       {"Service make-operator-metrics"},
		"networkPolicy.enabled=false": {"NetworkPolicy make-operator"},
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(key string) bool { return slices.Contains(gone, key) })
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(h.must("--set="+set)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", set, diff)
		}
	}
}

// TestNetworkPolicy lets the operator reach the port of an allowed zone, and named peers reach it.
func TestNetworkPolicy(t *testing.T) {
	h := newHelm(t)
	got := h.must("--set=allowedZones={a.example:8443,b.example},networkPolicy.apiServerPorts={16443},networkPolicy.egressPorts={8200}",
		"--set-json=networkPolicy.metricsFrom=[{\"podSelector\":{\"matchLabels\":{\"app\":\"prometheus\"}}}]",
		"--set-json=networkPolicy.consentFrom=[{\"podSelector\":{\"matchLabels\":{\"app\":\"ingress\"}}}]")
	policy := decode[networkingv1.NetworkPolicy](t, got, "NetworkPolicy make-operator")
	var out []int
	for _, p := range policy.Spec.Egress[1].Ports {
		out = append(out, p.Port.IntValue())
	}
	if diff := cmp.Diff([]int{443, 16443, 8200, 8443}, out); diff != "" {
		t.Errorf("ports of Make and the API server (-want +got):\n%s", diff)
	}
	peers := map[string]string{}
	for _, rule := range policy.Spec.Ingress {
		for _, p := range rule.Ports {
			peer := "anybody"
			if len(rule.From) > 0 {
				peer = rule.From[0].PodSelector.MatchLabels["app"]
			}
			peers[p.Port.String()] = peer
		}
	}
	if diff := cmp.Diff(map[string]string{"webhook": "anybody", "consent": "ingress", "metrics": "prometheus"}, peers); diff != "" {
		t.Errorf("who may connect (-want +got):\n%s", diff)
	}
}

// TestRefusedValues checks that a mistake is named, not installed.
func TestRefusedValues(t *testing.T) {
	h := newHelm(t)
	for _, c := range []struct{ set, want string }{
		{"replica=2", "replica"},
		{"replicas=0", "/replicas"},
		{"image.pullPolicy=Sometimes", "/image/pullPolicy"},
		{"image.digest=sha256:short", "/image/digest"},
		{"allowedZones={https://a.example}", "/allowedZones/0"},
		{"consent.url=https://a.example/", "/consent/url"},
		{"extraArgs={workers=2}", "/extraArgs/0"},
		{"make.extraCA=PEM,make.caConfigMap.name=corporate", "not both"},
	} {
		t.Run(c.set, func(t *testing.T) {
			_, err := h.template("--set=" + c.set)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that names %q", err, c.want)
			}
		})
	}
}

func TestLint(t *testing.T) {
	h := newHelm(t)
	if _, err := h.run("lint", "--strict", chartDir); err != nil {
		t.Error(err)
	}
}

func deploymentOf(t *testing.T, o objects) *appsv1.Deployment {
	t.Helper()
	return decode[appsv1.Deployment](t, o, "Deployment make-operator")
}

func containerOf(t *testing.T, o objects) *corev1.Container {
	t.Helper()
	return &deploymentOf(t, o).Spec.Template.Spec.Containers[0]
}

// decode finds an object and gives it its type; it fails on fields that the type does not have.
func decode[T any](t *testing.T, o objects, key string) *T {
	t.Helper()
	if o[key] == nil {
		t.Fatalf("there is no %s", key)
	}
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o[key].Object, typed, true); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return typed
}
