package pace

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// usual are the intervals that people choose, in minutes.
var usual = [...]int{1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440}

// maxNamed is how many parties a sentence names.
const maxNamed = 3

// Helps says what would make sweeps fit that do not, each in one sentence with its setting. It is empty if they fit.
func (e Estimate) Helps() []string {
	if e.Fits() {
		return nil
	}
	var out []string
	for _, help := range []string{e.sparing(), e.faster(), e.rarer(), e.own()} {
		if help != "" {
			out = append(out, help)
		}
	}
	return out
}

// with gives the estimate of a load with something changed.
func (e Estimate) with(change func(*Load)) Estimate {
	l := e.Load
	change(&l)
	return l.Estimate()
}

// sparing says what pace ttl would bring where it is not in force, or what longer TTLs would where it is.
func (e Estimate) sparing() string {
	if e.Pace == TTL {
		return e.longerTTLs()
	}
	spared := e.with(func(l *Load) { l.Policy = TTL })
	switch {
	case spared.Fits():
		return fmt.Sprintf("spare resolvers what they can only answer from their caches (asking.pace: ttl): then a sweep takes %s", Span(spared.Takes))
	case spared.Over < e.Over:
		return fmt.Sprintf("spare resolvers what they can only answer from their caches (asking.pace: ttl): then a sweep takes %s, which does not fit alone", Span(spared.Takes))
	}
	return ""
}

// longerTTLs says from which TTL on a sweep would fit.
func (e Estimate) longerTTLs() string {
	for _, minutes := range usual {
		ttl := time.Duration(minutes) * time.Minute
		longer := e.with(func(l *Load) { l.TTLs = map[uint32]int{uint32(ttl.Seconds()): 1} })
		if longer.Over < e.Over && longer.Fits() {
			return fmt.Sprintf("publish the records with a TTL of %s or more: then a sweep takes %s", Span(ttl), Span(longer.Takes))
		}
	}
	return ""
}

// faster says which rates would do.
func (e Estimate) faster() string {
	var names []string
	var same, needed float64
	for _, d := range e.Duties {
		if d.Of <= 1 {
			continue
		}
		names = append(names, d.Name)
		same, needed = d.Rate, max(needed, d.RateToFit(e.Interval))
		if len(names) > 1 && d.Rate != e.Duties[0].Rate {
			same = 0
		}
	}
	now := "their rates"
	if same > 0 {
		now = rate(same)
	}
	return fmt.Sprintf("allow %s a second instead of %s (rate in resolvers.list, or asking.rate for those that name none) for %s, if they put up with it", grouped(int(needed), "question"), now, some(names))
}

// rarer says in which interval a sweep would be done. The rarer the sweeps, the more answers have ended.
func (e Estimate) rarer() string {
	for _, minutes := range usual {
		interval := time.Duration(minutes) * time.Minute
		rarer := e.with(func(l *Load) { l.Interval, l.Daily = interval, 0 })
		if interval > e.Interval && rarer.Fits() {
			return fmt.Sprintf("sweep every %s (schedules): then a sweep takes %s", Span(interval), Span(rarer.Takes))
		}
	}
	return ""
}

// own says how fast resolvers of one's own would have to be, if others' resolvers are the slow ones.
func (e Estimate) own() string {
	needed := 0.0
	for _, d := range e.Duties {
		if d.Of > 1 && d.Questions > 0 {
			needed = max(needed, d.RateToFit(e.Interval))
		}
	}
	if needed == 0 {
		return ""
	}
	return fmt.Sprintf("ask two or more resolvers of your own, which nobody limits, about most domains (resolvers.list with rate: %s or more, resolvers.groups, schedules)", number(needed))
}

// RateToFit gives the questions a second that the party would have to be allowed for its part to fit into an interval.
func (d Duty) RateToFit(interval time.Duration) float64 {
	return math.Ceil(float64(d.Asked) / interval.Seconds())
}

// some names the first of many.
func some(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	if n := len(names) - 1; n > 0 {
		return strings.Join(names[:n], ", ") + " and " + names[n]
	}
	return strings.Join(names, "")
}
