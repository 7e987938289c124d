package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
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
	workRestart   = "restart"
)

func work(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	switch name {
	case workMaildrift:
		return do(ctx, in, out, asking.Maildrift)
	case workPlain:
		return do(ctx, in, out, asking.Plain)
	case workSweep:
		return do(ctx, in, out, sweeping.Run)
	case workRestart:
		return do(ctx, in, out, sweeping.Restart)
	}
	return fmt.Errorf("no worker is named %q", name)
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
func send[R, J any](ctx context.Context, name string, job J) (R, error) {
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
	command := exec.CommandContext(ctx, self, workerCommand, name)
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
