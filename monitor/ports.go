package monitor

import (
	"context"
	"maps"
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
	// Upkeep replaces that of the same domain; UpkeepGone is forgotten.
	Upkeep     []Upkeep
	UpkeepGone []rrset.Name
	// Domains are put into, Gone taken out of the registry of domains added at run time.
	Domains []StoredDomain
	Gone    []rrset.Name
	// Self is the monitor's own state; nil leaves it as it is.
	Self *SelfState
	// Audit is appended: what people did.
	Audit []Audit
	// Notices are appended: what receivers were told.
	Notices []Notice
}

// StoredDomain is a domain as the store keeps it. Domains from the configuration
// are kept too, without their Spec, to remember when each was first seen.
type StoredDomain struct {
	Name       rrset.Name `json:"name"`
	Spec       *Spec      `json:"spec,omitempty"`
	Registered time.Time  `json:"registered"`
	By         string     `json:"by,omitempty"`
	// Added are records that came later, Retired those that went, by rotations and announced removals; Pauses
	// are the times for which nothing new is told.
	Added   []ExpectSpec `json:"added,omitempty"`
	Retired []string     `json:"retired,omitempty"`
	Pauses  []Pause      `json:"pauses,omitempty"`
}

// SelfState is what the engine remembers about itself.
type SelfState struct {
	// Blind is the open MonitorBlind incident, nil if none is; BlindGroups are the schedule
	// groups whose last sweep could not be relied on, and why.
	Blind       *Incident         `json:"blind,omitempty"`
	BlindGroups map[string]string `json:"blind_groups,omitempty"`
	// Gates says since when the gate holds transitions of a schedule group back; GateSince is the
	// earliest of them, zero when there is none.
	Gates     map[string]time.Time `json:"gates,omitempty"`
	GateSince time.Time            `json:"gate_since,omitzero"`
	// Causes are the open incidents about what makes many records go wrong.
	Causes []Incident `json:"causes,omitempty"`
	// LastGoodSweep is when the last reliable sweep ended.
	LastGoodSweep time.Time `json:"last_good_sweep,omitzero"`
	// Dissenters are the operators that contradicted holding records alone in the last sweeps, those in
	// quarantine among them.
	Dissenters map[resolve.Operator]Dissenter `json:"dissenters,omitempty"`
}

// without gives the state after a schedule group has shown that it sees, or is no more.
func (s SelfState) without(group string) SelfState {
	s.BlindGroups, s.Gates = maps.Clone(s.BlindGroups), maps.Clone(s.Gates)
	delete(s.BlindGroups, group)
	delete(s.Gates, group)
	return s.reckoned()
}

// with gives the state after a group's sweep could not be relied on; gated says that
// its transitions are held back.
func (s SelfState) with(group, reason string, gated bool, now time.Time) SelfState {
	s = s.without("")
	if s.BlindGroups == nil {
		s.BlindGroups = map[string]string{}
	}
	if s.Gates == nil {
		s.Gates = map[string]time.Time{}
	}
	s.BlindGroups[group] = reason
	if _, ok := s.Gates[group]; gated && !ok {
		s.Gates[group] = now
	}
	// A sweep that was not relied on for another reason says nothing about the gate: only a good one ends
	// the wait, or what is held back would never be believed.
	return s.reckoned()
}

// reckoned sets GateSince.
func (s SelfState) reckoned() SelfState {
	s.GateSince = time.Time{}
	for _, since := range s.Gates {
		if s.GateSince.IsZero() || since.Before(s.GateSince) {
			s.GateSince = since
		}
	}
	return s
}

// Memory is what the engine starts from: all that was committed.
type Memory struct {
	Domains []StoredDomain
	// Records hands over what is kept of all records: those of a domain together and sorted by key, but domains in any
	// order and from several goroutines at once; nil if there is none. Lists are lent for the time of a call, what they lead
	// to is never written again. As records come from the disk they are ten times as large as the engine keeps most of
	// them: of a large fleet they are not to be in memory all at once.
	Records func(take func(ofDomain []Remembered)) error `json:"-"`
	// LastSweeps gives the summary of the last sweep of each of these schedule groups, of those that were ever swept; nil if none is
	// kept.
	LastSweeps func(groups []string) ([]SweepSummary, error) `json:"-"`
	// Closed are incidents that ended lately, to be told again after a restart.
	Closed []Incident
	Upkeep []Upkeep
	Self   SelfState
}

// Remembered is what is kept of a record.
type Remembered struct {
	State RecordState
	// Last are the last intervals of all sources that were ever heard.
	Last []Interval
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
	// Observed is called for every question, also one that did not go out (resolve.Observation.Withheld).
	Observed(o resolve.Observation)
	// Swept is called for every sweep, Committed for every transaction, Notified for
	// every hand-over to the notifier.
	Swept(s SweepSummary)
	Committed(d time.Duration, err error)
	Notified(err error)
	// Transitioned is called for every transition that was committed, with the schedule group of its domain.
	Transitioned(group string)
}
