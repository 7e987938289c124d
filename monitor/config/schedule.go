package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is when a group of domains is swept.
type Schedule struct {
	Name string
	// Text is the cron expression or the interval, as written.
	Text string
	// Resolvers is the name of the resolver group.
	Resolvers string
	next      cron.Schedule
	location  *time.Location
	// fixedHour says that the expression names hours, not "every hour" or a step.
	fixedHour bool
}

// namesHour says whether a cron expression asks for certain hours of the day.
func namesHour(expr string) bool {
	if strings.HasPrefix(expr, "@") {
		return expr != "@hourly" && !strings.HasPrefix(expr, "@every")
	}
	fields := strings.Fields(expr)
	return len(fields) > 1 && !strings.ContainsAny(fields[1], "*/")
}

// Next gives the first moment after t at which a sweep is due.
//
// In a zone with daylight saving time, a fixed hour that the clocks skip comes
// at the moment of the jump, and one that comes twice counts once, as Vixie cron has it. robfig/cron alone
// would skip the one and run the other twice.
func (s Schedule) Next(t time.Time) time.Time {
	if s.location == time.UTC || s.location == nil {
		return s.next.Next(t.UTC())
	}
	if !s.fixedHour {
		return s.next.Next(t.In(s.location))
	}
	// Reckon as if every day had 24 hours, and only then ask when that is.
	local := t.In(s.location)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
	for {
		if wall = s.next.Next(wall); wall.IsZero() {
			return wall
		}
		if at := instant(wall, s.location); at.After(t) {
			return at
		}
	}
}

// instant gives the first moment at which the clocks of a place show a time, or,
// if they skip it, the moment of the jump.
func instant(wall time.Time, loc *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, loc)
	began, ends := at.ZoneBounds()
	shown := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
	switch {
	case shown.After(wall):
		return began
	case shown.Before(wall):
		return ends
	}
	if !began.IsZero() {
		// Shortly after the clocks were set back the same time was shown before.
		_, now := at.Zone()
		_, before := began.Add(-time.Second).Zone()
		if earlier := at.Add(-time.Duration(before-now) * time.Second); before > now && earlier.Before(began) {
			return earlier
		}
	}
	return at
}

// parseSchedule reads a cron expression or an interval and refuses what never
// fires or would never stop.
func parseSchedule(expr string, every time.Duration, loc *time.Location) (s cron.Schedule, err error) {
	if every != 0 {
		if every < 10*time.Millisecond {
			return nil, fmt.Errorf("every: %s is too short; at least 10ms", every)
		}
		return interval(every), nil
	}
	if strings.Contains(expr, "TZ=") {
		return nil, fmt.Errorf("write the time zone under timezone:, not into the expression")
	}
	if rest, ok := strings.CutPrefix(strings.TrimSpace(expr), "@every "); ok {
		d, err := time.ParseDuration(rest)
		if err != nil || d < time.Second {
			return nil, fmt.Errorf("@every %s: want a duration of at least 1s, or use every: 250ms for shorter ones", rest)
		}
		return interval(d), nil
	}
	// robfig/cron panics on some malformed expressions.
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, fmt.Errorf("%q is not a cron expression", expr)
		}
	}()
	s, err = cron.ParseStandard(expr)
	if err != nil {
		return nil, fmt.Errorf("%q is not a cron expression (minute hour day month weekday): %w", expr, err)
	}
	if err := checkSteps(expr); err != nil {
		return nil, err
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, loc)).IsZero() {
		return nil, fmt.Errorf("%q never comes: there is no such day", expr)
	}
	return s, nil
}

// interval is a schedule that comes again and again. robfig's own one rounds to
// whole seconds.
type interval time.Duration

// Next is one interval later.
func (i interval) Next(t time.Time) time.Time { return t.Add(time.Duration(i)) }
