package wire

import (
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

// Incident is an alert that is open, or was.
type Incident struct {
	Domain rrset.Name        `json:"domain,omitempty" doc:"Empty for alerts about the monitor itself"`
	Record string            `json:"record,omitempty"`
	Alert  monitor.AlertName `json:"alert" doc:"Name of the alert: RecordDrifted, RecordMissing, CauseFound …"`
	Impact mailrec.Impact    `json:"impact" doc:"What receivers do: none, weakened, degraded or rejected"`
	Value  string            `json:"value,omitempty" doc:"Tells drifts of one record to different values apart"`
	Opened time.Time         `json:"opened"`
	Closed time.Time         `json:"closed,omitzero"`
	Why    string            `json:"why,omitempty" doc:"How it ended"`

	Kind         string                `json:"kind,omitempty" doc:"What the record is for; absent for alerts about the monitor itself"`
	Owner        rrset.Name            `json:"owner,omitempty" doc:"Where the record lives"`
	Type         string                `json:"type,omitempty"`
	Service      string                `json:"service,omitempty"`
	Purpose      string                `json:"purpose,omitempty"`
	Labels       map[string]string     `json:"labels,omitempty"`
	Was          *Data                 `json:"was,omitempty"`
	Is           *Data                 `json:"is,omitempty"`
	Finding      *mailrec.Finding      `json:"finding,omitempty"`
	Stage        judge.Stage           `json:"stage"`
	Decision     judge.Decision        `json:"decision"`
	Votes        []monitor.SourceVote  `json:"votes,omitempty"`
	Deadline     time.Time             `json:"deadline,omitzero"`
	LastDeadline time.Time             `json:"last_deadline,omitzero"`
	Publish      []monitor.PublishLine `json:"publish,omitempty"`
	Reason       string                `json:"reason,omitempty" doc:"What keeps the monitor itself from seeing"`
	// Rulings are what receivers do worse; Cause why a record is not there and Fix what to do about that.
	Rulings []verdict.Ruling `json:"rulings,omitempty" doc:"What receivers do worse now than with what was verified"`
	Cause   string           `json:"cause,omitempty" doc:"Why the record is not there, as far as could be found out"`
	Fix     string           `json:"fix,omitempty" doc:"What to do about the cause"`
	// Affects is how many domains rest on a record that nobody registered, Risks what a domain's mail stands
	// on that fails.
	Affects int `json:"affects,omitempty" doc:"Registered domains that rest on the record"`
	// CauseOf names the common cause by which the record went wrong; Root is what a CauseFound tells of.
	CauseOf string `json:"cause_of,omitempty" doc:"The common cause by which the record went wrong, whose alert stands for this one"`
	Root    *Root  `json:"root,omitempty" doc:"What a CauseFound is about"`
	Risks   []Risk `json:"risks,omitempty" doc:"What the domain's mail stands on that fails"`
}

// Root is one thing that makes many records go wrong.
type Root struct {
	Cause   string   `json:"cause" doc:"Kind and name: zone/example.com"`
	Reason  string   `json:"reason,omitempty" doc:"undelegated, moved or emptied, for a zone"`
	Detail  string   `json:"detail"`
	Records int      `json:"records" doc:"Records that it makes go wrong"`
	Domains int      `json:"domains" doc:"Registered domains of these records"`
	Worst   []string `json:"worst,omitempty" doc:"Some of the records as domain/key, the worst first"`
}

// IncidentOf gives an incident.
func IncidentOf(i monitor.Incident) Incident {
	f := i.Facts
	out := Incident{
		Domain: i.ID.Domain, Record: i.ID.Key, Alert: i.Name, Impact: i.Impact, Value: i.Value,
		Opened: i.Opened.UTC(), Closed: i.Closed.UTC(), Why: i.Why,
		Owner: f.Owner, Service: f.Service, Purpose: f.Purpose, Labels: f.Labels,
		Was: DataOf(f.Was), Is: DataOf(f.Is), Finding: findingOf(f.Finding),
		Stage: f.Stage, Decision: f.Decision, Votes: votesOf(f.Votes),
		Deadline: f.Deadline.UTC(), LastDeadline: f.LastDeadline.UTC(), Publish: f.Publish, Reason: f.Reason,
		Rulings: f.Rulings, Affects: f.Affects, CauseOf: f.Cause,
	}
	if r := f.Root; r != nil {
		out.Root = &Root{Cause: r.String(), Reason: string(r.Reason), Detail: printable(r.Detail), Records: r.Records, Domains: r.Domains}
		for _, id := range r.Worst {
			out.Root.Worst = append(out.Root.Worst, id.String())
		}
	}
	if x := f.Explanation; x != nil {
		out.Cause, out.Fix = printable(x.Cause), printable(x.Fix)
	}
	if len(f.Hygiene) > 0 {
		out.Risks = risksOf(f.Hygiene)
	}
	if i.ID != (monitor.RecordID{}) && i.Name != monitor.AlertAtRisk && f.Root == nil {
		out.Kind, out.Type = f.Kind.String(), f.Type.String()
	}
	return out
}

// findingOf gives a finding, or nil for one that says nothing.
func findingOf(f mailrec.Finding) *mailrec.Finding {
	if f.Reason == "" && len(f.Changes) == 0 && len(f.Notes) == 0 {
		return nil
	}
	return &f
}

// votesOf gives votes with texts of strangers made safe to show: an authority's name
// and the explanation of an error are theirs.
func votesOf(votes []monitor.SourceVote) []monitor.SourceVote {
	out := slices.Clone(votes)
	for i := range out {
		v := &out[i]
		v.At = v.At.UTC()
		v.Source, v.Detail = printable(v.Source), printable(v.Detail)
		v.EDE = slices.Clone(v.EDE)
		for n := range v.EDE {
			v.EDE[n].Text = printable(v.EDE[n].Text)
		}
	}
	return out
}

func printable(s string) string { return rrset.Printable([]byte(s)) }

// Incidents is a list of alerts.
type Incidents struct {
	Incidents []Incident `json:"incidents" nullable:"false"`
}

// Transition is a change in a record's life, with the evidence for it.
type Transition struct {
	Seq      uint64               `json:"seq" doc:"Counts up over all transitions"`
	Domain   rrset.Name           `json:"domain"`
	Record   string               `json:"record"`
	At       time.Time            `json:"at"`
	From     judge.Position       `json:"from"`
	To       judge.Position       `json:"to"`
	Value    bool                 `json:"value,omitempty" doc:"The record was drifted already and says a third thing now"`
	Old      *Data                `json:"old,omitempty"`
	New      *Data                `json:"new,omitempty"`
	Finding  *mailrec.Finding     `json:"finding,omitempty"`
	Decision judge.Decision       `json:"decision"`
	Votes    []monitor.SourceVote `json:"votes,omitempty"`
	Deadline time.Time            `json:"deadline,omitzero"`
	By       string               `json:"by,omitempty" doc:"Who caused it, if a person did"`
	Why      string               `json:"why,omitempty"`
}

// TransitionOf gives a transition.
func TransitionOf(t monitor.Transition) Transition {
	return Transition{
		Seq: t.Seq, Domain: t.ID.Domain, Record: t.ID.Key, At: t.At.UTC(), From: t.From, To: t.To, Value: t.Value,
		Old: DataOf(t.Old), New: DataOf(t.New), Finding: findingOf(t.Finding), Decision: t.Decision,
		Votes: votesOf(t.Votes), Deadline: t.Deadline.UTC(), By: t.By, Why: t.Why,
	}
}

// Transitions is a part of the history.
type Transitions struct {
	Transitions []Transition `json:"transitions" nullable:"false"`
	// More says that the limit cut it: ask again with this as until (or since, if
	// oldest first).
	More time.Time `json:"more,omitzero" doc:"Present if the limit cut the list: the until (newest first) or since (oldest first) of the next page"`
}

// Interval is from when a source gave an answer; it lasts until the next one of
// the same record and source.
type Interval struct {
	Domain  rrset.Name      `json:"domain"`
	Record  string          `json:"record"`
	Source  string          `json:"source"`
	From    time.Time       `json:"from"`
	Outcome resolve.Outcome `json:"outcome"`
	Answer  *Data           `json:"answer,omitempty"`
	TTL     uint32          `json:"ttl" doc:"Seconds"`
}

// IntervalOf gives an interval.
func IntervalOf(i monitor.Interval) Interval {
	return Interval{
		Domain: i.ID.Domain, Record: i.ID.Key, Source: printable(i.Source), From: i.From.UTC(),
		Outcome: i.Outcome, Answer: DataOf(i.Set), TTL: i.TTL,
	}
}

// Intervals is a list of intervals.
type Intervals struct {
	Intervals []Interval `json:"intervals" nullable:"false"`
	More      time.Time  `json:"more,omitzero" doc:"As in the history"`
}

// SweepOf gives a sweep.
func SweepOf(s monitor.SweepSummary) monitor.SweepSummary {
	s.Started = s.Started.UTC()
	return s
}

// Sweeps is a list of sweeps.
type Sweeps struct {
	Sweeps []monitor.SweepSummary `json:"sweeps" nullable:"false"`
	More   time.Time              `json:"more,omitzero" doc:"As in the history"`
}
