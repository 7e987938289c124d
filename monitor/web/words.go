package web

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// words are what the templates say things with.
func words(now func() time.Time) template.FuncMap {
	return template.FuncMap{
		// text makes any string harmless to read: control and bidirectional characters are
		// escaped, HTML is the template's business.
		"text":      func(s any) string { return rrset.Printable(fmt.Append(nil, s)) },
		"field":     field,
		"clock":     clock,
		"stamp":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ago":       func(t time.Time) string { return ago(now(), t) },
		"alert":     alertWords,
		"impact":    impactWords,
		"unseen":    unseenWords,
		"stage":     stageWords,
		"position":  positionWords,
		"operation": operationWords,
		"took":      func(d time.Duration) string { return d.Round(time.Millisecond).String() },
		"count":     func(m map[string]int, s wire.Standing) int { return m[s.String()] },
		"said":      said,
		"mark":      standMark,
		"past":      func(t time.Time) bool { return t.Before(now()) },
		"left":      func(t time.Time) string { return left(now(), t) },
		"spreading": spreading,
		"marked":    marked,
		"last":      func(bars []barView) []barView { return bars[max(len(bars)-1, 0):] },
		"share":     share,
		"atMost":    atMost,
		"seconds":   func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) },
		"chart":     func(id, unit string, columns []string, rows []chartRow) chart { return chart{id, unit, columns, rows} },
		"one": func(n int, singular, plural string) string {
			if n == 1 {
				return "1 " + singular
			}
			return fmt.Sprintf("%d %s", n, plural)
		},
	}
}

// field gives what a form is filled in with, as it was, but for characters that nobody would type and that could make
// it look like something else.
func field(v any) string {
	return strings.Map(func(r rune) rune {
		if one := string(r); r != '\n' && rrset.Printable([]byte(one)) != one {
			return -1
		}
		return r
	}, fmt.Sprint(v))
}

// chart is a table that is also drawn.
type chart struct {
	ID, Unit string
	Columns  []string
	Rows     []chartRow
}

// standMark is a stand as one sign.
func standMark(s judge.Stand) string {
	switch s {
	case judge.Good:
		return "✓"
	case judge.Differs, judge.Bogus:
		return "≠"
	case judge.Absent:
		return "✗"
	case judge.Unheard, judge.Abstains:
	}
	return "?"
}

// left says how long it is until then.
func left(now, t time.Time) string {
	if !t.After(now) {
		return "over"
	}
	return roughly(t.Sub(now))
}

// spreading says whether it is worth showing how far a record has come.
func spreading(r wire.Record) bool {
	return r.Spread.Operators > 0 && (r.Standing != wire.Holding || r.Stage != judge.NoStage || r.Change != nil || r.Suspicion != nil)
}

// share is a part in percent, which a narrow column does not part from its sign.
func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + "\u00a0%"
}

// atMost is the upper bound of a latency.
func atMost(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "≤\u00a0" + d.String()
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// ago says how long before or after now a time is, as people do.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return "in " + roughly(-d)
	}
	return roughly(d) + " ago"
}

func roughly(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// alertWords says what an alert is about.
func alertWords(name monitor.AlertName) string {
	switch name {
	case monitor.AlertMissing:
		return "is missing"
	case monitor.AlertDrifted:
		return "says something else"
	case monitor.AlertAtRisk:
		return "stands on something that fails"
	case monitor.AlertDisagreement:
		return "is not the same everywhere"
	case monitor.AlertOverdue:
		return "has still not appeared"
	case monitor.AlertChangeNotMade:
		return "was to change and has not"
	case monitor.AlertCause:
		return "makes many records go wrong"
	case monitor.AlertBlind:
		return "maildrift cannot see"
	case monitor.AlertQuarantined:
		return "a resolver has no vote"
	case monitor.AlertWatchdog:
	}
	return string(name)
}

// impactWords says what receivers do.
func impactWords(i mailrec.Impact) string {
	switch i {
	case mailrec.None:
		return "receivers see no difference"
	case mailrec.Weakened:
		return "mail is delivered, but protection is lost"
	case mailrec.Degraded:
		return "some mail suffers at some receivers"
	case mailrec.Rejected:
		return "receivers refuse mail"
	}
	return i.String()
}

// unseenWords stands in for what is seen where no data of its own is kept.
func unseenWords(s wire.Standing) string {
	switch s {
	case wire.Holding:
		return "as verified"
	case wire.Blind:
		return "as verified when it was last heard"
	case wire.Pending, wire.Overdue:
		return "not seen as expected yet"
	case wire.Disagreeing:
		return "not the same everywhere; see who says what"
	case wire.Drifted, wire.Missing:
	}
	return "nothing"
}

// severity orders alerts: the monitor's own blindness before all, since it makes all
// other words unsure.
func severity(name monitor.AlertName) int {
	order := []monitor.AlertName{
		monitor.AlertBlind, monitor.AlertMissing, monitor.AlertDrifted, monitor.AlertDisagreement, monitor.AlertAtRisk, monitor.AlertOverdue,
		monitor.AlertQuarantined,
	}
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

// bySeverity gives incidents with the worst impact and alert first; those alike as they were
// opened.
func bySeverity(open []monitor.Incident) []monitor.Incident {
	out := slices.Clone(open)
	slices.SortStableFunc(out, func(a, b monitor.Incident) int {
		blind := func(i monitor.Incident) int { return min(severity(i.Name), 1) }
		return cmp.Or(cmp.Compare(blind(a), blind(b)), cmp.Compare(b.Impact, a.Impact), cmp.Compare(severity(a.Name), severity(b.Name)))
	})
	return out
}

// stageWords says how far a change has come; empty if nothing changes.
func stageWords(s judge.Stage) string {
	switch s {
	case judge.NoStage:
		return ""
	case judge.AtAuthority:
		return "changed at the zone's own servers; caches still hold the old record"
	case judge.AtReceivers:
		return "seen by receivers"
	case judge.Recovering:
		return "mended at the zone's own servers; caches follow"
	}
	return s.String()
}

// positionWords says in a word where a record stood.
func positionWords(p judge.Position) string {
	if p.Phase != judge.Verified {
		return p.Phase.String()
	}
	if p.Stage == judge.NoStage {
		return p.Verdict.String()
	}
	return p.Verdict.String() + " (" + p.Stage.String() + ")"
}

// operationWords reads the sign of a change.
func operationWords(op string) string {
	switch op {
	case "+":
		return "added"
	case "-":
		return "removed"
	}
	return "changed"
}

// said gives what a source answered, in a line.
func said(v monitor.SourceVote) string {
	if len(v.Lines) > 0 {
		return strings.Join(v.Lines, " | ")
	}
	text := v.Outcome.String()
	if v.Detail != "" {
		text += ": " + v.Detail
	}
	for _, e := range v.EDE {
		text += fmt.Sprintf("; EDE %d", e.Code)
		if e.Text != "" {
			text += " " + e.Text
		}
	}
	return text
}
