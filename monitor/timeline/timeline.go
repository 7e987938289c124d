// Package timeline shows who said what about one record when: a lane for each source, with a bar for each time in which
// it said the same. It is pure; what it is made of comes from the history.
package timeline

import (
	"cmp"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// finest is how many bars a lane has at most; what is finer becomes Mixed.
const finest = 400

// Class says what a bar means.
type Class string

// The classes.
const (
	// Good is what holds now: the baseline or what means the same; before anything is verified what was asked for.
	Good Class = "good"
	// Differs is anything else.
	Differs Class = "differs"
	// Absent is evidence that there is no such record.
	Absent Class = "absent"
	// Failed is no evidence: a timeout, SERVFAIL and the like.
	Failed Class = "failed"
	// Mixed is more than can be shown.
	Mixed Class = "mixed"
)

// Bar is a time in which a source said the same.
type Bar struct {
	From, To time.Time
	Class    Class
	// Content is the index of what it said in Timeline.Contents; -1 if it said nothing.
	Content int
	// Outcome is how its answers ended.
	Outcome resolve.Outcome
}

// Lane is all that one source said.
type Lane struct {
	Source    string
	Authority bool
	Bars      []Bar
}

// Content is one thing that was said.
type Content struct {
	Lines []string
	Class Class
}

// Timeline is one record in a window of time.
type Timeline struct {
	Since, Until time.Time
	// Lanes are sorted by source, the zone's own servers first.
	Lanes []Lane
	// Contents are all that was said, in the order in which it was first heard.
	Contents []Content
}

// Build makes the timeline of one record from its intervals, those that lasted when the window began among them. A bar
// lasts until the next one of its source begins. Good is judged by what holds now: the expectation and the baseline.
func Build(intervals []monitor.Interval, e mailrec.Expectation, baseline rrset.Set, since, until time.Time) Timeline {
	b := builder{Timeline: Timeline{Since: since, Until: until}, expectation: e, baseline: baseline, known: map[rrset.Hash]int{}}
	byTime := slices.Clone(intervals)
	slices.SortStableFunc(byTime, func(a, c monitor.Interval) int { return a.From.Compare(c.From) })
	lanes := map[string]*Lane{}
	for _, iv := range byTime {
		lane := lanes[iv.Source]
		if lane == nil {
			lane = &Lane{Source: iv.Source, Authority: iv.Authority}
			lanes[iv.Source] = lane
		}
		b.add(lane, iv)
	}
	for _, lane := range lanes {
		lane.Bars = coarse(lane.Bars, until.Sub(since)/finest)
		b.Lanes = append(b.Lanes, *lane)
	}
	slices.SortFunc(b.Lanes, func(x, y Lane) int {
		switch {
		case x.Authority != y.Authority && x.Authority:
			return -1
		case x.Authority != y.Authority:
			return 1
		}
		return cmp.Compare(x.Source, y.Source)
	})
	return b.Timeline
}

type builder struct {
	Timeline
	expectation mailrec.Expectation
	baseline    rrset.Set
	known       map[rrset.Hash]int
}

// add appends an interval to its lane, and ends the bar before it.
func (b *builder) add(lane *Lane, iv monitor.Interval) {
	from := iv.From
	if from.Before(b.Since) {
		from = b.Since
	}
	bar := Bar{From: from, To: b.Until, Content: -1, Outcome: iv.Outcome}
	bar.Class = b.class(iv, &bar.Content)
	if n := len(lane.Bars); n > 0 {
		last := &lane.Bars[n-1]
		if last.Class == bar.Class && last.Content == bar.Content && last.Outcome == bar.Outcome {
			return // it goes on
		}
		if !last.From.Before(from) {
			lane.Bars = lane.Bars[:n-1] // over before the window began
		} else {
			last.To = from
		}
	}
	lane.Bars = append(lane.Bars, bar)
}

func (b *builder) class(iv monitor.Interval, content *int) Class {
	switch {
	case iv.Outcome == resolve.NoData || iv.Outcome == resolve.NXDomain:
		return Absent
	case iv.Set.Empty():
		return Failed
	}
	hash := iv.Set.Hash()
	i, ok := b.known[hash]
	if !ok {
		i = len(b.Contents)
		b.known[hash] = i
		b.Contents = append(b.Contents, Content{Lines: iv.Set.Lines(), Class: b.judge(iv.Set)})
	}
	*content = i
	return b.Contents[i].Class
}

func (b *builder) judge(set rrset.Set) Class {
	finding := b.expectation.Check(set)
	if !b.baseline.Empty() {
		finding = b.expectation.Compare(b.baseline, set)
	}
	switch finding.Class {
	case mailrec.Same:
		return Good
	case mailrec.Absent:
		return Absent
	case mailrec.Differs:
	}
	return Differs
}

// coarse puts bars together that are shorter than the resolution and follow each other.
func coarse(bars []Bar, resolution time.Duration) []Bar {
	if len(bars) <= finest {
		return bars
	}
	var out []Bar
	for _, bar := range bars {
		if n := len(out); n > 0 && bar.To.Sub(bar.From) < resolution {
			if last := &out[n-1]; last.To.Sub(last.From) < resolution {
				last.To, last.Class, last.Content = bar.To, Mixed, -1
				continue
			}
		}
		out = append(out, bar)
	}
	return out
}
