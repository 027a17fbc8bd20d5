// Package chart tests that charts/make-operator installs what config/default does, and that its values do what they say.
package chart
