package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"syscall"

	"maildrift/cmd/fleetbench/asking"
	"maildrift/cmd/fleetbench/sweeping"
)

// workerCommand makes this program measure one thing, in a process of its own whose CPU time and memory are nobody
// else's: the job comes as JSON on its input, the result goes to its output.
const workerCommand = "worker"

// The workers.
const (
	workMaildrift = "ask-maildrift"
	workPlain     = "ask-plain"
	workSweep     = "sweep"
	workFill      = "fill"
	workRestart   = "restart"
)

// work does the named job; it writes a profile of its CPU time to a file if there is a name for one.
func work(ctx context.Context, name, profile string, in io.Reader, out io.Writer) (err error) {
	if profile != "" {
		stop, err := startProfile(profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	switch name {
	case workMaildrift:
		return do(ctx, in, out, asking.Maildrift)
	case workPlain:
		return do(ctx, in, out, asking.Plain)
	case workSweep:
		return do(ctx, in, out, sweeping.Run)
	case workFill:
		return do(ctx, in, out, sweeping.Fill)
	case workRestart:
		return do(ctx, in, out, sweeping.Restart)
	}
	return fmt.Errorf("no worker is named %q", name)
}

func startProfile(path string) (stop func() error, err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return file.Close()
	}, nil
}

func do[J, R any](ctx context.Context, in io.Reader, out io.Writer, f func(context.Context, J) (R, error)) error {
	var job J
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	result, err := f(ctx, job)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// send has a worker do a job.
func send[R, J any](ctx context.Context, name, profile string, job J) (R, error) {
	var result R
	self, err := os.Executable()
	if err != nil {
		return result, err
	}
	text, err := json.Marshal(job)
	if err != nil {
		return result, err
	}
	var out, complaints bytes.Buffer
	command := exec.CommandContext(ctx, self, workerCommand, name, profile)
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(text), &out, &complaints
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Run(); err != nil {
		return result, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(complaints.Bytes()))
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		return result, fmt.Errorf("%s: read its result: %w", name, err)
	}
	return result, nil
}
