package stack

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// SampleZone is the zone in config/samples; where makesim takes Make's place, its zone takes this one's.
const SampleZone = "eu1.make.com"

// Samples renders config/samples for this stack.
func (s *Stack) Samples(ctx context.Context) ([]*unstructured.Unstructured, error) {
	objects, err := s.Render(ctx, "config/samples")
	for _, o := range objects {
		s.Localize(o)
	}
	return objects, err
}

// Localize replaces the sample zone.
func (s *Stack) Localize(o *unstructured.Unstructured) {
	if zone, found, err := unstructured.NestedString(o.Object, "spec", "zone"); found && err == nil && strings.EqualFold(zone, SampleZone) {
		_ = unstructured.SetNestedField(o.Object, s.Zone, "spec", "zone") // the parent was found just now
	}
}
