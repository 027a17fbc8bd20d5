package mcp_test

import (
	"testing"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/mcp"
)

func TestCredentialFromEnvironment(t *testing.T) {
	e := start(t, func(c *mcp.Config) {
		t.Setenv("MAKE_API_KEY", makesim.RootToken)
		t.Setenv("MAKE_ZONE", c.Upstream.ExtraZones[0])
		c.Upstream.TokenDir, c.Upstream.FromEnvironment = "", true
	})
	if res := e.call(e.connect(agent, ""), "users_me", nil); res.IsError {
		t.Error(text(res))
	}
}
