//go:build !linux

package stack

import "syscall"

// attributes keep a terminal's Ctrl-C from the child. Only Linux can end it with this process.
func attributes(detach bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: detach, Setpgid: !detach}
}
