package tables

import (
	"bytes"
	"flag"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// measured is what three runs might have given; each is a little slower than the one before.
func measured() Set {
	s := Set{{Kind: Setup, Case: "go1.26, Knot DNS 3.2.6, dnsperf 2.10.0", Values: map[string]float64{"cores": 2}}}
	for run := 1; run <= 3; run++ {
		slower := 1 + float64(run-1)/10
		for name, cpu := range map[string]float64{Read: 4e-6, Recognised: 3e-6, Plain: 24e-6, DNSPerf: 3.4e-6} {
			s = append(s, Result{Run: run, Kind: Asking, Case: name, Values: asked(300_000, cpu*slower)})
			if name == Recognised {
				s[len(s)-1].Values["recognised"] = 300_000
			}
		}
		lossy, held := asked(27_000, 5e-6*slower), asked(27_000, 5e-6)
		lossy["answered"], lossy["lost"] = 26_999, 1
		held["limit"], held["questions"], held["limited"], held["seconds"] = 10_000, 27_200, 200, 3*slower
		s = append(s, Result{Run: run, Kind: Impaired, Case: "5 % lost each way", Values: lossy},
			Result{Run: run, Kind: Impaired, Case: "limited to 10,000/s", Values: held})
		for _, n := range []int{10_000, 1_000} {
			s = append(s, engine(run, Healthy, n, slower)...)
		}
		s = append(s, engine(run, OneDead, 1_000, slower*1.05)...)
	}
	sortCases(s)
	return s
}

// sortCases puts what came from a map into one order.
func sortCases(s Set) {
	order := map[string]int{Read: 1, Recognised: 2, Plain: 3, DNSPerf: 4}
	for i := range s {
		for j := i; j > 0 && s[j].Run == s[j-1].Run && s[j].Kind == Asking && s[j-1].Kind == Asking && order[s[j].Case] < order[s[j-1].Case]; j-- {
			s[j], s[j-1] = s[j-1], s[j]
		}
	}
}

func asked(n, cpu float64) map[string]float64 {
	return map[string]float64{"lookups": n, "answered": n, "seconds": n * cpu, "user": n * cpu / 4, "system": n * cpu * 3 / 4}
}

func engine(run int, name string, domains int, slower float64) Set {
	n := float64(domains)
	var s Set
	for sweep := 1; sweep <= 4; sweep++ {
		seconds := n / 2000 * slower
		if sweep == 1 {
			seconds *= 3
		}
		v := map[string]float64{
			"seconds": seconds, "committing": 0.002, "stall": 0.0015, "user": seconds, "system": seconds / 2, "server": seconds * 3 / 4, "observed": n * 80,
			"resident": n * 6 * 1500, "database": n * 6 * 2000, "others_last": seconds * 0.9,
		}
		if name == OneDead {
			v["lost"], v["dead_lost"] = n*5, n*5
		}
		s = append(s, Result{Run: run, Kind: Sweep, Case: name, Domains: domains, Sweep: sweep, Values: v})
	}
	return append(s, Result{Run: run, Kind: Engine, Case: name, Domains: domains, Values: map[string]float64{
		"records": n * 6, "registered": 0.1, "before": 20 << 20, "peak": 20<<20 + n*6*2000, "settled": 20<<20 + n*6*1500, "database": n * 6 * 2000,
		"open": 0.004, "ready": n / 40_000, "restarted_resident": 20<<20 + n*6*1400, "stored_ready": n / 30_000, "stored_resident": 10<<20 + n*6*1400, "scrape_first": 0.009, "scrape_next": 0.0003, "scrape_size": 40_000,
	}})
}

func TestReport(t *testing.T) {
	golden(t, "testdata/report.md", measured().Markdown())
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

func TestWhatWasNotMeasuredHasNoTable(t *testing.T) {
	if got := (Set{}).Markdown(); got != "" {
		t.Errorf("of nothing it says\n%s", got)
	}
	only := Set{{Run: 1, Kind: Asking, Case: DNSPerf, Values: asked(10, 1e-6)}}.Markdown()
	if strings.Count(only, "###") != 1 || !strings.Contains(only, "| dnsperf | 1,000,000 | 1.00 | 0.25 | 0.75 | – | 1.00 | 100 % | 0 % | 0 |") {
		t.Errorf("of one client it says\n%s", only)
	}
}

// A ratio of medians would be 2 here; what one run paid for the same lookups twice the other is 10 or 0.5.
func TestRatiosAreTakenWithinARun(t *testing.T) {
	a, b := byRun{1: 10, 2: 4, 3: 1, 4: 8}, byRun{1: 1, 2: 2, 3: 2}
	if diff := cmp.Diff(byRun{1: 10, 2: 2, 3: 0.5}, a.per(b)); diff != "" {
		t.Error(diff)
	}
	if got := a.per(b).show(times); got != "2.00 (0.50–10.00)" {
		t.Errorf("shown as %s", got)
	}
}

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		format func(float64) string
		f      float64
		want   string
	}{
		{whole, 0, "0"}, {whole, 999, "999"}, {whole, 1234567.8, "1,234,568"}, {whole, -1000, "-1,000"},
		{rounded, 0, "0"}, {rounded, 0.123, "0.12"}, {rounded, 12.34, "12.3"}, {rounded, 12345, "12,345"},
		{percent, 1, "100 %"}, {percent, 0.99995, "> 99.99 %"}, {percent, 0.9999, "99.99 %"}, {percent, 0.00005, "< 0.01 %"}, {percent, 0, "0 %"},
		{micros, 3.6e-6, "3.60"}, {millis, 0.0123, "12.3"}, {megas, 3 << 20, "3.00"}, {kilos, 1536, "1.50"},
	} {
		if got := test.format(test.f); got != test.want {
			t.Errorf("%v is shown as %s instead of %s", test.f, got, test.want)
		}
	}
}

