package metrics

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

var _ monitor.Meter = (*Metrics)(nil)

var update = flag.Bool("update", false, "write the golden files anew")

// fleet makes a snapshot of domains with one SPF record each; the states follow
// the domains in order.
func fleet(states ...monitor.RecordState) *monitor.Snapshot {
	s := &monitor.Snapshot{
		NextSweep:    map[string]time.Time{"default": time.Unix(1_800_000_000, 0)},
		GoodSweepDue: map[string]time.Time{"default": time.Unix(1_800_000_900, 0)},
		Self: monitor.SelfState{
			LastGoodSweep: time.Unix(1_799_999_000, 5e8),
			Dissenters:    map[resolve.Operator]monitor.Dissenter{"two": {Since: time.Unix(1_799_990_000, 0)}, "three": {Sweeps: 2}},
		},
		Sources: []*resolve.Source{{ID: "one", Operator: "one"}, {ID: "two-a", Operator: "two"}, {ID: "two-b", Operator: "two"}, {ID: "three", Operator: "three"}},
	}
	all := make([]*monitor.RecordState, 0, len(states))
	for i, state := range states {
		if state.ID.Domain == "" {
			state.ID.Domain = rrset.Name(fmt.Sprintf("d%d.example", i))
		}
		if state.ID.Key == "" {
			state.ID.Key = "spf"
		}
		state.Expectation.Kind = mailrec.SPF
		all = append(all, &state)
		if n := len(s.Domains); n > 0 && s.Domains[n-1].Name == state.ID.Domain {
			s.Domains[n-1].Records = append(s.Domains[n-1].Records, monitor.Record{Key: state.ID.Key})
			continue
		}
		s.Domains = append(s.Domains, &monitor.Domain{Name: state.ID.Domain, Records: []monitor.Record{{Key: state.ID.Key}}})
	}
	s.States = s.States.With(all...)
	return s
}

func standingAt(p judge.Phase, v judge.Verdict) monitor.RecordState {
	return monitor.RecordState{State: judge.State{Phase: p, Verdict: v}}
}

var (
	holding = standingAt(judge.Verified, judge.Holding)
	missing = standingAt(judge.Verified, judge.Missing)
	drifted = standingAt(judge.Verified, judge.Drifted)
	pending = standingAt(judge.Pending, judge.Unjudged)
)

// busy makes metrics in which everything has happened once.
func busy(t *testing.T, o Options) (*Metrics, prometheus.Gatherer) {
	t.Helper()
	snap := fleet(holding, missing, pending, drifted)
	snap.Votes = snap.Votes.With(monitor.RecordID{Domain: "d1.example", Key: "spf"}, []monitor.SourceVote{
		{Operator: "google", Stand: judge.Absent}, {Operator: "quad9", Stand: judge.Good},
	})
	load := pace.Load{Interval: 15 * time.Minute, Parties: []pace.Party{{Name: "google", Questions: 30_000, Rate: 20}}}
	snap.Estimates = map[string]pace.Estimate{"default": load.Estimate()}
	snap.NextSweep = map[string]time.Time{"default": snap.NextSweep["default"], "night": snap.NextSweep["default"]}
	snap.Skipped = map[string]monitor.Skips{"default": {Times: 3}}
	snap.Open = []monitor.Incident{{Name: monitor.AlertMissing}, {Name: monitor.AlertDrifted}}
	reg := prometheus.NewRegistry()
	o.StoreSize = func() int64 { return 32768 }
	o.Notifiers = func() []Notifier {
		return []Notifier{
			{Receiver: "on-call", Integration: "pagerduty[0]", Known: true}, {Receiver: "on-call", Integration: "slack[0]", Known: true, Failing: 90 * time.Second},
			{Receiver: "mail", Integration: "email[0]"},
		}
	}
	o.Silent = func() []resolve.Silence { return []resolve.Silence{{Source: snap.Sources[0]}} }
	m := New(reg, func() *monitor.Snapshot { return snap }, o)
	m.Observed(resolve.Observation{Source: &resolve.Source{ID: "google", Operator: "google"}, Latency: 12 * time.Millisecond, Tries: 3, Mismatches: 1})
	m.Observed(resolve.Observation{Source: &resolve.Source{ID: "ns1.evil.example/192.0.2.1", Role: resolve.Authoritative}, Outcome: resolve.Timeout, Latency: 2 * time.Second})
	m.Observed(resolve.Observation{Source: snap.Sources[0], Outcome: resolve.Timeout, Withheld: true})
	m.Swept(monitor.SweepSummary{Group: "default", Duration: 3 * time.Second, Questions: 10, Shared: 4, Spared: 7, Withheld: 5, Transitions: 1})
	m.Transitioned("default")
	m.Swept(monitor.SweepSummary{Group: "default", Distrusted: "no canary was answered"})
	m.Committed(4*time.Millisecond, nil)
	m.Committed(time.Second, errors.New("disk full"))
	m.Notified(nil)
	m.Reloaded(nil, time.Unix(1_799_000_000, 0))
	return m, m.Gatherer(reg)
}

