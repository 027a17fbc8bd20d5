package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// rotate is kubectl make rotate.
type rotate struct {
	genericiooptions.IOStreams

	client client.WithWatch
	key    client.ObjectKey
	*waiter
}

const rotateHelp = `Replace every token of a MakeConnection now: raise spec.rotation.generation and wait until the new tokens are published.
Old API tokens live on for spec.rotation.overlapSeconds.

Where the connection is in Git, raise rotation.generation there too, or there alone: it can only grow, so a sync
of the lower number would be refused.

Exit codes: 0 rotated, 1 not rotated, 130 stopped by Ctrl-C.`

func newRotate(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	r := &rotate{IOStreams: streams}
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "rotate NAMESPACE/NAME", Short: "Replace every token of a connection now", Long: rotateHelp,
		Example: "  kubectl make rotate sales/crm", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := connectTo(flags)
			if err != nil {
				return err
			}
			if r.key, err = keyFrom(flags, args[0]); err != nil {
				return err
			}
			r.client, r.waiter = c, newWaiter(c, r.key, r.ErrOut)
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, errTimeout)
			defer cancel()
			return r.run(ctx)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long to wait for the new tokens")
	return cmd
}

// run raises the generation and waits for the outcome.
func (r *rotate) run(ctx context.Context) error {
	conn, before, err := r.raise(ctx)
	if err != nil {
		return err
	}
	wanted, generation := conn.Spec.Rotation.Generation, conn.Generation
	r.say("rotation.generation is %d now; waiting for the operator", wanted)
	err = r.until(ctx, func(now *v1alpha1.MakeConnection) (bool, error) {
		*conn = *now
		return r.ended(now, generation)
	})
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("stopped waiting; the operator goes on replacing the tokens of %s", r.key)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		_, reason, message := readiness(conn.Status.Conditions)
		return fmt.Errorf("not rotated in time; the operator goes on trying (%s %s)", reason, message)
	case err != nil:
		return err
	}
	return r.report(ctx, conn, before)
}

// raise adds one to the generation, and returns the connection and which token each of its Secrets held before. A replaced connection
// or a change by somebody else in between is tried again.
func (r *rotate) raise(ctx context.Context) (conn *v1alpha1.MakeConnection, held map[string]string, err error) {
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		conn = &v1alpha1.MakeConnection{}
		if err := r.client.Get(ctx, r.key, conn); err != nil {
			return err
		}
		if conn.Spec.Suspend == v1alpha1.SuspendEnabled {
			return fmt.Errorf("MakeConnection %s is suspended: set spec.suspend to Disabled first", r.key)
		}
		if len(conn.Status.Secrets) == 0 {
			_, reason, message := readiness(conn.Status.Conditions)
			return fmt.Errorf("MakeConnection %s has no tokens to replace: %s", r.key, strings.TrimSpace(reason+" "+message))
		}
		held = r.sequences(ctx, conn)
		before := conn.DeepCopy()
		conn.Spec.Rotation.Generation++
		return r.client.Patch(ctx, conn, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
	if apierrors.IsNotFound(err) {
		err = fmt.Errorf("there is no MakeConnection %s", r.key)
	}
	return conn, held, err
}

// ended reports whether the operator is done with a generation of the spec. The error says why it will not be.
func (r *rotate) ended(conn *v1alpha1.MakeConnection, generation int64) (bool, error) {
	ready, reason, message := readiness(conn.Status.Conditions)
	switch {
	case conn.Status.ObservedGeneration < generation:
		return false, nil
	case ready == string(metav1.ConditionTrue):
		return true, nil
	case stalledNow(conn):
		return false, fmt.Errorf("not rotated: %s: %s", reason, message)
	}
	r.say("the operator tries again: %s: %s", reason, message)
	return false, nil
}

// report counts the Secrets that hold another token than before.
func (r *rotate) report(ctx context.Context, conn *v1alpha1.MakeConnection, before map[string]string) error {
	after := r.sequences(ctx, conn)
	replaced, unseen := 0, 0
	for _, secret := range conn.Status.Secrets {
		switch now, seen := after[secret.Name]; {
		case !seen:
			unseen++
		case now != before[secret.Name]:
			replaced++
		}
	}
	switch {
	case unseen > 0:
		_, err := fmt.Fprintf(r.Out, "The operator is done with %s; whether its tokens changed is not known, because you may not read its Secrets.\n", r.key)
		return err
	case replaced == 0:
		return fmt.Errorf("nothing was rotated: the consumers of %s share the token of its Secret, which the operator cannot replace; "+
			"see the condition LeastPrivilege", r.key)
	}
	_, err := fmt.Fprintf(r.Out, "Rotated %d of %d tokens of %s. In Git, set spec.rotation.generation to %d.\n",
		replaced, len(conn.Status.Secrets), r.key, conn.Spec.Rotation.Generation)
	return err
}

// sequences says which token each Secret holds, by an annotation; a Secret that may not be read is left out.
func (r *rotate) sequences(ctx context.Context, conn *v1alpha1.MakeConnection) map[string]string {
	held := map[string]string{}
	for _, secret := range conn.Status.Secrets {
		about := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		if r.client.Get(ctx, client.ObjectKey{Namespace: r.key.Namespace, Name: secret.Name}, about) == nil {
			held[secret.Name] = about.Annotations[v1alpha1.TokenSequenceAnnotation]
		}
	}
	return held
}
