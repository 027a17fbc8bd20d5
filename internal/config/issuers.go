package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// OIDCIssuer is a token issuer outside the cluster, whose tokens MCP servers may accept.
type OIDCIssuer struct {
	// Name is how a MakeMCPServer names it, a DNS label.
	Name string
	// Issuer is the exact iss claim, an https URL.
	Issuer string
	// JWKSURL is where its keys are; empty means where its metadata says.
	JWKSURL string
	// CAFile holds PEM certificates that sign its servers; empty means the system's. The operator reads it at its start.
	CAFile string
	// ScopeClaim is the claim with the scopes of a token; empty means that the rules alone decide.
	ScopeClaim string
	// Audiences are accepted beside none other; empty means each server's URL.
	Audiences []string
}

// issuersFlag is one OIDCIssuer for each time that the flag is given.
type issuersFlag struct{ issuers *[]OIDCIssuer }

func (f issuersFlag) String() string { return "" }

// Set reads "name=corp,issuer=https://login.example.com/" and further keys.
func (f issuersFlag) Set(value string) error {
	var issuer OIDCIssuer
	for part := range strings.SplitSeq(value, ",") {
		key, text, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found || text == "" {
			return fmt.Errorf("%q is not key=value", part)
		}
		switch key {
		case "name":
			issuer.Name = text
		case "issuer":
			issuer.Issuer = text
		case "jwks-url":
			issuer.JWKSURL = text
		case "ca-file":
			issuer.CAFile = text
		case "scope-claim":
			issuer.ScopeClaim = text
		case "audience":
			issuer.Audiences = append(issuer.Audiences, text)
		default:
			return fmt.Errorf("%q is none of name, issuer, jwks-url, ca-file, scope-claim, audience", key)
		}
	}
	*f.issuers = append(*f.issuers, issuer)
	return nil
}

// issuerName is a DNS label, as the CRD wants it.
var issuerName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// checkIssuers says what is wrong with the issuers.
func checkIssuers(issuers []OIDCIssuer) error {
	var errs []error
	for i, issuer := range issuers {
		if !issuerName.MatchString(issuer.Name) {
			errs = append(errs, fmt.Errorf("--oidc-issuer: name %q is not a DNS label: give the issuer a short name, by which rules name it", issuer.Name))
		}
		same := func(other OIDCIssuer) bool { return other.Name == issuer.Name || other.Issuer == issuer.Issuer }
		if slices.ContainsFunc(issuers[:i], same) {
			errs = append(errs, fmt.Errorf("--oidc-issuer: name or issuer of %q is there twice: remove one", issuer.Name))
		}
		if !isHTTPS(issuer.Issuer) || (issuer.JWKSURL != "" && !isHTTPS(issuer.JWKSURL)) {
			errs = append(errs, fmt.Errorf("--oidc-issuer: issuer and jwks-url of %q must be https URLs without user, query and anchor", issuer.Name))
		}
	}
	return errors.Join(errs...)
}

func isHTTPS(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(s, "?#")
}
