package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// MakeConnection is one credential of one Make organization, and who may use which part of it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mkc,categories=make
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Zone",type=string,JSONPath=`.spec.zone`
// +kubebuilder:printcolumn:name="Organization",type=integer,JSONPath=`.spec.organizationID`
// +kubebuilder:printcolumn:name="Account",type=string,priority=1,JSONPath=`.status.account.name`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="metadata.name must be at most 63 characters, because it becomes a label"
type MakeConnection struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what the user wants.
	// +required
	Spec MakeConnectionSpec `json:"spec,omitzero"`

	// status is what the operator found and did.
	// +optional
	Status MakeConnectionStatus `json:"status,omitzero"`
}

// MakeConnectionSpec says which Make organization, by which credential, with which scopes and for whom.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.rotation) || !has(oldSelf.rotation.generation) || oldSelf.rotation.generation == 0 || (has(self.rotation) && has(self.rotation.generation))",message="rotation.generation can only grow, so it cannot be removed"
// +kubebuilder:validation:XValidation:rule="!has(self.consumers) || self.consumers.all(c, !has(c.scopes) || c.scopes.all(s, s in self.scopes))",message="a consumer's scopes must be among spec.scopes"
type MakeConnectionSpec struct {
	// zone is the host of the Make environment where the credential was made, such as eu1.make.com; hosts beyond Make's own need
	// the operator's flag --allowed-zones. It cannot change: a token works in one zone only.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=259
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="zone cannot change, a token works in one zone only: create another connection"
	Zone string `json:"zone,omitempty"`

	// organizationID pins the tenant: a credential of another organization is refused.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9007199254740991
	OrganizationID int64 `json:"organizationID,omitempty"`

	// teamID is handed to consumers that need a team, as MAKE_TEAM.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9007199254740991
	TeamID int64 `json:"teamID,omitempty"`

	// auth says where the credential comes from.
	// +required
	Auth Auth `json:"auth,omitzero"`

	// scopes are the ceiling for every consumer and every MakeMCPServer of this connection.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// consumers are the ServiceAccounts that get a Secret with a token, and the right to read it.
	// +optional
	// +listType=map
	// +listMapKey=serviceAccountName
	// +kubebuilder:validation:MaxItems=32
	Consumers []Consumer `json:"consumers,omitempty"`

	// rotation says when minted API tokens are replaced. OAuth tokens follow the lifetime that Make states.
	// +optional
	Rotation Rotation `json:"rotation,omitzero"`

	// onDelete says what happens to the tokens when this connection is deleted: Revoke (the default) kills them at Make, Retain
	// leaves them alive.
	// +optional
	OnDelete DeletionPolicy `json:"onDelete,omitempty"`

	// suspend stops rotation and every call to Make. Secrets stay as they are.
	// +optional
	Suspend Suspend `json:"suspend,omitempty"`
}

// Scope is one of Make's scopes, such as scenarios:read. Wildcards do not exist at Make and are refused.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="!self.contains('*')",message="Make has no wildcard scopes: name each scope, such as scenarios:read"
// +kubebuilder:validation:XValidation:rule="self.contains('*') || self.matches('^([a-z][a-z0-9-]*:(read|write|run|use)|openid)$')",message="a scope has the form resource:read, :write, :run or :use, such as scenarios:read"
type Scope string

// Auth is exactly one of an API token and an OAuth client.
//
// +kubebuilder:validation:ExactlyOneOf=apiToken;oauth
// +kubebuilder:validation:XValidation:rule="has(self.apiToken) == has(oldSelf.apiToken)",message="auth cannot change its kind: create another connection"
type Auth struct {
	// apiToken is a token from the user's profile at Make. With user:write the operator mints a narrower one for each consumer.
	// +optional
	APIToken *APITokenAuth `json:"apiToken,omitempty"`

	// oauth is an OAuth client at Make; a person consents once in a browser.
	// +optional
	OAuth *OAuthAuth `json:"oauth,omitempty"`
}

// APITokenAuth refers to a root token.
type APITokenAuth struct {
	// secretRef names the Secret with the token; it must carry the label makeops.dev/credential=true.
	// +required
	SecretRef SecretKeyRef `json:"secretRef,omitzero"`

	// rotateRoot lets the operator replace this token by one that only it knows, with the same scopes, and delete this one at Make, so
	// that what the Secret holds is dead; it is replaced again as the minted tokens are. It needs user:write. To give the operator
	// another token, put it into the Secret.
	// +optional
	RotateRoot bool `json:"rotateRoot,omitempty"`
}

// OAuthAuth refers to an OAuth client.
type OAuthAuth struct {
	// clientRef names the Secret with the keys client-id and, for a confidential client, client-secret; it must carry the label
	// makeops.dev/credential=true.
	// +required
	ClientRef LocalRef `json:"clientRef,omitzero"`

	// uncertainRefreshPolicy says what happens when the answer to a refresh was lost, so that nobody knows whether Make replaced the
	// refresh token: Retry (the default) presents it again after some seconds, WaitForExpiry first lets the access token end,
	// Reauthorize asks for another consent. A server that takes a token's second presentation for theft may then end the grant and
	// raise an alarm.
	// +optional
	UncertainRefreshPolicy UncertainRefreshPolicy `json:"uncertainRefreshPolicy,omitempty"`
}

