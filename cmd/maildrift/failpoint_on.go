//go:build failpoints

package main

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
)

// passed counts how often the chosen point was passed.
var passed atomic.Int64

// failpoint kills the process, as kill -9 does, when it passes the point that MAILDRIFT_FAIL_AT names as NAME:N for the
// nth time.
func failpoint(name string) {
	want, n, _ := strings.Cut(os.Getenv("MAILDRIFT_FAIL_AT"), ":")
	if want != name || fmt.Sprint(passed.Add(1)) != n {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
