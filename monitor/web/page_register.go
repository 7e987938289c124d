package web

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/web/wire"
)

// paramPrefix is what the names of form fields begin with that hold parameters of a preset.
const paramPrefix = "param."

// registerPage is the form by which a domain is registered: first which service, then its parameters, then what has to
// be published.
type registerPage struct {
	page
	Presets []wire.Preset
	// Chosen is the service that was chosen, nil before.
	Chosen    *wire.Preset
	Schedules []string
	// What the form holds.
	Domain, Expect, Schedule, Labels, Note, By string
	Params                                     map[string]string
	// Records are what the domain must publish; empty until that is known. Again says that it is registered already.
	Records []wire.ExpectedRecord
	Problem string
}

func (s *site) registerPage(r *http.Request) (any, error) {
	v := r.URL.Query()
	out := s.registerForm(r.Context(), v)
	out.By = cmp.Or(out.By, rememberedName(r))
	if out.Chosen != nil && strings.TrimSpace(out.Domain) != "" {
		if err := s.preview(&out, v); err != nil {
			out.Problem = explained(s.problem("register the domain", err))
		}
	}
	return out, nil
}

func (s *site) registerForm(ctx context.Context, v url.Values) registerPage {
	x := s.index.current()
	out := registerPage{
		page: s.page(ctx, "Register a domain", "register"), Presets: each(x.snap.Presets.List(), wire.PresetOf), Schedules: x.schedules,
		Domain: v.Get("domain"), Expect: v.Get("expect"), Schedule: v.Get("schedule"), Labels: v.Get("labels"), Note: v.Get("note"), By: v.Get("by"),
		Params: map[string]string{},
	}
	if i := slices.IndexFunc(out.Presets, func(p wire.Preset) bool { return p.ID == v.Get("service") }); i >= 0 {
		out.Chosen = &out.Presets[i]
	}
	for name, values := range v {
		if param, ok := strings.CutPrefix(name, paramPrefix); ok {
			out.Params[param] = strings.TrimSpace(values[0])
		}
	}
	return out
}

// preview works out what the domain must publish.
func (s *site) preview(out *registerPage, v url.Values) error {
	spec, err := specOf(v)
	if err != nil {
		return err
	}
	d, err := spec.Resolve(s.presets())
	if err != nil {
		return err
	}
	for _, r := range d.Records {
		rec := wire.ExpectedRecord{Key: r.Key, Name: r.Name, Type: r.Kind.Type(), Kind: r.Kind, Match: r.Match, Purpose: r.Purpose, Publish: []wire.PanelLine{}}
		for _, l := range r.Publish {
			rec.Publish = append(rec.Publish, wire.PanelLine{Name: l.Name, Type: l.Type, Value: l.Value, Placeholder: l.Placeholder})
		}
		out.Records = append(out.Records, rec)
	}
	return nil
}

// specOf reads a domain from a form.
func specOf(v url.Values) (monitor.Spec, error) {
	spec := monitor.Spec{
		Domain: strings.TrimSpace(v.Get("domain")), Service: v.Get("service"), Schedule: v.Get("schedule"), Note: strings.TrimSpace(v.Get("note")),
		Params: map[string]string{}, Labels: map[string]string{},
	}
	for name, values := range v {
		if param, ok := strings.CutPrefix(name, paramPrefix); ok && strings.TrimSpace(values[0]) != "" {
			spec.Params[param] = strings.TrimSpace(values[0])
		}
	}
	for line := range strings.Lines(v.Get("expect")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		e, err := monitor.ParseExpect(line)
		if err != nil {
			return spec, &monitor.FieldError{Path: "expect", Err: err}
		}
		spec.Expect = append(spec.Expect, e)
	}
	for label := range strings.FieldsSeq(strings.ReplaceAll(v.Get("labels"), ",", " ")) {
		name, value, ok := strings.Cut(label, "=")
		if !ok {
			return spec, &monitor.FieldError{Path: "labels", Err: errors.New(label + " is not NAME=VALUE")}
		}
		spec.Labels[name] = value
	}
	return spec, nil
}

// register takes the form, and leads to the page of the new domain.
func (s *site) register(templates *template.Template) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		r.SetPathValue("name", "form.invalid") // the form names its domain itself
		f, err := s.readForm(w, r)
		if err != nil {
			s.showError(w, templates, err)
			return
		}
		spec, err := specOf(f.Values)
		var added []*monitor.Domain
		if err == nil {
			added, err = s.Engine.AddAll(r.Context(), []monitor.Spec{spec}, f.by)
		}
		if err == nil {
			http.Redirect(w, r, "/domains/"+url.PathEscape(string(added[0].Name))+"?done=registered", http.StatusSeeOther)
			return
		}
		known := s.problem("register the domain", err)
		var status huma.StatusError
		errors.As(known, &status)
		out := s.registerForm(r.Context(), f.Values)
		out.Problem = explained(known)
		s.show(w, templates, status.GetStatus(), "register.html", out)
	}
}
