package connection_test

import (
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makesim"
)

var _ = Describe("A grant that a backup brought back", func() {
	for _, restarted := range []bool{false, true} {
		It(map[bool]string{false: "is not presented", true: "is not presented by a process that never saw another"}[restarted], func() {
			w := newWorld()
			w.knobs(func(k *makesim.Knobs) {
				if k.RefreshClass = makesim.ClassFamily; !restarted { // where accepting it does no harm
					k.RefreshClass = makesim.ClassNoRotation
				}
			})
			w.secret("make-client", map[string]string{"client-id": makesim.OAuthClientID, "client-secret": makesim.OAuthClientSecret})
			w.connect(byOAuth)
			w.failing(v1alpha1.ReasonConsentRequired)
			w.consent(makesim.UserID)
			o := w.ready()
			backup := w.grant().OAuth
			for range 2 {
				w.due(o)
				o = w.ready()
			}
			token := w.token("crm-reporting")
			rec := w.grant()
			rec.OAuth = backup
			conn := w.crm()
			Expect(w.reconciler.Grants.Write(w.ctx, grant.Identity{Namespace: conn.Namespace, Name: conn.Name, UID: conn.UID}, rec)).To(Succeed())
			if restarted {
				w.start()
			}
			calls := len(w.calls())
			w.clock.Step(time.Hour)
			o = w.stalled(v1alpha1.ReasonGrantRolledBack)
			Expect(o.messages["Authorized"]).To(And(ContainSubstring("consent again"), ContainSubstring("makeops.dev/accept-rollback=1")))
			Expect(w.calls()).To(HaveLen(calls))
			Expect(w.token("crm-reporting")).To(Equal(token), "what consumers hold is newer")
			w.quiet()

			if restarted {
				By("consenting again")
				Expect(w.consent(makesim.UserID)).To(Equal(http.StatusOK))
				w.ready()
				return
			}
			By("accepting it")
			conn = w.crm()
			conn.Annotations[v1alpha1.AcceptRollbackAnnotation] = "1"
			Expect(live.Update(w.ctx, conn)).To(Succeed())
			w.ready()
			Expect(w.token("crm-reporting")).NotTo(Equal(token))
		})
	}
})
