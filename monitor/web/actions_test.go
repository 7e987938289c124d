package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// post sends a form as a browser does.
func (w *world) post(path string, form url.Values, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:9853"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	out := httptest.NewRecorder()
	w.handler().ServeHTTP(out, r)
	return out
}

func TestFormsOfADomain(t *testing.T) {
	form := func(pairs ...string) url.Values {
		v := url.Values{"by": {"Ada"}, "why": {"ticket 1"}, "record": {"spf"}}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, row := range []struct {
		do       string
		form     url.Values
		call, to string
	}{
		{"check", form(), "check notice.example", "/domains/notice.example?done=checked#spf"},
		{"accept", form(), "accept notice.example/spf by Ada because ticket 1", "/domains/notice.example?done=accepted#spf"},
		{"expect", form("value", "v=spf1 mx -all\r\n\r\nv=spf1 a -all", "until", "2h"),
			`announce notice.example/spf ["v=spf1 mx -all" "v=spf1 a -all"] gone=false until 2026-03-14T14:00:00Z by Ada because ticket 1`, "/domains/notice.example?done=announced#spf"},
		{"expect", form("gone", "1", "until", "2h"),
			`announce notice.example/spf [] gone=true until 2026-03-14T14:00:00Z by Ada because ticket 1`, "/domains/notice.example?done=announced#spf"},
		{"rotate", form("selector", " s2 ", "value", "p=x", "until", "7d"), `rotate notice.example/spf to s2 "p=x" by Ada because ticket 1`, "/domains/notice.example?done=rotating#spf"},
		{"pause", form("record", "", "until", "2026-03-15"), "pause notice.example/ until 2026-03-15T00:00:00Z by Ada because ticket 1", "/domains/notice.example?done=paused"},
		{"remove", form("record", "", "by", ""), "remove notice.example by page", "/?done=removed"},
	} {
		t.Run(row.do, func(t *testing.T) {
			w := populated(t)
			resp := w.post("/domains/notice.example/"+row.do, row.form)
			if resp.Code != http.StatusSeeOther || resp.Header().Get("Location") != row.to {
				t.Errorf("%d to %q, want %q:\n%s", resp.Code, resp.Header().Get("Location"), row.to, resp.Body)
			}
			if !slices.Contains(w.engine.calls, row.call) {
				t.Errorf("the engine was asked %q, want %q", w.engine.calls, row.call)
			}
		})
	}
}

func TestFormsThatCannotBeDone(t *testing.T) {
	for _, row := range []struct {
		name, path string
		form       url.Values
		fail       error
		status     int
		says       string
	}{
		{"a time that is none", "/domains/notice.example/pause", url.Values{"until": {"tomorrow"}, "why": {"x"}}, nil, 422, "until: &#34;tomorrow&#34; is not a time"},
		{"nothing to withdraw", "/domains/notice.example/withdraw", url.Values{"record": {"spf"}}, nil, 409, "nothing announced"},
		{"a domain of a file", "/domains/calm.example/remove", url.Values{}, nil, 409, "it stands in maildrift.yml:12"},
		{"a domain nobody registered", "/domains/other.example/check", url.Values{}, nil, 404, "other.example"},
		{"what is no name", "/domains/a..b/check", url.Values{}, nil, 404, "empty label"},
		{"a disk that is full", "/domains/notice.example/accept", url.Values{"record": {"spf"}}, errors.New("no space left"), 500, "no space left"},
		{"a domain twice", "/register", url.Values{"domain": {"notice.example"}, "service": {"directmail"}}, nil, 409, "already"},
		{"a label that is none", "/register", url.Values{"domain": {"new.example"}, "service": {"directmail"}, "labels": {"team"}}, nil, 422, "team is not NAME=VALUE"},
		{"a record of no kind", "/register", url.Values{"domain": {"new.example"}, "expect": {"spf\nspam@x"}}, nil, 422, "KIND[@HOST][=VALUE]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := populated(t)
			w.engine.fail = row.fail
			resp := w.post(row.path, row.form)
			if resp.Code != row.status || !strings.Contains(resp.Body.String(), row.says) {
				t.Errorf("%d, want %d and %q:\n%s", resp.Code, row.status, row.says, resp.Body)
			}
		})
	}
}

