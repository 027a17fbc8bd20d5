package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/makeops/make-operator/internal/lint"
	"github.com/makeops/make-operator/internal/makeapi"
)

// linting is kubectl make lint.
type linting struct {
	genericiooptions.IOStreams

	now          time.Time
	namespace    string
	output       string
	failOn       string
	policies     []string
	allowedZones []string
}

// errFound means that there are findings; they have been printed.
var errFound = errors.New("there are findings that fail the check")

// unreadable is a file that could not be judged.
type unreadable struct{ error }

// ExitCode tells a file that could not be judged (2) from one that was judged and found wanting (1).
func (unreadable) ExitCode() int { return 2 }

func (u unreadable) Unwrap() error { return u.error }

func newLint(flags *genericclioptions.ConfigFlags, streams genericiooptions.IOStreams) *cobra.Command {
	l := &linting{IOStreams: streams, now: time.Now()}
	cmd := &cobra.Command{
		Use:   "lint FILE…",
		Short: "Judge manifests offline, as the admission webhook would",
		Long: `Judges the MakeConnections, MakeMCPServers and MakeScopePolicies of files and folders, without a cluster. Policies among them count,
and those of --policy; where there is none, the built-in one does. Namespaces among them tell which policies govern what.

Exit code 0: nothing that fails the check. 1: there are findings. 2: a file could not be read.`,
		Example: `  kubectl make lint deploy/ --policy policies/
  kustomize build | kubectl make lint - --output=sarif > lint.sarif`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l.namespace = "default"
			if flags.Namespace != nil && *flags.Namespace != "" {
				l.namespace = *flags.Namespace
			}
			return l.run(args)
		},
	}
	cmd.Flags().StringArrayVar(&l.policies, "policy", nil, "file or folder with MakeScopePolicies and Namespaces; may be repeated")
	cmd.Flags().StringVarP(&l.output, "output", "o", "plain", "plain or sarif")
	cmd.Flags().StringVar(&l.failOn, "fail-on", "error", "the least bad finding that fails the check: error, warning or note")
	cmd.Flags().StringSliceVar(&l.allowedZones, "allowed-zones", nil, "hosts beyond Make's own, as the operator's flag of that name")
	return cmd
}

func (l *linting) run(args []string) error {
	if !slices.Contains([]string{"plain", "sarif"}, l.output) {
		return unreadable{fmt.Errorf("--output %q is neither plain nor sarif", l.output)}
	}
	fails := map[string][]lint.Level{
		"error": {lint.Error}, "warning": {lint.Error, lint.Warning}, "note": {lint.Error, lint.Warning, lint.Note},
	}[l.failOn]
	if fails == nil {
		return unreadable{fmt.Errorf("--fail-on %q is none of error, warning, note", l.failOn)}
	}
	zones, err := makeapi.New(makeapi.Config{ExtraZones: l.allowedZones})
	if err != nil {
		return unreadable{fmt.Errorf("--allowed-zones: %w", err)}
	}
	linter := &lint.Linter{Now: l.now, Namespace: l.namespace, AllowsZone: zones.AllowsZone}
	for _, path := range slices.Concat(args, l.policies) {
		if err := l.read(linter, path); err != nil {
			return unreadable{err}
		}
	}
	findings := linter.Findings()
	if l.output == "sarif" {
		err = lint.SARIF(l.Out, findings, version)
	} else {
		err = lint.Plain(l.Out, findings, linter.Objects())
	}
	if err != nil {
		return unreadable{err}
	}
	if slices.ContainsFunc(findings, func(f lint.Finding) bool { return slices.Contains(fails, f.Level) }) {
		return errFound
	}
	return nil
}

// read reads a file, the YAML files of a folder, or the standard input.
func (l *linting) read(linter *lint.Linter, path string) error {
	if path == "-" {
		return linter.Read("stdin", l.In)
	}
	return filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		isYAML := strings.HasSuffix(file, ".yaml") || strings.HasSuffix(file, ".yml")
		if entry.IsDir() || file != path && !isYAML {
			return nil
		}
		return readFile(file, linter.Read)
	})
}

func readFile(path string, read func(string, io.Reader) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(path, f)
}
