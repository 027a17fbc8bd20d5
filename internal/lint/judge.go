package lint

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/judge"
	"github.com/makeops/make-operator/internal/scope"
)

// The rules that findings name.
const (
	ruleMalformed = "malformed"
	ruleRefused   = "refused"
	ruleWarned    = "would-be-refused"
	ruleAudited   = "audited"
	ruleAdvice    = "advice"
	rulePolicy    = "policy"
	ruleUnknown   = "namespace-unknown"
)

// rules are all of them, with what they mean.
var rules = []struct{ id, text string }{
	{ruleMalformed, "The object has fields that do not exist or values of the wrong type."},
	{ruleRefused, "A scope, or another value, is refused: by form, by the connection's ceiling, by a MakeScopePolicy or by the built-in policy."},
	{ruleWarned, "A MakeScopePolicy with enforcement Warn would refuse a value if it denied."},
	{ruleAudited, "A MakeScopePolicy with enforcement Audit would refuse a value if it denied."},
	{ruleAdvice, "A value is allowed, but should be looked at."},
	{rulePolicy, "A MakeScopePolicy is not understood, or weaker than it looks."},
	{ruleUnknown, "Whether a MakeScopePolicy governs a namespace cannot be told, because the namespace is not among the files."},
}

// judgement collects findings.
type judgement struct {
	*Linter

	found []Finding
	noted map[string]bool // what was said of a policy and a namespace
}

func (j *judgement) add(at place, rule string, level Level, message string) {
	j.found = append(j.found, finding(at, rule, level, message))
}

func (j *judgement) policy(p located[*v1alpha1.MakeScopePolicy]) {
	_, err := judge.Policy(p.object)
	for _, e := range fieldErrors(err) {
		j.add(p.at(e.Field), rulePolicy, Error, e.Error())
	}
	for _, warning := range judge.PolicyWarnings(p.object, j.Now) {
		j.add(p.at(fieldOf(warning)), rulePolicy, Warning, warning)
	}
	if p.object.Name == scope.BuiltInName {
		j.add(p.at("metadata.name"), rulePolicy, Error, "metadata.name: built-in is the name of the operator's own policy; choose another")
	}
}

func (j *judgement) connection(c located[*v1alpha1.MakeConnection]) {
	zone := c.object.Spec.Zone
	if zone != "" && !j.AllowsZone(zone) {
		j.add(c.at("spec.zone"), ruleRefused, Error,
			"spec.zone: "+zone+" is no host of Make; correct it, or name it in --allowed-zones as the operator's flag does")
	}
	j.verdict(c.at, judge.Connection(c.object, j.rules(c.at, c.object.Namespace)))
}

func (j *judgement) server(s located[*v1alpha1.MakeMCPServer]) {
	var conn *v1alpha1.MakeConnection
	for _, c := range j.connections {
		if c.object.Namespace == s.object.Namespace && c.object.Name == s.object.Spec.ConnectionRef.Name {
			conn = c.object
		}
	}
	j.verdict(s.at, judge.Server(s.object, conn, j.rules(s.at, s.object.Namespace)))
	if conn != nil && judge.RolloutRefused(s.object, conn) {
		j.add(s.at("spec.rollout"), ruleRefused, Error, "spec.rollout: "+judge.RolloutAdvice)
	}
}

func (j *judgement) verdict(at func(string) place, v scope.Verdict) {
	for _, violation := range v.Violations {
		j.add(at(violation.Field), ruleRefused, Error, violation.String())
	}
	for _, violation := range v.Warned {
		j.add(at(violation.Field), ruleWarned, Warning, violation.Field+": it would be refused if the policy denied: "+violation.Detail())
	}
	for _, violation := range v.Audited {
		j.add(at(violation.Field), ruleAudited, Note, violation.Field+": it would be refused if the policy denied: "+violation.Detail())
	}
	for _, warning := range v.Warnings {
		j.add(at(warning.Field), ruleAdvice, Warning, warning.String())
	}
}

// rules are the policies that govern a namespace. Where its labels are not known, a policy that looks at them is taken to govern it.
func (j *judgement) rules(at func(string) place, namespace string) scope.Rules {
	rules := scope.Rules{Now: j.Now}
	known, ok := j.namespaces[namespace]
	for _, p := range j.policies {
		compiled, err := judge.Policy(p.object)
		if err != nil {
			continue // is said of the policy
		}
		switch {
		case ok && !judge.Selects(p.object, known), !ok && !judge.MaySelect(p.object, labels.Set{corev1.LabelMetadataName: namespace}):
			continue
		case !ok && !judge.SelectsAll(p.object):
			j.noteUnknown(at("metadata.namespace"), p.object.Name, namespace)
		}
		rules.Policies = append(rules.Policies, compiled)
	}
	return rules
}

// noteUnknown says once that it is not known whether a policy governs a namespace.
func (j *judgement) noteUnknown(at place, policy, namespace string) {
	if key := policy + "/" + namespace; !j.noted[key] {
		if j.noted == nil {
			j.noted = map[string]bool{}
		}
		j.noted[key] = true
		j.add(at, ruleUnknown, Note, fmt.Sprintf(
			"metadata.namespace: Namespace %s is not among the files, so MakeScopePolicy %s is taken to govern it; add the Namespace to be exact", namespace, policy))
	}
}

// fieldErrors are the joined field errors of judge.Policy.
func fieldErrors(err error) []*judge.FieldError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var all []*judge.FieldError
	for _, e := range joined.Unwrap() {
		if f, ok := errors.AsType[*judge.FieldError](e); ok {
			all = append(all, f)
		}
	}
	return all
}

// fieldOf is the field with which a sentence begins.
func fieldOf(sentence string) string {
	for i, r := range sentence {
		if r == ':' {
			return sentence[:i]
		}
	}
	return ""
}
