package mcpserver

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/mcp"
)

// typical are the inputs of a usual server.
func typical() inputs {
	return inputs{
		server: &v1alpha1.MakeMCPServer{
			ObjectMeta: metav1.ObjectMeta{Name: "crm-tools", Namespace: "sales", Labels: map[string]string{"team": "sales"}},
			Spec: v1alpha1.MakeMCPServerSpec{
				ConnectionRef: v1alpha1.ConnectionRef{Name: "crm"},
				Scopes:        []v1alpha1.Scope{"scenarios:run", "scenarios:read"},
				Access: v1alpha1.Access{Rules: []v1alpha1.AccessRule{{
					ServiceAccounts: []v1alpha1.ServiceAccountSubject{{Name: "agent"}}, Scopes: []v1alpha1.Scope{"scenarios:read"},
				}}},
			},
		},
		conn: &v1alpha1.MakeConnection{
			ObjectMeta: metav1.ObjectMeta{Name: "crm", Namespace: "sales"},
			Spec:       v1alpha1.MakeConnectionSpec{Zone: "eu1.make.com", OrganizationID: 42},
		},
		operator: types.NamespacedName{Namespace: "make-operator-system", Name: "make-operator"},
		image:    "make-mcp:test",
		issuer:   "https://kubernetes.default.svc",
		issuers: map[string]Issuer{
			"corp":  {Config: mcp.Issuer{Issuer: "https://login.example.com/", ScopeClaim: "scope"}, CA: []byte("pem")},
			"other": {Config: mcp.Issuer{Issuer: "https://other.example.com", JWKSURL: "https://other.example.com:8443/keys"}},
		},
		jwks: []byte(`{"keys":[{"kid":"a"}]}`),
	}
}

// variants are changes of typical: one for each field of a server's spec, by its path, and the rest of what children depend on.
func variants() map[string]func(*inputs) {
	return map[string]func(*inputs){
		"spec.connectionRef.name": func(in *inputs) {
			in.server.Spec.ConnectionRef.Name, in.conn.Name = "other", "other"
		},
		"spec.scopes":                            func(in *inputs) { in.server.Spec.Scopes = in.server.Spec.Scopes[1:] },
		"spec.access.rules.serviceAccounts.name": func(in *inputs) { rule(in).ServiceAccounts[0].Name = "other" },
		"spec.access.rules.serviceAccounts.namespace": func(in *inputs) {
			rule(in).ServiceAccounts[0].Namespace = "agents"
		},
		"spec.access.rules.scopes":                      func(in *inputs) { rule(in).Scopes = in.server.Spec.Scopes },
		"spec.access.rules.tools":                       func(in *inputs) { rule(in).Tools = []v1alpha1.ToolName{"scenarios_list"} },
		"spec.access.rules.oidc.issuer":                 oidc(v1alpha1.OIDCSubjects{Issuer: "other", Subjects: []string{"a"}}),
		"spec.access.rules.oidc.subjects":               oidc(v1alpha1.OIDCSubjects{Issuer: "corp", Subjects: []string{"b"}}),
		"spec.access.rules.oidc.claims.name":            oidc(v1alpha1.OIDCSubjects{Issuer: "corp", Claims: []v1alpha1.RequiredClaim{{Name: "groups", Values: []string{"a"}}}}),
		"spec.access.rules.oidc.claims.values":          oidc(v1alpha1.OIDCSubjects{Issuer: "corp", Claims: []v1alpha1.RequiredClaim{{Name: "groups", Values: []string{"a", "b"}}}}),
		"spec.rateLimit.standard.callsPerHour":          func(in *inputs) { in.server.Spec.RateLimit.Standard.CallsPerHour = 5 },
		"spec.rateLimit.standard.burst":                 func(in *inputs) { in.server.Spec.RateLimit.Standard.Burst = 5 },
		"spec.rateLimit.sensitive.callsPerHour":         func(in *inputs) { in.server.Spec.RateLimit.Sensitive.CallsPerHour = 5 },
		"spec.rateLimit.sensitive.burst":                func(in *inputs) { in.server.Spec.RateLimit.Sensitive.Burst = 5 },
		"spec.rateLimit.admin.callsPerHour":             func(in *inputs) { in.server.Spec.RateLimit.Admin.CallsPerHour = 5 },
		"spec.rateLimit.admin.burst":                    func(in *inputs) { in.server.Spec.RateLimit.Admin.Burst = 5 },
		"spec.rateLimit.organizationCallsPerMinute":     func(in *inputs) { in.server.Spec.RateLimit.OrganizationCallsPerMinute = 5 },
		"spec.rateLimit.failedAuthenticationsPerMinute": func(in *inputs) { in.server.Spec.RateLimit.FailedAuthenticationsPerMinute = 5 },
		"spec.tools.include":                            func(in *inputs) { in.server.Spec.Tools.Include = []v1alpha1.ToolName{"users_me"} },
		"spec.tools.exclude":                            func(in *inputs) { in.server.Spec.Tools.Exclude = []v1alpha1.ToolName{"users_me"} },
		"spec.tools.access":                             func(in *inputs) { in.server.Spec.Tools.Access = v1alpha1.ToolAccessReadOnly },
		"spec.tools.scenarios":                          func(in *inputs) { in.server.Spec.Tools.Scenarios = v1alpha1.ScenarioToolsHide },
		"spec.rollout":                                  func(in *inputs) { in.server.Spec.Rollout = v1alpha1.RolloutRestart },
		"spec.tools.confirmation":                       func(in *inputs) { in.server.Spec.Tools.Confirmation = v1alpha1.ToolConfirmationNever },
		"spec.resources": func(in *inputs) {
			in.server.Spec.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
		},
		"connection's zone": func(in *inputs) { in.conn.Spec.Zone, in.extraZone = "make.example:8443", true },
		"connection's team": func(in *inputs) { in.conn.Spec.TeamID = 7 },
		"organization":      func(in *inputs) { in.conn.Spec.OrganizationID = 43 },
		"operator":          func(in *inputs) { in.operator.Name = "other" },
		"image":             func(in *inputs) { in.image = "make-mcp:next" },
		"CA":                func(in *inputs) { in.makeCA = []byte("pem") },
		"issuer":            func(in *inputs) { in.issuer = "https://other" },
		"keys":              func(in *inputs) { in.jwks = []byte(`{"keys":[{"kid":"b"}]}`) },
	}
}

