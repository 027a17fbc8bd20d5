// Package webhook is the admission webhook: it refuses what the schema cannot, with a message that names the field, the scope, its
// risk and what to do. No rule lives here; internal/judge and internal/scope hold them.
//
// It judges a spec when it changes and never otherwise, so an object that a stricter policy would refuse today can still be
// labelled, finalized and deleted.
package webhook

// +kubebuilder:webhookconfiguration:mutating=false,name=make-operator
