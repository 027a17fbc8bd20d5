package mcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/makeops/make-operator/internal/mcp/filewatch"
)

const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 2 * time.Minute // a run is answered within 40 seconds; event streams are cut and begun anew
	idleTimeout       = 90 * time.Second
	maxHeaderBytes    = 32 << 10
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

	mcpServer, opsServer := s.httpServer(s.Handler()), s.httpServer(s.Operations())
	failed := make(chan error, 2)
	go func() { failed <- mcpServer.Serve(listener) }()
	go func() { failed <- opsServer.Serve(operations) }()
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve: %w", err), mcpServer.Close(), opsServer.Close())
	case <-ctx.Done():
	}
	return errors.Join(s.shutDown(context.WithoutCancel(ctx), mcpServer), opsServer.Close())
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