func TestRegistrationShowsWhatToPublish(t *testing.T) {
	w := newWorld(t)
	body := w.ask(http.MethodGet, "/register?domain=New.Example&service=directmail&param.region=sg&labels=team=a", "").Body.String()
	for _, want := range []string{"10 mx-sg.service.example", "include:spf.service.example", `formaction="/register"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the form does not show %q", want)
		}
	}
	if body := w.ask(http.MethodGet, "/register?domain=new.example&service=directmail&param.region=mars", "").Body.String(); !strings.Contains(body, `role="alert"`) {
		t.Errorf("a region that does not exist is not refused:\n%s", body)
	}
	if len(w.engine.calls) > 0 {
		t.Errorf("showing has asked the engine %q", w.engine.calls)
	}
	resp := w.post("/register", url.Values{
		"domain": {" New.Example "}, "service": {"directmail"}, "param.region": {"sg"}, "expect": {"dkim@s1._domainkey\r\n"}, "labels": {"team=a, env=b"}, "by": {"Ada"},
	})
	if to := resp.Header().Get("Location"); resp.Code != http.StatusSeeOther || to != "/domains/new.example?done=registered" {
		t.Fatalf("%d to %q:\n%s", resp.Code, to, resp.Body)
	}
	d := w.engine.Snapshot().Domains[0]
	if d.Spec.Params["region"] != "sg" || d.Spec.Labels["env"] != "b" || len(d.Records) != 3 {
		t.Errorf("registered %+v", d.Spec)
	}
	// The browser remembers who it was, and forms are filled in with the name.
	cookie := resp.Result().Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie %+v", cookie)
	}
	if body := w.ask(http.MethodGet, "/domains/new.example?done=registered", "", "Cookie", cookie.Name+"="+cookie.Value).Body.String(); !strings.Contains(body, `value="Ada"`) || !strings.Contains(body, "Registered.") {
		t.Error("the name is not remembered, or what was done is not said")
	}
}

// TestACloserLook asks why, over the API and on the page.
func TestACloserLook(t *testing.T) {
	w := populated(t)
	resp := w.ask(http.MethodPost, "/api/v1/domains/notice.example/diagnose", "")
	if resp.Code != http.StatusOK || !strings.Contains(resp.Body.String(), "one level too deep") {
		t.Errorf("%d %s", resp.Code, resp.Body)
	}
	body := w.post("/domains/notice.example/diagnose", url.Values{}).Body.String()
	for _, want := range []string{"published one level too deep", "move it", "seen at &lt;b&gt;", `short \x1b`, "v=spf1 -all"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not show %q:\n%s", want, body)
		}
	}
	for _, path := range []string{"/api/v1/domains/other.example/diagnose", "/domains/other.example/diagnose", "/domains/a..b/diagnose"} {
		if resp := w.post(path, url.Values{}); resp.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.Code)
		}
	}
}

// TestExpiredSilence ends a silence on the page.
func TestExpiredSilence(t *testing.T) {
	w := populated(t)
	var asked []string
	w.options.Alertmanager = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/unknown") {
			http.Error(rw, "silence not found", http.StatusNotFound)
			return
		}
		_, _ = rw.Write([]byte(`[{"id":"s1","createdBy":"Ada","comment":"<b>","startsAt":"2026-03-14T11:00:00Z","endsAt":"2026-03-14T13:00:00Z",
			"matchers":[{"name":"domain","value":"a.*","isRegex":true,"isEqual":false}],"status":{"state":"active"}},{"id":"s0","status":{"state":"expired"}}]`))
	})
	if body := w.ask(http.MethodGet, "/alerts", "").Body.String(); !strings.Contains(body, "domain!~a.*") || strings.Contains(body, "s0") || !strings.Contains(body, "&lt;b&gt;") {
		t.Errorf("silences are not shown as they are:\n%s", body)
	}
	if resp := w.post("/silences/s1/expire", url.Values{"by": {"Ada"}}); resp.Code != http.StatusSeeOther || !slices.Contains(asked, "DELETE /alertmanager/api/v2/silence/s1") {
		t.Errorf("%d, asked %q", resp.Code, asked)
	}
	if resp := w.post("/silences/unknown/expire", url.Values{}); resp.Code != http.StatusUnprocessableEntity || !strings.Contains(resp.Body.String(), "silence not found") {
		t.Errorf("a silence that is not there: %d\n%s", resp.Code, resp.Body)
	}
	if want := `note unsilence / by Ada because : s1`; !slices.Contains(w.engine.calls, want) {
		t.Errorf("audit trail %q, want %q", w.engine.calls, want)
	}
}
