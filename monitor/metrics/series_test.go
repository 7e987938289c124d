package metrics

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/testing/protocmp"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// get scrapes a handler with headers, and gives what it sent but for compression.
func get(t testing.TB, h http.Handler, headers ...string) []byte {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var from io.Reader = w.Body
	if w.Header().Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		from = z
	}
	body, err := io.ReadAll(from)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v: %s", w.Code, err, body)
	}
	return body
}

// own gives maildrift's families that are about records, by name.
func own(t *testing.T, families map[string]*dto.MetricFamily) map[string]*dto.MetricFamily {
	t.Helper()
	out := map[string]*dto.MetricFamily{}
	for _, d := range append(recordDocs(), recordsCount) {
		f, ok := families[d.Name]
		if !ok {
			t.Fatalf("no %s", d.Name)
		}
		slices.SortFunc(f.Metric, func(a, b *dto.Metric) int { return strings.Compare(a.String(), b.String()) })
		for _, m := range f.Metric {
			slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		}
		out[d.Name] = f
	}
	return out
}

// TestEveryFormOfAScrapeSaysTheSame asks for all forms that scrapers ask for, and holds them against what is gathered.
func TestEveryFormOfAScrapeSaysTheSame(t *testing.T) {
	reg := prometheus.NewRegistry()
	snap := fleet(holding, missing, pending, drifted)
	snap.Votes = snap.Votes.With(monitor.RecordID{Domain: "d1.example", Key: "spf"}, []monitor.SourceVote{{Operator: "a", Stand: judge.Absent}, {Operator: "b", Stand: judge.Good}})
	m := New(reg, func() *monitor.Snapshot { return snap }, Options{PerRecordLimit: 3})
	want := own(t, parse(t, scrape(t, m.Gatherer(reg))))
	const proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
	for _, accept := range []string{"", "text/plain", "application/openmetrics-text", proto + "delimited"} {
		for _, encoding := range []string{"", "gzip", "br;q=1.0, gzip;q=0.5", "gzip;q=0"} {
			body := get(t, m.Handler(reg), "Accept", accept, "Accept-Encoding", encoding)
			families := map[string]*dto.MetricFamily{}
			if strings.HasPrefix(accept, proto) {
				d := expfmt.NewDecoder(bytes.NewReader(body), expfmt.NewFormat(expfmt.TypeProtoDelim))
				for {
					f := &dto.MetricFamily{}
					if err := d.Decode(f); err != nil {
						break
					}
					families[f.GetName()] = f
				}
			} else {
				families = parse(t, string(body))
			}
			if diff := cmp.Diff(want, own(t, families), protocmp.Transform()); diff != "" {
				t.Errorf("%q, %q (-gathered +scraped):\n%s", accept, encoding, diff)
			}
		}
	}
	if text := string(get(t, m.Handler(reg), "Accept", proto+"text")); !strings.Contains(text, "maildrift_record_state") {
		t.Error("the form of protobuf that people read lacks the series of single records")
	}
}

// TestSeriesFollowTheRecords changes a fleet step by step: what is kept from the scrape before must never be told in
// place of what is so.
func TestSeriesFollowTheRecords(t *testing.T) {
	snap := fleet(holding, holding, holding, holding, holding, holding)
	snap.Domains[4].Spec.Labels = map[string]string{"team": "growth"}
	snap.Domains[5].Spec.Labels = map[string]string{"team": "core"}
	s := newSeries(func() *monitor.Snapshot { return snap }, Options{PerRecordLimit: 2, PerRecordLabels: map[string]string{"team": "growth"}})
	change := func(how func(*monitor.Snapshot)) {
		next := *snap
		how(&next)
		snap = &next
	}
	stand := func(domain string, p judge.Phase, v judge.Verdict) func(*monitor.Snapshot) {
		return func(s *monitor.Snapshot) {
			state := *s.States.Get(monitor.RecordID{Domain: rrset.Name(domain), Key: "spf"})
			state.Phase, state.Verdict = p, v
			s.States = s.States.With(&state)
		}
	}
	heard := func(domain string, stands ...judge.Stand) func(*monitor.Snapshot) {
		return func(s *monitor.Snapshot) {
			var votes []monitor.SourceVote
			for i, stand := range stands {
				votes = append(votes, monitor.SourceVote{Operator: resolve.Operator(fmt.Sprint("op", i)), Stand: stand})
			}
			s.Votes = s.Votes.With(monitor.RecordID{Domain: rrset.Name(domain), Key: "spf"}, votes)
		}
	}
	for _, step := range []struct {
		name string
		how  func(*monitor.Snapshot)
		want string
	}{
		{"the first by name, and who asked", func(*monitor.Snapshot) {}, "d4 holding, d0 holding, d1 holding; 3 left out"},
		{"one in trouble goes first", stand("d3.example", judge.Verified, judge.Missing), "d3 missing, d4 holding, d0 holding; 3 left out"},
		{"how far it has come", heard("d3.example", judge.Absent, judge.Good), "d3 missing 0.5, d4 holding, d0 holding; 3 left out"},
		{"it goes further, and the state stays", heard("d3.example", judge.Absent, judge.Absent), "d3 missing 1, d4 holding, d0 holding; 3 left out"},
		{"who asked is in trouble beyond the limit", stand("d4.example", judge.Verified, judge.Drifted), "d3 missing 1, d4 drifted, d0 holding; 3 left out"},
		{"more in trouble than there is room for", func(s *monitor.Snapshot) {
			stand("d1.example", judge.Pending, judge.Unjudged)(s)
			stand("d2.example", judge.Overdue, judge.Unjudged)(s)
		}, "d1 pending 0, d2 overdue 0, d4 drifted; 3 left out"},
		{"all is well again", func(s *monitor.Snapshot) {
			for _, d := range []string{"d1.example", "d2.example", "d3.example", "d4.example"} {
				stand(d, judge.Verified, judge.Holding)(s)
			}
		}, "d4 holding, d0 holding, d1 holding; 3 left out"},
		{"the first is removed", func(s *monitor.Snapshot) {
			s.States, s.Domains = s.States.Without(monitor.RecordID{Domain: "d0.example", Key: "spf"}), s.Domains[1:]
		}, "d4 holding, d1 holding, d2 holding; 2 left out"},
		{"another team gets the domain", func(s *monitor.Snapshot) {
			s.Domains = slices.Clone(s.Domains)
			moved := *s.Domains[3]
			moved.Spec.Labels = nil
			s.Domains[3] = &moved
		}, "d1 holding, d2 holding; 3 left out"},
	} {
		change(step.how)
		if got := inShort(string(s.current().text())); got != step.want {
			t.Errorf("%s:\n got %s\nwant %s", step.name, got, step.want)
		}
	}
}

