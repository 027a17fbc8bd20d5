//go:build !linux

package localnode

import "syscall"

// dieWithParent has no counterpart here: after a crash of this process, processes of Pods remain.
func dieWithParent(*syscall.SysProcAttr) {}
