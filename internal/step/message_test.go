package step_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// messageLimit is what the API, and an event's note, take. Source: events.k8s.io/v1 bounds note at 1024 bytes.
const messageLimit = 1024

func TestMessageIsBounded(t *testing.T) {
	const twoBytes, threeBytes, fourBytes = "é", "€", "𝄞"
	for name, test := range map[string]struct{ message, want string }{
		"short":                {"make is down", "make is down"},
		"exactly the limit":    {strings.Repeat("a", messageLimit), strings.Repeat("a", messageLimit)},
		"one byte more":        {strings.Repeat("a", messageLimit+1), strings.Repeat("a", messageLimit-3) + "…"},
		"two-byte characters":  {strings.Repeat(twoBytes, 600), strings.Repeat(twoBytes, 510) + "…"},
		"cut inside a 3-byte":  {strings.Repeat(threeBytes, 400), strings.Repeat(threeBytes, 340) + "…"},
		"cut inside a 4-byte":  {strings.Repeat(fourBytes, 300), strings.Repeat(fourBytes, 255) + "…"},
		"not UTF-8":            {"body \xff\xfe end", "body \uFFFD end"},
		"nothing but garbage":  {strings.Repeat("\x80", 4*messageLimit), "\uFFFD"},
		"garbage at the limit": {strings.Repeat("a", messageLimit-2) + strings.Repeat("\x80", 8), strings.Repeat("a", messageLimit-3) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, _ = r.run(errors.New(test.message))
			for _, condition := range []string{"First", v1alpha1.Ready, v1alpha1.Reconciling} {
				got := meta.FindStatusCondition(r.stored().Status.Conditions, condition).Message
				if got != test.want {
					t.Errorf("message of %s is %.60q… of %d bytes", condition, got, len(got))
				}
				if !utf8.ValidString(got) || len(got) > messageLimit {
					t.Errorf("message of %s has %d bytes, valid %t", condition, len(got), utf8.ValidString(got))
				}
			}
			r.writes = 0
			_, _ = r.run(errors.New(test.message))
			if r.writes != 0 {
				t.Error("the same message was written twice")
			}
		})
	}
}
