package judge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/scope"
)

// FieldError is what is wrong with one field of a policy.
type FieldError struct {
	// Field is its path: "spec.allowedScopes[1]".
	Field string
	// Err says why, and what to do.
	Err error
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

func (e *FieldError) Unwrap() error { return e.Err }

// Policy turns a MakeScopePolicy into what the evaluator understands. All that is wrong with it are FieldErrors, joined.
func Policy(policy *v1alpha1.MakeScopePolicy) (scope.Policy, error) {
	spec := &policy.Spec
	p := scope.Policy{
		Name: policy.Name, Revoke: spec.OnViolation == v1alpha1.RevokeOnViolation,
		AllowedScopes: Names(spec.AllowedScopes), AllowedZones: zones(spec.AllowedZones),
		MaxRotation: time.Duration(spec.MaxRotationSeconds) * time.Second, LeastPrivilege: spec.LeastPrivilege == v1alpha1.LeastPrivilegeRequired,
	}
	var errs []error
	wrong := func(field string, err error) {
		if err != nil {
			errs = append(errs, &FieldError{Field: field, Err: err})
		}
	}
	var err error
	p.Enforcement, err = enforcementOf(spec.Enforcement)
	wrong("spec.enforcement", err)
	if spec.MaxRisk != "" {
		p.MaxRisk, err = scope.ParseRisk(string(spec.MaxRisk))
		wrong("spec.maxRisk", err)
	}
	for _, c := range spec.Consumers {
		p.Holders = append(p.Holders, holderOf(c))
	}
	for i, s := range spec.AllowedScopes {
		_, err := scope.Parse(string(s))
		wrong(fmt.Sprintf("spec.allowedScopes[%d]", i), err)
	}
	for i, e := range spec.Exceptions {
		for k, s := range e.Scopes {
			_, err := scope.Parse(string(s))
			wrong(fmt.Sprintf("spec.exceptions[%d].scopes[%d]", i, k), err)
		}
		p.Exceptions = append(p.Exceptions, scope.Exception{
			Namespace: e.Namespace, Connection: e.Connection, Scopes: Names(e.Scopes), Zones: zones(e.Zones),
			Rotation: slices.Contains(e.Limits, v1alpha1.LimitRotation), LeastPrivilege: slices.Contains(e.Limits, v1alpha1.LimitLeastPrivilege),
			Expires: e.ExpiresAt.Time,
		})
	}
	_, err = selectorOf(spec.NamespaceSelector)
	wrong("spec.namespaceSelector", err)
	return p, errors.Join(errs...)
}

// PolicyWarnings are what is allowed in a policy, but should be looked at: scopes that are not known, exceptions that count no more,
// and what the built-in policy would refuse.
func PolicyWarnings(policy *v1alpha1.MakeScopePolicy, now time.Time) []string {
	var warnings []string
	spec := &policy.Spec
	for i, s := range spec.AllowedScopes {
		if info, err := scope.Parse(string(s)); err == nil && info.Status == scope.Unlisted {
			warnings = append(warnings, fmt.Sprintf("spec.allowedScopes[%d]: scope %s %s; check its spelling", i, s, info.Reason))
		}
	}
	for i, e := range spec.Exceptions {
		if !e.ExpiresAt.After(now) {
			warnings = append(warnings, fmt.Sprintf("spec.exceptions[%d]: it has expired and counts no more; remove it", i))
		}
	}
	p, err := Policy(policy)
	if err != nil || !p.LimitsScopes() {
		return warnings
	}
	if len(p.AllowedScopes) == 0 && p.MaxRisk == scope.Critical {
		return append(warnings, "spec.maxRisk: Critical allows what the built-in policy refuses: administrators' scopes, and user:write for consumers")
	}
	for i, s := range p.AllowedScopes {
		if info, err := scope.Parse(s); err == nil && (info.Kind == scope.Admin || s == "user:write") {
			warnings = append(warnings, fmt.Sprintf("spec.allowedScopes[%d]: scope %s is one that the built-in policy refuses: it %s", i, s, info.Reason))
		}
	}
	return warnings
}

// Ready reports whether the operator has understood a policy as it now is.
func Ready(policy *v1alpha1.MakeScopePolicy) bool {
	c := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.Valid)
	return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration == policy.Generation
}

// Selects reports whether a policy governs a namespace with these labels. A selector that cannot be read selects everything.
func Selects(policy *v1alpha1.MakeScopePolicy, namespace labels.Set) bool {
	selector, err := selectorOf(policy.Spec.NamespaceSelector)
	return err != nil || selector.Matches(namespace)
}

// MaySelect reports whether a policy could govern a namespace of which only these labels are known.
func MaySelect(policy *v1alpha1.MakeScopePolicy, known labels.Set) bool {
	told := policy.DeepCopy()
	s := &told.Spec.NamespaceSelector
	for key := range s.MatchLabels {
		if !known.Has(key) {
			delete(s.MatchLabels, key)
		}
	}
	s.MatchExpressions = slices.DeleteFunc(s.MatchExpressions, func(e v1alpha1.LabelRequirement) bool { return !known.Has(e.Key) })
	return Selects(told, known)
}

// SelectsAll reports whether a policy governs every namespace.
func SelectsAll(policy *v1alpha1.MakeScopePolicy) bool {
	s := policy.Spec.NamespaceSelector
	return len(s.MatchLabels)+len(s.MatchExpressions) == 0
}

var operators = map[v1alpha1.LabelOperator]selection.Operator{
	"In": selection.In, "NotIn": selection.NotIn, "Exists": selection.Exists, "DoesNotExist": selection.DoesNotExist,
}

func selectorOf(s v1alpha1.NamespaceSelector) (labels.Selector, error) {
	selector := labels.NewSelector()
	add := func(key string, operator selection.Operator, values []string) error {
		r, err := labels.NewRequirement(key, operator, values)
		if err == nil {
			selector = selector.Add(*r)
		}
		return err
	}
	for key, value := range s.MatchLabels {
		if err := add(key, selection.Equals, []string{string(value)}); err != nil {
			return nil, err
		}
	}
	for _, e := range s.MatchExpressions {
		operator, ok := operators[e.Operator]
		if !ok {
			return nil, fmt.Errorf("operator %q is none of In, NotIn, Exists, DoesNotExist", e.Operator)
		}
		var values []string
		for _, v := range e.Values {
			values = append(values, string(v))
		}
		if err := add(e.Key, operator, values); err != nil {
			return nil, err
		}
	}
	return selector, nil
}

func enforcementOf(e v1alpha1.Enforcement) (scope.Enforcement, error) {
	switch e {
	case "", v1alpha1.EnforcementDeny:
		return scope.Deny, nil
	case v1alpha1.EnforcementWarn:
		return scope.Warn, nil
	case v1alpha1.EnforcementAudit:
		return scope.Audit, nil
	}
	return scope.Deny, fmt.Errorf("%q is none of Deny, Warn, Audit", e)
}

func holderOf(c v1alpha1.PolicyConsumer) string {
	if c.Kind == v1alpha1.ConsumerMCPServer {
		return scope.MCPServer(c.Name)
	}
	return scope.ServiceAccount(c.Name)
}

func zones(patterns []v1alpha1.ZonePattern) []string {
	var names []string
	for _, p := range patterns {
		names = append(names, strings.ToLower(string(p)))
	}
	return names
}
