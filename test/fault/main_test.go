package fault

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/makeops/make-operator/internal/testkit/stack"
)

// root is the repository.
const root = "../.."

// What to run.
var (
	full      = flag.Bool("full", false, "disturb every request in every way, instead of a sample")
	only      = flag.String("scenarios", "", "only these scenarios, separated by commas")
	classes   = flag.String("classes", "", "only these classes of authorization servers, such as DE")
	onlyKinds = flag.String("faults", "", "only these kinds of faults, separated by commas")
	workers   = flag.Int("workers", 12, "how many managers run at once")
	atMost    = flag.Duration("at-most", 0, "begin no case and no kill later than that; 0 is without end")
	kills     = flag.Int("kills", 0, "how many kills at random times; 0 is 24, or 1000 with -full")
	seed      = flag.Uint64("seed", 1, "of everything random")
)

// overdue reports whether nothing more is to be begun.
func overdue(begun time.Time) bool { return *atMost > 0 && time.Since(begun) > *atMost }

// cluster is the control plane that all managers share.
var cluster *stack.Stack

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // most of them wait most of the time
		panic(err)
	}
	log.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "make-operator-fault-")
	if err != nil {
		return 0, err
	}
	cluster, err = stack.Start(context.Background(), stack.Options{Root: root, Dir: dir, ClusterOnly: true})
	if err != nil {
		return 0, fmt.Errorf("start control plane (make build first): %w; logs are in %s", err, dir)
	}
	defer func() {
		if stopped := cluster.Stop(); err == nil {
			err = stopped
		}
		if err == nil && code == 0 {
			err = os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "logs are in", filepath.Join(dir, "log"))
		}
	}()
	crds := envtest.CRDInstallOptions{Paths: []string{filepath.Join(root, "config", "crd", "bases")}, ErrorIfPathMissing: true}
	if _, err := envtest.InstallCRDs(cluster.Config, crds); err != nil {
		return 0, fmt.Errorf("install resource definitions: %w", err)
	}
	return m.Run(), nil
}
