package connection

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/makeapi"
	"github.com/makeops/make-operator/internal/step"
)

func TestClassify(t *testing.T) {
	type verdict struct {
		Kind   step.Kind
		Reason string
		After  time.Duration
	}
	p := &pass{
		conn:       &v1alpha1.MakeConnection{Spec: v1alpha1.MakeConnectionSpec{Zone: "eu1.make.com"}},
		credential: &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "make-root"}},
	}
	refused := verdict{step.Wait, v1alpha1.ReasonMakeRefused, time.Hour}
	unavailable := verdict{step.Retry, v1alpha1.ReasonMakeUnavailable, 0}
	for kind, want := range map[makeapi.Kind]verdict{
		makeapi.DeadCredential: {step.Stall, v1alpha1.ReasonCredentialRejected, 0},
		makeapi.InvalidClient:  {step.Stall, v1alpha1.ReasonCredentialRejected, 0},
		makeapi.ZoneNotAllowed: {step.Stall, v1alpha1.ReasonZoneNotAllowed, 0},
		makeapi.MissingScope:   refused, makeapi.MissingRole: refused, makeapi.PlanLimit: refused,
		makeapi.Invalid: refused, makeapi.NotFound: refused,
		makeapi.RateLimited: {step.Wait, v1alpha1.ReasonRateLimited, time.Minute},
		makeapi.Transient:   unavailable, makeapi.UnknownOutcome: unavailable,
	} {
		got, ok := errors.AsType[*step.Problem](p.classify(fmt.Errorf("mint: %w", &makeapi.Error{Kind: kind})))
		if !ok {
			t.Errorf("%s: no problem", kind)
			continue
		}
		if diff := cmp.Diff(want, verdict{got.Kind, got.Reason, got.After}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
	if got, _ := errors.AsType[*step.Problem](p.classify(fmt.Errorf("write: %w", grant.ErrConflict))); got.Kind != step.Retry || got.After == 0 {
		t.Errorf("a lost race is %+v, want a Retry soon", got)
	}
	if unknown := errors.New("boom"); !errors.Is(p.classify(unknown), unknown) {
		t.Error("an unknown error does not pass through")
	}
}