// oidc makes the one rule one for callers from outside the cluster.
func oidc(subjects v1alpha1.OIDCSubjects) func(*inputs) {
	return func(in *inputs) { rule(in).ServiceAccounts, rule(in).OIDC = nil, &subjects }
}

func rule(in *inputs) *v1alpha1.AccessRule { return &in.server.Spec.Access.Rules[0] }

// vary returns typical inputs with one change.
func vary(change func(*inputs)) inputs {
	in := typical()
	if change != nil {
		change(&in)
	}
	return in
}

func buildAll(t *testing.T, in inputs) []client.Object {
	t.Helper()
	config, err := buildConfigMap(in)
	if err != nil {
		t.Fatal(err)
	}
	return []client.Object{buildServiceAccount(in), config, buildService(in), buildNetworkPolicy(in), buildDeployment(in, config)}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// fieldsOf lists the paths of the leaves of a type of our API.
func fieldsOf(path string, t reflect.Type) []string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[v1alpha1.Access]().PkgPath() {
		return []string{path}
	}
	var all []string
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		all = append(all, fieldsOf(path+"."+name, field.Type)...)
	}
	return all
}

func TestEveryFieldOfTheSpecMatters(t *testing.T) {
	base := encode(t, buildAll(t, typical()))
	all := variants()
	for _, field := range fieldsOf("spec", reflect.TypeFor[v1alpha1.MakeMCPServerSpec]()) {
		if all[field] == nil {
			t.Errorf("no variant changes %s", field)
		}
	}
	for name, change := range all {
		if encode(t, buildAll(t, vary(change))) == base {
			t.Errorf("%s changes nothing", name)
		}
	}
}

func TestBuildersAreDeterministicAndKeepTheirInputs(t *testing.T) {
	for name, change := range variants() {
		in, untouched := vary(change), vary(change)
		if diff := cmp.Diff(buildAll(t, in), buildAll(t, in)); diff != "" {
			t.Errorf("%s: built twice:\n%s", name, diff)
		}
		if diff := cmp.Diff(untouched.server, in.server); diff != "" {
			t.Errorf("%s: the server was changed:\n%s", name, diff)
		}
	}
}

// TestPodsAreRestricted checks what the Pod Security Standard "restricted" asks for, and a little more.
func TestPodsAreRestricted(t *testing.T) {
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			in := vary(change)
			config, err := buildConfigMap(in)
			if err != nil {
				t.Fatal(err)
			}
			pod := buildDeployment(in, config).Spec.Template.Spec
			s := pod.SecurityContext
			if !*s.RunAsNonRoot || *s.RunAsUser == 0 || *s.RunAsGroup == 0 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Error("the pod may run as root or without seccomp")
			}
			if pod.HostNetwork || pod.HostPID || pod.HostIPC || *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks {
				t.Error("the pod has more than its files")
			}
			for _, c := range pod.Containers {
				s := c.SecurityContext
				if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Privileged != nil || len(s.Capabilities.Add) > 0 ||
					!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
					t.Errorf("container %s has privileges", c.Name)
				}
				for _, m := range c.VolumeMounts {
					if !m.ReadOnly || m.SubPath != "" {
						t.Errorf("mount %s can be written, or does not change", m.Name)
					}
				}
			}
			for _, v := range pod.Volumes {
				if v.ConfigMap == nil && v.Secret == nil {
					t.Errorf("volume %s is of another kind", v.Name)
				}
			}
		})
	}
}

