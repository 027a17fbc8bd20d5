package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// fieldManager is who applies the manifests.
const fieldManager = "make-operator-stack"

// install applies the custom resources and permissions.
func (s *Stack) install(ctx context.Context) error {
	kustomization := "config/dev"
	if s.WithoutManager {
		return nil
	}
	s.Say("installing the custom resources and permissions of %s", kustomization)
	if s.borrowed() {
		if err := s.refuseInstalled(ctx); err != nil {
			return err
		}
	}
	objects, err := s.Render(ctx, kustomization)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() == "ValidatingWebhookConfiguration" {
			continue // once it is known where the manager listens
		}
		if err := s.Apply(ctx, o); err != nil {
			return err
		}
	}
	return s.awaitKinds(ctx)
}

// awaitKinds waits until the API server serves our kinds.
func (s *Stack) awaitKinds(ctx context.Context) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := errors.Join(s.Client.List(ctx, &v1alpha1.MakeConnectionList{}), s.Client.List(ctx, &v1alpha1.MakeMCPServerList{}),
			s.Client.List(ctx, &v1alpha1.MakeScopePolicyList{}))
		return err == nil, nil
	})
}

// Render builds a kustomization of the repository.
func (s *Stack) Render(ctx context.Context, kustomization string) ([]*unstructured.Unstructured, error) {
	cmd := exec.CommandContext(ctx, s.Program("kubectl"), "kustomize", kustomization)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = s.Root, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("build %s: %w: %s", kustomization, err, stderr.String())
	}
	return Decode(bytes.NewReader(out))
}

// Decode reads the objects of a YAML stream.
func Decode(r io.Reader) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(r, 4096)
	for {
		o := &unstructured.Unstructured{}
		err := decoder.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode manifests: %w", err)
		}
		if len(o.Object) > 0 {
			objects = append(objects, o)
		}
	}
}

// Apply applies one object server-side. A kind that was installed just now may need a moment.
func (s *Stack) Apply(ctx context.Context, o *unstructured.Unstructured) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		last = s.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o.DeepCopy()),
			client.FieldOwner(fieldManager), client.ForceOwnership)
		if apimeta.IsNoMatchError(last) {
			return false, nil
		}
		return true, last
	})
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), errors.Join(last))
	}
	if s.borrowed() {
		s.applied = append(s.applied, o)
	}
	return nil
}
