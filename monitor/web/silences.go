package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
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
		form := s.silenceForm(r.Context(), r.URL.Query())
		form.By = cmp.Or(form.By, rememberedName(r))
		s.show(w, templates, http.StatusOK, "silence.html", form)
	})
	s.mux.HandleFunc("POST /silences/{id}/expire", s.expireSilence(templates))
	s.mux.HandleFunc("POST /silences", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			s.showError(w, templates, huma.Error400BadRequest("the form cannot be read"))
			return
		}
		form := s.silenceForm(r.Context(), r.PostForm)
		form.By = rememberName(w, r, form.By)
		status := s.makeSilence(r.Context(), &form, r.PostForm.Get("lasts"))
		s.show(w, templates, status, "silence.html", form)
	})
}

func (s *site) silenceForm(ctx context.Context, v url.Values) silenceForm {
	f := silenceForm{page: s.page(ctx, "Silence an alert", "alerts"), By: v.Get("by"), Why: v.Get("why")}
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

// silenceView is a silence that lasts or is to come.
type silenceView struct {
	ID        string    `json:"id"`
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	StartsAt  time.Time `json:"startsAt"`
	EndsAt    time.Time `json:"endsAt"`
	Matchers  []struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual *bool  `json:"isEqual"`
	} `json:"matchers"`
	Status struct {
		State string `json:"state"`
	} `json:"status"`
}

// What says what it silences.
func (v silenceView) What() string {
	var out []string
	for _, m := range v.Matchers {
		out = append(out, m.Name+matchOperator(m.IsEqual == nil || *m.IsEqual, m.IsRegex)+m.Value)
	}
	return strings.Join(out, ", ")
}

// silences asks Alertmanager for the silences that are not over.
func (s *site) silences(r *http.Request) ([]silenceView, error) {
	if s.Alertmanager == nil {
		return nil, errors.New("there is no Alertmanager here to silence")
	}
	var all []silenceView
	if err := s.askAlertmanager(r.Context(), http.MethodGet, "/alertmanager/api/v2/silences", &all); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(v silenceView) bool { return v.Status.State == "expired" }), nil
}

// askAlertmanager makes a request as any other client does, within the process.
func (s *site) askAlertmanager(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, path, http.NoBody)
	if err != nil {
		return err
	}
	answer := &inner{header: http.Header{}, status: http.StatusOK}
	s.audited(s.Alertmanager).ServeHTTP(answer, req)
	if answer.status != http.StatusOK {
		return fmt.Errorf("Alertmanager answers %d: %s", answer.status, strings.TrimSpace(answer.body.String())) //nolint:staticcheck // a name
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer.body.Bytes(), into); err != nil {
		return fmt.Errorf("read what Alertmanager answers: %w", err)
	}
	return nil
}

// expireSilence ends a silence before its time.
func (s *site) expireSilence(templates *template.Template) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.SetPathValue("name", "form.invalid") // it is about no domain
		f, err := s.readForm(w, r)
		if err == nil {
			path := "/alertmanager/api/v2/silence/" + url.PathEscape(r.PathValue("id")) + "?by=" + url.QueryEscape(f.by)
			if err = s.askAlertmanager(r.Context(), http.MethodDelete, path, nil); err != nil {
				err = huma.Error422UnprocessableEntity(err.Error())
			}
		}
		if err != nil {
			s.showError(w, templates, err)
			return
		}
		http.Redirect(w, r, "/alerts?done=expired#silences", http.StatusSeeOther)
	}
}
