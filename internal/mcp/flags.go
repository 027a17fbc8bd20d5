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
	// Config is the config file, if there is one, with the flags laid over it. It is validated.
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

type flagGroup struct {
	title string
	flags []flagSpec
}

// flagSpec is one flag. It may be given several times; each time it changes the invocation, in the order of the command line.
type flagSpec struct {
	// value is the placeholder of its value; empty for a flag without one.
	name, value, help string
	apply             func(d *draft, value string) error
}

// draft is an invocation that flags still change.
type draft struct {
	Invocation
	// configured is how many issuers the config file names.
	configured int
}

// given is a flag on the command line.
type given struct {
	spec  flagSpec
	value string
}

// ParseArgs reads flags and config file and validates the outcome. After --help it returns ErrHelp.
func ParseArgs(args []string, help io.Writer) (Invocation, error) {
	var path string
	var all []given
	set := flag.NewFlagSet("make-mcp", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.StringVar(&path, "config", "", "")
	for _, group := range flagGroups() {
		for _, spec := range group.flags {
			note := func(value string) error {
				all = append(all, given{spec: spec, value: value})
				return nil
			}
			if spec.value == "" {
				set.BoolFunc(spec.name, "", note)
				continue
			}
			set.Func(spec.name, "", note)
		}
	}
	err := set.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		writeHelp(help)
		return Invocation{}, ErrHelp
	case err != nil:
		return Invocation{}, fmt.Errorf("%w; --help lists the flags", err)
	case set.NArg() > 0:
		return Invocation{}, fmt.Errorf("unexpected argument %q; --help lists the flags", set.Arg(0))
	case path == "" && len(all) == 0:
		return Invocation{}, errors.New("nothing says what to serve; name a config file with --config, or see --help for the flags")
	}
	return invocation(path, all)
}

// invocation lays flags over a config file, or over the defaults.
func invocation(path string, all []given) (Invocation, error) {
	d := &draft{Invocation: Invocation{DrainTimeout: defaultDrainTimeout}}
	d.Config = Config{Listen: defaultListen, OperationsListen: defaultOperationsListen, Tools: Tools{Scenarios: true}}
	if path != "" {
		var err error
		if d.Config, err = ReadConfig(path); err != nil {
			return Invocation{}, err
		}
		d.configured = len(d.Config.Issuers)
	}
	var errs []error
	for _, g := range all {
		if err := g.spec.apply(d, g.value); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", g.spec.name, err))
		}
	}
	if len(errs) > 0 {
		return Invocation{}, errors.Join(errs...)
	}
	return d.Invocation, d.Config.Validate()
}

func writeHelp(w io.Writer) {
	var b strings.Builder
	b.WriteString("make-mcp serves Make.com tools to AI agents over MCP (Streamable HTTP), to authenticated callers only.\n\n" +
		"Usage: make-mcp --config FILE [flags]\n       make-mcp flags\n\n" +
		"Flags override the config file; those that add something may be given several times.\n")
	line := func(name, value, text string) {
		fmt.Fprintf(&b, "  %-36s %s\n", strings.TrimSpace("--"+name+" "+value), text)
	}
	b.WriteString("\nConfiguration:\n")
	line("config", "FILE", "config file, YAML or JSON; see below for every field")
	for _, group := range flagGroups() {
		fmt.Fprintf(&b, "\n%s:\n", group.title)
		for _, f := range group.flags {
			line(f.name, f.value, f.help)
		}
	}
	b.WriteString("\nExit status: 0 stopped as asked, 1 failed, 2 wrong flags or config.\n\n" +
		"An example without a config file:\n\n" + exampleCommand + "\nA config file with every field:\n\n")
	for l := range strings.Lines(SampleConfig()) {
		b.WriteString("  " + l)
	}
	_, _ = io.WriteString(w, b.String()) // nobody to tell when the terminal is gone
}

// exampleCommand is a valid command line.
const exampleCommand = `  make-mcp --listen 127.0.0.1:8080 --operations-listen 127.0.0.1:8081 --resource http://127.0.0.1:8080/mcp \
    --issuer https://login.example.com/ --scope-claim scope \
    --rule "claim.groups=sales-engineers;scopes=scenarios:read,scenarios:run" \
    --upstream-url https://eu1.make.com --token-dir /run/secrets/make --organization-id 42 --scopes scenarios:read,scenarios:run
`