// inShort gives a text of series as "d0 missing 0.5, ...; n left out".
func inShort(text string) string {
	var out []string
	spread, dropped := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		domain, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(line, recordPropagation.Name+`{domain="`), recordState.Name+`{domain="`), ".")
		value := line[strings.LastIndexByte(line, ' ')+1:]
		switch {
		case strings.HasPrefix(line, recordPropagation.Name):
			spread[domain] = " " + value
		case strings.HasPrefix(line, seriesDropped.Name):
			dropped = value
		case strings.HasPrefix(line, recordState.Name):
			_, verdict, _ := strings.Cut(line, `verdict="`)
			verdict, _, _ = strings.Cut(verdict, `"`)
			if verdict == "unjudged" {
				_, verdict, _ = strings.Cut(line, `phase="`)
				verdict, _, _ = strings.Cut(verdict, `"`)
			}
			out = append(out, domain+" "+verdict+spread[domain])
		}
	}
	return strings.Join(out, ", ") + "; " + dropped + " left out"
}

func TestAnyValueOfALabelAsks(t *testing.T) {
	snap := fleet(holding, holding, holding)
	snap.Domains[1].Spec.Labels = map[string]string{"tier": "gold"}
	snap.Domains[2].Spec.Labels = map[string]string{"tier": "lead", "team": "growth"}
	for _, row := range []struct {
		labels map[string]string
		want   string
	}{
		{map[string]string{"tier": ""}, "d1 holding, d2 holding; 1 left out"},
		{map[string]string{"tier": "gold", "team": "growth"}, "d1 holding, d2 holding; 1 left out"},
		{map[string]string{"team": "core"}, "; 3 left out"},
	} {
		s := newSeries(func() *monitor.Snapshot { return snap }, Options{PerRecordLabels: row.labels})
		if got := inShort(string(s.current().text())); got != row.want {
			t.Errorf("%v: %s, want %s", row.labels, got, row.want)
		}
	}
}

// TestF151ScrapeOfAFleetIsQuick holds the scrape of 100,000 records below the limit
// that FAULTS.md sets, ten times over for slow machines and the race detector.
func TestF151ScrapeOfAFleetIsQuick(t *testing.T) {
	reg := prometheus.NewRegistry()
	snap := bigFleet(100_000)
	m := New(reg, func() *monitor.Snapshot { return snap }, Options{PerRecordLimit: 1000})
	began := time.Now()
	text := string(get(t, m.Handler(reg)))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a scrape took %s", took)
	}
	if !strings.Contains(text, "maildrift_record_series_dropped 99000\n") {
		t.Error("not all records were looked at")
	}
}

// BenchmarkScrape is a scrape by the size of the fleet and by how many series of single records there are: when nothing
// has changed since the last, and when a record has.
func BenchmarkScrape(b *testing.B) {
	for _, domains := range []int{1_000, 100_000} {
		for _, limit := range []int{0, 2_000, 60_000} {
			for _, changing := range []bool{false, true} {
				if limit > domains {
					continue
				}
				b.Run(fmt.Sprintf("domains=%d/series=%d/changing=%v", domains, limit, changing), func(b *testing.B) {
					scrapes(b, domains, limit, changing)
				})
			}
		}
	}
}

func scrapes(b *testing.B, domains, limit int, changing bool) {
	snap := bigFleet(domains)
	reg := prometheus.NewRegistry()
	h := New(reg, func() *monitor.Snapshot { return snap }, Options{PerRecordLimit: limit}).Handler(reg)
	get(b, h, "Accept-Encoding", "gzip")
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportAllocs()
	for b.Loop() {
		if changing {
			state := *snap.States.Get(monitor.RecordID{Domain: "d000500.example", Key: "spf"})
			state.OldTTL++
			next := *snap
			next.States = snap.States.With(&state)
			snap = &next
		}
		h.ServeHTTP(nowhere{}, r)
	}
}

// nowhere is where a benchmark's responses go.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

func bigFleet(n int) *monitor.Snapshot {
	states := make([]monitor.RecordState, n)
	for i := range states {
		states[i] = holding
		states[i].ID.Domain = rrset.Name(fmt.Sprintf("d%06d.example", i))
	}
	return fleet(states...)
}
