// Package e2e tests the built programs against a real API server and a simulated Make. The tests that change nothing for others
// share one stack without a node; the others start what they need.
package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/internal/makesim"
	"github.com/makeops/make-operator/internal/testkit/stack"
)

// root is the repository.
const root = "../.."

// shared is the stack that tests share, with config/samples applied and consented to.
var shared *stack.Stack

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "make-operator-e2e-")
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	// The manager logs all that it ever logs: TestNoTokenLeaks looks into it.
	shared, err = stack.Start(ctx, stack.Options{Root: root, Dir: dir, ManagerFlags: []string{"--zap-log-level=10"}, Say: func(format string, args ...any) {
		fmt.Printf("▸ "+format+"\n", args...)
	}})
	if err != nil {
		return 0, fmt.Errorf("start the stack: %w; logs are in %s", err, dir)
	}
	defer func() {
		if stopped := shared.Stop(); err == nil {
			err = stopped
		}
		if err == nil && code == 0 {
			err = os.RemoveAll(dir)
		}
	}()
	if err := applySamples(ctx); err != nil {
		return 0, fmt.Errorf("%w; logs are in %s", err, dir)
	}
	return m.Run(), nil
}

// applySamples applies config/samples and waits until all of it is Ready.
func applySamples(ctx context.Context) error {
	objects, err := shared.Samples(ctx)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := shared.Apply(ctx, o); err != nil {
			return err
		}
	}
	if err := awaitCondition(ctx, shared, oauthConnection, "Authorized", "ConsentRequired"); err != nil {
		return err
	}
	if _, err := shared.Consent(ctx, keyOf(oauthConnection), makesim.UserID); err != nil {
		return err
	}
	for _, key := range []object{apiConnection, oauthConnection, mcpServer} {
		if err := awaitCondition(ctx, shared, key, "Ready", "Succeeded"); err != nil {
			return err
		}
	}
	return nil
}
