package stack

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// cluster is what devcluster writes into its ready file.
type cluster struct {
	Kubeconfig       string `json:"kubeconfig"`
	InsideKubeconfig string `json:"insideKubeconfig"`
	Node             *struct {
		IP string `json:"ip"`
	} `json:"node"`
}

func (s *Stack) clusterDir() string { return filepath.Join(s.Dir, "cluster") }

// startCluster starts etcd, API server, controller-manager and scheduler, and a node where one is wanted.
func (s *Stack) startCluster(ctx context.Context) error {
	if s.borrowed() {
		s.AdminKubeconfig, s.cluster = s.Kubeconfig, &cluster{Kubeconfig: s.Kubeconfig}
		return nil
	}
	s.Say("starting etcd and kube-apiserver")
	s.AuditLog = filepath.Join(s.Dir, "audit.log")
	if err := os.Remove(s.AuditLog); err != nil && !os.IsNotExist(err) {
		return err
	}
	args := []string{s.Program("devcluster"), "up", "--dir", s.clusterDir(), "--audit-log", s.AuditLog}
	if s.Node {
		args = append(args, "--node")
	}
	args = append(args, s.parent()...)
	ready := filepath.Join(s.clusterDir(), "ready")
	if err := os.Remove(ready); err != nil && !os.IsNotExist(err) { // of a run that crashed
		return err
	}
	p, err := s.start("cluster", args...)
	if err != nil {
		return err
	}
	if err := s.track(p); err != nil {
		return err
	}
	if err := s.await(ctx, p, 2*time.Minute, fileExists(ready)); err != nil {
		return err
	}
	content, err := os.ReadFile(ready)
	if err != nil {
		return err
	}
	s.cluster = &cluster{}
	if err := json.Unmarshal(content, s.cluster); err != nil {
		return err
	}
	s.AdminKubeconfig = s.cluster.Kubeconfig
	return nil
}

// parent ties a command of devcluster to this process, unless it is to outlive it.
func (s *Stack) parent() []string {
	if s.Detach {
		return nil
	}
	return []string{"--parent-pid", strconv.Itoa(os.Getpid())}
}

// inside lets a command run where the cluster's addresses mean something: in its network namespace if it has one.
func (s *Stack) inside(args ...string) []string {
	if !s.Node {
		return args
	}
	return append([]string{s.Program("devcluster"), "exec", "--dir", s.clusterDir(), "--"}, args...)
}

// Forward makes a port inside the cluster's network reachable at a loopback address of this machine, which it returns.
func (s *Stack) Forward(ctx context.Context, name, target string) (string, error) {
	if !s.Node {
		return target, nil
	}
	ports, err := freePorts(ctx, 1)
	if err != nil {
		return "", err
	}
	port := strconv.Itoa(ports[0])
	args := []string{s.Program("devcluster"), "forward", "--dir", s.clusterDir(), "--to", target, "--port", port}
	p, err := s.start("forward-"+name, append(args, s.parent()...)...)
	if err != nil {
		return "", err
	}
	if err := s.track(p); err != nil {
		return "", err
	}
	address := "127.0.0.1:" + port
	return address, s.await(ctx, p, 10*time.Second, listens(address))
}

// startPods runs the pods' containers as local processes, because there is no node.
func (s *Stack) startPods(ctx context.Context) error {
	s.Say("no real node: running the pods' containers as local processes")
	args := []string{s.Program("devcluster"), "pods", "--dir", s.clusterDir(), "--image", MCPImage + "=" + s.Program("make-mcp")}
	p, err := s.start("pods", append(args, s.parent()...)...)
	if err != nil {
		return err
	}
	if err := s.track(p); err != nil {
		return err
	}
	return s.await(ctx, p, 30*time.Second, fileExists(filepath.Join(s.clusterDir(), "pods-ready")))
}

// MCPImage and ManagerImage are the names of our images. No registry is asked for them.
const (
	MCPImage     = "localhost/make-mcp:dev"
	ManagerImage = "localhost/make-operator:dev"
)

func fileExists(path string) func(context.Context) bool {
	return func(context.Context) bool {
		_, err := os.Stat(path)
		return err == nil
	}
}
