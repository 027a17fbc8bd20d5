package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/makeops/make-operator/internal/makesim"
)

// stopGrace is how long requests under way may take after a signal.
const stopGrace = 5 * time.Second

// service is a simulator with its listeners open.
type service struct {
	sim       *makesim.Server
	http      *http.Server
	listeners []listener
	ledger    io.Closer
}

type listener struct {
	net.Listener

	url string
	ca  string // file, empty for plain HTTP
}

// ledgerMemory is how many entries of the ledger stay in memory; a ledger file has all.
const ledgerMemory = 100_000

// listen opens everything that can fail before it announces anything.
func listen(ctx context.Context, o options) (*service, error) {
	seed, err := readSeed(o.seed)
	if err != nil {
		return nil, err
	}
	s := &service{}
	sim := makesim.Options{Seed: seed, StateFile: o.state, LedgerLimit: ledgerMemory}
	if o.ledger != "" {
		file, err := makesim.OpenLedger(o.ledger)
		if err != nil {
			return nil, err
		}
		sim.Ledger, s.ledger = file, file
	}
	if s.sim, err = makesim.New(sim); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := setKnobs(s.sim, o.knobs); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.http = &http.Server{Handler: s.sim, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	if err := s.open(ctx, o); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// setKnobs applies flags on top of the defaults, or of what the state file holds.
func setKnobs(sim *makesim.Server, flags map[string]json.RawMessage) error {
	if len(flags) == 0 {
		return nil
	}
	changes, err := json.Marshal(flags)
	if err != nil {
		return fmt.Errorf("--knob: %w", err)
	}
	k, err := makesim.ParseKnobs(sim.Knobs(), changes)
	if err != nil {
		return fmt.Errorf("--knob: %w", err)
	}
	return sim.SetKnobs(k)
}

func readSeed(name string) (makesim.Seed, error) {
	if name == "" {
		return makesim.DefaultSeed(), nil
	}
	file, err := os.Open(filepath.Clean(name))
	if err != nil {
		return makesim.Seed{}, fmt.Errorf("open seed: %w", err)
	}
	defer func() { _ = file.Close() }() // was read only
	seed, err := makesim.ReadSeed(file)
	if err != nil {
		return makesim.Seed{}, fmt.Errorf("%s: %w", name, err)
	}
	return seed, nil
}

func (s *service) open(ctx context.Context, o options) error {
	if o.listen != "" {
		l, err := s.listenTLS(ctx, o)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	if o.http != "" {
		plain, err := new(net.ListenConfig).Listen(ctx, "tcp", o.http)
		if err != nil {
			return fmt.Errorf("listen for HTTP: %w", err)
		}
		s.listeners = append(s.listeners, listener{Listener: plain, url: "http://" + plain.Addr().String()})
	}
	return s.writeAddresses(o.addressFile)
}

func (s *service) listenTLS(ctx context.Context, o options) (listener, error) {
	authority, err := makesim.LoadAuthority(o.tlsDir)
	if err != nil {
		return listener{}, err
	}
	names := o.sans
	if host, _, err := net.SplitHostPort(o.listen); err == nil && host != "" {
		names = append(names, host)
	}
	pair, err := authority.Issue(names...)
	if err != nil {
		return listener{}, err
	}
	if err := makesim.WriteServer(o.tlsDir, pair); err != nil {
		return listener{}, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return listener{}, fmt.Errorf("listen for HTTPS: %w", err)
	}
	return listener{
		Listener: tls.NewListener(l, s.sim.TLSConfig(authority, pair, names...)), url: "https://" + l.Addr().String(), ca: filepath.Join(o.tlsDir, "ca.pem"),
	}, nil
}

// writeAddresses replaces the file in one step, so that nobody reads half of it.
func (s *service) writeAddresses(name string) error {
	if name == "" {
		return nil
	}
	var lines strings.Builder
	for _, l := range s.listeners {
		lines.WriteString(l.url + "\n")
	}
	part := name + ".part"
	if err := os.WriteFile(part, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("write address file: %w", err)
	}
	if err := os.Rename(part, name); err != nil {
		return fmt.Errorf("write address file: %w", err)
	}
	return nil
}

// lines say where it listens.
func (s *service) lines() []string {
	var lines []string
	for _, l := range s.listeners {
		line := "makesim: listening on " + l.url
		if l.ca != "" {
			line += ", CA " + l.ca
		}
		lines = append(lines, line)
	}
	return lines
}

// serve answers until ctx ends or a listener breaks.
func (s *service) serve(ctx context.Context) error {
	broken := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { broken <- s.http.Serve(l) }()
	}
	var err error
	select {
	case err = <-broken:
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if err = s.http.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
			err = nil // long runs are cut off by close
		}
	}
	return errors.Join(err, s.close())
}

func (s *service) close() error {
	var err error
	if s.http != nil {
		err = s.http.Close()
	}
	for _, l := range s.listeners {
		_ = l.Close() // already closed where the server had begun to serve it
	}
	if s.ledger != nil {
		err = errors.Join(err, s.ledger.Close())
	}
	return err
}
