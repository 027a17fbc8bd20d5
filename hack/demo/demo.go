package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/internal/testkit/stack"
)

// demo is one run.
type demo struct {
	*stack.Stack

	began  time.Time
	checks []check
	// serverAddress is where the MCP server's Service is reached from here.
	serverAddress string
}

// check is one line of the summary.
type check struct {
	ok   bool
	text string
}

// Names of config/samples.
const namespace = "sales"

var (
	crm    = client.ObjectKey{Namespace: namespace, Name: "crm"}
	oauth  = client.ObjectKey{Namespace: namespace, Name: "crm-oauth"}
	server = client.ObjectKey{Namespace: namespace, Name: "crm-tools"}
)

// scene is one part of the demo.
type scene struct {
	title string
	play  func(context.Context) error
}

func (d *demo) play(ctx context.Context) error {
	scenes := []scene{
		{"Applying config/samples", d.applySamples},
		{"An API token becomes a least-privilege token per consumer", d.showTokens},
		{"A broad scope is refused", d.showRefusal},
		{"A person consents, and OAuth tokens appear", d.showConsent},
		{"An agent calls the MCP server while the token rotates", d.showRotation},
		{"The manager is killed in the middle of a refresh", d.showCrash},
		{"Nothing to do means nothing done", d.showQuiet},
	}
	for i, s := range scenes {
		fmt.Printf("\n%d/%d  %s\n", i+1, len(scenes), s.title)
		if err := s.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(s.title[:1])+s.title[1:], err)
		}
	}
	return nil
}

// say prints progress.
func (d *demo) say(format string, args ...any) {
	fmt.Printf("  %4.0fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

// verify records and prints what was found.
func (d *demo) verify(ok bool, format string, args ...any) {
	c := check{ok, fmt.Sprintf(format, args...)}
	d.checks = append(d.checks, c)
	d.say("%s %s", c.mark(), c.text)
}

func (c check) mark() string {
	if c.ok {
		return "✓"
	}
	return "✗"
}

// summarize prints all that was found and returns how much of it was not as it should be.
func (d *demo) summarize() int {
	failed := 0
	fmt.Printf("\nSummary, after %.0f s\n", time.Since(d.began).Seconds())
	for _, c := range d.checks {
		fmt.Printf("  %s %s\n", c.mark(), c.text)
		if !c.ok {
			failed++
		}
	}
	return failed
}

// eventually waits until done says so; it tells every few seconds what is awaited.
func (d *demo) eventually(ctx context.Context, what string, timeout time.Duration, done func(context.Context) (bool, error)) error {
	told := time.Now()
	err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, timeout, true, func(ctx context.Context) (bool, error) {
		if time.Since(told) > 2*time.Second {
			told = time.Now()
			d.say("… waiting: %s", what)
		}
		return done(ctx)
	})
	if err != nil {
		return fmt.Errorf("wait until %s: %w", what, err)
	}
	return nil
}

// keep holds everything running until Ctrl-C.
func (d *demo) keep(ctx context.Context) {
	fmt.Printf(`
Everything stays up until Ctrl-C. In another terminal:
  export KUBECONFIG=%s PATH=$PWD/bin:$PATH
  kubectl make status --all-namespaces
  kubectl get mkc,mkmcp -A -o wide
  kubectl -n sales get secret crm-reporting -o yaml
  kubectl -n sales auth can-i get secret/crm-reporting --as=system:serviceaccount:sales:reporting
  kubectl -n sales patch mkc crm --type=merge -p '{"spec":{"rotation":{"generation":2}}}'
  kubectl apply -f config/samples/invalid/broad-scope.yaml
`, d.AdminKubeconfig)
	<-ctx.Done()
}
