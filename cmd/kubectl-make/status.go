package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// status is kubectl make status.
type status struct {
	genericiooptions.IOStreams

	client        client.Client
	namespace     string // empty means all
	name          string // empty means all
	now           time.Time
	allNamespaces bool
}

func newStatus(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	s := &status{IOStreams: streams, now: time.Now()}
	cmd := &cobra.Command{
		Use: "status [NAME]", Short: "Show connections, the tokens that they keep and when these expire, and MCP servers",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.complete(flags, args); err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&s.allNamespaces, "all-namespaces", "A", false, "look into all namespaces")
	return cmd
}

func (s *status) complete(flags *genericclioptions.ConfigFlags, args []string) error {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	if s.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if len(args) > 0 {
		s.name = args[0]
	}
	if !s.allNamespaces {
		s.namespace, _, err = flags.ToRawKubeConfigLoader().Namespace()
	}
	return err
}

func (s *status) run(ctx context.Context) error {
	var connections v1alpha1.MakeConnectionList
	var servers v1alpha1.MakeMCPServerList
	for _, list := range []client.ObjectList{&connections, &servers} {
		if err := s.client.List(ctx, list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
	}
	found := s.printConnections(ctx, connections.Items) + s.printServers(servers.Items)
	if found == 0 && s.name != "" {
		return fmt.Errorf("no MakeConnection or MakeMCPServer is named %s; try --all-namespaces", s.name)
	}
	if found == 0 {
		_, err := fmt.Fprintln(s.ErrOut, "No MakeConnections or MakeMCPServers found; try --all-namespaces.")
		return err
	}
	return nil
}

// printConnections prints connections, each with its tokens, and returns how many there were.
func (s *status) printConnections(ctx context.Context, items []v1alpha1.MakeConnection) int {
	w := printers.GetNewTabWriter(s.Out)
	defer w.Flush() //nolint:errcheck // a closed terminal
	found := 0
	for i := range items {
		c := &items[i]
		if s.name != "" && c.Name != s.name {
			continue
		}
		if found++; found == 1 {
			_, _ = fmt.Fprintln(w, "CONNECTION\tREADY\tREASON\tTOKEN\tFOR\tSCOPES\tEXPIRES")
		}
		ready, reason, message := readiness(c.Status.Conditions)
		_, _ = fmt.Fprintf(w, "%s/%s\t%s\t%s\t\t\t\t\n", c.Namespace, c.Name, ready, reason)
		for _, t := range c.Status.Secrets {
			_, _ = fmt.Fprintf(w, "\t\t\t%s\t%s\t%s\t%s\n", t.Name, holder(t), strings.Join(t.Scopes, ","), s.expiry(ctx, c.Namespace, t.Name))
		}
		if ready != string(metav1.ConditionTrue) && message != "" {
			_, _ = fmt.Fprintf(w, "  → %s\n", message)
		}
		if url := c.Status.Authorization.URL; url != "" {
			_, _ = fmt.Fprintf(w, "  → consent at %s\n", url)
		}
	}
	return found
}

// printServers prints MCP servers and returns how many there were.
func (s *status) printServers(items []v1alpha1.MakeMCPServer) int {
	w := printers.GetNewTabWriter(s.Out)
	defer w.Flush() //nolint:errcheck // a closed terminal
	found := 0
	for i := range items {
		m := &items[i]
		if s.name != "" && m.Name != s.name {
			continue
		}
		if found++; found == 1 {
			_, _ = fmt.Fprintln(w, "\nMCP SERVER\tREADY\tREASON\tCONNECTION\tTOOLS\tURL")
		}
		ready, reason, message := readiness(m.Status.Conditions)
		tools := "?"
		if m.Status.ToolCount != nil {
			tools = fmt.Sprint(*m.Status.ToolCount)
		}
		_, _ = fmt.Fprintf(w, "%s/%s\t%s\t%s\t%s\t%s\t%s\n", m.Namespace, m.Name, ready, reason, m.Spec.ConnectionRef.Name, tools, m.Status.URL)
		if ready != string(metav1.ConditionTrue) && message != "" {
			_, _ = fmt.Fprintf(w, "  → %s\n", message)
		}
	}
	return found
}

// readiness is the Ready condition in words.
func readiness(conditions []metav1.Condition) (ready, reason, message string) {
	c := meta.FindStatusCondition(conditions, v1alpha1.Ready)
	if c == nil {
		return "Unknown", "NotReconciled", "the operator has not looked at it yet: does it run?"
	}
	return string(c.Status), c.Reason, c.Message
}

// holder is who uses a token.
func holder(t v1alpha1.ConsumerSecret) string {
	if t.ServerName != "" {
		return "MCP server " + t.ServerName
	}
	return "ServiceAccount " + t.ServiceAccountName
}

// expiry reads when a token expires from the labels and annotations of its Secret, never from its content.
func (s *status) expiry(ctx context.Context, namespace, name string) string {
	about := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
	err := s.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, about)
	switch {
	case apierrors.IsForbidden(err):
		return "? (may not read it)"
	case apierrors.IsNotFound(err):
		return "? (missing)"
	case err != nil:
		return "?"
	}
	stamp, ok := about.Annotations[v1alpha1.ExpiryAnnotation]
	if !ok {
		return "never"
	}
	at, err := time.Parse(time.RFC3339, stamp)
	if err != nil {
		return "? (" + v1alpha1.ExpiryAnnotation + " is no time)"
	}
	if left := at.Sub(s.now); left > 0 {
		return "in " + duration.HumanDuration(left)
	}
	return "expired"
}
