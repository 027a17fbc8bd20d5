// Command make-mcp serves Make.com tools over MCP to authenticated callers. Run it with --help for flags and a commented
// config file.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/makeops/make-operator/internal/mcp"
)

// version is set by the build.
var version = "dev"

func main() { os.Exit(run()) }

// run returns the exit status: 0 stopped as asked, 1 failed, 2 wrong flags or config.
func run() int {
	inv, err := mcp.ParseArgs(os.Args[1:], os.Stdout)
	if errors.Is(err, mcp.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make-mcp: "+strings.ReplaceAll(err.Error(), "\n", "\nmake-mcp: "))
		return 2
	}
	if err := serve(inv); err != nil {
		fmt.Fprintf(os.Stderr, "make-mcp: %v\n", err)
		return 1
	}
	return 0
}

func serve(inv mcp.Invocation) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var audit io.Writer = os.Stdout
	if inv.AuditFile != "" {
		file, err := os.OpenFile(inv.AuditFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open audit file: %w", err)
		}
		defer func() { _ = file.Close() }()
		audit = file
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: inv.LogLevel}))
	server, err := mcp.New(inv.Config, mcp.Options{Version: version, Audit: audit, Log: log, DrainTimeout: inv.DrainTimeout})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
