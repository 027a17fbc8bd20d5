package mcp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/mcp/credential"
)

// errRunFailed marks a run that Make executed and that ended in an error; its result says which.
var errRunFailed = errors.New("the scenario ended with an error")

// explain turns a failed call into what the caller is told (one or two sentences: what happened, what to do) and into a
// word for the audit log. No answer of Make and no credential is part of it.
func explain(err error) (sentence, reason string) {
	switch {
	case errors.Is(err, errArguments):
		return "The call was not made: " + err.Error() + ".", "invalid_arguments"
	case errors.Is(err, errRunFailed):
		return "The scenario ran and ended with an error.", "run_failed"
	case errors.Is(err, credential.ErrNotLoaded):
		return "This server has no Make credential yet. Try again in a minute.", "no_credential"
	case errors.Is(err, errNotConfirmed):
		return "The call was not made: it deletes or overwrites something. Ask the user; if they agree, call again with confirmed set to true.", "not_confirmed"
	case errors.Is(err, errDeclined):
		return "The call was not made: the user declined.", "declined"
	}
	if sentence, reason := explainMake(err); sentence != "" {
		return sentence, reason
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "The call ended before Make answered.", "canceled"
	}
	return "The call failed inside this server.", "internal"
}

func explainMake(err error) (sentence, reason string) {
	failed, ok := errors.AsType[*makeapi.Error](err)
	if !ok {
		return "", ""
	}
	switch failed.Kind {
	case makeapi.DeadCredential:
		return "Make does not accept this server's token any more. Try again in a minute; if it stays so, tell the operator of this server.", "dead_credential"
	case makeapi.MissingScope:
		return fmt.Sprintf("This server's Make token lacks the scope %s. The operator of this server can add it.", orWord(failed.Scope, "that the call needs")), "missing_scope"
	case makeapi.MissingRole:
		return "The Make user of this server has no role that allows this.", "missing_role"
	case makeapi.NotFound:
		return "Make knows no such object, or hides it from this server. Check the ID.", "not_found"
	case makeapi.NeedsConfirmation:
		return "Make wants this call to be confirmed. Ask the user; if they agree, call again with confirmed set to true, where the tool has that argument.", "needs_confirmation"
	case makeapi.PlanLimit:
		return "The Make plan does not include this, or its quota is used up.", "plan_limit"
	case makeapi.RateLimited:
		return fmt.Sprintf("The Make organization's rate limit is reached. Try again in %d seconds.", seconds(failed.RetryAfter)), "rate_limited"
	case makeapi.Conflict:
		return "The state of the object at Make does not allow this, for example because the scenario is inactive or already running.", "conflict"
	case makeapi.Invalid:
		return invalid(failed), "invalid"
	case makeapi.Transient:
		return fmt.Sprintf("Make is not reachable at the moment and nothing was executed. Try again in %d seconds.", seconds(failed.RetryAfter)), "transient"
	case makeapi.UnknownOutcome:
		return "Make did not confirm the call: it may or may not have been executed. Look before trying again; for a scenario's runs, executions_list tells.", "unknown_outcome"
	case makeapi.ZoneNotAllowed:
		return "This server is configured for a Make zone that it may not reach. Tell its operator.", "zone_not_allowed"
	default:
		return "", ""
	}
}

// seconds is a whole number of seconds to wait; about a minute, Make's window, when Make named no delay.
func seconds(d time.Duration) int64 {
	if d <= 0 {
		return 60
	}
	return int64((d + time.Second - 1) / time.Second)
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// invalid tells what is wrong with a request as far as it is known: here before anything was sent, or by Make of single parameters.
func invalid(failed *makeapi.Error) string {
	if failed.Status == 0 {
		return "The call was not made: " + failed.Reason + "."
	}
	text := "Make does not accept the request. Check the arguments."
	if len(failed.Details) > 0 {
		text += " Make says: " + strings.Join(failed.Details, " ")
	}
	return text
}
