// Command demo shows the whole product at work on this machine: a real API server, the real manager and a simulated Make turn the
// manifests of config/samples into least-privilege tokens, and an agent calls the MCP server while they rotate.
//
// Every line of its summary states what was found by looking at the cluster and at makesim. The exit code is 0 if all of it holds.
// KEEP=1 leaves everything running, DEMO_NODE=0 does without a real node, DEMO_KUBECONFIG=FILE uses a cluster that is there already.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/internal/testkit/stack"
)

func main() {
	log.SetLogger(logr.Discard()) // nobody listens: the demo talks by itself
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "make-operator-demo-")
	if err != nil {
		return err
	}
	began := time.Now()
	d := &demo{began: began}
	node, why := stack.NodeAvailable(ctx, ".")
	if os.Getenv("DEMO_NODE") == "0" {
		node, why = false, "DEMO_NODE=0"
	}
	if os.Getenv("DEMO_KUBECONFIG") != "" {
		node = false
	} else if !node {
		d.say("no real node on this machine (%s): the pods' containers run as local processes, with the same arguments and files", why)
	}
	d.Stack, err = stack.Start(ctx, stack.Options{
		Root: ".", Dir: dir, Node: node, Kubeconfig: os.Getenv("DEMO_KUBECONFIG"), Say: d.say,
	})
	if err != nil {
		return fmt.Errorf("%w; logs are in %s", err, filepath.Join(dir, "log"))
	}
	defer func() {
		err = errors.Join(err, d.Stack.Stop())
		switch {
		case err != nil && ctx.Err() != nil:
			err = errors.New("interrupted, everything is stopped")
		case err != nil:
			err = fmt.Errorf("%w; logs are in %s", err, filepath.Join(dir, "log"))
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	played := d.play(ctx)
	failed := d.summarize()
	if played != nil {
		return played
	}
	if os.Getenv("KEEP") == "1" {
		d.keep(ctx)
		return nil
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}
