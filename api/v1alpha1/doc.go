// Package v1alpha1 holds the custom resources of make-operator: MakeConnection and MakeMCPServer.
//
// A user writes the spec, the operator alone writes the status. No field of any spec names another namespace, a URL, a template,
// a Secret type or a pod patch: creating these objects lets nobody read a Secret or reach a host that they could not reach before.
//
// The package imports apimachinery only, so that other programs can use the types without the operator's dependencies.
//
// +kubebuilder:object:generate=true
// +groupName=makeops.dev
package v1alpha1
