package localnode

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probe runs the container's probes until ctx ends; restart ends the process.
func (c *container) probe(ctx context.Context, restart func()) {
	if c.spec.StartupProbe != nil {
		started := false
		c.repeat(ctx, c.spec.StartupProbe, func(ok bool, err error) bool {
			if !ok {
				c.unhealthy("Startup", err)
				restart()
			}
			started = ok
			return false
		})
		if !started {
			return
		}
		c.change(func(s *containerState) { s.started, s.ready = true, c.spec.ReadinessProbe == nil })
	}
	var both sync.WaitGroup
	if p := c.spec.ReadinessProbe; p != nil {
		both.Go(func() {
			c.repeat(ctx, p, func(ok bool, err error) bool {
				c.change(func(s *containerState) { s.ready = ok && s.running != nil })
				if !ok {
					c.unhealthy("Readiness", err)
				}
				return true
			})
		})
	}
	if p := c.spec.LivenessProbe; p != nil {
		both.Go(func() {
			c.repeat(ctx, p, func(ok bool, err error) bool {
				if !ok {
					c.unhealthy("Liveness", err)
					restart()
				}
				return ok
			})
		})
	}
	both.Wait()
}

func (c *container) unhealthy(kind string, err error) {
	c.worker.node.recorder.Eventf(c.pod, corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %v", kind, err)
}

// repeat checks until ctx ends or report, called when a threshold is crossed, returns false.
func (c *container) repeat(ctx context.Context, p *corev1.Probe, report func(ok bool, err error) bool) {
	sleep(ctx, seconds(p.InitialDelaySeconds))
	var successes, failures int32
	for known, last := false, false; ctx.Err() == nil; sleep(ctx, pause(p, known && last)) {
		err := c.check(ctx, p)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			successes, failures = successes+1, 0
		} else {
			successes, failures = 0, failures+1
		}
		ok := successes >= max(p.SuccessThreshold, 1)
		if !ok && failures < max(p.FailureThreshold, 1) || known && ok == last {
			continue
		}
		known, last = true, ok
		if !report(ok, err) {
			return
		}
	}
}

// pause is the period, but at most a second until the first success: a person waits for it.
func pause(p *corev1.Probe, succeeded bool) time.Duration {
	period := seconds(max(p.PeriodSeconds, 1))
	if !succeeded && p.FailureThreshold*max(p.PeriodSeconds, 1) > 0 {
		return min(period, time.Second)
	}
	return period
}

func (c *container) check(ctx context.Context, p *corev1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, seconds(max(p.TimeoutSeconds, 1)))
	defer cancel()
	if p.HTTPGet != nil {
		return c.checkHTTP(ctx, p.HTTPGet)
	}
	address, err := c.dialAddress(p.TCPSocket.Host, p.TCPSocket.Port)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return conn.Close()
}

func (c *container) checkHTTP(ctx context.Context, get *corev1.HTTPGetAction) error {
	address, err := c.dialAddress(get.Host, get.Port)
	if err != nil {
		return err
	}
	scheme := strings.ToLower(string(get.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/"+strings.TrimPrefix(get.Path, "/"), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("User-Agent", "kube-probe/devcluster")
	for _, h := range get.HTTPHeaders {
		request.Header.Add(h.Name, h.Value)
		if strings.EqualFold(h.Name, "Host") {
			request.Host = h.Value
		}
	}
	response, err := probeClient().Do(request)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 10<<10))
	if response.StatusCode < http.StatusOK || response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("HTTP status %d", response.StatusCode)
	}
	return nil
}

// probeClient verifies no certificate, as kubelet's does not, and keeps no connection.
func probeClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *container) dialAddress(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = c.worker.address
	}
	number, err := portNumber(c.spec, port)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, fmt.Sprint(number)), nil
}

var errNoPort = errors.New("no such port")

// portNumber resolves a port that may be given by its name in the container.
func portNumber(c *corev1.Container, port intstr.IntOrString) (int32, error) {
	if port.Type == intstr.Int {
		return port.IntVal, nil
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort, nil
		}
	}
	return 0, fmt.Errorf("find port %q of container %q: %w", port.StrVal, c.Name, errNoPort)
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
