// Package asking measures what it costs to ask a DNS server about a fleet's records: with maildrift's client, with a
// plain client of package miekg/dns that opens a socket a question, and with Debian's dnsperf.
//
// Each is to run in a process of its own, so that the kernel's books tell them apart:
//
//	result, err := asking.Maildrift(ctx, job)    // in a fresh process
//	result, err := asking.Plain(ctx, job)        // in another one
//	result, err := asking.DNSPerf(ctx, job, dir) // starts one itself
package asking

import (
	"net/netip"
	"time"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/usage"
)

// Job is what to ask and how.
type Job struct {
	Fleet  fleet.Fleet    `json:"fleet"`
	Server netip.AddrPort `json:"server"`
	// Rounds is how often all questions are asked.
	Rounds int `json:"rounds"`
	// Window is how many questions may be open at once.
	Window int `json:"window"`
	// Rate is the most questions a second that maildrift's client may send; 0 means as many as come.
	Rate float64 `json:"rate"`
	// Known asks all once more before the measurement, so that maildrift's client knows every answer already.
	Known bool `json:"known"`
}

// Result is how it went.
type Result struct {
	// Lookups were wanted. Answered ended with the record, Lost without any reply; the others had a reply that was no answer.
	Lookups, Answered, Lost int
	// Recognised answers were known from before and not read again.
	Recognised int
	Time       time.Duration
	CPU        usage.CPU
}

// stopwatch measures the span of work between its making and stop.
type stopwatch struct {
	began time.Time
	cpu   usage.CPU
}

func start() stopwatch { return stopwatch{time.Now(), usage.Now()} }

func (w stopwatch) stop(r *Result) {
	r.Time += time.Since(w.began)
	spent := usage.Now().Since(w.cpu)
	r.CPU.User += spent.User
	r.CPU.System += spent.System
}
