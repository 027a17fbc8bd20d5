package v1alpha1

// Labels and annotations that the operator reads and writes.
const (
	// CredentialLabel, set to "true" by the user, lets the operator read a Secret that a connection refers to. It reads no other.
	CredentialLabel = "makeops.dev/credential"
	// ManagedByLabel marks everything that the operator creates; its value is ManagedBy.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of ManagedByLabel.
	ManagedBy = "make-operator"
	// ConnectionLabel holds the name of the connection that a Secret, Role or RoleBinding belongs to.
	ConnectionLabel = "makeops.dev/connection"
	// ConsumerLabel holds the consumer of a Secret: a ServiceAccount's name.
	ConsumerLabel = "makeops.dev/consumer"
	// ServerLabel holds the name of the MakeMCPServer that a workload or Secret belongs to.
	ServerLabel = "makeops.dev/mcp-server"
	// ExpiryAnnotation says on a consumer's Secret when its token stops working: RFC 3339, UTC. Absent: it does not expire.
	ExpiryAnnotation = "makeops.dev/expires-at"
	// TokenSequenceAnnotation says on a consumer's Secret which token it holds: it changes when, and only when, the token does. It
	// tells nothing of the token.
	TokenSequenceAnnotation = "makeops.dev/token-sequence"
	// GrantGenerationAnnotation says on a consumer's Secret how many refresh tokens its connection's grant had seen. An older grant that
	// a backup brings back is known by it.
	GrantGenerationAnnotation = "makeops.dev/grant-generation"
	// AcceptRollbackAnnotation on a MakeConnection lets a grant be used that a backup brought back: its value is the generation that the
	// condition names.
	AcceptRollbackAnnotation = "makeops.dev/accept-rollback"
	// ConsentAnnotation on a MakeConnection asks for another consent although there is one that works: each value asks once. What
	// kubectl make login --again sets is the time.
	ConsentAnnotation = "makeops.dev/consent-again"
	// ConfigAnnotation is on the pods of a MakeMCPServer: a hash of what they read once, at their start.
	ConfigAnnotation = "makeops.dev/config"
	// ConnectionFinalizer keeps a deleted connection until its tokens are revoked at Make or the attempt was given up.
	ConnectionFinalizer = "makeops.dev/revoke"
)

// Keys of a consumer's Secret.
const (
	// TokenKey holds the bare token.
	TokenKey = "token"
	// AuthorizationKey holds the whole value of the Authorization header: "Token …" for API tokens, "Bearer …" for OAuth.
	AuthorizationKey = "authorization"
	// ZoneKey holds the zone: host, optionally with port.
	ZoneKey = "zone"
	// BaseURLKey holds the base of Make's API: https://ZONE/api/v2.
	BaseURLKey = "base-url"
	// EnvAPIKey, EnvZone and EnvTeam are the names that Make's own tools read from the environment. EnvTeam exists only where
	// spec.teamID is set. Source: npm @makehq/mcp-server 0.5.0 and @makehq/cli 1.4.0.
	EnvAPIKey = "MAKE_API_KEY"
	EnvZone   = "MAKE_ZONE"
	EnvTeam   = "MAKE_TEAM"
)

// ConsumerSecretName is the name of the Secret that a connection keeps for a ServiceAccount.
func ConsumerSecretName(connection, serviceAccount string) string {
	return connection + "-" + serviceAccount
}

// ServerSecretName is the name of the Secret that a connection keeps for a MakeMCPServer.
func ServerSecretName(connection, server string) string { return connection + "-mcp-" + server }
