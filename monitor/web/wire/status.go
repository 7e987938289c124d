package wire

import (
	"fmt"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Status is how the daemon and its fleet are.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	// Ready is what /-/ready says; NotReady why not.
	Ready    bool   `json:"ready"`
	NotReady string `json:"not_ready,omitempty"`
	Domains  int    `json:"domains"`
	Records  int    `json:"records"`
	// DomainsBy counts domains by the standing of their worst record, RecordsBy records.
	// All standings are in them.
	DomainsBy map[string]int `json:"domains_by" doc:"Domains by the standing of their worst record"`
	RecordsBy map[string]int `json:"records_by" doc:"Records by standing"`
	Incidents int            `json:"incidents" doc:"Open incidents"`
	// LastGoodSweep is when the last reliable sweep ended.
	LastGoodSweep time.Time `json:"last_good_sweep,omitzero"`
	// GateSince is since when transitions are held back because too many records turned at once.
	GateSince time.Time `json:"gate_since,omitzero"`
	Groups    []Group   `json:"groups" nullable:"false"`
	// Paused are pauses that last, at most MaxPaused of the Pauses that there are.
	Paused []PausedDomain `json:"paused,omitempty" doc:"Pauses that last, those first that keep something quiet; a hundred at most"`
	Pauses int            `json:"pauses,omitempty" doc:"How many pauses last in all"`
}

// Group is a schedule group.
type Group struct {
	Name      string    `json:"name"`
	NextSweep time.Time `json:"next_sweep,omitzero"`
	// LastSweep is the last one that ended. After a restart it is the last one of before, until the first one has ended.
	LastSweep *monitor.SweepSummary `json:"last_sweep,omitempty" doc:"The last sweep that ended, also if that was before the daemon was started last; absent if there never was one"`
	// Sweeping is the sweep that runs; absent if none does.
	Sweeping *Sweeping `json:"sweeping,omitempty"`
	// Blind says why its last sweep could not be relied on; empty if it could.
	Blind string `json:"blind,omitempty"`
	// Estimate is what its sweeps come to; absent before the first one began.
	Estimate *Estimate `json:"estimate,omitempty"`
	// Skipped are its sweeps that did not take place; absent if all did.
	Skipped *Skipped `json:"skipped,omitempty"`
}

// Skipped are the sweeps of a schedule group that were due while the one before still ran.
type Skipped struct {
	Times int       `json:"times" doc:"How many since the start"`
	Last  time.Time `json:"last" doc:"When the last of them was due"`
	// Lately says that the last sweep that ended, or the one that runs, is what it was skipped for.
	Lately bool `json:"lately" doc:"Whether it was the last sweep, or the one that runs, that took too long"`
}

// SkippedOf gives the skipped sweeps of a group whose last one began at a moment, or none ended yet; nil if there are none.
func SkippedOf(s monitor.Skips, last *monitor.SweepSummary) *Skipped {
	if s.Times == 0 {
		return nil
	}
	return &Skipped{Times: s.Times, Last: s.Last.UTC(), Lately: last == nil || !s.Last.Before(last.Started)}
}

// Sweeping is how far the sweep of a schedule group has come that runs.
type Sweeping struct {
	Started time.Time `json:"started"`
	Domains int       `json:"domains" doc:"Registered domains that it asks about"`
	Done    int       `json:"domains_done" doc:"Those of them that are done: what was found about them is told"`
	// Stages are what a large sweep goes in, up to 250 domains each.
	Stages        int `json:"stages"`
	StagesDone    int `json:"stages_done"`
	StagesWaiting int `json:"stages_waiting" doc:"Stages that wait to ask again about what seems to have changed (confirm.wait)"`
	StagesUnsure  int `json:"stages_unsure" doc:"Stages that wait whether more resolvers answer the canary questions, since too few did"`
	// TakesSeconds is by the estimate; what is asked again to confirm a change comes on top.
	TakesSeconds float64 `json:"takes_seconds" doc:"How long it takes by the estimate, what is asked again to confirm changes apart"`
	LeftSeconds  float64 `json:"left_seconds" doc:"How much of that is left; 0 if it is over"`
}

// SweepingOf gives how far a sweep has come.
func SweepingOf(p monitor.Progress, now time.Time) *Sweeping {
	return &Sweeping{
		Started: p.Started.UTC(), Domains: p.Domains, Done: p.Done, Stages: p.Stages, StagesDone: p.Over, StagesWaiting: p.Waiting, StagesUnsure: p.Unsure,
		TakesSeconds: p.Takes.Seconds(), LeftSeconds: p.Left(now).Seconds(),
	}
}

