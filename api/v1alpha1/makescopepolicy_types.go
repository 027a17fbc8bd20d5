package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MakeScopePolicy is a ceiling for what the connections and MCP servers of some namespaces may ask of Make. It is bound to
// namespaces and consumers, never to the requester: under GitOps that is always the GitOps tool.
//
// Where several policies govern a namespace, each of them must allow a request, in whatever order they were created. Where none that
// denies limits scopes, the built-in policy counts: no admin:*, system:* and apps:* for anybody, no user:write for consumers.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=mksp,categories=make
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Enforcement",type=string,JSONPath=`.spec.enforcement`
// +kubebuilder:printcolumn:name="MaxRisk",type=string,JSONPath=`.spec.maxRisk`
// +kubebuilder:printcolumn:name="Connections",type=integer,JSONPath=`.status.connections`
// +kubebuilder:printcolumn:name="Servers",type=integer,JSONPath=`.status.servers`
// +kubebuilder:printcolumn:name="Violations",type=integer,JSONPath=`.status.violationCount`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'built-in'",message="metadata.name built-in is the name of the operator's own policy: choose another"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must be at most 63 characters, because it stands in every refusal"
type MakeScopePolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what the security team wants.
	// +required
	Spec MakeScopePolicySpec `json:"spec,omitzero"` //nolint:kubeapilinter // requiredfields: a rule of the spec refuses {}

	// status is what the operator found.
	// +optional
	Status MakeScopePolicyStatus `json:"status,omitzero"`
}

// MakeScopePolicySpec says what is governed, the limits, and what happens to those that exceed them. All limits hold together.
//
// +kubebuilder:validation:XValidation:rule="has(self.allowedScopes) || has(self.maxRisk) || has(self.allowedZones) || has(self.maxRotationSeconds) || has(self.leastPrivilege)",message="a policy needs a limit: one of allowedScopes, maxRisk, allowedZones, maxRotationSeconds and leastPrivilege"
// +kubebuilder:validation:XValidation:rule="!has(self.consumers) || has(self.allowedScopes) || has(self.maxRisk)",message="a policy with consumers limits scopes: set allowedScopes or maxRisk"
// +kubebuilder:validation:XValidation:rule="!has(self.consumers) || !(has(self.allowedZones) || has(self.maxRotationSeconds) || has(self.leastPrivilege))",message="allowedZones, maxRotationSeconds and leastPrivilege are limits of whole connections: put them into a policy without consumers"
type MakeScopePolicySpec struct {
	// namespaceSelector selects the namespaces that are governed, by their labels; absent means all.
	// +optional
	NamespaceSelector NamespaceSelector `json:"namespaceSelector,omitzero"`

	// consumers limits the policy to these consumers in the selected namespaces; absent means every connection, consumer and server.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Consumers []PolicyConsumer `json:"consumers,omitempty"`

	// allowedScopes are the only scopes that may be asked for; absent means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	AllowedScopes []Scope `json:"allowedScopes,omitempty"`

	// maxRisk is the highest risk class that a scope, or some scopes together, may have; absent means no ceiling.
	// +optional
	MaxRisk Risk `json:"maxRisk,omitempty"`

	// allowedZones are the only zones that connections may name, each a host or "*." and a domain; absent means all that the operator
	// allows.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	AllowedZones []ZonePattern `json:"allowedZones,omitempty"`

	// maxRotationSeconds is the longest rotation.everySeconds of connections with an API token; absent means no limit. A connection that
	// names no interval has 2592000 (30 days).
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	MaxRotationSeconds int32 `json:"maxRotationSeconds,omitempty"`

	// leastPrivilege is Required or Optional (the default): whether each consumer must hold a token of its own with its own scopes only.
	// +optional
	LeastPrivilege LeastPrivilegeDemand `json:"leastPrivilege,omitempty"`

	// enforcement is Deny (the default), Warn or Audit. Deny refuses at admission and issues no token. Warn warns at admission and in
	// the object's condition WithinPolicy. Audit reports in this policy's status only.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// onViolation says what happens to tokens that exist already and that this policy denies: KeepUntilExpiry (the default) issues no
	// others and ends each when it would have been replaced, Revoke ends them at once.
	// +optional
	OnViolation ViolationAction `json:"onViolation,omitempty"`

	// exceptions lift limits of this policy for a while.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Exceptions []PolicyException `json:"exceptions,omitempty"`
}

// NamespaceSelector selects namespaces by their labels; all requirements hold together.
type NamespaceSelector struct {
	// matchLabels are labels that the namespace has.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`

	// matchExpressions are further requirements.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []LabelRequirement `json:"matchExpressions,omitempty"`
}

// LabelValue is the value of a label.
//
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:Pattern=`^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$`
type LabelValue string

// LabelRequirement is what a label has to be.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['In', 'NotIn'] ? has(self.values) : !has(self.values)",message="In and NotIn need values, Exists and DoesNotExist have none"
type LabelRequirement struct {
	// key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:Pattern=`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$`
	Key string `json:"key,omitempty"`

	// operator is In, NotIn, Exists or DoesNotExist.
	// +required
	Operator LabelOperator `json:"operator,omitempty"`

	// values of In and NotIn.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Values []LabelValue `json:"values,omitempty"`
}

