package replay

import (
	"slices"
	"time"

	"maildrift/monitor"
)

// Agenda is when a schedule was swept. It is shared by all its records and never changes.
type Agenda struct {
	// all are the sweeps in order; sweeps are those that were trusted: the others said nothing about any record.
	all, sweeps []span
	// usual is the middle of the times between sweeps.
	usual time.Duration
	// next gives when the schedule is due after a time; nil if it is not known.
	next func(time.Time) time.Time
}

// span is a sweep from its beginning to its end.
type span struct {
	start, end time.Time
	good       bool
}

// NewAgenda takes the sweeps of a schedule, in any order, and if it is known when the schedule is due.
func NewAgenda(summaries []monitor.SweepSummary, next func(time.Time) time.Time) *Agenda {
	a := &Agenda{next: next}
	for _, s := range summaries {
		a.all = append(a.all, span{s.Started.UTC(), s.Started.Add(s.Duration).UTC(), s.Good()})
	}
	slices.SortFunc(a.all, func(x, y span) int { return x.start.Compare(y.start) })
	var gaps []time.Duration
	for i, s := range a.all {
		if i > 0 {
			gaps = append(gaps, s.start.Sub(a.all[i-1].start))
		}
		if s.good {
			a.sweeps = append(a.sweeps, s)
		}
	}
	if len(gaps) > 0 {
		slices.Sort(gaps)
		a.usual = gaps[len(gaps)/2]
	}
	return a
}

// up says whether the daemon surely ran at some time, and saw: the sweeps around it were trusted, and followed each
// other as they usually do or as the schedule says.
func (a *Agenda) up(at time.Time) bool {
	n, _ := slices.BinarySearchFunc(a.all, at, func(s span, at time.Time) int { return s.start.Compare(at) })
	if n == 0 || n == len(a.all) || !a.all[n-1].good || !a.all[n].good {
		return false
	}
	before, after, slack := a.all[n-1].start, a.all[n].start, a.usual/10
	if (after.Sub(before) - a.usual).Abs() <= slack {
		return true
	}
	return a.next != nil && after.Sub(a.next(before)).Abs() <= slack
}
