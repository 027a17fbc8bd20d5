package step

import (
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// maxMessage bounds a condition's message, in bytes.
const maxMessage = 1024

// writer sets the conditions of one object in one pass.
type writer struct {
	*Runner

	status     *v1alpha1.BaseStatus
	generation int64
}

func (w *writer) set(condition string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&w.status.Conditions, metav1.Condition{
		Type: condition, Status: status, Reason: reason, Message: bounded(message),
		ObservedGeneration: w.generation, LastTransitionTime: metav1.NewTime(w.Clock.Now()),
	})
}

// failed records that step s ended with p.
func (w *writer) failed(s Step, p *Problem) {
	switch {
	case w.blip(s.Condition, p): // stays True
	case p.Kind == Retry:
		w.set(s.Condition, metav1.ConditionUnknown, p.Reason, p.Error())
	default:
		w.set(s.Condition, metav1.ConditionFalse, p.Reason, p.Error())
	}
}

// blocked records that step s was not run, because the one of condition at ended with p.
func (w *writer) blocked(s Step, p *Problem, at string) {
	if !w.blip(s.Condition, p) {
		w.set(s.Condition, metav1.ConditionUnknown, v1alpha1.ReasonBlocked, "waiting for "+at)
	}
}

// blip reports whether a short outage may leave a condition as it is: it was True for this generation, and we have been retrying
// for less than Grace.
func (w *writer) blip(condition string, p *Problem) bool {
	if p.Kind != Retry {
		return false
	}
	c := meta.FindStatusCondition(w.status.Conditions, condition)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != w.generation {
		return false
	}
	since := meta.FindStatusCondition(w.status.Conditions, v1alpha1.Reconciling)
	return since == nil || w.Clock.Since(since.LastTransitionTime.Time) < w.Grace
}

// summarize derives Ready, Reconciling and Stalled from the steps' conditions and the problem that stopped the pass.
func (w *writer) summarize(steps []Step, p *Problem) {
	ready := metav1.Condition{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded}
	for _, s := range steps {
		c := meta.FindStatusCondition(w.status.Conditions, s.Condition)
		if !s.Advisory && c.Status != metav1.ConditionTrue {
			ready = metav1.Condition{Status: metav1.ConditionFalse, Reason: c.Reason, Message: c.Message}
			break
		}
	}
	w.set(v1alpha1.Ready, ready.Status, ready.Reason, ready.Message)
	switch {
	case p == nil:
		meta.RemoveStatusCondition(&w.status.Conditions, v1alpha1.Reconciling)
		meta.RemoveStatusCondition(&w.status.Conditions, v1alpha1.Stalled)
	case p.Kind == Stall:
		meta.RemoveStatusCondition(&w.status.Conditions, v1alpha1.Reconciling)
		w.set(v1alpha1.Stalled, metav1.ConditionTrue, p.Reason, p.Error())
	default:
		meta.RemoveStatusCondition(&w.status.Conditions, v1alpha1.Stalled)
		w.set(v1alpha1.Reconciling, metav1.ConditionTrue, p.Reason, p.Error())
	}
}

// bounded cuts a message to maxMessage bytes at the edge of a character. What is no UTF-8 would come back changed from the API
// server, and so be written again by every pass.
func bounded(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// readyOf returns an object's Ready condition, or the zero one.
func readyOf(obj Object) metav1.Condition {
	if c := meta.FindStatusCondition(obj.BaseStatus().Conditions, v1alpha1.Ready); c != nil {
		return *c
	}
	return metav1.Condition{}
}
