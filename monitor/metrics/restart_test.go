package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"maildrift/monitor"
)

// TestSweepsFromBeforeTheStartAreNoneOfThisProcess: metrics count what this process has done, whatever is remembered for people.
func TestSweepsFromBeforeTheStartAreNoneOfThisProcess(t *testing.T) {
	scraped := func(change func(s *monitor.Snapshot)) string {
		snap := fleet(holding)
		change(snap)
		reg := prometheus.NewRegistry()
		m := New(reg, func() *monitor.Snapshot { return snap }, Options{})
		var ours []string
		for line := range strings.Lines(scrape(t, m.Gatherer(reg))) {
			if strings.HasPrefix(line, "maildrift_") && !strings.Contains(line, "_created") {
				ours = append(ours, line)
			}
		}
		if len(ours) < 20 {
			t.Errorf("only %d series", len(ours))
		}
		return strings.Join(ours, "")
	}
	fresh := scraped(func(*monitor.Snapshot) {})
	remembering := scraped(func(s *monitor.Snapshot) {
		s.Sweeps = map[string]monitor.SweepSummary{"default": {Group: "default", Started: time.Unix(1_799_990_000, 0), Duration: time.Minute, Questions: 70, Failures: 3}}
		s.Sweeping = map[string]monitor.Progress{"default": {Started: time.Unix(1_799_999_000, 0), Domains: 1}}
	})
	if diff := cmp.Diff(fresh, remembering); diff != "" {
		t.Errorf("a sweep from before the start is counted:\n%s", diff)
	}
}
