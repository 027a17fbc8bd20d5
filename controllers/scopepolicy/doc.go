// Package scopepolicy reconciles MakeScopePolicies: it says whether a policy is understood, what it governs and who exceeds it. It
// enforces nothing. The controllers of the governed kinds judge for themselves, and wait for a policy until it is Ready here.
package scopepolicy
