package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/web/wire"
)

// indented gives JSON as a person reads it.
func indented(t *testing.T, b []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func decode[T any](t *testing.T, resp *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(resp.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d: %v in %s", resp.Code, err, resp.Body)
	}
	return v
}

func TestJSONGolden(t *testing.T) {
	for _, row := range []struct{ name, path, file string }{
		{"status", "/status", "status.json"},
		{"domains", "/domains", "domains.json"},
		{"a domain in trouble", "/domains/notice.example", "domain.json"},
		{"open alerts", "/alerts", "alerts.json"},
		{"history", "/history?domain=notice.example", "history.json"},
		{"intervals", "/intervals?domain=notice.example&record=spf", "intervals.json"},
		{"sweeps", "/sweeps", "sweeps.json"},
		{"resolvers", "/resolvers", "resolvers.json"},
		{"presets", "/presets", "presets.json"},
		{"a preset", "/presets/directmail?domain=shop.example&param=region=sg", "preset.json"},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp := populated(t).ask(http.MethodGet, "/api/v1"+row.path, "")
			if resp.Code != http.StatusOK {
				t.Fatalf("status %d:\n%s", resp.Code, resp.Body)
			}
			golden(t, row.file, indented(t, resp.Body.Bytes()))
		})
	}
}

// TestOpenAPIGolden holds the operations, their parameters and their answers, which clients are written
// against; what a field means may be reworded freely.
func TestOpenAPIGolden(t *testing.T) {
	resp := newWorld(t).ask(http.MethodGet, "/api/v1/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			OperationID string
			Parameters  []struct {
				Name, In string
				Required bool
			}
			RequestBody struct{ Content map[string]any }
			Responses   map[string]struct{ Content map[string]any }
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(resp.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "OpenAPI %s at %s\n", doc.OpenAPI, doc.Servers[0].URL)
	for _, path := range sortedNames(doc.Paths) {
		for _, method := range sortedNames(doc.Paths[path]) {
			op := doc.Paths[path][method]
			fmt.Fprintf(&out, "%s %s (%s)\n", strings.ToUpper(method), path, op.OperationID)
			for _, p := range op.Parameters {
				fmt.Fprintf(&out, "  %s %s required=%v\n", p.In, p.Name, p.Required)
			}
			for _, kind := range sortedNames(op.RequestBody.Content) {
				fmt.Fprintf(&out, "  takes %s\n", kind)
			}
			for _, status := range sortedNames(op.Responses) {
				fmt.Fprintf(&out, "  answers %s %s\n", status, strings.Join(sortedNames(op.Responses[status].Content), " "))
			}
		}
	}
	fmt.Fprintf(&out, "schemas %s\n", strings.Join(sortedNames(doc.Components.Schemas), " "))
	golden(t, "openapi.txt", out.String())
	checkReferences(t, resp.Body.Bytes(), doc.Components.Schemas)
}

// checkReferences looks for references to schemas that do not exist.
func checkReferences(t *testing.T, document []byte, schemas map[string]any) {
	t.Helper()
	rest := string(document)
	for n := 0; ; n++ {
		_, after, ok := strings.Cut(rest, `"#/components/schemas/`)
		if !ok {
			if n == 0 {
				t.Error("the document has no schemas")
			}
			return
		}
		name, _, _ := strings.Cut(after, `"`)
		if schemas[name] == nil {
			t.Errorf("schema %s is referred to and does not exist", name)
		}
		rest = after
	}
}

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestFilters(t *testing.T) {
	w := populated(t)
	for _, row := range []struct {
		name, query string
		want        []string
	}{
		{"none", "", []string{"calm.example", "notice.example", "zz-hostile.example"}},
		{"a part of the name, in any case", "q=NOTICE", []string{"notice.example"}},
		{"a note", "q=well", []string{"calm.example"}},
		{"a label with its value", "q=team%3Dgrowth", []string{"notice.example"}},
		{"a standing", "standing=drifted", []string{"notice.example"}},
		{"a standing that is not the worst", "standing=pending", nil},
		{"a service", "service=directmail", []string{"calm.example", "notice.example"}},
		{"a schedule", "schedule=nightly", nil},
		{"several at once", "service=directmail&standing=holding", []string{"calm.example"}},
		{"from a cursor on", "cursor=calm.example", []string{"notice.example", "zz-hostile.example"}},
		{"from the cursor of a domain that is gone", "cursor=d.example", []string{"notice.example", "zz-hostile.example"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			page := decode[wire.Page](t, w.ask(http.MethodGet, "/api/v1/domains?"+row.query, ""))
			var got []string
			for _, d := range page.Domains {
				got = append(got, string(d.Name))
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

// TestF150PagingOverAChangingSet removes and adds domains between two pages.
func TestF150PagingOverAChangingSet(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"b", "d", "f", "h"} {
		w.engine.register(monitor.Spec{Domain: name + ".example", Service: "directmail"}, monitor.Origin{})
	}
	first := decode[wire.Page](t, w.ask(http.MethodGet, "/api/v1/domains?limit=2", ""))
	if first.Next != "d.example" || first.Total != 4 {
		t.Fatalf("first page goes on at %q of %d", first.Next, first.Total)
	}
	if err := w.engine.Remove(t.Context(), "d.example", ""); err != nil {
		t.Fatal(err)
	}
	w.engine.register(monitor.Spec{Domain: "a.example", Service: "directmail"}, monitor.Origin{})
	second := decode[wire.Page](t, w.ask(http.MethodGet, "/api/v1/domains?limit=2&cursor="+first.Next, ""))
	if len(second.Domains) != 2 || second.Domains[0].Name != "f.example" || second.Domains[1].Name != "h.example" || second.Next != "" {
		t.Errorf("the second page is %+v", second)
	}
}

func TestRefusals(t *testing.T) {
	const spec = `{"domain":"new.example","service":"directmail"}`
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		text                     string
	}{
		{"a domain nobody registered", "GET", "/domains/other.example", "", 404, "domain other.example is not registered"},
		{"what is no domain name", "GET", "/domains/a..b", "", 422, "empty label"},
		{"an unknown parameter of a query", "GET", "/domains?foo=1", "", 422, "unknown query parameter"},
		{"an unknown standing", "GET", "/domains?standing=bad", "", 422, "expected value to be one of"},
		{"too large a page", "GET", "/domains?limit=1001", "", 422, "1000"},
		{"registering twice", "POST", "/domains", `{"domain":"CALM.example.","service":"directmail"}`, 409, "already registered"},
		{"an unknown service", "POST", "/domains", `{"domain":"new.example","service":"directmial"}`, 422, `did you mean`},
		{"a domain without records", "POST", "/domains", `{"domain":"new.example"}`, 422, "nothing to watch"},
		{"no domain at all", "POST", "/domains", `{}`, 422, "domain"},
		{"a misspelt field", "POST", "/domains", `{"domain":"new.example","servise":"directmail"}`, 422, "servise"},
		{"F-142: a field given twice", "POST", "/domains", `{"domain":"a.example","domain":"b.example"}`, 400, "given twice"},
		{"F-142: NaN", "POST", "/domains", `{"domain":NaN}`, 400, "invalid character"},
		{"F-142: deep nesting", "POST", "/domains", strings.Repeat("[", 10000), 400, "nested deeper"},
		{"something after the end", "POST", "/domains", spec + "{}", 400, "after the end"},
		{"no body", "POST", "/domains", "", 400, "body is required"},
		{"an unknown kind", "POST", "/domains", `{"domain":"new.example","expect":[{"kind":"spfx"}]}`, 422, `unknown record kind`},
		{"removing from a file", "DELETE", "/domains/calm.example", "", 409, "maildrift.yml:12"},
		{"removing what is not there", "DELETE", "/domains/other.example", "", 404, "not found"},
		{"accepting what holds", "POST", "/domains/calm.example/records/spf/accept", `{"why":"x"}`, 409, "nothing to accept"},
		{"accepting without a reason", "POST", "/domains/notice.example/records/spf/accept", `{"by":"me"}`, 422, "why"},
		{"accepting with an empty reason", "POST", "/domains/notice.example/records/spf/accept", `{"why":""}`, 422, "why"},
		{"accepting a record that is not there", "POST", "/domains/notice.example/records/dkim:s1/accept", `{"why":"x"}`, 404, "not found"},
		{"checking what is not there", "POST", "/domains/other.example/check", "", 404, "not registered"},
		{"a time that is none", "GET", "/history?since=yesterday", "", 422, "is not a time"},
		{"a record without its domain", "GET", "/history?record=spf", "", 422, "record needs domain"},
		{"history of what is no name", "GET", "/history?domain=a..b", "", 422, "query.domain"},
		{"an unknown preset", "GET", "/presets/mailgnu", "", 404, "unknown mail service"},
		{"an unknown parameter of a preset", "GET", "/presets/directmail?param=regoin=sg", "", 422, "regoin"},
		{"a parameter without a value", "GET", "/presets/directmail?param=region", "", 422, "NAME=VALUE"},
		{"a preset for what is no domain", "GET", "/presets/directmail?domain=a..b", "", 422, "query.domain"},
		{"nothing there", "GET", "/nothing", "", 404, "there is nothing at /api/v1/nothing"},
		{"F-145: a method that is not possible", "PUT", "/domains", "{}", 405, "use GET"},
	} {
		t.Run(row.name, func(t *testing.T) {
			resp := populated(t).ask(row.method, "/api/v1"+row.path, row.body)
			if resp.Code != row.status || !strings.Contains(resp.Body.String(), jsonText(row.text)) {
				t.Errorf("%d %s; want %d and %q", resp.Code, resp.Body, row.status, row.text)
			}
			if kind := resp.Header().Get("Content-Type"); kind != "application/problem+json" {
				t.Errorf("the refusal is %s", kind)
			}
			if p := decode[wire.Problem](t, resp); p.Status != row.status || p.Detail == "" {
				t.Errorf("the problem is %+v", p)
			}
		})
	}
}

// jsonText gives text as it is within a JSON string.
func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return strings.Trim(string(b), `"`)
}

func TestADomainIsRegisteredAndRemoved(t *testing.T) {
	w := newWorld(t)
	resp := w.ask(http.MethodPost, "/api/v1/domains?by=alice", `{"domain":"Bücher.example","service":"directmail"}`)
	if resp.Code != http.StatusCreated || resp.Header().Get("Location") != "/api/v1/domains/xn--bcher-kva.example" {
		t.Fatalf("%d to %q: %s", resp.Code, resp.Header().Get("Location"), resp.Body)
	}
	d := decode[wire.Domain](t, resp)
	if d.Unicode != "bücher.example" || len(d.Records) != 2 || d.Standing != wire.Pending {
		t.Errorf("registered as %+v", d)
	}
	if resp := w.ask(http.MethodGet, "/api/v1/domains/b%C3%BCcher.example", ""); resp.Code != http.StatusOK {
		t.Errorf("it is not found by its Unicode name: %d", resp.Code)
	}
	if resp := w.ask(http.MethodDelete, "/api/v1/domains/xn--bcher-kva.example", ""); resp.Code != http.StatusNoContent {
		t.Errorf("removing: %d %s", resp.Code, resp.Body)
	}
	want := []string{"add 1 by alice", "remove xn--bcher-kva.example by api"}
	if !slices.Equal(w.engine.calls, want) {
		t.Errorf("the engine was asked %q, want %q", w.engine.calls, want)
	}
}

func TestAFailingStoreIsToldAndLogged(t *testing.T) {
	w := populated(t)
	w.engine.fail = errors.New("no space left on device")
	w.history.fail = errors.New("page 17 is torn")
	w.history.failAfter = 0
	for path, want := range map[string]string{
		"POST /api/v1/domains":                                   "no space left on device",
		"DELETE /api/v1/domains/notice.example":                  "no space left on device",
		"POST /api/v1/domains/notice.example/check":              "no space left on device",
		"POST /api/v1/domains/notice.example/records/spf/accept": "no space left on device",
		"POST /api/v1/import":                                    "no space left on device",
		"GET /api/v1/history":                                    "page 17 is torn",
		"GET /api/v1/intervals":                                  "page 17 is torn",
		"GET /api/v1/sweeps":                                     "page 17 is torn",
		"GET /api/v1/backup":                                     "disk on fire",
		"POST /api/v1/compact":                                   "page 17 is torn",
	} {
		method, path, _ := strings.Cut(path, " ")
		body := ""
		switch {
		case strings.HasSuffix(path, "/accept"):
			body = `{"why":"x"}`
		case method == "POST" && !strings.HasSuffix(path, "/check"):
			body = `{"domain":"new.example","service":"directmail"}`
		}
		resp := w.ask(method, path, body)
		if resp.Code != http.StatusInternalServerError || !strings.Contains(resp.Body.String(), want) || !strings.Contains(w.log.String(), want) {
			t.Errorf("%s %s: %d %s", method, path, resp.Code, resp.Body)
		}
	}
}

func TestHistoryIsCutBetweenMoments(t *testing.T) {
	w := newWorld(t)
	at := func(seq uint64, minutes int) monitor.Transition {
		return monitor.Transition{Seq: seq, ID: monitor.RecordID{Domain: "a.example", Key: "spf"}, Transition: judge.Transition{At: now.Add(time.Duration(minutes) * time.Minute)}}
	}
	// One sweep found 3 to 6 at the same moment.
	w.history.transitions = []monitor.Transition{at(1, -50), at(2, -40), at(3, -30), at(4, -30), at(5, -30), at(6, -30), at(7, -20)}
	for _, row := range []struct {
		name, order, continued string
		want                   [][]uint64
	}{
		{"newest first", "newest", "until", [][]uint64{{7}, {6, 5, 4, 3}, {2, 1}}},
		{"oldest first", "oldest", "since", [][]uint64{{1, 2}, {3, 4, 5, 6}, {7}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got [][]uint64
			more := time.Time{}
			for range 10 {
				path := "/api/v1/history?limit=2&order=" + row.order
				if !more.IsZero() {
					path += "&" + row.continued + "=" + more.Format(time.RFC3339Nano)
				}
				part := decode[wire.Transitions](t, w.ask(http.MethodGet, path, ""))
				var seqs []uint64
				for _, tr := range part.Transitions {
					seqs = append(seqs, tr.Seq)
				}
				got = append(got, seqs)
				if more = part.More; more.IsZero() {
					break
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("pages %v, want %v", got, row.want)
			}
		})
	}
}

func TestTimesAreUTCAndFieldsSnakeCase(t *testing.T) {
	w := populated(t)
	zone := time.FixedZone("somewhere", 8*3600)
	w.engine.change(func(s *monitor.Snapshot) {
		s.Self.LastGoodSweep = now.In(zone)
		s.NextSweep = map[string]time.Time{"default": now.In(zone)}
		sweep := s.Sweeps["default"]
		sweep.Started = now.In(zone)
		s.Sweeps = map[string]monitor.SweepSummary{"default": sweep}
	})
	for _, path := range []string{"/status", "/domains", "/domains/notice.example", "/alerts", "/history", "/intervals", "/sweeps", "/resolvers", "/presets", "/presets/directmail"} {
		body := w.ask(http.MethodGet, "/api/v1"+path, "").Body.Bytes()
		if strings.Contains(string(body), "+08:00") {
			t.Errorf("%s has a time that is not UTC", path)
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatal(err)
		}
		eachField(v, func(name string) {
			if strings.ToLower(name) != name || strings.Contains(name, "-") && !strings.Contains(name, "script") {
				t.Errorf("%s has a field %q", path, name)
			}
		})
	}
}

func eachField(v any, see func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			see(name)
			eachField(inner, see)
		}
	case []any:
		for _, inner := range v {
			eachField(inner, see)
		}
	}
}

// TestF135WireTextIsSafeOnATerminal looks for raw control characters in everything that
// strangers wrote; what the operator wrote (notes, labels) is given back as it is.
func TestF135WireTextIsSafeOnATerminal(t *testing.T) {
	d := decode[wire.Domain](t, populated(t).ask(http.MethodGet, "/api/v1/domains/zz-hostile.example", ""))
	r := d.Records[0]
	for what, text := range map[string]string{
		"baseline": r.Baseline.Lines[0], "source": r.Votes[0].Source, "detail": r.Votes[0].Detail, "EDE": r.Votes[0].EDE[0].Text,
	} {
		if !strings.Contains(text, "alert(1)") || strings.ContainsAny(text, "\x1b\x00\u202e") {
			t.Errorf("%s is %q", what, text)
		}
	}
	if string(r.Baseline.Exact[0][1:]) != strings.ReplaceAll(evil, "\ufffd", "\x00") {
		t.Errorf("the exact bytes are %q", r.Baseline.Exact[0])
	}
}

func TestStandingOfEveryState(t *testing.T) {
	for _, row := range []struct {
		name  string
		state judge.State
		want  wire.Standing
	}{
		{"never seen", judge.State{}, wire.Pending},
		{"waited for too long", judge.State{Phase: judge.Overdue}, wire.Overdue},
		{"as verified", judge.State{Phase: judge.Verified, Verdict: judge.Holding}, wire.Holding},
		{"not heard about lately", judge.State{Phase: judge.Verified, Verdict: judge.Holding, BlindSince: now}, wire.Blind},
		{"lost and not heard about since", judge.State{Phase: judge.Verified, Verdict: judge.Missing, BlindSince: now}, wire.Missing},
		{"drifted", judge.State{Phase: judge.Verified, Verdict: judge.Drifted}, wire.Drifted},
		{"disagreed about", judge.State{Phase: judge.Verified, Verdict: judge.Disagreeing}, wire.Disagreeing},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := wire.StandingOf(&monitor.RecordState{State: row.state}); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
	for _, s := range wire.Standings() {
		b, err := s.MarshalText()
		var back wire.Standing
		if err != nil || back.UnmarshalText(b) != nil || back != s {
			t.Errorf("%s does not come back from %q", s, b)
		}
	}
	var s wire.Standing
	if s.UnmarshalText([]byte("fine")) == nil {
		t.Error("fine is no standing")
	}
}

// TestSpreadCountsOperatorsNotAddresses checks that two addresses of one operator have one
// voice.
func TestSpreadCountsOperatorsNotAddresses(t *testing.T) {
	w := newWorld(t)
	w.engine.register(monitor.Spec{Domain: "a.example", Expect: []monitor.ExpectSpec{{Kind: mailrec.SPF}}}, monitor.Origin{})
	w.engine.change(func(s *monitor.Snapshot) {
		s.Votes = s.Votes.With(monitor.RecordID{Domain: "a.example", Key: "spf"}, []monitor.SourceVote{
			{Source: "8.8.8.8", Operator: "google", Stand: judge.Good}, {Source: "8.8.4.4", Operator: "google", Stand: judge.Absent},
			{Source: "9.9.9.9", Operator: "quad9", Stand: judge.Good}, {Source: "1.1.1.1", Operator: "cloudflare", Stand: judge.Unheard},
			{Source: "ns1", Authority: true, Stand: judge.Good}, {Source: "ns2", Authority: true, Stand: judge.Abstains},
		})
	})
	got := decode[wire.Domain](t, w.ask(http.MethodGet, "/api/v1/domains/a.example", "")).Records[0].Spread
	if want := (wire.Spread{Operators: 2, OperatorsGood: 1, Servers: 1, ServersGood: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
