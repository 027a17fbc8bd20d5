// Package step runs a reconcile as an ordered list of steps and turns what they report into status, events and a result for the
// queue. Nothing else in this module writes status or events.
//
// A step owns one condition and ensures one thing. It returns nil when that thing is as it should be, and an error otherwise: a
// *Problem says who has to act before another try makes sense, any other error counts as Retry. The steps after a failed one are
// not run and become Unknown/Blocked.
//
// The package knows no kind: it works on whatever has a v1alpha1.BaseStatus.
package step
