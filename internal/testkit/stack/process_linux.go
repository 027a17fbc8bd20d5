package stack

import "syscall"

// attributes keep a terminal's Ctrl-C from the child, and end it with this process unless it is detached.
func attributes(detach bool) *syscall.SysProcAttr {
	if detach {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
