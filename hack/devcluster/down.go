package main

import (
	"errors"
	"flag"
	"fmt"
	"syscall"
	"time"

	"github.com/makeops/make-operator/hack/devcluster/state"
)

// down stops the cluster of a folder and waits until it is gone. That none runs is no error.
func down(args []string) error {
	flags := flag.NewFlagSet("down", flag.ContinueOnError)
	dir := dirFlag(flags)
	patience := flags.Duration("timeout", 30*time.Second, "kill what has not stopped after this time")
	if err := parse(flags, args); err != nil {
		return err
	}
	d, err := openDir(*dir)
	if err != nil {
		return err
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pid, err := d.Holder()
		if errors.Is(err, state.ErrNotRunning) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d: %w", pid, err)
		}
		if gone(d, *patience) {
			return nil
		}
	}
	return fmt.Errorf("stop the cluster: %w", state.ErrRunning)
}

// gone waits until nobody holds the folder.
func gone(d state.Dir, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := d.Holder(); errors.Is(err, state.ErrNotRunning) {
			return true
		}
	}
	return false
}
