package wire

import (
	"time"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/timeline"
)

// Timeline is who said what about one record when.
type Timeline struct {
	Domain   rrset.Name `json:"domain"`
	Record   string     `json:"record"`
	Since    time.Time  `json:"since"`
	Until    time.Time  `json:"until"`
	Lanes    []Lane     `json:"lanes" nullable:"false" doc:"One for each source, the zone's own servers first"`
	Contents []Content  `json:"contents" nullable:"false" doc:"All that was said, in the order in which it was first heard"`
}

// Lane is all that one source said.
type Lane struct {
	Source    string `json:"source"`
	Authority bool   `json:"authority,omitempty"`
	Bars      []Bar  `json:"bars" nullable:"false"`
}

// Bar is a time in which a source said the same.
type Bar struct {
	From    time.Time       `json:"from"`
	To      time.Time       `json:"to"`
	Class   timeline.Class  `json:"class" enum:"good,differs,absent,failed,mixed" doc:"good is what holds now; mixed is more than can be shown"`
	Content *int            `json:"content,omitempty" doc:"Index in contents; absent if nothing was said"`
	Outcome resolve.Outcome `json:"outcome"`
}

// Content is one thing that was said.
type Content struct {
	Lines []string       `json:"lines" nullable:"false"`
	Class timeline.Class `json:"class" enum:"good,differs,absent"`
}

// TimelineOf gives the timeline of a record.
func TimelineOf(domain rrset.Name, record string, t timeline.Timeline) Timeline {
	out := Timeline{Domain: domain, Record: record, Since: t.Since.UTC(), Until: t.Until.UTC(), Lanes: []Lane{}, Contents: []Content{}}
	for _, l := range t.Lanes {
		lane := Lane{Source: printable(l.Source), Authority: l.Authority, Bars: []Bar{}}
		for _, b := range l.Bars {
			bar := Bar{From: b.From.UTC(), To: b.To.UTC(), Class: b.Class, Outcome: b.Outcome}
			if content := b.Content; content >= 0 {
				bar.Content = &content
			}
			lane.Bars = append(lane.Bars, bar)
		}
		out.Lanes = append(out.Lanes, lane)
	}
	for _, c := range t.Contents {
		out.Contents = append(out.Contents, Content{Lines: append([]string{}, c.Lines...), Class: c.Class})
	}
	return out
}
