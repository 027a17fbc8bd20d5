// Package forward passes TCP connections on. Its use is that the listener may belong to one network
// namespace and the process to another.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// dialTimeout bounds the wait for the target; it is on the same machine.
const dialTimeout = 5 * time.Second

// Serve passes every connection of listener on to target, IP:PORT, until ctx ends.
func Serve(ctx context.Context, listener net.Listener, target string) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		client, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept connection: %w", err)
		}
		go pass(ctx, client, target)
	}
}

// pass copies both ways until both are at their end.
func pass(ctx context.Context, client net.Conn, target string) {
	defer client.Close()
	dialer := net.Dialer{Timeout: dialTimeout}
	server, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() {
		client.Close()
		server.Close()
	})
	defer stop()
	done := make(chan struct{})
	go func() {
		copyOneWay(server, client)
		close(done)
	}()
	copyOneWay(client, server)
	<-done
}

// copyOneWay tells the receiver when the sender is done.
func copyOneWay(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
