package web

import (
	"net/http"
	"net/url"
	"slices"

	"maildrift/monitor/web/wire"
)

// overviewPage is the start page.
type overviewPage struct {
	page
	Status wire.Status
	// Incidents are the worst; Hidden is how many more there are.
	Incidents []wire.Incident
	Hidden    int
	Standings []wire.Standing
	Services  []string
	Schedules []string
	Labels    []string
	Query     pageQuery
	Domains   wire.Page
}

// pageQuery is what is searched for, as the form sent it.
type pageQuery struct{ Text, Standing, Service, Schedule, Label, Cursor string }

// Filtered says whether anything narrows the list down.
func (q pageQuery) Filtered() bool {
	q.Cursor = ""
	return q != pageQuery{}
}

// Href leads to the same list from another place on.
func (q pageQuery) Href(cursor string) string {
	v := url.Values{}
	for name, value := range map[string]string{
		"q": q.Text, "standing": q.Standing, "service": q.Service, "schedule": q.Schedule, "label": q.Label, "cursor": cursor,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return "/?" + v.Encode() + "#domains"
}

func (s *site) overviewPage(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := pageQuery{
		Text: v.Get("q"), Standing: v.Get("standing"), Service: v.Get("service"), Schedule: v.Get("schedule"), Label: v.Get("label"), Cursor: v.Get("cursor"),
	}
	x := s.index.current()
	out := overviewPage{
		page: s.page(r.Context(), "maildrift", "overview"), Status: s.status(x), Standings: worstFirst(),
		Services: x.services, Schedules: x.schedules, Labels: x.labels, Query: q,
		Domains: x.list(filter{text: q.Text, standing: q.Standing, service: q.Service, schedule: q.Schedule, label: q.Label}, q.Cursor, domainsOnPage),
	}
	open := bySeverity(x.snap.Open)
	out.Hidden = max(len(open)-incidentsOnPage, 0)
	for _, i := range open[:len(open)-out.Hidden] {
		out.Incidents = append(out.Incidents, wire.IncidentOf(i))
	}
	return out, nil
}

// worstFirst gives the standings in the order in which people want to know them.
func worstFirst() []wire.Standing {
	all := wire.Standings()
	slices.Reverse(all)
	return all
}
