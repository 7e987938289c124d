package monitor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

const (
	// longestWindow bounds how long an announced change may take.
	longestWindow = 90 * 24 * time.Hour
	// settleAtLeast and settleAtMost bound how long the former value still holds after a change was made, for
	// the sake of caches whose TTL is not known, or is absurd.
	settleAtLeast, settleAtMost = 5 * time.Minute, 48 * time.Hour
)

// Errors of announcements, told apart with errors.Is.
var (
	// ErrNotVerified is that the record was never verified, so that there is no old value to hold.
	ErrNotVerified = errors.New("not verified yet")
	// ErrNothingAnnounced is that no change of the record is announced.
	ErrNothingAnnounced = errors.New("nothing announced")
)

// Change is a change of a verified record that was announced: until its window ends the old and
// the new value both hold, and a third one is drift as ever. It is a value; the engine replaces it.
type Change struct {
	// Next is the new value. Empty says that the record is to vanish.
	Next rrset.Set `json:"next,omitzero"`
	// Successor is, in a rotation of DKIM keys, the record of the new key: only once that is
	// verified may the old one go.
	Successor string    `json:"successor,omitempty"`
	Announced time.Time `json:"announced"`
	Until     time.Time `json:"until"`
	By        string    `json:"by,omitempty"`
	Why       string    `json:"why,omitempty"`
	// Made says that the zone has the new value.
	Made bool `json:"made,omitempty"`
	// Settling says that the window is over and the new value is the baseline; Next is now the former
	// one, which caches may hold until Until.
	Settling bool `json:"settling,omitempty"`
	// Late says that the window is over and the change was not made. Both values still hold: the old one
	// works, and the new one was wanted.
	Late bool `json:"late,omitempty"`
	// Incident tells that the change was not made; nil unless Late.
	Incident *Incident `json:"incident,omitempty"`
}

// allows says whether a set, which compared with the baseline gave a finding, is the announced value.
func (c *Change) allows(e mailrec.Expectation, set rrset.Set, f mailrec.Finding) bool {
	if c.Next.Empty() {
		return f.Class == mailrec.Absent || c.Successor != "" && e.Revoked(set)
	}
	return e.Compare(c.Next, set).Class == mailrec.Same
}

// Announcement is what a person announces.
type Announcement struct {
	ID RecordID
	// Value holds the records that will be there; Gone says that there will be none.
	Value []string
	Gone  bool
	Until time.Time
	// Force takes a value that receivers cannot use.
	Force   bool
	By, Why string
}

// Announce lets another value of a record hold beside the verified one until the window ends. What was
// announced before about the record is replaced. It returns ErrNotFound, ErrNotVerified or a *FieldError.
func (e *Engine) Announce(ctx context.Context, a Announcement) error {
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		state, d, err := e.registered(a.ID)
		if err != nil {
			return err
		}
		if state.Phase != judge.Verified {
			return fmt.Errorf("record %s is %w: there is no old value to hold; change what is expected of it instead", a.ID, ErrNotVerified)
		}
		r, _ := d.Record(a.ID.Key)
		next, err := a.next(r, now)
		if err != nil {
			return err
		}
		if !next.Empty() && r.Compare(state.Baseline, next).Class == mailrec.Same {
			return fieldErr("value", errors.New("it means what was verified already: nothing has to be announced"))
		}
		changed := *state
		changed.outlast(e.heard.lastWords(a.ID), now)
		batch.Incidents = append(batch.Incidents, changed.dropChange(now, "announced anew")...)
		changed.Change = &Change{Next: next, Announced: now, Until: a.Until, By: a.By, Why: a.Why}
		batch.States = append(batch.States, changed)
		batch.note(now, a.By, "expect", a.ID, a.Why, a.describe())
		return nil
	}, nil)
}

