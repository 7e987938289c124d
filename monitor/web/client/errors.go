package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// Error is what the daemon refused, and why.
type Error struct {
	// Problem holds the HTTP status code and the words of the daemon, which are
	// not yet safe for a terminal.
	wire.Problem
}

// Error says it as a sentence, with one line for each part that is wrong. It is
// safe for a terminal.
func (e *Error) Error() string {
	lines := []string{e.Detail}
	if e.Detail == "" {
		lines[0] = fmt.Sprintf("the daemon answered %d %s", e.Status, http.StatusText(e.Status))
	}
	for _, part := range e.Errors {
		line := part.Message
		if where := strings.TrimPrefix(strings.TrimPrefix(part.Location, "body."), "body"); where != "" {
			line = where + ": " + line
		}
		lines = append(lines, line)
	}
	if len(lines) == 2 {
		lines = []string{lines[0] + ": " + lines[1]}
	}
	return printableLines(strings.Join(lines, "\n  "))
}

// printableLines escapes what a terminal could take for anything but text, line
// by line.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = rrset.Printable([]byte(line))
	}
	return strings.Join(lines, "\n")
}

// Is tells what is not there from other refusals.
func (e *Error) Is(target error) bool {
	return target == monitor.ErrNotFound && e.Status == http.StatusNotFound
}

// Unreachable is that no daemon answered.
type Unreachable struct {
	// Base is where one was looked for.
	Base string
	Err  error
}

// Error says where it was looked for, and why that failed.
func (e *Unreachable) Error() string {
	err := e.Err
	if inner := new(net.OpError); errors.As(err, &inner) {
		err = inner.Err // without the address, which has been said
	}
	return fmt.Sprintf("no maildrift answers at %s (%v): is it running there? --url or MAILDRIFT_URL names another place", e.Base, err)
}

// Unwrap gives why.
func (e *Unreachable) Unwrap() error { return e.Err }

// readError makes an error of a response: a problem, or any text.
func readError(resp *http.Response) error {
	const most = 1 << 20
	e := &Error{wire.Problem{Status: resp.StatusCode}}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return fmt.Errorf("read why the daemon answered %s: %w", resp.Status, err)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" && json.Unmarshal(body, &e.Problem) == nil {
		return e
	}
	if kind == "text/plain" {
		e.Detail = strings.TrimSpace(string(body))
	}
	return e
}
