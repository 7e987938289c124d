package monitor

import (
	"time"

	"github.com/robfig/cron/v3"
)

// owedBy gives by when a sweep of a schedule has to have ended that can be relied on, after one that began and ended then: that which is
// due next has until the one after that, and where sweeps take longer than that twice as long as this one did. It is zero if the
// schedule has no more.
func owedBy(s cron.Schedule, began, ended time.Time) time.Time {
	next, last := s.Next(began), s.Next(ended)
	if next.IsZero() || last.IsZero() {
		return time.Time{}
	}
	by, late := s.Next(next), last.Add(2*ended.Sub(began))
	if by.IsZero() || late.After(by) {
		return late
	}
	return by
}

// oweSweeps brings by when sweeps are owed to other settings: what is owed by a schedule stays owed if it does, however often a
// configuration is read. The caller holds mu.
func (e *Engine) oweSweeps(settings *Settings, now time.Time) {
	owed := make(map[string]time.Time, len(settings.Groups))
	for name, group := range settings.Groups {
		had, known := e.owed[name]
		if known && sameRhythm(group.Schedule, e.settings.Groups[name].Schedule, now) {
			owed[name] = had
		} else if by := owedBy(group.Schedule, now, now); !by.IsZero() {
			owed[name] = by
		}
	}
	e.owed = owed
}

// oweFirst gives the first sweep of a group since the start twice as long as it takes by the estimate: it asks everybody about everything, and
// a group that was never swept is asked several times over until it is verified. That is once: if it cannot be relied on, the next
// ones have no longer for it. The caller holds mu.
func (e *Engine) oweFirst(group string, began time.Time, full time.Duration) {
	rounds := 1
	if _, swept := e.sweeps[group]; !swept {
		rounds += e.settings.Rules.Confirmations
	}
	by, owed := e.owed[group]
	if late := began.Round(0).Add(2 * time.Duration(rounds) * full); owed && late.After(by) {
		e.owed[group] = late
	}
}

// sameRhythm says whether two schedules have the same next times.
func sameRhythm(a, b cron.Schedule, from time.Time) bool {
	for x, y, n := from, from, 0; n < 4; n++ {
		if x, y = a.Next(x), b.Next(y); !x.Equal(y) {
			return false
		}
	}
	return true
}

// gotSweep takes in that a sweep of a group has ended that can be relied on. The caller holds mu.
func (e *Engine) gotSweep(s SweepSummary) {
	group, ok := e.settings.Groups[s.Group]
	if !ok {
		return // a reload took it away meanwhile
	}
	began := s.Started.Round(0)
	if by := owedBy(group.Schedule, began, began.Add(s.Duration)); by.IsZero() {
		delete(e.owed, s.Group)
	} else {
		e.owed[s.Group] = by
	}
}