// scrape gives what Prometheus would read.
func scrape(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %v\n%s", w.Code, err, body)
	}
	return string(body)
}

func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("what is exported does not parse: %v", err)
	}
	return families
}

func TestExpositionParsesAndPassesTheLinter(t *testing.T) {
	_, reg := busy(t, Options{PerRecordLimit: 10, Version: "1.0"})
	parse(t, scrape(t, reg))
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestReferenceIsWhatIsExported keeps documentation and exposition the same, in both
// directions.
func TestReferenceIsWhatIsExported(t *testing.T) {
	_, reg := busy(t, Options{PerRecordLimit: 10})
	families := parse(t, scrape(t, reg))
	documented := map[string]bool{}
	for _, d := range Reference() {
		documented[d.Name] = true
		f, ok := families[d.Name]
		if !ok {
			t.Errorf("%s is documented but was not exported", d.Name)
			continue
		}
		if got := strings.ToLower(f.GetType().String()); got != d.Type.String() {
			t.Errorf("%s is a %s, documented as %s", d.Name, got, d.Type)
		}
		if f.GetHelp() != d.Help {
			t.Errorf("%s: help is %q, documented as %q", d.Name, f.GetHelp(), d.Help)
		}
		if got := labelNames(f.GetMetric()[0]); !cmp.Equal(got, sorted(d.Labels)) {
			t.Errorf("%s has labels %v, documented as %v", d.Name, got, d.Labels)
		}
	}
	for name := range families {
		if strings.HasPrefix(name, "maildrift_") && !documented[name] {
			t.Errorf("%s is exported but not documented", name)
		}
	}
}

func TestExpositionGolden(t *testing.T) {
	_, reg := busy(t, Options{PerRecordLimit: 2, Version: "1.2.3", Revision: "abc"})
	var own strings.Builder
	for line := range strings.Lines(scrape(t, reg)) {
		if !strings.Contains(line, "maildrift_") || strings.Contains(line, "_build_info") || strings.Contains(line, "_bucket{") {
			continue
		}
		if strings.HasPrefix(line, "maildrift_lookups_total") && strings.HasSuffix(line, " 0\n") {
			continue
		}
		own.WriteString(line)
	}
	golden(t, "testdata/exposition.txt", own.String())
}

func TestWhatCountsAsWhat(t *testing.T) {
	_, reg := busy(t, Options{})
	text := scrape(t, reg)
	for what, want := range map[string]string{
		"a good sweep":                     `maildrift_sweeps_total{group="default",result="good"} 1`,
		"a distrusted sweep":               `maildrift_sweeps_total{group="default",result="distrusted"} 1`,
		"an answer":                        `maildrift_lookups_total{operator="google",outcome="answer"} 1`,
		"an outcome that never was":        `maildrift_lookups_total{operator="google",outcome="servfail"} 0`,
		"retries are tries beyond one":     `maildrift_lookup_retries_total{operator="google"} 2`,
		"a mismatched reply":               `maildrift_lookup_mismatched_replies_total{operator="google"} 1`,
		"a nameserver has no name":         `maildrift_lookups_total{operator="authority",outcome="timeout"} 1`,
		"a timeout has no duration":        `maildrift_lookup_duration_seconds_count{operator="authority"} 0`,
		"a failed commit":                  `maildrift_store_commit_failures_total 1`,
		"a hand-over that never failed":    `maildrift_incident_handovers_total{result="error"} 0`,
		"half of the operators lost it":    `maildrift_propagation_ratio{phase="verified"} 0.5`,
		"nobody sees the pending one":      `maildrift_propagation_ratio{phase="pending"} 0`,
		"no record is overdue":             `maildrift_records{phase="overdue",verdict="unjudged"} 0`,
		"one is missing":                   `maildrift_records{phase="verified",verdict="missing"} 1`,
		"an alert that is not open":        `maildrift_alerts_open{alertname="MonitorBlind"} 0`,
		"a receiver that can be told":      `maildrift_notifier_up{integration="pagerduty[0]",receiver="on-call"} 1`,
		"one that cannot":                  `maildrift_notifier_failing_seconds{integration="slack[0]",receiver="on-call"} 90`,
		"an alert that is open":            `maildrift_alerts_open{alertname="RecordMissing"} 1`,
		"the last good sweep, in seconds":  `maildrift_last_good_sweep_timestamp_seconds 1.7999990005e+09`,
		"the reload worked":                `maildrift_config_last_reload_successful 1`,
		"the database":                     `maildrift_store_size_bytes 32768`,
		"the group can see":                `maildrift_group_blind{group="default"} 0`,
		"questions another record spared":  `maildrift_sweep_questions_total{fate="shared",group="default"} 4`,
		"questions a cache spared":         `maildrift_sweep_questions_total{fate="spared",group="default"} 7`,
		"what a sweep takes":               `maildrift_sweep_expected_seconds{group="default"} 1500`,
		"when a good sweep is due":         `maildrift_good_sweep_due_timestamp_seconds{group="default"} 1.8000009e+09`,
		"what it may take":                 `maildrift_sweep_interval_seconds{group="default"} 900`,
		"seconds, not milliseconds, swept": `maildrift_sweep_duration_seconds_sum{group="default"} 3`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s: no line %s", what, want)
		}
	}
	for what, not := range map[string]string{
		"names of nameservers":         "evil",
		"series of single records":     "maildrift_record_state{",
		"how many of these are absent": "maildrift_record_series_dropped",
	} {
		if strings.Contains(text, not) {
			t.Errorf("%s: %q must not be exported", what, not)
		}
	}
}

func TestAFailedReloadKeepsTheTimeOfTheLastGoodOne(t *testing.T) {
	m, reg := busy(t, Options{})
	m.Reloaded(errors.New("bad file"), time.Unix(1_900_000_000, 0))
	text := scrape(t, reg)
	for _, want := range []string{
		"maildrift_config_last_reload_successful 0\n",
		"maildrift_config_last_reload_success_timestamp_seconds 1.799e+09\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %s", want)
		}
	}
}

func TestBeforeThereIsAnEngineNothingIsSaidAboutRecords(t *testing.T) {
	reg := prometheus.NewRegistry()
	New(reg, func() *monitor.Snapshot { return nil }, Options{PerRecordLimit: 5})
	if text := scrape(t, reg); strings.Contains(text, "maildrift_records{") {
		t.Errorf("records are counted without an engine:\n%s", text)
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (write it anew with -update):\n%s", path, diff)
	}
}
