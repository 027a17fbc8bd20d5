package connection

import (
	"context"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/internal/grant"
	"github.com/makeops/make-operator/internal/metrics"
)

// Observer puts what the refresh protocol tells into the log and the metrics.
type Observer struct{}

// StoreFailed implements rotation.Observer. It logs less and less often: the attempts go on five times a second.
func (Observer) StoreFailed(ctx context.Context, id grant.Identity, times int, err error) {
	metrics.AnswerUnstored()
	if times&(times-1) == 0 {
		logf.FromContext(ctx).Error(err, "store the answer to a refresh; trying on, and it is lost if the process ends",
			"namespace", id.Namespace, "name", id.Name, "attempt", times)
	}
}

// Stored implements rotation.Observer.
func (Observer) Stored(waited time.Duration) { metrics.AnswerStored(waited) }