// Text says it for people, in a sentence that goes on after the group's name.
func (s Sweeping) Text(now time.Time) string {
	running := now.Sub(s.Started)
	out := fmt.Sprintf("for %s, since %s: ", pace.Span(running), clock(s.Started))
	switch {
	case s.Stages == 0:
		return out + "it is being prepared"
	case s.StagesDone == s.Stages:
		return out + "all domains are done, and what it came to is being written down"
	}
	out += fmt.Sprintf("%d of %d domains are done", s.Done, s.Domains)
	switch {
	case s.StagesUnsure > 0:
		return out + " and it waits whether more resolvers answer the canary questions, since too few did"
	case s.StagesWaiting > 0:
		out += " " + s.waiting()
	}
	takes, left := seconds(s.TakesSeconds), seconds(s.LeftSeconds)
	switch {
	case left > 0:
		return out + "; about " + pace.Span(left) + " left by the estimate"
	case takes == 0 || s.StagesWaiting > 0 || running-takes < noticeable:
		return out
	}
	out += fmt.Sprintf("; it takes %s longer than estimated", pace.Span(running-takes))
	if s.Done > 0 && s.Done < s.Domains {
		out += fmt.Sprintf(", about %s left at this pace", pace.Span(running*time.Duration(s.Domains-s.Done)/time.Duration(s.Done)))
	}
	return out
}

// noticeable is by how much a sweep must take longer than estimated for that to be said: losses and slow answers are not reckoned with.
const noticeable = 10 * time.Second

// waiting says what stages wait for.
func (s Sweeping) waiting() string {
	switch {
	case s.Stages == 1:
		return "and it waits to ask again about what seems to have changed"
	case s.StagesWaiting == 1:
		return fmt.Sprintf("and 1 of its %d stages waits to ask again about what seems to have changed", s.Stages)
	}
	return fmt.Sprintf("and %d of its %d stages wait to ask again about what seems to have changed", s.StagesWaiting, s.Stages)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// String says it for people, in a sentence that goes on after the group's name.
func (s Skipped) String() string {
	if s.Times == 1 {
		return "a sweep was skipped at " + clock(s.Last) + ", since the one before still ran"
	}
	return fmt.Sprintf("%d sweeps were skipped since the start, the last one at %s, since those before still ran", s.Times, clock(s.Last))
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Estimate is whether the sweeps of a schedule group fit into its interval, as reckoned when the last one began.
type Estimate struct {
	Pace   pace.Policy `json:"pace" enum:"every,ttl" doc:"Whether resolvers are spared what they can only answer from their caches (ttl) or not (every)"`
	Reason string      `json:"reason" doc:"Why the pace is what it is"`
	// TakesSeconds is how long a sweep takes in the long run, by whoever takes longest, IntervalSeconds the shortest time between two.
	TakesSeconds    float64 `json:"takes_seconds" doc:"How long a sweep takes in the long run at the configured rates: as long as the resolver operator or nameserver that has most to answer"`
	IntervalSeconds float64 `json:"interval_seconds,omitempty" doc:"The shortest time between two sweeps; absent if there is only one"`
	Fits            bool    `json:"fits"`
	Summary         string  `json:"summary" doc:"Whether it fits, in one sentence"`
	// Helps say what would make it fit; empty if it does.
	Helps []string `json:"helps,omitempty" doc:"What would make it fit if it does not"`
}

// EstimateOf gives what sweeps come to.
func EstimateOf(e pace.Estimate) *Estimate {
	return &Estimate{
		Pace: e.Pace, Reason: e.Reason(), TakesSeconds: e.Takes.Seconds(), IntervalSeconds: e.Interval.Seconds(),
		Fits: e.Fits(), Summary: e.String(), Helps: e.Helps(),
	}
}

// Resolver is a configured resolver.
type Resolver struct {
	ID        string            `json:"id"`
	Operator  resolve.Operator  `json:"operator"`
	Transport resolve.Transport `json:"transport"`
	Addresses []string          `json:"addresses" nullable:"false"`
	// ServerName is the name in the certificate (DoT), URL the endpoint (DoH).
	ServerName string  `json:"server_name,omitempty"`
	URL        string  `json:"url,omitempty"`
	Rate       float64 `json:"rate,omitempty" doc:"Most questions a second; absent for the default"`
	Window     int     `json:"window,omitempty" doc:"Most questions in flight; absent for the default"`
	// Quarantine says why its operator has no vote and since when; absent if it has.
	Quarantine *Quarantine `json:"quarantine,omitempty"`
}

// Quarantine is an operator's that has no vote because it is alone with what it says.
type Quarantine struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	// Agreed is in how many sweeps running it has agreed since.
	Agreed int `json:"agreed"`
}

// ResolverOf gives a configured resolver and how its operator stands.
func ResolverOf(s *resolve.Source, self monitor.SelfState) Resolver {
	out := Resolver{
		ID: s.ID, Operator: s.Operator, Transport: s.Transport, Addresses: []string{},
		ServerName: s.ServerName, URL: s.URL, Rate: s.Rate, Window: s.Window,
	}
	for _, a := range s.Addrs {
		out.Addresses = append(out.Addresses, a.String())
	}
	if d := self.Dissenters[s.Operator]; d.Quarantined() {
		out.Quarantine = &Quarantine{Since: d.Since.UTC(), Reason: d.Reason, Agreed: d.Agreed}
	}
	return out
}

// Resolvers is the list of resolvers.
type Resolvers struct {
	Resolvers []Resolver `json:"resolvers" nullable:"false"`
}

// Preset is a mail service and what it wants published.
type Preset struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Summary string `json:"summary,omitempty"`
	Docs    string `json:"docs,omitempty" doc:"Where the service documents its records"`
	// DeadlineSeconds is after how long a missing record costs the verification.
	DeadlineSeconds int64    `json:"deadline_seconds,omitempty" doc:"After how many seconds the service withdraws its verification of a missing record"`
	Params          []Param  `json:"params" nullable:"false"`
	Limits          []string `json:"limits,omitempty"`
	Advice          []string `json:"advice,omitempty"`
}

