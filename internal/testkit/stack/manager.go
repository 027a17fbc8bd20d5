package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ServiceAccount is the manager's; what it may do in the stack is what it may do in a cluster.
const ServiceAccount = "make-operator"

// managerPorts are where the manager listens.
type managerPorts struct{ webhook, metrics, probes, consent int }

// managerKubeconfig is where prepareManager puts the manager's credentials.
func (s *Stack) managerKubeconfig() string { return filepath.Join(s.Dir, "manager.kubeconfig") }

// prepareManager decides where the manager listens, gives it credentials, and tells the API server where its webhook is.
func (s *Stack) prepareManager(ctx context.Context) error {
	free, err := freePorts(ctx, 4)
	if err != nil {
		return err
	}
	s.managerUID = string(uuid.NewUUID())
	s.ports = managerPorts{free[0], free[1], free[2], free[3]}
	if err := s.writeManagerKubeconfig(ctx); err != nil {
		return err
	}
	if s.ConsentURL, err = s.forwardURL(ctx, "consent", s.ports.consent); err != nil {
		return err
	}
	if s.MetricsURL, err = s.forwardURL(ctx, "metrics", s.ports.metrics); err != nil {
		return err
	}
	s.MetricsURL += "/metrics"
	if s.probesURL, err = s.forwardURL(ctx, "probes", s.ports.probes); err != nil {
		return err
	}
	if s.borrowed() {
		return nil // that cluster's API server cannot reach this machine
	}
	return s.pointWebhook(ctx)
}

func (s *Stack) forwardURL(ctx context.Context, name string, port int) (string, error) {
	address, err := s.Forward(ctx, name, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return "http://" + address, err
}

// pointWebhook applies the webhook configuration with a URL in the place of a Service.
func (s *Stack) pointWebhook(ctx context.Context) error {
	objects, err := s.Render(ctx, "config/dev")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() != "ValidatingWebhookConfiguration" {
			continue
		}
		webhooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
		if err != nil {
			return err
		}
		for _, w := range webhooks {
			webhook := w.(map[string]any)
			path, _, err := unstructured.NestedString(webhook, "clientConfig", "service", "path")
			if err != nil {
				return err
			}
			webhook["clientConfig"] = map[string]any{"url": fmt.Sprintf("https://127.0.0.1:%d%s", s.ports.webhook, path)}
		}
		if err := unstructured.SetNestedSlice(o.Object, webhooks, "webhooks"); err != nil {
			return err
		}
		return s.Apply(ctx, o)
	}
	return fmt.Errorf("config/dev has no ValidatingWebhookConfiguration")
}

// writeManagerKubeconfig gives the manager a token of its ServiceAccount.
func (s *Stack) writeManagerKubeconfig(ctx context.Context) error {
	seconds := int64((24 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: ServiceAccount}}
	if err := s.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return fmt.Errorf("get a token for the manager: %w", err)
	}
	from := s.AdminKubeconfig
	if s.Node {
		from = s.cluster.InsideKubeconfig
	}
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	current := config.Contexts[config.CurrentContext]
	if current == nil {
		return fmt.Errorf("kubeconfig %s has no current context", from)
	}
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{ServiceAccount: {Token: request.Status.Token}}
	config.Contexts = map[string]*clientcmdapi.Context{ServiceAccount: {Cluster: current.Cluster, AuthInfo: ServiceAccount}}
	config.CurrentContext = ServiceAccount
	return clientcmd.WriteToFile(*config, s.managerKubeconfig())
}

// ManagerArgs is the command line of the manager.
func (s *Stack) ManagerArgs() []string {
	local := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	args := []string{
		// As the kubelet would say it: whoever starts it again does so after it has ended, so it may go on where it stopped.
		"env", "POD_NAME=make-operator", "POD_UID=" + s.managerUID,
		s.Program("manager"), "--kubeconfig=" + s.managerKubeconfig(), "--namespace=" + Namespace,
		"--allowed-zones=" + s.Zone, "--make-ca-file=" + s.SimCA, "--mcp-image=" + MCPImage,
		"--consent-bind-address=" + local(s.ports.consent), "--consent-url=" + s.ConsentURL,
		"--metrics-bind-address=" + local(s.ports.metrics), "--health-probe-bind-address=" + local(s.ports.probes),
	}
	if s.borrowed() {
		args = append(args, "--webhook-port=0")
	} else {
		args = append(args, "--webhook-host=127.0.0.1", "--webhook-port="+strconv.Itoa(s.ports.webhook))
	}
	return s.inside(append(args, s.ManagerFlags...)...)
}

// StartManager starts the manager, again if it was killed, and returns when it is ready.
func (s *Stack) StartManager(ctx context.Context) error {
	s.Say("starting the manager")
	p, err := s.start("manager", s.ManagerArgs()...)
	if err != nil {
		return err
	}
	if s.Manager == nil {
		if err := s.track(p); err != nil {
			return err
		}
	} else {
		for i := range s.processes {
			if s.processes[i] == s.Manager {
				s.processes[i] = p
			}
		}
	}
	s.Manager = p
	return s.await(ctx, p, time.Minute, answers(s.probesURL+"/readyz"))
}

// answers reports whether a URL answers 200.
func answers(url string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}
}
