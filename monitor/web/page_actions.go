package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

const (
	// nameCookie remembers in the browser who used a form last, for a year.
	nameCookie = "maildrift_name"
	nameLasts  = 365 * 24 * 60 * 60
	// checkPatience is how long a page waits for a check before it is shown without its result, which follows by itself.
	checkPatience = 3 * time.Second
	// mostOfName bounds a name.
	mostOfName = 200
)

// doneWords say what a form has done. The word is in the address of the page that is shown then.
func doneWords(done string) string {
	return map[string]string{
		"registered": "Registered. Publish what is listed below; this page shows who sees it.",
		"checked":    "Asked again just now.",
		"checking":   "Being asked; what is heard shows here as soon as it is judged.",
		"accepted":   "What is there is the new baseline.",
		"announced":  "Announced: until the window ends the old and the new value both hold.",
		"withdrawn":  "The announcement is taken back.",
		"rotating":   "The rotation has begun: the new key is looked for, and both hold.",
		"paused":     "Paused. What is still wrong when the pause ends is told then.",
		"resumed":    "The pause is over.",
		"removed":    "The domain is no longer watched.",
		"expired":    "The silence is over.",
	}[done]
}

// form is what somebody sent from a domain's page.
type form struct {
	name  rrset.Name
	key   string
	by    string
	why   string
	until time.Time
	url.Values
}

func (f form) id() monitor.RecordID { return monitor.RecordID{Domain: f.name, Key: f.key} }

// action does what a form asks for and gives the word for it in doneWords.
type action func(ctx context.Context, f form) (done string, err error)

// domainActions are the forms on a domain's page. All of it can be done over the API, too.
func (s *site) domainActions(templates *template.Template) {
	for path, do := range map[string]action{
		"check": s.checkAction, "accept": s.acceptAction, "expect": s.expectAction, "withdraw": s.withdrawAction,
		"rotate": s.rotateAction, "pause": s.pauseAction, "resume": s.resumeAction, "remove": s.removeAction,
	} {
		s.mux.HandleFunc("POST /domains/{name}/"+path, s.act(templates, do))
	}
}

// act answers a form with the page that it came from: with what was done, or what kept it from being done.
func (s *site) act(templates *template.Template, do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := s.readForm(w, r)
		if err != nil {
			s.showError(w, templates, err)
			return
		}
		var done string
		if text := f.Get("until"); text != "" {
			if f.until, err = ParseAhead(text, s.Now()); err != nil {
				err = &monitor.FieldError{Path: "until", Err: err}
			}
		}
		if err == nil {
			done, err = do(r.Context(), f)
		}
		if err == nil {
			to := "/domains/" + url.PathEscape(string(f.name))
			if done == "removed" {
				to = "/"
			}
			http.Redirect(w, r, to+"?done="+done+anchor(f.key), http.StatusSeeOther)
			return
		}
		known := s.problem("do that", err)
		var status huma.StatusError
		errors.As(known, &status)
		data, pageErr := s.domainPage(r)
		page, ok := data.(domainPage)
		if pageErr != nil || !ok {
			s.showError(w, templates, known)
			return
		}
		page.Problem = explained(known)
		s.show(w, templates, status.GetStatus(), "domain.html", page)
	}
}

// anchor leads to a record's place on the page.
func anchor(key string) string {
	if key == "" {
		return ""
	}
	return "#" + url.PathEscape(key)
}

func (s *site) readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return form{}, huma.Error400BadRequest("the form cannot be read")
	}
	name, err := rrset.ParseName(r.PathValue("name"))
	if err != nil {
		return form{}, huma.Error404NotFound(err.Error())
	}
	v := r.PostForm
	f := form{name: name, key: v.Get("record"), by: v.Get("by"), why: strings.TrimSpace(v.Get("why")), Values: v}
	f.by = callerOf(r.Context()).By(rememberName(w, r, f.by), "page")
	return f, nil
}

// rememberName has the browser remember who uses a form, and gives the name as far as it is taken.
func rememberName(w http.ResponseWriter, r *http.Request, name string) string {
	name = strings.TrimSpace(name)
	name = name[:min(len(name), mostOfName)]
	if name != "" {
		http.SetCookie(w, &http.Cookie{
			Name: nameCookie, Value: url.QueryEscape(name), Path: "/", MaxAge: nameLasts, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
		})
	}
	return name
}

// rememberedName is who used a form last in this browser.
func rememberedName(r *http.Request) string {
	c, err := r.Cookie(nameCookie)
	if err != nil {
		return ""
	}
	name, err := url.QueryUnescape(c.Value)
	if err != nil {
		return ""
	}
	return name[:min(len(name), mostOfName)]
}

// checkAction asks about a domain. Confirming a change takes longer than people wait for a page; it goes on then.
func (s *site) checkAction(ctx context.Context, f form) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkWithin)
	judged := make(chan error, 1)
	go func() {
		defer cancel()
		judged <- s.Engine.CheckNow(ctx, f.name)
	}()
	patience := time.NewTimer(checkPatience)
	defer patience.Stop()
	select {
	case err := <-judged:
		return "checked", err
	case <-patience.C:
		return "checking", nil
	}
}

func (s *site) acceptAction(ctx context.Context, f form) (string, error) {
	return "accepted", s.Engine.Accept(ctx, f.id(), f.by, f.why)
}

func (s *site) expectAction(ctx context.Context, f form) (string, error) {
	a := monitor.Announcement{ID: f.id(), Gone: f.Get("gone") != "", Force: f.Get("force") != "", Until: f.until, By: f.by, Why: f.why}
	for line := range strings.Lines(f.Get("value")) {
		if line = strings.TrimSpace(line); line != "" {
			a.Value = append(a.Value, line)
		}
	}
	return "announced", s.Engine.Announce(ctx, a)
}

func (s *site) withdrawAction(ctx context.Context, f form) (string, error) {
	return "withdrawn", s.Engine.Withdraw(ctx, f.id(), f.by, f.why)
}

func (s *site) rotateAction(ctx context.Context, f form) (string, error) {
	_, err := s.Engine.Rotate(ctx, monitor.Rotation{
		ID: f.id(), Selector: strings.TrimSpace(f.Get("selector")), Value: strings.TrimSpace(f.Get("value")), Until: f.until, By: f.by, Why: f.why,
	})
	return "rotating", err
}

func (s *site) pauseAction(ctx context.Context, f form) (string, error) {
	return "paused", s.Engine.Pause(ctx, f.id(), f.until, f.by, f.why)
}

func (s *site) resumeAction(ctx context.Context, f form) (string, error) {
	return "resumed", s.Engine.Resume(ctx, f.id(), f.by, f.why)
}

func (s *site) removeAction(ctx context.Context, f form) (string, error) {
	return "removed", s.Engine.Remove(ctx, f.name, f.by)
}
