package connection_test

import (
	"net/http"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("Two connections that hold the same refresh token", func() {
	It("never present it both", func() {
		w := newWorld()
		w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
		w.connect(byOAuth)
		w.failing(v1alpha1.ReasonConsentRequired)
		Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
		o := w.ready()
		// A server gave the token to another connection too.
		for _, name := range []string{"0", "z"} { // both before and after this one, where they are of the same second
			other := &grant.Record{Grant: grant.Grant{OAuth: w.grant().OAuth}}
			Expect(w.reconciler.Grants.Write(w.ctx, grant.Identity{Namespace: "sales", Name: name, UID: "0"}, other)).
				To(Or(Succeed(), MatchError(grant.ErrConflict)))
		}
		own, err := w.reconciler.Grants.Read(w.ctx, grant.Identity{Namespace: w.namespace, Name: "crm", UID: w.crm().UID})
		Expect(err).NotTo(HaveOccurred())
		Expect(w.reconciler.Grants.Family(&own.Grant)).NotTo(BeEmpty())
		w.due(o)
		calls := len(w.calls())
		outcome := w.pass()
		younger := slices.Contains(w.calls()[calls:], "POST /oauth/v2/token")
		if !younger {
			Expect(outcome.conditions).To(HaveKeyWithValue("Ready", "False/"+v1alpha1.ReasonCredentialShared))
			Expect(w.calls()).To(HaveLen(calls))
			w.quiet()
		}
		Expect(w.sim.TokenAlive(w.token("crm-reporting"))).To(BeTrue())
	})
})