// PresetOf gives a preset.
func PresetOf(p preset.Preset) Preset {
	out := Preset{
		ID: p.ID, Title: p.Title, Summary: p.Summary, Docs: p.Docs, Params: []Param{}, Limits: p.Limits, Advice: p.Advice,
		DeadlineSeconds: int64(p.Deadline.Seconds()),
	}
	for _, q := range p.Params {
		out.Params = append(out.Params, Param{
			Name: q.Name, Title: q.Title, Required: q.Required, RequiredWhen: q.RequiredWhen, Default: q.Default, Values: q.Values, List: q.List, Example: q.Example,
		})
	}
	return out
}

// Param is a parameter of a preset.
type Param struct {
	Name         string   `json:"name"`
	Title        string   `json:"title,omitempty"`
	Required     bool     `json:"required,omitempty"`
	RequiredWhen []string `json:"required_when,omitempty" doc:"Conditions, NAME or NAME=VALUE, of which one makes it required"`
	Default      string   `json:"default,omitempty"`
	Values       []string `json:"values,omitempty"`
	List         bool     `json:"list,omitempty" doc:"Holds several values, separated by commas"`
	Example      string   `json:"example,omitempty"`
}

// Presets is the list of presets.
type Presets struct {
	Presets []Preset `json:"presets" nullable:"false"`
}

// ExpandedPreset is a preset and what it means for one domain.
type ExpandedPreset struct {
	Preset
	Domain rrset.Name        `json:"domain" doc:"The domain that it is expanded for"`
	Values map[string]string `json:"values" doc:"The parameters that it is expanded with"`
	// Records are what that domain must publish.
	Records []ExpectedRecord `json:"records" nullable:"false"`
}

// ExpectedRecord is a record that a domain must publish.
type ExpectedRecord struct {
	Key     string        `json:"key"`
	Name    rrset.Name    `json:"name"`
	Type    rrset.Type    `json:"type"`
	Kind    mailrec.Kind  `json:"kind"`
	Match   mailrec.Match `json:"match"`
	Purpose string        `json:"purpose,omitempty"`
	Publish []PanelLine   `json:"publish" nullable:"false"`
}

// PanelLine is one record to put into a zone, as DNS panels ask for it.
type PanelLine struct {
	Host        string     `json:"host" doc:"Name relative to the registered domain, as panels want it; @ is that domain"`
	Name        rrset.Name `json:"name"`
	Type        rrset.Type `json:"type"`
	Value       string     `json:"value"`
	TTL         uint32     `json:"ttl,omitempty" doc:"Seconds; absent without advice"`
	Placeholder bool       `json:"placeholder,omitempty" doc:"Holds a part in angle brackets that the service's console shows"`
}

// ExpectedRecordOf gives a record that a preset asks for.
func ExpectedRecordOf(e preset.Expected) ExpectedRecord {
	out := ExpectedRecord{
		Key: e.Key, Name: e.Name, Type: e.Expectation.Kind.Type(), Kind: e.Expectation.Kind, Match: e.Expectation.Match,
		Purpose: e.Purpose, Publish: []PanelLine{},
	}
	for _, l := range e.Publish {
		out.Publish = append(out.Publish, PanelLine(l))
	}
	return out
}

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Title  string        `json:"title,omitempty"`
	Status int           `json:"status,omitempty"`
	Detail string        `json:"detail,omitempty"`
	Errors []ProblemPart `json:"errors,omitempty"`
}

// ProblemPart says which part of the request is wrong.
type ProblemPart struct {
	Message  string `json:"message,omitempty"`
	Location string `json:"location,omitempty"`
}
