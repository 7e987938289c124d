package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

const (
	// maxForm bounds what a form may send.
	maxForm = 1 << 20
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
	s.mux.HandleFunc("GET /resolvers", show("resolvers.html", s.resolversPage))
	s.mux.HandleFunc("GET /sweeps", show("sweeps.html", s.sweepsPage))
	s.mux.HandleFunc("GET /alerts", show("alerts.html", s.alertsPage))
	s.mux.HandleFunc("GET /history", show("history.html", s.historyPage))
	s.mux.HandleFunc("GET /register", show("register.html", s.registerPage))
	s.mux.HandleFunc("POST /register", s.register(templates))
	s.domainActions(templates)
	s.signInPages(templates)
	s.diagnosisPages(templates)
	s.silencePages(templates)
	s.mux.HandleFunc("GET /static/{file...}", func(w http.ResponseWriter, r *http.Request) {
		// Files change with the program only: asking whether they have costs little, and no page ever meets the script
		// of another version.
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", `"`+s.Version+`"`)
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
		status, text = known.GetStatus(), explained(err)
	}
	s.show(w, templates, status, "error.html", errorPage{s.page(context.Background(), http.StatusText(status), ""), text})
}

// page is what every page has.
type page struct {
	Title   string
	Version string
	// Section is the part of the navigation that it belongs to.
	Section string
	// Who is signed in; empty if nobody has to.
	Who string
}

func (s *site) page(ctx context.Context, title, section string) page {
	return page{title, s.Version, section, callerOf(ctx).Name}
}

type errorPage struct {
	page
	Text string
}

// explained gives an error with what it says about single fields.
func explained(err error) string {
	var problem *huma.ErrorModel
	if !errors.As(err, &problem) {
		return err.Error()
	}
	text := problem.Detail
	for _, part := range problem.Errors {
		text += ": " + strings.TrimPrefix(part.Location, "body.") + ": " + part.Message
	}
	return text
}
