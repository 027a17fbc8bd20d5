package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Conditions that the runner derives for every kind. Ready is always present; Reconciling and Stalled exist only while True and
// never together, which is what kstatus (Argo CD, Flux, kubectl wait) expects.
const (
	// Ready summarises the others: True when every step that counts is done.
	Ready = "Ready"
	// Reconciling is present while the operator retries or waits by itself; nobody has to act.
	Reconciling = "Reconciling"
	// Stalled is present while somebody has to change an object; its message says which and how.
	Stalled = "Stalled"
)

// Conditions of a MakeConnection, in the order in which they are worked out. All are positive: True means done.
const (
	// ScopesAllowed: policy allows every scope of the spec.
	//   ScopeRefused    a scope is too broad, malformed or beyond the connection's: narrow spec.scopes or spec.consumers.
	//   ZoneNotAllowed  the zone is no Make host and not one that the operator was started with: correct spec.zone.
	//   RolloutRefused  a server's spec.rollout is Restart and its connection uses OAuth: use Reload, or a connection with apiToken.
	//   IssuerNotTrusted  a rule of a server names an issuer that the operator was not started with: correct it, or add --oidc-issuer.
	//   PolicyRefused   the zone or the rotation interval is not what a MakeScopePolicy allows: see the message.
	//   PolicyNotReady  a MakeScopePolicy that may govern the namespace is not Ready, so nothing new is issued: see its conditions.
	ScopesAllowed = "ScopesAllowed"
	// CredentialsAvailable: the referenced Secret exists, opts in and holds the key.
	//   SecretNotFound     create the Secret that the message names.
	//   SecretNotLabelled  add the label makeops.dev/credential=true to it.
	//   SecretKeyMissing   add the key that the message names.
	//   SealingKeyLost     the operator cannot open what it sealed: restore its sealing key, or delete the grant and consent again.
	//   SealingKeyUnavailable  whoever keeps the sealing keys does not answer, or refuses: look after Vault, or its policy.
	CredentialsAvailable = "CredentialsAvailable"
	// Authorized: Make accepts the credential, for the right organization.
	//   CredentialRejected    Make answers that the token is dead: put a new one into the Secret.
	//   WrongOrganization     the credential belongs to another organization: correct spec.organizationID or the Secret.
	//   ConsentRequired       open status.authorization.url in a browser.
	//   NeedsReauthorization  the grant is gone (revoked, expired or used up): consent again.
	//   NonRefreshable        Make gave no refresh token; the access token ends at its expiry: use a confidential client.
	//   RefreshOutcomeLost    a refresh was answered but the answer was lost, and Make refused the old token: consent again.
	//   RefreshInProgress     a process of the operator is refreshing, or was when it ended: wait some seconds.
	//   RefreshUncertain      the answer to a refresh was lost, and spec.auth.oauth.uncertainRefreshPolicy says to wait.
	//   GrantRolledBack       the stored grant is older than one that was in use (a backup was restored): consent again.
	//   CredentialShared      another connection holds the same refresh token: use one connection with two consumers.
	//   RateLimited           Make asked to wait.
	Authorized = "Authorized"
	// ScopesGranted: Make granted exactly what each consumer asked for.
	//   ScopeMissing  the credential holds less: give the token the scopes, or consent again.
	//   ScopeDrift    the credential holds more than the spec allows: see the message.
	//   LeastPrivilegeRequired  a MakeScopePolicy demands a token for each consumer, and this credential cannot give one: see the message.
	ScopesGranted = "ScopesGranted"
	// Synced: each consumer's Secret, Role and RoleBinding is as it has to be.
	//   SecretConflict  an object of that name exists and is not ours: rename or delete it.
	Synced = "Synced"
	// LeastPrivilege: each consumer holds a token of its own with its own scopes only. Does not count for Ready.
	//   SharedToken  the root token lacks user:write, or Make cannot narrow this grant: all consumers hold the same scopes.
	LeastPrivilege = "LeastPrivilege"
	// RootRotated: nobody but the operator holds a root token. Exists only with auth.apiToken.rotateRoot. Does not count for Ready.
	//   ScopeMissing  the token in the Secret lacks user:write: use one that holds it.
	//   RootShared    another connection uses the same Secret: give each a token of its own.
	//   RootAlive     Make does not let the operator end the replaced token: delete it in the account's profile.
	//   MakeRefused   Make refused a successor: check the account's role and plan.
	RootRotated = "RootRotated"
	// WithinPolicy: no MakeScopePolicy with enforcement Warn objects. Does not count for Ready; shared with MakeMCPServer.
	//   PolicyWarning  what the message names would be refused if the policy denied: narrow the spec.
	WithinPolicy = "WithinPolicy"
	// Revoked: the tokens are dead at Make. Exists only while the connection is being deleted and Make did not confirm that yet.
	//   RevocationPending  the operator tries for five minutes, then gives up with an event.
	Revoked = "Revoked"
)

