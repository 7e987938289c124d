package wire

import (
	"cmp"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

// Announcement is a change of a record that is about to be made.
type Announcement struct {
	Value []string `json:"value,omitempty" maxItems:"100" doc:"The records that will be there, one an entry"`
	Gone  bool     `json:"gone,omitempty" doc:"The record will vanish; it is no longer watched then"`
	Until string   `json:"until" doc:"When the window ends: RFC 3339, a date, or in how long (6h, 2d)"`
	Force bool     `json:"force,omitempty" doc:"Take a value that receivers cannot use"`
	By    string   `json:"by,omitempty" maxLength:"200" doc:"Who announces it"`
	Why   string   `json:"why" minLength:"1" maxLength:"2000" doc:"Why; kept in the audit trail"`
}

// Rotation is a change of DKIM keys.
type Rotation struct {
	Selector string `json:"selector" minLength:"1" maxLength:"253" doc:"Selector of the new key"`
	Value    string `json:"value,omitempty" doc:"The new key's record; empty takes what is published"`
	Until    string `json:"until" doc:"When the old key is no longer needed: RFC 3339, a date, or in how long (6h, 2d)"`
	By       string `json:"by,omitempty" maxLength:"200" doc:"Who does it"`
	Why      string `json:"why" minLength:"1" maxLength:"2000" doc:"Why; kept in the audit trail"`
}

// Pause is a time for which nothing new is told.
type Pause struct {
	Record string `json:"record,omitempty" doc:"Key of the record; empty for the whole domain"`
	Until  string `json:"until" doc:"When it ends: RFC 3339, a date, or in how long (6h, 2d); 30 days at most"`
	By     string `json:"by,omitempty" maxLength:"200" doc:"Who does it"`
	Why    string `json:"why" minLength:"1" maxLength:"2000" doc:"Why; kept in the audit trail"`
}

// PlannedChange is an announced change of a record.
type PlannedChange struct {
	Next      *Data     `json:"next,omitempty" doc:"The announced value; absent if the record is to vanish"`
	Successor string    `json:"successor,omitempty" doc:"Record of the new key, in a rotation"`
	Announced time.Time `json:"announced"`
	Until     time.Time `json:"until"`
	By        string    `json:"by,omitempty"`
	Why       string    `json:"why,omitempty"`
	State     string    `json:"state" enum:"waiting,made,settling,late" doc:"waiting for the zone, made there, settling (the new value is the baseline, caches may hold the former one), or late"`
}

func changeOf(c *monitor.Change) *PlannedChange {
	if c == nil {
		return nil
	}
	out := &PlannedChange{
		Next: DataOf(c.Next), Successor: c.Successor, Announced: c.Announced.UTC(), Until: c.Until.UTC(), By: c.By, Why: c.Why, State: "waiting",
	}
	switch {
	case c.Settling:
		out.State = "settling"
	case c.Late:
		out.State = "late"
	case c.Made:
		out.State = "made"
	}
	return out
}

// Paused is a pause that lasts.
type Paused struct {
	Record string    `json:"record,omitempty" doc:"Key of the record; absent for the whole domain"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why,omitempty"`
}

// PausedDomain is a pause with the domain that it is of.
type PausedDomain struct {
	Domain rrset.Name `json:"domain"`
	Paused
	Wrong []string `json:"wrong,omitempty" doc:"Keys of the records that are wrong and are not told because of it"`
}

// MaxPaused is how many pauses the status names.
const MaxPaused = 100

// PausedDomainsOf gives the pauses that last, and how many there are in all. Those that keep something quiet come first.
func PausedDomainsOf(snap *monitor.Snapshot, now time.Time) (some []PausedDomain, all int) {
	for _, d := range snap.Domains {
		for i, p := range pausesOf(d.Pauses) {
			if now.Before(p.Until) {
				some = append(some, PausedDomain{d.Name, p, d.Pauses[i].Quiet(d, snap.States, now)})
			}
		}
	}
	slices.SortStableFunc(some, func(a, b PausedDomain) int { return cmp.Compare(len(b.Wrong), len(a.Wrong)) })
	return some[:min(len(some), MaxPaused)], len(some)
}

func pausesOf(pauses []monitor.Pause) []Paused {
	out := make([]Paused, 0, len(pauses))
	for _, p := range pauses {
		out = append(out, Paused{Record: p.Record, Since: p.Since.UTC(), Until: p.Until.UTC(), By: p.By, Why: p.Why})
	}
	return out
}

// Audit is one thing that a person did.
type Audit struct {
	At     time.Time  `json:"at"`
	By     string     `json:"by"`
	Action string     `json:"action" doc:"add, remove, senders, accept, expect, withdraw, rotate, retire, pause, resume, silence, unsilence, token, revoke, backup, compact, reload or reload-failed"`
	Domain rrset.Name `json:"domain,omitempty"`
	Record string     `json:"record,omitempty"`
	Why    string     `json:"why,omitempty"`
	Detail string     `json:"detail,omitempty"`
}

// AuditOf gives an entry of the audit trail.
func AuditOf(a monitor.Audit) Audit {
	return Audit{
		At: a.At.UTC(), By: printable(a.By), Action: a.Action, Domain: a.Domain, Record: printable(a.Record),
		Why: printable(a.Why), Detail: printable(a.Detail),
	}
}

// Audits is a part of the audit trail.
type Audits struct {
	Audit []Audit   `json:"audit" nullable:"false"`
	More  time.Time `json:"more,omitzero" doc:"Where to go on: until (newest first) or since (oldest first) of the next request"`
}

// TrialRequest asks for a test alert.
type TrialRequest struct {
	Receiver string `json:"receiver,omitempty" maxLength:"200" doc:"Name of the receiver; empty sends it where the routes lead"`
	Severity string `json:"severity,omitempty" enum:"critical,warning" default:"warning" doc:"Severity of the test, by which routes choose"`
}

// Trial is what one integration of a receiver made of a test alert.
type Trial struct {
	Receiver    string        `json:"receiver"`
	Integration string        `json:"integration"`
	OK          bool          `json:"ok"`
	Error       string        `json:"error,omitempty" doc:"What went wrong, without addresses and tokens"`
	Took        time.Duration `json:"took_ns"`
}

// Trials are what all of them made of it.
type Trials struct {
	Trials []Trial `json:"trials" nullable:"false"`
}
