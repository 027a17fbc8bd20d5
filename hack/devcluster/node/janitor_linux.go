package node

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/makeops/make-operator/hack/devcluster/state"
)

// janitor is the process that removes what is left, as Up sees it.
type janitor struct {
	cmd *exec.Cmd
	// life is a pipe that nobody writes to; it ends when Up does.
	life *os.File
}

func startJanitor(o Options) (*janitor, error) {
	life, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("create pipe: %w", err)
	}
	defer life.Close()
	cmd := self(RoleJanitor, o.Dir.Path())
	cmd.Stderr = o.Progress
	cmd.ExtraFiles = []*os.File{life, o.Lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		writer.Close()
		return nil, fmt.Errorf("start janitor: %w", err)
	}
	return &janitor{cmd: cmd, life: writer}, nil
}

// finish lets the janitor work and waits for it.
func (j *janitor) finish() error {
	j.life.Close()
	if err := j.cmd.Wait(); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// Janitor is the role's main. By the time its pipe ends, the kernel is killing the namespaces'
// processes, if they are not gone already.
func Janitor(args []string) error {
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the folder")
	}
	const lifeFD = 3 // the lock is 4, and only has to be open
	if _, err := io.Copy(io.Discard, os.NewFile(lifeFD, "life")); err != nil {
		return fmt.Errorf("wait for the end: %w", err)
	}
	d, err := state.Open(args[0])
	if err != nil {
		return err
	}
	if err := removeCgroups(d.Name()); err != nil {
		return err
	}
	return d.Clean()
}
