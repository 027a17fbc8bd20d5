//go:build !linux

package node

import (
	"context"
	"errors"
)

var errLinux = errors.New("a real node needs Linux")

// Available returns why there can be no real node here.
func Available() error { return errLinux }

// Up is not available.
func Up(context.Context, Options) error { return errLinux }

// EnterNetwork is not available.
func EnterNetwork(int) error { return errLinux }

// Import is not available.
func Import(int, []string) error { return errLinux }
