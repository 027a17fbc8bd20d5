package makesim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// validate names the first knob whose value cannot be used.
func (k Knobs) validate() error {
	if err := k.validateChoices(); err != nil {
		return err
	}
	if err := k.validateNumbers(); err != nil {
		return err
	}
	if (k.TLSFault == "") != (k.TLSFaultCount == 0) {
		return fmt.Errorf("tlsFaultCount: tlsFault %q and a count of %d do not go together", k.TLSFault, k.TLSFaultCount)
	}
	for i, f := range k.Faults {
		if err := f.validate(); err != nil {
			return fmt.Errorf("faults[%d].%w", i, err)
		}
	}
	return nil
}

func (k Knobs) validateChoices() error {
	if k.MissingScopeStatus != http.StatusForbidden && k.MissingScopeStatus != http.StatusUnauthorized {
		return fmt.Errorf("missingScopeStatus: %d is neither 401 nor 403", k.MissingScopeStatus)
	}
	for _, err := range []error{
		oneOf("refreshClass", k.RefreshClass,
			ClassNoRotation, ClassGrace, ClassUntilUsed, ClassStrict, ClassFamily, ClassBuggyGrace),
		oneOf("tokenEncoding", k.TokenEncoding, EncodingAny, EncodingForm, EncodingJSON),
		oneOf("latencyDistribution", k.LatencyDistribution, LatencyFixed, LatencyUniform, LatencyExponential),
		oneOf("tlsFault", k.TLSFault, append(tlsFaults(), "")...),
	} {
		if err != nil {
			return err
		}
	}
	for i, part := range k.Down {
		if err := oneOf(fmt.Sprintf("down[%d]", i), part, PartZone, PartAuthorization, PartHooks, PartMCP); err != nil {
			return err
		}
	}
	return nil
}

func (k Knobs) validateNumbers() error {
	const noLimit = 1 << 31
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"refreshGraceSeconds", k.RefreshGraceSeconds, 0, noLimit},
		{"lostRotations", k.LostRotations, 0, noLimit},
		{"accessTokenSeconds", k.AccessTokenSeconds, 1, noLimit},
		{"refreshTokenSeconds", k.RefreshTokenSeconds, 1, noLimit},
		{"codeSeconds", k.CodeSeconds, 1, noLimit},
		{"apiTokenSeconds", k.APITokenSeconds, 0, noLimit},
		{"apiTokenLimit", k.APITokenLimit, 0, noLimit},
		{"freePlanLimit", k.FreePlanLimit, 0, noLimit},
		{"webhookKeyStatus", k.WebhookKeyStatus, 400, 499},
		{"latencyMilliseconds", k.LatencyMilliseconds, 0, noLimit},
		{"runSeconds", k.RunSeconds, 0, noLimit},
		{"tlsFaultCount", k.TLSFaultCount, 0, noLimit},
	} {
		switch {
		case n.value < n.min:
			return fmt.Errorf("%s: %d is less than %d", n.name, n.value, n.min)
		case n.value > n.max:
			return fmt.Errorf("%s: %d is more than %d", n.name, n.value, n.max)
		}
	}
	return nil
}

func (f Fault) validate() error {
	status := f.Kind == FaultStatus || f.Kind == FaultStatusAfter
	delay := f.Kind == FaultDelay || f.Kind == FaultSlowBody
	if err := oneOf("kind", f.Kind, FaultKinds()...); err != nil {
		return err
	}
	switch {
	case f.Count < 1:
		return fmt.Errorf("count: %d is less than 1", f.Count)
	case f.Percent < 0 || f.Percent > 100:
		return fmt.Errorf("percent: %d is not within 0 to 100", f.Percent)
	case status && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status: %d is not within 400 to 599", f.Status)
	case !status && (f.Status != 0 || f.RetryAfterSeconds != 0 || f.JSON):
		return fmt.Errorf("kind: %s takes neither status nor retryAfterSeconds nor json", f.Kind)
	case delay && f.DelayMilliseconds < 1:
		return fmt.Errorf("delayMilliseconds: %d is less than 1", f.DelayMilliseconds)
	case !delay && f.DelayMilliseconds != 0:
		return fmt.Errorf("kind: %s takes no delayMilliseconds", f.Kind)
	case f.RetryAfterSeconds < 0:
		return fmt.Errorf("retryAfterSeconds: %d is negative", f.RetryAfterSeconds)
	}
	return nil
}

func oneOf[T ~string](name string, value T, allowed ...T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, 0, len(allowed))
	for _, a := range allowed {
		if a != "" {
			names = append(names, string(a))
		}
	}
	return fmt.Errorf("%s: %q is none of %s", name, value, strings.Join(names, ", "))
}
