package mcpserver

import (
	"fmt"
	"path"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/mcp"
)

// Files of the ConfigMap, and where the pods see them.
const (
	configDir  = "/etc/make-mcp"
	configFile = "config.yaml"
	keysFile   = "jwks.json"
	caFile     = "ca.pem"
	// tokenDir is where the pods see the Secret with their token.
	tokenDir = "/var/run/make"
)

// Ports of the container: callers, and the kubelet.
const (
	mcpPort        = 8080
	operationsPort = 8081
)

// buildConfigMap holds what the pods need to know, and nothing secret. It has the cluster's signing keys, so that the pods need not
// ask the API server for them.
func buildConfigMap(in inputs) (*corev1.ConfigMap, error) {
	config, err := yaml.Marshal(in.config())
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", configFile, err)
	}
	data := map[string]string{configFile: string(config), keysFile: string(in.jwks)}
	if len(in.makeCA) > 0 {
		data[caFile] = string(in.makeCA)
	}
	for _, name := range in.trusted() {
		if ca := in.issuers[name].CA; len(ca) > 0 {
			data[issuerCAFile(name)] = string(ca)
		}
	}
	return &corev1.ConfigMap{ObjectMeta: in.metadata(), Data: data}, nil
}

// config is the configuration of make-mcp. Scopes are sorted, so that their order in the spec restarts nothing.
func (in inputs) config() mcp.Config {
	spec := in.server.Spec
	name, namespace := in.server.Name, in.server.Namespace
	cfg := mcp.Config{
		Listen:           fmt.Sprintf(":%d", mcpPort),
		OperationsListen: fmt.Sprintf(":%d", operationsPort),
		Resource:         urlOf(in.server),
		AllowedHosts:     []string{name, name + "." + namespace, hostOf(in.server) + ".cluster.local"},
		Issuers:          append([]mcp.Issuer{{Issuer: in.issuer, JWKSFile: path.Join(configDir, keysFile)}}, in.oidcIssuers()...),
		Rules:            in.rules(),
		OrganizationID:   in.conn.Spec.OrganizationID,
		TeamID:           in.conn.Spec.TeamID,
		Scopes:           judge.Sorted(spec.Scopes),
		Tools: mcp.Tools{
			Include: names(spec.Tools.Include), Exclude: names(spec.Tools.Exclude),
			ReadOnly:  spec.Tools.Access == v1alpha1.ToolAccessReadOnly,
			Scenarios: spec.Tools.Scenarios != v1alpha1.ScenarioToolsHide, Confirmation: string(spec.Tools.Confirmation),
		},
		Limits: limitsOf(spec.RateLimit),
	}
	if in.restarts() {
		cfg.Upstream.FromEnvironment = true
	} else {
		cfg.Upstream.TokenDir = tokenDir
	}
	if len(in.makeCA) > 0 {
		cfg.Upstream.CAFile = path.Join(configDir, caFile)
	}
	if in.extraZone {
		cfg.Upstream.ExtraZones = []string{in.conn.Spec.Zone}
	}
	return cfg
}

// rules are those of the spec, and one that lets the operator see the tools and call none.
func (in inputs) rules() []mcp.Rule {
	var rules []mcp.Rule
	for _, r := range in.server.Spec.Access.Rules {
		rule := mcp.Rule{Issuer: in.issuer, Scopes: judge.Sorted(r.Scopes), Tools: names(r.Tools)}
		for _, s := range r.ServiceAccounts {
			rule.Subjects = append(rule.Subjects, subjectOf(in.namespaceOf(s), s.Name))
		}
		if r.OIDC != nil {
			rule.Issuer, rule.Subjects, rule.Claims = in.issuers[r.OIDC.Issuer].Config.Issuer, r.OIDC.Subjects, claimsOf(r.OIDC.Claims)
		}
		rules = append(rules, rule)
	}
	return append(rules, mcp.Rule{
		Issuer: in.issuer, Subjects: []string{subjectOf(in.operator.Namespace, in.operator.Name)},
		Scopes: judge.Sorted(in.server.Spec.Scopes), ListOnly: true,
	})
}

// namespaceOf is a subject's namespace, by default the server's own.
func (in inputs) namespaceOf(s v1alpha1.ServiceAccountSubject) string {
	if s.Namespace != "" {
		return s.Namespace
	}
	return in.server.Namespace
}

func names(tools []v1alpha1.ToolName) []string {
	var out []string
	for _, t := range tools {
		out = append(out, string(t))
	}
	return out
}
