package mcp

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Invocation is what a command line asks for.
type Invocation struct {
	// Config is the config file with the flags laid over it. It is validated.
	Config Config
	// AuditFile receives the audit log, appended; empty means standard output.
	AuditFile string
	// LogLevel is the least level that is logged.
	LogLevel slog.Level
	// DrainTimeout is how long calls may finish after a request to stop.
	DrainTimeout time.Duration
}

// ErrHelp is returned by ParseArgs after it has written the help text.
var ErrHelp = flag.ErrHelp

// defaultDrainTimeout is longer than the longest call, a run that Make answers after 40 seconds.
const defaultDrainTimeout = 45 * time.Second

// overrides are the flags, as typed; empty ones change nothing.
type overrides struct {
	config, listen, operationsListen, resource string
	tokenDir, upstreamCAFile, jwksFile         string
	auditFile, logLevel                        string
	allowedHosts                               []string
	drainTimeout                               time.Duration
}

type flagGroup struct {
	title string
	flags []flagSpec
}

type flagSpec struct {
	name, value, help string
	target            *string
}

func (o *overrides) groups() []flagGroup {
	return []flagGroup{
		{"Configuration", []flagSpec{
			{"config", "FILE", "config file, YAML or JSON (required)", &o.config},
		}},
		{"Addresses (override the config file)", []flagSpec{
			{"listen", "HOST:PORT", "MCP listener; default " + defaultListen, &o.listen},
			{"operations-listen", "HOST:PORT", "listener of /healthz, /readyz and /metrics; default " + defaultOperationsListen, &o.operationsListen},
			{"resource", "URL", "URL at which callers reach this server; its path is the MCP endpoint", &o.resource},
		}},
		{"Files (override the config file)", []flagSpec{
			{"token-dir", "DIR", "folder with the Make credential: files token, authorization and zone", &o.tokenDir},
			{"upstream-ca-file", "FILE", "PEM certificates to trust for Make's API, beside the system's", &o.upstreamCAFile},
			{"jwks-file", "FILE", "key set of the issuer that is configured with a jwksFile", &o.jwksFile},
		}},
		{"Logs", []flagSpec{
			{"audit-file", "FILE", "file that the audit log is appended to; default standard output", &o.auditFile},
			{"log-level", "LEVEL", "debug, info, warn or error, to standard error; default info", &o.logLevel},
		}},
	}
}

// ParseArgs reads flags and config file and validates the outcome. After --help it returns ErrHelp.
func ParseArgs(args []string, help io.Writer) (Invocation, error) {
	var o overrides
	set := flag.NewFlagSet("make-mcp", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, group := range o.groups() {
		for _, f := range group.flags {
			set.StringVar(f.target, f.name, "", f.help)
		}
	}
	set.Func("allowed-host", "", func(host string) error {
		o.allowedHosts = append(o.allowedHosts, host)
		return nil
	})
	set.DurationVar(&o.drainTimeout, "drain-timeout", defaultDrainTimeout, "")
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeHelp(help, o.groups())
		return Invocation{}, ErrHelp
	case err != nil:
		return Invocation{}, fmt.Errorf("%w; --help lists the flags", err)
	case set.NArg() > 0:
		return Invocation{}, fmt.Errorf("unexpected argument %q; --help lists the flags", set.Arg(0))
	case o.config == "":
		return Invocation{}, errors.New("--config: is missing; name the config file")
	}
	return o.invocation()
}

func (o *overrides) invocation() (Invocation, error) {
	cfg, err := ReadConfig(o.config)
	if err != nil {
		return Invocation{}, err
	}
	inv := Invocation{AuditFile: o.auditFile, DrainTimeout: o.drainTimeout}
	flagErr := o.apply(&cfg)
	if o.logLevel != "" {
		if err := inv.LogLevel.UnmarshalText([]byte(o.logLevel)); err != nil {
			flagErr = errors.Join(flagErr, fmt.Errorf("--log-level: %q is none of debug, info, warn, error", o.logLevel))
		}
	}
	inv.Config = cfg
	return inv, errors.Join(flagErr, cfg.Validate())
}

func (o *overrides) apply(cfg *Config) error {
	for _, field := range []struct {
		value  string
		target *string
	}{
		{o.listen, &cfg.Listen},
		{o.operationsListen, &cfg.OperationsListen},
		{o.resource, &cfg.Resource},
		{o.tokenDir, &cfg.Upstream.TokenDir},
		{o.upstreamCAFile, &cfg.Upstream.CAFile},
	} {
		if field.value != "" {
			*field.target = field.value
		}
	}
	cfg.AllowedHosts = append(cfg.AllowedHosts, o.allowedHosts...)
	if o.jwksFile == "" {
		return nil
	}
	var target *string
	for i := range cfg.Issuers {
		if cfg.Issuers[i].JWKSFile == "" {
			continue
		}
		if target != nil {
			return errors.New("--jwks-file: the config names several issuers with a jwksFile; set the paths there")
		}
		target = &cfg.Issuers[i].JWKSFile
	}
	if target == nil {
		return errors.New("--jwks-file: the config names no issuer with a jwksFile; add one")
	}
	*target = o.jwksFile
	return nil
}

func writeHelp(w io.Writer, groups []flagGroup) {
	var b strings.Builder
	b.WriteString("make-mcp serves Make.com tools to AI agents over MCP (Streamable HTTP), to authenticated callers only.\n\n" +
		"Usage: make-mcp --config FILE [flags]\n")
	line := func(name, value, text string) { fmt.Fprintf(&b, "  %-32s %s\n", "--"+name+" "+value, text) }
	for _, group := range groups {
		fmt.Fprintf(&b, "\n%s:\n", group.title)
		for _, f := range group.flags {
			line(f.name, f.value, f.help)
		}
	}
	b.WriteString("\nHosts (added to those of the config file):\n")
	line("allowed-host", "HOST", "Host header to serve beside the resource's; may be given several times")
	b.WriteString("\nStopping:\n")
	line("drain-timeout", "DURATION", "how long running calls may finish after SIGTERM; default "+defaultDrainTimeout.String())
	b.WriteString("\nExit status: 0 stopped as asked, 1 failed, 2 wrong flags or config.\n\nA config file with every field:\n\n")
	for l := range strings.Lines(SampleConfig()) {
		b.WriteString("  " + l)
	}
	_, _ = io.WriteString(w, b.String()) // nobody to tell when the terminal is gone
}
