package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// silencing is a world whose Alertmanager writes down the silences that it is asked for.
func silencing(t *testing.T) (*world, *[]string) {
	w := populated(t)
	var asked []string
	w.options.Alertmanager = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+string(body))
		if strings.Contains(string(body), "forbidden") {
			http.Error(w, `"the limit is 720h"`, http.StatusBadRequest)
			return
		}
		io.WriteString(w, `{"silenceID":"s-1"}`)
	})
	return w, &asked
}

// send posts the form as a browser does.
func send(w *world, fields url.Values, headers ...string) *httptest.ResponseRecorder {
	return w.ask(http.MethodPost, "/silences", fields.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func TestTheLinkInAnAlertLeadsToAFormThatIsFilledIn(t *testing.T) {
	w, _ := silencing(t)
	page := w.ask(http.MethodGet, "/silences/new?alertname=RecordMissing&domain=notice.example&record=%22%3E%3Cscript%3E", "").Body.String()
	for _, want := range []string{`name="alertname" value="RecordMissing"`, `name="domain" value="notice.example"`, `value="&#34;&gt;&lt;script&gt;"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the form lacks %s:\n%s", want, page)
		}
	}
}

func TestTheFormSilences(t *testing.T) {
	w, asked := silencing(t)
	fields := url.Values{"alertname": {"RecordMissing"}, "domain": {"notice.example"}, "record": {""}, "lasts": {"4h"}, "by": {"ann"}, "why": {"ticket 1"}}
	r := send(w, fields)
	if r.Code != http.StatusOK || !strings.Contains(r.Body.String(), "Silenced until 2026-03-14 16:00:00 UTC") || !strings.Contains(r.Body.String(), "s-1") {
		t.Errorf("%d %s", r.Code, r.Body)
	}
	if len(*asked) != 1 {
		t.Fatalf("Alertmanager was asked %q", *asked)
	}
	method, body, _ := strings.Cut((*asked)[0], "silences ")
	var got struct {
		Matchers          []struct{ Name, Value string }
		EndsAt, CreatedBy string
		Comment           string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || method != "POST /alertmanager/api/v2/" || len(got.Matchers) != 2 ||
		got.EndsAt != "2026-03-14T16:00:00Z" || got.CreatedBy != "ann" || got.Comment != "ticket 1" {
		t.Errorf("%s %+v, %v", method, got, err)
	}
	if calls := w.engine.calls; len(calls) != 1 || !strings.HasPrefix(calls[0], "note silence notice.example/ by ann because ticket 1") {
		t.Errorf("the audit trail has %q", calls)
	}
}

func TestTheFormSaysWhatIsWrong(t *testing.T) {
	w, asked := silencing(t)
	for _, c := range []struct {
		fields url.Values
		status int
		says   string
	}{
		{url.Values{"domain": {"a.example"}, "lasts": {"4h"}, "by": {"ann"}}, 422, "say who silences it, and why"},
		{url.Values{"lasts": {"4h"}, "by": {"ann"}, "why": {"x"}}, 422, "say what to silence"},
		{url.Values{"domain": {"a.example"}, "by": {"ann"}, "why": {"x"}}, 422, "choose how long"},
		{url.Values{"domain": {"a.example"}, "lasts": {"4h"}, "by": {"ann"}, "why": {"forbidden"}}, 400, "the limit is 720h"},
	} {
		if r := send(w, c.fields); r.Code != c.status || !strings.Contains(r.Body.String(), c.says) {
			t.Errorf("%v: %d, want %d and %q:\n%s", c.fields, r.Code, c.status, c.says, r.Body)
		}
	}
	if r := send(w, url.Values{"domain": {"a.example"}, "lasts": {"4h"}, "by": {"ann"}, "why": {"x"}}, "Sec-Fetch-Site", "cross-site"); r.Code != http.StatusForbidden {
		t.Errorf("F138: another site's form is answered with %d", r.Code)
	}
	if len(*asked) != 1 {
		t.Errorf("Alertmanager was asked %d times", len(*asked))
	}
}