// next reads the announced value and says what is wrong with the announcement.
func (a Announcement) next(r Record, now time.Time) (rrset.Set, error) {
	if err := checkWindow("until", a.Until, now, longestWindow); err != nil {
		return rrset.Set{}, err
	}
	if a.Gone == (len(a.Value) > 0) {
		return rrset.Set{}, fieldErr("value", errors.New("say either the new value or that the record will be gone"))
	}
	if a.Gone {
		return rrset.Set{}, nil
	}
	set, err := rrset.Parse(r.Kind.Type(), a.Value...)
	if err != nil {
		return rrset.Set{}, fieldErr("value", err)
	}
	next := r.Select(set)
	if next.Empty() {
		return rrset.Set{}, fieldErr("value", fmt.Errorf("%q is no %s record", a.Value[0], r.Kind))
	}
	// Captured: what is announced need not be what was expected, only usable.
	asked := r.Expectation
	asked.Match, asked.Want, asked.Alternatives, asked.AllowInvalid = mailrec.Captured, nil, nil, false
	if f := asked.Check(next); f.Class != mailrec.Same && !a.Force {
		return rrset.Set{}, fieldErr("value", fmt.Errorf("receivers could not use it: %s; correct it, or force it", f.Reason))
	}
	return next, nil
}

// describe says what was announced, for the audit trail.
func (a Announcement) describe() string {
	what := strings.Join(a.Value, "\n")
	if a.Gone {
		what = "no record"
	}
	return fmt.Sprintf("until %s: %s", a.Until.UTC().Format(time.RFC3339), what)
}

// checkWindow says what is wrong with the end of a window.
func checkWindow(field string, until, now time.Time, longest time.Duration) error {
	switch {
	case until.IsZero():
		return fieldErr(field, errors.New("say when it ends"))
	case !until.After(now):
		return fieldErr(field, fmt.Errorf("%s is in the past", until.UTC().Format(time.RFC3339)))
	case until.Sub(now) > longest:
		return fieldErr(field, fmt.Errorf("%s is more than %d days away: what nobody remembers must not hide a broken record", until.UTC().Format(time.RFC3339), int(longest.Hours()/24)))
	}
	return nil
}

// Withdraw takes an announcement back: only the baseline holds again. It returns ErrNotFound or ErrNothingAnnounced.
func (e *Engine) Withdraw(ctx context.Context, id RecordID, by, why string) error {
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		state, _, err := e.registered(id)
		if err != nil {
			return err
		}
		if state.Change == nil {
			return fmt.Errorf("record %s: %w", id, ErrNothingAnnounced)
		}
		changed := *state
		changed.outlast(e.heard.lastWords(id), now)
		batch.Incidents = append(batch.Incidents, changed.dropChange(now, "withdrawn by "+by)...)
		batch.States = append(batch.States, changed)
		batch.note(now, by, "withdraw", id, why, "")
		return nil
	}, nil)
}

// registered gives a record of a registered domain and its state. The caller holds mu.
func (e *Engine) registered(id RecordID) (*RecordState, *Domain, error) {
	d, ok := e.domains[id.Domain]
	if !ok {
		return nil, nil, fmt.Errorf("domain %s: %w", id.Domain, ErrNotFound)
	}
	state := e.states.get(id)
	if state == nil {
		return nil, nil, fmt.Errorf("record %s: %w; the domain has %s", id, ErrNotFound, strings.Join(d.keys(), ", "))
	}
	return state, d, nil
}

func (d *Domain) keys() []string {
	var keys []string
	for _, r := range d.Records {
		keys = append(keys, r.Key)
	}
	return keys
}

// dropChange forgets what was announced, and ends what was told about it.
func (s *RecordState) dropChange(now time.Time, why string) []Incident {
	var out []Incident
	if s.Change != nil && s.Change.Incident != nil {
		out = append(out, closeIncident(*s.Change.Incident, now, why))
	}
	s.Change = nil
	return out
}

// told gives the change as an alert tells of it.
func (c *Change) told() *Announced {
	return &Announced{Next: c.Next, Successor: c.Successor, Until: c.Until, By: c.By, Why: c.Why}
}

