package localnode

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
)

// sources are the Secrets and ConfigMaps that one Pod refers to, each watched by name: a node may not
// see any others.
type sources struct {
	namespace  string
	secrets    map[string]cache.SharedInformer
	configMaps map[string]cache.SharedInformer
}

// watchSources watches until ctx ends and calls changed after each change.
func watchSources(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, changed func()) *sources {
	s := &sources{namespace: pod.Namespace, secrets: map[string]cache.SharedInformer{}, configMaps: map[string]cache.SharedInformer{}}
	watch := func(into map[string]cache.SharedInformer, resource string, kind runtime.Object) podutil.Visitor {
		return func(name string) bool {
			if _, known := into[name]; known {
				return true
			}
			one := fields.OneTermEqualSelector("metadata.name", name)
			source := cache.NewListWatchFromClient(client.CoreV1().RESTClient(), resource, pod.Namespace, one)
			informer := cache.NewSharedInformer(source, kind, 0)
			// Adding a handler fails only when the informer has stopped.
			_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
				AddFunc: func(any) { changed() }, UpdateFunc: func(any, any) { changed() }, DeleteFunc: func(any) { changed() },
			})
			into[name] = informer
			go informer.RunWithContext(ctx)
			return true
		}
	}
	podutil.VisitPodSecretNames(pod, watch(s.secrets, "secrets", &corev1.Secret{}))
	podutil.VisitPodConfigmapNames(pod, watch(s.configMaps, "configmaps", &corev1.ConfigMap{}))
	return s
}

// secret returns nil without an error when the Secret is optional and does not exist.
func (s *sources) secret(name string, optional *bool) (*corev1.Secret, error) {
	object, err := lookUp(s.secrets[name], "Secret", s.namespace, name, optional)
	if object == nil {
		return nil, err
	}
	return object.(*corev1.Secret), nil
}

// configMap is like secret.
func (s *sources) configMap(name string, optional *bool) (*corev1.ConfigMap, error) {
	object, err := lookUp(s.configMaps[name], "ConfigMap", s.namespace, name, optional)
	if object == nil {
		return nil, err
	}
	return object.(*corev1.ConfigMap), nil
}

// errNotKnownYet passes by itself: the first answer of a watch is on its way.
var errNotKnownYet = errors.New("not known yet")

func lookUp(informer cache.SharedInformer, kind, namespace, name string, optional *bool) (any, error) {
	if informer == nil || !informer.HasSynced() {
		return nil, fmt.Errorf("read %s %q: %w", kind, name, errNotKnownYet)
	}
	object, found, err := informer.GetStore().GetByKey(namespace + "/" + name)
	if err != nil {
		return nil, fmt.Errorf("read %s %q: %w", kind, name, err)
	}
	if !found && (optional == nil || !*optional) {
		return nil, fmt.Errorf("read %s %q: not found", kind, name)
	}
	return object, nil
}
