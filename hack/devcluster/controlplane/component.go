package controlplane

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// component is a part of the control plane that runs in a goroutine of its own.
type component struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// launch runs f until its context is cancelled; an earlier end is a failure of the control plane.
func (c *ControlPlane) launch(name string, f func(context.Context) error) *component {
	ctx, cancel := context.WithCancel(context.Background())
	part := &component{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(part.done)
		err := f(ctx)
		if ctx.Err() != nil {
			return // asked to
		}
		if err == nil {
			c.failed <- fmt.Errorf("%s ended", name)
			return
		}
		c.failed <- fmt.Errorf("run %s: %w", name, err)
	}()
	return part
}

func (p *component) wait(patience time.Duration) {
	select {
	case <-p.done:
	case <-time.After(patience):
	}
}

// parseFlags sets a component's options as its command line would.
func parseFlags(name string, sets cliflag.NamedFlagSets, args []string) error {
	all := pflag.NewFlagSet(name, pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		all.AddFlagSet(set)
	}
	if err := all.Parse(args); err != nil {
		return fmt.Errorf("parse flags of %s: %w", name, err)
	}
	return nil
}
