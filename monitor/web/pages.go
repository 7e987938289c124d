package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

const (
	// domainsOnPage is how many domains the overview lists at once.
	domainsOnPage = 100
	// incidentsOnPage is how many incidents it shows, the worst first.
	incidentsOnPage = 50
	// historyOnPage is how many transitions a domain's page shows.
	historyOnPage = 100
)

// pages adds what people look at.
func (s *site) pages() error {
	templates, err := template.New("").Funcs(words(s.Now)).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return fmt.Errorf("read the pages' templates: %w", err)
	}
	static, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return fmt.Errorf("read the pages' files: %w", err)
	}
	show := func(name string, page func(r *http.Request) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			data, err := page(r)
			if err != nil {
				s.showError(w, templates, err)
				return
			}
			s.show(w, templates, http.StatusOK, name, data)
		}
	}
	s.mux.HandleFunc("GET /{$}", show("overview.html", s.overviewPage))
	s.mux.HandleFunc("GET /domains/{name}", show("domain.html", s.domainPage))
	s.silencePages(templates)
	s.mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		http.ServeFileFS(w, r, static, r.PathValue("file"))
	})
	return nil
}

// show renders into memory first, so that a page is whole or an error.
func (s *site) show(w http.ResponseWriter, templates *template.Template, status int, name string, data any) {
	var page bytes.Buffer
	if err := templates.ExecuteTemplate(&page, name, data); err != nil {
		s.Logger.Error("page failed", "page", name, "err", err)
		writeText(w, http.StatusInternalServerError, "maildrift made a mistake; its log says which")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	page.WriteTo(w) //nolint:errcheck // the client's loss
}

func (s *site) showError(w http.ResponseWriter, templates *template.Template, err error) {
	status, text := http.StatusInternalServerError, "maildrift made a mistake; its log says which"
	var known huma.StatusError
	if errors.As(err, &known) {
		status, text = known.GetStatus(), known.Error()
	}
	s.show(w, templates, status, "error.html", errorPage{page{http.StatusText(status), s.Version}, text})
}

// page is what every page has.
type page struct {
	Title   string
	Version string
}

type errorPage struct {
	page
	Text string
}

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
	Query     pageQuery
	Domains   wire.Page
}

// pageQuery is what is searched for, as the form sent it.
type pageQuery struct{ Text, Standing, Service, Schedule, Cursor string }

// Filtered says whether anything narrows the list down.
func (q pageQuery) Filtered() bool {
	return q.Text != "" || q.Standing != "" || q.Service != "" || q.Schedule != ""
}

func (s *site) overviewPage(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := pageQuery{Text: v.Get("q"), Standing: v.Get("standing"), Service: v.Get("service"), Schedule: v.Get("schedule"), Cursor: v.Get("cursor")}
	x := s.index.current()
	out := overviewPage{
		page: page{"maildrift", s.Version}, Status: s.status(x), Standings: worstFirst(),
		Services: x.services, Schedules: x.schedules, Query: q,
		Domains: x.list(filter{text: q.Text, standing: q.Standing, service: q.Service, schedule: q.Schedule}, q.Cursor, domainsOnPage),
	}
	open := bySeverity(x.snap.Open)
	out.Hidden = max(len(open)-incidentsOnPage, 0)
	for _, i := range open[:len(open)-out.Hidden] {
		out.Incidents = append(out.Incidents, wire.IncidentOf(i))
	}
	return out, nil
}

// domainPage is all about one domain.
type domainPage struct {
	page
	Domain  wire.Domain
	History []wire.Transition
	// More says that there is more history than shown.
	More bool
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
	out := domainPage{page: page{string(name), s.Version}, Domain: wire.DomainOf(x.snap, d), More: len(history) > historyOnPage}
	out.History = each(history[:min(len(history), historyOnPage)], wire.TransitionOf)
	return out, nil
}

// worstFirst gives the standings in the order in which people want to know them.
func worstFirst() []wire.Standing {
	all := wire.Standings()
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}
