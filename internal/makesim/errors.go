package makesim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// apiError is an error of the zone API in the form that Make documents: code, message, detail, suberrors.
type apiError struct {
	status int

	Detail    string     `json:"detail,omitempty"`
	Message   string     `json:"message,omitempty"`
	Code      string     `json:"code,omitempty"`
	Suberrors []suberror `json:"suberrors,omitempty"`
	Status    int        `json:"status,omitempty"` // in some errors only
	Metadata  []object   `json:"metadata,omitempty"`
}

type suberror struct {
	Message string `json:"message"`
	Name    string `json:"name"`
}

// Error is for logs of the simulator; clients see the JSON form.
func (e *apiError) Error() string {
	if len(e.Suberrors) > 0 {
		return e.Suberrors[0].Message
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s %s", e.status, e.Code, e.Message, e.Detail))
}

// errorReply turns any error of a handler into its answer.
func errorReply(err error) reply {
	if e, ok := errors.AsType[*apiError](err); ok {
		return jsonReply(e.status, e)
	}
	if e, ok := errors.AsType[*replyError](err); ok {
		return e.reply
	}
	return textReply(http.StatusInternalServerError, err.Error())
}

// replyError is an error whose answer is not in the zone API's form.
type replyError struct{ reply reply }

// Error names the status only: the body may hold what the client sent.
func (e *replyError) Error() string { return fmt.Sprintf("answer %d", e.reply.status) }

func badRequest(problems ...string) error {
	e := &apiError{
		status:  http.StatusBadRequest,
		Code:    "SC400",
		Message: "Bad Request",
		Detail:  fmt.Sprintf("Validation failed for %d parameter(s).", len(problems)),
	}
	for _, p := range problems {
		e.Suberrors = append(e.Suberrors, suberror{Message: p, Name: "Error"})
	}
	return e
}

func missing(parameter string) string {
	return fmt.Sprintf("Missing value of required parameter '%s'.", parameter)
}

func unauthorized() error {
	return &apiError{status: http.StatusUnauthorized, Code: "IM015", Message: "Unauthorized."}
}

// accessDenied is the answer to a missing scope; the status is a knob.
func accessDenied(status int) error {
	return &apiError{status: status, Code: "SC403", Message: "Permission denied", Detail: "Access denied."}
}

// insufficientRights is the answer to a role that is missing.
func insufficientRights() error {
	return &apiError{status: http.StatusForbidden, Code: "IM002", Message: "Insufficient rights."}
}

func notFound() error {
	return &apiError{status: http.StatusNotFound, Code: "SC404", Message: "Not Found"}
}

func notAllowedNow(message string) error {
	return &apiError{status: http.StatusUnprocessableEntity, Code: "IM016", Message: message}
}

// confirmationRequired is the answer to a request that destroys something and lacks confirmed=true.
func confirmationRequired(what string) error {
	return &apiError{
		status: http.StatusNotAcceptable, Status: http.StatusNotAcceptable,
		Code: "IM004", Message: "Confirmation required.", Metadata: []object{{"type": what}},
	}
}

// paymentRequired is the answer of a feature that the plan does not include.
func paymentRequired(feature string) error {
	return &apiError{
		status: http.StatusPaymentRequired, Code: "SC402", Message: "Payment Required",
		Detail: fmt.Sprintf("The plan of the organization does not include %s.", feature),
	}
}

// limitExceeded is the answer where the plan sets a number and it is reached.
func limitExceeded(what string) error {
	return &apiError{
		status: http.StatusForbidden, Code: "IM011", Message: "Limit exceeded.",
		Detail: fmt.Sprintf("The plan of the organization allows no more %s.", what),
	}
}

// featureOff is the answer of a feature that the organization does not have, with a code of its own.
func featureOff(code, message string) error {
	return &apiError{status: http.StatusForbidden, Code: code, Message: message}
}

// invalidInput is the answer to a reference to nothing and the like.
func invalidInput(detail string) error {
	return &apiError{status: http.StatusBadRequest, Code: "IM005", Message: "Invalid input.", Detail: detail}
}
