// Package metrics holds the operator's own metrics. None has an object's name as a label: their number does not grow with the
// cluster. The registry is controller-runtime's, so they appear beside its metrics.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/makeops/make-operator/internal/makeapi"
)

var (
	minted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "make_operator_tokens_minted_total", Help: "API tokens asked of Make, by outcome.",
	}, []string{"outcome"})
	refreshed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "make_operator_grants_refreshed_total", Help: "OAuth refreshes, by outcome.",
	}, []string{"outcome"})
	consented = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "make_operator_consents_total", Help: "Consents that were begun and ended, by outcome.",
	}, []string{"outcome"})
	abandoned = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "make_operator_revocations_abandoned_total", Help: "Connections deleted without Make's word that their tokens are dead.",
	})
)

var outdatedSeals = prometheus.NewGauge(prometheus.GaugeOpts{
	Name: "make_operator_grants_sealed_by_older_keys", Help: "Stored grants that another key than the newest one seals.",
})

func init() { metrics.Registry.MustRegister(minted, refreshed, consented, abandoned, outdatedSeals) }

// Minted counts tokens that were asked of Make together.
func Minted(tokens int, err error) { minted.WithLabelValues(outcome(err)).Add(float64(tokens)) }

// Refreshed counts one refresh.
func Refreshed(err error) { refreshed.WithLabelValues(outcome(err)).Inc() }

// Consented counts one consent that has ended; outcome is one of internal/consent's, of which there is a fixed number.
func Consented(outcome string) { consented.WithLabelValues(outcome).Inc() }

// RevocationAbandoned counts a connection that was deleted without Make's word that its tokens are dead.
func RevocationAbandoned() { abandoned.Inc() }

// SealedByOlderKeys says how many stored grants another key than the newest one seals.
func SealedByOlderKeys(grants int) { outdatedSeals.Set(float64(grants)) }

// outcome is "ok" or the kind of error, of which there is a fixed number.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return makeapi.KindOf(err).String()
}
