package mcp

import (
	"context"

	"github.com/makeops/make-operator/internal/audit"
	"github.com/makeops/make-operator/internal/mcp/access"
)

type contextKey int

const (
	recordKey contextKey = iota
	callerKey
)

// caller is a verified principal and what the rules give it.
type caller struct {
	principal access.Principal
	grants    access.Grants
}

func recordFrom(ctx context.Context) *audit.Record {
	r, _ := ctx.Value(recordKey).(*audit.Record)
	return r
}

// callerFrom returns the zero caller, who may do nothing, when there is none.
func callerFrom(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey).(caller)
	return c
}
