package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// command is one role of this binary.
type command struct {
	name    string
	summary string
	// run gets the arguments after the name and returns the exit code.
	run func(args []string) int
}

func main() {
	all := slices.Concat(clusterCommands(), componentRoles(), nodeRoles())
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	cmd, found := find(all, name)
	if !found && len(args) > 0 {
		name, args = args[0], args[1:]
		cmd, found = find(all, name)
	}
	if !found {
		usage(all)
		os.Exit(2)
	}
	// The Kubernetes components read os.Args themselves.
	os.Args = append([]string{name}, args...)
	os.Exit(cmd.run(args))
}

func find(all []command, name string) (command, bool) {
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

func usage(all []command) {
	fmt.Fprintln(os.Stderr, "devcluster: a Kubernetes cluster for development in one binary\n\nusage: devcluster COMMAND [flags]   (--help for each)")
	var roles []string
	for _, c := range all {
		if c.summary == "" {
			roles = append(roles, c.name)
			continue
		}
		fmt.Fprintf(os.Stderr, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprintf(os.Stderr, "\nroles, also by the name of a link to this binary: %s\n", strings.Join(roles, " "))
}

// exit prints err, if any, and returns the exit code for it.
func exit(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(os.Stderr, "devcluster:", err)
	return 1
}

// errUsage is an error that was already explained on stderr.
var errUsage = errors.New("usage")

// parse parses flags; positional arguments are left in flags.Args().
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	return nil
}
