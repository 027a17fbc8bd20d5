package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// connectTo makes a client of the cluster that the flags name.
func connectTo(flags *genericclioptions.ConfigFlags) (client.WithWatch, *rest.Config, error) {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, nil, err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, nil, err
		}
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	return c, config, err
}

// keyFrom reads NAMESPACE/NAME, or NAME in the namespace of the flags or of the kubeconfig.
func keyFrom(flags *genericclioptions.ConfigFlags, arg string) (client.ObjectKey, error) {
	namespace, name, both := strings.Cut(arg, "/")
	if !both {
		namespace, name = "", arg
	}
	given, explicit, err := flags.ToRawKubeConfigLoader().Namespace()
	switch {
	case err != nil:
		return client.ObjectKey{}, err
	case name == "" || strings.Contains(name, "/") || both && namespace == "":
		return client.ObjectKey{}, fmt.Errorf("%q is not NAMESPACE/NAME of a MakeConnection", arg)
	case both && explicit && given != namespace:
		return client.ObjectKey{}, fmt.Errorf("%s is in namespace %s, but --namespace says %s", arg, namespace, given)
	case !both:
		namespace = given
	}
	return client.ObjectKey{Namespace: namespace, Name: name}, nil
}

// condition is whether a condition is True of the spec as it is now; known is false while the operator has not looked at it.
func condition(conn *v1alpha1.MakeConnection, kind string) (isTrue, known bool) {
	c := meta.FindStatusCondition(conn.Status.Conditions, kind)
	if c == nil || conn.Status.ObservedGeneration < conn.Generation {
		return false, false
	}
	return c.Status == metav1.ConditionTrue, true
}

// stalledNow reports whether somebody has to change an object before the operator goes on.
func stalledNow(conn *v1alpha1.MakeConnection) bool {
	return meta.IsStatusConditionTrue(conn.Status.Conditions, v1alpha1.Stalled)
}
