package config

import (
	"errors"
	"flag"
	"net/url"
)

// The values of Config.SealWith.
const (
	// SealWithSecret seals by keys in a Secret in the operator's namespace.
	SealWithSecret = "secret"
	// SealWithVault seals by the transit engine of HashiCorp Vault.
	SealWithVault = "vault"
)

// bindVault adds the flags of Vault.
func (c *Config) bindVault(fs *flag.FlagSet) {
	v := &c.Vault
	fs.StringVar(&v.Address, "vault-address", "", "URL of HashiCorp Vault; empty means that it takes no part")
	fs.StringVar(&v.CAFile, "vault-ca-file", "", "PEM certificates to check Vault's against; default the system's")
	fs.StringVar(&v.Namespace, "vault-namespace", "", "namespace of Vault Enterprise")
	fs.StringVar(&v.Mount, "vault-transit-mount", "transit", "path of Vault's transit engine")
	fs.StringVar(&v.Key, "vault-transit-key", "make-operator", "name of the transit key")
	fs.StringVar(&v.TokenFile, "vault-token-file", "", "file with Vault's token; read for every request")
	fs.StringVar(&v.Role, "vault-kubernetes-role", "", "role of Vault's Kubernetes auth method, in the place of --vault-token-file")
	fs.StringVar(&v.AuthMount, "vault-kubernetes-mount", "kubernetes", "path of Vault's Kubernetes auth method")
	fs.StringVar(&v.JWTFile, "vault-service-account-token-file", "/var/run/secrets/kubernetes.io/serviceaccount/token",
		"token of the ServiceAccount that the role is given to")
}

func (c *Config) validateSealing() error {
	var errs []error
	if c.SealWith != SealWithSecret && c.SealWith != SealWithVault {
		errs = append(errs, errors.New("--seal-with must be secret or vault"))
	}
	v := c.Vault
	if v.Address == "" {
		if c.SealWith == SealWithVault {
			errs = append(errs, errors.New("--seal-with=vault needs --vault-address"))
		}
		return errors.Join(errs...)
	}
	if u, err := url.Parse(v.Address); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		errs = append(errs, errors.New("--vault-address must be an https URL without user; http is for localhost only"))
	}
	if (v.TokenFile == "") == (v.Role == "") {
		errs = append(errs, errors.New("--vault-address needs one of --vault-token-file and --vault-kubernetes-role"))
	}
	if v.Mount == "" || v.Key == "" {
		errs = append(errs, errors.New("--vault-transit-mount and --vault-transit-key must not be empty"))
	}
	return errors.Join(errs...)
}
