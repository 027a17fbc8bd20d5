package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

// captureOutput sends everything that this process prints from now on, panics included, to a log
// file, and returns the original standard output: the components log to stderr by the thousand lines.
func captureOutput(logFile string) (*os.File, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	original, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keep standard output: %w", err)
	}
	for _, fd := range []int{1, 2} {
		if err := replaceDescriptor(int(log.Fd()), fd); err != nil {
			return nil, fmt.Errorf("redirect output: %w", err)
		}
	}
	return os.NewFile(uintptr(original), "stdout"), nil
}

// quietClients sends what the Kubernetes client libraries log to a file.
func quietClients(logFile string) {
	klog.LogToStderr(false)
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		klog.SetOutput(io.Discard)
		return
	}
	klog.SetOutput(log)
}
