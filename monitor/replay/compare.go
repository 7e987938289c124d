package replay

import (
	"cmp"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
)

// Fate says what becomes of an alert under other rules.
type Fate string

// The fates.
const (
	// Same is an alert that was told and would be told at the same moment.
	Same Fate = "same"
	// Earlier and Later are those that would be told at another moment.
	Earlier Fate = "earlier"
	Later   Fate = "later"
	// Added would be told and were not; Dropped were told and would not be.
	Added   Fate = "added"
	Dropped Fate = "dropped"
	// Kept were told and are not about what rules of judging decide, or about what history no longer knows.
	Kept Fate = "kept"
)

// Fates lists all fates.
func Fates() []Fate { return []Fate{Same, Earlier, Later, Added, Dropped, Kept} }

// sameMoment is how far apart two moments are taken for one.
const sameMoment = time.Second

// decidedWithin is how long a sweep may take from a decision to its alert: other records' confirmations and
// explanations come between.
const decidedWithin = 10 * time.Minute

// Told is an alert that was told, as far as it is compared.
type Told struct {
	Page
	Impact mailrec.Impact
	// Severity is what whoever tells alerts makes of it.
	Severity string
	// Cause names what held the alert back in favour of its own; empty if nothing did.
	Cause string
}

// ToldOf takes what is compared of an incident.
func ToldOf(i monitor.Incident) Told {
	return Told{
		Page:   Page{ID: i.ID, Name: i.Name, Value: i.Value, Opened: i.Opened.UTC(), Closed: i.Closed.UTC()},
		Impact: i.Impact, Cause: i.Facts.Cause,
	}
}

// decides says whether alerts of this name come from judging records.
func decides(name monitor.AlertName) bool {
	switch name {
	case monitor.AlertDrifted, monitor.AlertMissing, monitor.AlertDisagreement, monitor.AlertOverdue:
		return true
	case monitor.AlertChangeNotMade, monitor.AlertCause, monitor.AlertBlind, monitor.AlertWatchdog, monitor.AlertAtRisk,
		monitor.AlertQuarantined:
	}
	return false
}

// Line is one alert with its fate.
type Line struct {
	Fate Fate
	Page
	// Told is what was told; nil for an added one. Would is what would be; nil for a dropped or kept one.
	Told     *Told
	Would    *Page
	Severity string
	// Shift is how much later it would be told; negative for earlier.
	Shift time.Duration
}

// Compare pairs the alerts that were told about a record with those that would be: of the same name and value,
// lasting at a common time. The record's transitions say when what was told was decided on.
func Compare(told []Told, would []Page, transitions []monitor.Transition) []Line {
	var lines []Line
	used := make([]bool, len(would))
	moves := slices.Clone(transitions)
	slices.SortFunc(moves, func(a, b monitor.Transition) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq)) })
	sorted := slices.Clone(told)
	slices.SortFunc(sorted, func(a, b Told) int { return a.compare(b.Page) })
	for _, t := range sorted {
		line := Line{Fate: Dropped, Page: t.Page, Told: &t}
		n := t.partner(would, used)
		switch {
		case !decides(t.Name):
			line.Fate = Kept
		case n >= 0:
			used[n] = true
			line.pair(&would[n], decidedAt(t.Page, moves))
		}
		lines = append(lines, line)
	}
	for n, w := range would {
		if !used[n] {
			lines = append(lines, Line{Fate: Added, Page: w, Would: &would[n]})
		}
	}
	slices.SortFunc(lines, func(a, b Line) int { return a.compare(b.Page) })
	return lines
}

func (l *Line) pair(would *Page, decided time.Time) {
	l.Would, l.Shift = would, would.Opened.Sub(decided)
	switch {
	case l.Shift <= -sameMoment:
		l.Fate = Earlier
	case l.Shift >= sameMoment:
		l.Fate = Later
	default:
		l.Fate, l.Shift = Same, 0
	}
}

// decidedAt gives when an alert was decided on. It is opened at the end of its sweep.
func decidedAt(p Page, moves []monitor.Transition) time.Time {
	for _, t := range slices.Backward(moves) {
		if t.At.After(p.Opened) {
			continue
		}
		if p.Opened.Sub(t.At) > decidedWithin {
			break
		}
		name, _, wanted := monitor.AlertFor(judge.State{Phase: t.To.Phase, Verdict: t.To.Verdict})
		if wanted && name == p.Name && (t.From.Phase != t.To.Phase || t.From.Verdict != t.To.Verdict || t.Value) {
			return t.At
		}
	}
	return p.Opened
}

// ImpactAt gives what the record did to the domain's mail when a page would have been opened, as far as its
// history was judged bad about then: by the last such transition before it, else the first one.
func ImpactAt(transitions []monitor.Transition, p Page) mailrec.Impact {
	var before, after *monitor.Transition
	for i, t := range transitions {
		if t.To.Verdict == judge.Holding || t.To.Phase != judge.Verified {
			continue
		}
		switch {
		case !t.At.After(p.Opened) && (before == nil || t.At.After(before.At)):
			before = &transitions[i]
		case t.At.After(p.Opened) && (after == nil || t.At.Before(after.At)):
			after = &transitions[i]
		}
	}
	if t := cmp.Or(before, after); t != nil {
		return t.Finding.Impact
	}
	return mailrec.None
}

// partner gives the first page that is the same alert and has no partner yet; -1 if there is none.
func (p Page) partner(would []Page, used []bool) int {
	for n, w := range would {
		if !used[n] && p.overlaps(w) {
			return n
		}
	}
	return -1
}

// overlaps says whether two pages are the same alert at a common time.
func (p Page) overlaps(o Page) bool {
	begins := func(a, b Page) bool { return b.Closed.IsZero() || !a.Opened.After(b.Closed) }
	return p.Name == o.Name && p.Value == o.Value && begins(p, o) && begins(o, p)
}

func (p Page) compare(o Page) int {
	return cmp.Or(p.Opened.Compare(o.Opened), p.ID.Compare(o.ID), cmp.Compare(p.Name, o.Name), cmp.Compare(p.Value, o.Value))
}
