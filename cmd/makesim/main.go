package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main with everything that it touches passed in. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := readFlags(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(stderr, err)
	}
	s, err := listen(ctx, o)
	if err != nil {
		return fail(stderr, err)
	}
	for _, line := range s.lines() {
		if _, err := fmt.Fprintln(stdout, line); err != nil {
			return fail(stderr, err)
		}
	}
	if err := s.serve(ctx); err != nil {
		return fail(stderr, err)
	}
	return 0
}

// fail tells an error in one line.
func fail(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintln(stderr, "makesim:", strings.Join(strings.Fields(err.Error()), " "))
	return 2
}
