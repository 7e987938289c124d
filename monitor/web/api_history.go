package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// historyInput says which part of the history is wanted. Huma does not look into embedded
// structs that are not exported, so sweepsInput repeats some of it.
type historyInput struct {
	Domain string `query:"domain" doc:"Only of this domain, registered or not"`
	Record string `query:"record" doc:"Only of the record with this key; needs domain"`
	Since  string `query:"since" doc:"From then on: RFC 3339, a date, or how long ago (90m, 7d)"`
	Until  string `query:"until" doc:"Before then, written alike"`
	Order  string `query:"order" enum:"newest,oldest" default:"newest" doc:"Which comes first; the limit cuts the others"`
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"Most rows to give; rows of one moment are never torn apart, so a few more may come"`
}

type sweepsInput struct {
	Since string `query:"since" doc:"From then on: RFC 3339, a date, or how long ago (90m, 7d)"`
	Until string `query:"until" doc:"Before then, written alike"`
	Order string `query:"order" enum:"newest,oldest" default:"newest" doc:"Which comes first; the limit cuts the others"`
	Limit int    `query:"limit" minimum:"1" maximum:"10000" default:"100" doc:"Most rows to give; rows of one moment are never torn apart, so a few more may come"`
}

// historyOperations show what was kept.
func (s *site) historyOperations(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/history", "list-transitions", "What happened to records, with the votes that made it", 422),
		func(ctx context.Context, in *historyInput) (*answer[wire.Transitions], error) {
			rows, more, err := ask(ctx, s, in, s.History.Transitions, func(t monitor.Transition) time.Time { return t.At })
			return &answer[wire.Transitions]{wire.Transitions{Transitions: each(rows, wire.TransitionOf), More: more}}, err
		})
	huma.Register(api, operation(http.MethodGet, "/intervals", "list-intervals", "From when each source gave which answer", 422),
		func(ctx context.Context, in *historyInput) (*answer[wire.Intervals], error) {
			rows, more, err := ask(ctx, s, in, s.History.Intervals, func(i monitor.Interval) time.Time { return i.From })
			return &answer[wire.Intervals]{wire.Intervals{Intervals: each(rows, wire.IntervalOf), More: more}}, err
		})
	huma.Register(api, operation(http.MethodGet, "/audit", "list-audit", "What people did: who, when, what, why", 422),
		func(ctx context.Context, in *historyInput) (*answer[wire.Audits], error) {
			rows, more, err := ask(ctx, s, in, s.History.Audit, func(a monitor.Audit) time.Time { return a.At })
			return &answer[wire.Audits]{wire.Audits{Audit: each(rows, wire.AuditOf), More: more}}, err
		})
	huma.Register(api, operation(http.MethodGet, "/notices", "list-notices", "What receivers of alerts were told, and what they answered", 422),
		func(ctx context.Context, in *historyInput) (*answer[wire.Notices], error) {
			rows, more, err := ask(ctx, s, in, s.History.Notices, func(n monitor.Notice) time.Time { return n.At })
			return &answer[wire.Notices]{wire.Notices{Notices: each(rows, wire.NoticeOf), More: more}}, err
		})
	huma.Register(api, operation(http.MethodGet, "/sweeps", "list-sweeps", "Sweeps in numbers", 422),
		func(ctx context.Context, in *sweepsInput) (*answer[wire.Sweeps], error) {
			rows, more, err := ask(ctx, s, &historyInput{Since: in.Since, Until: in.Until, Order: in.Order, Limit: in.Limit}, s.History.Sweeps, func(w monitor.SweepSummary) time.Time { return w.Started })
			return &answer[wire.Sweeps]{wire.Sweeps{Sweeps: each(rows, wire.SweepOf), More: more}}, err
		})
}

// ask reads the part of the history that a request wants.
func ask[T any](ctx context.Context, s *site, in *historyInput,
	read func(context.Context, Query) ([]T, error), at func(T) time.Time,
) ([]T, time.Time, error) {
	q, err := in.query(s.Now())
	if err != nil {
		return nil, time.Time{}, err
	}
	rows, more, err := readPart(ctx, q, read, at)
	return rows, more.UTC(), s.problem("read the history", err)
}

func (in *historyInput) query(now time.Time) (Query, error) {
	q := Query{Record: in.Record, Limit: in.Limit, Newest: in.Order != "oldest"}
	var err error
	if in.Domain != "" {
		if q.Domain, err = rrset.ParseName(in.Domain); err != nil {
			return q, badParameter("query.domain", err)
		}
	}
	if in.Record != "" && in.Domain == "" {
		return q, huma.Error422UnprocessableEntity("record needs domain: keys of records are unique within a domain only")
	}
	if q.Since, err = ParseMoment(in.Since, now); err != nil {
		return q, badParameter("query.since", err)
	}
	if q.Until, err = ParseMoment(in.Until, now); err != nil {
		return q, badParameter("query.until", err)
	}
	return q, nil
}

// readPart reads up to about q.Limit rows, cut between two moments: all
// transitions of a sweep may have the same time, and a page that ended among them could not
// be continued. The second result is where to go on, zero at the end.
func readPart[T any](ctx context.Context, q Query, read func(context.Context, Query) ([]T, error), at func(T) time.Time) ([]T, time.Time, error) {
	limit := max(q.Limit, 1)
	for {
		q.Limit = limit + 1
		rows, err := read(ctx, q)
		if err != nil || len(rows) <= limit {
			return rows, time.Time{}, err
		}
		cut := limit
		for cut > 0 && at(rows[cut-1]).Equal(at(rows[limit])) {
			cut--
		}
		switch {
		case cut == 0:
			limit *= 2
		case q.Newest:
			return rows[:cut], at(rows[cut-1]), nil
		default:
			return rows[:cut], at(rows[cut]), nil
		}
	}
}

// each turns every row; the result is never nil, so that JSON has a list.
func each[T, U any](rows []T, turn func(T) U) []U {
	out := make([]U, 0, len(rows))
	for _, row := range rows {
		out = append(out, turn(row))
	}
	return out
}
