package monitor

import (
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/judge"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Settings are what the configuration decides. They are replaced as a whole on
// reload and never changed.
type Settings struct {
	// Groups are the schedule groups by name; "default" always exists.
	Groups map[string]Group
	Rules  judge.Rules
	Gate   Gate
	// Quarantine is when operators that are alone with what they say lose their vote.
	Quarantine Quarantine
	// Presets are what specs are resolved with; nil means those of Options.
	Presets *preset.Set
	// Canaries are questions whose answers are known. An operator that gets one
	// wrong has no vote in the sweep.
	Canaries []Canary
	// AskAuthority is whether zones' own servers are asked.
	AskAuthority bool
	// Pace says whether resolvers are spared what they can only answer from their caches; zero is never.
	Pace pace.Policy
	// Rate is how many questions a second a source gets that names no rate; 0 means 20.
	Rate float64
	// Spread is over which part of the time to the next sweep, 0 to 1, the stages of a large one begin; 0 is at once.
	Spread float64
	// Recheck is how often records that are pending or not holding are asked between
	// sweeps; 0 means only in sweeps.
	Recheck time.Duration
	// Upkeep is how often it is looked at what a domain's mail stands on besides its records; 0 means
	// never.
	Upkeep time.Duration
	// Resend is how often all open incidents are handed to the notifier again; 0
	// means every minute.
	Resend time.Duration
}

// Group is a schedule group: one cron entry and the resolvers that its domains are
// looked up with.
type Group struct {
	Name      string
	Schedule  cron.Schedule
	Resolvers []*resolve.Source
}

// Canary is a question with a known answer.
type Canary struct {
	Question resolve.Question
	// Want is Answered or NXDomain.
	Want resolve.Outcome
	// Random puts a new random label in front of the name at each asking, so that
	// no cache can know it.
	Random bool
}

// DefaultCanaries are questions that every honest resolver of the public DNS
// answers alike: the root's servers, a top-level domain, and a name that must
// not exist (RFC 6761 section 6.4), by which resolvers and networks that answer everything are
// found out.
func DefaultCanaries() []Canary {
	return []Canary{
		{Question: resolve.Question{Name: rrset.Root, Type: rrset.NS}, Want: resolve.Answered},
		{Question: resolve.Question{Name: "com", Type: rrset.NS}, Want: resolve.Answered},
		{Question: resolve.Question{Name: "invalid", Type: rrset.A}, Want: resolve.NXDomain, Random: true},
	}
}

// Gate holds transitions back when too many records turn at once: then the cause
// is more likely ours than theirs.
type Gate struct {
	// Share of the verified records of a sweep that may turn bad at once, 0 to 1; 0 turns the gate off.
	Share float64
	// MinRecords is how many must turn before the share matters: all five records of the
	// only domain may well vanish together.
	MinRecords int
	// Hold is how long the gate may hold back what keeps being seen while all
	// canaries are fine. After that it is believed: a gate that never opens would
	// hide the worst day of all.
	Hold time.Duration
}

// DefaultGate gives the settings for unattended use.
func DefaultGate() Gate { return Gate{Share: 0.3, MinRecords: 20, Hold: time.Hour} }

// Closed says whether the gate holds back turning records out of judged ones.
func (g Gate) Closed(turning, judged int) bool {
	return g.Share > 0 && turning >= max(g.MinRecords, 1) && float64(turning) > g.Share*float64(judged)
}