// UncertainRefreshPolicy is Retry, WaitForExpiry or Reauthorize; empty means Retry.
//
// +kubebuilder:validation:Enum=Retry;WaitForExpiry;Reauthorize
type UncertainRefreshPolicy string

// The policies for a refresh whose outcome is not known.
const (
	// RetryUncertain presents the refresh token again. It is the most likely to keep the grant.
	RetryUncertain UncertainRefreshPolicy = "Retry"
	// WaitForExpiry presents it again when the access token has ended, so that a server's alarm costs nothing that still works.
	WaitForExpiry UncertainRefreshPolicy = "WaitForExpiry"
	// Reauthorize never presents it again.
	Reauthorize UncertainRefreshPolicy = "Reauthorize"
)

// SecretKeyRef names one key of a Secret in the same namespace.
type SecretKeyRef struct {
	LocalRef `json:",inline"`

	// key is the key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// LocalRef names an object in the same namespace.
type LocalRef struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// Consumer is a ServiceAccount of the same namespace that gets a token.
type Consumer struct {
	// serviceAccountName names the ServiceAccount; it need not exist yet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// scopes narrow the token further; absent means all of spec.scopes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`
}

// Rotation is the schedule of minted API tokens.
//
// +kubebuilder:validation:XValidation:rule="!has(self.everySeconds) || !has(self.overlapSeconds) || self.overlapSeconds < self.everySeconds",message="overlapSeconds must be shorter than everySeconds"
type Rotation struct {
	// everySeconds is the age at which a token is replaced; absent means 2592000 (30 days).
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	EverySeconds int32 `json:"everySeconds,omitempty"`

	// overlapSeconds is how long the old token lives on after its successor was published; absent means 600, or half of
	// everySeconds if that is shorter. A kubelet needs up to 90 s to show a changed Secret.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=86400
	OverlapSeconds *int32 `json:"overlapSeconds,omitempty"`

	// generation rotates every token now when it grows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:XValidation:rule="self >= oldSelf",message="rotation.generation can only grow"
	Generation int64 `json:"generation,omitempty"`
}

// DeletionPolicy is Revoke or Retain; empty means Revoke.
//
// +kubebuilder:validation:Enum=Revoke;Retain
type DeletionPolicy string

// The deletion policies.
const (
	// Revoke kills the tokens at Make when their connection is deleted.
	Revoke DeletionPolicy = "Revoke"
	// Retain leaves them alive.
	Retain DeletionPolicy = "Retain"
)

// Suspend is Enabled or Disabled; empty means Disabled.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type Suspend string

// The values of Suspend.
const (
	SuspendEnabled  Suspend = "Enabled"
	SuspendDisabled Suspend = "Disabled"
)

// MakeConnectionStatus holds nothing that changes when a token merely rotates: expiry stands in an annotation of the Secret, in
// metrics and in kubectl make status.
type MakeConnectionStatus struct {
	BaseStatus `json:",inline"`

	// account is whose credential it is.
	// +optional
	Account Account `json:"account,omitzero"`

	// grantedScopes are the scopes that the credential itself holds at Make, sorted.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=128
	GrantedScopes []string `json:"grantedScopes,omitempty"`

	// secrets are the consumers' Secrets, sorted by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Secrets []ConsumerSecret `json:"secrets,omitempty"`

	// authorization says where to consent, while consent is awaited.
	// +optional
	Authorization Authorization `json:"authorization,omitzero"`

	// retry says when the operator calls Make again, after calls that failed; absent while none did.
	// +optional
	Retry Retry `json:"retry,omitzero"`
}

// Retry is the wait between failing calls to Make. It grows, survives a restart of the operator, and ends at once when the spec or
// the credential's Secret changes.
type Retry struct {
	// calls to Make that failed attempts have cost since the last success.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Calls int32 `json:"calls,omitempty"`

	// notBeforeTime is when Make is called again.
	// +optional
	NotBeforeTime metav1.Time `json:"notBeforeTime,omitzero"`

	// reason of the failure, as a condition names it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// observedGeneration is the spec's generation that failed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// credentialVersion is the resourceVersion of the credential's Secret that failed.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CredentialVersion string `json:"credentialVersion,omitempty"`
}

// Account is a user at Make.
type Account struct {
	// id of the user at Make.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ID int64 `json:"id,omitempty"`

	// name of the user at Make.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`
}

// ConsumerSecret is a Secret that the operator keeps for a consumer.
type ConsumerSecret struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// serviceAccountName is the ServiceAccount that may read it; absent for a MakeMCPServer.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// serverName is the MakeMCPServer that mounts it; absent for a ServiceAccount.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ServerName string `json:"serverName,omitempty"`

	// scopes that the token is limited to, sorted.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=128
	Scopes []string `json:"scopes,omitempty"`
}

// Authorization is how a person consents.
type Authorization struct {
	// url to open in a browser.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url,omitempty"`
}

// BaseStatus implements step.Object.
func (c *MakeConnection) BaseStatus() *BaseStatus { return &c.Status.BaseStatus }

// MakeConnectionList is a list of MakeConnections.
//
// +kubebuilder:object:root=true
type MakeConnectionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []MakeConnection `json:"items"`
}
