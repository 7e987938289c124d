package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/health"
	"maildrift/monitor/web/wire"
)

const (
	// sweepsOnPage is how many sweeps are shown and drawn.
	sweepsOnPage = 200
	// noticesOnPage is how many messages to receivers are shown.
	noticesOnPage = 100
	// firingOnPage is how many incidents are shown.
	firingOnPage = 500
)

// resolversPage is how resolvers are.
type resolversPage struct {
	page
	Resolvers []resolverView
	// Authority sums up the zones' own servers; nil if none was asked.
	Authority *health.Source
	// Latency and Loss are to be drawn: a line for each quarter of an hour, a column for each source.
	Sources       []string
	Latency, Loss []chartRow
}

type resolverView struct {
	wire.Resolver
	Health *health.Source
	// Dissent is how it contradicts the others alone; nil if it does not.
	Dissent *monitor.Dissenter
}

// chartRow is a point in time of a chart. A value that is not known is empty.
type chartRow struct {
	At     time.Time
	Values []string
}

func (s *site) resolversPage(r *http.Request) (any, error) {
	out := resolversPage{page: s.page(r.Context(), "Resolvers", "resolvers")}
	snap := s.index.current().snap
	known := s.Health()
	by := map[string]*health.Source{}
	for i := range known {
		by[known[i].ID] = &known[i]
	}
	out.Authority = by[health.Authority]
	var drawn []*health.Source
	for _, source := range snap.Sources {
		v := resolverView{Resolver: wire.ResolverOf(source, snap.Self), Health: by[source.ID]}
		if d, ok := snap.Self.Dissenters[source.Operator]; ok && d.Sweeps > 0 {
			v.Dissent = &d
		}
		out.Resolvers = append(out.Resolvers, v)
		if v.Health != nil {
			out.Sources = append(out.Sources, source.ID)
			drawn = append(drawn, v.Health)
		}
	}
	out.Latency = chartOf(drawn, func(s health.Slot) string {
		if s.Median == 0 {
			return ""
		}
		return strconv.FormatFloat(float64(s.Median)/float64(time.Millisecond), 'f', -1, 64)
	})
	out.Loss = chartOf(drawn, func(s health.Slot) string {
		if s.Asked == 0 { // all were withheld
			return ""
		}
		return strconv.FormatFloat(100*float64(s.Lost)/float64(s.Asked), 'f', 1, 64)
	})
	return out, nil
}

// chartOf puts the slots of sources side by side.
func chartOf(sources []*health.Source, value func(health.Slot) string) []chartRow {
	rows := map[int64][]string{}
	for i, source := range sources {
		for _, slot := range source.Slots {
			at := slot.Start.Unix()
			if rows[at] == nil {
				rows[at] = make([]string, len(sources))
			}
			rows[at][i] = value(slot)
		}
	}
	out := make([]chartRow, 0, len(rows))
	for at, values := range rows {
		out = append(out, chartRow{time.Unix(at, 0).UTC(), values})
	}
	slices.SortFunc(out, func(a, b chartRow) int { return a.At.Compare(b.At) })
	return out
}

// sweepsPage is how sweeps went.
type sweepsPage struct {
	page
	Groups []wire.Group
	// Sweeps are the last ones, the newest first.
	Sweeps []monitor.SweepSummary
	// Now is when the page was made.
	Now time.Time
}

func (s *site) sweepsPage(r *http.Request) (any, error) {
	sweeps, err := s.History.Sweeps(r.Context(), Query{Newest: true, Limit: sweepsOnPage})
	if err != nil {
		return nil, s.problem("read the sweeps", err)
	}
	return sweepsPage{page: s.page(r.Context(), "Sweeps", "sweeps"), Groups: s.status(s.index.current()).Groups, Sweeps: each(sweeps, wire.SweepOf), Now: s.Now()}, nil
}

// historyPage is what has happened lately to all domains, and what people did.
type historyPage struct {
	page
	Transitions []wire.Transition
	Audit       []wire.Audit
}

func (s *site) historyPage(r *http.Request) (any, error) {
	q := Query{Newest: true, Limit: historyOnPage}
	transitions, err := s.History.Transitions(r.Context(), q)
	if err != nil {
		return nil, s.problem("read the history", err)
	}
	audit, err := s.History.Audit(r.Context(), q)
	if err != nil {
		return nil, s.problem("read the audit trail", err)
	}
	return historyPage{page: s.page(r.Context(), "History", "history"), Transitions: each(transitions, wire.TransitionOf), Audit: each(audit, wire.AuditOf)}, nil
}

// alertsPage is what fires, what is silenced, and who was told.
type alertsPage struct {
	page
	Incidents []wire.Incident
	Hidden    int
	Silences  []silenceView
	// NoSilences says why the silences are not known; empty if they are.
	NoSilences string
	Receivers  []wire.Receiver
	Notices    []wire.Notice
	By, Done   string
}

func (s *site) alertsPage(r *http.Request) (any, error) {
	out := alertsPage{
		page: s.page(r.Context(), "Alerts", "alerts"), Receivers: s.Receivers(), By: rememberedName(r), Done: doneWords(r.URL.Query().Get("done")),
	}
	open := bySeverity(s.index.current().snap.Open)
	out.Hidden = max(len(open)-firingOnPage, 0)
	silences, err := s.silences(r)
	if err != nil {
		out.NoSilences = err.Error()
	}
	out.Silences = silences
	for _, i := range open[:len(open)-out.Hidden] {
		out.Incidents = append(out.Incidents, wire.IncidentOf(i))
	}
	notices, err := s.History.Notices(r.Context(), Query{Newest: true, Limit: noticesOnPage})
	if err != nil {
		return nil, s.problem("read who was told", err)
	}
	out.Notices = each(notices, wire.NoticeOf)
	slices.SortFunc(out.Silences, func(a, b silenceView) int { return cmp.Compare(a.EndsAt.Unix(), b.EndsAt.Unix()) })
	return out, nil
}