func TestLabelsAreOurs(t *testing.T) {
	want := map[string]string{
		"app.kubernetes.io/name": "make-mcp", "app.kubernetes.io/instance": "crm-tools",
		v1alpha1.ManagedByLabel: v1alpha1.ManagedBy, v1alpha1.ServerLabel: "crm-tools",
	}
	for _, o := range buildAll(t, typical()) {
		if diff := cmp.Diff(want, o.GetLabels()); diff != "" || o.GetName() != "crm-tools" || o.GetNamespace() != "sales" {
			t.Errorf("%T %s/%s: labels (-want +got):\n%s", o, o.GetNamespace(), o.GetName(), diff)
		}
	}
}

func TestConfigIsWhatMakeMCPReads(t *testing.T) {
	for name, change := range variants() {
		t.Run(name, func(t *testing.T) {
			in := vary(change)
			config, err := buildConfigMap(in)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := mcp.ParseConfig([]byte(config.Data[configFile]))
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Validate(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(in.config(), cfg); diff != "" {
				t.Errorf("config after a round trip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	in := vary(func(in *inputs) {
		in.conn.Spec.Zone, in.extraZone, in.conn.Spec.TeamID, in.makeCA = "make.example:8443", true, 7, []byte("pem")
		rule(in).ServiceAccounts = append(rule(in).ServiceAccounts, v1alpha1.ServiceAccountSubject{Name: "bot", Namespace: "agents"})
		rule(in).Tools = []v1alpha1.ToolName{"scenarios_list"}
	})
	want := mcp.Config{
		Listen: ":8080", OperationsListen: ":8081",
		Resource:     "http://crm-tools.sales.svc/mcp",
		AllowedHosts: []string{"crm-tools", "crm-tools.sales", "crm-tools.sales.svc.cluster.local"},
		Issuers:      []mcp.Issuer{{Issuer: "https://kubernetes.default.svc", JWKSFile: "/etc/make-mcp/jwks.json"}},
		Rules: []mcp.Rule{
			{
				Issuer:   "https://kubernetes.default.svc",
				Subjects: []string{"system:serviceaccount:sales:agent", "system:serviceaccount:agents:bot"},
				Scopes:   []string{"scenarios:read"}, Tools: []string{"scenarios_list"},
			},
			{
				Issuer: "https://kubernetes.default.svc", Subjects: []string{"system:serviceaccount:make-operator-system:make-operator"},
				Scopes: []string{"scenarios:read", "scenarios:run"}, ListOnly: true,
			},
		},
		Upstream:       mcp.Upstream{TokenDir: "/var/run/make", CAFile: "/etc/make-mcp/ca.pem", ExtraZones: []string{"make.example:8443"}},
		OrganizationID: 42, TeamID: 7,
		Scopes: []string{"scenarios:read", "scenarios:run"},
		Tools:  mcp.Tools{Scenarios: true},
	}
	if diff := cmp.Diff(want, in.config()); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func TestWhatRestartsPods(t *testing.T) {
	restart := func(in *inputs) { in.server.Spec.Rollout = v1alpha1.RolloutRestart }
	for name, tt := range map[string]struct {
		base, change func(*inputs)
		want         bool
	}{
		"access":                    {nil, func(in *inputs) { rule(in).Scopes = in.server.Spec.Scopes }, true},
		"CA":                        {nil, func(in *inputs) { in.makeCA = []byte("pem") }, true},
		"keys":                      {nil, func(in *inputs) { in.jwks = []byte("{}") }, false},
		"order of scopes":           {nil, func(in *inputs) { slices.Reverse(in.server.Spec.Scopes) }, false},
		"token, mounted":            {nil, func(in *inputs) { in.tokenSequence = "2" }, false},
		"token, in the environment": {restart, func(in *inputs) { restart(in); in.tokenSequence = "2" }, true},
		"labels of the server":      {nil, func(in *inputs) { in.server.Labels = nil }, false},
	} {
		template := func(in inputs) string {
			config, err := buildConfigMap(in)
			if err != nil {
				t.Fatal(err)
			}
			return encode(t, buildDeployment(in, config).Spec.Template)
		}
		if got := template(vary(tt.base)) != template(vary(tt.change)); got != tt.want {
			t.Errorf("%s: restarts %v, want %v", name, got, tt.want)
		}
	}
}

func TestTokenDelivery(t *testing.T) {
	mounted := vary(nil).podSpec()
	fromSecret := func(e corev1.EnvVar) bool { return e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil }
	if c := mounted.Containers[0]; slices.ContainsFunc(c.Env, fromSecret) || mounted.Volumes[1].Secret.SecretName != "crm-mcp-crm-tools" || c.VolumeMounts[1].MountPath != "/var/run/make" {
		t.Errorf("Reload: %s", encode(t, mounted))
	}
	env := vary(variants()["spec.rollout"]).podSpec()
	var got []string
	for _, e := range env.Containers[0].Env {
		if fromSecret(e) {
			got = append(got, e.Name+" from "+e.ValueFrom.SecretKeyRef.Name+"/"+e.ValueFrom.SecretKeyRef.Key)
		}
	}
	want := []string{"MAKE_API_KEY from crm-mcp-crm-tools/MAKE_API_KEY", "MAKE_ZONE from crm-mcp-crm-tools/MAKE_ZONE"}
	if diff := cmp.Diff(want, got); diff != "" || len(env.Volumes) != 1 {
		t.Errorf("Restart: %d volumes, environment (-want +got):\n%s", len(env.Volumes), diff)
	}
}

func TestArgsAreThePodsOwn(t *testing.T) {
	in := vary(func(in *inputs) { in.makeCA = []byte("pem") })
	want := []string{
		"--config=/etc/make-mcp/config.yaml", "--jwks-file=/etc/make-mcp/jwks.json", "--listen=[$(POD_IP)]:8080",
		"--operations-listen=[$(POD_IP)]:8081", "--token-dir=/var/run/make", "--upstream-ca-file=/etc/make-mcp/ca.pem",
	}
	c := in.container()
	if diff := cmp.Diff(want, c.Args); diff != "" || c.Env[0].Name != "POD_IP" || c.Env[0].ValueFrom.FieldRef.FieldPath != "status.podIP" {
		t.Errorf("environment %s, arguments (-want +got):\n%s", encode(t, c.Env), diff)
	}
}

func TestResources(t *testing.T) {
	if got, want := encode(t, typical().resources()), `{"limits":{"memory":"128Mi"},"requests":{"cpu":"20m","memory":"64Mi"}}`; got != want {
		t.Errorf("defaults %s, want %s", got, want)
	}
	if got, want := encode(t, vary(variants()["spec.resources"]).resources()), `{"limits":{"memory":"1Gi"}}`; got != want {
		t.Errorf("resources of the spec became %s, want %s", got, want)
	}
}

func TestNetworkPolicy(t *testing.T) {
	in := vary(func(in *inputs) {
		in.conn.Spec.Zone = "make.example:8443"
		rule(in).ServiceAccounts = []v1alpha1.ServiceAccountSubject{{Name: "a"}, {Name: "b", Namespace: "agents"}, {Name: "c", Namespace: "agents"}}
	})
	got := encode(t, buildNetworkPolicy(in).Spec)
	namespace := func(name string) string {
		return `{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"` + name + `"}}}`
	}
	want := `{"podSelector":{"matchLabels":{"app.kubernetes.io/instance":"crm-tools","app.kubernetes.io/name":"make-mcp"}},` +
		`"ingress":[{"ports":[{"protocol":"TCP","port":8080}],` +
		`"from":[` + namespace("agents") + `,` + namespace("make-operator-system") + `,` + namespace("sales") + `]}],` +
		`"egress":[{"ports":[{"protocol":"UDP","port":53},{"protocol":"TCP","port":53}],"to":[{"namespaceSelector":{}}]},` +
		`{"ports":[{"protocol":"TCP","port":8443}]}],"policyTypes":["Ingress","Egress"]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestZonePort(t *testing.T) {
	for zone, want := range map[string]int32{"eu1.make.com": 443, "127.0.0.1:8443": 8443, "x:0": 443, "x:99999": 443, "x:": 443} {
		if got := zonePort(zone); got != want {
			t.Errorf("%s: port %d, want %d", zone, got, want)
		}
	}
}

// TestCollector: Go's collector keeps within the container's memory, whatever limit a user sets, and is told nothing where there is none.
func TestCollector(t *testing.T) {
	for name, tt := range map[string]struct {
		limits corev1.ResourceList
		want   map[string]string
	}{
		"default":  {nil, map[string]string{"GOGC": "200", "GOMEMLIMIT": "107374160"}},
		"own":      {corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}, map[string]string{"GOGC": "200", "GOMEMLIMIT": "858993440"}},
		"CPU only": {corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}, map[string]string{"GOGC": "200"}},
	} {
		in := vary(func(in *inputs) { in.server.Spec.Resources.Limits = tt.limits })
		got := map[string]string{}
		for _, e := range in.container().Env {
			if strings.HasPrefix(e.Name, "GO") {
				got[e.Name] = e.Value
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
