package monitor

import (
	"time"

	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

// RecordState is all that is remembered of one record between sweeps. It is
// what the store keeps, and a value: the engine replaces it as a whole.
type RecordState struct {
	ID RecordID `json:"id"`
	// Expectation is what the state was judged against; when the registry's differs and the baseline does not meet it,
	// the record starts anew.
	Expectation mailrec.Expectation `json:"expectation"`
	Name        rrset.Name          `json:"name"`
	judge.State
	// Baseline is the exact data that was verified.
	Baseline rrset.Set `json:"baseline,omitzero"`
	// Seen is what the deciding sources had last when something was wrong; empty
	// when nothing was there.
	Seen rrset.Set `json:"seen,omitzero"`
	// Finding is what Seen means.
	Finding mailrec.Finding `json:"finding,omitzero"`
	// Deadline and LastDeadline are when the first and the last caches run out of the
	// good record; zero when nothing is lost or nobody is known to hold it.
	Deadline     time.Time `json:"deadline,omitzero"`
	LastDeadline time.Time `json:"last_deadline,omitzero"`
	// Affordable says of an SPF record that all that it leads to was known once and cost no more
	// lookups than receivers make.
	Affordable bool `json:"affordable,omitempty"`
	// Inherited is the DMARC policy of a domain above that applies while the record is not there.
	Inherited string `json:"inherited,omitempty"`
	// OldTTL is the last TTL in seconds that the authority gave for the good record.
	OldTTL uint32 `json:"old_ttl,omitempty"`
	// Zone and Servers are the zone that the record lived in when it was last well, and its servers' names.
	Zone    rrset.Name   `json:"zone,omitempty"`
	Servers []rrset.Name `json:"servers,omitempty"`
	// Change is a change that was announced; nil if none was.
	Change *Change `json:"change,omitempty"`
	// Past is what caches may hold from before the last change.
	Past Past `json:"past,omitzero"`
	// Incident is the alert that is open; nil if none is.
	Incident *Incident `json:"incident,omitempty"`
}

// open gives the incidents about the record that last.
func (s *RecordState) open() []Incident {
	var out []Incident
	if s.Incident != nil {
		out = append(out, *s.Incident)
	}
	if s.Change != nil && s.Change.Incident != nil {
		out = append(out, *s.Change.Incident)
	}
	return out
}

// AlertName is the name of an alert; it is a label and never changes its meaning.
type AlertName string

// The alerts about records.
const (
	AlertDrifted      AlertName = "RecordDrifted"
	AlertMissing      AlertName = "RecordMissing"
	AlertDisagreement AlertName = "RecordDisagreement"
	AlertOverdue      AlertName = "VerificationOverdue"
	// AlertChangeNotMade is about an announced change whose window ended without it.
	AlertChangeNotMade AlertName = "ChangeNotMade"
	// AlertCause is about one thing that makes many records go wrong; their own alerts are held back by it.
	AlertCause AlertName = "CauseFound"
	// AlertBlind is about the monitor itself.
	AlertBlind AlertName = "MonitorBlind"
	// AlertWatchdog always fires.
	AlertWatchdog AlertName = "Watchdog"
)

// Incident is one alert from its first firing to its end. It is written in the
// same transaction as the transition that opened or closed it, so that whatever is
// told is on disk, and whatever is on disk as open is told again after a restart.
type Incident struct {
	ID   RecordID  `json:"id"`
	Name AlertName `json:"name"`
	// Value tells incidents of one name on one record apart: the short hash of what a
	// drifted record says. Empty for other alerts.
	Value string `json:"value,omitempty"`
	// Impact is what receivers would do, as judged when the incident was opened. It is a label
	// of the alert and so stays what it was.
	Impact mailrec.Impact `json:"impact"`
	// Opened is when it began firing; Closed when it ended, zero while it is open.
	Opened time.Time `json:"opened"`
	Closed time.Time `json:"closed,omitzero"`
	// Episode is when the record began to be wrong in any way, if this took the place of another incident.
	Episode time.Time `json:"episode,omitzero"`
	// Why says how it ended: "recovered", "replaced", "removed".
	Why string `json:"why,omitempty"`
	// Escalations are the levels that were reached as the time ran out, in their order.
	Escalations []Escalation `json:"escalations,omitempty"`
	// Facts are what there is to tell.
	Facts Facts `json:"facts"`
}

// Escalation is that so much of the time until something worse has passed.
type Escalation struct {
	// Percent of the time that there was.
	Percent int       `json:"percent"`
	At      time.Time `json:"at"`
}

// Open says whether the incident still lasts.
func (i *Incident) Open() bool { return i.Closed.IsZero() }

// Facts are what an alert tells, as data; package alert finds the words.
type Facts struct {
	Kind    mailrec.Kind      `json:"kind"`
	Owner   rrset.Name        `json:"owner"`
	Type    rrset.Type        `json:"type"`
	Service string            `json:"service,omitempty"`
	Purpose string            `json:"purpose,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Was is the verified data, Is what is there instead.
	Was     rrset.Set       `json:"was,omitzero"`
	Is      rrset.Set       `json:"is,omitzero"`
	Finding mailrec.Finding `json:"finding,omitzero"`
	// Stage, Decision and Votes say how far it has come and who says so.
	Stage    judge.Stage    `json:"stage"`
	Decision judge.Decision `json:"decision"`
	Votes    []SourceVote   `json:"votes,omitempty"`
	// Deadline and LastDeadline are when the first and the last caches run out of the
	// good record; zero if nobody is known to hold it.
	Deadline     time.Time `json:"deadline,omitzero"`
	LastDeadline time.Time `json:"last_deadline,omitzero"`
	// Caches are the operators that still had the good record, and until when at most.
	Caches []Cache `json:"caches,omitempty"`
	// Reached is when an operator was first heard to see it wrong; zero if none ever was.
	Reached time.Time `json:"reached,omitzero"`
	// Revokes is when the mail service withdraws the domain's verification if nothing is mended; zero if it is not
	// known to.
	Revokes time.Time `json:"revokes,omitzero"`
	// Publish is what mends it.
	Publish []PublishLine `json:"publish,omitempty"`
	// Affects is how many registered domains rest on the record, for one that is nobody's own;
	// Examples are some of them.
	Affects  int          `json:"affects,omitempty"`
	Examples []rrset.Name `json:"examples,omitempty"`
	// Rulings are what receivers do worse now than with what was verified.
	Rulings []verdict.Ruling `json:"rulings,omitempty"`
	// Explanation is why the record is not there; nil if nobody found out.
	Explanation *Explanation `json:"explanation,omitempty"`
	// Hygiene is what is wrong with what the domain's mail stands on.
	Hygiene []hygiene.Finding `json:"hygiene,omitempty"`
	// Announced is what was announced to come and did not, or is not what came; nil if nothing was.
	Announced *Announced `json:"announced,omitempty"`
	// Cause names the common cause by which the record went wrong, set when the alert begins; empty if it went
	// wrong by itself. Root is what there is to tell of a cause, in its own alert.
	Cause string `json:"cause,omitempty"`
	Root  *Root  `json:"root,omitempty"`
	// Waiting is how long an overdue record has been waited for.
	Waiting time.Duration `json:"waiting_ns,omitempty"`
	// Flips is how often a flapping record has changed, since FlappingSince; 0 if it does not flap.
	Flips         int       `json:"flips,omitempty"`
	FlappingSince time.Time `json:"flapping_since,omitzero"`
	// Reason is what keeps the monitor itself from seeing.
	Reason string `json:"reason,omitempty"`
}

// Cache is what one operator's caches hold of a record that was changed.
type Cache struct {
	Operator resolve.Operator `json:"operator"`
	// Until is when the last of those that were asked runs out.
	Until time.Time `json:"until"`
}

// Root is a cause as an alert tells of it.
type Root struct {
	rootcause.Cause
	rootcause.Explanation
	// Records and Domains count what it makes go wrong; Worst names some of them, the worst first.
	Records int        `json:"records"`
	Domains int        `json:"domains"`
	Worst   []RecordID `json:"worst,omitempty"`
}

// Announced is an announced change as an alert tells of it.
type Announced struct {
	// Next is the announced value; empty if the record was to vanish. Successor is the record of the key that
	// was to take over.
	Next      rrset.Set `json:"next,omitzero"`
	Successor string    `json:"successor,omitempty"`
	Until     time.Time `json:"until"`
	By        string    `json:"by,omitempty"`
	Why       string    `json:"why,omitempty"`
}

// Transition is a change in a record's life, with the evidence for it. It is
// what history shows and alerts speak of.
type Transition struct {
	// Seq counts up over all transitions of a store; set by the store.
	Seq uint64   `json:"seq"`
	ID  RecordID `json:"id"`
	judge.Transition
	// Old is what was there before: the baseline, or the value last told. New is what is there now.
	Old rrset.Set `json:"old,omitzero"`
	New rrset.Set `json:"new,omitzero"`
	// Rebased says that New is the baseline from now on.
	Rebased bool `json:"rebased,omitempty"`
	// Finding is what New means.
	Finding mailrec.Finding `json:"finding,omitzero"`
	// Decision holds the numbers; Votes who said what.
	Decision judge.Decision `json:"decision"`
	Votes    []SourceVote   `json:"votes,omitempty"`
	// Deadline is when the first caches run out of the good record; zero if unknown.
	Deadline time.Time `json:"deadline,omitzero"`
	// By and Why are set when a person caused it (registered, accepted, removed).
	By  string `json:"by,omitempty"`
	Why string `json:"why,omitempty"`
}

// SourceVote is what one source said about one record, as kept in history.
type SourceVote struct {
	Source   string           `json:"source"`
	Operator resolve.Operator `json:"operator,omitempty"`
	// Authority is true for the zone's own servers.
	Authority bool            `json:"authority,omitempty"`
	Outcome   resolve.Outcome `json:"outcome"`
	Stand     judge.Stand     `json:"stand"`
	// Lines is the record as this source gave it, for people.
	Lines []string `json:"lines,omitempty"`
	// Chain is the CNAME targets that led there, in order.
	Chain []rrset.Name `json:"chain,omitempty"`
	// TTL in seconds, as given.
	TTL     uint32        `json:"ttl"`
	At      time.Time     `json:"at"`
	Latency time.Duration `json:"latency_ns"`
	Detail  string        `json:"detail,omitempty"`
	EDE     []resolve.EDE `json:"ede,omitempty"`
	// Echo says that the answer comes from a cache that was filled before the record last changed.
	Echo bool `json:"echo,omitempty"`
}

// Interval begins with the round of asking in which a source first gave an answer and lasts until the next one of
// the same record and source begins. Failures are kept only while the record is not settled or somebody contradicts
// it: then they decide too.
type Interval struct {
	ID     RecordID `json:"id"`
	Source string   `json:"source"`
	// Authority is true for the zone's own servers.
	Authority bool            `json:"authority,omitempty"`
	From      time.Time       `json:"from"`
	Outcome   resolve.Outcome `json:"outcome"`
	// Set is the exact data; empty for absence. The store keeps it once for all sources of a record that say the same.
	Set rrset.Set `json:"set,omitzero"`
	TTL uint32    `json:"ttl"`
	// Mark says how it counted, where outcome and data do not.
	Mark Mark `json:"mark,omitempty"`
}

// SweepSummary is one sweep in numbers.
type SweepSummary struct {
	Group    string        `json:"group"`
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Domains  int           `json:"domains"`
	Records  int           `json:"records"`
	// Questions were sent; Shared were saved because another record asked the same, Spared because a resolver could only
	// have answered from its cache what is known, Withheld because the source had answered nothing for a while.
	Questions int `json:"questions"`
	Shared    int `json:"shared"`
	Spared    int `json:"spared,omitempty"`
	Withheld  int `json:"withheld,omitempty"`
	// Failures is how many of the questions that were sent ended without evidence.
	Failures int `json:"failures"`
	// Blind records had too little evidence; Transitions happened.
	Blind       int `json:"blind"`
	Transitions int `json:"transitions"`
	// Distrusted says why nothing in this sweep counts; empty for a good sweep.
	Distrusted string `json:"distrusted,omitempty"`
}

// Good says whether the sweep can be relied on.
func (s SweepSummary) Good() bool { return s.Distrusted == "" }
