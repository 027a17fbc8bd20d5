// Package scope knows Make's scopes and judges requests for them.
//
// It is pure: no clock, no I/O, nothing of Kubernetes. The webhook, the
// controllers and the command line all ask it, so that a request gets the same
// verdict wherever it is judged. Callers turn their objects into Connection and
// Server and show what Verdict says.
package scope
