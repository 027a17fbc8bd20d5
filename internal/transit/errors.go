package transit

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/vault/api"

	"github.com/makeops/make-operator/internal/grant"
)

// Statuses of Vault's answers. Source: developer.hashicorp.com/vault/api-docs, "HTTP status codes".
const (
	badRequest = 400
	forbidden  = 403
	notFound   = 404
	// sealed is a Vault that is sealed itself, or down for maintenance.
	sealed = 503
)

// status of Vault's answer; 0 where there was none.
func status(err error) int {
	if e, ok := errors.AsType[*api.ResponseError](err); ok {
		return e.StatusCode
	}
	return 0
}

// unavailable says what to do. Vault's own words stay out: they come from elsewhere and change.
func (k *KMS) unavailable(err error) error {
	what := "Vault answers " + fmt.Sprint(status(err))
	switch status(err) {
	case 0:
		if errors.Is(err, errLogin) || errors.Is(err, context.Canceled) {
			return fmt.Errorf("%w: %w", grant.ErrUnavailable, err)
		}
		what = "Vault does not answer at " + k.config.Address
	case forbidden:
		what = "Vault refuses: renew its token, or let its policy allow update on " + k.config.Mount + "/encrypt/" + k.config.Key + " and " +
			k.config.Mount + "/decrypt/" + k.config.Key + " and read on " + k.config.Mount + "/keys/" + k.config.Key
	case badRequest, notFound:
		what = "Vault has no key " + k.config.Key + " of an AEAD type at " + k.config.Mount + ": make it"
	case sealed:
		what = "Vault is sealed"
	}
	return fmt.Errorf("%w: %s", grant.ErrUnavailable, what)
}