// LabelOperator is In, NotIn, Exists or DoesNotExist.
//
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type LabelOperator string

// PolicyConsumer is somebody who gets a token.
type PolicyConsumer struct {
	// kind is ServiceAccount or MakeMCPServer.
	// +required
	Kind ConsumerKind `json:"kind,omitempty"`

	// name of the ServiceAccount or MakeMCPServer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// ConsumerKind is ServiceAccount or MakeMCPServer.
//
// +kubebuilder:validation:Enum=ServiceAccount;MakeMCPServer
type ConsumerKind string

// The kinds of consumers.
const (
	ConsumerServiceAccount ConsumerKind = "ServiceAccount"
	ConsumerMCPServer      ConsumerKind = "MakeMCPServer"
)

// Risk is a class of scopes: Low reads metadata, Moderate reads business data, High changes or runs business processes or reads
// sensitive data, Critical administers, mints tokens or handles stored credentials of other systems.
//
// +kubebuilder:validation:Enum=Low;Moderate;High;Critical
type Risk string

// ZonePattern is a zone's host, with port where it is not 443, or "*." and the domain of several.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=259
// +kubebuilder:validation:Pattern=`^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`
type ZonePattern string

// LeastPrivilegeDemand is Required or Optional; empty means Optional.
//
// +kubebuilder:validation:Enum=Required;Optional
type LeastPrivilegeDemand string

// The values of LeastPrivilegeDemand.
const (
	LeastPrivilegeRequired LeastPrivilegeDemand = "Required"
	LeastPrivilegeOptional LeastPrivilegeDemand = "Optional"
)

// Enforcement is Deny, Warn or Audit; empty means Deny.
//
// +kubebuilder:validation:Enum=Deny;Warn;Audit
type Enforcement string

// The values of Enforcement.
const (
	EnforcementDeny  Enforcement = "Deny"
	EnforcementWarn  Enforcement = "Warn"
	EnforcementAudit Enforcement = "Audit"
)

// ViolationAction is KeepUntilExpiry or Revoke; empty means KeepUntilExpiry.
//
// +kubebuilder:validation:Enum=KeepUntilExpiry;Revoke
type ViolationAction string

// The values of ViolationAction.
const (
	KeepUntilExpiry   ViolationAction = "KeepUntilExpiry"
	RevokeOnViolation ViolationAction = "Revoke"
)

// PolicyException lifts limits of its policy in one namespace until it expires. From that moment on it does not count.
//
// +kubebuilder:validation:XValidation:rule="has(self.scopes) || has(self.zones) || has(self.limits)",message="an exception lifts something: one of scopes, zones and limits"
type PolicyException struct {
	// namespace in which the exception counts.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`

	// connection limits the exception to one MakeConnection, its consumers and its MCP servers; absent means all of the namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Connection string `json:"connection,omitempty"`

	// scopes that may be asked for nonetheless, alone and together with others.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// zones that may be named nonetheless.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Zones []ZonePattern `json:"zones,omitempty"`

	// limits that do not count: Rotation for maxRotationSeconds, LeastPrivilege for leastPrivilege.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Limits []PolicyLimit `json:"limits,omitempty"`

	// reason for whoever audits the exception.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`

	// expiresAt is the moment from which the exception does not count.
	// +required
	ExpiresAt metav1.Time `json:"expiresAt,omitzero"` //nolint:kubeapilinter // requiredfields takes a time for an object
}

// PolicyLimit is Rotation or LeastPrivilege.
//
// +kubebuilder:validation:Enum=Rotation;LeastPrivilege
type PolicyLimit string

// The limits that an exception can lift by name.
const (
	LimitRotation       PolicyLimit = "Rotation"
	LimitLeastPrivilege PolicyLimit = "LeastPrivilege"
)

// MakeScopePolicyStatus says what the policy governs, and who exceeds it.
type MakeScopePolicyStatus struct {
	BaseStatus `json:",inline"`

	// connections is how many MakeConnections the policy judges.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Connections *int32 `json:"connections,omitempty"`

	// servers is how many MakeMCPServers the policy judges.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Servers *int32 `json:"servers,omitempty"`

	// violationCount is how many of them exceed it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ViolationCount *int32 `json:"violationCount,omitempty"`

	// violations are the first of those, by kind, namespace and name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Violations []PolicyViolation `json:"violations,omitempty"`
}

// PolicyViolation is an object that exceeds a policy.
type PolicyViolation struct {
	// kind is MakeConnection or MakeMCPServer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// namespace of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// message says which field, which scope, its risk and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// BaseStatus implements step.Object.
func (p *MakeScopePolicy) BaseStatus() *BaseStatus { return &p.Status.BaseStatus }

// MakeScopePolicyList is a list of MakeScopePolicies.
//
// +kubebuilder:object:root=true
type MakeScopePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []MakeScopePolicy `json:"items"`
}
