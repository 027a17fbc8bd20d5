// Package pki makes the certificate authority, certificates and kubeconfigs of one cluster. All of
// it is created anew at every start and is worth nothing afterwards.
package pki
