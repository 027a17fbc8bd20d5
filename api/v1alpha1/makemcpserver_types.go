package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MakeMCPServer is an authenticated MCP server whose tools are what its connection's scopes allow.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mkmcp,categories=make
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Connection",type=string,JSONPath=`.spec.connectionRef.name`
// +kubebuilder:printcolumn:name="Tools",type=integer,JSONPath=`.status.toolCount`
// +kubebuilder:printcolumn:name="URL",type=string,priority=1,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be a DNS label that starts with a letter, at most 63 characters, because it becomes a Service"
type MakeMCPServer struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what the user wants.
	// +required
	Spec MakeMCPServerSpec `json:"spec,omitzero"`

	// status is what the operator found and did.
	// +optional
	Status MakeMCPServerStatus `json:"status,omitzero"`
}

// MakeMCPServerSpec says which connection, with which scopes, for whom.
//
// +kubebuilder:validation:XValidation:rule="self.access.rules.all(r, r.scopes.all(s, s in self.scopes))",message="a rule's scopes must be among spec.scopes"
type MakeMCPServerSpec struct {
	// connectionRef names a MakeConnection in the same namespace.
	// +required
	ConnectionRef ConnectionRef `json:"connectionRef,omitzero"`

	// scopes of the server's own token; they must be among the connection's.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// access says who may call the server. There is no open mode: no rule, no server.
	// +required
	Access Access `json:"access,omitzero"`

	// tools limits which tools exist; absent means all that the scopes allow.
	// +optional
	Tools Tools `json:"tools,omitzero"`

	// rateLimit bounds how often callers may call; absent means the defaults that its fields state.
	// +optional
	RateLimit RateLimit `json:"rateLimit,omitzero"`

	// rollout says how a rotated token reaches the server: Reload (the default) lets it re-read a mounted file, Restart hands the
	// token over as environment variables and restarts the pods. Restart is refused for OAuth connections, whose tokens live minutes.
	// +optional
	Rollout Rollout `json:"rollout,omitempty"`

	// resources of the server's container; absent means 20m CPU and 64Mi memory requested, 128Mi memory at most.
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitzero"`
}

