package web

import (
	"bytes"
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// silenceForm is what the form asks for. The address in alerts fills it in.
type silenceForm struct {
	page
	// Matchers are the labels that have to fit, in the order in which they are shown; those left empty do not matter.
	Matchers []silenceMatcher
	Lasts    []silenceChoice
	By, Why  string
	// Problem says what is wrong with what was sent; Done when the silence ends that was made, and ID which it is.
	Problem, ID string
	Done        time.Time
}

type silenceMatcher struct{ Name, Value string }

type silenceChoice struct {
	Value, Text string
	Chosen      bool
}

// silenceLabels are the labels that the form has fields for.
var silenceLabels = []string{"alertname", "domain", "record"}

// silencePages add the form by which an alert is silenced.
func (s *site) silencePages(templates *template.Template) {
	if s.Alertmanager == nil {
		return
	}
	s.mux.HandleFunc("GET /silences/new", func(w http.ResponseWriter, r *http.Request) {
		s.show(w, templates, http.StatusOK, "silence.html", s.silenceForm(r.URL.Query()))
	})
	s.mux.HandleFunc("POST /silences", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			s.showError(w, templates, huma.Error400BadRequest("the form cannot be read"))
			return
		}
		form := s.silenceForm(r.PostForm)
		status := s.makeSilence(r.Context(), &form, r.PostForm.Get("lasts"))
		s.show(w, templates, status, "silence.html", form)
	})
}

func (s *site) silenceForm(v url.Values) silenceForm {
	f := silenceForm{page: page{"Silence an alert", s.Version}, By: v.Get("by"), Why: v.Get("why")}
	for _, name := range silenceLabels {
		f.Matchers = append(f.Matchers, silenceMatcher{name, v.Get(name)})
	}
	for _, c := range []silenceChoice{{"1h", "an hour", false}, {"4h", "four hours", false}, {"24h", "a day", false}, {"168h", "a week", false}} {
		c.Chosen = c.Value == v.Get("lasts")
		f.Lasts = append(f.Lasts, c)
	}
	return f
}

// makeSilence asks Alertmanager for the silence, as any other client does, and notes in the form what came of it.
func (s *site) makeSilence(ctx context.Context, f *silenceForm, lasts string) (status int) {
	d, err := time.ParseDuration(lasts)
	var matchers []map[string]any
	for _, m := range f.Matchers {
		if m.Value != "" {
			matchers = append(matchers, map[string]any{"name": m.Name, "value": m.Value, "isRegex": false, "isEqual": true})
		}
	}
	switch {
	case err != nil:
		f.Problem = "choose how long it lasts"
	case len(matchers) == 0:
		f.Problem = "say what to silence"
	case strings.TrimSpace(f.By) == "" || strings.TrimSpace(f.Why) == "":
		f.Problem = "say who silences it, and why: it is kept in the audit trail"
	}
	if f.Problem != "" {
		return http.StatusUnprocessableEntity
	}
	now := s.Now()
	body, err := json.Marshal(map[string]any{
		"matchers": matchers, "startsAt": now, "endsAt": now.Add(d), "createdBy": f.By, "comment": f.Why,
	})
	if err != nil {
		f.Problem = err.Error()
		return http.StatusInternalServerError
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "/alertmanager/api/v2/silences", bytes.NewReader(body))
	if err != nil {
		f.Problem = err.Error()
		return http.StatusInternalServerError
	}
	req.Header.Set("Content-Type", "application/json")
	answer := &inner{header: http.Header{}, status: http.StatusOK}
	s.audited(s.Alertmanager).ServeHTTP(answer, req)
	var made struct {
		ID string `json:"silenceID"`
	}
	if answer.status != http.StatusOK || json.Unmarshal(answer.body.Bytes(), &made) != nil {
		f.Problem = "Alertmanager says: " + strings.TrimSpace(answer.body.String())
		return answer.status
	}
	f.Done, f.ID = now.Add(d), made.ID
	return http.StatusOK
}

// inner takes the response of a handler that is asked within the process.
type inner struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (i *inner) Header() http.Header         { return i.header }
func (i *inner) WriteHeader(status int)      { i.status = status }
func (i *inner) Write(b []byte) (int, error) { return i.body.Write(b) }
