package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/timeline"
	"maildrift/monitor/web/wire"
)

const (
	// timelineWindow is what a timeline shows if nobody says.
	timelineWindow = 7 * 24 * time.Hour
	// answersInTimeline bounds how many answers are read for one.
	answersInTimeline = 50_000
)

type timelineInput struct {
	Name  string `path:"name" doc:"Domain name, as A-labels or U-labels"`
	Key   string `path:"key" doc:"Key of the record"`
	Since string `query:"since" doc:"From then on: RFC 3339, a date, or how long ago (90m, 7d); 7 days if not given"`
	Until string `query:"until" doc:"Before then, written alike; now if not given"`
}

func (s *site) timelineOperations(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/domains/{name}/records/{key}/timeline", "get-timeline",
		"Who said what about a record when, a lane for each source", 404, 422),
		func(ctx context.Context, in *timelineInput) (*answer[wire.Timeline], error) {
			name, err := pathName(in.Name)
			if err != nil {
				return nil, err
			}
			since, until, err := s.window(in.Since, in.Until)
			if err != nil {
				return nil, err
			}
			out, err := s.timeline(ctx, name, in.Key, since, until)
			return &answer[wire.Timeline]{out}, err
		})
}

// window reads a window of time.
func (s *site) window(since, until string) (from, to time.Time, err error) {
	now := s.Now()
	if from, err = ParseMoment(since, now); err != nil {
		return from, to, badParameter("query.since", err)
	}
	if to, err = ParseMoment(until, now); err != nil {
		return from, to, badParameter("query.until", err)
	}
	if to.IsZero() {
		to = now
	}
	if from.IsZero() {
		from = to.Add(-timelineWindow)
	}
	if !from.Before(to) {
		return from, to, huma.Error422UnprocessableEntity("since must be before until")
	}
	return from, to, nil
}

func (s *site) timeline(ctx context.Context, name rrset.Name, key string, since, until time.Time) (wire.Timeline, error) {
	x := s.index.current()
	d, ok := x.find(name)
	if !ok {
		return wire.Timeline{}, notRegistered(name)
	}
	r, ok := d.Record(key)
	state := x.snap.States.Get(monitor.RecordID{Domain: name, Key: key})
	if !ok || state == nil {
		return wire.Timeline{}, huma.Error404NotFound("domain " + string(name) + " has no record with that key")
	}
	answers, err := s.History.Intervals(ctx, Query{Domain: name, Record: key, Since: since, Until: until, Lasting: true, Limit: answersInTimeline})
	if err != nil {
		return wire.Timeline{}, s.problem("read the history of "+string(name), err)
	}
	return wire.TimelineOf(name, key, timeline.Build(answers, r.Expectation, state.Baseline, since, until)), nil
}
