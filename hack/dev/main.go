// Command dev starts and stops a control plane, makesim and the manager in the background, for make dev-up and make dev-down.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/makeops/make-operator/internal/testkit/stack"
)

// dir is where the state is, below the repository.
const dir = "bin/dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	commands := map[string]func(context.Context) error{"up": up, "down": down}
	var command func(context.Context) error
	if len(os.Args) == 2 {
		command = commands[os.Args[1]]
	}
	if command == nil {
		fmt.Fprintln(os.Stderr, "usage: dev up|down")
		os.Exit(2)
	}
	if err := command(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "dev: %v\n", err)
		os.Exit(1)
	}
}

func up(ctx context.Context) error {
	if err := down(ctx); err != nil { // a run before may still be there, or its remains
		return err
	}
	s, err := stack.Start(ctx, stack.Options{Root: ".", Dir: dir, Node: os.Getenv("DEV_NODE") == "1", Detach: true, Started: writeProcesses, Say: say})
	if err != nil {
		return err
	}
	if err := writeEnvironment(s); err != nil {
		return errors.Join(err, s.Stop())
	}
	say("ready: source %s/env", dir)
	return nil
}

func down(context.Context) error {
	content, err := os.ReadFile(processesFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var processes []*stack.Process
	if err := json.Unmarshal(content, &processes); err != nil {
		return fmt.Errorf("read %s: %w", processesFile(), err)
	}
	for _, p := range slices.Backward(processes) {
		if p.Running() {
			say("stopping %s", p.Name)
			p.Stop()
		}
	}
	return errors.Join(os.Remove(processesFile()), os.RemoveAll(filepath.Join(dir, "env")))
}

// processesFile lists what dev up started.
func processesFile() string { return filepath.Join(dir, "processes.json") }

func writeProcesses(processes []*stack.Process) error {
	content, err := json.MarshalIndent(processes, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(processesFile(), content, 0o600)
}

func say(format string, args ...any) { fmt.Printf("▸ "+format+"\n", args...) }
