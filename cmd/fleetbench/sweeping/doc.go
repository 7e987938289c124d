// Package sweeping measures the whole engine with a real store over a fleet: sweeps from the plan to the commit, their
// memory, the start on a filled database, and a scrape of the metrics.
//
//	result, err := sweeping.Run(ctx, job)     // in a fresh process
//	again, err := sweeping.Restart(ctx, job)  // in another one, on the database that the first or Fill has made
//
// Both are to run in a process of their own, whose memory they measure.
package sweeping

import (
	"net/netip"
	"time"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/usage"
)

// Job is what to sweep and how often.
type Job struct {
	Fleet fleet.Fleet `json:"fleet"`
	// Resolvers and Authorities are servers of the fleet's zone. Each resolver is an operator of its own.
	Resolvers   []netip.AddrPort `json:"resolvers"`
	Authorities []netip.AddrPort `json:"authorities"`
	// Server is the process that answers at all of them, whose CPU time is measured beside; 0 if it is not to be.
	Server int `json:"server,omitempty"`
	// Sweeps is how many to wait for, one after the other.
	Sweeps int `json:"sweeps"`
	// Window is how many questions may be open at each source.
	Window int `json:"window"`
	// Database is the file; it is made if it is not there.
	Database string `json:"database"`
	// Registered says that the fleet is in no configuration: all of its specs are in the database, where Fill has put them.
	Registered bool `json:"registered,omitempty"`
}

// Result is how it went. All sizes are in bytes.
type Result struct {
	// Records are watched, as many as the first sweep says.
	Records int
	// Registered is how long it took to make an engine of the domains, their first commit included.
	Registered time.Duration
	Sweeps     []Sweep
	// Before is the process's memory without an engine, Peak its highest from then on, Settled what it keeps after the
	// last sweep, once the Go runtime has given back what it can.
	Before, Peak, Settled int64
	Scrape                Scrape
}

// Sweep is one sweep.
type Sweep struct {
	// Took is the time from its beginning until it was committed and told; Committing the part of it for transactions,
	// Stall the longest of these.
	Took, Committing, Stall time.Duration
	CPU                     usage.CPU
	// Server is what the server used meanwhile.
	Server usage.CPU
	// Observed questions have come back, Lost without any reply; Missing were asked and never came back at all.
	Observed, Lost, Missing int
	Transitions             int
	Resident, Database      int64
	// Sources tell how each fared, in the order of the job, resolvers first.
	Sources []Source
}

// Source is how one source fared in a sweep.
type Source struct {
	Observed, Lost int
	// Last is when its last answer was in, from the sweep's beginning.
	Last time.Duration
}

// Scrape is a scrape of /metrics: the first after a change, and the fastest one after it.
type Scrape struct {
	First, Next time.Duration
	Size        int
}

// Filled is how it went to make a database without sweeps.
type Filled struct {
	Records  int
	Took     time.Duration
	Database int64
}

// Restarted is a start on a filled database.
type Restarted struct {
	// Open is for the file, Ready until there is an engine to run, from the beginning.
	Open, Ready time.Duration
	// CPU is what was used until then.
	CPU usage.CPU
	// Records are watched. Resident is the memory then, once the Go runtime has given back what it can, Before that without an
	// engine, Peak the highest in between; all in bytes.
	Records                int
	Before, Resident, Peak int64
}
