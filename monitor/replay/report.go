package replay

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"maildrift/monitor"
)

// Report is the comparison of a whole history.
type Report struct {
	// Since and Until bound the openings of the alerts that are compared.
	Since, Until time.Time
	// Records were judged anew.
	Records int
	Lines   []Line
}

// Add takes the lines of one record into the report, those within its bounds.
func (r *Report) Add(lines []Line) {
	for _, l := range lines {
		if r.holds(l.Opened) || l.Would != nil && r.holds(l.Would.Opened) {
			r.Lines = append(r.Lines, l)
		}
	}
}

func (r *Report) holds(at time.Time) bool {
	return !at.Before(r.Since) && (r.Until.IsZero() || at.Before(r.Until))
}

// Sort puts the lines in order of time, whatever the order of the records was.
func (r *Report) Sort() {
	slices.SortFunc(r.Lines, func(a, b Line) int { return cmp.Or(a.compare(b.Page), cmp.Compare(a.Fate, b.Fate)) })
}

// Count is how many alerts there are of something.
type Count struct {
	// Told were sent, Would be sent under the other rules; Kept counts in both.
	Told, Would int
	Fates       map[Fate]int
}

func (c *Count) add(l Line) {
	if c.Fates == nil {
		c.Fates = map[Fate]int{}
	}
	c.Fates[l.Fate]++
	if l.Told != nil {
		c.Told++
	}
	if l.Would != nil || l.Fate == Kept {
		c.Would++
	}
}

// Tally is a count by a name.
type Tally struct {
	Name string
	Count
}

// Total counts all lines.
func (r *Report) Total() Count {
	var c Count
	for _, l := range r.Lines {
		c.add(l)
	}
	return c
}

// By counts lines by what a function says of each, sorted by that.
func (r *Report) By(of func(Line) string) []Tally {
	counts := map[string]*Count{}
	for _, l := range r.Lines {
		name := of(l)
		if counts[name] == nil {
			counts[name] = &Count{}
		}
		counts[name].add(l)
	}
	var out []Tally
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, Tally{name, *counts[name]})
	}
	return out
}

// Alert gives the name of a line's alert, for By.
func Alert(l Line) string { return string(l.Name) }

// KeptOf makes lines of what was told about records that history no longer knows.
func KeptOf(told []Told) []Line {
	var lines []Line
	for _, t := range told {
		lines = append(lines, Line{Fate: Kept, Page: t.Page, Told: &t, Severity: t.Severity})
	}
	return lines
}

// Pauses gives the pauses of a domain's records that people made, from the audit trail in order of time, and
// those that still last.
func Pauses(audit []monitor.Audit, lasting []monitor.Pause) []monitor.Pause {
	var out []monitor.Pause
	known := map[int64]bool{}
	for _, p := range lasting {
		known[p.Since.UnixNano()] = true
	}
	for i, a := range audit {
		if a.Action != "pause" || known[a.At.UnixNano()] {
			continue
		}
		until, ok := pausedUntil(a)
		for _, later := range audit[i+1:] {
			if (later.Action == "resume" || later.Action == "pause") && later.Domain == a.Domain && later.Record == a.Record && later.At.Before(until) {
				until = later.At
			}
		}
		if ok {
			out = append(out, monitor.Pause{Record: a.Record, Since: a.At, Until: until})
		}
	}
	return append(out, lasting...)
}

// pausedUntil reads the end of a pause in its entry of the audit trail.
func pausedUntil(a monitor.Audit) (time.Time, bool) {
	const before = "until "
	if len(a.Detail) < len(before) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, a.Detail[len(before):])
	return t, err == nil
}
