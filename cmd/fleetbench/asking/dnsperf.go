package asking

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"maildrift/cmd/fleetbench/usage"
	"maildrift/monitor/resolve"
)

// DNSPerf asks with dnsperf (Debian's package of that name), which keeps its list of questions in dir. It has no
// retries, and it judges nothing but the response code.
func DNSPerf(ctx context.Context, job Job, dir string) (Result, error) {
	if _, err := exec.LookPath("dnsperf"); err != nil {
		return Result{}, errors.New("dnsperf is missing: install it (apt-get install dnsperf)")
	}
	list := filepath.Join(dir, "questions.txt")
	file, err := os.Create(list)
	if err != nil {
		return Result{}, err
	}
	questions := job.Fleet.Questions()
	if err := errors.Join(writeQuestions(file, questions), file.Close()); err != nil {
		return Result{}, fmt.Errorf("write the questions for dnsperf: %w", err)
	}
	command := exec.CommandContext(ctx, "dnsperf", "-s", job.Server.Addr().String(), "-p", fmt.Sprint(job.Server.Port()), "-d", list, "-e",
		"-c", "1", "-T", "1", "-q", fmt.Sprint(job.Window), "-n", fmt.Sprint(job.Rounds), "-t", fmt.Sprint(tryTime.Seconds()))
	out, err := command.CombinedOutput()
	if err != nil {
		return Result{}, fmt.Errorf("dnsperf: %w: %s", err, out)
	}
	r, err := parseDNSPerf(out)
	if err != nil {
		return r, err
	}
	if u, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.CPU = usage.Of(u)
	}
	if want := job.Rounds * len(questions); r.Lookups != want {
		return r, fmt.Errorf("dnsperf sent %d questions instead of %d", r.Lookups, want)
	}
	return r, nil
}

func writeQuestions(w io.Writer, questions []resolve.Question) error {
	out := bufio.NewWriter(w)
	for _, q := range questions {
		fmt.Fprintf(out, "%s %s\n", q.Name, q.Type)
	}
	return out.Flush()
}

var (
	sentLine    = regexp.MustCompile(`(?m)^\s*Queries sent:\s+(\d+)`)
	lostLine    = regexp.MustCompile(`(?m)^\s*Queries lost:\s+(\d+)`)
	noErrorPart = regexp.MustCompile(`NOERROR (\d+)`)
	timeLine    = regexp.MustCompile(`(?m)^\s*Run time \(s\):\s+([0-9.]+)`)
)

// parseDNSPerf reads the statistics that dnsperf ends with.
func parseDNSPerf(out []byte) (Result, error) {
	var r Result
	for _, want := range []struct {
		line *regexp.Regexp
		to   *int
	}{{sentLine, &r.Lookups}, {lostLine, &r.Lost}, {noErrorPart, &r.Answered}} {
		found := want.line.FindSubmatch(out)
		if found == nil && want.to == &r.Answered {
			continue // nobody answered
		}
		if found == nil {
			return r, fmt.Errorf("dnsperf says nothing like %s: %s", want.line, bytes.TrimSpace(out))
		}
		n, err := strconv.Atoi(string(found[1]))
		if err != nil {
			return r, fmt.Errorf("dnsperf's number: %w", err)
		}
		*want.to = n
	}
	found := timeLine.FindSubmatch(out)
	if found == nil {
		return r, fmt.Errorf("dnsperf does not say how long it took: %s", bytes.TrimSpace(out))
	}
	seconds, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		return r, fmt.Errorf("dnsperf's time: %w", err)
	}
	r.Time = time.Duration(seconds * float64(time.Second))
	return r, nil
}
