package makeapi

import "strings"

// Credential is what a call carries in its Authorization header. Copies share
// the value. The zero value is no credential: calls with it fail as
// DeadCredential without being sent.
type Credential struct {
	// A pointer, so that fmt prints an address where it cannot call methods
	// (an unexported field of somebody else's struct).
	header *string
}

// APIToken is the credential of an API token; leading and trailing white space,
// which Secrets often carry, is dropped.
// Source: developers.make.com/api-documentation/authentication/api-token (scheme "Token").
func APIToken(value string) Credential { return newCredential("Token", value) }

// AccessToken is the credential of an OAuth access token; white space around it is dropped.
// Source: RFC 6750 §2.1 (scheme "Bearer").
func AccessToken(value string) Credential { return newCredential("Bearer", value) }

// Header is the whole value of the Authorization header, scheme included, or ""
// for the zero value. It is secret.
func (c Credential) Header() string {
	if c.header == nil {
		return ""
	}
	return *c.header
}

// usable says whether the credential can be sent at all.
func (c Credential) usable() bool {
	_, value, _ := strings.Cut(c.Header(), " ")
	return isToken(value)
}

func newCredential(scheme, value string) Credential {
	header := scheme + " " + strings.TrimSpace(value)
	return Credential{header: &header}
}
