package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/rrset"
)

// longestPause bounds a pause, as silences are bounded: one that is forgotten must not hide a broken record
// for ever.
const longestPause = 30 * 24 * time.Hour

// ErrNotPaused is that there is nothing to resume.
var ErrNotPaused = errors.New("not paused")

// Pause is a time for which nothing new is told about a domain or one of its records. It is looked at and
// written down as ever; what is wrong when the pause ends is told then.
type Pause struct {
	// Record is the key of the record; empty means all of the domain.
	Record string    `json:"record,omitempty"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why,omitempty"`
}

// Quiet gives the keys of the domain's records that are wrong and, since a pause keeps it quiet, told to nobody.
func (p Pause) Quiet(d *Domain, states States, now time.Time) []string {
	var out []string
	for s := range states.Of(d.Name) {
		if _, _, wrong := AlertFor(s.State); wrong && s.Incident == nil && p.covers(s.ID.Key, now) && s.ID.Key != SharedKey {
			out = append(out, s.ID.Key)
		}
	}
	return out
}

func (p Pause) covers(key string, now time.Time) bool {
	return (p.Record == "" || p.Record == key) && now.Before(p.Until)
}

// paused gives the pause that a record is in; nil if it is in none.
func (d *Domain) paused(key string, now time.Time) *Pause {
	for i := range d.Pauses {
		if d.Pauses[i].covers(key, now) {
			return &d.Pauses[i]
		}
	}
	return nil
}

// paused says whether the job's record is in a pause.
func (j *job) paused(now time.Time) bool { return j.subject.Domain.paused(j.state.ID.Key, now) != nil }

// Pause keeps quiet about a domain, or with a key about one of its records, until then. What is told already
// stays told, and its end is told too. A pause of the same takes the place of an earlier one. It returns
// ErrNotFound or a *FieldError.
func (e *Engine) Pause(ctx context.Context, id RecordID, until time.Time, by, why string) error {
	return e.amend(ctx, id.Domain, func(d *Domain, had *StoredDomain, batch *Batch, now time.Time) error {
		if _, ok := d.Record(id.Key); id.Key != "" && id.Key != UpkeepKey && !ok {
			return fmt.Errorf("record %s: %w; the domain has %s", id, ErrNotFound, strings.Join(d.keys(), ", "))
		}
		if err := checkWindow("until", until, now, longestPause); err != nil {
			return err
		}
		had.Pauses = append(without(had.Pauses, id.Key), Pause{Record: id.Key, Since: now, Until: until, By: by, Why: why})
		batch.note(now, by, "pause", id, why, "until "+until.UTC().Format(time.RFC3339))
		return nil
	})
}

// Resume ends a pause before its time; what is wrong is looked at and told at once. It returns ErrNotFound
// or ErrNotPaused.
func (e *Engine) Resume(ctx context.Context, id RecordID, by, why string) error {
	err := e.amend(ctx, id.Domain, func(_ *Domain, had *StoredDomain, batch *Batch, now time.Time) error {
		rest := without(had.Pauses, id.Key)
		if len(rest) == len(had.Pauses) {
			return fmt.Errorf("%s is %w", strings.TrimSuffix(id.String(), "/"), ErrNotPaused)
		}
		had.Pauses = rest
		e.resumed[id.Domain] = true
		batch.note(now, by, "resume", id, why, "")
		return nil
	})
	if err == nil {
		e.background(func(ctx context.Context) { e.lookAgain(ctx, id.Domain) })
	}
	return err
}

func without(pauses []Pause, key string) []Pause {
	return slices.DeleteFunc(slices.Clone(pauses), func(p Pause) bool { return p.Record == key })
}

// amend changes what is kept about a domain beside its spec, wherever that comes from.
func (e *Engine) amend(ctx context.Context, name rrset.Name, edit func(d *Domain, had *StoredDomain, batch *Batch, now time.Time) error) error {
	var next *Domain
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		d, ok := e.domains[name]
		if !ok {
			return fmt.Errorf("domain %s: %w", name, ErrNotFound)
		}
		had := e.stored[name]
		if err := edit(d, &had, batch, now); err != nil {
			return err
		}
		var err error
		if next, err = d.amend(had); err != nil {
			return err
		}
		e.planStates(next, batch, now)
		batch.Domains = append(batch.Domains, had)
		return nil
	}, func() { e.register(next) })
}

// amend gives the domain with what was added, retired and paused since it was written down.
func (d *Domain) amend(had StoredDomain) (*Domain, error) {
	if d.written != nil {
		base := *d.written
		base.Registered, base.Spec.Senders = d.Registered, d.Spec.Senders
		d = &base
	}
	if len(had.Pauses)+len(had.Added)+len(had.Retired) == 0 {
		return d, nil
	}
	next := *d
	next.Pauses, next.written = had.Pauses, d
	next.Records, next.Spec.Expect = slices.Clone(d.Records), slices.Clone(d.Spec.Expect)
	for _, key := range had.Retired { // of those that were written down: a selector may have come back since
		next.Records = slices.DeleteFunc(next.Records, func(r Record) bool { return r.Key == key })
		next.Spec.Expect = slices.DeleteFunc(next.Spec.Expect, func(x ExpectSpec) bool {
			r, err := x.record(d.Name)
			return err == nil && r.Key == key
		})
	}
	for _, x := range had.Added {
		r, err := x.record(d.Name)
		if err != nil {
			return nil, fmt.Errorf("domain %s, record added at run time: %w", d.Name, err)
		}
		if _, ok := next.Record(r.Key); ok {
			continue // it has been written down by now
		}
		next.Records = append(next.Records, r)
		x.Key = r.Key
		next.Spec.Expect = append(next.Spec.Expect, x)
	}
	slices.SortFunc(next.Records, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	return &next, nil
}
