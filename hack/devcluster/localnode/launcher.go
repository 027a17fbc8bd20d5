package localnode

import (
	"os/exec"
	"runtime"
	"syscall"
)

// launcher starts processes from one operating system thread that lives as long as this process: on
// Linux the kernel kills them when that thread ends, so that none outlives us, whatever happens.
type launcher struct {
	requests chan func()
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range l.requests {
			f()
		}
	}()
	return l
}

// start starts cmd in a process group of its own.
func (l *launcher) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	result := make(chan error)
	l.requests <- func() { result <- cmd.Start() }
	return <-result
}
