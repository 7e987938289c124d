// Package usage reads what a process has used, from the Linux kernel's books: CPU time and memory.
package usage

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// CPU is processor time over all threads: in the program, and in the kernel on its behalf.
type CPU struct{ User, System time.Duration }

// Total is both together.
func (c CPU) Total() time.Duration { return c.User + c.System }

// Since gives what was used after a moment before.
func (c CPU) Since(before CPU) CPU { return CPU{c.User - before.User, c.System - before.System} }

// Now gives what this process has used so far.
func Now() CPU {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it takes no argument that could be wrong
	}
	return Of(&u)
}

// Of reads a child's books, as os.ProcessState.SysUsage gives them.
func Of(u *syscall.Rusage) CPU {
	return CPU{time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())}
}

// tick is the unit that the kernel's books of other processes are in, USER_HZ.
const tick = time.Second / 100

// OfProcess gives what another process has used so far, to a hundredth of a second.
func OfProcess(pid int) (CPU, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return CPU{}, err
	}
	return parseStat(stat)
}

// parseStat reads proc_pid_stat(5). The second field is the program's name in parentheses, which may hold anything.
func parseStat(stat []byte) (CPU, error) {
	const user, system = 14 - 3, 15 - 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= system {
		return CPU{}, fmt.Errorf("the kernel's books have %d fields", len(fields))
	}
	u, err := strconv.ParseInt(string(fields[user]), 10, 64)
	if err != nil {
		return CPU{}, fmt.Errorf("time in the program: %w", err)
	}
	s, err := strconv.ParseInt(string(fields[system]), 10, 64)
	if err != nil {
		return CPU{}, fmt.Errorf("time in the kernel: %w", err)
	}
	return CPU{time.Duration(u) * tick, time.Duration(s) * tick}, nil
}

// Memory is resident memory in bytes.
type Memory struct{ Resident, Peak int64 }

// Resident gives this process's memory now and at its highest.
func Resident() (Memory, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return Memory{}, err
	}
	return parse(status)
}

// ForgetPeak makes the highest use that Resident gives begin anew.
func ForgetPeak() error { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// parse reads proc_pid_status(5).
func parse(status []byte) (Memory, error) {
	var m Memory
	for _, want := range []struct {
		key string
		to  *int64
	}{{"VmRSS:", &m.Resident}, {"VmHWM:", &m.Peak}} {
		_, after, _ := bytes.Cut(status, []byte("\n"+want.key))
		fields := bytes.Fields(after)
		if len(fields) < 2 || string(fields[1]) != "kB" {
			return Memory{}, fmt.Errorf("the kernel's status has no %s in kB", want.key)
		}
		n, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return Memory{}, fmt.Errorf("%s %w", want.key, err)
		}
		*want.to = n << 10
	}
	return m, nil
}
