package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/makeops/make-operator/api/v1alpha1"
)

// Namespace is the operator's.
const Namespace = "make-operator-system"

// Options say what to start.
type Options struct {
	// Root is the folder of the repository, with the programs in bin/.
	Root string
	// Dir is the folder for the state; it is made.
	Dir string
	// Node adds a real node.
	Node bool
	// Detach lets the processes outlive this one.
	Detach bool
	// Kubeconfig is of a cluster that runs already; empty starts one.
	Kubeconfig string
	// WithoutManager leaves the manager to whoever installs it.
	WithoutManager bool
	// ManagerFlags are added to the manager's command line.
	ManagerFlags []string
	// ClusterOnly starts nothing but the control plane.
	ClusterOnly bool
	// Started is told of all processes each time that one was started, so that a crash leaves none unknown; nil tells nobody.
	Started func([]*Process) error
	// Say prints progress; nil prints nothing.
	Say func(format string, args ...any)
}

// Stack is what runs.
type Stack struct {
	Options

	// Config, Client and AdminKubeconfig are the cluster administrator's, from this machine.
	Config          *rest.Config
	Client          client.Client
	AdminKubeconfig string
	// AuditLog is the API server's, one JSON event a line; empty for a cluster that was there.
	AuditLog string
	// Zone is what spec.zone takes; SimURL is the same Make as this machine reaches it, with the certificates of SimCA.
	Zone, SimURL, SimCA string
	// Ledger is makesim's, one JSON entry a line.
	Ledger string
	// ConsentURL and MetricsURL are the manager's, as this machine reaches them.
	ConsentURL, MetricsURL string
	// Manager is the running manager.
	Manager *Process

	probesURL  string
	ports      managerPorts
	managerUID string
	cluster    *cluster
	applied    []*unstructured.Unstructured // to a borrowed cluster, in this order
	processes  []*Process                   // in the order in which they were started
}

// Start starts everything and returns when all of it is ready. What was started before an error is stopped again.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	s := &Stack{Options: o}
	if err := s.startAll(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stack) startAll(ctx context.Context) error {
	var err error
	if s.Root, err = filepath.Abs(s.Root); err != nil {
		return err
	}
	if s.Dir, err = filepath.Abs(s.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.Dir, "log"), 0o700); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	starts := []func(context.Context) error{s.startCluster, s.connect}
	if s.ClusterOnly {
		return inTurn(ctx, starts)
	}
	starts = append(starts, s.startSim, s.install)
	if s.Node {
		starts = append(starts, s.importImages)
	}
	if !s.WithoutManager {
		starts = append(starts, s.prepareManager, s.StartManager)
	}
	if !s.Node && !s.borrowed() {
		starts = append(starts, s.startPods)
	}
	return inTurn(ctx, starts)
}

func inTurn(ctx context.Context, starts []func(context.Context) error) error {
	for _, start := range starts {
		if err := start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop ends everything, in reverse order.
func (s *Stack) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	err := s.returnCluster(ctx)
	for _, p := range slices.Backward(s.processes) {
		p.Stop()
	}
	s.processes = nil
	return err
}

// track adds a process to those that Stop ends.
func (s *Stack) track(p *Process) error {
	s.processes = append(s.processes, p)
	if s.Started == nil {
		return nil
	}
	return s.Started(s.Processes())
}

// Processes are all that run, in the order in which they were started.
func (s *Stack) Processes() []*Process { return slices.Clone(s.processes) }

// Program is the path of one of the project's programs.
func (s *Stack) Program(name string) string { return filepath.Join(s.Root, "bin", name) }

// connect makes the administrator's client.
func (s *Stack) connect(context.Context) error {
	var err error
	if s.Config, err = clientcmd.BuildConfigFromFlags("", s.AdminKubeconfig); err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	s.Config.QPS = -1 // the API server knows best what it can bear
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	s.Client, err = client.New(s.Config, client.Options{Scheme: scheme})
	return err
}
