package monitor

import (
	"context"
	"time"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Journal is where the engine's memory is kept. Commit is atomic and durable:
// when it returns nil all of the batch is on disk, else nothing of it is.
type Journal interface {
	Commit(ctx context.Context, b Batch) error
}

// Batch is what one step of the engine changes, in one transaction.
type Batch struct {
	// States replace those of the same ID. Removed names records that are no longer watched.
	States  []RecordState
	Removed []RecordID
	// Transitions and Intervals are appended.
	Transitions []Transition
	Intervals   []Interval
	// Incidents replace those of the same ID, name, value and opening time.
	Incidents []Incident
	// Sweep is appended when the batch ends a sweep.
	Sweep *SweepSummary
	// Domains are put into, Gone taken out of the registry of domains added at run time.
	Domains []StoredDomain
	Gone    []rrset.Name
	// Self is the monitor's own state; nil leaves it as it is.
	Self *SelfState
}

// StoredDomain is a domain as the store keeps it. Domains from the configuration
// are kept too, without their Spec, to remember when each was first seen.
type StoredDomain struct {
	Name       rrset.Name `json:"name"`
	Spec       *Spec      `json:"spec,omitempty"`
	Registered time.Time  `json:"registered"`
	By         string     `json:"by,omitempty"`
}

// SelfState is what the engine remembers about itself.
type SelfState struct {
	// Blind is the open MonitorBlind incident, nil if none is; BlindGroups are the schedule
	// groups whose last sweep could not be relied on, and why.
	Blind       *Incident         `json:"blind,omitempty"`
	BlindGroups map[string]string `json:"blind_groups,omitempty"`
	// GateSince is when the gate began to hold transitions back; zero when it does not.
	GateSince time.Time `json:"gate_since,omitzero"`
	// LastGoodSweep is when the last reliable sweep ended.
	LastGoodSweep time.Time `json:"last_good_sweep,omitzero"`
}

// Memory is what the engine starts from: all that was committed.
type Memory struct {
	States  []RecordState
	Domains []StoredDomain
	// Closed are incidents that ended lately, to be told again after a restart.
	Closed []Incident
	// LastSeen is the last interval of each record and source.
	LastSeen []Interval
	Self     SelfState
}

// Notifier is told all incidents that are open, and those that ended lately, at
// start, at every change and about every minute. It must cope with hearing the
// same again. An error means that it does not have them; they come again.
type Notifier interface {
	Notify(ctx context.Context, incidents []Incident) error
}

// Heart is told of every good sweep.
type Heart interface {
	Beat(ctx context.Context) error
}

// Meter is told what happens, for metrics. Its methods are called from several
// goroutines and must be quick.
type Meter interface {
	// Observed is called for every question asked.
	Observed(o resolve.Observation)
	// Swept is called for every sweep, Committed for every transaction, Notified for
	// every hand-over to the notifier.
	Swept(s SweepSummary)
	Committed(d time.Duration, err error)
	Notified(err error)
}
