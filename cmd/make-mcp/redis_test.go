package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/makeops/make-operator/internal/mcp"
)

// redisServer is a real one, in a process of its own.
type redisServer struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string
}

func startRedis(t *testing.T, address string) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			t.Skip("neither redis-server nor valkey-server is installed (Debian: apt-get install redis-server), so limits of several replicas are not tested")
		}
	}
	if address == "" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address = listener.Addr().String()
		_ = listener.Close()
	}
	_, port, _ := net.SplitHostPort(address)
	s := &redisServer{t: t, address: address}
	s.cmd = exec.CommandContext(t.Context(), program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	eventually(t, "redis-server answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("PING\r\n")); err != nil {
			return false
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		return err == nil && line == "+PONG\r\n"
	})
	return s
}

func (s *redisServer) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGKILL)
	_ = s.cmd.Wait()
}

// replicas starts two servers that share their limits: one call a second and a burst, for the one caller that there is.
func replicas(t *testing.T, w *world, redis string, burst int) [2]*child {
	t.Helper()
	cfg := w.config()
	cfg.Limits.Standard = mcp.Rate{PerHour: 3600, Burst: burst}
	cfg.Limits.CallsAtOncePerCaller = 200
	cfg.Limits.Redis = mcp.Redis{Address: redis, Replicas: 2}
	return [2]*child{start(t, cfg), start(t, cfg)}
}

// load has 50 clients call both servers, and returns how many calls passed and how long it took.
func load(t *testing.T, w *world, servers [2]*child, callsEach int) (allowed, limited int, took time.Duration) {
	t.Helper()
	token := w.token()
	var wg sync.WaitGroup
	var mu sync.Mutex
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	defer client.CloseIdleConnections()
	begun := time.Now()
	for i := range 50 {
		wg.Go(func() {
			for j := range callsEach {
				resp, err := client.Do(servers[(i+j)%2].request(token, call("users_me")))
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				mu.Lock()
				switch resp.StatusCode {
				case http.StatusOK:
					allowed++
				case http.StatusTooManyRequests:
					limited++
					if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 {
						t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
					}
				default:
					t.Errorf("status %d", resp.StatusCode)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return allowed, limited, time.Since(begun)
}

// TestReplicasShareOneLimit: what two processes let through together is what one limit allows, to the call.
func TestReplicasShareOneLimit(t *testing.T) {
	redis := startRedis(t, "")
	w := newWorld(t)
	const burst, callsEach = 100, 10
	servers := replicas(t, w, redis.address, burst)
	allowed, limited, took := load(t, w, servers, callsEach)
	most := burst + int(took/time.Second) + 1 // one more each second
	t.Logf("%d of %d calls passed in %s; the limit allows %d to %d", allowed, allowed+limited, took, burst, most)
	if allowed < burst || allowed > most || allowed+limited != 50*callsEach {
		t.Errorf("%d calls passed and %d were limited, want %d to %d to pass", allowed, limited, burst, most)
	}
	for i, server := range servers {
		if server.metric("make_mcp_limits_shared") != 1 {
			t.Errorf("server %d counts alone", i)
		}
		if n := strings.Count(server.audit.String(), `"outcome":"rate_limited"`); n == 0 {
			t.Errorf("server %d has no limited call in its audit log", i)
		}
	}
}

// TestRedisGoesAndComesBack: without Redis each of two replicas has half of the limit; none is open, and none is closed.
func TestRedisGoesAndComesBack(t *testing.T) {
	redis := startRedis(t, "")
	w := newWorld(t)
	const burst = 100
	servers := replicas(t, w, redis.address, burst)
	token := w.token()
	for _, server := range servers {
		server.expectServed(token)
	}
	redis.stop()
	allowed, limited, took := load(t, w, servers, 10)
	most := burst + int(took/time.Second) + 2
	t.Logf("without Redis %d of %d calls passed in %s; the limit allows up to %d", allowed, allowed+limited, took, most)
	if allowed < burst/2 || allowed > most || allowed+limited != 500 {
		t.Errorf("%d calls passed and %d were limited, want %d to %d to pass", allowed, limited, burst/2, most)
	}
	for i, server := range servers {
		if code, _ := server.get("/readyz"); server.metric("make_mcp_limits_shared") != 0 || server.metric("make_mcp_limits_degraded_total") < 1 || code != http.StatusOK {
			t.Errorf("server %d does not say that it counts alone, or is not ready", i)
		}
	}
	startRedis(t, redis.address)
	for i, server := range servers {
		eventually(t, fmt.Sprintf("server %d shares its limits again", i), func() bool {
			_, _ = status(t, http.DefaultClient, server.request(token, list))
			return server.metric("make_mcp_limits_shared") == 1
		})
	}
}
