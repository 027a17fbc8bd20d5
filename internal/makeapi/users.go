package makeapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

const (
	currentAuthorizationPath = "/users/me/current-authorization"
	tokensPath               = "/users/me/api-tokens"
)

// Authorization is what Make says about the credential of a call.
type Authorization struct {
	// Scopes are the scopes that the token holds, in Make's order.
	Scopes []string `json:"scope"`
	// AuthUsed is how the call was authorized, "token" for an API token.
	AuthUsed string `json:"authUsed"`
}

// CurrentAuthorization asks what the credential is worth. It needs no scope; a
// dead credential is DeadCredential.
// Source: GET /users/me/current-authorization.
func (z *Zone) CurrentAuthorization(ctx context.Context) (Authorization, error) {
	var got struct {
		Authorization Authorization `json:"authorization"`
	}
	err := z.call(ctx, request{op: "get current authorization", method: http.MethodGet, path: currentAuthorizationPath}, &got)
	return got.Authorization, err
}

// User is the owner of the credential.
type User struct {
	// ID is unique within the zone.
	ID int64
	// Name and Email are as the profile shows them.
	Name, Email string
	// OrganizationIDs are the organizations in which the user has a role, ascending, each once.
	OrganizationIDs []int64
}

// Me reads the owner of the credential. It needs no scope.
// Source: GET /users/me with cols[], without which the roles are left out.
func (z *Zone) Me(ctx context.Context) (User, error) {
	var got struct {
		AuthUser struct {
			ID    int64  `json:"id"`
			Name  string `json:"name"`
			Email string `json:"email"`
			Roles []struct {
				OrganizationID int64 `json:"organizationId"`
			} `json:"userOrganizationRoles"`
		} `json:"authUser"`
	}
	columns := url.Values{"cols[]": {"id", "name", "email", "userOrganizationRoles"}}
	if err := z.call(ctx, request{op: "get user", method: http.MethodGet, path: "/users/me", query: columns}, &got); err != nil {
		return User{}, err
	}
	u := User{ID: got.AuthUser.ID, Name: got.AuthUser.Name, Email: got.AuthUser.Email}
	for _, role := range got.AuthUser.Roles {
		u.OrganizationIDs = append(u.OrganizationIDs, role.OrganizationID)
	}
	slices.Sort(u.OrganizationIDs)
	u.OrganizationIDs = slices.Compact(u.OrganizationIDs)
	return u, nil
}

// MintedToken is a new API token, shown by Make this once. It prints as "[redacted]".
type MintedToken struct {
	// Value is the secret, a UUID.
	Value string
	// Created is Make's time stamp of the token (ISO 8601 with milliseconds), kept
	// as text because it is also the token's name: DeleteToken takes it back.
	Created string
	// Label is the label that was asked for.
	Label string
	// Scopes are the scopes that were granted; compare them with what was asked.
	Scopes []string
}

// CreateToken makes an API token of the credential's owner. It needs user:write.
// After UnknownOutcome a token with this label may exist: find it with
// ListTokens and delete it, its value is lost.
// Source: POST /users/me/api-tokens.
func (z *Zone) CreateToken(ctx context.Context, label string, scopes []string) (MintedToken, error) {
	const op = "create API token"
	if label == "" || len(scopes) == 0 { // Make requires both
		return MintedToken{}, &Error{Op: op, Kind: Invalid, Reason: "label or scopes missing"}
	}
	body := struct {
		Label string   `json:"label"`
		Scope []string `json:"scope"`
	}{label, scopes}
	var got struct {
		APIToken struct {
			Token   string   `json:"token"`
			Created string   `json:"created"`
			Label   string   `json:"label"`
			Scope   []string `json:"scope"`
		} `json:"apiToken"`
	}
	r := request{op: op, method: http.MethodPost, path: tokensPath, body: body, scope: "user:write", once: true}
	if err := z.call(ctx, r, &got); err != nil {
		return MintedToken{}, err
	}
	t := got.APIToken
	if t.Token == "" || t.Created == "" {
		return MintedToken{}, &Error{Op: op, Kind: UnknownOutcome, Reason: "answer not understood"}
	}
	return MintedToken{Value: t.Token, Created: t.Created, Label: t.Label, Scopes: t.Scope}, nil
}

// TokenInfo is an API token as Make lists it: without its value.
type TokenInfo struct {
	// Masked is the value with all but its first group starred out.
	Masked string `json:"token"`
	// Created is the token's time stamp and its name, see MintedToken.
	Created string `json:"created"`
	// Label is what the token was called at birth.
	Label string `json:"label"`
	// Scopes are the scopes that the token holds.
	Scopes []string `json:"scope"`
}

// ListTokens lists the API tokens of the credential's owner. It needs user:read.
// Source: GET /users/me/api-tokens, which has no pages.
func (z *Zone) ListTokens(ctx context.Context) ([]TokenInfo, error) {
	var got struct {
		APITokens []TokenInfo `json:"apiTokens"`
	}
	err := z.call(ctx, request{op: "list API tokens", method: http.MethodGet, path: tokensPath, scope: "user:read"}, &got)
	return got.APITokens, err
}

// DeleteToken revokes the API token that was created at the given stamp. It needs
// user:write. A token that does not exist is no error.
// Source: DELETE /users/me/api-tokens/{timestamp}.
func (z *Zone) DeleteToken(ctx context.Context, created string) error {
	const op = "delete API token"
	if created == "" || created == "." || created == ".." { // would name another resource
		return &Error{Op: op, Kind: Invalid, Reason: "created stamp missing"}
	}
	r := request{op: op, method: http.MethodDelete, path: tokensPath + "/" + url.PathEscape(created), scope: "user:write"}
	err := z.call(ctx, r, nil)
	if KindOf(err) == NotFound {
		return nil
	}
	return err
}
