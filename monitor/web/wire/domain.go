package wire

import (
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/advice"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

// Summary is a domain in a list.
type Summary struct {
	Name rrset.Name `json:"name" doc:"Domain name in A-label form"`
	// Unicode is the name with U-labels where that is another one.
	Unicode  string            `json:"unicode,omitempty" doc:"Name in Unicode, if that differs"`
	Service  string            `json:"service" doc:"Mail service preset"`
	Schedule string            `json:"schedule" doc:"Schedule group"`
	Labels   map[string]string `json:"labels,omitempty"`
	Note     string            `json:"note,omitempty"`
	// Standing is that of its worst record, since Since.
	Standing Standing  `json:"standing" doc:"How the worst record stands: holding, pending, blind, overdue, disagreeing, drifted or missing"`
	Since    time.Time `json:"since,omitzero" doc:"Since when the worst record stands so"`
	// Counts is how many records stand how; words without a record are left out.
	Counts     map[string]int `json:"counts" doc:"Records by standing"`
	Registered time.Time      `json:"registered" doc:"When the domain was first seen"`
	// ReadOnly domains come from a configuration file: Origin tells which.
	// Paused are the pauses that last.
	Paused   []Paused        `json:"paused,omitempty" doc:"For how long nothing new is told, and why"`
	ReadOnly bool            `json:"read_only" doc:"Whether the domain can only be changed in its file"`
	Origin   *monitor.Origin `json:"origin,omitempty" doc:"Place in the configuration, if it comes from there"`
}

// SummaryOf gives the summary of a domain in a snapshot.
func SummaryOf(snap *monitor.Snapshot, d *monitor.Domain) Summary {
	out := Summary{
		Name: d.Name, Service: d.Service(), Schedule: d.Schedule(), Labels: d.Spec.Labels, Note: d.Spec.Note,
		Counts: map[string]int{}, Registered: d.Registered.UTC(), ReadOnly: d.Origin.ReadOnly(),
	}
	if len(d.Pauses) > 0 {
		out.Paused = pausesOf(d.Pauses)
	}
	if u := d.Name.Unicode(); u != string(d.Name) {
		out.Unicode = printable(u)
	}
	if out.ReadOnly {
		out.Origin = &d.Origin
	}
	for _, r := range d.Records {
		s := snap.States.Get(monitor.RecordID{Domain: d.Name, Key: r.Key})
		if s == nil {
			continue
		}
		standing := StandingOf(s)
		out.Counts[standing.String()]++
		if out.Since.IsZero() || standing > out.Standing {
			out.Standing, out.Since = standing, s.Since.UTC()
		}
	}
	return out
}

// Page is a part of the list of domains.
type Page struct {
	Domains []Summary `json:"domains" nullable:"false"`
	// Total is how many domains the filter matches.
	Total int `json:"total" doc:"Domains that match"`
	// Next is the cursor of the next page, empty on the last.
	Next string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last"`
}

// Domain is all about one domain.
type Domain struct {
	Summary
	Spec    monitor.Spec `json:"spec" doc:"As it was registered"`
	Records []Record     `json:"records" nullable:"false"`
	// Outlook is what receivers make of the domain's mail, OutlookBy what they do behind each
	// operator that sees it otherwise.
	Outlook   *Outlook                    `json:"outlook,omitempty" doc:"What receivers make of the domain's mail"`
	OutlookBy map[string][]verdict.Ruling `json:"outlook_by,omitempty" doc:"What receivers do behind operators that see other records than most"`
	// Explained is why.
	Explained *Explained `json:"explained,omitempty" doc:"What receivers find when they follow the records"`
	// Upkeep is what the domain's mail stands on that is not as it should be, as it was found at LookedAt.
	Upkeep   []Risk    `json:"upkeep,omitempty" doc:"What the domain's mail stands on that is not as it should be"`
	LookedAt time.Time `json:"upkeep_at,omitzero" doc:"When that was looked at"`
	// Shared is set for a record that nobody registered and that domains rest on.
	Shared *Shared `json:"shared,omitempty" doc:"Who rests on this record, if nobody registered it"`
	// Advice is what the mail service advises beyond its records.
	Advice []advice.Advice `json:"advice,omitempty" doc:"What the mail service advises beyond its records"`
}

// Outlook is what receivers make of a domain's mail.
type Outlook struct {
	SPF      verdict.Auth     `json:"spf"`
	DKIM     verdict.Auth     `json:"dkim"`
	DMARC    bool             `json:"dmarc_pass"`
	Policy   verdict.Policy   `json:"dmarc_policy"`
	Impact   mailrec.Impact   `json:"impact" doc:"What changed for the mail since the records were verified"`
	Rulings  []verdict.Ruling `json:"rulings" nullable:"false"`
	Verified []verdict.Ruling `json:"verified" nullable:"false" doc:"What receivers did with what was verified"`
}

// Risk is one thing that a domain's mail stands on and that is not as it should be.
type Risk struct {
	ID       string         `json:"id" doc:"Name of the rule; stable"`
	Severity string         `json:"severity" doc:"note, warning or critical"`
	At       string         `json:"at" doc:"What it is about: a name and type, an address, a server"`
	Text     string         `json:"text"`
	Do       string         `json:"do,omitempty"`
	Rule     string         `json:"rule,omitempty"`
	Impact   mailrec.Impact `json:"impact"`
}

func risksOf(findings []hygiene.Finding) []Risk {
	out := make([]Risk, 0, len(findings))
	for _, f := range findings {
		out = append(out, Risk{
			ID: f.ID, Severity: f.Severity.String(), At: printable(f.At), Text: printable(f.Text), Do: f.Do, Rule: f.Rule, Impact: f.Impact,
		})
	}
	return out
}

// Shared says who rests on a record.
type Shared struct {
	Domains  int          `json:"domains"`
	Examples []rrset.Name `json:"examples" nullable:"false"`
}

// outlookOf gives what receivers do; nil for a domain whose records say nothing about that.
func outlookOf(o monitor.Outlook) *Outlook {
	if o.Now.SPF == verdict.Untried && o.Now.DKIM == verdict.Untried {
		return nil
	}
	return &Outlook{
		SPF: o.Now.SPF, DKIM: o.Now.DKIM, DMARC: o.Now.Passes, Policy: o.Now.Policy, Impact: o.Impact,
		Rulings: o.Now.Rulings, Verified: o.Verified.Rulings,
	}
}

// DomainOf gives all about a domain in a snapshot.
func DomainOf(snap *monitor.Snapshot, d *monitor.Domain) Domain {
	out := Domain{Summary: SummaryOf(snap, d), Spec: d.Spec, Records: []Record{}}
	for _, r := range d.Records {
		id := monitor.RecordID{Domain: d.Name, Key: r.Key}
		out.Records = append(out.Records, recordOf(r, snap.States.Get(id), snap.Votes.Of(id), snap.OverdueAfter))
	}
	if d.Shared != nil {
		out.Shared = &Shared{Domains: d.Shared.Count, Examples: d.Shared.Examples}
		return out
	}
	if u, ok := snap.Upkeep.Get(d.Name); ok {
		out.Upkeep, out.LookedAt = risksOf(u.Seen), u.At.UTC()
	}
	overall := snap.Outlook(d)
	out.Outlook = outlookOf(overall)
	for op, v := range snap.OutlookBy(d) {
		if out.Outlook != nil && !slices.Equal(v.Rulings, overall.Now.Rulings) {
			if out.OutlookBy == nil {
				out.OutlookBy = map[string][]verdict.Ruling{}
			}
			out.OutlookBy[string(op)] = v.Rulings
		}
	}
	out.Explained = explainedOf(d, snap.Explain(d))
	out.Advice = advice.Registration(d, snap.Domains, snap.States.Get)
	return out
}

// Record is all about one record.
type Record struct {
	Key     string        `json:"key" doc:"Name of the record within its domain"`
	Name    rrset.Name    `json:"name" doc:"Where it lives"`
	Type    rrset.Type    `json:"type"`
	Kind    mailrec.Kind  `json:"kind"`
	Match   mailrec.Match `json:"match"`
	Purpose string        `json:"purpose,omitempty"`
	// Want and Alternatives are what was asked for; empty if whatever is there is taken.
	Want         []string              `json:"want,omitempty"`
	Alternatives [][]string            `json:"alternatives,omitempty"`
	Publish      []monitor.PublishLine `json:"publish,omitempty" doc:"What to put into the zone"`

	Standing Standing      `json:"standing"`
	Phase    judge.Phase   `json:"phase"`
	Verdict  judge.Verdict `json:"verdict"`
	Stage    judge.Stage   `json:"stage" doc:"How far a change has come: none, authority, receivers or recovering"`
	Since    time.Time     `json:"since,omitzero"`
	// VerifiedAt is when its baseline was captured; BlindSince since when too little is heard.
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// OverdueAt is when somebody is told if it is not verified until then.
	OverdueAt  time.Time `json:"overdue_at,omitzero" doc:"When somebody is told that it is still not there; absent once it was verified"`
	BlindSince time.Time `json:"blind_since,omitzero"`
	// Baseline is what was verified, Seen what is there instead.
	Baseline *Data `json:"baseline,omitempty" doc:"What was verified"`
	Seen     *Data `json:"seen,omitempty" doc:"What is there instead; absent when nothing is, or all is well"`
	// Finding is what Seen means; nil while all is well.
	Finding *mailrec.Finding `json:"finding,omitempty"`
	// Suspicion is a change that was seen and waits to be confirmed.
	Suspicion *Suspicion `json:"suspicion,omitempty"`
	Spread    Spread     `json:"spread" doc:"Who sees the good record, by operator and by the zone's own servers"`
	// Deadline and LastDeadline are when the first and the last caches run out of the good record.
	Deadline     time.Time            `json:"deadline,omitzero"`
	LastDeadline time.Time            `json:"last_deadline,omitzero"`
	Votes        []monitor.SourceVote `json:"votes,omitempty" doc:"Who said what, last time"`
	Incident     *Incident            `json:"incident,omitempty"`
	// Change is an announced change.
	Change *PlannedChange `json:"change,omitempty" doc:"An announced change, beside which the baseline holds"`
}

func recordOf(r monitor.Record, s *monitor.RecordState, votes []monitor.SourceVote, overdueAfter time.Duration) Record {
	out := Record{
		Key: r.Key, Name: r.Name, Type: r.Kind.Type(), Kind: r.Kind, Match: r.Match, Purpose: r.Purpose,
		Want: r.Want, Alternatives: r.Alternatives, Publish: r.Publish,
		Standing: Pending, Spread: spreadOf(votes), Votes: votesOf(votes),
	}
	if s == nil {
		return out
	}
	out.Standing, out.Phase, out.Verdict, out.Stage = StandingOf(s), s.Phase, s.Verdict, s.Stage
	out.Since, out.VerifiedAt, out.BlindSince = s.Since.UTC(), s.VerifiedAt.UTC(), s.BlindSince.UTC()
	if s.Phase == judge.Pending && overdueAfter > 0 {
		out.OverdueAt = s.Registered.Add(overdueAfter).UTC()
	}
	out.Baseline, out.Seen, out.Finding = DataOf(s.Baseline), DataOf(s.Seen), findingOf(s.Finding)
	out.Deadline, out.LastDeadline = s.Deadline.UTC(), s.LastDeadline.UTC()
	if s.Suspicion.Sightings > 0 {
		out.Suspicion = &Suspicion{Verdict: s.Suspicion.Verdict, Sightings: s.Suspicion.Sightings, First: s.Suspicion.First.UTC()}
	}
	out.Change = changeOf(s.Change)
	if s.Incident != nil {
		i := IncidentOf(*s.Incident)
		out.Incident = &i
	}
	return out
}

// Suspicion is a change that was seen but not yet often or long enough.
type Suspicion struct {
	Verdict   judge.Verdict `json:"verdict"`
	Sightings int           `json:"sightings"`
	First     time.Time     `json:"first"`
}

// Spread counts who sees the good record, out of those heard last.
type Spread struct {
	Operators     int `json:"operators" doc:"Operators heard"`
	OperatorsGood int `json:"operators_good" doc:"Operators that see the good record"`
	Servers       int `json:"servers" doc:"The zone's own servers heard"`
	ServersGood   int `json:"servers_good" doc:"The zone's own servers that have the good record"`
}

// spreadOf counts votes; an operator that was asked in several ways has one, the worst.
func spreadOf(votes []monitor.SourceVote) Spread {
	var s Spread
	operators := map[resolve.Operator]judge.Vote{}
	for _, v := range votes {
		if v.Authority {
			countStand(v.Stand, &s.Servers, &s.ServersGood)
			continue
		}
		operators[v.Operator] = judge.Vote{Stand: v.Stand}.Merge(operators[v.Operator])
	}
	for _, v := range operators {
		countStand(v.Stand, &s.Operators, &s.OperatorsGood)
	}
	return s
}

func countStand(stand judge.Stand, heard, good *int) {
	switch stand {
	case judge.Good:
		*heard++
		*good++
	case judge.Differs, judge.Absent, judge.Bogus:
		*heard++
	case judge.Unheard, judge.Abstains:
	}
}

// Acceptance is who accepts a record as it is now, and why.
type Acceptance struct {
	By  string `json:"by,omitempty" maxLength:"200" doc:"Who accepts it"`
	Why string `json:"why" minLength:"1" maxLength:"2000" doc:"Why it is right; kept in the history"`
}

// Senders are the sender addresses of a domain.
type Senders struct {
	Senders []string `json:"senders" nullable:"false" maxItems:"10000" doc:"Sender addresses at the mail service; none lets the domain be removed"`
}

// Imported is what an import did.
type Imported struct {
	Added []rrset.Name `json:"added" nullable:"false"`
	// Kept were registered before and are as they were.
	Kept []rrset.Name `json:"kept" nullable:"false"`
}
