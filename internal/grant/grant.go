package grant

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Identity says whose grant it is. All fields are part of what the seal binds.
type Identity struct {
	Namespace string
	Name      string
	UID       types.UID
}

// Grant is everything secret that one connection holds. The zero value is an empty grant that was never stored.
type Grant struct {
	// Root is the API token that the connection's Secret held when it was last accepted, or its successor that the operator minted.
	// It is kept so that minted tokens can be revoked even after a namespace was deleted with that Secret in it.
	Root *Root `json:"root,omitempty"`
	// Bootstrap is what the connection's Secret held when the operator replaced it as root. While the Secret still holds that, Root
	// counts; empty where nothing was replaced.
	Bootstrap string `json:"bootstrap,omitempty"`
	// Former are root tokens that are to die at Make, because another took their place.
	Former []FormerRoot `json:"former,omitempty"`
	// Tokens are the minted API tokens by consumer.
	Tokens map[string]Token `json:"tokens,omitempty"`
	// Retired are minted tokens that were replaced or whose consumer is gone; they are to be deleted at Make.
	Retired []Retired `json:"retired,omitempty"`
	// OAuth is the grant of an OAuth consent; nil before it.
	OAuth *OAuth `json:"oauth,omitempty"`
	// RotationGeneration is the highest spec.rotation.generation that was acted on.
	RotationGeneration int64 `json:"rotationGeneration,omitempty"`
	// Checked is when Make was last asked what the tokens hold, beside when they were accepted and minted.
	Checked time.Time `json:"checked,omitzero"`
	// Consents counts the consents that were stored. It stands on the Secret too, where it tells a watcher of a new consent from
	// the operator's other writes.
	Consents int64 `json:"consents,omitempty"`
	// ConsentID names the consent that was stored last, so that it is not stored again over what became of it.
	ConsentID string `json:"consentID,omitempty"`
	// ConsentAsked is the value of the connection's annotation makeops.dev/consent-again that the last consent answered.
	ConsentAsked string `json:"consentAsked,omitempty"`
}

// Root is an accepted root token.
type Root struct {
	Value string `json:"value"`
	// Scopes that the token holds at Make, sorted.
	Scopes []string `json:"scopes"`
	// AccountID and AccountName are of the user at Make.
	AccountID   int64  `json:"accountID"`
	AccountName string `json:"accountName"`
	// OrganizationID is the organization that the token was checked against.
	OrganizationID int64 `json:"organizationID"`
	// Accepted is when this value was first accepted.
	Accepted time.Time `json:"accepted"`
	// Created is Make's stamp of a root that the operator minted; empty for the user's own.
	Created string `json:"created,omitempty"`
	// Sequence counts the roots that the operator minted.
	Sequence int64 `json:"sequence,omitempty"`
	// RotationGeneration is the spec.rotation.generation that it was minted for.
	RotationGeneration int64 `json:"rotationGeneration,omitempty"`
	// Refused is when Make last refused to mint a successor; zero means never.
	Refused time.Time `json:"refused,omitzero"`
}

// FormerRoot is a root token that waits for its end.
type FormerRoot struct {
	Value string `json:"value"`
	// Created is Make's stamp of it, empty where the operator did not mint it: it is found in the account's list by its value.
	Created string `json:"created,omitempty"`
	// All says that everything that was minted for the connection by its account dies with it: another account took over.
	All bool `json:"all,omitempty"`
	// Stuck says that Make does not list it, so only a person can delete it.
	Stuck bool `json:"stuck,omitempty"`
}

// Token is a minted API token.
type Token struct {
	Value string `json:"value"`
	// Created is Make's stamp of the token, by which it is deleted.
	Created string `json:"created"`
	// Asked and Scopes are what we asked Make for and what it granted, sorted.
	Asked  []string `json:"asked"`
	Scopes []string `json:"scopes"`
	// Minted is when we minted it.
	Minted time.Time `json:"minted"`
	// Sequence grows with each token of its consumer.
	Sequence int64 `json:"sequence"`
	// RotationGeneration is the spec.rotation.generation that it was minted for.
	RotationGeneration int64 `json:"rotationGeneration,omitempty"`
	// Revoked says that it was ended at Make, because it held more than was asked; Value is empty then.
	Revoked bool `json:"revoked,omitempty"`
}

// Retired is a minted token that waits for its deletion.
type Retired struct {
	// Consumer that held it.
	Consumer string `json:"consumer"`
	// Created is Make's stamp of the token.
	Created string `json:"created"`
	// Overlap is how long it lives on beside its successor, once that was published.
	Overlap time.Duration `json:"overlap,omitempty"`
	// NotBefore is the end of the overlap; zero until the successor was published.
	NotBefore time.Time `json:"notBefore,omitzero"`
}

// OAuth is what a consent gave.
type OAuth struct {
	// Generation counts the refresh tokens of this consent: 1 is the consent's own.
	Generation   int64  `json:"generation"`
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken,omitempty"`
	// Issued and Expiry of the access token; a zero Expiry means that Make named none.
	Issued time.Time `json:"issued"`
	Expiry time.Time `json:"expiry,omitzero"`
	// Scopes that Make says the access token holds, sorted.
	Scopes []string `json:"scopes"`
	// ClientID of the OAuth client that was consented to.
	ClientID string `json:"clientID"`
	// ClientSecret is the one that Make last accepted, empty for a public client. It is kept so that the grant can be revoked even
	// after a namespace was deleted with the client's Secret in it.
	ClientSecret string `json:"clientSecret,omitempty"`
	// AccountID and AccountName are of the user who consented.
	AccountID   int64  `json:"accountID"`
	AccountName string `json:"accountName"`
	// KeepsRefreshToken says that the last refresh left the refresh token as it was: presenting it again is no reuse.
	KeepsRefreshToken bool `json:"keepsRefreshToken,omitempty"`
	// OrganizationID is the organization of which the user was found to be a member; zero in grants of before that was kept.
	OrganizationID int64 `json:"organizationID,omitempty"`
	// Unparsed is an answer of the token endpoint that we could not read: kept, because it may hold the only valid refresh token.
	Unparsed []byte `json:"unparsed,omitempty"`
	// Intent is an announced refresh whose outcome is not stored yet.
	Intent *Intent `json:"intent,omitempty"`
	// Dead says why the refresh token must not be presented any more; empty while it is good. It is a reason of api/v1alpha1.
	Dead string `json:"dead,omitempty"`
}

// Intent announces that a holder is about to present the refresh token.
type Intent struct {
	// Attempt names this announcement.
	Attempt string `json:"attempt"`
	// Presentations counts how often the token may have been presented, this announcement included.
	Presentations int `json:"presentations"`
	// Holder is who announced it.
	Holder Holder `json:"holder"`
	// Budget is the longest time between the announcement and its end in the holder's process.
	Budget time.Duration `json:"budget"`
}

// Holder is a process of the operator.
type Holder struct {
	// PodName and PodUID are empty for a process outside a pod.
	PodName string `json:"podName,omitempty"`
	PodUID  string `json:"podUID,omitempty"`
	// Process is different for each start of the operator.
	Process string `json:"process"`
}