// Conditions of a MakeScopePolicy, in order.
const (
	// Valid: the operator understands every field. While it is not True for the policy's generation the policy defers: what it may
	// govern gets nothing new.
	//   PolicyInvalid  correct the field that the message names.
	Valid = "Valid"
	// Judged: the status counts every connection and server that the policy governs.
	Judged = "Judged"
)

// Conditions of a MakeMCPServer, in order. ScopesAllowed is shared with MakeConnection.
const (
	// ConnectionReady: the connection exists and has written this server's Secret.
	//   ConnectionNotFound  create the connection or correct spec.connectionRef.
	//   ConnectionNotReady  see the connection's own conditions.
	ConnectionReady = "ConnectionReady"
	// Available: the workload exists and has a ready pod.
	//   WorkloadConflict  an object of that name exists and is not ours: rename or delete it.
	//   WorkloadInvalid   the API server refuses a built object: correct spec.resources.
	//   PodsNotReady      see the Deployment and its pods.
	Available = "Available"
	// Verified: the operator called the server through MCP, with an identity of its own, and the server answered.
	//   HandshakeFailed  the server did not answer as an MCP server: see its logs.
	Verified = "Verified"
)

// Reasons that the runner and the steps write. The comments beside each condition above say what to do about them.
const (
	ReasonSucceeded = "Succeeded"
	ReasonBlocked   = "Blocked"
	ReasonFailed    = "Failed"
	ReasonSuspended = "Suspended"

	ReasonScopeRefused         = "ScopeRefused"
	ReasonZoneNotAllowed       = "ZoneNotAllowed"
	ReasonRolloutRefused       = "RolloutRefused"
	ReasonIssuerNotTrusted     = "IssuerNotTrusted"
	ReasonPolicyRefused        = "PolicyRefused"
	ReasonPolicyNotReady       = "PolicyNotReady"
	ReasonPolicyInvalid        = "PolicyInvalid"
	ReasonPolicyWarning        = "PolicyWarning"
	ReasonSecretNotFound       = "SecretNotFound"
	ReasonSecretNotLabelled    = "SecretNotLabelled"
	ReasonSecretKeyMissing     = "SecretKeyMissing"
	ReasonSealingKeyLost       = "SealingKeyLost"
	ReasonCredentialRejected   = "CredentialRejected"
	ReasonWrongOrganization    = "WrongOrganization"
	ReasonConsentRequired      = "ConsentRequired"
	ReasonNeedsReauthorization = "NeedsReauthorization"
	ReasonNonRefreshable       = "NonRefreshable"
	ReasonRefreshOutcomeLost   = "RefreshOutcomeLost"
	ReasonRefreshInProgress    = "RefreshInProgress"
	ReasonRefreshUncertain     = "RefreshUncertain"
	ReasonGrantRolledBack      = "GrantRolledBack"
	ReasonCredentialShared     = "CredentialShared"
	ReasonRateLimited          = "RateLimited"
	ReasonMakeRefused          = "MakeRefused"
	ReasonMakeUnavailable      = "MakeUnavailable"
	ReasonScopeMissing         = "ScopeMissing"
	ReasonScopeDrift           = "ScopeDrift"
	ReasonSecretConflict       = "SecretConflict"
	ReasonSharedToken          = "SharedToken"
	ReasonLeastPrivilegeNeeded = "LeastPrivilegeRequired"
	ReasonRevocationPending    = "RevocationPending"

	ReasonSealingKeyUnavailable = "SealingKeyUnavailable"
	ReasonRootShared            = "RootShared"
	ReasonRootAlive             = "RootAlive"

	ReasonConnectionNotFound = "ConnectionNotFound"
	ReasonConnectionNotReady = "ConnectionNotReady"
	ReasonWorkloadConflict   = "WorkloadConflict"
	ReasonWorkloadInvalid    = "WorkloadInvalid"
	ReasonPodsNotReady       = "PodsNotReady"
	ReasonHandshakeFailed    = "HandshakeFailed"
)

// BaseStatus is what every kind's status holds and the runner maintains.
type BaseStatus struct {
	// conditions are the steps' outcomes and the derived Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the spec's generation that the conditions speak of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
