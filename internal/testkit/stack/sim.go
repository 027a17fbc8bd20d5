package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// simPort is makesim's port inside a cluster with a node; elsewhere it takes a free one.
const simPort = "8443"

// startSim starts the simulated Make.
func (s *Stack) startSim(ctx context.Context) error {
	s.Say("starting makesim, the simulated Make")
	dir := filepath.Join(s.Dir, "makesim")
	s.SimCA, s.Ledger = filepath.Join(dir, "ca.pem"), filepath.Join(s.Dir, "ledger.jsonl")
	address := filepath.Join(dir, "address")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, old := range []string{address, s.Ledger} {
		if err := os.Remove(old); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	listen := "127.0.0.1:0"
	if s.Node {
		listen = net.JoinHostPort(s.cluster.Node.IP, simPort)
	}
	p, err := s.start("makesim", s.inside(s.Program("makesim"), "--listen", listen, "--san", "127.0.0.1",
		"--tls-dir", dir, "--ledger", s.Ledger, "--address-file", address)...)
	if err != nil {
		return err
	}
	if err := s.track(p); err != nil {
		return err
	}
	if err := s.await(ctx, p, 30*time.Second, fileExists(address)); err != nil {
		return err
	}
	content, err := os.ReadFile(address)
	if err != nil {
		return err
	}
	url, _, _ := strings.Cut(string(content), "\n")
	s.Zone = strings.TrimPrefix(url, "https://")
	reachable, err := s.Forward(ctx, "makesim", s.Zone)
	if err != nil {
		return fmt.Errorf("reach makesim: %w", err)
	}
	s.SimURL = "https://" + reachable
	return nil
}

func listens(address string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	}
}
