package chart

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/makeops/make-operator/internal/testkit/stack"
)

const (
	root      = "../.."
	chartDir  = "charts/make-operator"
	namespace = stack.Namespace
)

// objects are Kubernetes objects by kind and name.
type objects map[string]*unstructured.Unstructured

// command runs a program in the repository's folder and returns what it prints.
func command(t *testing.T, name string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = root, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", cmd, err, stderr.String(), out)
	}
	return out, nil
}

// helm is the Helm of hack/tools.
type helm struct {
	t       *testing.T
	program string
}

// newHelm builds Helm, where that was not done before. go tool would look for it at every call.
func newHelm(t *testing.T) helm {
	t.Helper()
	out, err := command(t, "go", "tool", "-modfile=hack/tools/helm/go.mod", "-n", "helm")
	if err != nil {
		t.Fatal(err)
	}
	return helm{t: t, program: strings.TrimSpace(string(out))}
}

func (h helm) run(args ...string) ([]byte, error) {
	h.t.Helper()
	return command(h.t, h.program, args...)
}

// template renders the chart; args are further arguments of helm template.
func (h helm) template(args ...string) (objects, error) {
	h.t.Helper()
	out, err := h.run(append([]string{"template", "anything", chartDir, "--namespace=" + namespace}, args...)...)
	if err != nil {
		return nil, err
	}
	return byName(h.t, out), nil
}

// must renders the chart with values that are good.
func (h helm) must(args ...string) objects {
	h.t.Helper()
	o, err := h.template(args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return o
}

// kustomize renders a kustomization.
func kustomize(t *testing.T, dir string) objects {
	t.Helper()
	kubectl, err := filepath.Abs(filepath.Join(root, "bin", "kubectl"))
	if err != nil {
		t.Fatal(err)
	}
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		kubectl = filepath.Join(assets, "kubectl")
	}
	out, err := command(t, kubectl, "kustomize", dir)
	if err != nil {
		t.Fatalf("%v\nmake control-plane builds kubectl", err)
	}
	return byName(t, out)
}

func byName(t *testing.T, manifests []byte) objects {
	t.Helper()
	list, err := stack.Decode(bytes.NewReader(manifests))
	if err != nil {
		t.Fatal(err)
	}
	named := objects{}
	for _, o := range list {
		key := o.GetKind() + " " + o.GetName()
		if named[key] != nil {
			t.Errorf("%s is there twice", key)
		}
		named[key] = o
	}
	return named
}
