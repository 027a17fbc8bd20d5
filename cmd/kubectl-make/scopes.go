package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/makeops/make-operator/internal/scope"
)

// scopes is kubectl make scopes.
type scopes struct {
	genericiooptions.IOStreams

	words   []string // all have to be in the name or in the reason
	risks   []string
	maxRisk string
	kind    string
	output  string
}

func newScopes(streams genericiooptions.IOStreams) *cobra.Command {
	s := &scopes{IOStreams: streams}
	cmd := &cobra.Command{
		Use: "scopes [WORD...]", Short: "Show the scopes that Make has, with their risk and what they let their holder do",
		Example: "  kubectl make scopes scenarios\n  kubectl make scopes --max-risk Moderate\n  kubectl make scopes --risk Critical -o json",
		RunE: func(_ *cobra.Command, args []string) error {
			s.words = args
			return s.run()
		},
	}
	cmd.Flags().StringSliceVar(&s.risks, "risk", nil, "only these classes: Low, Moderate, High, Critical")
	cmd.Flags().StringVar(&s.maxRisk, "max-risk", "", "only this class and lower ones")
	cmd.Flags().StringVar(&s.kind, "kind", "", "only this kind: user, admin or oidc")
	cmd.Flags().StringVarP(&s.output, "output", "o", "", "json, or name for names alone; a table if empty")
	return cmd
}

func (s *scopes) run() error {
	found, err := s.find()
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("no scope matches; without arguments all are shown")
	}
	switch s.output {
	case "":
		w := printers.GetNewTabWriter(s.Out)
		_, _ = fmt.Fprintln(w, "SCOPE\tRISK\tKIND\tKNOWN FROM\tWHAT ITS HOLDER DOES")
		for _, info := range found {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", info.Name, info.Risk, info.Kind, info.Status, info.Reason)
		}
		return w.Flush()
	case "json":
		encoder := json.NewEncoder(s.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(found)
	case "name":
		for _, info := range found {
			if _, err := fmt.Fprintln(s.Out, info.Name); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("--output is %q: use json or name, or leave it out", s.output)
}

// find is the part of the catalogue that was asked for, sorted by name.
func (s *scopes) find() ([]scope.Info, error) {
	var only []scope.Risk
	for _, name := range s.risks {
		risk, err := scope.ParseRisk(name)
		if err != nil {
			return nil, fmt.Errorf("--risk: %w", err)
		}
		only = append(only, risk)
	}
	highest := scope.Critical
	if s.maxRisk != "" {
		var err error
		if highest, err = scope.ParseRisk(s.maxRisk); err != nil {
			return nil, fmt.Errorf("--max-risk: %w", err)
		}
	}
	kinds := []scope.Kind{scope.User, scope.Admin, scope.OIDC}
	if s.kind != "" && !slices.Contains(kinds, scope.Kind(s.kind)) {
		return nil, fmt.Errorf("--kind is %q: use user, admin or oidc", s.kind)
	}
	return slices.DeleteFunc(scope.All(), func(info scope.Info) bool {
		return len(only) > 0 && !slices.Contains(only, info.Risk) || info.Risk > highest ||
			s.kind != "" && info.Kind != scope.Kind(s.kind) || !s.matches(info)
	}), nil
}

func (s *scopes) matches(info scope.Info) bool {
	text := strings.ToLower(info.Name + " " + info.Reason)
	return !slices.ContainsFunc(s.words, func(word string) bool { return !strings.Contains(text, strings.ToLower(word)) })
}
