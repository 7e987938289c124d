package web

import (
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
	"maildrift/monitor/web/wire"
)

// domainPage is all about one domain.
type domainPage struct {
	page
	Domain wire.Domain
	Matrix matrix
	// Behind is what receivers do that see other records than most.
	Behind   []behind
	Timeline *timelineView
	History  []wire.Transition
	// More says that there is more history than shown.
	More bool
	// By is who used the forms last in this browser. Done says what was done, Problem why it was not.
	By, Done, Problem string
	// CanSilence says whether there is somebody to silence.
	CanSilence bool
	// CanDiagnose says whether somebody can look closer.
	CanDiagnose bool
}

// behind is what receivers do behind operators that see alike.
type behind struct {
	Operators string
	Rulings   []verdict.Ruling
}

// behindOf puts operators together behind which receivers do the same.
func behindOf(by map[string][]verdict.Ruling) []behind {
	var out []behind
	for _, op := range slices.Sorted(maps.Keys(by)) {
		if i := slices.IndexFunc(out, func(b behind) bool { return slices.Equal(b.Rulings, by[op]) }); i >= 0 {
			out[i].Operators += ", " + op
			continue
		}
		out = append(out, behind{op, by[op]})
	}
	return out
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
		page: s.page(r.Context(), string(name), "overview"), Domain: wire.DomainOf(x.snap, d), More: len(history) > historyOnPage,
		By: rememberedName(r), Done: doneWords(r.URL.Query().Get("done")), CanSilence: s.Alertmanager != nil, CanDiagnose: s.Diagnose != nil,
	}
	out.History = each(history[:min(len(history), historyOnPage)], wire.TransitionOf)
	out.Matrix, out.Behind = matrixOf(out.Domain), behindOf(out.Domain.OutlookBy)
	out.Timeline, err = s.timelineOf(r, out.Domain)
	return out, err
}
