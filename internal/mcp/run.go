package mcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/makeops/make-operator/internal/mcp/filewatch"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second // front says for each piece of an answer how long it may take
	idleTimeout       = 90 * time.Second
	maxHeaderBytes    = 32 << 10
	// streamsAtOnce and streamBytes bound one HTTP/2 connection.
	streamsAtOnce = 64
	streamBytes   = 1 << 20
)

// Watch keeps the credential and the issuers' keys fresh until ctx ends.
func (s *Server) Watch(ctx context.Context) {
	var wg sync.WaitGroup
	for _, file := range s.files() {
		wg.Go(func() {
			filewatch.Watcher{
				Dir: file.dir, Names: file.names, Changed: file.load, Clock: s.options.Clock, Log: s.options.Log,
			}.Run(ctx)
		})
	}
	for i := range s.keyURLs {
		wg.Go(func() { s.fetchFirstKeys(ctx, i) })
	}
	wg.Wait()
}

// fetchFirstKeys makes the server ready before the first caller comes; later fetches are made on demand.
func (s *Server) fetchFirstKeys(ctx context.Context, i int) {
	ticker := s.options.Clock.NewTicker(filewatch.Interval)
	defer ticker.Stop()
	for !s.keyURLs[i].Loaded() {
		if err := s.keyURLs[i].Load(ctx); err != nil {
			s.options.Log.Warn("issuer keys were not fetched", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// Run serves until ctx ends, then lets running calls finish. Nil means that it stopped as asked. It can run once.
func (s *Server) Run(ctx context.Context) error {
	var network net.ListenConfig
	listener, err := network.Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return fmt.Errorf("open MCP listener: %w", err)
	}
	operations, err := network.Listen(ctx, "tcp", s.config.OperationsListen)
	if err != nil {
		return errors.Join(fmt.Errorf("open operations listener: %w", err), listener.Close())
	}
	s.options.Log.Info("serving", "address", listener.Addr().String(), "operations", operations.Addr().String(),
		"resource", s.config.Resource, "version", s.options.Version)
	watchCtx, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	go s.Watch(watchCtx)

	mcpServer, opsServer := s.callServer(), s.httpServer(s.Operations())
	failed := make(chan error, 2)
	go func() { failed <- serveCalls(mcpServer, listener) }()
	go func() { failed <- opsServer.Serve(operations) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve: %w", err), mcpServer.Close(), opsServer.Close())
	case <-ctx.Done():
	}
	ctx = context.WithoutCancel(ctx)
	return errors.Join(s.shutDown(ctx, mcpServer), opsServer.Close(), s.release(ctx))
}

// callServer is the server that callers reach.
func (s *Server) callServer() *http.Server {
	server := s.httpServer(s.Handler())
	server.TLSConfig = s.certificate.config()
	server.ConnState, server.ConnContext = s.connections.changed, s.connections.context
	server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streamsAtOnce, MaxReceiveBufferPerConnection: streamBytes, MaxReceiveBufferPerStream: streamBytes}
	// What callers do wrong below HTTP, such as a failed handshake, is no news.
	server.ErrorLog = slog.NewLogLogger(s.options.Log.Handler(), slog.LevelDebug)
	return server
}

func serveCalls(server *http.Server, listener net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(listener, "", "")
	}
	return server.Serve(listener)
}

// releasePatience is how long the last spans may take to leave.
const releasePatience = 5 * time.Second

// release lets go of what the server holds outside. Spans that cannot be sent are no failure of it.
func (s *Server) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, releasePatience)
	defer cancel()
	if err := s.tracing.stop(ctx); err != nil {
		s.options.Log.Warn("spans were lost", "error", err)
	}
	if s.redis == nil {
		return nil
	}
	return s.redis.Close()
}

// shutDown stops accepting, ends idle event streams and waits for calls; /readyz says no from here on.
func (s *Server) shutDown(ctx context.Context, server *http.Server) error {
	s.options.Log.Info("stopping, running calls may finish", "timeout", s.options.DrainTimeout.String())
	close(s.stopping)
	ctx, cancel := context.WithTimeout(ctx, s.options.DrainTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop: calls were cut off: %w", err), server.Close())
	}
	return nil
}

func (s *Server) httpServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}
