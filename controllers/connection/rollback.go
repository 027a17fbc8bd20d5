package connection

import (
	"context"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/api/v1alpha1"
	"github.com/makeops/make-operator/internal/rotation"
)

// rolledBack reports whether the grant is older than what consumers hold, or than what this process has seen. What consumers hold is
// read from the cache; where that speaks against the grant it is read again, because another replica may have written both meanwhile.
func (p *pass) rolledBack(ctx context.Context) bool {
	var err error
	if p.mark, err = p.readPublished(ctx); err != nil {
		logf.FromContext(ctx).Error(err, "list consumers' Secrets") // this process may still know better
	}
	if !p.Refresher.RolledBack(p.id, p.rec.OAuth, p.ask()) {
		return false
	}
	rec, err := p.Grants.Read(ctx, p.id)
	if err != nil || rec.OAuth == nil {
		return true
	}
	p.rec = rec
	return p.Refresher.RolledBack(p.id, rec.OAuth, p.ask())
}

// readPublished is the newest grant of which a consumer's Secret tells.
func (p *pass) readPublished(ctx context.Context) (rotation.Mark, error) {
	var newest rotation.Mark
	list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
	err := p.Cache.List(ctx, list, client.InNamespace(p.conn.Namespace), client.MatchingLabels{v1alpha1.ConnectionLabel: p.conn.Name})
	for i := range list.Items {
		secret := &list.Items[i]
		generation, noNumber := strconv.ParseInt(secret.Annotations[v1alpha1.GrantGenerationAnnotation], 10, 64)
		issued, noTime := time.Parse(time.RFC3339Nano, secret.Annotations[v1alpha1.TokenSequenceAnnotation])
		if metav1.IsControlledBy(secret, p.conn) && noNumber == nil && noTime == nil && generation > newest.Generation {
			newest = rotation.Mark{Generation: generation, Issued: issued}
		}
	}
	return newest, err
}

// acceptedRollback is the generation of a rolled-back grant that the owner wants to be used; zero means none.
func (p *pass) acceptedRollback() int64 {
	generation, err := strconv.ParseInt(p.conn.Annotations[v1alpha1.AcceptRollbackAnnotation], 10, 64)
	if err != nil {
		return 0
	}
	return generation
}
