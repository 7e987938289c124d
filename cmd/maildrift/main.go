// Command maildrift watches the DNS records that mail sending domains live on,
// and calls someone before receivers start to reject their mail.
//
// See maildrift --help, and the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules may name time zones on machines that have no such files
)

// version is set by the linker.
var version = "unknown"

// The exit codes, as the help text promises them.
const (
	exitGood = iota
	// exitProblems is that something was found that should not be so.
	exitProblems
	// exitUsage is bad usage or a bad configuration.
	exitUsage
	// exitUnknown is that it could not be told.
	exitUnknown
)

// exitError carries the exit code of a command. A nil err says nothing more: the
// command has printed all there is to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error { return &exitError{exitUsage, err} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default is back: a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it takes arguments and streams and gives the
// exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitGood
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitProblems, err}
	}
	if exit.err != nil {
		fmt.Fprintf(stderr, "maildrift: %v\n", exit.err)
	}
	return exit.code
}