// inForce gives the change that holds beside a record's baseline; nil if none does. The old key of a rotation may
// not go before the new one is seen. The caller holds mu.
func (e *Engine) inForce(d *Domain, s *RecordState) *Change {
	c := s.Change
	if c != nil && c.Successor != "" && !e.isVerified(RecordID{d.Name, c.Successor}) {
		return nil
	}
	return c
}

// isVerified says whether a record is verified and holding. The caller holds mu.
func (e *Engine) isVerified(id RecordID) bool {
	s := e.states.get(id)
	return s != nil && s.Phase == judge.Verified && !s.Verdict.Lost()
}

// noticeChange keeps whether the zone has the announced value by now.
func (j *job) noticeChange(now time.Time) {
	c := j.state.Change
	if c == nil || c.Settling || j.evidence.Decision.Verdict == judge.Blind || len(j.evidence.Heard) == 0 {
		return
	}
	made := j.evidence.announcedMade()
	if made == c.Made {
		return
	}
	next := *c
	next.Made = made
	j.state.Change = &next
	t := Transition{
		ID: j.state.ID, Old: j.state.Baseline, New: c.Next, Finding: j.state.Finding,
		Decision: j.evidence.Decision, Votes: j.evidence.Votes(), By: c.By, Why: "the announced change is made",
	}
	if !made {
		t.Old, t.New, t.Why = c.Next, j.state.Baseline, "the announced change is taken back"
	}
	t.From, t.To, t.At = j.state.Position(), j.state.Position(), now
	j.transitions = append(j.transitions, t)
}

// announcedMade says whether the zone's own servers that answer all have the announced value; if none can
// know, whether all but the dissent allowed of the operators do.
func (e Evidence) announcedMade() bool {
	servers, having, operators := 0, 0, map[string]bool{}
	for _, h := range e.Heard {
		if h.Stand != judge.Good && h.Stand != judge.Differs && h.Stand != judge.Absent {
			continue
		}
		if h.Source.Role != resolve.Authoritative {
			op := string(h.Source.Operator)
			had, known := operators[op]
			operators[op] = h.Announced && (had || !known)
			continue
		}
		servers++
		if h.Announced {
			having++
		}
	}
	if servers > 0 {
		return having == servers
	}
	for _, has := range operators {
		if has {
			having++
		}
	}
	return having > 0 && having >= len(operators)-judge.Dissent(len(operators))
}

// endWindow decides on a window that is over: the change was made and its value is the baseline from now on, or
// it was not, which is told. It changes s and adds to the batch. The caller has looked at the record just now, and heard that.
func (s *RecordState) endWindow(d *Domain, r Record, heard []lastWord, batch *Batch, now time.Time) {
	c := *s.Change
	t := Transition{ID: s.ID, Old: s.Baseline, New: c.Next, By: c.By}
	t.From, t.To, t.At = s.Position(), s.Position(), now
	switch {
	case c.Settling:
		s.outlast(heard, now)
		s.Change = nil
		return
	case c.Made && !c.Next.Empty():
		batch.Incidents = append(batch.Incidents, s.dropChange(now, "the change was made")...)
		settle := min(max(time.Duration(s.OldTTL)*time.Second, settleAtLeast), settleAtMost)
		s.Change = &Change{Next: s.Baseline, Announced: c.Announced, Until: now.Add(settle), By: c.By, Why: c.Why, Settling: true}
		s.Baseline, t.Rebased = c.Next, true
		t.Why = "the announced value is the new baseline: " + c.Why
	case !c.Late:
		c.Late = true
		c.Incident = &Incident{ID: s.ID, Name: AlertChangeNotMade, Opened: now, Facts: Facts{
			Kind: r.Kind, Owner: r.Name, Type: r.Kind.Type(), Service: d.Service(), Purpose: r.Purpose, Labels: d.Spec.Labels,
			Was: s.Baseline, Is: s.Baseline, Announced: c.told(),
		}}
		batch.Incidents = append(batch.Incidents, *c.Incident)
		s.Change = &c
		t.New, t.Why = s.Baseline, "the announced change was not made in its window"
	default:
		return
	}
	batch.Transitions = append(batch.Transitions, t)
}