func TestTheMedianOfSweepsIsTheRuns(t *testing.T) {
	s := Set{
		{Run: 1, Values: map[string]float64{"a": 1}}, {Run: 1, Values: map[string]float64{"a": 9}}, {Run: 1, Values: map[string]float64{"a": 2}},
		{Run: 2, Values: map[string]float64{"a": 4}}, {Run: 2, Values: map[string]float64{"a": 8}},
		{Run: 3, Values: map[string]float64{"a": math.NaN()}},
	}
	got := s.measure(func(Result) bool { return true }, value("a"))
	if diff := cmp.Diff(byRun{1: 2, 2: 6}, got); diff != "" {
		t.Error(diff)
	}
}

func TestResultsAreReadAsTheyWereWritten(t *testing.T) {
	var out bytes.Buffer
	if err := measured().Write(&out); err != nil {
		t.Fatal(err)
	}
	lines := out.String()
	back, err := ReadSet(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(measured(), back); diff != "" {
		t.Error(diff)
	}
	if _, err := ReadSet(strings.NewReader(lines + `{"run":1,"kond":"asking"}`)); err == nil || !strings.Contains(err.Error(), "kond") {
		t.Errorf("a field that nobody knows: %v", err)
	}
}

func TestTablesGoBetweenTheMarks(t *testing.T) {
	page := []byte("# Head\n\n" + beginMark + "\nold\n" + endMark + "\n\ntail\n")
	got, err := Replace(page, "new\n")
	if err != nil || string(got) != "# Head\n\n"+beginMark+"\n\nnew\n\n"+endMark+"\n\ntail\n" {
		t.Errorf("got %s, %v", got, err)
	}
	again, err := Replace(got, "new\n")
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("a second time it gives %s, %v", again, err)
	}
	for _, bad := range []string{"", beginMark, endMark + beginMark} {
		if _, err := Replace([]byte(bad), "new\n"); err == nil {
			t.Errorf("%q has no place for tables", bad)
		}
	}
}
