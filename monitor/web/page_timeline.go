package web

import (
	"net/http"
	"net/url"
	"time"

	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// timelineScale is how many units wide a timeline is drawn; the browser stretches it.
const timelineScale = 1000

// timelineView is a timeline as it is drawn.
type timelineView struct {
	wire.Timeline
	Records []string
	Links   []timelineLink
	Lanes   []laneView
	// Marks are the changes in the window.
	Marks []markView
}

// timelineLink leads to another window.
type timelineLink struct {
	Text, Href string
	Current    bool
}

type laneView struct {
	Source    string
	Authority bool
	Bars      []barView
}

type barView struct {
	X, Width float64
	Class    string
	Bar      wire.Bar
	Lines    []string
}

type markView struct {
	X          float64
	Transition wire.Transition
}

// timelineOf draws the timeline that a request asks for, by default that of the record in the worst state.
func (s *site) timelineOf(r *http.Request, d wire.Domain) (*timelineView, error) {
	if len(d.Records) == 0 {
		return nil, nil //nolint:nilnil // without records there is none
	}
	v := r.URL.Query()
	since, until, err := s.window(v.Get("since"), v.Get("until"))
	if err != nil {
		return nil, err
	}
	if begun := d.Registered; v.Get("since") == "" && begun.After(since) && begun.Before(until) {
		since = begun // there was nothing before
	}
	out := &timelineView{}
	worst := d.Records[0]
	for _, rec := range d.Records {
		out.Records = append(out.Records, rec.Key)
		if rec.Standing > worst.Standing {
			worst = rec
		}
	}
	key := worst.Key
	if v.Get("record") != "" {
		key = v.Get("record")
	}
	if out.Timeline, err = s.timeline(r.Context(), d.Name, key, since, until); err != nil {
		return nil, err
	}
	out.Links = timelineLinks(d.Name, key, since, until, s.Now(), v.Get("since"), v.Get("until"))
	out.draw()
	return out, s.mark(r, out)
}

// draw works out where bars begin and how wide they are.
func (t *timelineView) draw() {
	for _, lane := range t.Timeline.Lanes {
		view := laneView{Source: lane.Source, Authority: lane.Authority}
		for _, bar := range lane.Bars {
			b := barView{X: t.x(bar.From), Class: string(bar.Class), Bar: bar}
			// What lasts only a moment is still to be seen.
			b.Width = max(t.x(bar.To)-b.X, 2)
			if bar.Content != nil {
				b.Lines = t.Contents[*bar.Content].Lines
			}
			view.Bars = append(view.Bars, b)
		}
		t.Lanes = append(t.Lanes, view)
	}
}

func (t *timelineView) x(at time.Time) float64 {
	return timelineScale * float64(at.Sub(t.Since)) / float64(t.Until.Sub(t.Since))
}

// mark adds the changes of the record.
func (s *site) mark(r *http.Request, t *timelineView) error {
	rows, err := s.History.Transitions(r.Context(), Query{
		Domain: t.Domain, Record: t.Record, Since: t.Since, Until: t.Until, Newest: true, Limit: historyOnPage,
	})
	for _, row := range rows {
		t.Marks = append(t.Marks, markView{X: t.x(row.At), Transition: wire.TransitionOf(row)})
	}
	return s.problem("read the history of "+string(t.Domain), err)
}

// timelineLinks lead to other windows: ranges that end now, and the same one wider, narrower, earlier and later.
func timelineLinks(name rrset.Name, key string, since, until, now time.Time, askedSince, askedUntil string) []timelineLink {
	link := func(text, from, to string) timelineLink {
		q := url.Values{"record": {key}, "since": {from}}
		if to != "" {
			q.Set("until", to)
		}
		return timelineLink{Text: text, Href: "/domains/" + url.PathEscape(string(name)) + "?" + q.Encode() + "#timeline", Current: from == askedSince && to == askedUntil}
	}
	stamp := func(t time.Time) string {
		if t.After(now) {
			t = now
		}
		return t.UTC().Format(time.RFC3339)
	}
	var out []timelineLink
	for _, r := range [][2]string{{"day", "1d"}, {"week", "7d"}, {"month", "30d"}, {"year", "1y"}, {"5 years", "5y"}} {
		out = append(out, link(r[0], r[1], ""))
	}
	span := until.Sub(since)
	return append(out,
		link("earlier", stamp(since.Add(-span/2)), stamp(until.Add(-span/2))),
		link("later", stamp(earliest(since.Add(span/2), now.Add(-span))), stamp(until.Add(span/2))),
		link("closer", stamp(since.Add(span/4)), stamp(until.Add(-span/4))),
		link("wider", stamp(since.Add(-span/2)), stamp(until.Add(span/2))))
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
