package web

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// domainPage is all about one domain.
type domainPage struct {
	page
	Domain   wire.Domain
	Matrix   matrix
	Timeline *timelineView
	History  []wire.Transition
	// More says that there is more history than shown.
	More bool
	// By is who used the forms last in this browser. Done says what was done, Problem why it was not.
	By, Done, Problem string
	// CanSilence says whether there is somebody to silence.
	CanSilence bool
}

func (s *site) domainPage(r *http.Request) (any, error) {
	name, err := rrset.ParseName(r.PathValue("name"))
	if err != nil {
		return nil, huma.Error404NotFound(err.Error())
	}
	x := s.index.current()
	d, ok := x.find(name)
	if !ok {
		return nil, notRegistered(name)
	}
	q := Query{Domain: name, Limit: historyOnPage + 1, Newest: true}
	history, err := s.History.Transitions(r.Context(), q)
	if err != nil {
		return nil, s.problem("read the history of "+string(name), err)
	}
	out := domainPage{
		page: s.page(string(name), "overview"), Domain: wire.DomainOf(x.snap, d), More: len(history) > historyOnPage,
		By: rememberedName(r), Done: doneWords(r.URL.Query().Get("done")), CanSilence: s.Alertmanager != nil,
	}
	out.History = each(history[:min(len(history), historyOnPage)], wire.TransitionOf)
	out.Matrix = matrixOf(out.Domain)
	out.Timeline, err = s.timelineOf(r, out.Domain)
	return out, err
}