// ConnectionRef names a MakeConnection in the same namespace.
type ConnectionRef struct {
	// name of the MakeConnection.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// Access is who may call the server.
type Access struct {
	// rules give principals scopes; a principal of several rules gets the scopes of all of them.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Rules []AccessRule `json:"rules,omitempty"`
}

// AccessRule gives some principals some scopes.
//
// +kubebuilder:validation:XValidation:rule="has(self.serviceAccounts) != has(self.oidc)",message="a rule is either for serviceAccounts or for oidc subjects: set one of them, and write two rules for both"
type AccessRule struct {
	// serviceAccounts that may call, with a token whose audience is the server's URL.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	ServiceAccounts []ServiceAccountSubject `json:"serviceAccounts,omitempty"`

	// oidc are callers that may call with an access token of an issuer outside the cluster, whose audience is the server's URL.
	// +optional
	OIDC *OIDCSubjects `json:"oidc,omitempty"`

	// scopes that these principals may use; they must be among spec.scopes.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// tools limits the principals to these tools; absent means all that the scopes allow.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Tools []ToolName `json:"tools,omitempty"`
}

// OIDCSubjects are callers with tokens of one issuer: those that match both subjects and claims.
//
// +kubebuilder:validation:XValidation:rule="has(self.subjects) || has(self.claims)",message="name subjects or claims: an issuer's callers are never let in altogether"
type OIDCSubjects struct {
	// issuer is the name that the operator's configuration (--oidc-issuer) gives to a trusted issuer. It is no URL: who is trusted to
	// vouch for callers is for the operator's administrators to say.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Issuer string `json:"issuer,omitempty"`

	// subjects are exact values of the sub claim; absent means any, if there are claims.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[^\s"*]+$`
	Subjects []string `json:"subjects,omitempty"`

	// claims are further claims that a token must have, all of them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Claims []RequiredClaim `json:"claims,omitempty"`
}

// RequiredClaim is a claim that a token must have.
type RequiredClaim struct {
	// name of the claim, such as groups, or a JSON Pointer to a nested one, such as /realm_access/roles.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^(/?[^\s/]+|https://\S+)(/[^\s/]+)*$`
	Name string `json:"name,omitempty"`

	// values that are accepted, exactly; of a claim that is a list, one member has to be among them.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Values []string `json:"values,omitempty"`
}

// RateLimit bounds how often callers may call. Who has had its share gets 429 and the time to wait.
type RateLimit struct {
	// standard counts, per caller, the calls of tools that are neither sensitive nor admin; 1,000 an hour by default.
	// +optional
	Standard CallRate `json:"standard,omitzero"`

	// sensitive counts, per caller, the calls of tools that destroy something or handle stored credentials; 100 an hour by default.
	// +optional
	Sensitive CallRate `json:"sensitive,omitzero"`

	// admin counts, per caller, the calls of tools that change organizations, teams and users; 500 an hour by default.
	// +optional
	Admin CallRate `json:"admin,omitzero"`

	// organizationCallsPerMinute counts the calls of all callers; 1,000 by default. The limit of Make's plan is obeyed in any case.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	OrganizationCallsPerMinute int32 `json:"organizationCallsPerMinute,omitempty"`

	// failedAuthenticationsPerMinute counts requests without a good token per address; 10 by default.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	FailedAuthenticationsPerMinute int32 `json:"failedAuthenticationsPerMinute,omitempty"`
}

// CallRate is a number of calls in an hour, and how many of them may come at once.
type CallRate struct {
	// callsPerHour is how many calls fit into an hour in the long run; absent means the default.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	CallsPerHour int32 `json:"callsPerHour,omitempty"`

	// burst is how many calls may come at once after a pause; absent means a tenth of callsPerHour.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Burst int32 `json:"burst,omitempty"`
}

// ServiceAccountSubject is a ServiceAccount that is granted access; only here may another namespace be named.
type ServiceAccountSubject struct {
	// name of the ServiceAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// namespace of the ServiceAccount; absent means the server's own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace,omitempty"`
}

// ToolName is the name of an MCP tool, such as scenarios_list.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_.-]+$`
type ToolName string

// Tools limits which tools exist.
type Tools struct {
	// include lists the only tools that exist; absent means all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Include []ToolName `json:"include,omitempty"`

	// exclude lists tools that do not exist.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	Exclude []ToolName `json:"exclude,omitempty"`

	// access is All (the default) or ReadOnly: only tools that change nothing.
	// +optional
	Access ToolAccess `json:"access,omitempty"`

	// scenarios is Expose (the default) or Hide: whether each active on-demand scenario is a tool of its own.
	// +optional
	Scenarios ScenarioTools `json:"scenarios,omitempty"`

	// confirmation is Destructive (the default) or Never: whether a call that deletes or overwrites something at Make needs the agreement of
	// the caller's user, who is asked where the client can do that, and is else asked by the agent, which then sets confirmed.
	// +optional
	Confirmation ToolConfirmation `json:"confirmation,omitempty"`
}

// ToolAccess is All or ReadOnly; empty means All.
//
// +kubebuilder:validation:Enum=All;ReadOnly
type ToolAccess string

// The values of ToolAccess.
const (
	ToolAccessAll      ToolAccess = "All"
	ToolAccessReadOnly ToolAccess = "ReadOnly"
)

// ScenarioTools is Expose or Hide; empty means Expose.
//
// +kubebuilder:validation:Enum=Expose;Hide
type ScenarioTools string

// The values of ScenarioTools.
const (
	ScenarioToolsExpose ScenarioTools = "Expose"
	ScenarioToolsHide   ScenarioTools = "Hide"
)

// ToolConfirmation is Destructive or Never; empty means Destructive.
//
// +kubebuilder:validation:Enum=Destructive;Never
type ToolConfirmation string

// The values of ToolConfirmation.
const (
	ToolConfirmationDestructive ToolConfirmation = "Destructive"
	ToolConfirmationNever       ToolConfirmation = "Never"
)

// Rollout is Reload or Restart; empty means Reload.
//
// +kubebuilder:validation:Enum=Reload;Restart
type Rollout string

// The values of Rollout.
const (
	RolloutReload  Rollout = "Reload"
	RolloutRestart Rollout = "Restart"
)

// MakeMCPServerStatus is what the operator found and did.
type MakeMCPServerStatus struct {
	BaseStatus `json:",inline"`

	// url is where agents call the server; it is also the audience that their tokens must have.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url,omitempty"`

	// serverInfo is what the server says of itself.
	// +optional
	ServerInfo ServerInfo `json:"serverInfo,omitzero"`

	// protocolVersions are the MCP revisions that the server speaks, newest first.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=32
	ProtocolVersions []string `json:"protocolVersions,omitempty"`

	// toolCount is how many tools the server listed to a caller with all of spec.scopes when it was verified.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ToolCount *int32 `json:"toolCount,omitempty"`
}

// ServerInfo names an MCP implementation.
type ServerInfo struct {
	// name of the implementation.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`

	// version of the implementation.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`
}

// BaseStatus implements step.Object.
func (s *MakeMCPServer) BaseStatus() *BaseStatus { return &s.Status.BaseStatus }

// MakeMCPServerList is a list of MakeMCPServers.
//
// +kubebuilder:object:root=true
type MakeMCPServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []MakeMCPServer `json:"items"`
}
